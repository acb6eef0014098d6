"""Candidates of a selection: training runs that differ in their options. Does not import TensorFlow."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from gan.config import PRESETS, ReadingOptions, TrainConfig
from gan.errors import InputError, did_you_mean, type_name
from gan.utils.arguments import checked

FIXED = (
    "eval_every",
    "init_from",
    "freeze_d",
    "feedback",
    "feedback_share",
    "devices",
    "tensorboard",
    "source",
    "deterministic",
)
"""Options that cannot be varied: a selection sets them, or they are the same for all candidates."""

Fields = tuple[str, ...]
"""Names of the fields that lead to an option: ("optimization", "images")."""


@dataclass(frozen=True)
class Candidate:
    """A training run that can be selected: its name, its preset and all its options."""

    name: str
    """Preset, with the varied options after it: `mnist,learning_rate=0.001`."""
    preset: str
    config: TrainConfig

    @property
    def folder(self) -> str:
        """Name of its run folder, in letters, digits and `-._=`."""
        return re.sub(r"[^\w.=-]+", "-", self.name)

    def images(self, training_images: int) -> int:
        """Returns the length of its run in real images that D sees, for a training split of `training_images`."""
        options = self.config.optimization
        return options.total_steps(training_images) * options.batch_size * options.critic_steps


@checked
def make_candidates(
    presets: Sequence[str],
    vary: Sequence[str] = (),
    *,
    dataset: str | None = None,
    reading: ReadingOptions | None = None,
    seed: int = 0,
    deterministic: bool = False,
) -> list[Candidate]:
    """Returns a candidate for each preset and each combination of the varied options.

    >>> [one.name for one in make_candidates(["mnist"], ["learning_rate=1e-3,3e-3"])]
    ['mnist,learning_rate=1e-3', 'mnist,learning_rate=3e-3']

    Args:
        presets: names of presets.
        vary: texts such as `learning_rate=1e-3,3e-3`: an option of `gan train`, and its values.
        dataset: dataset of all candidates. None: that of the presets.
        reading: how its images are read. None: as in the presets.
        seed: seed of all runs.
        deterministic: whether they use deterministic kernels only.

    Raises `InputError` for an unknown preset, option or value, candidates that are equal, and candidates of different
    data.
    """
    if not presets:
        raise InputError("No candidates", expected=f"one or more presets of {list(PRESETS)}", received="none")
    variations = [_read_variation(text) for text in vary]
    repeated = [name for name in {name for name, _ in variations} if [n for n, _ in variations].count(name) > 1]
    if repeated:
        raise InputError("An option is varied twice", expected="each option once", received=f"--vary {repeated[0]}")
    found = []
    for preset in presets:
        if preset not in PRESETS:
            expected = f"one of {list(PRESETS)}{did_you_mean(preset, PRESETS)}"
            raise InputError("Unknown preset", expected=expected, received=preset)
        base = replace(PRESETS[preset], seed=seed, deterministic=deterministic)
        asked: dict[str, Any] = {} if dataset is None else {"dataset": dataset}
        base = replace(base, data=replace(base.data, **asked, **(reading.given if reading else {})))
        for values in itertools.product(*(values for _, values in variations)):
            chosen = [(name, value) for (name, _), value in zip(variations, values)]
            config = base
            for name, value in chosen:
                config = _with_option(config, name, value)
            found.append(Candidate(",".join([preset, *(f"{n}={v}" for n, v in chosen)]), preset, config))
    _check_different(found)
    _check_same_data(found)
    return found


def _read_variation(text: str) -> tuple[str, list[str]]:
    name, _, values = text.partition("=")
    name = name.strip().lstrip("-").replace("-", "_")
    parts = [part.strip() for part in values.split(",")]
    if not name or not all(parts):
        expected = "an option and its values, such as learning_rate=1e-3,3e-3"
        raise InputError("Bad `--vary`", expected=expected, received=text)
    _find_option(name)
    return name, parts


def _options(kind: Any = TrainConfig, path: Fields = ()) -> dict[str, Fields]:
    """Returns {name of an option: the fields that lead to it} of all options that can be varied."""
    found: dict[str, Fields] = {}
    hints = get_type_hints(kind)
    for field in fields(kind):
        hint = hints[field.name]
        if is_dataclass(hint):
            found |= _options(hint, (*path, field.name)) if field.name in ("model", "optimization") else {}
        elif field.name not in FIXED:
            found[field.name] = (*path, field.name)
    return found


def _find_option(name: str) -> Fields:
    known = _options()
    if name not in known:
        expected = f"one of {sorted(known)}{did_you_mean(name, known)}"
        raise InputError("Unknown option in `--vary`", expected=expected, received=name)
    return known[name]


def _with_option(config: TrainConfig, name: str, text: str) -> TrainConfig:
    """Returns the options with another value of one of them, read from text."""
    *groups, last = _find_option(name)
    owner: Any = config if not groups else getattr(config, groups[0])
    value = _read_value(name, text, get_type_hints(type(owner))[last])
    changed = replace(owner, **{last: value})
    if name in ("images", "epochs", "steps"):  # one length takes the place of another, as on the command line
        others = {other: None for other in ("epochs", "steps") if other != name}
        changed = replace(owner, **{last: value, **others})
    return changed if not groups else replace(config, **{groups[0]: changed})


def _read_value(name: str, text: str, hint: Any) -> Any:
    is_tuple = any("tuple" in str(part) for part in (hint, *get_args(hint)))
    content: Any = text
    if text.lower() == "none" and "none" not in _choices(hint):
        content = [] if is_tuple else None
    elif is_tuple:
        content = text.split("+")
    elif hint is int and re.fullmatch(r"\d+(\.\d*)?[eE]\+?\d+", text) and float(text).is_integer():
        content = int(float(text))
    try:
        return msgspec.convert(content, hint, strict=False)
    except msgspec.ValidationError as error:
        expected = type_name(msgspec.inspect.type_info(hint))
        raise InputError(f"Bad value of `{name}` in `--vary`", expected=expected, received=text) from error


def _choices(hint: Any) -> list[object]:
    """Returns the texts that an option can be, such as `none` of `conditioning`."""
    return [choice for part in (hint, *get_args(hint)) if get_origin(part) is Literal for choice in get_args(part)]


def _check_different(candidates: Sequence[Candidate]) -> None:
    """Raises `InputError` for two candidates with the same options, which would be the same run."""
    seen: dict[str, str] = {}
    for one in candidates:
        key = str(replace(one.config, source=""))
        if key in seen:
            expected = "candidates with different options"
            raise InputError("Two candidates are equal", expected=expected, received=f"{seen[key]} and {one.name}")
        seen[key] = one.name
    check_folders(candidates)


def check_folders(candidates: Sequence[Candidate]) -> None:
    """Raises `InputError` for two candidates with one run folder. Some file systems do not distinguish case."""
    seen: dict[str, str] = {}
    for one in candidates:
        folder = one.folder.casefold()
        if folder in seen:
            expected = "names that differ in letters (not in their case), digits or -._="
            received = f"{seen[folder]} and {one.name}"
            raise InputError("Two candidates have one run folder", expected=expected, received=received)
        seen[folder] = one.name


def _check_same_data(candidates: Sequence[Candidate]) -> None:
    first = candidates[0]
    for one in candidates[1:]:
        if one.config.data != first.config.data:
            raise InputError(
                "Candidates of different data",
                expected=f"options of the data as in {first.name} ({first.config.data.dataset}), or --dataset",
                received=f"{one.name} ({one.config.data.dataset})",
            )
