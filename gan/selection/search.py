"""The search of a selection: trains candidates from rung to rung, and looks at them. Does not import TensorFlow."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gan.errors import TrainingError
from gan.saving import run_folder
from gan.selection.cost import CostTask, MeasuredCosts, TimedRun
from gan.selection.folder import Save
from gan.selection.halving import HalvingPlan, Pace, interval_images, plan_halving, read_budget, rung_of
from gan.selection.record import FAILED, CandidateRecord, SelectionRecord
from gan.selection.trial import Look, TrialResult, TrialTask
from gan.selection.workers import Workers
from gan.tolerance import COVERAGE_SHARE
from gan.utils.json_process import ProcessFailure

LOOK_SEED = 4_000_000_007
"""Seed of the samples of all looks, plus the seed of the selection. No training run and no test uses such a seed."""


def shortfall(look: Look) -> float:
    """Returns how far a generator is from what is asked: its error rate, plus the coverage that it lacks.

    Both are shares. The lacking coverage is max(0, 0.8 - coverage / real coverage), see `gan.tolerance.covers`. While
    candidates are unfinished, it keeps those from leading that repeat a few recognizable samples.
    """
    covered = look.coverage / look.real_coverage if look.real_coverage > 0 else 0.0
    return look.error + max(0.0, COVERAGE_SHARE - covered)


def plan_search(record: SelectionRecord, workers: Workers | None, log: Callable[[str], None]) -> HalvingPlan:
    """Returns the rungs that the budget allows.

    workers: for a budget in seconds, they time some steps of each candidate first. None: the budget is in images.

    Raises `InputError` for a budget below the cost of the cheapest candidate, and `TrainingError` if nothing can be
    timed.
    """
    assert record.options.budget is not None
    budget = read_budget(record.options.budget)
    lengths = {one.name: one.images for one in record.candidates}
    per_step = {one.name: _per_step(one) for one in record.candidates}
    if not budget.in_seconds:
        return plan_halving(lengths, budget.amount, per_step=per_step)
    assert workers is not None
    log(f"timing some steps of {len(lengths)} candidates, to plan for {budget}")
    runs = tuple(
        TimedRun(name=one.name, config=one.config, images=one.images) for one in record.candidates if one.config
    )
    found = measure_costs(workers, CostTask(cost="train_seconds", runs=runs, rounds=1))
    paces = {}
    for name, cost in found.costs.items():
        paces[name] = Pace(image=max(cost.value - cost.start, 1e-9) / lengths[name], start=cost.start)
    known = {name: lengths[name] for name in paces}
    if not known:
        raise TrainingError(f"No candidate can be trained: {next(iter(found.failures.values()), 'none was timed')}")
    plan = plan_halving(known, budget.amount, paces, per_step=per_step)
    failures = {name: f"{FAILED}{reason}" for name, reason in found.failures.items()}
    return replace(plan, left_out={**plan.left_out, **failures})


def measure_costs(workers: Workers, task: CostTask) -> MeasuredCosts:
    """Measures costs. Raises `TrainingError` if the process that measures them fails, and as `Workers` does."""
    try:
        return workers.measure_costs(task)
    except ProcessFailure as error:
        raise TrainingError(f"The costs could not be measured: {error}") from error


def measure_finished(
    record: SelectionRecord, folder: Path, workers: Workers, log: Callable[[str], None]
) -> MeasuredCosts | None:
    """Measures the costs of the finished candidates that have none, each alone, on one machine. None: all have one."""
    options = record.options
    runs = tuple(
        TimedRun(
            name=one.name,
            config=one.config,
            images=one.images,
            generator=None if one.generator is None else str((folder / one.generator).absolute()),
        )
        for one in record.candidates
        if one.is_finished and one.config is not None and one.cost is None
    )
    if not runs:
        return None
    log(f"measuring the cost of {len(runs)} candidates: {options.cost}")
    found = measure_costs(workers, CostTask(cost=options.cost, runs=runs))
    return found if options.price_per_hour is None else found.priced(options.price_per_hour)


def _per_step(one: CandidateRecord) -> int:
    """Returns the images of a train step."""
    assert one.config is not None
    return one.config.optimization.batch_size * one.config.optimization.critic_steps


def search(
    record: SelectionRecord, folder: Path, workers: Workers, save: Save, log: Callable[[str], None]
) -> SelectionRecord:
    """Trains the candidates until they are finished or leave. Continues where the record ends.

    Each look is saved when it is there, so that a search that was interrupted repeats no look.
    """
    plan = record.plan
    assert plan is not None
    for name, reason in plan.left_out.items():
        record = record.with_candidate(replace(record.candidate(name), ended=record.candidate(name).ended or reason))
    record = save(record)
    for number in range(record.rungs_done, len(plan.rungs)):
        missing = [one for one in _unfinished(record) if len(one.looks) == number]
        if missing:
            rung = f"rung {number + 1} of {len(plan.rungs)}, {plan.rungs[number]:,} images"
            log(f"{rung}: {len(missing)} of {len(record.candidates)} candidates")
        tasks = [_task(one, plan, number, record, folder) for one in missing]
        for task, result in workers.run_trials(tasks) if tasks else ():
            record = save(record.with_candidate(_with_result(record.candidate(task.name), result)))
            log(_describe(record.candidate(task.name), result))
        record = save(replace(_halve(record, number), rungs_done=number + 1))
    return record


def _unfinished(record: SelectionRecord) -> list[CandidateRecord]:
    return [one for one in record.candidates if one.ended is None and not one.is_finished]


def _halve(record: SelectionRecord, number: int) -> SelectionRecord:
    """Lets the worse half of the unfinished candidates leave. The order depends on their looks alone."""
    ranked = sorted(_unfinished(record), key=lambda one: (shortfall(one.looks[-1]), one.name))
    kept = {one.name for one in ranked[: math.ceil(len(ranked) / 2)]}
    for one in ranked:
        if one.name not in kept:
            images = one.looks[-1].images
            record = record.with_candidate(replace(one, ended=f"worse half after {images:,} images"))
    return record


def _task(one: CandidateRecord, plan: HalvingPlan, number: int, record: SelectionRecord, folder: Path) -> TrialTask:
    assert one.config is not None
    assert one.run is not None
    options, config, per_step = record.options, one.config, _per_step(one)
    rung = rung_of(plan, number, length=one.images, per_step=per_step)
    config = replace(
        config,
        eval_every=interval_images(plan, length=one.images, per_step=per_step),
        stopping=replace(config.stopping, probe="none"),  # the look after a rung measures
    )
    return TrialTask(
        name=one.name,
        folder=str((folder / one.run).absolute()),
        preset=one.preset or "",
        config=config,
        intervals=rung.intervals,
        is_last=rung.is_last,
        probe=options.probe,
        num=options.look_num,
        seed=(LOOK_SEED + options.seed) % 2**32,
        selection=record.id,
    )


def _with_result(one: CandidateRecord, result: TrialResult) -> CandidateRecord:
    if result.look is None:
        return replace(one, ended=f"{FAILED}{result.failure}")
    generator = f"{one.run}/{run_folder.GENERATOR}"
    return replace(one, looks=(*one.looks, result.look), generator=generator)


def _describe(one: CandidateRecord, result: TrialResult) -> str:
    if result.look is None:
        return f"{one.name}: {one.ended}"
    look = result.look
    return (
        f"{one.name}: {look.images:,} images, {100 * look.error:.2f} % wrong, coverage {look.coverage:.3f} "
        f"(real {look.real_coverage:.3f}), {result.seconds:.0f} s{', finished' if one.is_finished else ''}"
    )
