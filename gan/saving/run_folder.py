"""File names in a run folder, and folders for new runs. Does not import TensorFlow."""

import os
import re
from pathlib import Path

from gan.errors import InputError
from gan.saving.files import as_path, check_writable

GENERATOR, DISCRIMINATOR = "generator.keras", "discriminator.keras"
CLASSIFIER, CONFIG = "classifier.keras", "config.json"
MIXTURE = "mixture.json"
"""What a mixture of generators has in place of `CONFIG`: it has no training."""
LOG, SAMPLES, REPORT, PAGE = "log.csv", "samples", "report.json", "report.html"
TENSORBOARD = "tensorboard"
FEEDBACK, FEEDBACK_IMAGES = "feedback.jsonl", "feedback.npy"
JUDGEMENTS = "feedback.sqlite"
"""The file of `gan feedback`: judgements of the generator beside it. `FEEDBACK` is what the run was trained on."""
RUNS = Path("runs")
"""Default parent of run folders, relative to the working directory."""


def new_run(output: str | os.PathLike[str] | None, name: str) -> Path:
    """Creates the folder of a new run: `output`, or the next numbered folder in `runs/`, such as runs/00001-mnist.

    Two runs never get the same numbered folder, even if they start at the same time. Raises `InputError` if `output`
    cannot be written or is not empty.
    """
    if output is not None:
        check_output(output)
        run = as_path(output, "output")
        _make(run, exist_ok=True)
        return run
    _make(RUNS, exist_ok=True)
    number = 1 + max((int(n.name[:5]) for n in RUNS.iterdir() if re.match(r"\d{5}-", n.name)), default=0)
    while True:
        run = RUNS / f"{number:05d}-{name}"
        if not any(RUNS.glob(f"{number:05d}-*")):
            try:
                run.mkdir()
            except FileExistsError:
                pass
            else:
                if run == min(RUNS.glob(f"{number:05d}-*")):
                    return run
                run.rmdir()  # a run with another name took this number at the same time
        number += 1


def check_output(output: str | os.PathLike[str] | None) -> None:
    """Raises `InputError` unless `output` can become the folder of a new run. Does not write anything.

    None stands for a numbered folder in `runs/`.
    """
    if output is None:
        check_writable(RUNS / "run" / CONFIG)
        return
    path = as_path(output, "output")
    if path.is_dir() and any(path.iterdir()):
        raise InputError("The output folder is not empty", expected="a new or empty folder", received=str(output))
    check_writable(path / CONFIG)


def _make(folder: Path, *, exist_ok: bool) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=exist_ok)
    except OSError as error:
        raise InputError(
            "The output folder cannot be written",
            expected="a writable folder",
            received=f"{folder}: {error.strerror}",
        ) from error
