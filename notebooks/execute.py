"""Executes notebooks: reads NN_name.py (jupytext's percent format), and writes NN_name.ipynb with outputs next to it.

    python notebooks/execute.py                               all notebooks in full: `make notebooks`
    python notebooks/execute.py 01_quickstart 03_losses_and_penalties
    python notebooks/execute.py --quick --output /tmp/quick   fewer steps, as in the tests
    python notebooks/execute.py --words                       update Markdown and comments only, keep all outputs

The kernel is the current interpreter, in an empty folder that is removed afterwards. `--quick` uses the values of the
key `quick` of the parameters cell: `# %% tags=["parameters"] quick={"IMAGES": 640}`. The .ipynb stores the SHA-256 of
its source. An output with a folder of this machine or a log line of TensorFlow is an error, see `MACHINE`.
"""

import argparse
import ast
import base64
import hashlib
import io
import os
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import numpy as np
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image

FOLDER = Path(__file__).parent
FORMAT = "py:percent"
SECONDS_PER_CELL = 1_800

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
MACHINE = (
    re.compile(r"(?<![\w.:/-])/(?:home|root|work|tmp|usr|opt|var|mnt|srv|content|Users|private)/\S*|[A-Z]:\\\S*"),
    re.compile(r"\S*(?:site-packages|dist-packages|ipykernel_\d+)\S*"),
    re.compile(r"<[^\n]* at 0x[0-9a-f]+>"),
    re.compile(r"^(?:[IWEF]\d{4} |\d{4}-\d\d-\d\d .*: [IWEF] |WARNING: All log messages).*", re.MULTILINE),
)
"""Patterns that no output may contain: local folders, memory addresses, log lines of TensorFlow."""


def names() -> list[str]:
    """Returns the names of all notebooks, in order."""
    return sorted(path.stem for path in FOLDER.glob("[0-9][0-9]_*.py"))


def source_sha256(source: Path) -> str:
    """Returns the SHA-256 of the source of a notebook."""
    return hashlib.sha256(source.read_bytes()).hexdigest()


def read(source: Path) -> Any:
    """Reads a notebook from its source, without outputs. Cell ids are the same each time."""
    notebook = jupytext.read(source, fmt=FORMAT)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "source_sha256": source_sha256(source)})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def make_quick(notebook: Any) -> None:
    """Sets the parameters of a notebook to the values under `quick` in the metadata of their cell.

    Raises `ValueError` unless each name is assigned exactly once, on one line of that cell.
    """
    for cell in notebook.cells:
        for name, value in cell.metadata.get("quick", {}).items():
            assignment = re.compile(rf"^{name} = [^#\n]*", re.MULTILINE)
            if len(assignment.findall(cell.source)) != 1:
                raise ValueError(f"Bad `quick`. Expected one line `{name} = ...`. Received:\n{cell.source}")
            cell.source = assignment.sub(lambda _, name=name, value=value: f"{name} = {value!r}  ", cell.source)


def output_text(cell: Any) -> str:
    """Returns the text of the outputs of a cell, without images."""
    parts = []
    for output in cell.get("outputs", []):
        parts += [output.get("text", ""), *output.get("traceback", [])]
        parts += [str(value) for kind, value in output.get("data", {}).items() if not kind.startswith("image/")]
    return "\n".join(parts)


def find_output_errors(notebook: Any) -> list[str]:
    """Returns the errors in the outputs of a notebook, one line each."""
    found = []
    for number, cell in enumerate(notebook.cells):
        found += [f"cell {number}: {hit}" for pattern in MACHINE for hit in pattern.findall(output_text(cell))]
        found += [f"cell {number}: {o.ename}" for o in cell.get("outputs", []) if o.output_type == "error"]
    return found


def compact_png(png: bytes) -> bytes:
    """Returns a PNG image without transparency and with at most 256 colors, about half of the size.

    The colors are exact if the image has no more. Returns the image itself if that is not larger.
    """
    with Image.open(io.BytesIO(png)) as image:
        opaque = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA")).convert("RGB")
    colors, places = np.unique(np.asarray(opaque).reshape(-1, 3), axis=0, return_inverse=True)
    if len(colors) <= 256:
        found = Image.fromarray(places.reshape(opaque.size[::-1]).astype(np.uint8), "P")
        found.putpalette(colors.tobytes())
    else:
        found = opaque.quantize(256, method=Image.Quantize.MEDIANCUT, kmeans=2, dither=Image.Dither.NONE)
    written = io.BytesIO()
    found.save(written, "png", optimize=True)
    return min(png, written.getvalue(), key=len)


def compact_images(notebook: Any) -> None:
    """Replaces the PNG images of all outputs by `compact_png` of them, so that the repository stays small."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                png = compact_png(base64.b64decode(data["image/png"]))
                data["image/png"] = base64.b64encode(png).decode() + "\n"


def execute(notebook: Any) -> None:
    """Runs all cells in a kernel of this interpreter, and stores their outputs. Raises `CellExecutionError`."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):  # neither uses nor changes settings of the user
            os.environ[name] = str(Path(folder) / name.lower())
        os.environ.pop("MPLBACKEND", None)
        here = Path(folder) / "here"
        here.mkdir()
        client = NotebookClient(
            notebook,
            timeout=SECONDS_PER_CELL,
            coalesce_streams=True,
            record_timing=False,
            resources={"metadata": {"path": str(here)}},
        )
        # without kernel folders, only the kernel of the current interpreter is left
        specs = KernelSpecManager(kernel_dirs=[])
        client.km = AsyncKernelManager(kernel_name=KERNEL["name"], kernel_spec_manager=specs)
        if os.name == "posix":  # sockets in this folder instead of ports that are open to the whole machine
            client.km.transport, client.km.connection_file = "ipc", str(Path(folder) / "kernel.json")
        client.execute()
    notebook.metadata["language_info"] = {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"}


def make(source: Path, output: Path, *, quick: bool = False) -> list[str]:
    """Executes one notebook and writes it into the folder `output`. Returns the errors in its outputs."""
    notebook = read(source)
    if quick:
        make_quick(notebook)
    output.mkdir(parents=True, exist_ok=True)
    file = output / f"{source.stem}.ipynb"
    try:
        execute(notebook)
    except CellExecutionError:
        nbformat.write(notebook, file.with_suffix(".failed.ipynb"))
        raise
    compact_images(notebook)
    found = find_output_errors(notebook)
    nbformat.write(notebook, file.with_suffix(".refused.ipynb") if found else file)
    return found


def without_comments(code: str) -> str:
    """Returns code in a form that comments and docstrings do not change. A cell that is not Python stays unchanged."""
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return code
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and ast.get_docstring(node):
            node.body[0] = ast.Pass()
    hides_value = code.rstrip().endswith(";")  # IPython then does not show the value of the last line
    return ast.dump(tree) + ";" * hides_value


def update_words(source: Path, output: Path) -> list[str]:
    """Updates Markdown cells, comments and docstrings of an executed notebook from its source.

    Returns errors: code that differs from the code that was executed.
    """
    file = output / f"{source.stem}.ipynb"
    before, now = nbformat.read(file, as_version=4), read(source)
    executed, code = [[cell for cell in one.cells if cell.cell_type == "code"] for one in (before, now)]
    if [without_comments(cell.source) for cell in executed] != [without_comments(cell.source) for cell in code]:
        return ["code cells differ from the executed notebook"]
    for old, new in zip(executed, code):
        new.outputs, new.execution_count = old.outputs, old.execution_count
    now.metadata["language_info"] = before.metadata["language_info"]
    compact_images(now)
    nbformat.write(now, file)
    return []


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line. Returns 1 if a cell failed or an output is invalid, else 0."""
    parser = argparse.ArgumentParser(description="Execute notebooks.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(names())}; default: all")
    parser.add_argument("--quick", action="store_true", help="use the quick values of the parameters cell")
    parser.add_argument("--words", action="store_true", help="execute nothing; update Markdown cells and comments only")
    parser.add_argument("--output", type=Path, default=FOLDER, help="folder for the .ipynb files")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(names())
    if unknown:
        parser.error(f"Expected some of {names()}. Received: {sorted(unknown)}")
    if options.quick and options.output.resolve() == FOLDER.resolve():
        parser.error("--quick needs --output with another folder: this folder holds the full notebooks")
    making = update_words if options.words else partial(make, quick=options.quick)
    wrong = 0
    for name in options.names or names():
        started = time.monotonic()
        try:
            found = making(FOLDER / f"{name}.py", options.output)
        except CellExecutionError as error:
            found = [f"a cell failed\n{error}"]
        wrong += bool(found)
        print(f"{name}: {time.monotonic() - started:.0f} s", *found, sep="\n  ", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
