"""Tests that parsed JSON becomes a value of a type, or an `InputError` of one line that names the file and path."""

import math
from dataclasses import dataclass, field
from typing import Literal, NotRequired, TypedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan.config import PRESETS, ClassifierConfig, TrainConfig
from gan.errors import DEEPEST, ImageShape, InputError, Json, Options, Positive, Whole, as_json, check, convert


@dataclass(frozen=True)
class Part(Options):
    names: tuple[Literal["a", "b"], ...] = ()
    rate: float | None = None
    channels: Literal[1, 3] | None = None

    def __post_init__(self):
        check(self.rate != 7, "rate", "not 7", self.rate)


class Counts(TypedDict):
    seen: Whole
    by_class: NotRequired[dict[str, list[int]]]


@dataclass(frozen=True, kw_only=True)
class Record:
    part: Part = Part()
    size: Positive
    shape: ImageShape = (1, 1, 1)
    done: bool = False
    counts: Counts | None = None
    parts: dict[str, Part] = field(default_factory=dict)
    tables: dict[str, dict[str, int]] = field(default_factory=dict)
    anything: Json = None


WHOLE = {
    "part": {"names": ["a", "b"], "rate": 3, "channels": 1},
    "size": 5,
    "shape": [4, 6, 1],
    "done": True,
    "counts": {"seen": 0, "by_class": {"7": [1, 2]}, "later": "ignored"},
    "parts": {"first": {"rate": 0.5}},
    "anything": [{"x": math.inf, "y": 2**70}],
    "later": "ignored",
}


def test_converts_every_kind_of_part_to_its_type():
    record = convert(WHOLE, Record, "a.json")
    assert record == Record(
        part=Part(("a", "b"), 3.0, 1),
        size=5,
        shape=(4, 6, 1),
        done=True,
        counts={"seen": 0, "by_class": {"7": [1, 2]}},
        parts={"first": Part(rate=0.5)},
        anything=[{"x": math.inf, "y": 2**70}],
    )
    assert isinstance(record.part.rate, float)
    assert convert({"size": 1}, Record, "a.json") == Record(size=1)


@pytest.mark.parametrize(
    ("change", "path", "expected", "received"),
    [
        ({"size": "5"}, "`size`", "a whole number >= 1", '"5"'),
        ({"size": True}, "`size`", "a whole number >= 1", "true"),
        ({"size": 5.0}, "`size`", "a whole number >= 1", "5.0"),
        ({"size": 0}, "`size`", "a whole number >= 1", "0"),
        ({"size": 2**63}, "`size`", "a whole number >= 1", "9223372036854775808"),
        ({"size": None}, "`size`", "a whole number >= 1", "null"),
        ({"done": 1}, "`done`", "true or false", "1"),
        ({"part": [1]}, "`part`", "an object", "[1]"),
        ({"part": {"names": "a"}}, "`part.names`", "a list", '"a"'),
        ({"part": {"names": ["a", "c"]}}, "`part.names[1]`", "one of ['a', 'b']", '"c"'),
        ({"part": {"rate": math.nan}}, "`part.rate`", "a finite number or null", "NaN"),
        ({"part": {"rate": -math.inf}}, "`part.rate`", "a finite number or null", "-Infinity"),
        ({"part": {"rate": False}}, "`part.rate`", "a finite number or null", "false"),
        ({"part": {"channels": True}}, "`part.channels`", "one of [1, 3] or null", "true"),
        ({"part": {"channels": 2}}, "`part.channels`", "one of [1, 3] or null", "2"),
        ({"part": {"nmaes": []}}, "`part.nmaes`", "one of ['channels', 'names', 'rate']", "an unknown name"),
        ({"parts": {"a": {}, "b": {"x y": 1}}}, '`parts.b."x y"`', "one of ['channels', ", "an unknown"),
        ({"parts": {"a": {}, "b c": {"rate": "1"}}}, '`parts."b c".rate`', "a finite number or null", '"1"'),
        ({"shape": [4, 6]}, "`shape`", "[height, width, channels]", "[4, 6]"),
        ({"shape": [4, 0, 1]}, "`shape[1]`", "a whole number >= 1", "0"),
        ({"counts": {}}, "`counts.seen`", "a whole number >= 0", "nothing"),
        ({"counts": {"seen": 1, "by_class": {"1": [], "2": [3, "x"]}}}, "`counts.by_class.2[1]`", "a whole", '"x"'),
        (
            {"tables": {"a": {"x": 1}, "b": {"x": 2, "y": "z"}, "c": {"v": 0, "w": []}}},
            "`tables.b.y`",
            "a whole",
            '"z"',
        ),
        ({"counts": "x" * 90}, "`counts`", "an object or null", f'"{"x" * 76}...'),
        ({"counts": "a\nb\u202e"}, "`counts`", "an object or null", r'"a\nb\u202e"'),
    ],
)
def test_errors_name_the_path_the_expected_and_the_received_value(change, path, expected, received):
    with pytest.raises(InputError) as caught:
        convert({**WHOLE, **change}, Record, "a.json")
    assert caught.value.problem == f"Bad {path} in a.json"
    assert caught.value.expected.startswith(expected)
    assert caught.value.received.startswith(received)
    assert len(caught.value.received) <= 80
    with pytest.raises(InputError) as caught:
        convert({**WHOLE, **change}, Record, "a.json", "runs[2]")
    assert caught.value.problem == f"Bad `runs[2].{path[1:]} in a.json"


@pytest.mark.parametrize("content", [None, [], 3, "x - at `$.size`"])
def test_content_of_another_kind_has_no_path(content):
    with pytest.raises(InputError, match=r"Bad content in a\.json\. Expected an object\. Received: "):
        convert(content, Record, "a.json")


def test_errors_name_a_missing_part():
    with pytest.raises(InputError, match=r"Bad `size` in a\.json\. Expected a whole number >= 1\. Received: nothing\."):
        convert({}, Record, "a.json")


def test_errors_of_a_dataclass_also_name_the_file():
    with pytest.raises(
        InputError, match=r"Bad `rate` \(`parts\.b`\) in a\.json\. Expected not 7\. Received: rate=7\.0"
    ):
        convert({**WHOLE, "parts": {"a": {}, "b": {"rate": 7}}}, Record, "a.json")
    with pytest.raises(InputError, match=r"Bad `rate` in a\.json\. Expected not 7"):
        convert({"rate": 7}, Part, "a.json")


@pytest.mark.parametrize("content", ["\ud800", {"\ud800": 1}, {"part": {"names": ["\ud800"]}}, {"later": "\udfff"}])
def test_rejects_lone_surrogates(content):
    with pytest.raises(InputError, match=r"Damaged a\.json\. Expected valid Unicode text"):
        convert(content, Record, "a.json")


def test_bytes_of_file_names_are_valid_text_but_no_choices():
    """A folder may have a name that is not UTF-8: `os.fsdecode` returns such characters."""
    assert convert({"dataset": "caf\udce9"}, ClassifierConfig, "a.json").dataset == "caf\udce9"
    with pytest.raises(InputError, match=r"a\.json"):
        convert({"names": ["\udce9"]}, Part, "a.json")


def test_rejects_too_deep_nesting():
    deep: Json = []
    for _ in range(DEEPEST - 3):
        deep = [deep]
    assert convert({"size": 1, "anything": deep}, Record, "a.json").anything == deep
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InputError, match="levels of JSON"):
        convert({"size": 1, "anything": deep}, Record, "a.json")


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=6,
)
NAMES = ("part", "size", "shape", "done", "counts", "parts", "anything", "names", "rate", "seen", "by_class")


@settings(max_examples=500, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), ANY | st.dictionaries(st.sampled_from(NAMES), ANY)))
def test_any_json_converts_or_raises_an_input_error(change):
    for content in (change, {**WHOLE, **change}):
        message = ""
        try:
            record = convert(content, Record, "a.json")
        except InputError as error:
            message = str(error)
        if message:
            assert "a.json" in message
            assert len(message.splitlines()) == 1
        else:
            assert convert(as_json(record), Record, "b.json") == record or math.nan in _leaves(record.anything)


def _leaves(value):
    """Returns the values in parsed JSON. Every NaN is `math.nan`, so that `in` finds it."""
    if isinstance(value, (dict, list)):
        return [leaf for part in (value.values() if isinstance(value, dict) else value) for leaf in _leaves(part)]
    return [math.nan if isinstance(value, float) and math.isnan(value) else value]


@pytest.mark.parametrize("config", [*PRESETS.values(), ClassifierConfig()], ids=str)
def test_as_json_is_the_inverse_of_convert(config):
    written = as_json(config)
    assert convert(written, type(config), "a.json") == config
    assert as_json(convert(written, type(config), "a.json")) == written


def test_as_json_also_writes_defaults():
    assert as_json(convert({}, TrainConfig, "a.json")) == as_json(TrainConfig())
    assert isinstance(as_json(TrainConfig())["optimization"]["penalties"], list)
