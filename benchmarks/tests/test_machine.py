import os
import sys

import pytest

from benchmarks import machine
from benchmarks.machine import run_python
from gan.errors import TrainingError


def test_a_process_uses_this_package_and_returns_its_output():
    ended = run_python(
        "-c", "import sys, time, gan; x = bytearray(2**26); time.sleep(0.4); print(gan.__file__, end='')"
    )
    assert ended.stdout == sys.modules["gan"].__file__
    assert ended.seconds > 0.4
    if sys.platform == "linux":
        assert 64 < ended.megabytes < 1_000


def test_memory_of_a_process_excludes_its_parent():
    held = bytearray(2**28)
    held[:: 2**12] = b"x" * 2**16  # pages exist only after they are written
    ended = run_python("-c", "import time; time.sleep(0.2)")
    assert len(held) == 2**28
    if sys.platform == "linux":
        assert ended.megabytes < 128


def test_a_failed_process_reports_its_last_line():
    with pytest.raises(TrainingError, match=r"-c raise SystemExit.* failed with status 1: no room"):
        run_python("-c", "raise SystemExit('no room')")


def test_memory_of_a_missing_process_is_unknown():
    assert machine.peak_megabytes(2**30) is None


def test_facts_describe_the_machine(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 2, 5}, raising=False)
    facts = machine.facts("python -m benchmarks x")
    assert facts["command"] == "python -m benchmarks x"
    assert facts["cpu"]
    assert facts["cores"] == (3 if sys.platform == "linux" else os.cpu_count())
    sentence = machine.sentence(facts)
    for part in (facts["cpu"], facts["versions"]["tensorflow"], facts["versions"]["keras"], facts["date"][:10]):
        assert part in sentence
