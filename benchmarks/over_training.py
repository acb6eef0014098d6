"""How the modes that a generator reaches grow while it is trained."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from benchmarks.stacks import StackJudge
from gan import checkpoints
from gan.callbacks.scalar import scalar

FILE = "modes.json"


class ModesOverTraining(keras.callbacks.Callback):
    """Counts the modes of the averaged generator after every epoch, into a file of the run folder.

    The file is a list of {"images", "modes", "kl", "sure", "seconds"}, the seconds being those of measuring. It goes on
    when a run is resumed: what it has of images that are seen again is replaced.

    Args:
        folder: the run folder.
        num: samples that are judged.
        images_per_step: reals that D sees in a step.
        say: prints a line.
    """

    def __init__(
        self, folder: Path, judge: StackJudge, *, num: int, images_per_step: int, say: Callable[[str], None]
    ) -> None:
        super().__init__()
        self.path = folder / FILE
        self.judge = judge
        self.num = num
        self.images_per_step = images_per_step
        self.say = say

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        began = time.monotonic()
        images = int(scalar(self.model.g_optimizer.iterations)) * self.images_per_step
        found = self.judge.of_generator(self.model.generator_ema, self.num)
        kept = {name: found[name] for name in ("modes", "kl", "sure")}
        entry = {"images": images, **kept, "seconds": round(time.monotonic() - began, 3)}
        checkpoints.write_json(self.path, [*(e for e in self.rows() if e["images"] < images), entry])
        self.say(f"{found['modes']} modes, KL {found['kl']:.3f}, by {self.num:,} samples")

    def rows(self) -> list[dict[str, Any]]:
        """What the file holds."""
        return checkpoints.read_json(self.path) if self.path.exists() else []
