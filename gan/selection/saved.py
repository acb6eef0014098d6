"""Selects among generators that were trained before, such as the exported files of one generator."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from gan.data.load import DatasetLike, as_dataset
from gan.errors import InputError, check
from gan.models.build import log_nothing
from gan.saving import run_folder
from gan.saving.saved_generator import find_saved
from gan.selection.cost import OF_TRAINING, UNITS, CostTask, MeasuredCosts, TimedRun
from gan.selection.decision import Log, check_classifiers, choose, fix_order, locked, new_record, plan_test, saver
from gan.selection.looks import SampleLook
from gan.selection.measured_costs import measure_costs
from gan.selection.record import CandidateRecord, Selection, SelectionOptions
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

    Returns the record, which is also written, and the folder. Raises `InputError` for generators of other data, a
    tolerance that no number of samples can show, classifiers of other data, and a cost of training without `costs`.
    """
    if costs is None and options.cost in OF_TRAINING:
        expected = f"one of {[cost for cost in UNITS if cost not in OF_TRAINING]}, or the costs"
        raise InputError("These generators are not trained here", expected=expected, received=f"cost={options.cost}")
    dataset = as_dataset(dataset)
    num = plan_test(options)
    check_classifiers(options, dataset.name)
    run_folder.check_output(output)
    found = {name: find_saved(given) for name, given in generators.items()}
    if not found:
        raise InputError("No candidates", expected="one or more generators", received="none")
    for name, saved in found.items():
        if saved.dataset is not None and not saved.is_of(dataset.name):
            expected = f"generators of {dataset.name}"
            raise InputError("Candidates of different data", expected=expected, received=f"{name}, of {saved.dataset}")
    missing = [name for name in found if costs is not None and name not in costs.costs and name not in costs.failures]
    check(not missing, "costs", "the costs of all candidates", f"none of {missing}")
    folder = run_folder.new_run(output, f"select-{dataset.title}")
    places = {name: str(saved.file.path.absolute()) for name, saved in found.items()}
    candidates = [CandidateRecord(name=name, generator=places[name]) for name in found]
    record = new_record(options, dataset, candidates, num=num, command=command)
    with locked(folder):
        save = saver(folder, record)
        look = SampleLook.of(dataset, options.probe, dataset.validation, dataset.train)
        for name, saved in found.items():
            log(f"looking at {name}")
            wrong, seen, coverage = look.measure(
                saved.file, num=options.look_num, seed=(LOOK_SEED + options.seed) % 2**32
            )
            one = Look(
                images=0,
                wrong=wrong,
                num=seen,
                coverage=coverage,
                real_coverage=look.reference.real_coverage,
                generator_sha256=saved.summary.sha256,
            )
            record = save(record.with_candidate(replace(record.candidate(name), looks=(one,))))
        if costs is None:
            log(f"measuring the cost of {len(found)} generators: {options.cost}")
            runs = tuple(TimedRun(name=name, generator=place) for name, place in places.items())
            costs = measure_costs(CostTask(cost=options.cost, runs=runs))
        for name, cost in costs.costs.items():
            record = record.with_candidate(replace(record.candidate(name), cost=cost))
        for name, reason in costs.failures.items():
            record = record.with_candidate(replace(record.candidate(name), ended=f"failed: {reason}"))
        record = save(fix_order(replace(record, where=costs.machine), log))
        return Selection(folder, choose(record, folder, dataset, save, log))
