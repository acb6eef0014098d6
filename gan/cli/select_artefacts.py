"""The selection of `gan select --artefacts`: all formats and weight widths of one generator."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gan.cli.evaluation_inputs import EvaluationInputs
from gan.config import ReadingOptions
from gan.errors import InputError
from gan.saving.saved_generator import find_to_export
from gan.selection.cost import CandidateCost, MeasuredCosts, check_not_of_training
from gan.selection.record import SelectionOptions
from gan.utils import machine
from gan.utils import tensorflow as runtime

if TYPE_CHECKING:
    from gan.deployment.artifact_rows import TimedArtifact
    from gan.selection.record import Selection
    from gan.selection.saved import MadeGenerators

EXPORTED = "exported"
"""Folder of the exported files, in the folder of the selection."""


def select_artefacts(
    checkpoint: str,
    options: SelectionOptions,
    *,
    dataset: str | None = None,
    reading: ReadingOptions | None = None,
    output: Path | None = None,
    command: str = "",
    log: Callable[[str], None],
) -> "Selection":
    """Exports a generator in every format and weight width, and selects the cheapest file within the tolerance.

    Args:
        checkpoint: run folder, .keras file or pretrained name.
        options: tolerance, cost, classifiers.
        dataset: dataset that the generator was trained on. None: the one that its run names.
        reading: how its images are read. None: as in the training.
        output, command, log: as for `select_saved`.

    Returns and raises as `select_saved` does.
    """
    check_not_of_training(options.cost)
    saved = find_to_export(checkpoint)
    given = EvaluationInputs.find(checkpoint, options.classifier, dataset, reading)
    if saved.draws(given.dataset) is False:
        expected = f"--dataset {saved.dataset}, which the generator was trained on"
        raise InputError("Another dataset", expected=expected, received=given.dataset)
    runtime.load_tensorflow(lean=True)
    runtime.start()
    from gan.deployment.artifacts import time_artifacts
    from gan.selection.measured_costs import count_parameters
    from gan.selection.saved import MadeGenerators, select_made

    def make(folder: Path) -> "MadeGenerators":
        rows = time_artifacts(checkpoint, folder / EXPORTED, timed=options.cost == "milliseconds", log=log)
        costs = _costs(rows, options, lambda: count_parameters(saved.file.path))
        return MadeGenerators({row.name: row.path for row in rows if row.path is not None}, costs)

    return select_made(make, given.load_dataset(), options, data=given.data, output=output, command=command, log=log)


def _costs(rows: "Sequence[TimedArtifact]", options: SelectionOptions, parameters: Callable[[], int]) -> MeasuredCosts:
    """Returns the costs of the rows that have one, and the failures of the others.

    parameters: counts those of the generator, which all of its files have.
    """
    found: dict[str, CandidateCost] = {}
    if options.cost == "milliseconds":
        for row in rows:
            if row.cost is not None:
                found[row.name] = CandidateCost(
                    value=row.cost.milliseconds,
                    lowest=row.cost.milliseconds_fastest,
                    highest=row.cost.milliseconds_slowest,
                    rounds=row.cost.rounds,
                )
    else:
        number = parameters() if options.cost == "parameters" else None
        for row in rows:
            if row.bytes is not None:
                value = float(row.bytes if number is None else number)
                found[row.name] = CandidateCost(value=value, lowest=value, highest=value)
    failures = {row.name: row.failure for row in rows if row.failure is not None}
    return MeasuredCosts(costs=found, failures=failures, machine=machine.processor())
