"""`python docs/build.py FOLDER` writes the API reference from the docstrings: pages of `gan` and its public modules."""

import sys
from pathlib import Path
from types import ModuleType

import pdoc

import gan


def pages() -> dict[str, pdoc.doc.Module]:
    """Public name -> its page: `gan` first, then the modules of `gan.__all__`. What is not there may change."""
    public = {name: getattr(gan, name) for name in gan.__all__}
    vars(gan).update(public)  # pdoc shows what is there already, and these are looked up when they are first used
    found = {"gan": pdoc.doc.Module(gan)}
    for name, module in public.items():
        if isinstance(module, ModuleType):
            vars(module).update({part: getattr(module, part) for part in getattr(module, "__all__", [])})
            page = found[f"gan.{name}"] = pdoc.doc.Module(module)
            page.modulename, page.taken_from = f"gan.{name}", (f"gan.{name}", "")  # not where it lies in the package
    found["gan"].submodules = [page for name, page in found.items() if name != "gan"]
    return found


def build(folder: Path) -> list[str]:
    """Writes the pages, an index and a search; returns the public names that have a page."""
    pdoc.render.configure(docformat="google", show_source=True, footer_text=gan.__doc__.partition(".")[0])
    everything = pages()
    for name, module in everything.items():
        page = folder.joinpath(*name.split(".")).with_suffix(".html")
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(pdoc.render.html_module(module, everything), encoding="utf-8")
    (folder / "index.html").write_text(pdoc.render.html_index(everything), encoding="utf-8")
    (folder / "search.js").write_text(pdoc.render.search_index(everything), encoding="utf-8")
    return list(everything)


if __name__ == "__main__":
    gan.start_tensorflow()  # without its chatter
    build(Path(sys.argv[1]))
