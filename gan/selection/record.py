"""The record of a selection, selection.json: options, candidates, looks, costs, tests and choice. No TensorFlow."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

from gan.config import DataConfig, TrainConfig
from gan.errors import (
    InputError,
    Json,
    NotNegative,
    Options,
    Positive,
    Whole,
    as_json,
    check,
    check_different,
    check_seed,
    check_whole,
    convert,
)
from gan.evaluation.report import MOST_NUM
from gan.saving import files
from gan.selection.cost import CandidateCost, CostName, check_price
from gan.selection.fixed_sequence import CandidateTest, Outcome
from gan.selection.halving import HalvingPlan, read_budget
from gan.selection.trial import Look
from gan.tolerance import Verdict
from gan.utils.arguments import checked

RECORD = "selection.json"
"""Name of the record in the folder of a selection."""

FAILED = "failed: "
"""Beginning of the reason why a candidate left that could not be trained or measured."""

WITHOUT_LABELS = "without labels, a sample is wrong if the top probability is below 0.9"
"""What an error is of a candidate that is not conditional."""

TRIALS = "trials"
"""Folder of the run folders of the candidates, in the folder of a selection."""


@dataclass(frozen=True, kw_only=True)
class SelectionOptions(Options):
    """Options of a selection."""

    tolerance: float
    """Highest accepted error rate, above 0 and at most 1."""
    budget: str | None = None
    """What the training may cost in all, see `read_budget`. None: nothing is trained."""
    cost: CostName = "train_seconds"
    """What is to be low."""
    price_per_hour: float | None = None
    """With the cost `price`: price of an hour of training."""
    probe: str = "mnist-probe"
    """Classifier of the looks at validation data."""
    classifier: str = "mnist-classifier"
    """Classifier of the test, another one."""
    look_num: int = 5_000
    """Samples of a look, at least as many as the images whose coverage it measures."""
    num: int | None = None
    """Samples of a test. None: as many as a candidate with 3/4 of the tolerance needs to pass nine times out of ten.

    They are at least as many as the images whose coverage is measured.
    """
    seed: int = 0
    """Seed of the training runs and of the samples."""

    def __post_init__(self) -> None:
        if not 0 < self.tolerance <= 1:
            expected = "an error rate above 0 and at most 1"
            raise InputError("Bad `tolerance`", expected=expected, received=f"tolerance={self.tolerance}")
        if self.budget is not None:
            read_budget(self.budget)
        check_price(self.cost, self.price_per_hour)
        check_whole("look_num", self.look_num, 50, MOST_NUM)
        if self.num is not None:
            check_whole("num", self.num, 2, MOST_NUM)
        check_seed(self.seed)


@dataclass(frozen=True, kw_only=True)
class CandidateRecord:
    """A candidate and what is known of it."""

    name: str
    preset: str | None = None
    """Preset of its training. None: it was trained before."""
    config: TrainConfig | None = None
    """Options of its training. None: it was trained before."""
    images: Whole = 0
    """Length of its run in images; 0: it was trained before."""
    run: str | None = None
    """Its run folder, relative to the folder of the selection. None: it was trained before."""
    generator: str | None = None
    """Its generator's file, relative to the folder of the selection or absolute."""
    is_conditional: bool = True
    """Whether its samples have labels. If not, see `WITHOUT_LABELS` for what an error is."""
    looks: tuple[Look, ...] = ()
    """One look after each rung."""
    ended: str | None = None
    """Why it left the search before its end. None: it did not."""
    cost: CandidateCost | None = None
    dropped: str | None = None
    """Why it is not tested, although its training is finished. None: it is, or its training is not finished."""
    outcome: Outcome | None = None
    """What its test measured. None: it was not tested."""
    test: CandidateTest | None = None
    """What follows from that, when all tests are done."""

    def __post_init__(self) -> None:
        if self.config is not None:
            place = None if self.run is None else PurePath(self.run)
            inside = place is not None and not place.is_absolute() and ".." not in place.parts
            check(inside, "run", "a folder in that of the selection", self.run)
            check_whole("images", self.images, 1, 2**63 - 1)

    @property
    def is_finished(self) -> bool:
        """Whether its training is finished, and was looked at."""
        return self.ended is None and bool(self.looks) and self.looks[-1].images >= self.images

    @property
    def state(self) -> str:
        """What became of it, in a few words."""
        if self.ended is not None:
            return self.ended
        if not self.is_finished:
            return "training"
        if self.test is not None:
            return "passed" if self.test.passed else f"did not pass: {self.test.verdict}"
        return self.dropped or "not tested"


@dataclass(frozen=True, kw_only=True)
class SelectionRecord:
    """A selection. It is written after each step, so that it can be resumed."""

    kind: str = "selection"
    id: str = field(default_factory=lambda: os.urandom(4).hex())
    """Identifier, other than that of any other selection. It is chosen at random."""
    options: SelectionOptions
    dataset: str
    data: DataConfig | None = None
    """How the dataset was loaded. None: not known, such as for arrays."""
    candidates: tuple[CandidateRecord, ...]
    plan: HalvingPlan | None = None
    """Rungs of the search. None: nothing is trained, or it is not planned yet."""
    rungs_done: Whole = 0
    """Rungs that are decided."""
    inputs: dict[str, str] = field(default_factory=dict)
    """SHA-256 of the `dataset`, the `probe` and the `classifier` at the start. Without a name: not known."""
    order: tuple[str, ...] | None = None
    """Names of the candidates to test, in this order. It is fixed before the first test. None: not known yet."""
    num: Positive | None = None
    """Samples of each test. None: not known yet."""
    chosen: str | None = None
    """The candidate that was chosen. None: no one, or not known yet."""
    verdict: Verdict | None = None
    """`within` if one was chosen. None: not known yet."""
    where: str = ""
    """The machine on which the costs were measured."""
    seconds: NotNegative = 0.0
    """Duration of the selection, over all processes that resumed it."""
    command: str = ""
    """The command line."""
    versions: dict[str, str] = field(default_factory=dict)
    date: str = ""
    """Time of its start, UTC."""

    def __post_init__(self) -> None:
        if self.kind != "selection":
            raise InputError("Not the record of a selection", expected="kind selection", received=self.kind)
        self._check_candidates()
        check_whole("rungs_done", self.rungs_done, 0, 0 if self.plan is None else len(self.plan.rungs))
        self._check_names("left_out", () if self.plan is None else tuple(self.plan.left_out))
        self._check_names("order", self.order or ())
        self._check_names("chosen", () if self.chosen is None else (self.chosen,))
        check(self.order is None or self.num is not None, "num", "a number, since the order is known", self.num)
        check(self.verdict is None or self.order is not None, "order", "an order, since there is a verdict", None)
        ready = (*(self.order or ()), *(() if self.chosen is None else (self.chosen,)))
        missing = [one.name for one in map(self.candidate, ready) if one.generator is None or not one.looks]
        check(not missing, "order", "candidates with a generator and a look", missing)
        has_chosen = self.chosen is not None
        check(has_chosen == (self.verdict == "within"), "chosen", "a candidate if one passed", self.chosen)

    def _check_candidates(self) -> None:
        names = [one.name for one in self.candidates]
        check(len(names) > 0, "candidates", "one or more", names)
        check_different("candidates", names)
        trained = sum(one.config is not None for one in self.candidates)
        check(trained in (0, len(names)), "candidates", "options of all of them, or of none", f"those of {trained}")
        has_budget = self.options.budget is not None
        check(has_budget or not trained, "budget", "a budget for the training", self.options.budget)

    def _check_names(self, field_name: str, given: Sequence[str]) -> None:
        unknown = sorted(set(given) - {one.name for one in self.candidates})
        check(not unknown, field_name, "names of candidates", unknown)
        check_different(field_name, given)

    @property
    def trains(self) -> bool:
        """Whether its candidates are trained. If not, they were trained before."""
        return any(one.config is not None for one in self.candidates)

    @property
    def without_labels(self) -> str:
        """What an error is of its candidates without labels; "" if there are none."""
        names = [one.name for one in self.candidates if not one.is_conditional]
        return f"{', '.join(names)}: {WITHOUT_LABELS}" if names else ""

    def candidate(self, name: str) -> CandidateRecord:
        """Returns a candidate by its name."""
        return next(one for one in self.candidates if one.name == name)

    def with_candidate(self, changed: CandidateRecord) -> "SelectionRecord":
        """Returns the record with another content of one candidate."""
        candidates = tuple(changed if one.name == changed.name else one for one in self.candidates)
        return replace(self, candidates=candidates)

    def as_dict(self) -> dict[str, Json]:
        """Returns the record in JSON types."""
        return as_json(self)


@dataclass(frozen=True)
class Selection:
    """A selection: its folder and its record."""

    folder: Path
    record: SelectionRecord

    @property
    def generator(self) -> Path | None:
        """The file of the chosen generator. None: no one was chosen."""
        if self.record.chosen is None:
            return None
        file = self.record.candidate(self.record.chosen).generator
        return None if file is None else self.folder / file


def find_folder(selection: str | os.PathLike[str]) -> Path:
    """Returns the folder of a selection, which is given by its folder or its record."""
    given = files.as_path(selection, "folder")
    return given.parent if given.is_file() else given


@checked
def load_selection(folder: str | os.PathLike[str]) -> SelectionRecord:
    """Loads the record of a selection from its folder, or from the file.

    Raises `InputError` if it does not exist or is damaged, and names the position in it.
    """
    given = files.as_path(folder, "folder")
    path = Path(given / RECORD if given.is_dir() else given)
    if not path.is_file():
        expected = f"a folder of gan select, with {RECORD}"
        raise InputError("No such selection", expected=expected, received=str(given))
    return convert(files.read_json(path), SelectionRecord, path)


def save_selection(folder: Path, record: SelectionRecord) -> None:
    """Writes the record of a selection, atomically."""
    files.write_json(folder / RECORD, files.null_for_nan(record).as_dict())
