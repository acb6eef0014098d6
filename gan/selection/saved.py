"""Selects among generators that were trained before, such as the exported files of one generator."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gan.config import DataConfig
from gan.data.dataset import Dataset
from gan.data.load import DatasetLike, as_dataset
from gan.errors import InputError, check
from gan.models.build import log_nothing
from gan.saving import run_folder
from gan.saving.saved_generator import SavedGenerator, find_saved
from gan.selection.cost import CostTask, MeasuredCosts, TimedRun, check_not_of_training
from gan.selection.decision import (
    check_classifiers,
    check_not_all_failed,
    choose,
    explain_errors,
    fix_order,
    new_record,
    plan_samples,
    with_costs,
)
from gan.selection.folder import Log, Save, begun, saver
from gan.selection.looks import SampleLook
from gan.selection.measured_costs import measure_costs
from gan.selection.record import CandidateRecord, Selection, SelectionOptions, SelectionRecord
from gan.selection.search import LOOK_SEED
from gan.selection.trial import Look
from gan.utils.arguments import checked


@checked
def select_saved(
    generators: Mapping[str, str | Path],
    dataset: DatasetLike,
    options: SelectionOptions,
    *,
    costs: MeasuredCosts | None = None,
    output: str | Path | None = None,
    command: str = "",
    log: Log = log_nothing,
) -> Selection:
    """Selects the cheapest of saved generators whose error rate is within a tolerance.

    There is no search: each generator is looked at with the probe and validation images. Frontier and test are those of
    `select`.

    >>> found = select_saved({"mnist": "mnist", "mnist-mlp": "mnist-mlp"}, "mnist", options)
    >>> found.record.chosen
    'mnist'

    Args:
        generators: {name of a candidate: what `load_generator` or `load_exported` loads}.
        dataset: the dataset that all of them were trained on, or its name.
        options: tolerance, cost, classifiers. A budget has no effect.
        costs: costs of the candidates, if they were measured before. None: they are measured here.
        output: folder of the selection. None: a new numbered folder in `runs/`.
        command: command line, for the record.
        log: receives what is done, line by line.

    Returns the record, which is also written, and the folder. After an exception or Ctrl-C, `resume_selection`
    continues. Raises `InputError` for generators of other data, a tolerance that no number of samples can show,
    classifiers of other data, and a cost of training without `costs`.
    """
    if costs is None:
        check_not_of_training(options.cost)
    given, dataset = dataset, as_dataset(dataset)
    options, num = _check(options, dataset, output)
    found = _find(generators, dataset)
    missing = [name for name in found if costs is not None and name not in costs.costs and name not in costs.failures]
    check(not missing, "costs", "the costs of all candidates", f"none of {missing}")
    candidates = [_candidate(name, one, one.file.path.absolute()) for name, one in found.items()]
    record = new_record(options, dataset, candidates, num=num, command=command, data=_data_of(given))
    with begun(output, f"select-{dataset.title}", log) as folder:
        return continue_saved(record if costs is None else with_costs(record, costs), folder, dataset, log)


@dataclass(frozen=True)
class MadeGenerators:
    """Generators that were written into the folder of a selection, and their costs."""

    files: Mapping[str, Path]
    """Name of a candidate -> its file, or the folder of a SavedModel."""
    costs: MeasuredCosts
    """The costs of these, and the failures of those that could not be written or measured."""


def select_made(
    make: Callable[[Path], MadeGenerators],
    dataset: Dataset,
    options: SelectionOptions,
    *,
    data: DataConfig | None = None,
    output: str | Path | None = None,
    command: str = "",
    log: Log = log_nothing,
) -> Selection:
    """Selects as `select_saved` does, among generators that are made first.

    Args:
        make: writes the generators into the folder that it gets, the one of the selection, and measures their costs.
            After an exception in it, what was written is removed.
        dataset, options, output, command, log: as for `select_saved`.
        data: how the dataset was loaded, to resume the selection.

    Returns and raises as `select_saved` does.
    """
    options, num = _check(options, dataset, output)
    with begun(output, f"select-{dataset.title}", log) as folder:
        made = make(folder)
        found, failures = _find(made.files, dataset), made.costs.failures
        candidates = [
            _candidate(name, one, one.file.path.absolute().relative_to(folder.absolute()))
            for name, one in found.items()
        ]
        candidates += [CandidateRecord(name=name) for name in failures if name not in found]
        record = new_record(options, dataset, candidates, num=num, command=command, data=data)
        return continue_saved(with_costs(record, made.costs), folder, dataset, log)


def _candidate(name: str, saved: SavedGenerator, path: Path) -> CandidateRecord:
    return CandidateRecord(name=name, generator=str(path), is_conditional=saved.summary.num_classes != 0)


def _check(options: SelectionOptions, dataset: Dataset, output: str | Path | None) -> tuple[SelectionOptions, int]:
    """Checks all that needs no generator. Returns the options, and the samples of each test, as `plan_samples`."""
    check_classifiers(options, dataset)
    run_folder.check_output(output)
    return plan_samples(options, dataset)


def _find(generators: Mapping[str, str | Path], dataset: Dataset) -> dict[str, SavedGenerator]:
    found = {name: find_saved(given) for name, given in generators.items()}
    if not found:
        raise InputError("No candidates", expected="one or more generators", received="none")
    for name, saved in found.items():
        if saved.dataset is not None and not saved.draws(dataset):
            expected = f"generators of {dataset.name}"
            raise InputError("Candidates of different data", expected=expected, received=f"{name}, of {saved.dataset}")
    return found


def _data_of(dataset: DatasetLike) -> DataConfig | None:
    """Returns how a dataset is loaded that is given by its name."""
    return DataConfig(dataset=str(dataset)) if isinstance(dataset, (str, Path)) else None


def continue_saved(record: SelectionRecord, folder: Path, dataset: Dataset, log: Log) -> Selection:
    """Looks, measures the costs and tests, in a locked folder. What the record has is not repeated.

    record: that of a selection of `select_saved` or `select_made`.
    """
    explain_errors(record, log)
    save = saver(folder, record)
    record = save(record)
    check_not_all_failed(record)
    record = _with_looks(record, folder, dataset, save, log)
    if record.order is None:
        runs = tuple(
            TimedRun(name=one.name, generator=str((folder / one.generator).absolute()))
            for one in record.candidates
            if one.generator is not None and one.ended is None and one.cost is None
        )
        if runs:
            log(f"measuring the cost of {len(runs)} generators: {record.options.cost}")
            record = save(with_costs(record, measure_costs(CostTask(cost=record.options.cost, runs=runs))))
        record = save(fix_order(record, log))
    return Selection(folder, choose(record, folder, dataset, save, log))


def _with_looks(record: SelectionRecord, folder: Path, dataset: Dataset, save: Save, log: Log) -> SelectionRecord:
    """Looks at each generator with the probe, at the coverage of validation images. Each look is saved."""
    options = record.options
    missing = [one for one in record.candidates if one.ended is None and not one.looks and one.generator is not None]
    if not missing:
        return record
    look = SampleLook.of(dataset, options.probe, dataset.validation, dataset.train)
    for one in missing:
        assert one.generator is not None
        log(f"looking at {one.name}")
        saved = find_saved(folder / one.generator)
        wrong, num, coverage = look.measure(saved.file, num=options.look_num, seed=(LOOK_SEED + options.seed) % 2**32)
        found = Look(
            images=0,
            wrong=wrong,
            num=num,
            coverage=coverage,
            real_coverage=look.reference.real_coverage,
            generator_sha256=saved.summary.sha256,
        )
        record = save(record.with_candidate(replace(one, looks=(found,))))
    return record
