"""The prediction-powered estimate of an error rate: what people said of some pictures, and a classifier of all."""

from dataclasses import dataclass

from gan.errors import check_whole


@dataclass(frozen=True, kw_only=True)
class PredictedCounts:
    """What a classifier says of `num` pictures, and what people say of `judged` of them, drawn uniformly at random."""

    num: int
    """Number of pictures that the classifier has read."""
    flagged: int
    """Number of those that it has flagged as wrong."""
    judged: int
    """Number of those that are judged, flagged or not."""
    judged_flagged: int
    """Number of flagged ones among the judged ones."""
    wrong: int
    """Number of wrong ones among the judged ones."""
    wrong_flagged: int
    """Number of flagged wrong ones among the judged ones."""

    def __post_init__(self) -> None:
        check_whole("num", self.num, 1)
        check_whole("flagged", self.flagged, 0, self.num)
        check_whole("judged", self.judged, 1, self.num)
        others = self.num - self.flagged
        check_whole("judged_flagged", self.judged_flagged, max(0, self.judged - others), min(self.flagged, self.judged))
        check_whole("wrong", self.wrong, 0, self.judged)
        unflagged = self.judged - self.judged_flagged
        least, most = max(0, self.wrong - unflagged), min(self.wrong, self.judged_flagged)
        check_whole("wrong_flagged", self.wrong_flagged, least, most)

    @property
    def power(self) -> float:
        """The weight lambda of the classifier: cov(y, f) / var(f) among the judged ones; 0 if var(f) is 0.

        y is 1 for a wrong picture, and f for a flagged one.
        """
        n, f, y = self.judged, self.judged_flagged, self.wrong
        variance = f * (n - f)
        return (n * self.wrong_flagged - f * y) / variance if variance else 0.0

    @property
    def rate(self) -> float:
        """The estimate: wrong / judged + lambda (flagged / num - judged_flagged / judged), with lambda = `power`.

        With this lambda, it has the smallest variance. It equals the estimate of PPI++, whose lambda refers to the
        pictures that are not judged and so is lambda (1 - judged / num) here. It also equals the average of the error
        rates of flagged and other pictures, weighted with their shares among all (post-stratification).

        There is no interval with it. That of the source is normal, and fails for rare errors: if none is among the
        judged ones, it is [0, 0]. At a rate of 0.4 % and 200 judgements it covers at most 55 % instead of 95 %,
        whatever the classifier. Use `StratifiedCounts` for bounds.

        Angelopoulos, Duchi and Zrnic 2023, arXiv:2311.01453.
        """
        return self.wrong / self.judged + self.power * (self.flagged / self.num - self.judged_flagged / self.judged)
