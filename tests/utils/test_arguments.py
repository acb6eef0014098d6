"""Tests of the check of arguments against the annotations of a function."""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest
import tensorflow as tf

from gan.errors import InputError
from gan.utils.arguments import Numbers, check_axes, checked

KINDS = {
    int: ([0, np.int64(3), np.array(3)], [True, 2.5, "3", None, np.zeros(2)], "a whole number"),
    float: ([0.5, 3, np.float32(2)], [False, "x", [1.0], 1j], "a number"),
    bool: ([True, np.bool_(False)], [1, 0, None, "yes"], "True or False"),
    str: (["", "a"], [b"a", 3, Path("a")], "text"),
    str | os.PathLike[str]: (["a", Path("a")], [b"a", 3], "text or a path"),
    int | None: ([None, 3], ["3"], "a whole number or None"),
    Literal["min", "max"]: (["min"], ["MIN", 0, []], r"one of \['min', 'max'\]"),
    Sequence[int]: ([[1], (1,), range(3), np.arange(3), []], ["12", [1.5], {1}, {1: 2}, np.zeros(2), 3], "a sequence"),
    Sequence[str]: ([["a"], ()], ["a", [1], np.zeros(2)], "a sequence of: text"),
    tuple[int, int]: ([(1, 2), [1, np.int8(2)]], [(1,), (1, 2, 3), 3, "12"], "a whole number, a whole number"),
    Mapping[str, int]: ([{}, {"a": 1}], [[], {"a": "b"}], "a dict"),
    Callable[[int], int]: ([len, int], [3, "len"], "a function"),
    Iterable[int]: ([[1], iter([1])], ["12", 3], "a sequence"),
    np.ndarray: ([np.zeros(2), [1, 2], [[1.5]], tf.zeros(2)], ["a", [[1], [1, 2]], dict, len, [None]], "an array"),
    Numbers: ([tf.zeros(2), [1, 2], np.zeros(2)], ["a", dict, object()], "an array or a tensor of numbers"),
    Annotated[int | str, "a thing"]: ([1, "a"], [1.5], "a thing"),
    Any: ([object(), None, 3], [], ""),
    dict: ([{}], [[], dict], "an instance of dict"),
}


@pytest.mark.parametrize("kind", list(KINDS), ids=lambda kind: re.sub(r" at 0x\w+", "", str(kind)))
def test_takes_what_fits_the_annotation_and_refuses_the_rest(kind):
    right, wrong, words = KINDS[kind]

    def function(value):
        return value

    function.__annotations__["value"] = kind
    function = checked(function)
    for value in right:
        function(value)
    for value in wrong:
        with pytest.raises(InputError, match=f"Bad `value`. Expected .*{words}.*Received: value="):
            function(value)


def test_converts_numbers_and_arrays_but_no_tensors():
    @checked
    def function(whole: int, array: np.ndarray, both: Numbers, *rest: int, **more: int):
        return whole, array, both, rest, more

    tensor = tf.zeros(2)
    whole, array, both, rest, more = function(np.int8(3), [1, 2], tensor, "not looked at", other="nor this")
    assert type(whole) is int
    assert isinstance(array, np.ndarray)
    assert both is tensor
    assert (rest, more) == (("not looked at",), {"other": "nor this"})
    with pytest.raises(TypeError, match="missing"):
        function(3)


def test_long_arrays_are_not_looked_at_one_by_one():
    class Counted(np.ndarray):
        def __iter__(self):
            raise AssertionError

    @checked
    def function(labels: int | Sequence[int] | np.ndarray | None):
        return labels

    assert len(function(np.arange(10).view(Counted))) == 10


@pytest.mark.parametrize("shape", [(2,), (2, 3, 4), (0, 3), (2, 0)])
def test_check_axes(shape):
    check_axes("features", np.zeros((2, 3)), "NF")
    with pytest.raises(InputError, match=r"Bad `features`. Expected shape \[N, F\] without a 0"):
        check_axes("features", np.zeros(shape), "NF")
