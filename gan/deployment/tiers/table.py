"""The table of tiers: ranges of error rates in multiples of the tolerance, and what each allows and needs."""

import json
import os
import re
import shlex
import string
import tomllib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from gan.errors import InputError, Json, NotNegative, Options, as_json, check, check_share, convert
from gan.saving import files
from gan.utils.arguments import checked
from gan.utils.commands import shell_command

DEFAULT = Path(__file__).with_name("tiers.toml")
"""The table that is used unless another one is given."""

PLACEHOLDERS = ("artifact", "audit", "run", "store", "tolerance")
"""Names in braces that a command of a table may contain."""

FOR_A_SHELL = re.compile(
    r"""(?P<quoted>\\. | '[^']*' | "(?:\\[^$`] | [^"\\$`])*")  # the characters themselves
    | "(?:\\[^$`] | [^"\\$`])*\\?[$`]  # a variable or another command between double quotes
    | [|&;<>()*?!$`\[\]]  # operators, redirections, patterns, variables and other commands
    | (?<!\S)[#~]  # a comment or the home folder, at the start of a word
    | ^\s*\w+=  # a variable for the command
    """,
    re.VERBOSE | re.DOTALL,
)
"""Parts of a command, of which those that are not `quoted` mean something to a shell."""

Text = Annotated[str, Meta(min_length=1, pattern=r"^[^\x00-\x1f\x7f]*$", description="one line of text")]


def is_at_most(rate: float, multiple: float, tolerance: float) -> bool:
    """Returns whether rate <= multiple * tolerance for the decimal numbers that a person reads, without rounding.

    >>> 0.009 <= 0.3 * 0.03, is_at_most(0.009, 0.3, 0.03)
    (False, True)
    """
    exact = [Fraction(str(float(number))) for number in (rate, multiple, tolerance)]
    return exact[0] <= exact[1] * exact[2]


@dataclass(frozen=True, kw_only=True)
class Tier(Options):
    """A way to deploy a generator, for upper bounds of its error rate in a range."""

    name: Text
    above: NotNegative
    """Lower end of the range, in multiples of the tolerance. It belongs to the tier before."""
    up_to: NotNegative | None = None
    """Upper end of the range, in multiples of the tolerance. It belongs to this tier. None: no end."""
    allowed: Text
    """What the generator may be used for."""
    watch: Text
    """How errors are noticed."""
    who: Text
    """Who is needed."""
    audit: NotNegative
    """Share of the served samples that a classifier reads, from 0 to 1."""
    commands: tuple[Text, ...]
    """Commands, which may contain the names of `PLACEHOLDERS` in braces. Each is one command: a program and its words.

    A shell is not asked: pipes, redirections, variables, patterns and comments are refused, unless they are quoted.
    """

    def __post_init__(self) -> None:
        check_share("audit", self.audit)
        for command in self.commands:
            for name in _names_in(command):
                expected = f"only the names {', '.join(PLACEHOLDERS)} in braces"
                check(name in PLACEHOLDERS, "commands", expected, command)
                check(name != "audit" or self.audit > 0, "audit", "a share above 0 for a command with {audit}", 0)

    def includes(self, rate: float, tolerance: float) -> bool:
        """Returns whether a rate is not above the upper end of the range."""
        return self.up_to is None or is_at_most(rate, self.up_to, tolerance)

    def limit(self, tolerance: float) -> float | None:
        """Returns the upper end of the range as an error rate, at most 1; None: no end."""
        if self.up_to is None:
            return None
        return min(1.0, float(Fraction(str(self.up_to)) * Fraction(str(float(tolerance)))))

    def command_lines(self, *, run: str, artifact: str, store: str, tolerance: float) -> tuple[str, ...]:
        """Returns the commands for a generator, quoted for a shell."""
        numbers = {"audit": f"{self.audit:g}", "tolerance": str(tolerance)}
        values = {"artifact": artifact, "run": run, "store": store, **numbers}
        return tuple(_filled(command, values) for command in self.commands)

    def as_dict(self) -> dict[str, Json]:
        """Returns the tier in JSON types."""
        return as_json(self)


@dataclass(frozen=True, kw_only=True)
class TierTable(Options):
    """Tiers from the lowest error rates to the highest, without a hole, an overlap, or a name that occurs twice."""

    tier: tuple[Tier, ...]

    def __post_init__(self) -> None:
        check(bool(self.tier), "tier", "one tier or more", "none")
        names: set[str] = set()
        end: float | None = 0.0
        for tier in self.tier:
            if tier.name in names:
                raise InputError("Two tiers of one name", expected="unique names", received=tier.name)
            names.add(tier.name)
            if end is None:
                raise InputError("A tier after one without an end", expected="up_to before it", received=tier.name)
            if tier.above != end:
                problem = "A hole between tiers" if tier.above > end else "Tiers overlap, or are not in order"
                raise InputError(problem, expected=f"above = {end:g}", received=f"{tier.above:g} in {tier.name}")
            if tier.up_to is not None and tier.up_to <= tier.above:
                expected = f"up_to above {tier.above:g}"
                raise InputError("An empty tier", expected=expected, received=f"{tier.up_to:g} in {tier.name}")
            end = tier.up_to
        if end is not None:
            problem = f"A hole: no tier for more than {end:g} times the tolerance"
            raise InputError(problem, expected="a last tier without up_to", received=f"up_to = {end:g} in the last one")

    def tier_of(self, rate: float, tolerance: float) -> Tier:
        """Returns the tier of an upper bound of the error rate."""
        return next(tier for tier in self.tier if tier.includes(rate, tolerance))

    @property
    def last(self) -> Tier:
        """The tier of the highest error rates, and of generators without enough coverage."""
        return self.tier[-1]


@checked
def load_tiers(path: str | os.PathLike[str] | None = None) -> TierTable:
    """Loads a table of tiers from a TOML file. None: the default table of this package.

    >>> [tier.name for tier in gan.deployment.load_tiers().tier]
    ['unattended', 'monitored', 'reviewed', 'research']

    Raises `InputError` if the file cannot be read, for unknown and missing keys, for a hole, an overlap, tiers out of
    order and equal names, for a last tier with an end, and for a command with an unknown name in braces or for a shell.
    """
    file = DEFAULT if path is None else files.as_path(path, "path")
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise InputError("No such table of tiers", expected="a TOML file", received=f"{file}: {reason}") from error
    try:
        content = json.loads(json.dumps(tomllib.loads(text), default=str))  # dates become text
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise InputError("Damaged table of tiers", expected="TOML", received=f"{file}: {reason}") from error
    return convert(content, TierTable, file)


def _names_in(command: str) -> list[str]:
    """Returns the names in braces of a command. Raises `InputError` for braces or quotes that are not closed."""
    try:
        words = shlex.split(command)
        parts = [part for word in words for part in string.Formatter().parse(word)]
    except ValueError as error:
        raise InputError("Bad `commands`", expected="closed braces and quotes", received=command) from error
    check(bool(words), "commands", "a command", command)
    for found in FOR_A_SHELL.finditer(command):
        if found["quoted"] is None:
            expected = f"one command without a shell, so no {found[0].strip()} outside of single quotes"
            raise InputError("Bad `commands`", expected=expected, received=command)
    plain = all(not form and conversion is None for _, name, form, conversion in parts if name is not None)
    check(plain, "commands", "names in braces without a format", command)
    return [name for _, name, _, _ in parts if name is not None]


def _filled(command: str, values: dict[str, str]) -> str:
    words = [word.format_map(values) for word in shlex.split(command)]
    return shell_command(*words)
