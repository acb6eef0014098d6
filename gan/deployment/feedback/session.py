"""What judges do at one server: one mode, its pictures, the gold between them, and the file that keeps what they say.

Nothing that a judge's page gets tells gold from samples: the questions have the same fields, the pictures the same size
in bytes. The estimate counts all pictures on the screens alike, and changes only after `ESTIMATE_EVERY` judgements, of
which some are of gold.
"""

import io
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np

from gan.data import images
from gan.deployment.feedback.pictures import GoldPlan, Mode, Picture, Plan, Truth
from gan.deployment.feedback.sample_cache import SampleCache
from gan.deployment.feedback.showing import Counts, NotShownError, Said, Shown
from gan.deployment.feedback.store import ABANDONED_SECONDS, FeedbackStore
from gan.deployment.feedback.summary import FeedbackSummary, summarize
from gan.errors import InputError, check, check_share
from gan.saving.engines.engine import Engine

PAGE = 24
"""Pictures of a page in the mode `report`."""

MOST_PAGES = 100_000
"""Most pages in the mode `report`."""

ESTIMATE_EVERY = 20
"""Judgements between two estimates, when there is gold. An estimate after each would show which of them count."""

MOST_TOKENS = 100_000
"""Most showings whose pictures can be asked for. A page asks for the picture of an older one by its question again."""


@dataclass(frozen=True)
class GoldImages:
    """Real test images to show between the samples.

    Args:
        plan: which of them are shown, and when.
        images: uint8 [M, H, W, C], of the shape of the samples.
    """

    plan: GoldPlan
    images: np.ndarray

    def __post_init__(self) -> None:
        check(len(self.images) == len(self.plan.labels), "images", "one image for each label", len(self.images))


@dataclass(frozen=True)
class Question:
    """What a judge's page knows of a showing."""

    token: str
    asked: str | None
    """Name of the class that is asked; None: whether the picture looks real."""
    number: int
    """Number of this picture among those of the judge, from 1."""


@dataclass(frozen=True)
class BrowsedPicture:
    """What a page of the mode `report` knows of a picture."""

    token: str
    asked: str | None
    number: int
    """Number of this picture in the plan, from 1."""
    flagged: bool


@dataclass(frozen=True)
class Progress:
    """How many pictures were judged in this mode, gold included. In the mode `report`: how many were flagged."""

    mine: int
    """By the judge who asks."""
    all: int
    """By all judges."""
    shown: int
    """Pictures that the judge who asks was shown."""
    size: int | None
    """Number of samples of the plan; None: no end."""


class FeedbackSession:
    """Gives judges pictures and records what they say. Threads may share it.

    Args:
        store: the file of judgements. The session does not close it.
        engine: draws the samples, of 1 or 3 channels.
        mode: what the judges do. One server has one mode, so that no judge chooses what their judgement counts for.
        plan: the pictures of this mode.
        tolerance: highest error rate that is acceptable, from 0 to 1.
        gold: real images between the samples; None: none. The mode `report` has none.
        class_names: names of the classes, in the order of their numbers; empty: their numbers.
        name: name of the generator, which the page shows.

    Raises `InputError` for samples that are no images, gold of another shape, and another number of names.
    """

    def __init__(
        self,
        store: FeedbackStore,
        engine: Engine,
        *,
        mode: Mode,
        plan: Plan,
        tolerance: float,
        gold: GoldImages | None = None,
        class_names: Sequence[str] = (),
        name: str = "generator",
    ) -> None:
        check_share("tolerance", tolerance)
        shape = tuple(engine.image_shape)
        if len(shape) != 3 or shape[-1] not in (1, 3):
            raise InputError(
                "These samples are no pictures", expected="1 or 3 channels", received=f"samples of shape {[*shape]}"
            )
        if gold is not None:
            check(mode != "report", "gold", "no gold in the mode report", "gold")
            check(gold.images.shape[1:] == shape, "gold", f"images of shape {[*shape]}", [*gold.images.shape[1:]])
        names = tuple(class_names) or tuple(map(str, range(engine.num_classes)))
        check(len(names) == engine.num_classes, "class_names", f"{engine.num_classes} names", len(names))
        self.store, self.mode, self.tolerance, self.name, self.image_shape = store, mode, tolerance, name, shape
        self._plan, self._gold, self._names = plan, gold, names
        self._samples = SampleCache(engine)
        self._estimating = threading.Lock()
        self._estimate: FeedbackSummary | None = None
        self._estimated_at: tuple[Counts, ...] = ()
        """What was said at the last estimate."""
        self._lock = threading.Lock()
        self._pictures: OrderedDict[str, Picture] = OrderedDict()
        """Pictures by the tokens of their showings."""

    @property
    def key(self) -> str:
        """Name under which a browser keeps what it has not sent yet: of this file, and nothing of its seed."""
        return self.store.id

    @property
    def asks_classes(self) -> bool:
        """Whether a class is asked with a picture."""
        return bool(self._names)

    def start(self) -> None:
        """Draws the first samples, so that the first judge does not wait for them."""
        self._prepare()
        for picture in self._ahead(1):
            self._samples.read(picture)

    def close(self) -> None:
        """Ends the drawing of samples."""
        self._samples.close()

    def next_question(self, judge: str) -> Question | None:
        """Returns what a judge is to be shown next, and records it, see `FeedbackStore`.

        None: nothing is left for this judge now. `unjudged` says whether others have something left.
        """
        gold = None if self._gold is None else self._gold.plan
        shown = self.store.next_picture(judge, self.mode, self._plan, gold)
        return None if shown is None else self._question(shown)

    def unjudged(self) -> int:
        """Returns the number of samples of the plan that no judge has judged. 0 for a plan without end.

        Only a judge who has nothing to judge may know it: it would tell others whether their picture is one of them.
        """
        return 0 if self._plan.size is None else self._plan.size - self.store.counts(self.mode).judged

    def judge(self, judge: str, token: str, said: Said, milliseconds: int) -> None:
        """Records a judgement. It is on disk when this returns. Raises the errors of `FeedbackStore.judge`."""
        self.store.judge(token, judge, said, milliseconds, self.mode)

    def undo(self, judge: str, token: str) -> None:
        """Takes back a judgement. The same again changes nothing. Raises `NotShownError` for another judge's."""
        if self.store.undo(judge, self.mode, token) is None:
            raise NotShownError(
                "A picture that was not shown", expected="a picture that this judge was shown", received=token[:40]
            )

    def browse(self, judge: str, page: int) -> list[BrowsedPicture]:
        """Records that a judge was shown a page of `PAGE` pictures, and returns them. page: from 0."""
        check(0 <= page < MOST_PAGES, "page", f"a whole number from 0 to {MOST_PAGES - 1:,}", page)
        found = self.store.browse(judge, self._plan, page * PAGE, PAGE)
        self._samples.prepare([shown.picture for shown, _ in found])
        browsed = []
        for shown, said in found:
            self._remember(shown)
            asked = self._asked(shown.picture)
            browsed.append(BrowsedPicture(shown.token, asked, shown.position + 1, said == "wrong"))
        return browsed

    def png(self, token: str) -> bytes:
        """Returns the picture of a showing as PNG, not compressed: its size does not depend on what it shows.

        Raises `NotShownError` for a token that is not known: the page is to ask for the question again.
        """
        with self._lock:
            picture = self._pictures.get(token)
        if picture is None:
            raise NotShownError(
                "A picture that was not shown", expected="the picture of a question", received=token[:40]
            )
        pixels = self._gold_pixels(picture.index) if picture.kind == "gold" else self._samples.read(picture)
        buffer = io.BytesIO()
        images.to_pil(pixels).save(buffer, format="PNG", compress_level=0)
        return buffer.getvalue()

    def progress(self, judge: str) -> Progress:
        """Returns how many pictures were judged. Gold counts, or a count that stays would show which it was."""
        mine, every = self._counts(judge), self._counts(None)
        return Progress(mine[0], every[0], mine[1], self._plan.size)

    def estimate(self) -> FeedbackSummary:
        """Returns the estimate of the mode.

        With gold it is computed anew after `ESTIMATE_EVERY` judgements, and at the end of the plan when something else
        was said. A picture on a judge's screen counts alike whatever it is, see `is_blind` of `summarize`.
        """
        with self._estimating:
            said = self._said()
            more = sum(counts.judged for counts in said) - sum(counts.judged for counts in self._estimated_at)
            is_old = self._gold is None or self._estimate is None or more >= ESTIMATE_EVERY
            if is_old or (said != self._estimated_at and self._is_finished()):
                self._estimate = summarize(self.store, self.mode, self.tolerance, is_blind=self.mode != "report")
                self._estimated_at = said
            assert self._estimate is not None
            return self._estimate

    def _said(self) -> tuple[Counts, ...]:
        """Returns what was said of samples by their first judges and by others, and of the two kinds of gold."""
        with self.store.snapshot():
            first, every = self.store.counts(self.mode), self.store.counts(self.mode, first=False)
            second = Counts(every.right - first.right, every.wrong - first.wrong, every.unsure - first.unsure)
            gold = (self.store.counts(self.mode, kind="gold", truth=truth) for truth in get_args(Truth))
            return tuple(replace(counts, waiting=0) for counts in (first, second, *gold))

    def _is_finished(self) -> bool:
        """Returns whether all samples are judged and no judge has a picture on the screen."""
        with self.store.snapshot() as connection:
            condition = "mode = ? AND said IS NULL AND shown_at > ?"
            recent = (self.mode, time.time() - ABANDONED_SECONDS)
            (on_screens,) = connection.execute(f"SELECT count(*) FROM showing WHERE {condition}", recent).fetchone()
            return self.store.counts(self.mode).judged == self._plan.size and not on_screens

    def _gold_pixels(self, index: int) -> np.ndarray:
        if self._gold is None or index >= len(self._gold.images):
            expected = "a server with the gold with which the picture was shown"
            raise InputError("A picture that this server does not have", expected=expected, received="another server")
        return np.asarray(self._gold.images[index])

    def _counts(self, judge: str | None) -> tuple[int, int]:
        """Returns how many pictures were judged, and how many were shown."""
        both = [
            self.store.counts(self.mode, kind="sample", judge=judge, first=False),
            self.store.counts(self.mode, kind="gold", judge=judge, first=False),
        ]
        return sum(one.judged for one in both), sum(one.n for one in both)

    def _question(self, shown: Shown) -> Question:
        self._remember(shown)
        self._prepare(shown.picture)
        return Question(shown.token, self._asked(shown.picture), shown.position + 1)

    def _asked(self, picture: Picture) -> str | None:
        return None if picture.label is None else self._names[picture.label]

    def _remember(self, shown: Shown) -> None:
        with self._lock:
            self._pictures[shown.token] = shown.picture
            self._pictures.move_to_end(shown.token)
            while len(self._pictures) > MOST_TOKENS:
                self._pictures.popitem(last=False)

    def _prepare(self, *shown: Picture) -> None:
        """Draws what is shown and the next samples of the plan in the background, also while gold is shown."""
        now = [picture for picture in shown if picture.kind == "sample"]
        self._samples.prepare([*now, *self._ahead(self._samples.block)])

    def _ahead(self, num: int) -> list[Picture]:
        """Returns the next pictures of the plan."""
        first = self.store.counts(self.mode).n
        last = first + num if self._plan.size is None else min(first + num, self._plan.size)
        return [self._plan.picture(place) for place in range(first, last)]
