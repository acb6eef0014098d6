"""gan tiers."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from gan.cli.output import print_result
from gan.tolerance import EXIT_STATUS

if TYPE_CHECKING:
    from gan.deployment.tiers.choose import TierDecision
    from gan.deployment.tiers.table import Tier

OF_SOURCE = {
    "confirmation": "confirmation of the training",
    "report": "report",
    "card": "card of the file",
    "people": "judgements of people",
    "people_planned": "judgements of a plan",
}
"""Source of a bound -> its name for people."""


@dataclass(frozen=True)
class Tiers:
    """Choose how a generator may be deployed, by its error rate and a tolerance.

    The upper bound of the error rate, in the report or by people's judgements, gives a tier: unattended, monitored,
    reviewed by people, or research. A tier says which file to deploy, how it is watched, and who is needed. The exit
    status is the verdict: 0 if the error rate is within the tolerance, 3 if it exceeds it, 4 if neither is shown.

    examples:
      gan tiers mnist --tolerance 0.02
      gan tiers runs/00001-mnist --tolerance 0.01 --table our-tiers.toml
    """

    generator: Annotated[Positional[str], arg(metavar="RUN")]
    """Run folder, .keras file, pretrained name (`gan doctor` lists them) or exported generator, with its report."""
    tolerance: float
    """Accepted error rate, above 0 and at most 1."""
    table: Annotated[Path | None, arg(metavar="FILE.toml")] = None
    """Table of tiers. None: that of this package, which docs/tiers.md shows."""
    artifacts: Annotated[Path | None, arg(metavar="FILE.json")] = None
    """Table of `gan export --table`, for the file to deploy. None: that in exported/, if it is of this generator."""
    cost: Literal["milliseconds", "bytes", "memory"] = "milliseconds"
    """What the file to deploy has the least of: time for a batch, size on disk, or peak memory."""
    store: Annotated[Path | None, arg(metavar="FILE.sqlite")] = None
    """Judgements of `gan feedback`. None: feedback.sqlite beside the generator, else NAME.sqlite in this folder."""
    json: bool = False
    """Print the result as one JSON object on stdout."""

    def run(self) -> int:
        """Chooses and prints the tier; returns the exit status of the verdict."""
        from gan.deployment.tiers.choose import choose_tier
        from gan.deployment.tiers.table import load_tiers

        found = choose_tier(
            self.generator,
            self.tolerance,
            tiers=load_tiers(self.table),
            artifacts=self.artifacts,
            cost=self.cost,
            store=self.store,
        )
        if self.json:
            print_result(found.as_dict(), as_json=True)
        else:
            _print(found)
        return EXIT_STATUS[found.verdict]


def _print(found: "TierDecision") -> None:
    lines: dict[str, object] = {"tier": f"{found.tier.name}: {_range(found.tier, found.limit)}"}
    for bound in found.bounds:
        decides = " (decides)" if len(found.bounds) > 1 and bound is found.decided_by else ""
        lines[OF_SOURCE[bound.source]] = f"error rate at most {bound.upper:.4g}, of {bound.num:,} samples{decides}"
    if found.store is not None:
        lines["file of judgements"] = found.store
    if found.unmet:
        lines["not met"] = "; ".join(found.unmet)
    lines |= {
        "verdict": f"{found.verdict} at the tolerance of {found.tolerance:g}",
        "allowed": found.tier.allowed,
        "watched by": found.tier.watch,
        "who is needed": found.tier.who,
    }
    if found.artifact is not None:
        one = found.artifact
        lines["file"] = (
            f"{one.path}: error rate at most {one.error_rate_upper:.4g}, {one.milliseconds:.3g} ms for 64 samples, "
            f"{one.bytes:,} bytes"
        )
        lines |= {} if one.confirm is None else {"confirm it": one.confirm}
    for number, command in enumerate(found.commands, 1):
        lines[f"command {number}"] = command
    for number, note in enumerate(found.notes, 1):
        lines[f"note {number}"] = note
    print_result(lines, as_json=False)


def _range(tier: "Tier", limit: float | None) -> str:
    if limit is None:
        return f"more than {tier.above:g} times the tolerance, or not enough coverage"
    return f"up to {tier.up_to:g} times the tolerance, which is {limit:.4g}"
