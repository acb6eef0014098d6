"""gan select."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from gan.cli.exit_status import ended_by_sigterm
from gan.cli.output import print_result
from gan.cli.select_artefacts import select_artefacts
from gan.cli.selection_table import print_selection
from gan.config import ReadingOptions
from gan.config.arguments import as_arguments
from gan.errors import InputError, check_whole
from gan.saving import run_folder
from gan.selection.cost import CostName
from gan.selection.record import SelectionOptions, load_selection
from gan.tolerance import EXIT_STATUS
from gan.utils import tensorflow as runtime
from gan.utils.commands import shell_command

if TYPE_CHECKING:
    from gan.selection.record import Selection
    from gan.selection.workers import Workers

OF_TRAINING = {
    "--vary",
    "--budget",
    "--deterministic",
    "--resume",
    "--jobs",
    "--ray",
    "--storage",
    "--price-per-hour",
}
"""Options that have no effect with `--artefacts`."""

OF_RESUMING = {"--resume", "--jobs", "--ray", "--storage", "--json"}
"""Options of a selection that is resumed. It keeps all others."""

LOCAL = "local"
"""Value of --ray for a cluster of this machine alone."""


@dataclass(frozen=True)
class Select:
    """Select the cheapest generator within a tolerance.

    Trains the presets, and all combinations of the options in --vary, under a budget: the worse half leaves after each
    rung. Of those that are finished, the ones that no other beats in both error and cost are tested on fresh samples,
    the one with the lowest error first, until one does not pass. The last that passed is chosen. The exit status is the
    verdict: 0 if one was chosen; else 3 if the first one exceeds the tolerance, or 4.

    With --artefacts, nothing is trained: the candidates are the exported files of one generator.

    examples:
      gan select mnist mnist-sprint mnist-mlp --tolerance 0.02 --budget 10min
      gan select mnist --vary learning_rate=1e-3,3e-3 g_width=16,32 --tolerance 0.01 --budget 2e6 --cost bytes
      gan select --resume runs/00003-select-mnist
      gan select --artefacts mnist --tolerance 0.01 --cost bytes
      gan select mnist mnist-sprint mnist-mlp --tolerance 0.02 --budget 2e6 --ray auto
    """

    presets: Annotated[Positional[tuple[str, ...]], arg(metavar="PRESET")] = ()
    """Presets to train, see `gan presets`."""
    artefacts: str | None = None
    """Run folder, .keras file or pretrained name: select among its exports. None: candidates are trained.

    They are the Keras file, and SavedModel, ONNX and LiteRT in float32, float16 and int8.
    Needs: pip install 'gan-reference[export]'
    """
    vary: tuple[str, ...] = ()
    """Options to vary, each with its values: learning_rate=1e-3,3e-3. None: the presets as they are."""
    tolerance: float = 0.02
    """Highest accepted error rate, above 0 and at most 1."""
    budget: str | None = None
    """What the training may cost: seconds such as 600s or 2h, or images such as 2e6. None: nothing to train."""
    cost: CostName | None = None
    """What is to be low: milliseconds are for 64 samples. None: train_seconds, or milliseconds with --artefacts."""
    price_per_hour: float | None = None
    """With the cost `price`: price of an hour of training. None: no price."""
    dataset: str | None = None
    """Dataset of all candidates. None: that of the presets, or of the run of --artefacts."""
    reading: ReadingOptions = field(default_factory=ReadingOptions)
    probe: str = SelectionOptions.probe
    """Classifier of the search: pretrained name or folder of `gan train-classifier`."""
    classifier: str = SelectionOptions.classifier
    """Classifier of the test, another one."""
    look_num: int = SelectionOptions.look_num
    """Samples of each look of the search, at least 2,000: as many as images for coverage."""
    num: int | None = None
    """Samples of each test. None: enough for a candidate with 3/4 of the tolerance to pass nine times out of ten.

    They are at least 2,000: as many as images for coverage.
    """
    seed: int = 0
    """Seed of all training runs and samples."""
    deterministic: bool = False
    """Train with deterministic kernels only: the same selection on every run, somewhat slower."""
    output: Path | None = None
    """Folder of the selection to create. None: the next number in runs/."""
    resume: Path | None = None
    """Folder of a selection to resume, with its options except --jobs, --ray and --storage. None: a new selection."""
    jobs: int | None = None
    """Trainings at the same time. None: one, or with --ray one on each node, or for each GPU."""
    ray: str | None = None
    """Ray cluster whose nodes train: auto, HOST:PORT or local, on a machine of it. None: this machine.

    `local` starts a cluster of this machine alone. Needs: pip install 'gan-reference[ray]'
    """
    storage: str | None = None
    """With --ray: place of the runs in training, which all nodes reach. None: the folder of the selection.

    A folder of a shared file system, or a URI such as s3://bucket/folder.
    """
    json: bool = False
    """Print the record as one JSON object on stdout."""

    def run(self) -> int:
        """Selects, and prints the table; returns the exit status of the verdict."""
        self._check_combination()
        find = self._prepare()
        with ended_by_sigterm(), self._workers() as workers:
            found = find(workers)
        record = found.record
        from gan.selection.plot import write_plot

        plot = write_plot(found.folder, record)
        if self.json:
            print_result({"folder": str(found.folder), **record.as_dict()}, as_json=True)
        else:
            print_selection(record, found.folder, plot)
        assert record.verdict is not None
        return EXIT_STATUS[record.verdict]

    @contextmanager
    def _workers(self) -> "Iterator[Workers | None]":
        """Yields what runs the training. None: processes of this machine."""
        if self.ray is None:
            if self.storage is not None:
                raise InputError("`--storage` alone", expected="--ray with it", received=f"--storage {self.storage}")
            yield None
            return
        from gan.selection.ray_workers import RayWorkers

        with RayWorkers(None if self.ray == LOCAL else self.ray, trials=self.jobs, storage=self.storage) as workers:
            yield workers

    def _prepare(self) -> "Callable[[Workers | None], Selection]":
        """Checks presets and options, before Ray is connected. Returns a function that selects."""
        if self.artefacts is not None:
            checkpoint = self.artefacts
            return lambda workers: self._select_artefacts(checkpoint)
        if self.jobs is not None:
            check_whole("jobs", self.jobs, 1)
        return self._prepare_new() if self.resume is None else self._prepare_resumed(self.resume)

    def _check_combination(self) -> None:
        """Raises `InputError` for what has no effect with --artefacts, or with --resume."""
        given = {word for word in as_arguments(self, Select()) if word.startswith("--")} - {"--presets"}
        if self.artefacts is not None and (given & OF_TRAINING or self.presets):
            expected = "--artefacts without them: nothing is trained"
            received = " ".join([*self.presets, *sorted(given & OF_TRAINING)])
            raise InputError("These have no effect", expected=expected, received=received)
        others = given - OF_RESUMING
        if self.resume is not None and (others or self.presets):
            expected = "--resume FOLDER, with no others than --jobs, --ray, --storage and --json: it keeps its options"
            received = " ".join([*self.presets, *sorted(others)])
            raise InputError("Both `--resume` and a new selection", expected=expected, received=received)

    @property
    def _resume_words(self) -> list[str]:
        """The options that a resumed selection needs again."""
        chosen = {"--jobs": self.jobs, "--ray": self.ray, "--storage": self.storage}
        return [word for name, value in chosen.items() if value is not None for word in (name, str(value))]

    @property
    def _options(self) -> SelectionOptions:
        return SelectionOptions(
            tolerance=self.tolerance,
            budget=self.budget,
            cost=self.cost or (SelectionOptions.cost if self.artefacts is None else "milliseconds"),
            price_per_hour=self.price_per_hour,
            probe=self.probe,
            classifier=self.classifier,
            look_num=self.look_num,
            num=self.num,
            seed=self.seed,
        )

    def _select_artefacts(self, checkpoint: str) -> "Selection":
        return select_artefacts(
            checkpoint,
            self._options,
            dataset=self.dataset,
            reading=self.reading,
            output=self.output,
            command=shell_command("gan", *sys.argv[1:]),
            log=_log,
        )

    def _prepare_new(self) -> "Callable[[Workers | None], Selection]":
        from gan.selection.candidate import make_candidates

        if not self.presets:
            raise InputError("No candidates", expected="one or more presets (gan presets lists them)", received="none")
        if self.budget is None:
            expected = "--budget such as 600s or, in images, 2e6"
            raise InputError("No budget for the training", expected=expected, received="none")
        options = self._options
        candidates = make_candidates(
            self.presets,
            self.vary,
            dataset=self.dataset,
            reading=self.reading,
            seed=self.seed,
            deterministic=self.deterministic,
        )
        run_folder.check_output(self.output)

        def find(workers: "Workers | None") -> "Selection":
            runtime.load_tensorflow(lean=True)
            from gan.selection.selection import select

            return select(
                candidates,
                options,
                output=self.output,
                workers=workers,
                jobs=1 if self.jobs is None else self.jobs,
                command=shell_command("gan", *sys.argv[1:]),
                resume_words=self._resume_words,
                log=_log,
            )

        return find

    def _prepare_resumed(self, folder: Path) -> "Callable[[Workers | None], Selection]":
        load_selection(folder)

        def find(workers: "Workers | None") -> "Selection":
            runtime.load_tensorflow(lean=True)
            from gan.selection.selection import resume_selection

            jobs = 1 if self.jobs is None else self.jobs
            return resume_selection(folder, workers=workers, jobs=jobs, resume_words=self._resume_words, log=_log)

        return find


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
