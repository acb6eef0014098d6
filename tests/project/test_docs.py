"""The API reference is built from the docstrings, and holds what is public."""

import re
import runpy
import warnings
from types import ModuleType

import pytest
from helpers.commands import ROOT

import gan

DOCS = runpy.run_path(str(ROOT / "docs" / "build.py"))


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """name of a public module -> its page."""
    folder = tmp_path_factory.mktemp("docs")
    with warnings.catch_warnings(action="error"):
        names = DOCS["build"](folder)
    assert (folder / "index.html").exists()
    assert (folder / "search.js").exists()
    return {name: folder.joinpath(*name.split(".")).with_suffix(".html").read_text("utf-8") for name in names}


def shown(page):
    """The text of a page, without its tags."""
    return re.sub(r"<[^>]+>", "", page)


def test_the_names_that_are_looked_up_late_are_there_with_their_docstrings(pages):
    for name in gan.__all__:
        value = getattr(gan, name)
        page = pages[f"gan.{name}" if isinstance(value, ModuleType) else "gan"]
        assert isinstance(value, ModuleType) or f'id="{name}"' in page, name
        assert value.__doc__.split("\n")[0][:20] in shown(page), name


def test_a_page_of_a_module_has_its_public_name_wherever_the_module_lies(pages):
    for name, page in pages.items():
        assert re.sub(r"\s", "", shown(re.search(r'<h1 class="modulename">(.*?)</h1>', page, re.DOTALL)[1])) == name
    assert 'id="WassersteinGP"' in pages["gan.penalties"]


def test_the_first_page_leads_to_all_others(pages):
    assert {f"gan.{link}" for link in re.findall(r'href="gan/(\w+)\.html"', pages["gan"])} >= set(pages) - {"gan"}


def test_arguments_are_lists(pages):
    found = re.search(r'id="build_generator".*?<h6[^>]*>Arguments:</h6>\s*<ul>(.*?)</ul>', pages["gan"], re.DOTALL)
    assert " ".join(re.findall(r"<strong>(\w+):</strong>", found[1])) == "image_shape latent_dim num_classes arch width"
