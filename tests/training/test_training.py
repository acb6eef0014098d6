import json
from dataclasses import replace

import numpy as np
import pytest
from helpers.comparison import assert_same, rows_of, size_of, values
from helpers.tiny import QUICK, small_gan

from gan import load_generator, resume, train
from gan.config import DataConfig, ModelConfig, OptimizationConfig, StoppingConfig, TrainConfig, config_from_dict
from gan.data.dataset import Dataset
from gan.data.split import Split
from gan.errors import InputError
from gan.models.build import build_gan
from gan.saving import files
from gan.training import callbacks
from gan.utils import tensorflow as runtime


def test_a_run_folder_is_complete(tiny_run):
    folder, result = tiny_run["folder"], tiny_run["result"]
    assert sorted(file.name for file in folder.iterdir()) == [
        "config.json",
        "discriminator.keras",
        "generator.keras",
        "log.csv",
        "samples",
        "state",
    ]
    rows = rows_of(folder / "log.csv")
    assert [row["images"] for row in rows] == ["160", "320", "384"]  # 12 steps of 32 in intervals of 5
    grids = sorted(file.name for file in (folder / "samples").iterdir())
    assert grids == ["000000160.png", "000000320.png", "000000384.png", "samples.gif"]
    assert size_of(folder / "samples" / "000000384.png") == (604, 604)
    assert all(np.isfinite(float(value)) for row in rows for value in row.values())
    assert len({row["r1"] for row in rows}) == 1  # R1 is computed every 16 steps: only in the first of the 12
    assert (result["images"], result["steps"], result["dataset"], result["interrupted"]) == (384, 12, "mnist5k", False)


def test_a_run_records_its_options_and_result(tiny_run):
    record = json.loads((tiny_run["folder"] / "config.json").read_text())
    config = config_from_dict(record["config"])
    assert (config.seed, config.optimization.steps, config.data.dataset) == (3, 12, "mnist5k")
    assert record["preset"] == "mnist"  # the preset of `gan train`, for any dataset
    assert record["dataset"]["name"] == "mnist5k"
    assert record["dataset"]["train"] == 4_000
    assert record["versions"]["keras"]
    assert record["result"]["images"] == 384
    assert record["sha256"] == files.sha256(tiny_run["folder"] / "generator.keras")


def test_the_learning_rate_follows_a_cosine(tmp_path):
    config = replace(QUICK, optimization=replace(QUICK.optimization, steps=8, learning_rate=0.01), eval_every=64)
    train(config, output=tmp_path)
    rows = rows_of(tmp_path / "log.csv")
    np.testing.assert_allclose([float(row["learning_rate"]) for row in rows], [0.0051, 0.0002], rtol=1e-3)


@pytest.mark.slow  # test_gan.py and test_resume.py are the stand-ins: steps per execution, interrupted intervals
def test_the_length_of_intervals_does_not_change_the_result(tmp_path, monkeypatch):
    monkeypatch.setattr(runtime, "resolve_precision", lambda policy: "float64")  # see the fixture float64
    ends = []
    for name, eval_every, stopping in (
        ("a", 10**6, QUICK.stopping),
        ("b", 16 * 3, StoppingConfig(eval_num=100)),  # also with a probe, whose images and latents must not matter
    ):
        run = train(replace(QUICK, eval_every=eval_every, stopping=stopping), output=tmp_path / name)
        ends.append(values(load_generator(run.generator)))
    for other in ends[1:]:
        for a, b in zip(ends[0], other):
            assert a.dtype == np.float64
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-7)


@pytest.mark.slow  # the run from both networks in test_feedback.py is the stand-in
def test_a_run_can_start_from_the_generator_of_another_run(tmp_path, digits):
    first = train(QUICK, output=tmp_path / "first")
    gan = build_gan(replace(QUICK, init_from=str(first.folder), seed=9), digits)
    assert_same(values(gan.generator), values(load_generator(first.folder)))
    assert_same(values(gan.generator_ema), values(gan.generator))
    wider = replace(QUICK, model=replace(QUICK.model, g_width=8), init_from=str(first.folder))
    with pytest.raises(InputError, match="do not fit this configuration"):
        train(wider, output=tmp_path / "second")
    assert not (tmp_path / "second").exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"optimization": replace(QUICK.optimization, batch_size=4_001)},
            "<= 4000 training images.*batch_size=4001",
        ),
        (
            {"optimization": replace(QUICK.optimization, batch_size=2_001, critic_steps=2)},
            "4000 training images.*critic_steps=2",
        ),
        ({"data": DataConfig(dataset="no_such_set")}, "Unknown `dataset`"),
        ({"init_from": "no-such-run"}, "No such checkpoint"),
    ],
)
def test_rejects_options_that_do_not_fit_the_data_and_writes_nothing(tmp_path, changed, message):
    with pytest.raises(InputError, match=message):
        train(replace(QUICK, **changed), output=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_conditional_gan_needs_labels():
    part = Split(np.zeros((4, 8, 8, 1), np.uint8), None)
    with pytest.raises(InputError, match="has no labels"):
        build_gan(TrainConfig(), Dataset("plain", 0, part, part, part))
    config = TrainConfig(model=ModelConfig(conditioning="none", g_width=4, d_width=4))
    assert len(build_gan(config, Dataset("plain", 0, part, part, part)).generator.inputs) == 1


def test_trains_only_on_the_training_split(tmp_path, monkeypatch):
    used = []
    batches = Split.batches

    def recorded(self, *arguments, **options):
        used.append(len(self))
        return batches(self, *arguments, **options)

    monkeypatch.setattr(Split, "batches", recorded)
    train(QUICK, output=tmp_path)
    assert used
    assert set(used) == {4_000}


@pytest.mark.parametrize(
    ("callback", "interval", "saved"),
    [("SampleGrid", 0, True), ("SampleGrid", 1, True), ("GeneratorCheckpoint", 0, False)],
)
def test_an_interrupted_run_prints_what_was_saved(tmp_path, monkeypatch, capsys, callback, interval, saved):
    def interrupted(self, epoch, logs=None):
        if epoch == interval:
            raise KeyboardInterrupt

    monkeypatch.setattr(getattr(callbacks, callback), "on_epoch_end", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(QUICK, output=tmp_path / "run")
    printed = capsys.readouterr().err
    assert ("the generator of the last interval" if saved else "nothing was saved yet") in printed
    assert (tmp_path / "run").exists() == saved
    if saved:
        assert load_generator(tmp_path / "run")


def test_an_averaged_generator_with_nan_weights_is_never_saved(tmp_path):
    from gan.errors import TrainingError

    gan = small_gan()
    saver = callbacks.GeneratorCheckpoint(tmp_path / "generator.keras")
    saver.set_model(gan)
    gan.generator_ema.weights[0].assign(gan.generator_ema.weights[0] * float("nan"))
    with pytest.raises(TrainingError, match="NaN or infinite at step 0"):
        saver.on_epoch_end(0)
    assert list(tmp_path.iterdir()) == []


def test_arrays_train_and_resume_like_a_named_dataset(tmp_path):
    rng = np.random.default_rng(0)
    arrays = Dataset.from_arrays(rng.integers(0, 256, (40, 8, 8, 3), np.uint8), np.arange(40) % 2, name="noise")
    config = TrainConfig(
        model=ModelConfig(latent_dim=4, g_width=2, d_width=2),
        optimization=OptimizationConfig(steps=4, batch_size=8, steps_per_execution=2),
    )
    run = train(config, dataset=arrays, output=tmp_path / "run")
    record = json.loads((run.folder / "config.json").read_text())
    assert record["preset"] is None  # options from Python have no preset
    assert (run.dataset, record["dataset"]["image_shape"], record["dataset"]["train"]) == (
        "noise",
        [8, 8, 3],
        len(arrays.train),
    )
    del record["result"]
    (run.folder / "config.json").write_text(json.dumps(record))
    assert resume(run.folder, dataset=arrays).steps == 4
    other = Dataset.from_arrays(255 - arrays.train.images, arrays.train.labels, name="noise")
    (run.folder / "config.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="The dataset cannot change on resume"):
        resume(run.folder, dataset=other)
