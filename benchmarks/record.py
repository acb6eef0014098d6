"""results.json: what was measured so far, written after every run, so that a benchmark can be broken off."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gan import checkpoints
from gan.errors import InputError

RESULTS = "results.json"


class Record:
    """The runs of a benchmark by key, the settings that all of them share, and the sessions that made them.

    `content`: {"benchmark", "settings", "sessions": [machine facts], "facts": {name: measured once for all}, "runs":
    {key: {"session", "config", and what was measured}}}, of JSON types (null for NaN and infinity).
    """

    def __init__(self, folder: Path, benchmark: str, settings: Mapping[str, Any]) -> None:
        """Goes on with what `folder` holds, or begins. Raises `InputError` when that has other settings."""
        self.folder = folder
        self.path = folder / RESULTS
        same = plain({"benchmark": benchmark, "settings": settings})
        self.content: dict[str, Any] = {**same, "sessions": [], "facts": {}, "runs": {}}
        if self.path.exists():
            found = checkpoints.read_json(self.path)
            if not (isinstance(found, dict) and set(found) == set(self.content)):
                raise InputError("This is no record of a benchmark", expected="another --out", received=str(self.path))
            _check_same({name: found[name] for name in same}, same, what=str(folder))
            self.content = found

    def begin_session(self, facts: Mapping[str, Any]) -> None:
        """Enters the machine that makes the runs from here on."""
        self.content["sessions"].append(plain(facts))

    def has(self, key: str, config: Mapping[str, Any]) -> bool:
        """Whether run `key` is there. Raises `InputError` if it was made with another configuration."""
        found = self.content["runs"].get(key)
        if found is not None:
            _check_same(found["config"], plain(config), what=f"{key} in {self.folder}")
        return found is not None

    def add(self, key: str, config: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        """Enters a run, and writes the file."""
        session = len(self.content["sessions"]) - 1
        self.content["runs"][key] = plain({"session": session, "config": config, **result})
        checkpoints.write_json(self.path, self.content)

    def note(self, name: str, value: Any) -> None:
        """Enters what is measured once for all runs, and writes the file."""
        self.content["facts"][name] = plain(value)
        checkpoints.write_json(self.path, self.content)


def plain(value: Any) -> Any:
    """The same of JSON types: null for NaN and infinity, lists for tuples, text for paths."""
    return _finite(json.loads(json.dumps(value, default=str)))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _check_same(before: Any, now: Any, *, what: str) -> None:
    changed = _differences(before, now)
    if changed:
        raise InputError(
            f"{what} was measured otherwise",
            expected=", ".join(f"{name}={old!r}" for name, (old, _) in changed.items()) + ", or another --out",
            received=", ".join(f"{name}={new!r}" for name, (_, new) in changed.items()),
        )


def _differences(before: Any, now: Any, prefix: str = "") -> dict[str, tuple[Any, Any]]:
    """{name: (before, now)} of all that differs; options that only one side has count as null on the other."""
    if isinstance(before, dict) and isinstance(now, dict):
        found: dict[str, tuple[Any, Any]] = {}
        for name in dict.fromkeys([*before, *now]):
            found |= _differences(before.get(name), now.get(name), f"{prefix}.{name}" if prefix else name)
        return found
    return {} if before == now else {prefix: (before, now)}
