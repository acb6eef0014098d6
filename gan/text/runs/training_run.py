"""Opens the run folder of a text model for training: a new one, or one that is resumed."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, is_dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

from gan.errors import as_json
from gan.saving import run_folder, training_state
from gan.saving.files import as_path
from gan.saving.training_state import State
from gan.text.data.corpus import Corpus
from gan.text.runs.fitting import FitResult, latest_state
from gan.text.runs.text_run import Kind, TextRecord, TextResult, find_run, load_record
from gan.utils import tensorflow as runtime

Config = TypeVar("Config")


@dataclass(frozen=True)
class OpenRun(Generic[Config]):
    """A locked run folder, ready to train in it."""

    folder: Path
    record: TextRecord
    config: Config
    corpus: Corpus
    saved: State | None = None
    """State to resume from. None: a new training."""

    def finish(self, fitted: FitResult, **numbers: object) -> TextRecord:
        """Records how the training ended, and the numbers measured on its network, which must be written before."""
        result = TextResult(
            epochs=fitted.epochs,
            seconds=fitted.seconds,
            interrupted=fitted.interrupted,
            stopped_by=None if fitted.interrupted else fitted.stopped_by,
            numbers=dict(numbers),
        )
        return self.record.finish(self.folder, result)


@contextmanager
def new_run(
    kind: Kind, config: Config, corpus: Corpus, *, output: str | Path | None, device: str
) -> Iterator[OpenRun[Config]]:
    """Creates and locks a run folder: `output`, or the next number in runs/. Yields what to train.

    After an error before the first complete epoch, the folder is removed. `device` is a description of it.
    """
    assert is_dataclass(config)
    assert not isinstance(config, type)
    record = TextRecord(
        kind=kind,
        config=as_json(config),
        corpus=corpus.describe(),
        device=device,
        versions=runtime.versions(),
        git_revision=runtime.git_revision(),
    )
    existed = output is not None and as_path(output, "output").is_dir()
    folder = run_folder.new_run(output, f"text-{kind}")
    is_ours = False  # another process may have locked the folder in this moment
    try:
        with training_state.locked(folder):
            is_ours = True
            record.save(folder)
            yield OpenRun(folder, record, config, corpus)
    except BaseException:
        if is_ours and training_state.latest(folder) == (None, []):
            _remove(folder, keep=existed)
        raise


@contextmanager
def resumed_run(
    folder: str | Path,
    kind: Kind,
    config_type: type[Config],
    load: Callable[[Config], Corpus],
    log: Callable[[str], None],
) -> Iterator[OpenRun[Config] | None]:
    """Locks the folder of an interrupted run. Yields what to train, or None if the run is finished already.

    Args:
        folder: run folder.
        kind: kind of its model.
        config_type: dataclass of its options.
        load: function: options -> the texts. They must be the recorded ones.
        log: prints a line.

    Raises `InputError`, and changes nothing, for a folder of another kind, other texts, and damaged states.
    """
    path, record = find_run(folder, kind)
    if _is_finished(path, record, log):
        yield None
        return
    with training_state.locked(path):
        record = load_record(path)
        if _is_finished(path, record, log):  # by another process, while this one waited
            yield None
            return
        config = record.options(config_type, path)
        corpus = load(config)
        corpus.check_same(record.corpus)
        saved = latest_state(path, log)
        epochs = saved.interval if saved else 0
        log(f"resuming after epoch {epochs}" if saved else "no epoch is complete: the training starts again")
        record = replace(record, resumed=(*record.resumed, epochs))
        record.save(path)
        yield OpenRun(path, record, config, corpus, saved)


def _is_finished(folder: Path, record: TextRecord, log: Callable[[str], None]) -> bool:
    if record.result is None or record.result.interrupted:
        return False
    log(f"{folder} is finished: {record.result.epochs} epochs")
    return True


def _remove(folder: Path, *, keep: bool) -> None:
    """Removes what this training wrote; `keep`: the folder itself was there before."""
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for inner in folder.iterdir():
        shutil.rmtree(inner, ignore_errors=True) if inner.is_dir() else inner.unlink(missing_ok=True)
