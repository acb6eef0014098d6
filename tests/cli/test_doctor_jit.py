"""Tests of what `gan doctor` says about XLA."""

from dataclasses import replace

import pytest
from helpers.tiny import dense_gan

from gan.cli import doctor
from gan.errors import InputError
from gan.models import self_test
from gan.models.self_test import SelfTest
from gan.utils import tensorflow as runtime

PASSED = SelfTest("dense", "A GPU", True, "", "2026-01-02T03:04:05+00:00", 7, 8.0, 10.0, 2.0, 0.0, 0.0)
SAID = "passed; 10 ms a step without XLA, 2 ms with it; 8 s to compile (A GPU, 2026-01-02)"


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch, tmp_path):
    """A GPU, a small network in place of each preset, and a test that passes; returns the limits of the tests."""
    limits = []
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_, **__: str(tmp_path / "cache"))
    monkeypatch.setattr(runtime, "gpu_names", lambda: ["A GPU"])
    monkeypatch.setattr(doctor, "compiled", lambda preset: (dense_gan(), 7))
    monkeypatch.setattr(
        self_test,
        "self_test",
        lambda gan, *, limit, title, batch_size: limits.append(limit) or replace(PASSED, title=title),
    )
    return limits


def test_a_test_that_is_remembered_turns_xla_on(capsys, stand_ins):
    assert doctor.jit_rows(None, 60.0) == {
        "jit auto": "off: no self-test of the preset mnist on this device; gan doctor --test-jit PRESET runs one"
    }
    rows = doctor.jit_rows("mnist", 30.0)
    assert stand_ins == [30.0]
    assert capsys.readouterr().err == "testing XLA with the preset mnist: compilation may take 30 s\n"
    assert rows["jit auto"].startswith("on: the self-test passed; ")
    assert rows["XLA, mnist"] == SAID
    assert doctor.jit_rows(None, 60.0) == rows
    assert len(stand_ins) == 1


def test_a_result_that_cannot_be_remembered_is_shown(capsys, tmp_path):
    (tmp_path / "cache").write_text("a file")
    assert doctor.jit_rows("mnist", 60.0)["XLA, mnist"] == SAID
    assert "the result of the self-test cannot be remembered: " in capsys.readouterr().err


def test_xla_is_off_on_a_cpu_whatever_is_remembered(monkeypatch):
    doctor.jit_rows("mnist", 60.0)
    monkeypatch.setattr(runtime, "gpu_names", lambda: [])
    rows = doctor.jit_rows(None, 60.0)
    assert rows["jit auto"] == "off: on a CPU, XLA makes convolutions slower"
    assert "XLA, mnist" in rows


def test_bad_options_are_refused():
    with pytest.raises(InputError, match=r"Unknown preset.*did you mean mnist"):
        doctor.Doctor(test_jit="mnits").run()
    with pytest.raises(InputError, match="test_jit_limit"):
        doctor.Doctor(test_jit_limit=0.0).run()
