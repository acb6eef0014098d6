"""Files of a trial, in memory, that travel between machines. Does not import TensorFlow."""

from dataclasses import dataclass, replace
from pathlib import Path

from gan.saving import files
from gan.saving.run_copy import RunFiles, RunReader, write_run
from gan.saving.training_state import FOLDER
from gan.selection.trial import run_log


@dataclass(frozen=True)
class TrialFiles:
    """A run folder, and what its training printed."""

    run: RunFiles
    log: bytes


def read_trial(folder: Path) -> TrialFiles:
    """Reads a run folder, which need not exist yet, and its log."""
    log = run_log(folder)
    return TrialFiles(RunReader(folder).read(), log.read_bytes() if log.exists() else b"")


def write_trial(folder: Path, content: TrialFiles) -> None:
    """Writes a run folder and its log, and then removes other training states. Files of other programs stay."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    run = content.run
    if run.changed:
        states = {f"{FOLDER}/{path.name}" for path in (folder / FOLDER).glob("*.*")}
        write_run(folder, replace(run, removed=tuple(sorted(states.difference(run.changed)))))
    if content.log:
        files.write(run_log(folder), lambda partial: partial.write_bytes(content.log))
