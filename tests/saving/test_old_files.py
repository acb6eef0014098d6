"""Tests that the runs and models of revision 53194e3 resume and load. See revision_53194e3/README.md."""

import csv
import hashlib
import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.commands import OFFLINE, ROOT

from gan import load_generator
from gan.saving.renamed_keys import with_new_names

OLD = Path(__file__).with_name("revision_53194e3")
SCRIPT = ROOT / "tests" / "helpers" / "resume_old_run.py"
RUNS = ("reduced", "tolerant")
PARTS = ("generator", "discriminator", "generator_ema", "g_optimizer", "d_optimizer")
COUNTS = ("accuracy", "error_rate", "classes_seen", "class_kl", "seconds")
"""Columns that jump when one more image crosses a boundary, and columns of times."""


def digest(arrays):
    """Returns the SHA-256 of the type, shape and bytes of arrays, in their order."""
    result = hashlib.sha256()
    for array in arrays:
        result.update(f"{array.dtype.str}{array.shape}".encode())
        result.update(array.tobytes())
    return result.hexdigest()


def newest_state(run):
    """Returns (arrays by name, content of the manifest) of the newest state in a run folder."""
    arrays = max((run / "state").glob("*.npz"))
    with np.load(arrays, allow_pickle=False) as archive:
        return dict(archive), json.loads(arrays.with_suffix(".json").read_text(encoding="utf-8"))["content"]


def variables_in(arrays, part):
    return [arrays[name] for name in sorted(arrays) if name.startswith(f"{part}/")]


@pytest.fixture(scope="module", params=["reduced", pytest.param("tolerant", marks=pytest.mark.slow)])
def resumed(request, fork_server, tmp_path_factory):
    """(old run folder, its copy after resuming, the printed output)."""
    old = OLD / request.param
    run = tmp_path_factory.mktemp("old") / "run"
    shutil.copytree(old, run)
    status, printed = fork_server.run(run, output=run.with_name("output"), script=str(SCRIPT))
    assert status == 0, printed
    return old, run, printed


def test_resuming_restores_every_variable(resumed):
    old, run, _ = resumed
    before, _ = newest_state(old)
    begun = dict(np.load(run.with_name("begun.npz")))
    assert len(begun) > 50
    for part in PARTS:
        assert digest(variables_in(begun, part)) == digest(variables_in(before, part)), part


def test_callbacks_continue_from_their_saved_state(resumed):
    old, run, printed = resumed
    (_, before), (_, after) = newest_state(old), newest_state(run)
    assert after["callbacks"]["RunLog"]["seconds"] > before["callbacks"]["RunLog"]["seconds"]
    if old.name == "reduced":  # no g_loss improves by 99, so the rates are halved after intervals 3 and 5 of 6
        assert (before["interval"], after["interval"], after["step"], after["images"]) == (4, 6, 22, 44_000)
        rule = {name: after["callbacks"]["ReduceLROnTolerance"][name] for name in ("reductions", "waited", "reference")}
        reference = before["callbacks"]["ReduceLROnTolerance"]["reference"]
        assert rule == {"reductions": 2, "waited": 1, "reference": reference}
        assert printed.count("Learning rate lowered at interval") == 1
        assert "Learning rate lowered at interval 5 (g_optimizer 0.0015 -> 0.00075" in printed
    else:
        assert (before["interval"], after["interval"], after["step"], after["images"]) == (2, 3, 14, 448)
        assert after["callbacks"]["ToleranceEarlyStopping"]["monitor"] == "val_error_rate_upper"
        assert "Stopped by" not in printed


def test_the_log_of_a_resumed_run_equals_the_log_of_an_uninterrupted_run(resumed):
    """The first new row agrees to rounding on any machine, a few steps after equal weights. Old rows do not change."""
    old, run, _ = resumed
    kept = (old / "log.csv").read_text(encoding="utf-8").splitlines()
    lines = (run / "log.csv").read_text(encoding="utf-8").splitlines()
    assert lines[: len(kept)] == kept
    expected_rows = json.loads((old / "expected.json").read_text(encoding="utf-8"))["log"]
    rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(lines)]
    assert len(rows) == len(expected_rows) > len(kept) - 1
    for row, expected in zip(rows[: len(kept)], expected_rows):  # later rows differ on another CPU
        assert row.keys() == expected.keys()
        names = [name for name in expected if not any(part in name for part in COUNTS)]
        row, expected = ({k: np.nan_to_num(v) for k, v in one.items()} for one in (row, expected))  # r1 was NaN
        np.testing.assert_allclose(
            [row[name] for name in names], [expected[name] for name in names], rtol=2e-3, atol=1e-4, err_msg=str(names)
        )


def test_the_end_of_the_run_is_bit_identical_on_the_original_machine(resumed):
    made_on = json.loads((OLD / "machine.json").read_text(encoding="utf-8"))
    here = runpy.run_path(str(OLD / "machine.py"))["machine"]()
    if here != made_on:
        pytest.skip(f"another {', '.join(name for name in made_on if here.get(name) != made_on[name])}")
    old, run, _ = resumed
    after, _ = newest_state(run)
    expected = json.loads((old / "expected.json").read_text(encoding="utf-8"))["sha256_at_the_end"]
    assert {part: digest(variables_in(after, part)) for part in PARTS} == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_resuming_equals_an_uninterrupted_run_from_the_same_variables(fork_server, tmp_path, name):
    """Holds on every machine: an uninterrupted run gets the old variables at the step of the interruption."""
    run, whole = tmp_path / "run", tmp_path / "whole"
    shutil.copytree(OLD / name, run)
    [state] = (OLD / name / "state").glob("*.npz")
    _, before = newest_state(OLD / name)
    arguments = (run, whole, state, before["interval"])
    status, printed = fork_server.run(*arguments, output=tmp_path / "output", script=str(SCRIPT))
    assert status == 0, printed
    (one, manifest), (other, other_manifest) = newest_state(run), newest_state(whole)
    assert {name for name in one if not name.startswith("callbacks/")} == {
        name for name in other if not name.startswith("callbacks/")
    }
    for part in PARTS:
        assert digest(variables_in(one, part)) == digest(variables_in(other, part)), part
    assert (manifest["interval"], manifest["step"], manifest["images"]) == (
        other_manifest["interval"],
        other_manifest["step"],
        other_manifest["images"],
    )


@pytest.mark.parametrize(("name", "callback"), [("reduced", "CollapseMonitor"), ("tolerant", "ToleranceEarlyStopping")])
def test_restores_the_weights_that_a_callback_kept(fork_server, tmp_path, name, callback):
    """A rule had ended the run before it was killed, so no step is left. The kept weights differ from the EMA's."""
    run = tmp_path / "run"
    shutil.copytree(OLD / name, run)
    [file] = (run / "state").glob("*.npz")
    arrays, content = newest_state(run)
    kept = sorted(name for name in arrays if name.startswith(f"callbacks/{callback}/"))
    arrays |= {name: arrays[name] * np.float32(0.5) for name in kept}
    np.savez(file, **arrays)
    content |= {"stopped": True, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    content["callbacks"]["CollapseMonitor"]["stopped_by"] = "collapse" if callback == "CollapseMonitor" else None
    checksum = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    file.with_suffix(".json").write_text(json.dumps({"content": content, "sha256": checksum}))
    status, printed = fork_server.run(run, output=tmp_path / "output", script=str(SCRIPT))
    assert status == 0, printed
    weights = load_generator(run).get_weights()
    assert len(weights) == len(kept) > 5
    for weight, name in zip(weights, kept):
        np.testing.assert_array_equal(weight, arrays[name])


LOAD = """
import json, sys
from gan import GAN
import keras, numpy as np
folder, out = sys.argv[1:]
registered = keras.saving.get_custom_objects()
names = json.load(open(f"{folder}/expected.json"))["registered_names"]
missing = [name for name in names if name not in registered]
inputs = np.load(f"{folder}/expected.npz")
tensor = keras.ops.convert_to_tensor
batch = tensor(inputs["images"].astype("float32") / 127.5 - 1.0), tensor(inputs["labels"])
latents = [tensor(inputs["latents"]), batch[1]]
gan = keras.saving.load_model(f"{folder}/gan.keras")
spectral = keras.saving.load_model(f"{folder}/spectral.keras")
parts = ("generator", "discriminator", "generator_ema", "g_optimizer", "d_optimizer")
arrays = {
    f"{name}/{place:03d}": variable.numpy()
    for name, part in {**{name: getattr(gan, name) for name in parts}, "spectral": spectral}.items()
    for place, variable in enumerate(part.variables)
}
outputs = {
    "generator_gives": gan.generator(latents, training=False),
    "generator_ema_gives": gan.generator_ema(latents, training=False),
    "discriminator_gives": gan.discriminator(batch, training=False),
    "spectral_gives": spectral(batch, training=False),
}
compiled = {
    "penalties": [{"name": type(penalty).__name__, **penalty.get_config()} for penalty in gan.penalties],
    "loss": type(gan.adversarial_loss).__name__,
    "optimizers": [type(part).__name__ for part in (gan.g_optimizer, gan.d_optimizer)],
    "metrics": [type(metric).__name__ for metric in gan.evaluation_metrics],
    "augment": [type(part).__name__ for part in gan.augment.parts],
    "mismatched_labels": gan.mismatched_labels,
    "half_life": gan.ema_half_life,
}
counts = [int(gan.step), int(gan.g_optimizer.iterations)]
logs = {name: float(np.asarray(value)) for name, value in gan.train_step(batch).items()}
counts.append(int(gan.step))
np.savez(out, **arrays, **{name: np.asarray(value) for name, value in outputs.items()})
print(json.dumps({"compiled": compiled, "logs": logs, "missing": missing, "class": type(gan) is GAN, "counts": counts}))
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """(arrays, facts) of the saved models, loaded by a new process that imports only `gan.GAN` from this package."""
    out = tmp_path_factory.mktemp("loaded") / "found.npz"
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", LOAD, OLD, out],
        cwd=out.parent,
        env={**os.environ, **OFFLINE, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return dict(np.load(out)), json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def expected():
    return json.loads((OLD / "expected.json").read_text(encoding="utf-8"))


def test_one_import_registers_every_name_that_a_file_may_contain(loaded, expected):
    assert loaded[1]["missing"] == []
    assert len(expected["registered_names"]) == 21


def test_saved_models_load_with_their_weights(loaded, expected):
    arrays, result = loaded
    assert result["class"]
    for part, sha256 in expected["sha256"].items():
        assert digest(variables_in(arrays, part)) == sha256, part


def test_a_gan_saved_without_counters_uses_the_steps_of_its_optimizer(loaded):
    step, iterations, after = loaded[1]["counts"]
    assert (step, after) == (iterations, iterations + 1)
    assert step > 0


@pytest.mark.parametrize("part", ["generator", "generator_ema", "discriminator", "spectral"])
def test_saved_models_give_the_same_outputs(loaded, part):
    expected = np.load(OLD / "expected.npz")[f"{part}_gives"]
    np.testing.assert_allclose(loaded[0][f"{part}_gives"], expected, atol=1e-5, rtol=1e-4)


def test_a_saved_gan_keeps_its_compile_options(loaded):
    assert loaded[1]["compiled"] == {
        "penalties": [{"name": "R1", "gamma": 0.5, "every": 2}, {"name": "R2", "gamma": 0.25, "every": 3}],
        "loss": "Relativistic",
        "optimizers": ["Adam", "Adam"],
        "metrics": ["MeanSquaredError", "ClassifierErrorRate"],
        "augment": ["Brightness", "Contrast", "Translation", "Cutout"],
        "mismatched_labels": 0.125,
        "half_life": 100.0,
    }


def test_the_next_step_of_a_saved_gan_gives_the_same_logs(loaded, expected):
    """The step computes both penalties and all augmentations. Mismatched labels are an eighth of the loss."""
    logs = expected["logs_of_the_next_step"]
    assert loaded[1]["logs"].keys() == logs.keys()
    np.testing.assert_allclose([loaded[1]["logs"][name] for name in logs], list(logs.values()), rtol=1e-3)


def test_keys_of_earlier_revisions_get_their_current_names():
    new = with_new_names
    before = {"config": {"optimization": {"wrong_labels": 0.1, "steps": 3}, "stopping": {"extractor": "x"}}}
    after = {"config": {"optimization": {"mismatched_labels": 0.1, "steps": 3}, "stopping": {"classifier": "x"}}}
    assert new(before) == after == new(after)
    counts = {"Mode collapse": 1, "The discriminator has won": 2}
    renamed = {"Mode collapse": 1, "The discriminator dominates": 2}
    assert new({"callbacks": {"CollapseMonitor": {"in_a_row": counts}}}) == {
        "callbacks": {"CollapseMonitor": {"in_a_row": renamed}}
    }
    assert new({"wrong_labels": 0.5}) == {"mismatched_labels": 0.5}
    assert new({"class_histogram": {"pictures": [1]}}) == {"class_histogram": {"samples": [1]}}
    assert new({"wrong_labels": "old", "mismatched_labels": "new"}) == {"mismatched_labels": "new"}


def test_keys_in_other_places_keep_their_names():
    """A callback, loss or metric of a user may have keys of the same names."""
    content = {"callbacks": {"MyGrid": {"pictures": 3, "extractor": "x", "wrong_labels": 1}}, "loss": {"extractor": 1}}
    assert with_new_names(content) == content
