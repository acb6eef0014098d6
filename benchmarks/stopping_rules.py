"""python -m benchmarks stopping-rules: simulated runs under several rules of early stopping."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from benchmarks.benchmark import Benchmark, Log, Record, provenance
from benchmarks.summary import Table
from gan.errors import check, check_share, check_whole
from gan.tolerance import CONFIDENCE, LAST_SHARE, ErrorRate, verdict, wilson_bounds

if TYPE_CHECKING:
    from benchmarks.plot import Figure
    from gan.training.callbacks.confirmations import Attempt, Confirmations

INTERVALS, PROBE_NUM, IMAGES = 20, 1_632, 129_984
"""Intervals, samples per measurement of the probe, and images of a run of the preset mnist."""

PROBE_RATIO = 1.5
"""Error rate of the classifier that confirms / error rate that the probe sees."""

CORRELATION = 0.7
"""Correlation between two measurements of the probe, which always uses the same latents."""

CHUNK = 500
"""Samples of a confirmation that are looked at together."""

BEFORE = "first nomination only"
RULE = "confirm, half of the error each"


def curves(tolerance: float) -> dict[str, np.ndarray]:
    """Returns the true error rate after each interval of a run, by the kind of run: float [INTERVALS]."""
    time = np.arange(1, INTERVALS + 1)
    flat = np.ones(INTERVALS)
    return {
        "falls as a power": np.minimum(0.9, tolerance * (time / 5.0) ** -1.5),
        "falls and stays at 0.7 T": np.minimum(0.9, tolerance * np.maximum(0.7, (time / 5.0) ** -1.5)),
        "falls and stays just above T": np.minimum(0.9, tolerance * np.maximum(1.0, (time / 5.0) ** -3.0)),
        "flat, just above T": tolerance * flat,
        "flat, 0.7 T": 0.7 * tolerance * flat,
        "flat, 2 T": 2 * tolerance * flat,
    }


def is_within(name: str, rate: float, tolerance: float) -> bool:
    """Returns whether a true error rate is within the tolerance. Curves `just above T` never are."""
    return rate <= tolerance and not name.endswith("just above T")


@dataclass(frozen=True)
class Outcome:
    """Result of a simulated run: the interval that was confirmed (0: none), confirmations, and their samples."""

    interval: int
    attempts: int
    samples: int


Rule = Callable[[np.ndarray, np.ndarray, float, np.random.Generator], Outcome]
"""(true rates, upper bounds of the probe, tolerance, random numbers) -> outcome."""


def confirm_before(rates: np.ndarray, upper: np.ndarray, tolerance: float, rng: np.random.Generator) -> Outcome:
    """Confirms the first nomination, or the last interval, once, on 10,000 samples. The run ends there."""
    reached = np.flatnonzero(upper <= tolerance)
    interval = int(reached[0]) if len(reached) else INTERVALS - 1
    wrong = int(rng.binomial(10_000, rates[interval]))
    found = verdict(ErrorRate(wrong, 10_000), tolerance)
    return Outcome(interval + 1 if found == "within" else 0, 1, 10_000)


def confirm_again(make: "Callable[[float], Confirmations]") -> Rule:
    """Returns the rule that confirms until an interval is within, as `ToleranceEarlyStopping` does."""

    def rule(rates: np.ndarray, upper: np.ndarray, tolerance: float, rng: np.random.Generator) -> Outcome:
        plans = make(tolerance)
        for number, (rate, value) in enumerate(zip(rates.tolist(), upper.tolist())):
            attempt = plans.plan(value, interval=number + 1, intervals=INTERVALS)
            if attempt is not None and _confirms(plans, attempt, rate, value, number, rng):
                return _outcome(plans, number + 1)
        best = int(np.argmin(upper))
        value = float(upper[best])
        is_confirmed = _confirms(plans, plans.plan_last(value), float(rates[best]), value, best, rng)
        again = plans.plan_again()
        if again is not None and not is_confirmed:
            is_confirmed = _confirms(plans, again, float(rates[best]), value, best, rng)
        return _outcome(plans, INTERVALS if is_confirmed else 0)

    return rule


def _outcome(plans: "Confirmations", interval: int) -> Outcome:
    return Outcome(interval, len(plans.done), sum(one.num for one in plans.done))


def _confirms(
    plans: "Confirmations", attempt: "Attempt", rate: float, value: float, number: int, rng: np.random.Generator
) -> bool:
    from gan.training.callbacks.confirmations import Outcomes

    wrong = total = 0
    while total < attempt.num and not _is_over(plans, attempt, wrong, total):
        num = min(CHUNK, attempt.num - total)
        wrong, total = wrong + int(rng.binomial(num, rate)), total + num
    return plans.add(attempt, Outcomes(wrong, total), value=value, interval=number + 1).verdict == "within"


def _is_over(plans: "Confirmations", attempt: "Attempt", wrong: int, total: int) -> bool:
    """Returns whether a confirmation may end early: it cannot succeed any more, or a bet has been won."""
    is_won = getattr(plans, "is_won", None)
    if is_won is not None and total and is_won(attempt, wrong, total):
        return True
    return attempt.is_over(wrong, total)


def rules() -> dict[str, Rule]:
    """Returns the rules by name. The oracle is not one of them: it knows the true rates."""
    from gan.training.callbacks.confirmations import EXPECTED_SHARE, Attempt, Confirmations, Outcomes

    budget = IMAGES // 10

    class Squares(Confirmations):
        """Divides the error as 6 / (pi k)^2 between the attempts k."""

        def confidence(self, *, is_last: bool = False) -> float:
            left = 1 - CONFIDENCE - sum(1 - one.confidence for one in self.done) / 2
            share = (1 - CONFIDENCE) * 6 / (math.pi * (len(self.done) + 1)) ** 2
            return 1 - 2 * (LAST_SHARE * left if is_last else share)

    class Equal(Confirmations):
        """Divides the error equally between at most five attempts."""

        def confidence(self, *, is_last: bool = False) -> float:
            left = 1 - CONFIDENCE - sum(1 - one.confidence for one in self.done) / 2
            return 1 - 2 * (LAST_SHARE * left if is_last else (1 - CONFIDENCE) / 5)

        def plan(self, value: float, **options: Any) -> Attempt | None:
            return None if len(self.done) == 4 else super().plan(value, **options)

    class Betting(Confirmations):
        """Bets against "the rate is above T": an e-process that may end whenever it exceeds 1 / its error.

        The factor of an outcome is its likelihood ratio, for the expected rate against T. Above T, its mean is at most
        1, so that it ever exceeds 1 / error only with this error (Ville's inequality).
        """

        def is_won(self, attempt: Attempt, wrong: int, total: int) -> bool:
            likely = EXPECTED_SHARE * self.tolerance
            gain = wrong * math.log(likely / self.tolerance)
            gain += (total - wrong) * (math.log1p(-likely) - math.log1p(-self.tolerance))
            return gain >= -math.log((1 - attempt.confidence) / 2)

        def add(self, attempt: Attempt, outcomes: Outcomes, **options: Any) -> Any:
            done = super().add(attempt, outcomes, **options)
            found = "within" if self.is_won(attempt, done.wrong, done.num) else "undecided"
            self.done[-1] = replace(done, verdict=found)  # type: ignore[arg-type]
            return self.done[-1]

    made: dict[str, type[Confirmations]] = {
        RULE: Confirmations,
        "confirm, 6 / (pi k)^2 of it": Squares,
        "confirm, a fifth of it each": Equal,
        "confirm, betting": Betting,
    }
    again = {
        name: confirm_again(lambda tolerance, kind=kind: kind(tolerance, target=tolerance, budget=budget))  # type: ignore[misc]
        for name, kind in made.items()
    }
    return {BEFORE: confirm_before, **again}


def probe_bounds(rates: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Simulates the upper bounds that the probe measures, with correlated outcomes: float [INTERVALS].

    A sample is wrong at an interval if a normal number, which is correlated between the intervals, is below a quantile.
    """
    from scipy.special import ndtri

    seen = np.clip(rates / PROBE_RATIO, 1e-12, 1.0)
    same = rng.standard_normal((PROBE_NUM, 1), np.float32) * np.float32(math.sqrt(CORRELATION))
    own = rng.standard_normal((PROBE_NUM, len(rates)), np.float32) * np.float32(math.sqrt(1 - CORRELATION))
    wrong = (same + own < ndtri(seen)[None]).sum(axis=0)
    _, upper = wilson_bounds(wrong / PROBE_NUM, PROBE_NUM, np.sqrt)
    return np.asarray(upper)


@dataclass(frozen=True)
class StoppingRules(Benchmark):
    """Simulate runs with known error rates, and compare rules of early stopping: false verdicts, power, stopping time.

    The true error rate after each of 20 intervals is given. The probe sees fewer errors, and its measurements are
    correlated. Confirmations use fresh samples. No network is trained.
    """

    tolerance: float = 0.01
    """Tolerance of all runs."""
    paths: int = 10_000
    """Simulated runs of each kind."""
    out: Path = Path("benchmarks/results/stopping-rules")
    """Folder for results.json, table.md and plot.png."""

    name: ClassVar[str] = "stopping-rules"

    def check(self) -> None:
        check_share("tolerance", self.tolerance)
        check(0 < self.tolerance < 0.5, "tolerance", "above 0 and below 0.5", self.tolerance)
        check_whole("paths", self.paths, 1)

    def settings(self) -> Mapping[str, Any]:
        return {
            "tolerance": self.tolerance,
            "paths": self.paths,
            "intervals": INTERVALS,
            "probe_num": PROBE_NUM,
            "probe_ratio": PROBE_RATIO,
            "correlation": CORRELATION,
        }

    def measure(self, record: Record, log: Log) -> None:
        for number, (kind, rates) in enumerate(curves(self.tolerance).items()):
            if record.has(kind, {}):
                continue
            log(f"{kind}: {self.paths:,} runs")
            known = rules()
            found: dict[str, list[Outcome]] = {name: [] for name in known}
            for path in range(self.paths):
                rng = np.random.default_rng([path, number])
                upper = probe_bounds(rates, rng)
                for name, rule in known.items():
                    found[name].append(rule(rates, upper, self.tolerance, np.random.default_rng([path, number, 1])))
            record.add(kind, {}, {"oracle": self._oracle(kind, rates), "rules": self._summaries(kind, rates, found)})

    def _oracle(self, kind: str, rates: np.ndarray) -> int | None:
        """Returns the first interval whose true rate is within the tolerance. None: there is none."""
        within = [number for number, rate in enumerate(rates, 1) if is_within(kind, rate, self.tolerance)]
        return within[0] if within else None

    def _summaries(self, kind: str, rates: np.ndarray, found: Mapping[str, list[Outcome]]) -> dict[str, Any]:
        summaries = {}
        for name, outcomes in found.items():
            stops = [one.interval for one in outcomes if one.interval]
            false = [stop for stop in stops if not is_within(kind, float(rates[stop - 1]), self.tolerance)]
            summaries[name] = {
                "false_within": len(false) / len(outcomes),
                "within": (len(stops) - len(false)) / len(outcomes),
                "interval": float(np.mean([one.interval or INTERVALS for one in outcomes])),
                "attempts": float(np.mean([one.attempts for one in outcomes])),
                "samples": float(np.mean([one.samples for one in outcomes])),
            }
        return summaries

    def table(self, content: Mapping[str, Any]) -> Table:
        settings, rows = content["settings"], []
        for kind, run in content["runs"].items():
            oracle = run["oracle"]
            for name, one in run["rules"].items():
                rows.append(
                    [
                        kind,
                        name,
                        f"{100 * one['false_within']:.2f}",
                        "-" if oracle is None else f"{100 * one['within']:.1f}",
                        f"{one['interval']:.1f}",
                        "-" if oracle is None else f"{oracle}",
                        f"{one['attempts']:.2f}",
                        f"{one['samples']:,.0f}",
                    ]
                )
        return Table(
            f"{settings['paths']:,} simulated runs of each kind; tolerance T = {100 * settings['tolerance']:g} %.",
            ["true error rate", "rule", "false within (%)", "within (%)", "mean interval at the end",
             "interval of the oracle", "confirmations", "samples"],
            rows,
            [
                f"A run has {settings['intervals']} intervals. The probe measures {settings['probe_num']:,} samples "
                f"per interval and sees 1 / {settings['probe_ratio']:g} of the errors. Two of its measurements have a "
                f"correlation of {settings['correlation']:g}. False within: `within`, although the true rate is "
                "above T. The oracle knows the true rates. A run that was never `within` counts with its last "
                f"interval; with the rule `{BEFORE}`, it ended at its nomination.",
                "",
                *provenance(content),
            ],
        )  # fmt: skip

    def figure(self, content: Mapping[str, Any]) -> "Figure":
        from benchmarks.plot import bars

        false: dict[str, list[float]] = {}
        interval: dict[str, list[float]] = {}
        for run in content["runs"].values():
            for name, one in run["rules"].items():
                if run["oracle"] is None:
                    false.setdefault(name, []).append(100 * one["false_within"])
                else:
                    interval.setdefault(name, []).append(one["interval"] / run["oracle"])
        return bars(
            {"false within, true rate above T (%)": false, "interval at the end / of the oracle": interval},
            title="Rules of early stopping: median and range of the kinds of runs",
        )
