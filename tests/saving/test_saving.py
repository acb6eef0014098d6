"""Tests of checkpoints, run folders and the JSON files in them."""

import json
import subprocess
import sys
import threading
import zipfile

import numpy as np
import pytest
from helpers.reports import made_up
from helpers.tiny import small_gan

from gan import generate, latents, load_generator
from gan.errors import InputError
from gan.evaluation.report import MetricRow, PerturbationPoint
from gan.saving import files, metadata, models, run_folder


def test_the_generator_loads_without_gan_and_gives_bit_identical_samples(tiny_run, tmp_path):
    z, labels = latents(0, np.arange(16), 32), (np.arange(16) % 10).astype("int32")
    np.savez(tmp_path / "in.npz", z=z, labels=labels)
    code = """
import sys
sys.modules["gan"] = None  # as if the package was not installed
import keras, numpy as np
generator = keras.saving.load_model(sys.argv[1], safe_mode=True)
inputs = np.load(sys.argv[2])
np.save(sys.argv[3], generator([inputs["z"], inputs["labels"]], training=False))
"""
    path = tiny_run["folder"] / "generator.keras"
    files = [path, tmp_path / "in.npz", tmp_path / "out.npy"]
    subprocess.run([sys.executable, "-c", code, *map(str, files)], check=True, capture_output=True)
    np.testing.assert_array_equal(np.load(files[2]), load_generator(path)([z, labels], training=False))


def test_a_generator_loads_from_a_folder_a_file_and_a_string(tiny_run):
    folder = tiny_run["folder"]
    images = [generate(load_generator(c), 3) for c in (folder, str(folder), folder / "generator.keras")]
    for other in images[1:]:
        np.testing.assert_array_equal(other, images[0])


def test_describe_reads_the_facts_of_a_generator(tiny_run):
    facts = models.describe(tiny_run["folder"])
    assert (facts.latent_dim, facts.num_classes) == (32, 10)
    assert facts.sha256 == files.sha256(tiny_run["folder"] / "generator.keras")


@pytest.fixture
def damaged(tiny_run, tmp_path):
    """A folder of files that are not generators, one of each kind."""
    import keras

    whole = (tiny_run["folder"] / "generator.keras").read_bytes()
    files = {
        "truncated": whole[: len(whole) // 2],
        "empty": b"",
        "text": b"not a checkpoint",
        "flipped": whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 255]) + whole[len(whole) // 2 + 1 :],
    }
    for name, content in files.items():
        (tmp_path / f"{name}.keras").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "zip.keras", "w") as archive:
        archive.writestr("readme", "hello")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.save(tmp_path / "classifier.keras")
    return tmp_path


@pytest.mark.parametrize("name", ["truncated", "empty", "text", "flipped", "zip", "classifier"])
def test_rejects_a_file_that_is_not_a_generator(damaged, name):
    with pytest.raises(InputError, match=r"not a Keras model, or is damaged|is not a generator"):
        load_generator(damaged / f"{name}.keras")


def test_a_file_with_a_changed_header_byte_loads_or_is_rejected(tiny_run, tmp_path):
    whole = (tiny_run["folder"] / "generator.keras").read_bytes()
    rng = np.random.default_rng(0)
    # positions in the first header and in the central directory
    positions = [*range(40), *(len(whole) - 1 - rng.permutation(400)[:150])]
    rejected = 0
    for position in positions:
        damaged = bytearray(whole)
        damaged[position] ^= int(rng.integers(1, 256))
        (tmp_path / "damaged.keras").write_bytes(damaged)
        try:
            models.describe(tmp_path / "damaged.keras")
        except InputError:
            rejected += 1
    assert rejected > 50


@pytest.mark.parametrize("config", ["[]", "{}", "hello", '{"config": {"layers": ["a"]}}', '{"config": 3}', "null"])
def test_rejects_a_file_with_other_json(tmp_path, config):
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        for member, content in (("config.json", config), ("metadata.json", "{}"), ("model.weights.h5", "")):
            archive.writestr(member, content)
    with pytest.raises(InputError, match="not a generator"):
        models.describe(tmp_path / "other.keras")
    with pytest.raises(InputError, match="does not load"):
        load_generator(tmp_path / "other.keras")


def test_rejects_a_whole_gan(tmp_path):
    small_gan().save(tmp_path / "gan.keras")
    for read in (models.describe, load_generator):
        with pytest.raises(InputError, match="not a generator"):
            read(tmp_path / "gan.keras")


def test_a_folder_of_the_same_name_does_not_hide_a_pretrained_checkpoint(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mnist").mkdir()
    assert models.describe("mnist").num_classes == 10


def test_rejects_an_empty_folder_and_a_path_that_does_not_exist(tmp_path):
    for path in (tmp_path, tmp_path / "nothing", "no-such-name"):
        with pytest.raises(InputError, match="No such checkpoint"):
            load_generator(path)


def test_does_not_run_code_in_a_checkpoint(tmp_path):
    import keras

    z = keras.Input((4,), name="latents")
    x = keras.layers.Lambda(lambda v: v[:, None, None, :])(z)
    keras.Model(z, x).save(tmp_path / "lambda.keras")
    with pytest.raises(InputError, match="parts that only its own program knows"):
        load_generator(tmp_path / "lambda.keras")


def test_runs_are_numbered_and_never_share_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: list[str] = []
    threads = [threading.Thread(target=lambda: names.append(run_folder.new_run(None, "x").name)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(names)) == 8
    assert {name[5:] for name in names} == {"-x"}
    (tmp_path / "runs" / "00041-y").mkdir()
    assert run_folder.new_run(None, "x").name == "00042-x"


def test_rejects_an_output_folder_that_cannot_be_used(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "log.csv").write_text("x")
    with pytest.raises(InputError, match="not empty"):
        run_folder.new_run(tmp_path / "full", "x")
    for output in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(InputError, match="cannot be written"):
            run_folder.new_run(output, "x")
    assert run_folder.new_run(tmp_path / "a" / "b", "x").is_dir()


def test_a_file_is_replaced_completely_or_not_at_all(tmp_path):
    file = tmp_path / "a.json"
    files.write_json(file, {"old": 1})

    def fail(temporary):
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        files.write(file, fail)
    assert json.loads(file.read_text()) == {"old": 1}
    assert list(tmp_path.iterdir()) == [file]


def test_nan_and_infinity_become_null_at_any_depth():
    nan, inf = float("nan"), float("inf")
    assert files.null_for_nan({"a": [nan, 1.0, {"b": -inf}], "c": (inf, "nan", 2, None, True)}) == {
        "a": [None, 1.0, {"b": None}],
        "c": (None, "nan", 2, None, True),
    }
    report = made_up({"recall": (nan, 0.5)}, perturbation=(PerturbationPoint("int8", 1.0, 9, 0.1, nan, 1.0),))
    found = files.null_for_nan(report)
    assert found.metrics == {"recall": MetricRow(None, 0.5)}
    assert found.perturbation == (PerturbationPoint("int8", 1.0, 9, 0.1, None, 1.0),)


def test_every_pretrained_checkpoint_loads_and_is_described():
    for name in models.list_checkpoints():
        facts = models.describe(name)
        images = generate(load_generator(name), 2)
        assert images.shape[0] == 2
        assert facts.latent_dim
        record = models.load_config(name)
        assert record.sha256 == facts.sha256
        assert record.result.images > 0


def test_config_json_is_written_as_it_was_read(tiny_run, tmp_path):
    """The keys, their nesting and their order do not change."""
    record = metadata.load(tiny_run["folder"])
    metadata.save(tmp_path, record)
    written = (tmp_path / "config.json").read_text()
    assert written == (tiny_run["folder"] / "config.json").read_text()
    assert list(json.loads(written)) == [
        "preset", "config", "dataset", "probe_sha256", "total_steps", "device", "versions", "git_revision", "result",
        "sha256",
    ]  # fmt: skip
    resumed = metadata.resumed_metadata(record, record.config, "CPU", 5)
    metadata.save(tmp_path, resumed)
    content = json.loads((tmp_path / "config.json").read_text())
    assert list(content)[-2:] == ["git_revision", "resumed"]  # result and sha256 are not known yet
    assert list(content["resumed"][0]) == ["step", "device", "versions", "git_revision"]
    assert metadata.load(tmp_path) == resumed
    for name in ("mnist-classifier", "mnist-probe", "mnist-reader"):
        card = models.find_classifier(name).card
        files.write_json(tmp_path / "config.json", card.as_dict())
        pretrained = models.pretrained_folder() / name / "config.json"
        assert (tmp_path / "config.json").read_text() == pretrained.read_text()


def test_rejects_a_damaged_config(tiny_run, tmp_path):
    (tmp_path / "generator.keras").write_bytes((tiny_run["folder"] / "generator.keras").read_bytes())
    assert models.load_config(tmp_path) is None
    for other in ('{"a": 1}', "[1]", "3"):
        (tmp_path / "config.json").write_text(other)
        with pytest.raises(InputError, match=r"in .*config\.json\. Expected"):
            models.load_config(tmp_path)
    for damaged in ("{", '"\\ud800"', "[" * 60 + "]" * 60, "[" * 100_000):
        (tmp_path / "config.json").write_text(damaged)
        with pytest.raises(InputError, match=r"Damaged .*config\.json"):
            models.load_config(tmp_path)


def test_ignores_the_config_of_another_program_next_to_a_keras_file(tiny_run, tmp_path):
    model = tmp_path / "model.keras"
    model.write_bytes((tiny_run["folder"] / "generator.keras").read_bytes())
    (tmp_path / "config.json").write_text('{"architectures": ["Other"]}')
    assert models.load_config(model) is None
    (tmp_path / "config.json").write_text((tiny_run["folder"] / "config.json").read_text())
    assert models.load_config(model).dataset.name == "mnist5k"
    (tmp_path / "config.json").write_text('{"config": {}, "dataset": {}}')
    with pytest.raises(InputError, match="dataset"):
        models.load_config(model)
