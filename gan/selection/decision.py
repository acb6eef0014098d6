"""The decision of a selection: the plan of the test, the order of the candidates, and the choice."""

import datetime
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from gan.config import DataConfig
from gan.data.dataset import Dataset
from gan.errors import InputError, TrainingError
from gan.evaluation.members import independent
from gan.evaluation.report import MOST_NUM
from gan.saving import files, models
from gan.saving.known_images import ImagesLike, check_card
from gan.saving.saved_generator import find_saved
from gan.selection.cost import MeasuredCosts
from gan.selection.fixed_sequence import Outcome, run_sequence
from gan.selection.folder import Log, Save
from gan.selection.frontier import ValidatedCandidate, find_frontier
from gan.selection.looks import SampleLook, coverage_images
from gan.selection.record import FAILED, CandidateRecord, SelectionOptions, SelectionRecord
from gan.tolerance import passes_test, planned_samples
from gan.utils import tensorflow as runtime

EXPECTED_SHARE = 0.75
"""Share of the tolerance at which a candidate is to pass its test nine times out of ten. It decides `num`."""

TEST_SEED = 4_100_000_011
"""Seed of the samples of the first test, plus the seed of the selection. The next candidates have the next seeds."""


def plan_samples(options: SelectionOptions, dataset: Dataset) -> tuple[SelectionOptions, int]:
    """Returns the options with the samples that a look has, and the samples of each test.

    Both are at least as many as the images whose coverage is measured. Raises `InputError` as `plan_test` does, and for
    too few images.
    """
    if options.num is None:
        plan_test(options)  # before the data is looked at
    num = plan_test(options, coverage_images(dataset, dataset.test, dataset.validation))
    least = coverage_images(dataset, dataset.validation, dataset.train)
    return replace(options, look_num=max(options.look_num, least)), num


def plan_test(options: SelectionOptions, least: int = 1) -> int:
    """Returns the number of samples of each test, `least` or more. It is planned before anything is trained.

    Raises `InputError` if no number of samples, or not the given one, could show that a generator is within the
    tolerance: not even if none of them is wrong.
    """
    expected, received = f"a tolerance that {MOST_NUM:,} samples can show", f"{options.tolerance:g}"
    if options.num is None:
        try:
            num = planned_samples(EXPECTED_SHARE * options.tolerance, options.tolerance)
        except InputError as error:  # of a tolerance near 0
            raise InputError("No test could show this tolerance", expected=expected, received=received) from error
        if num > MOST_NUM:
            raise InputError("No test could show this tolerance", expected=expected, received=received)
        return max(num, least)
    num, sizes = max(options.num, least), range(1, MOST_NUM + 1)
    fewest = 1 + bisect_left(sizes, True, key=lambda size: passes_test(0, size, options.tolerance))
    if num < fewest:
        if fewest <= MOST_NUM:
            expected = f"--num {fewest} or more, or a higher tolerance"
            received = f"{num:,} samples for a tolerance of {received}"
        raise InputError("No test could show this tolerance", expected=expected, received=received)
    return num


def check_classifiers(options: SelectionOptions, dataset: ImagesLike) -> None:
    """Raises `InputError` unless the probe and the classifier are independent networks for a dataset."""
    found = [models.find_classifier(name) for name in (options.probe, options.classifier)]
    for one in found:
        check_card(dataset, one.card)
    if not independent(found[0].card, found[1].card):
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
        inputs=find_inputs(options, dataset),
        num=num,
        command=command,
        versions={name: runtime.installed_version(name) for name in ("tensorflow", "keras", "numpy", "gan-reference")},
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def check_inputs(record: SelectionRecord, inputs: Mapping[str, str]) -> None:
    """Raises `InputError` if the dataset, the probe or the classifier is not the one of the start of a selection.

    inputs: SHA-256 of them now, from `find_inputs`.
    """
    for name, expected in record.inputs.items():
        if inputs[name] != expected:
            raise InputError(
                f"The {name} changed since the start of this selection",
                expected=f"the one with SHA-256 {expected}, or a new selection",
                received=inputs[name],
            )


def find_inputs(options: SelectionOptions, dataset: Dataset) -> dict[str, str]:
    """Returns the SHA-256 of the `dataset`, of all its splits, and of the `probe` and the `classifier`."""
    probe, classifier = (models.find_classifier(name).card.sha256 for name in (options.probe, options.classifier))
    return {"dataset": dataset.whole_fingerprint, "probe": probe, "classifier": classifier}


def explain_errors(record: SelectionRecord, log: Log) -> None:
    """Says what an error is of candidates without labels, if there are some."""
    if said := record.without_labels:
        log(said)


def with_costs(record: SelectionRecord, found: MeasuredCosts) -> SelectionRecord:
    """Returns a record with measured costs. A candidate whose cost could not be measured has left."""
    for name, cost in found.costs.items():
        record = record.with_candidate(replace(record.candidate(name), cost=cost))
    for name, reason in found.failures.items():
        record = record.with_candidate(replace(record.candidate(name), ended=f"{FAILED}{reason}"))
    return replace(record, where=found.machine)


def check_not_all_failed(record: SelectionRecord) -> None:
    """Raises `TrainingError` with the first reason if all candidates that the budget allows have failed."""
    left_out = {} if record.plan is None else record.plan.left_out
    reasons = [
        (one.name, one.ended)
        for one in record.candidates
        if one.name not in left_out or left_out[one.name].startswith(FAILED)
    ]
    if all(reason is not None and reason.startswith(FAILED) for _, reason in reasons):
        name, reason = reasons[0]
        raise TrainingError(f"All candidates failed. {name} {reason}")


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
    num = record.num
    done = {one.name: one.outcome for one in record.candidates if one.outcome is not None}

    def measure(name: str) -> Outcome:
        nonlocal record
        one = record.candidate(name)
        generator = _looked_at(one, folder)
        log(f"testing {name} on {num:,} fresh samples")
        seed = (TEST_SEED + options.seed + order.index(name)) % 2**32
        wrong, drawn, coverage = look.measure(generator, num=num, seed=seed)
        outcome = Outcome(
            wrong=wrong,
            num=drawn,
            coverage=coverage,
            real_coverage=look.reference.real_coverage,
            real=look.real_rate(generator),
        )
        record = save(record.with_candidate(replace(one, outcome=outcome)))
        return outcome

    result = run_sequence(order, measure, tolerance=options.tolerance, num=num, done=done)
    for test in result.tested:
        record = record.with_candidate(replace(record.candidate(test.name), test=test))
    return save(replace(record, chosen=result.chosen, verdict=result.verdict))


def _looked_at(one: CandidateRecord, folder: Path) -> Path:
    """Returns the generator of a candidate. Raises `InputError` if it is not the one of the last look."""
    assert one.generator is not None
    generator, expected = folder / one.generator, one.looks[-1].generator_sha256
    received = files.sha256(generator) if generator.is_file() else find_saved(generator).summary.sha256
    if received != expected:
        raise InputError(
            f"The generator of {one.name} changed since the last look at it",
            expected=f"{generator} with SHA-256 {expected}, or a new selection",
            received=received,
        )
    return generator
