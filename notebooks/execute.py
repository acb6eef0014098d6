"""Executes notebooks: reads NN_name.py (jupytext's percent format), writes NN_name.ipynb with outputs beside it.

    python notebooks/execute.py                               all of them, in full: `make notebooks`
    python notebooks/execute.py 01_quickstart 03_losses_and_penalties
    python notebooks/execute.py --quick --output /tmp/quick   fewer steps: as the tests do
    python notebooks/execute.py --words                       only the words are new: the outputs stay

The kernel is the interpreter that runs this, in an empty folder that is removed afterwards. `--quick` takes the values
of the key `quick` of the parameters cell, `# %% tags=["parameters"] quick={"IMAGES": 640}`. The .ipynb remembers the
SHA-256 of the text it was made from. An output that names a folder of this machine, or is a log line of TensorFlow, is
refused, see `MACHINE`.
"""

import argparse
import hashlib
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
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

FOLDER = Path(__file__).parent
FORMAT = "py:percent"
SECONDS_PER_CELL = 1_800

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
MACHINE = (
    re.compile(r"(?<![\w.:/-])/(?:home|root|work|tmp|usr|opt|var|mnt|srv|content|Users|private)/\S*|[A-Z]:\\\S*"),
    re.compile(r"\S*(?:site-packages|dist-packages|ipykernel_\d+)\S*"),
    re.compile(r"<[^<>\n]* at 0x[0-9a-f]+>"),
    re.compile(r"^(?:[IWEF]\d{4} |\d{4}-\d\d-\d\d .*: [IWEF] |WARNING: All log messages).*", re.MULTILINE),
)
"""What no output may hold: folders of the machine that made it, addresses in memory, log lines of TensorFlow."""


def names() -> list[str]:
    """The notebooks that there are, in order."""
    return sorted(path.stem for path in FOLDER.glob("[0-9][0-9]_*.py"))


def source_sha256(source: Path) -> str:
    """SHA-256 of the text that a notebook is made from."""
    return hashlib.sha256(source.read_bytes()).hexdigest()


def read(source: Path) -> Any:
    """The notebook of a text, without outputs; its cells have the same names each time."""
    notebook = jupytext.read(source, fmt=FORMAT)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "source_sha256": source_sha256(source)})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def make_quick(notebook: Any) -> None:
    """Gives the parameters of a notebook the values under `quick` in the metadata of their cell.

    Raises `ValueError` for a name that is not assigned on one line of that cell, exactly once.
    """
    for cell in notebook.cells:
        for name, value in cell.metadata.get("quick", {}).items():
            assignment = re.compile(rf"^{name} = [^#\n]*", re.MULTILINE)
            if len(assignment.findall(cell.source)) != 1:
                raise ValueError(f"Bad `quick`. Expected one line `{name} = ...`. Received:\n{cell.source}")
            cell.source = assignment.sub(lambda _, name=name, value=value: f"{name} = {value!r}  ", cell.source)


def texts(cell: Any) -> str:
    """What the outputs of a cell say, pictures left out."""
    said = []
    for output in cell.get("outputs", []):
        said += [output.get("text", ""), *output.get("traceback", [])]
        said += [str(value) for kind, value in output.get("data", {}).items() if not kind.startswith("image/")]
    return "\n".join(said)


def complaints(notebook: Any) -> list[str]:
    """What is wrong with the outputs of a notebook: one line each."""
    found = []
    for number, cell in enumerate(notebook.cells):
        found += [f"cell {number}: {hit}" for pattern in MACHINE for hit in pattern.findall(texts(cell))]
        found += [f"cell {number}: {o.ename}" for o in cell.get("outputs", []) if o.output_type == "error"]
    return found


def execute(notebook: Any) -> None:
    """Runs all cells in this interpreter's kernel; outputs go into the notebook. Raises `CellExecutionError`."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):  # nothing of this user's settings matters, or is changed
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
        # no folders to look for kernels in: what remains is the one of the interpreter that runs this
        specs = KernelSpecManager(kernel_dirs=[])
        client.km = AsyncKernelManager(kernel_name=KERNEL["name"], kernel_spec_manager=specs)
        if os.name == "posix":  # sockets in this folder, in the place of ports that all of this machine can reach
            client.km.transport, client.km.connection_file = "ipc", str(Path(folder) / "kernel.json")
        client.execute()
    notebook.metadata["language_info"] = {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"}


def make(source: Path, output: Path, *, quick: bool = False) -> list[str]:
    """Executes one notebook and writes it into the folder `output`; returns the complaints about its outputs."""
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
    found = complaints(notebook)
    nbformat.write(notebook, file.with_suffix(".refused.ipynb") if found else file)
    return found


def renew_words(source: Path, output: Path) -> list[str]:
    """Puts the words of a text into the notebook that was made from it; returns what stands against it."""
    file = output / f"{source.stem}.ipynb"
    before, now = nbformat.read(file, as_version=4), read(source)
    ran, code = [[cell for cell in one.cells if cell.cell_type == "code"] for one in (before, now)]
    if [cell.source for cell in ran] != [cell.source for cell in code]:
        return ["its code is not what was executed"]
    for old, new in zip(ran, code):
        new.outputs, new.execution_count = old.outputs, old.execution_count
    now.metadata["language_info"] = before.metadata["language_info"]
    nbformat.write(now, file)
    return []


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit status is 1 when a cell failed or an output was refused."""
    parser = argparse.ArgumentParser(description="Execute notebooks.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names())}; default: all")
    parser.add_argument("--quick", action="store_true", help="with the quick values of the parameters cell")
    parser.add_argument("--words", action="store_true", help="execute nothing: renew the text between cells of code")
    parser.add_argument("--output", type=Path, default=FOLDER, help="folder for the .ipynb files")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(names())
    if unknown:
        parser.error(f"Expected some of {names()}. Received: {sorted(unknown)}")
    if options.quick and options.output.resolve() == FOLDER.resolve():
        parser.error("Expected --output beside --quick: the notebooks kept here are those in full")
    making = renew_words if options.words else partial(make, quick=options.quick)
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
