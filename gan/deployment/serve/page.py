"""The page of the server: its models, and samples of each."""

from collections.abc import Sequence
from html import escape

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>gan serve</title>
<style>
:root {{ color-scheme: light dark; font-family: system-ui, sans-serif; }}
body {{ max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }}
img {{ max-width: 100%; image-rendering: pixelated; }}
</style>
<h1>gan serve</h1>
{models}
<p><a href="openapi.json">openapi.json</a>, <a href="metrics">metrics</a></p>
</html>
"""

_MODEL = """<h2>{name}</h2>
<p><img src="sample.png?model={name}" alt="64 samples of {name}"></p>
<p><a href="v1/models/{name}">versions</a>, <a href="v1/models/{name}/metadata">signature</a>,
<a href="sample.npz?model={name}">samples.npz</a></p>
"""


def page(names: Sequence[str]) -> str:
    """Returns the HTML page for models of these names."""
    return _PAGE.format(models="".join(_MODEL.format(name=escape(name)) for name in names))
