"""The site: its sources are complete and every link resolves; a slow test builds it as `make docs` does."""

import json
import os
import re
import runpy
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import pytest
from helpers.commands import ROOT

import gan

DOCS = runpy.run_path(str(ROOT / "docs" / "build.py"))
PAGES = list(DOCS["PAGES"])
MODULES = DOCS["public_modules"]()


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """The folder with the sources of the site."""
    folder = tmp_path_factory.mktemp("sources")
    DOCS["stage"](folder)
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, built with warnings as errors."""
    folder = tmp_path_factory.mktemp("site") / "docs"
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "build.py"), str(folder)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def prose(text):
    """A page of Markdown without its blocks and spans of code."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))


def links(text):
    """The relative targets of a page of Markdown, images included."""
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", prose(text)) if ":" not in target]


def anchors(text):
    """The anchors that GitHub and the site give the headings of a page of Markdown."""
    found = {}
    for heading in re.findall(
        r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE
    ):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        found[slug] = found.get(slug, -1) + 1
    return {f"{slug}-{n}" if n else slug for slug, last in found.items() for n in range(last + 1)}


class Elements(HTMLParser):
    """The elements of a page of HTML: (tag, attributes); and its text, headings and identifiers."""

    def __init__(self, path):
        super().__init__()
        self.elements, self.text, self.headings = [], "", ""
        self._open = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        self.text += data
        if "h1" in self._open:
            self.headings += data

    def ids(self):
        return {attributes["id"] for _, attributes in self.elements if attributes.get("id")}

    def targets(self, tag, attribute):
        return [attributes[attribute] for name, attributes in self.elements if name == tag and attribute in attributes]


def words(text):
    return re.sub(r"\W+", "", text)


def test_every_page_of_the_repository_is_in_the_navigation(sources):
    assert sorted(PAGES[1:]) == sorted(
        ["CONTRIBUTING.md", "CHANGELOG.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
    )
    home = (sources / "pages" / "index.md").read_text("utf-8")
    listed = re.findall(r"^.+ <(.+)>$", home, re.MULTILINE)
    assert listed == ["self", *PAGES[1:], *(f"api/{name}" for name in MODULES)]


def test_every_public_name_has_an_entry_on_the_page_of_its_public_module(sources):
    assert set(MODULES) == {"gan"} | {f"gan.{n}" for n in gan.__all__ if isinstance(getattr(gan, n), ModuleType)}
    for name, module in MODULES.items():
        page = (sources / "pages" / "api" / f"{name}.rst").read_text("utf-8")
        assert page.startswith(f"{name}\n=")
        assert DOCS["markup"](module.__doc__.strip())[:20] in page
        for entry in getattr(module, "__all__", [entry.name for entry in DOCS["entries"](module)]):
            kinds = ("autoclass:: {}.", "autofunction:: {}.", "py:data:: ")
            starts = [f".. {kind.format(name)}{entry}" for kind in kinds] + [f"* :doc:`{name}.{entry}`"]
            assert len(re.findall(rf"^(?:{'|'.join(map(re.escape, starts))})(?!\w)", page, re.MULTILINE)) == 1, entry


def test_modules_without_a_list_of_names_show_what_they_define():
    assert not hasattr(gan.penalties, "__all__")
    shown = {entry.name: entry.kind for entry in DOCS["entries"](gan.penalties)}
    assert shown["R1"] == "autoclass"
    assert shown["get"] == "autofunction"
    assert shown["PENALTIES"] == "data"
    assert not {"keras", "ops", "ABC", "InputError"} & set(shown)


def test_a_constant_has_the_docstring_from_the_module_that_defines_it():
    entries = {entry.name: entry for entry in DOCS["entries"](gan.networks)}
    assert entries["NORMS"].kind == "data"
    assert f'"""{entries["NORMS"].docstring}"""' in (ROOT / "gan" / "models" / "networks" / "norms.py").read_text(
        "utf-8"
    )


@pytest.mark.parametrize("name", PAGES)
def test_every_link_of_a_page_resolves_in_the_repository(name):
    page = ROOT / name
    text = page.read_text("utf-8")
    assert not re.search(r"<(a|img)\s|^\[[^]]+\]: ", prose(text), re.MULTILINE), "only [text](target) becomes a link"
    for target in links(text):
        path, _, anchor = target.partition("#")
        found = (page.parent / path) if path else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found.read_text("utf-8")), target


def test_every_link_of_the_sources_resolves_in_the_sources(sources):
    pages = sources / "pages"
    checked = 0
    for page in pages.rglob("*.md"):
        text = page.read_text("utf-8")
        below = os.path.relpath(pages, page.parent)
        for target in links(text):
            path, _, anchor = target.partition("#")
            found = (page.parent / path) if path else page
            assert found.is_file(), (page, target)
            assert not anchor or anchor in anchors(found.read_text("utf-8")), (page, target)
            checked += 1
        for target in re.findall(r'<a href="([^"]+)">', prose(text)):
            assert (sources / "files" / Path(os.path.normpath(target)).relative_to(below)).is_file(), (page, target)
    assert checked > 20
    for page in (pages / "source").rglob("*.rst"):
        (included,) = re.findall(r"^.. literalinclude:: (.+)$", page.read_text("utf-8"), re.MULTILINE)
        assert (page.parent / included).samefile(ROOT / page.relative_to(pages / "source").with_suffix("")), page


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("Scale `x` by 2.", "Scale ``x`` by 2."),
        ("|grad D|^2, all of *args, beta_", r"\|grad D\|^2, all of \*args, beta\_"),
        ("a * b\n* one `item`", "a \\* b\n* one ``item``"),
        ("``a `b` c`` and `d\n  e`", "``a `b` c`` and ``d e``"),
        ("An `InputError`, the `images`.", "An :py:obj:`InputError <gan.InputError>`, the ``images``."),
        ("`losses.LOSSES`", ":py:obj:`losses.LOSSES <gan.losses.LOSSES>`"),
        ("A table:\n\n    a  *b*\n\nand text", "A table:\n\n::\n\n    a  *b*\n\nand text"),
        (">>> f(*x)\n1\n\n*", ">>> f(*x)\n1\n\n\\*"),
        ("    Hi *\n\n        * `a`", "    Hi \\*\n\n        * ``a``"),
    ],
)
def test_markup_keeps_code_and_lists_and_escapes_the_rest(docstring, expected):
    assert DOCS["markup"](docstring) == expected


def test_a_flowchart_becomes_a_table_of_its_arrows():
    flowchart = '```mermaid\nflowchart TD\n    subgraph row1 [" "]\n        cli\n    end\n    cli --> data & utils\n```'
    assert DOCS["table"](flowchart) == "| from | arrows to |\n|---|---|\n| `cli` | data, utils |"


@pytest.mark.slow
def test_the_site_holds_every_public_name_with_its_docstring(site):
    for name, module in MODULES.items():
        page = Elements(site / "api" / f"{name}.html")
        assert words(page.headings) == words(name)
        text, ids = words(page.text), page.ids()
        for entry in DOCS["entries"](module):
            assert entry.kind == "module" or f"{name}.{entry.name}" in ids, (name, entry.name)
            first = re.split(r"[.:;,\n]", entry.docstring.strip())[0]
            assert words(first) in text, (name, entry.name)


@pytest.mark.slow
def test_arguments_are_lists_in_the_site(site):
    html = (site / "api" / "gan.html").read_text("utf-8")
    found = re.search(r'id="gan.build_generator".*?Parameters.*?<ul[^>]*>(.*?)</ul>', html, re.DOTALL)
    names = ["image_shape", "latent_dim", "num_classes", "arch"]
    assert re.findall(r"<strong>(\w+)</strong>", found[1])[:4] == names


@pytest.mark.slow
def test_every_page_of_the_site_leads_to_every_other_page(site):
    pages = {"index.html", *(name.replace(".md", ".html") for name in PAGES[1:]), *(f"api/{n}.html" for n in MODULES)}
    for name in pages:
        targets = {t.partition("#")[0] or Path(name).name for t in Elements(site / name).targets("a", "href")}
        assert {os.path.normpath(Path(name).parent / target) for target in targets if ":" not in target} >= pages


@pytest.mark.slow
def test_the_site_works_offline(site):
    checked = 0
    for path in site.rglob("*.html"):
        page = Elements(path)
        loaded = [*page.targets("script", "src"), *page.targets("img", "src"), *page.targets("link", "href")]
        for target in loaded:
            assert not re.match(r"(https?:)?//", target), (path, target)
        if "files" in path.relative_to(site).parts:  # copied as it is
            continue
        for target in [*loaded, *page.targets("a", "href")]:
            file = re.split("[?#]", unquote(target))[0]
            if file and ":" not in target:
                assert (path.parent / file).exists(), (path, target)
                checked += 1
    assert checked > 1000
    for style in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", style.read_text("utf-8")), style


@pytest.mark.slow
def test_the_search_finds_terms_of_the_pages_and_of_the_reference(site):
    index = (site / "searchindex.js").read_text("utf-8")
    found = json.loads(re.fullmatch(r"Search.setIndex\((.*)\)", index, re.DOTALL)[1])
    assert {"latent", "toler"} <= set(found["terms"])  # stems
    assert "gan.penalties" in found["objects"]
    assert {"docs/results", "api/gan.penalties", "CONTRIBUTING"} <= set(found["docnames"])
