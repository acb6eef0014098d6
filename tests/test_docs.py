"""The API reference is built from the docstrings, and holds what is public."""

import re
import runpy
import warnings

import pytest
from conftest import ROOT

import gan

DOCS = runpy.run_path(str(ROOT / "docs" / "build.py"))


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """name of a public module -> its page."""
    folder = tmp_path_factory.mktemp("docs")
    with warnings.catch_warnings(action="error"):
        DOCS["build"](folder)
    assert (folder / "index.html").exists()
    assert (folder / "search.js").exists()
    return {name: folder.joinpath(*name.split(".")).with_suffix(".html").read_text("utf-8") for name in DOCS["PUBLIC"]}


def shown(page):
    """The text of a page, without its tags."""
    return re.sub(r"<[^>]+>", "", page)


def test_the_names_that_are_looked_up_late_are_there_with_their_docstrings(pages):
    for name in gan.__all__:
        assert f'id="{name}"' in pages["gan"], name
        assert getattr(gan, name).__doc__.split("\n")[0][:20] in shown(pages["gan"]), name


def test_the_first_page_leads_to_all_others(pages):
    assert {f"gan.{link}" for link in re.findall(r'href="gan/(\w+)\.html"', pages["gan"])} >= set(pages) - {"gan"}


def test_arguments_are_lists(pages):
    found = re.search(r'id="build_generator".*?<h6[^>]*>Arguments:</h6>\s*<ul>(.*?)</ul>', pages["gan"], re.DOTALL)
    assert " ".join(re.findall(r"<strong>(\w+):</strong>", found[1])) == "image_shape latent_dim num_classes arch width"


def test_what_readme_and_contributing_name_is_public_and_what_is_public_has_a_page(pages):
    texts = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md"))
    named = set(re.findall(r"`(gan\.[a-z_]+)`", texts)) | set(re.findall(r"(?:from|import) (gan\.[a-z_]+)", texts))
    paths = {name: ROOT.joinpath(*name.split(".")) for name in named}
    assert {name for name, path in paths.items() if path.is_dir() or path.with_suffix(".py").exists()} <= set(pages)
    assert {getattr(gan, name).__module__.split(".")[1] for name in gan.__all__} <= {name[4:] for name in pages}
