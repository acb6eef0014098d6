import sys

import pytest

from gan.benchmark import memory
from gan.benchmark.processes import run_python
from gan.errors import TrainingError


def test_a_process_has_this_package_and_says_what_it_printed():
    ended = run_python(
        "-c", "import sys, time, gan; x = bytearray(2**26); time.sleep(0.4); print(gan.__file__, end='')"
    )
    assert ended.stdout == sys.modules["gan"].__file__
    assert ended.seconds > 0.4
    if sys.platform == "linux":
        assert 64 < ended.megabytes < 1_000


def test_a_process_that_fails_says_why():
    with pytest.raises(TrainingError, match=r"-c raise SystemExit.* ended with status 1, and said: no room"):
        run_python("-c", "raise SystemExit('no room')")


def test_memory_of_a_process_that_is_not_there_is_unknown():
    assert memory.peak_megabytes(2**30) is None
