"""A tiny text GAN: trained, interrupted and resumed, loaded, and asked for texts."""

import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.recognizers import tiny_corpus, write_table
from helpers.text_gans import tiny_gan_config

from gan.errors import InputError, as_json
from gan.saving import run_folder
from gan.text.generation.generators import TextGenerator
from gan.text.generation.text_gan import BLOCK, TextGan, load_text_gan
from gan.text.generation.text_gan_config import TextGanConfig
from gan.text.generation.text_gan_training import TextGanRun, build_text_gan, resume_text_gan, train_text_gan
from gan.text.generation.text_networks import build_text_generator
from gan.text.runs.text_run import NETWORK, RECORD, TextRecord, TextResult, load_record
from gan.training.callbacks import PauseAfter


@pytest.fixture(scope="module")
def paused(tmp_path_factory: pytest.TempPathFactory) -> TextGanRun:
    """A run that is interrupted after the first of two intervals."""
    folder = tmp_path_factory.mktemp("text_gan")
    return train_text_gan(tiny_gan_config(folder), output=folder / "run", listeners=(PauseAfter(1),))


@pytest.fixture(scope="module")
def finished(paused: TextGanRun, tmp_path_factory: pytest.TempPathFactory) -> TextGanRun:
    """The same run, resumed in a copy of its folder."""
    folder = shutil.copytree(paused.folder, tmp_path_factory.mktemp("resumed") / "run")
    return resume_text_gan(folder)


def test_an_interrupted_run_has_its_record(paused: TextGanRun) -> None:
    record = load_record(paused.folder)
    assert record == paused.record
    assert record.kind == "gan"
    assert record.result is not None
    assert (record.result.interrupted, record.result.epochs) == (True, 1)
    assert paused.report is None
    names = {path.name for path in (paused.folder / run_folder.SAMPLES).iterdir()}
    assert {"000000016.png", "000000016.txt"} <= names


@pytest.mark.slow
def test_a_resumed_run_is_complete(finished: TextGanRun) -> None:
    result = finished.record.result
    assert result is not None
    assert finished.report is None
    assert (result.interrupted, result.epochs, finished.record.resumed) == (False, 2, (1,))
    assert load_record(finished.folder) == finished.record
    lines = (finished.folder / run_folder.SAMPLES / "000000032.txt").read_text(encoding="utf-8").splitlines()
    assert [line.split("\t")[0] for line in lines] == ["east", "west"]
    again = resume_text_gan(finished.folder)
    assert again.record == finished.record


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TextRecord]:
    """A run folder with an untrained generator, and its record."""
    folder = tmp_path_factory.mktemp("saved")
    config, corpus = tiny_gan_config(folder), tiny_corpus(folder)
    keras.utils.set_random_seed(0)
    build_text_gan(config, corpus).generator.save(folder / NETWORK["gan"])
    record = TextRecord(kind="gan", config=as_json(config), corpus=corpus.describe())
    return folder, record.finish(folder, TextResult(epochs=0, seconds=0.0, interrupted=False))


@pytest.mark.slow
def test_a_resumed_run_is_bit_identical(finished: TextGanRun, tmp_path: Path) -> None:
    whole = train_text_gan(tiny_gan_config(tmp_path), output=tmp_path / "run")
    for name in (run_folder.GENERATOR, run_folder.DISCRIMINATOR):
        ours, theirs = (keras.models.load_model(run.folder / name).get_weights() for run in (whole, finished))
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_run_resumes_on_its_own_texts_only(paused: TextGanRun) -> None:
    table = paused.folder.parent / "names.csv"
    before = table.read_text(encoding="utf-8")
    try:
        table.write_text(before + "newona,west\notherski,east\n", encoding="utf-8")
        with pytest.raises(InputError, match="The texts have changed"):
            resume_text_gan(paused.folder)
    finally:
        table.write_text(before, encoding="utf-8")


def test_plain_keras_loads_the_generator(saved: tuple[Path, TextRecord]) -> None:
    generator = keras.saving.load_model(saved[0] / run_folder.GENERATOR, custom_objects={}, compile=False)
    assert {type(layer).__module__.split(".")[0] for layer in generator.layers} == {"keras"}


def test_a_text_is_the_same_alone_and_in_a_batch(saved: tuple[Path, TextRecord]) -> None:
    gan = load_text_gan(*saved)
    assert isinstance(gan, TextGenerator)
    many = gan.generate(BLOCK + 40, seed=3)
    assert gan.generate(1, seed=3, start=BLOCK + 7) == [many[BLOCK + 7]]
    assert gan.generate(30, seed=3, start=BLOCK - 10) == many[BLOCK - 10 : BLOCK + 20]
    labels = [1 - i % 2 for i in range(30)]
    asked = gan.generate(30, seed=3, start=BLOCK - 10, labels=labels)
    assert (
        asked
        == gan.generate(BLOCK + 40, seed=3, labels=[1 - i % 2 for i in range(BLOCK + 40)])[BLOCK - 10 : BLOCK + 20]
    )
    assert len(set(many)) > 1
    assert gan.generate(20, seed=4) != many[:20]


def test_requests_that_the_generator_does_not_know(saved: tuple[Path, TextRecord]) -> None:
    gan = load_text_gan(*saved)
    with pytest.raises(InputError, match="labels"):
        gan.generate(1, labels=[2])
    with pytest.raises(InputError, match="seed"):
        gan.generate(1, seed=-1)


def test_a_generator_of_other_texts(tmp_path: Path) -> None:
    corpus = tiny_corpus(tmp_path).describe()
    generator = build_text_generator(corpus.length + 1, corpus.alphabet.size, 3, 2, width=4)
    with pytest.raises(InputError, match="does not fit its texts"):
        TextGan(generator, corpus)


@pytest.mark.parametrize(
    "options",
    [
        {"width": 0},
        {"steps": 0},
        {"penalty": -1.0},
        {"loss": "hinge"},
        {"critic_steps": 0},
        {"learning_rate": 0.0},
        {"num": 99},
        {"tolerance": 1.5},
        {"tolerance": 0.1, "judge": "none"},
        {"tolerance": 0.0001},
        {"languages": ("fi", "fi")},
        {"probe": " "},
    ],
)
def test_bad_options(options: dict[str, object]) -> None:
    with pytest.raises(InputError):
        TextGanConfig(**options)  # type: ignore[arg-type]


def test_options_that_do_not_fit_the_texts(tmp_path: Path) -> None:
    config, corpus = tiny_gan_config(tmp_path), tiny_corpus(tmp_path)
    config.check_fit(corpus)
    with pytest.raises(InputError, match="categories"):
        config.check_fit(replace(corpus, class_names=()))
    with pytest.raises(InputError, match="training texts"):
        replace(config, batch_size=70, critic_steps=5).check_fit(corpus)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("relativistic", (("r1", "r2"), 3.0, 1, 0.1, 0.99)),
        ("wasserstein", (("wgan_gp",), 10.0, 2, 0.0, 0.9)),
    ],
)
def test_a_loss_has_its_recipe(loss: str, expected: tuple[object, ...], tmp_path: Path) -> None:
    config = tiny_gan_config(tmp_path, loss=loss, critic_steps=None).train_config()
    found = config.optimization
    assert found.loss == loss
    recipe = (found.penalties, found.gamma, found.critic_steps, found.mismatched_labels, found.beta_2)
    assert recipe == expected
    assert config.interval_steps(found.total_steps(0)) == 2
    assert write_table(tmp_path / "names.csv").name in config.data.dataset


def test_options_replace_a_part_of_the_recipe(tmp_path: Path) -> None:
    config = tiny_gan_config(tmp_path, critic_steps=3, penalty=5.0).train_config()
    assert (config.optimization.gamma, config.optimization.critic_steps) == (5.0, 3)
    assert config.interval_steps(config.optimization.total_steps(0)) == 2


def test_a_finished_run_is_not_changed(saved: tuple[Path, TextRecord]) -> None:
    before = {path: path.read_bytes() for path in saved[0].iterdir()}
    done = resume_text_gan(saved[0])
    assert (done.record, done.report, done.signal) == (saved[1], None, None)
    assert {path: path.read_bytes() for path in saved[0].iterdir()} == before


def test_the_generator_must_be_the_recorded_one(saved: tuple[Path, TextRecord]) -> None:
    with pytest.raises(InputError, match="does not match its record"):
        load_text_gan(saved[0], replace(saved[1], sha256="0" * 64))


def test_a_failed_start_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such text model"):
        train_text_gan(tiny_gan_config(tmp_path, judge="no-judge"), output=tmp_path / "run")
    assert not (tmp_path / "run" / RECORD).exists()
