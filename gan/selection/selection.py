"""Selects the cheapest generator within a tolerance: search, frontier, test."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gan.config import DataConfig
from gan.data.dataset import Dataset
from gan.errors import InputError, check, check_different, check_whole
from gan.models.build import log_nothing
from gan.saving import run_folder
from gan.selection.candidate import Candidate, check_folders
from gan.selection.decision import (
    check_classifiers,
    check_inputs,
    check_not_all_failed,
    choose,
    explain_errors,
    find_inputs,
    fix_order,
    new_record,
    plan_samples,
    with_costs,
)
from gan.selection.folder import Log, begun, locked, resume_hint, saver
from gan.selection.halving import read_budget
from gan.selection.record import (
    TRIALS,
    CandidateRecord,
    Selection,
    SelectionOptions,
    SelectionRecord,
    find_folder,
    load_selection,
)
from gan.selection.saved import continue_saved
from gan.selection.search import measure_finished, plan_search, search
from gan.selection.workers import LocalWorkers, Workers
from gan.training import setup
from gan.utils import tensorflow as runtime
from gan.utils.arguments import checked

PROCESSES = "processes"
"""Folder of what the processes print, in the folder of a selection."""


@checked
def select(
    candidates: Sequence[Candidate],
    options: SelectionOptions,
    *,
    output: str | Path | None = None,
    workers: Workers | None = None,
    jobs: int = 1,
    command: str = "",
    resume_words: Sequence[str] = (),
    log: Log = log_nothing,
) -> Selection:
    """Selects the cheapest candidate whose error rate is within a tolerance.

    1. Search (`search`): the candidates train under a budget by synchronous successive halving. After each rung, the
       probe looks at samples and validation images.
    2. Frontier (`find_frontier`), on validation data alone: finished candidates with enough coverage that no other
       one beats in both error and cost.
    3. Test (`run_sequence`): from the lowest error to the lowest cost, each gets fresh samples, the other classifier
       and test images, until one does not pass. The last that passed is chosen. The probability that a candidate is
       chosen whose error rate is above the tolerance is at most 0.025.

    >>> found = select(make_candidates(["mnist", "mnist-sprint"]), SelectionOptions(tolerance=0.02, budget="600s"))
    >>> found.record.chosen, found.generator

    Args:
        candidates: from `make_candidates`.
        options: tolerance, budget, cost, classifiers.
        output: folder of the selection. None: a new numbered folder in `runs/`.
        workers: what runs the training. None: `jobs` processes of this machine.
        jobs: number of processes, without `workers`.
        command: command line, for the record.
        resume_words: options of `gan select` with which to resume, for the message after an interruption.
        log: receives what is done, line by line.

    Returns the record, which is also written, and the folder. After an exception or Ctrl-C, `resume_selection`
    continues. Raises `InputError` for candidates of different data, equal names, a budget below the cost of the
    cheapest candidate, a tolerance that no number of samples can show, and classifiers of other data. Raises
    `TrainingError` if all candidates fail, and if a process fails for another reason than its candidate.
    """
    if not candidates:
        raise InputError("No candidates", expected="one or more", received="none")
    check_different("candidates", [one.name for one in candidates])
    check_folders(candidates)
    if options.budget is None:
        raise InputError("No budget", expected="a budget, such as 600s or 2e6 images", received="none")
    data = candidates[0].config.data
    check(all(one.config.data == data for one in candidates), "candidates", "the same data", "different data")
    check_whole("jobs", jobs, 1)
    check_classifiers(options, data.dataset)
    run_folder.check_output(output)
    dataset = load_data(data)
    check_classifiers(options, dataset)  # by its images, before anything is trained
    options, num = plan_samples(options, dataset)
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
                is_conditional=dataset.num_classes > 0 and one.config.model.conditioning != "none",
            )
            for one in candidates
        ],
        num=num,
        command=command,
        data=data,
    )
    if not read_budget(options.budget or "").in_seconds:
        record = replace(record, plan=plan_search(record, None, log))
    with begun(output, f"select-{Path(data.dataset).name}", log, resume_words) as folder:
        return _continue(record, folder, dataset, workers, jobs, log)


@checked
def resume_selection(
    folder: str | Path,
    *,
    workers: Workers | None = None,
    jobs: int = 1,
    resume_words: Sequence[str] = (),
    log: Log = log_nothing,
) -> Selection:
    """Resumes a selection that was interrupted, one of `select_saved` too. What is finished is not repeated.

    Args:
        folder: folder of the selection, or its record.
        workers, jobs, resume_words, log: as for `select`.

    Raises `InputError` if the folder has no selection, another process works in it, or the dataset, the probe or the
    classifier is not the one of the start, and as `select` does.
    """
    record, place = load_selection(folder), find_folder(folder)
    if record.verdict is not None:
        return _finished(record, place, log)
    with locked(place):
        record = load_selection(place)  # another process may have changed it
        if record.verdict is not None:
            return _finished(record, place, log)
        check_classifiers(record.options, record.dataset)
        dataset = load_data(record.data or DataConfig(dataset=record.dataset, dataset_fallback="none"))
        check_classifiers(record.options, dataset)
        check_inputs(record, find_inputs(record.options, dataset))
        with resume_hint(place, log, resume_words):
            if not record.trains:
                return continue_saved(record, place, dataset, log)
            return _continue(record, place, dataset, workers, jobs, log)


def _finished(record: SelectionRecord, folder: Path, log: Log) -> Selection:
    log(f"{folder} is finished: there is nothing to resume")
    return Selection(folder, record)


def load_data(data: DataConfig) -> Dataset:
    """Loads the dataset of a selection. Starts TensorFlow."""
    runtime.load_tensorflow(lean=True)
    runtime.start()
    return setup.load_data(data)


def _continue(
    record: SelectionRecord,
    folder: Path,
    dataset: Dataset,
    workers: Workers | None,
    jobs: int,
    log: Log,
) -> Selection:
    """Does what is missing in a record, in a locked folder."""
    explain_errors(record, log)
    with workers or LocalWorkers(folder / PROCESSES, jobs=jobs) as run_by:
        save = saver(folder, record)
        if record.plan is None:
            record = save(replace(record, plan=plan_search(record, run_by, log)))
        record = search(record, folder, run_by, save, log)
        check_not_all_failed(record)
        if record.order is None:
            costs = measure_finished(record, folder, run_by, log)
            record = save(record if costs is None else with_costs(record, costs))
            check_not_all_failed(record)
            record = save(fix_order(record, log))
        return Selection(folder, choose(record, folder, dataset, save, log))
