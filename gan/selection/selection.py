"""Selects the cheapest generator within a tolerance: search, frontier, test."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gan.config import DataConfig
from gan.data.dataset import Dataset
from gan.data.load import load_dataset
from gan.errors import InputError, check, check_different, check_whole
from gan.models.build import log_nothing
from gan.saving import files, run_folder
from gan.selection.candidate import Candidate
from gan.selection.cost import CostTask, MeasuredCosts, TimedRun
from gan.selection.decision import (
    Log,
    check_classifiers,
    choose,
    fix_order,
    locked,
    new_record,
    plan_test,
    resume_hint,
    saver,
)
from gan.selection.halving import read_budget
from gan.selection.record import (
    RECORD,
    TRIALS,
    CandidateRecord,
    Selection,
    SelectionOptions,
    SelectionRecord,
    load_selection,
)
from gan.selection.saved import continue_saved
from gan.selection.search import plan_search, search
from gan.selection.workers import LocalWorkers, Workers
from gan.utils import tensorflow as runtime
from gan.utils.arguments import checked

PROCESS_LOG = "processes.log"
"""What the processes print, in the folder of a selection."""


@checked
def select(
    candidates: Sequence[Candidate],
    options: SelectionOptions,
    *,
    output: str | Path | None = None,
    workers: Workers | None = None,
    jobs: int = 1,
    command: str = "",
    log: Log = log_nothing,
) -> Selection:
    """Selects the cheapest candidate whose error rate is within a tolerance.

    1. Search (`search`): the candidates train under a budget by synchronous successive halving. After each rung, the
       probe looks at samples and validation images.
    2. Frontier (`find_frontier`), on validation data alone: finished candidates with enough coverage that no other
       one beats in both error and cost.
    3. Test (`run_sequence`): from the lowest error to the lowest cost, each gets fresh samples, the other classifier
       and test images, until one does not pass. The last that passed is chosen. The probability that its error rate is
       above the tolerance is at most 0.025.

    >>> found = select(make_candidates(["mnist", "mnist-sprint"]), SelectionOptions(tolerance=0.02, budget="600s"))
    >>> found.record.chosen, found.generator

    Args:
        candidates: from `make_candidates`.
        options: tolerance, budget, cost, classifiers.
        output: folder of the selection. None: a new numbered folder in `runs/`.
        workers: what runs the training. None: `jobs` processes of this machine.
        jobs: number of processes, without `workers`.
        command: command line, for the record.
        log: receives what is done, line by line.

    Returns the record, which is also written, and the folder. After an exception or Ctrl-C, `resume_selection`
    continues. Raises `InputError` for candidates of different data, equal names, a budget below the cost of the
    cheapest candidate, a tolerance that no number of samples can show, and classifiers of other data.
    """
    if not candidates:
        raise InputError("No candidates", expected="one or more", received="none")
    check_different("candidates", [one.name for one in candidates])
    if options.budget is None:
        raise InputError("No budget", expected="a budget, such as 600s or 2e6 images", received="none")
    data = candidates[0].config.data
    check(all(one.config.data == data for one in candidates), "candidates", "the same data", "different data")
    num = plan_test(options)
    check_whole("jobs", jobs, 1)
    check_classifiers(options, data.dataset)
    run_folder.check_output(output)
    dataset = load_data(data)
    images = {one.name: one.images(len(dataset.train)) for one in candidates}
    record = new_record(
        options,
        dataset,
        [
            CandidateRecord(
                name=one.name,
                preset=one.preset,
                config=one.config,
                images=images[one.name],
                run=f"{TRIALS}/{one.folder}",
            )
            for one in candidates
        ],
        num=num,
        command=command,
        data=data,
    )
    if not read_budget(options.budget).in_seconds:
        record = replace(record, plan=plan_search(record, None, log))
    folder = run_folder.new_run(output, f"select-{Path(data.dataset).name}")
    return _continue(record, folder, dataset, workers, jobs, log)


@checked
def resume_selection(
    folder: str | Path, *, workers: Workers | None = None, jobs: int = 1, log: Log = log_nothing
) -> Selection:
    """Resumes a selection that was interrupted, one of `select_saved` too. What is finished is not repeated.

    Args:
        folder: folder of the selection.
        workers, jobs, log: as for `select`.

    Raises `InputError` if the folder has no selection, or another process works in it, and as `select` does.
    """
    record, place = load_selection(folder), Path(files.as_path(folder, "folder"))
    if record.verdict is not None:
        log(f"{place} is finished: there is nothing to resume")
        return Selection(place, record)
    check_classifiers(record.options, record.dataset)
    dataset = load_data(record.data or DataConfig(dataset=record.dataset, dataset_fallback="none"))
    if not record.trains:
        return continue_saved(record, place, dataset, log)
    return _continue(record, place, dataset, workers, jobs, log)


def load_data(data: DataConfig) -> Dataset:
    """Loads the dataset of a selection. Starts TensorFlow."""
    runtime.load_tensorflow(lean=True)
    runtime.start()
    return load_dataset(data.dataset, fallback=data.dataset_fallback, **data.loading)


def _continue(
    record: SelectionRecord,
    folder: Path,
    dataset: Dataset,
    workers: Workers | None,
    jobs: int,
    log: Log,
) -> Selection:
    """Does what is missing in a record."""
    by_default = LocalWorkers(folder / PROCESS_LOG, jobs=jobs)
    with locked(folder), resume_hint(folder, log), workers or by_default as run_by:
        record = load_selection(folder) if (folder / RECORD).exists() else record  # another process may have changed it
        save = saver(folder, record)
        if record.plan is None:
            record = save(replace(record, plan=plan_search(record, run_by, log)))
        record = search(record, folder, run_by, save, log)
        if record.order is None:
            record = save(fix_order(_with_costs(record, folder, run_by, log), log))
        return Selection(folder, choose(record, folder, dataset, save, log))


def _with_costs(record: SelectionRecord, folder: Path, workers: Workers, log: Log) -> SelectionRecord:
    """Measures the cost of the finished candidates, each alone, on one machine."""
    options = record.options
    finished = [one for one in record.candidates if one.is_finished]
    runs = tuple(
        TimedRun(
            name=one.name,
            config=one.config,
            images=one.images,
            generator=None if one.generator is None else str((folder / one.generator).absolute()),
        )
        for one in finished
        if one.config is not None and one.cost is None
    )
    if not runs:
        return record
    log(f"measuring the cost of {len(runs)} candidates: {options.cost}")
    found: MeasuredCosts = workers.measure_costs(CostTask(cost=options.cost, runs=runs))
    if options.price_per_hour is not None:
        found = found.priced(options.price_per_hour)
    for name, cost in found.costs.items():
        record = record.with_candidate(replace(record.candidate(name), cost=cost))
    for name, reason in found.failures.items():
        record = record.with_candidate(replace(record.candidate(name), ended=f"failed: {reason}"))
    return replace(record, where=found.machine)
