"""Chooses how a generator may be deployed: its tier, the cheapest file for it, and how it is watched."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gan.deployment.names import export_name
from gan.deployment.table import ArtifactTable, load_table, table_path
from gan.deployment.tiers.artifacts import ChosenArtifact, Cost, cheapest_within
from gan.deployment.tiers.evidence import Measured, RateBound, find_measured, is_same_data
from gan.deployment.tiers.people import find_judged
from gan.deployment.tiers.table import Tier, TierTable, load_tiers
from gan.errors import InputError, Json, as_json, check, is_number
from gan.saving.saved_generator import SavedGenerator, find_saved
from gan.tolerance import Verdict, errs_above, verdict_of_bounds
from gan.utils.arguments import checked
from gan.utils.commands import shell_command

EXPORTED = Path("exported")
"""Folder of exported files, unless another one is given; the default of `gan export --out`."""


@dataclass(frozen=True, kw_only=True)
class TierDecision:
    """How a generator may be deployed, and from what that follows."""

    generator: str
    generator_sha256: str
    """SHA-256 of the file."""
    dataset: str
    tolerance: float
    bounds: tuple[RateBound, ...]
    """What is known of the error rate: by a classifier and, if there are any judgements, by people.

    People have a bound for each mode in which they judged a picture: random pictures, and those of a plan.
    """
    decided_by: RateBound
    """The bound with the largest upper end, which gives the tier."""
    unmet: tuple[str, ...]
    """Conditions that are not met, such as coverage. With any of them, the tier is the last one."""
    verdict: Verdict
    """Verdict on all bounds: `within` only if each upper end is, and `exceeded` if one lower end is above."""
    tier: Tier
    limit: float | None
    """Largest upper bound of the error rate in this tier; None: no end."""
    artifact: ChosenArtifact | None
    """The cheapest file within the tier. None: there is none, see `notes`."""
    commands: tuple[str, ...]
    """How the generator is deployed and watched, as command lines."""
    store: str | None = None
    """The file of the judgements that count. None: there are none."""
    notes: tuple[str, ...] = ()
    """What was not found or passed over, with the command that helps."""

    def as_dict(self) -> dict[str, Json]:
        """Returns the decision in JSON types."""
        return as_json(self)


@checked
def choose_tier(
    generator: str | os.PathLike[str],
    tolerance: float,
    *,
    tiers: TierTable | None = None,
    artifacts: str | os.PathLike[str] | None = None,
    cost: Cost = "milliseconds",
    store: str | os.PathLike[str] | None = None,
) -> TierDecision:
    """Chooses the tier of a generator: how it may be deployed, by the upper bound of its error rate and a tolerance.

    The upper bound U is that of the report beside the generator, of the confirmation at the end of its training if the
    report has one, or of the card of an exported file. Judgements of people give a second one, and those of a
    plan a third. **The largest one decides**: each measures something else (what a classifier reads, what people see),
    and the tier promises all.

    With the default table and a tolerance T, the tier is `unattended` for U <= T / 10, `monitored` for U <= T,
    `reviewed` for U <= 3 T, else `research`. The numbers are compared as decimal numbers, without rounding. A generator
    whose coverage is too low or not known is in the last tier, however few errors it makes: ten good samples, repeated
    forever, are not a useful generator.

    >>> decision = gan.deployment.choose_tier("mnist", 0.02)
    >>> decision.tier.name, round(decision.decided_by.upper, 5)
    ('monitored', 0.00498)

    Args:
        generator: run folder, .keras file, pretrained name or exported generator.
        tolerance: highest acceptable error rate, above 0 and at most 1.
        tiers: from `load_tiers`. None: the default table.
        artifacts: table of `gan export --table` for this generator. None: that in the folder of an exported file or in
            `exported/`, if there is one.
        cost: what the chosen file has the least of: milliseconds for a batch, bytes on disk, or peak memory.
        store: file of judgements of this generator. None: feedback.sqlite beside it, else NAME.sqlite in the working
            directory, if there is one.

    Raises `InputError` without a report of this generator for the dataset of its training, for a tolerance out of
    range, and for a store or a table of another generator.
    """
    check(is_number(tolerance) and 0 < tolerance <= 1, "tolerance", "a number above 0 and at most 1", tolerance)
    table = load_tiers() if tiers is None else tiers
    given = str(generator)
    saved = find_saved(generator)
    exported = None if artifacts is None else _given_table(Path(artifacts), saved)
    measured = find_measured(saved, given, tolerance)
    if exported is not None and not is_same_data(exported[0].dataset, measured.dataset):
        expected = f"a table for {measured.dataset}, as the report"
        raise InputError("A table of another dataset", expected=expected, received=exported[0].dataset)
    judged = find_judged(saved, given, None if store is None else Path(store), tolerance)
    bounds = (measured.bound, *judged.bounds)
    decided_by = max(bounds, key=lambda bound: bound.upper)
    tier = table.last if measured.unmet else table.tier_of(decided_by.upper, tolerance)
    if exported is None:
        exported = _found_table(saved, measured.dataset)
    artifact, notes = _cheapest(exported, saved, given, tier, tolerance, cost)
    return TierDecision(
        generator=given,
        generator_sha256=saved.summary.sha256,
        dataset=measured.dataset,
        tolerance=tolerance,
        bounds=bounds,
        decided_by=decided_by,
        unmet=measured.unmet,
        verdict=_verdict(bounds, measured, tolerance),
        tier=tier,
        limit=tier.limit(tolerance),
        artifact=artifact,
        commands=tier.command_lines(
            run=_as_word(given),
            artifact=artifact.path if artifact else _as_word(given),
            store=_as_word(str(judged.store)),
            tolerance=tolerance,
        ),
        store=str(judged.store) if judged.bounds else None,
        notes=(*judged.notes, *notes),
    )


def _verdict(bounds: Sequence[RateBound], measured: Measured, tolerance: float) -> Verdict:
    """Returns the verdict of all bounds. A classifier that errs too often on real images for it decides nothing."""
    verdicts = {bound: verdict_of_bounds((bound.lower, bound.upper), tolerance) for bound in bounds}
    if errs_above(measured.real, tolerance):
        verdicts[measured.bound] = "undecided"
    found = set(verdicts.values())
    if "exceeded" in found:
        return "exceeded"
    return "within" if found == {"within"} and not measured.unmet else "undecided"


def _as_word(path: str) -> str:
    """Returns a path as a word that no command reads as an option."""
    return f"./{path}" if path.startswith("-") else path


def _original_sha256(saved: SavedGenerator) -> str:
    """Returns the SHA-256 of the .keras file of a generator, also of an exported one."""
    return saved.summary.sha256 if saved.card is None else saved.card.generator_sha256


def _given_table(path: Path, saved: SavedGenerator) -> tuple[ArtifactTable, Path]:
    table, expected = load_table(path), _original_sha256(saved)
    if table.generator_sha256 != expected:
        received = f"{table.generator_sha256} in {path}"
        raise InputError("A table of another generator", expected=f"SHA-256 {expected}", received=received)
    return table, path


def _found_table(saved: SavedGenerator, dataset: str) -> tuple[ArtifactTable, Path] | None:
    """Returns the table of a generator in one of the usual folders, or None. Tables of other generators are ignored."""
    name = export_name(saved) if saved.card is None else saved.card.name
    folders = [EXPORTED] if saved.card is None else [saved.folder, saved.folder.parent, EXPORTED]
    for path in (table_path(folder, name) for folder in folders):
        try:
            table = load_table(path)
        except InputError:  # no such file, or a damaged one
            continue
        if table.generator_sha256 == _original_sha256(saved) and is_same_data(table.dataset, dataset):
            return table, path
    return None


def _cheapest(
    exported: tuple[ArtifactTable, Path] | None,
    saved: SavedGenerator,
    given: str,
    tier: Tier,
    tolerance: float,
    cost: Cost,
) -> tuple[ChosenArtifact | None, list[str]]:
    if tier.up_to is None:
        return None, []
    if exported is None:
        measure = (shell_command("gan", "export", Path(given), "--table"),) if saved.card is None else ()
        return None, [": ".join(("no table of exported files for this generator", *measure))]
    table, path = exported
    chosen, notes = cheapest_within(table, path.parent, tier, tolerance, cost)
    if chosen is None:
        notes.append(f"no file in {path} is within this tier")
    return chosen, notes
