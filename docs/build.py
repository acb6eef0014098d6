"""`python docs/build.py FOLDER` writes the API reference, one page for each public module, from the docstrings."""

import sys
from pathlib import Path

import pdoc

import gan
from gan.runtime import load_tensorflow

PUBLIC = [
    "gan",
    "gan.augment",
    "gan.callbacks",
    "gan.checkpoints",
    "gan.classifier",
    "gan.config",
    "gan.data",
    "gan.errors",
    "gan.evaluation",
    "gan.images",
    "gan.losses",
    "gan.metrics",
    "gan.model",
    "gan.networks",
    "gan.penalties",
    "gan.perturbation",
    "gan.projection",
    "gan.quality",
    "gan.runtime",
    "gan.sampling",
    "gan.tolerance",
    "gan.training",
]
"""The pages; what is not among them may change without notice."""


def build(folder: Path) -> None:
    """Writes the pages. The public names of `gan`, which are looked up when they are first used, are looked up here."""
    vars(gan).update({name: getattr(gan, name) for name in gan.__all__})
    pdoc.render.configure(docformat="google", show_source=True, footer_text=gan.__doc__.partition(".")[0])
    everything = {name: pdoc.doc.Module.from_name(name) for name in PUBLIC}
    everything["gan"].submodules = [everything[name] for name in PUBLIC[1:]]  # `__all__` does not name them
    for name, module in everything.items():
        page = folder.joinpath(*name.split(".")).with_suffix(".html")
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(pdoc.render.html_module(module, everything), encoding="utf-8")
    (folder / "index.html").write_text(pdoc.render.html_index(everything), encoding="utf-8")
    (folder / "search.js").write_text(pdoc.render.search_index(everything), encoding="utf-8")


if __name__ == "__main__":
    load_tensorflow()  # without its chatter
    build(Path(sys.argv[1]))
