"""The decision of a selection: the plan of the test, the order of the candidates, and the choice."""

import datetime
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import filelock

from gan.config import DataConfig
from gan.data.dataset import Dataset
from gan.errors import InputError, check_whole
from gan.evaluation.report import MOST_NUM
from gan.saving import models
from gan.saving.metadata import check_card
from gan.selection.fixed_sequence import Outcome, run_sequence
from gan.selection.frontier import ValidatedCandidate, find_frontier
from gan.selection.looks import SampleLook
from gan.selection.record import RECORD, CandidateRecord, SelectionOptions, SelectionRecord, save_selection
from gan.selection.search import Save
from gan.tolerance import check_confirmation, planned_samples
from gan.utils import tensorflow as runtime
from gan.utils.commands import shell_command

EXPECTED_SHARE = 0.75
"""Share of the tolerance at which a candidate is to pass its test nine times out of ten. It decides `num`."""

TEST_SEED = 4_100_000_011
"""Seed of the samples of the first test, plus the seed of the selection. The next candidates have the next seeds."""

LOCK = ".lock"

Log = Callable[[str], None]


def plan_test(options: SelectionOptions) -> int:
    """Returns the number of samples of each test, which is planned before anything is trained.

    Raises `InputError` if no number of samples, or not the given one, could show that a generator is within the
    tolerance.
    """
    if options.num is None:
        expected, received = f"a tolerance that {MOST_NUM:,} samples can show", f"{options.tolerance:g}"
        try:
            num = planned_samples(EXPECTED_SHARE * options.tolerance, options.tolerance)
        except InputError as error:  # of a tolerance near 0
            raise InputError("No test could show this tolerance", expected=expected, received=received) from error
        if num > MOST_NUM:
            raise InputError("No test could show this tolerance", expected=expected, received=received)
        return num
    check_whole("num", options.num, 2, MOST_NUM)
    samples = f"{options.num:,} samples"
    check_confirmation("tolerance", options.tolerance, options.num, outcomes=samples, larger="--num {}")
    return options.num


def check_classifiers(options: SelectionOptions, dataset: str) -> None:
    """Raises `InputError` unless the probe and the classifier are different networks for a dataset."""
    found = [models.find_classifier(name) for name in (options.probe, options.classifier)]
    for one in found:
        check_card(dataset, one.card)
    if found[0].card.sha256 == found[1].card.sha256:
        raise InputError(
            "One classifier for search and test",
            expected="two different ones: --probe looks, --classifier tests",
            received=options.classifier,
        )


def new_record(
    options: SelectionOptions,
    dataset: Dataset,
    candidates: Sequence[CandidateRecord],
    *,
    num: int,
    command: str,
    data: DataConfig | None = None,
) -> SelectionRecord:
    """Returns the record of a selection that begins now. `data`: how its dataset was loaded, if that is known."""
    return SelectionRecord(
        options=options,
        dataset=dataset.name,
        data=data,
        candidates=tuple(candidates),
        num=num,
        command=command,
        versions={name: runtime.installed_version(name) for name in ("tensorflow", "keras", "numpy", "gan-reference")},
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Locks the folder of a selection for this process. Raises `InputError` if another one has the lock."""
    lock = filelock.FileLock(folder / LOCK)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout as error:
        raise InputError(
            "Another process works on this selection", expected="one process", received=str(folder)
        ) from error
    with lock:
        lock.release()
        yield


@contextmanager
def resume_hint(folder: Path, log: Log) -> Iterator[None]:
    """Says after an exception how to continue. Without a record there is nothing to continue: the folder is removed."""
    try:
        yield
    except BaseException:
        if (folder / RECORD).exists():
            log(f"What is finished is kept; {shell_command('gan', 'select', '--resume', folder)} continues")
        else:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def saver(folder: Path, record: SelectionRecord) -> Save:
    """Returns a function that writes a record with the seconds that the selection has taken so far."""
    before, began = record.seconds, time.monotonic()

    def save(changed: SelectionRecord) -> SelectionRecord:
        changed = replace(changed, seconds=round(before + time.monotonic() - began, 1))
        save_selection(folder, changed)
        return changed

    return save


def fix_order(record: SelectionRecord, log: Log) -> SelectionRecord:
    """Fixes the order of the tests, from the last looks at validation data and the costs alone."""
    validated = [
        ValidatedCandidate(
            name=one.name,
            error=one.looks[-1].error,
            cost=one.cost.value,
            coverage=one.looks[-1].coverage,
            real_coverage=one.looks[-1].real_coverage,
        )
        for one in record.candidates
        if one.is_finished and one.cost is not None
    ]
    frontier = find_frontier(validated)
    for name, reason in frontier.dropped.items():
        record = record.with_candidate(replace(record.candidate(name), dropped=reason))
    order = tuple(one.name for one in frontier.kept)
    log(f"to be tested: {', '.join(order) or 'no one'}")
    return replace(record, order=order)


def choose(record: SelectionRecord, folder: Path, dataset: Dataset, save: Save, log: Log) -> SelectionRecord:
    """Tests the candidates in the order of the record, and chooses the last one that passes.

    Each outcome is saved when it is there, so that a test that was interrupted afterwards is not repeated.
    """
    options, order = record.options, record.order
    assert order is not None
    assert record.num is not None
    if not order:
        return save(replace(record, verdict="undecided"))
    look = SampleLook.of(dataset, options.classifier, dataset.test, dataset.validation)
    num = max(record.num, len(look.reference.features))
    record = replace(record, num=num)
    done = {one.name: one.outcome for one in record.candidates if one.outcome is not None}

    def measure(name: str) -> Outcome:
        nonlocal record
        one = record.candidate(name)
        assert one.generator is not None
        log(f"testing {name} on {num:,} fresh samples")
        seed = (TEST_SEED + options.seed + order.index(name)) % 2**32
        wrong, _, coverage = look.measure(folder / one.generator, num=num, seed=seed)
        outcome = Outcome(wrong=wrong, num=num, coverage=coverage, real_coverage=look.reference.real_coverage)
        record = save(record.with_candidate(replace(one, outcome=outcome)))
        return outcome

    result = run_sequence(order, measure, tolerance=options.tolerance, num=num, done=done)
    for test in result.tested:
        record = record.with_candidate(replace(record.candidate(test.name), test=test))
    return save(replace(record, chosen=result.chosen, verdict=result.verdict))
