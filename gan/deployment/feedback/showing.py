"""What judges were shown, what they said, and how often."""

from dataclasses import dataclass
from typing import Literal

from gan.deployment.feedback.pictures import Mode, Picture
from gan.errors import InputError

Said = Literal["right", "wrong", "unsure"]


class NotShownError(InputError):
    """A picture that the judge was not shown, or that a page has to ask for again by its question."""


class JudgedAlreadyError(InputError):
    """A judgement of a picture of which the judge has said something else."""


@dataclass(frozen=True)
class Shown:
    """A picture that a judge was shown and has not judged yet."""

    token: str
    """Random name of the showing, the only one that the judge's page knows."""
    mode: Mode
    picture: Picture
    position: int
    """Number of this picture among those of the judge in this mode, from 0."""


@dataclass(frozen=True)
class Counts:
    """Counts of pictures by what was said. `waiting` ones were shown, but are not judged."""

    right: int = 0
    wrong: int = 0
    unsure: int = 0
    waiting: int = 0

    @property
    def judged(self) -> int:
        """Number of judged pictures."""
        return self.right + self.wrong + self.unsure

    @property
    def n(self) -> int:
        """Number of pictures that were shown."""
        return self.judged + self.waiting

    @property
    def most_wrong(self) -> int:
        """Number of pictures that may be wrong: all but those that were called right."""
        return self.n - self.right
