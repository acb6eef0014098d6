"""Early stopping of a run, as a report shows it: the curve of the probe, nominations, confirmations.

Does not import TensorFlow.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gan.errors import Positive
from gan.saving import log_file, run_folder
from gan.saving.metadata import RunMetadata
from gan.tolerance import Confirmation


@dataclass(frozen=True, kw_only=True)
class MeasuredInterval:
    """The error rate that the probe measured after an interval of a run, with its 95 % confidence interval.

    `images` is the number of real images that D had seen. `is_nominated` says whether the interval reached the
    tolerance, so that it was to be confirmed.
    """

    interval: Positive
    images: Positive
    error_rate: float
    error_rate_lower: float
    error_rate_upper: float
    is_nominated: bool = False


@dataclass(frozen=True, kw_only=True)
class StoppingHistory:
    """What early stopping saw of a run with a tolerance: the error rate of each interval, and all confirmations.

    The curve has no entry for an interval whose error rate is not known. `images_at` gives the images of a confirmed
    interval.
    """

    tolerance: float
    """The tolerance of the run, which may differ from that of the report."""
    curve: tuple[MeasuredInterval, ...]
    confirmations: tuple[Confirmation, ...] = ()

    def images_at(self, interval: int) -> int | None:
        """Returns the number of real images that D had seen after an interval. None: not known."""
        return next((point.images for point in self.curve if point.interval == interval), None)


def load_stopping_history(run: Path, record: RunMetadata) -> StoppingHistory | None:
    """Reads what early stopping saw of a run from log.csv in its folder, and from its metadata.

    Returns None if the run had no tolerance, or if neither file knows anything about it.
    """
    tolerance = record.config.stopping.tolerance
    if tolerance is None:
        return None
    confirmations = () if record.result is None else record.result.confirmations
    confirmed = {one.interval for one in confirmations if not one.is_last}
    measured = [_measured(row, confirmed) for row in log_file.rows(run / run_folder.LOG)]
    curve = tuple(point for point in measured if point is not None)
    if not curve and not confirmations:
        return None
    return StoppingHistory(tolerance=tolerance, curve=curve, confirmations=confirmations)


def _measured(row: Mapping[str, float], confirmed: set[int]) -> MeasuredInterval | None:
    """Converts a row of log.csv. None: its error rate is not known, or the row was not written by a run.

    `confirmed` are the intervals that were confirmed because they were nominated. A log that an earlier revision began
    has no column for nominations.
    """
    values = [row.get(f"val_error_rate{end}", math.nan) for end in ("", "_lower", "_upper")]
    interval, images = int(row["interval"]), int(row["images"])
    value, lower, upper = (min(max(number, 0.0), 1.0) for number in values)
    if not all(map(math.isfinite, values)) or min(interval, images) < 1 or upper == 0.0:
        return None
    return MeasuredInterval(
        interval=interval,
        images=images,
        error_rate=value,
        error_rate_lower=lower,
        error_rate_upper=upper,
        is_nominated=row.get("nominated") == 1 or interval in confirmed,
    )
