"""Builds the documentation site: `python docs/build.py FOLDER`.

The site holds the Markdown pages of the repository and the API reference, with navigation and a search that work
offline. `stage` writes its sources and needs no Sphinx. `build` makes HTML of them; a warning is an error.
"""

import ast
import os
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from inspect import cleandoc
from pathlib import Path
from types import ModuleType
from typing import Any

import gan

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "README.md": "Overview",
    "docs/results.md": "Results",
    "docs/evaluation.md": "Evaluation",
    "docs/reliability.md": "Reliability",
    "docs/comparison.md": "Comparison",
    "docs/command-line.md": "Command line",
    "docs/gpu.md": "GPUs",
    "docs/selection.md": "Selection",
    "docs/deployment.md": "Deployment",
    "docs/feedback.md": "Feedback",
    "docs/tiers.md": "Tiers",
    "docs/monitoring.md": "Monitoring",
    "docs/text.md": "Text",
    "docs/data.md": "Images and datasets",
    "docs/color.md": "Color and little data",
    "docs/keras-options.md": "Options of Keras",
    "docs/experiments.md": "Experiments",
    "CONTRIBUTING.md": "Contributing",
    "CHANGELOG.md": "Changelog",
}
"""Page -> its title in the navigation, in this order."""

LEXERS = {".py": "python", ".json": "json", ".csv": "text", ".cfg": "ini", ".toml": "toml", ".jinja": "jinja"}
"""Suffix of a linked file that becomes a page -> Pygments lexer. Other files are copied unchanged."""

LINK = re.compile(r"(!?)\[((?:[^][]|\[[^][]*\])*)\]\(([^)\s]+)\)")
"""An image or a link of Markdown: `!`, text, target. The text may contain an image."""

FENCE = re.compile(r"^(```.*?^```)", re.DOTALL | re.MULTILINE)

SETTINGS = {
    "project": "gan",
    "html_title": "gan",
    "html_theme": "furo",
    "extensions": ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"],
    "myst_heading_anchors": 6,
    "autodoc_default_options": {"members": True, "member-order": "bysource"},
    "suppress_warnings": ["ref.python"],  # several classes have an attribute `width`; a short name may mean any of them
    "napoleon_use_ivar": True,  # an "Attributes:" section may name what autodoc documents, too
    "autodoc_inherit_docstrings": False,
    "autodoc_preserve_defaults": True,
    "autodoc_typehints_format": "short",
    "python_maximum_signature_line_length": 88,
    "toc_object_entries_show_parents": "hide",
    "html_copy_source": False,
    "html_show_sphinx": False,
    "html_show_copyright": False,
    "html_show_search_summary": False,
    "smartquotes": False,  # they would change the dashes of --options
    "html_static_path": [str(ROOT / "docs" / "site.css")],
    "html_css_files": ["site.css"],
    "html_use_index": False,
    "html_domain_indices": False,
}


@dataclass(frozen=True)
class Entry:
    """A public name of a module, with its documentation."""

    name: str
    kind: str  # autoclass, autofunction, data or module
    value: object
    docstring: str


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(Path(str(import_module(module).__file__)).read_text(encoding="utf-8"))


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yields the statements of a module, also those under `if TYPE_CHECKING`, which import the lazy names."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If):
            yield from _statements(statement.body)


def _defined(module: str) -> dict[str, str]:
    """Returns {top-level name of a module: docstring below its assignment}. Functions and classes get ""."""
    found = {}
    body = _tree(module).body
    for statement, following in zip(body, [*body[1:], ast.Pass()]):
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            found[statement.name] = ""
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            constant = following.value if isinstance(following, ast.Expr) else None
            text = constant.value if isinstance(constant, ast.Constant) and isinstance(constant.value, str) else ""
            found |= {target.id: text for target in targets if isinstance(target, ast.Name)}
    return found


def _docstring(module: str, name: str) -> str:
    """Returns the docstring below the assignment of a constant, from the module that defines it."""
    if name in (defined := _defined(module)):
        return defined[name]
    for statement in _statements(_tree(module).body):
        if isinstance(statement, ast.ImportFrom):
            for alias in statement.names:
                if name == (alias.asname or alias.name):
                    return _docstring(str(statement.module), alias.name)
    return ""


def entries(module: ModuleType) -> list[Entry]:
    """Returns the public names of a module: its `__all__`, or the names that it defines without an underscore."""
    defined = [name for name in _defined(module.__name__) if not name.startswith("_")]
    found = []
    for name in getattr(module, "__all__", defined):
        value = getattr(module, name)
        if isinstance(value, ModuleType):
            kind = "module"
        elif isinstance(value, type) and value is not Any:
            kind = "autoclass"
        else:
            kind = "autofunction" if hasattr(value, "__code__") else "data"
        text = _docstring(module.__name__, name) if kind == "data" else value.__doc__ or ""
        found.append(Entry(name, kind, value, text))
    return found


def public_modules() -> dict[str, ModuleType]:
    """Returns {public name: module}: `gan` first, then the modules of `gan.__all__`."""
    values = {name: getattr(gan, name) for name in gan.__all__}
    return {"gan": gan, **{f"gan.{name}": value for name, value in values.items() if isinstance(value, ModuleType)}}


HIDDEN = ["---", "orphan: true", "nosearch: true", "---", ""]
"""Front matter of a page outside the navigation and the search."""

MARKUP = re.compile(
    r"(?P<bullet>^ *\* )|(?<!`)(?P<ticks>`+)(?!`)(?P<code>[^`][\s\S]*?)(?<!`)(?P=ticks)(?!`)"
    r"|(?P<special>[\\*|`]|(?<=\w)_(?!\w))",
    re.MULTILINE,
)
"""Bullets of lists, spans of code, and characters that are markup in reStructuredText."""


def markup(docstring: str) -> str:
    """Converts a docstring from Markdown to reStructuredText: code spans, lists, indented blocks and `>>>` blocks.

    Code spans with a public name of the package become links to its entry.
    """
    blocks, indent = [], 0
    for block in re.split(r"\n\s*\n", docstring):
        lines = block.splitlines() or [""]
        deeper = min(len(line) - len(line.lstrip()) for line in lines) - indent
        if blocks and deeper >= 4 and not lines[0].lstrip().startswith("* "):
            blocks += [" " * indent + "::", block]
            continue
        indent = len(lines[-1]) - len(lines[-1].lstrip())
        blocks.append(block if block.lstrip().startswith(">>>") else MARKUP.sub(_marked, block))
    return "\n\n".join(blocks)


def _marked(found: re.Match[str]) -> str:
    if found["bullet"]:
        return found["bullet"]
    if found["special"]:
        return "\\" + found["special"]
    code = " ".join(found["code"].split())
    name = re.sub(r"^gan\.|\(\)$", "", code)
    target = (
        public_names().get(name) if code != name or not name.islower() or "_" in name else None
    )  # `images` may be an argument
    return f":py:obj:`{code} <{target}>`" if target else f"``{code}``"


@cache
def public_names() -> dict[str, str]:
    """Returns {short name: full public name}: `GAN`, `penalties.R1`, and `R1` if it is in one public module only."""
    found: dict[str, str] = {}
    several = set()
    for module_name, module in public_modules().items():
        if module_name != "gan":
            for entry in entries(module):
                found[f"{module_name.removeprefix('gan.')}.{entry.name}"] = f"{module_name}.{entry.name}"
                several |= {entry.name} & set(found)
                found[entry.name] = f"{module_name}.{entry.name}"
    ours = {name: f"gan.{name}" for name in gan.__all__}
    return {name: target for name, target in found.items() if name not in several} | ours


def _value(value: object) -> list[str]:
    """Returns the option with the value of a constant; [] if the value is long."""
    text = " ".join(repr(value).replace("typing.", "").split())
    return [f"   :value: {text}"] if len(text) <= 160 and " at 0x" not in text else []


def _keys(value: object) -> list[str]:
    """Returns a line with the keys of a dict; [] for other constants."""
    return ["   Keys: " + ", ".join(f"``{key!r}``" for key in value) + "."] if isinstance(value, dict) else []


def api_page(name: str, module: ModuleType) -> str:
    """Returns the page of a public module in reStructuredText. Sphinx adds signatures and docstrings."""
    parts = [name, "=" * len(name), "", f".. py:module:: {name}", "", markup(cleandoc(module.__doc__ or "")), ""]
    modules = []
    for entry in entries(module):
        if entry.kind == "module":
            summary = str(entry.value.__doc__).strip().partition("\n")[0]
            modules.append(f"* :doc:`{name}.{entry.name}`: {markup(summary)}")
        elif entry.kind == "data":
            parts += [f".. py:data:: {entry.name}", *_value(entry.value), ""]
            parts += [*(f"   {line}".rstrip() for line in markup(cleandoc(entry.docstring)).splitlines()), ""]
            parts += [*_keys(entry.value), ""]
        else:
            parts += [f".. {entry.kind}:: {name}.{entry.name}", ""]
    if modules:
        parts += ["Modules", "-------", "", *modules, ""]
    return "\n".join(parts)


def table(flowchart: str) -> str:
    """Converts a Mermaid flowchart to a table of its arrows. To draw it, the site would load a script from the web."""
    arrows = dict(re.findall(r"^ *(\w+) --> (.+)$", flowchart, re.MULTILINE))
    names = re.findall(r"^ +(?!end$)(\w+)$", flowchart, re.MULTILINE)
    rows = [f"| `{name}` | {arrows.get(name, '').replace(' & ', ', ')} |" for name in names]
    return "\n".join(["| from | arrows to |", "|---|---|", *rows])


class _Sources:
    """Writes the sources of the site to a folder and rewrites the links between them."""

    def __init__(self, folder: Path) -> None:
        self.pages, self.files = folder / "pages", folder / "files"
        self._added: set[str] = set()

    def add_site(self) -> None:
        for name in PAGES:
            self._add_markdown(name)
        modules = public_modules()
        for name, module in modules.items():
            _write(self.pages / "api" / f"{name}.rst", api_page(name, module))
        contents = {
            "Guide": [f"{title} <{'self' if name == 'README.md' else _page(name)}>" for name, title in PAGES.items()],
            "API reference": [f"{name} <api/{name}>" for name in modules],
        }
        with (self.pages / _page("README.md")).open("a", encoding="utf-8") as home:
            for caption, lines in contents.items():
                home.write("\n".join(["", "```{toctree}", ":hidden:", f":caption: {caption}", "", *lines, "```", ""]))

    def _add_markdown(self, name: str) -> None:
        """Adds a page of Markdown with rewritten links, and the files that it links to."""
        text = (ROOT / name).read_text(encoding="utf-8")
        if name not in PAGES:
            text = "\n".join([*HIDDEN, *([] if text.startswith("# ") else [f"# {name}", ""]), text])
        parts = FENCE.split(text)
        parts[::2] = [LINK.sub(lambda found: self._link(name, *found.groups()), part) for part in parts[::2]]
        parts[1::2] = [table(part) if part.startswith("```mermaid") else part for part in parts[1::2]]
        _write(self.pages / _page(name), "".join(parts))

    def _add_code(self, name: str) -> None:
        """Adds a page that shows a file of code."""
        page = self.pages / _page(name)
        code = os.path.relpath(ROOT / name, page.parent)
        lines = [f".. literalinclude:: {code}", f"   :language: {LEXERS[Path(name).suffix]}"]
        _write(page, "\n".join([":orphan:", ":nosearch:", "", name, "=" * len(name), "", *lines, ""]))

    def _add_folder(self, name: str) -> None:
        """Adds a page that lists the files and subfolders of a folder."""
        inside = {file.removeprefix(f"{name}/").partition("/")[0] for file in _files() if file.startswith(f"{name}/")}
        links = [f"* {self._link(f'{name}/index.md', '', f'`{path}`', path)}" for path in sorted(inside)]
        _write(self.pages / _page(name), "\n".join([*HIDDEN, f"# {name}", "", *links, ""]))

    def _link(self, page: str, image: str, text: str, target: str) -> str:
        """Returns the link of the site for a link of a page of the repository."""
        text = LINK.sub(lambda found: self._link(page, *found.groups()), text)
        path, _, anchor = target.partition("#")
        if not path or ":" in path:
            return f"{image}[{text}]({target})"
        name = posixpath.normpath((Path(page).parent / path).as_posix())
        if image or not self._add(name):
            copied = (self.pages if image else self.files) / "files" / name
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, copied)
            relative = posixpath.relpath(f"files/{name}", Path(_page(page)).parent)
            return f"![{text}]({relative})" if image else f'<a href="{relative}">{text}</a>'
        return f"[{text}]({posixpath.relpath(_page(name), Path(_page(page)).parent)}{'#' * bool(anchor)}{anchor})"

    def _add(self, name: str) -> bool:
        """Adds the page of a file or folder, if it is missing. Returns False if this kind of file has no page."""
        suffix = Path(name).suffix
        folder = (ROOT / name).is_dir()
        if not folder and suffix not in (".md", *LEXERS):
            return False
        if name not in {*PAGES, *self._added}:
            self._added.add(name)
            add = self._add_folder if folder else self._add_markdown if suffix == ".md" else self._add_code
            add(name)
        return True


@cache
def _files() -> list[str]:
    """Returns the files of the repository that git tracks."""
    return subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


def _page(name: str) -> str:
    """Returns the path of the page of a file or folder among the sources of the site."""
    if name == "README.md":
        return "index.md"
    if name in PAGES:
        return name
    if (ROOT / name).is_dir():
        return f"source/{name}/index.md"
    return f"source/{name}" if name.endswith(".md") else f"source/{name}.rst"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def stage(folder: Path) -> None:
    """Writes the sources of the site: `pages` for Sphinx, and `files` to copy unchanged."""
    _Sources(folder).add_site()


def build(folder: Path) -> int:
    """Builds the site in a folder. Returns 0, or 1 after a warning."""
    from sphinx.application import Sphinx

    for name, module in public_modules().items():
        sys.modules[name] = module  # autodoc documents them by these names
    with tempfile.TemporaryDirectory() as name:
        sources = Path(name)
        stage(sources)
        files = [str(sources / "files")] if (sources / "files").is_dir() else []
        site = Sphinx(
            srcdir=sources / "pages",
            confdir=None,
            outdir=folder,
            doctreedir=sources / "doctrees",
            buildername="html",
            confoverrides={**SETTINGS, "html_extra_path": files},
            status=None,
            warningiserror=True,
        )
        site.connect("autodoc-process-docstring", _convert, priority=400)  # before napoleon
        site.connect("doctree-resolved", _colons)
        site.build()
    return site.statuscode


def _colons(app: object, page: Any, name: str) -> None:
    """Writes a colon, not two dashes, between the name of a parameter and its description."""
    from docutils.nodes import Text

    for text in [text for text in page.findall(Text) if text == " -- "]:
        text.parent.replace(text, Text(": "))


def _convert(app: object, what: str, name: str, of: object, options: object, lines: list[str]) -> None:
    lines[:] = markup("\n".join(lines)).splitlines()


if __name__ == "__main__":
    gan.start_tensorflow()  # without its start-up messages
    raise SystemExit(build(Path(sys.argv[1])))
