"""What is wrong with a GAN, read from the numbers of one interval. Plain Python."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gan.checks import check, check_positive, check_share, check_whole

COLLAPSE, WON = "Mode collapse", "The discriminator has won"
SIGNALS = (
    "val_classes_seen",
    "val_coverage",
    "val_pairwise_ssim",
    "val_pairwise_ssim_real",
    "real_accuracy",
    "fake_accuracy",
    "real_score",
    "fake_score",
)
"""Names of logs that are read. The first four need validation data and metrics, the others every `GAN` has."""


@dataclass(frozen=True, kw_only=True)
class Ailments:
    """Signs of mode collapse, and of a discriminator that has won, with the limits beyond which they are signs.

    An option of None leaves that sign out. The defaults lie between what was measured on `mnist5k` with 500 pictures
    and the features of `mnist-probe`, one run a row unless it says more; from the third interval (of 8,000 images;
    mlp: 12,000) on, since in the first two a healthy generator, too, may draw 1 class of 10:

                                      classes  sameness        coverage     lesser accuracy  gap
        limit                         < 7.5    > .12           < .2         > .97            > 10
        healthy
          mnist, 3 seeds              10       .01 to .03      .93 to .94   .65 to .74       .7 to 1.0
          mnist-mlp, 3 seeds          10       -.01 to .03     .26 to .85   .68 to .88       .3 to .6
          mnist-unconditional         10       -.01 to .02     .51 to .82   .67 to .89       .8 to 2.4
        collapsed
          G's rate 25 times higher    9, 10    .84 to .93      .12 to .19   .86 to .93       3.9 to 6.2
          latent of 1 number          3 to 7   .20 to .35      .01 to .02   .93 to .97       5.9 to 8.4
        won
          G's rate 250 times higher   1        1.00                         1.00             14
          D's rate 100 times G's      1, 2     .23 to .43      .01          .99 to 1.00      4,700 to 13,000
          D's rate 10 times G's       1 to 10  .12 to .92      .01          .87 to .98       53 to 1,070
          D's rate 200 times G's, mlp 1        -.25 to -.19                 .88 to 1.00      6 to 26

    (the last three without a penalty; the first of them with a D of width 64). So one sign of an ailment is enough; a
    generator that never learned anything shows those of both.
    """

    num_classes: int = 10
    """Classes of the data."""
    min_classes_share: float | None = 0.75
    """Least share of the classes that the fakes show (`val_classes_seen` / num_classes)."""
    min_coverage: float | None = 0.2
    """Least `val_coverage`."""
    max_sameness: float | None = 0.12
    """Most (val_pairwise_ssim - real) / (1 - real), real: `val_pairwise_ssim_real`. 0: as various as the data; 1: all
    fakes of a class are the same."""
    max_accuracy: float | None = 0.97
    """Most that both `real_accuracy` and `fake_accuracy` may be."""
    max_gap: float | None = 10.0
    """Most `real_score` - `fake_score`, in logits. None for a loss whose scores have no scale (Wasserstein)."""

    def __post_init__(self) -> None:
        check_whole("num_classes", self.num_classes, 1)
        for name in ("min_classes_share", "min_coverage", "max_sameness", "max_accuracy"):
            if getattr(self, name) is not None:
                check_share(name, getattr(self, name))
        if self.max_gap is not None:
            check_positive("max_gap", self.max_gap)
        limits = (self.min_classes_share, self.min_coverage, self.max_sameness, self.max_accuracy, self.max_gap)
        check(any(limit is not None for limit in limits), "limits", "at least one that is not None", limits)

    def signs(self, logs: Mapping[str, Any]) -> dict[str, list[str]]:
        """{ailment: its signs in words}; [] for one that has none, no entry for one that cannot be told from `logs`.

        A number that is missing or NaN is not used.
        """
        known = {name: float(logs[name]) for name in SIGNALS if name in logs and math.isfinite(logs[name])}
        found = {COLLAPSE: self._collapse(known), WON: self._won(known)}
        return {ailment: [sign for sign in signs if sign] for ailment, signs in found.items() if signs}

    def _collapse(self, known: Mapping[str, float]) -> list[str]:
        """A text for each sign that can be told; an empty one where all is well."""
        signs = []
        if self.min_classes_share is not None and "val_classes_seen" in known:
            seen = known["val_classes_seen"]
            few = seen < self.min_classes_share * self.num_classes
            signs.append(f"it draws {seen:.0f} of {self.num_classes} classes" if few else "")
        if self.min_coverage is not None and "val_coverage" in known:
            coverage = known["val_coverage"]
            signs.append(f"it reaches {coverage:.1%} of the data" if coverage < self.min_coverage else "")
        if self.max_sameness is not None and {"val_pairwise_ssim", "val_pairwise_ssim_real"} <= known.keys():
            fake, real = known["val_pairwise_ssim"], known["val_pairwise_ssim_real"]
            alike = fake - real > self.max_sameness * (1 - real)
            signs.append(f"its pictures are alike (SSIM {fake:.2f}, of the data {real:.2f})" if alike else "")
        return signs

    def _won(self, known: Mapping[str, float]) -> list[str]:
        signs = []
        if self.max_accuracy is not None and {"real_accuracy", "fake_accuracy"} <= known.keys():
            real, fake = known["real_accuracy"], known["fake_accuracy"]
            sure = min(real, fake) > self.max_accuracy
            signs.append(f"it tells {real:.1%} of the real and {fake:.1%} of the fake images" if sure else "")
        if self.max_gap is not None and {"real_score", "fake_score"} <= known.keys():
            gap = known["real_score"] - known["fake_score"]
            signs.append(f"its logits of real and fake are {gap:.4g} apart" if gap > self.max_gap else "")
        return signs
