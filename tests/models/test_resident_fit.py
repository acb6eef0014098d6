"""Tests of where `fit` keeps its images, and of callbacks that train while it keeps them on the device."""

import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.comparison import assert_same, values
from helpers.tiny import pixel_gan

from gan import GAN, InputError
from gan.data.order import Order
from gan.data.resident import ResidentBatches, resident_batches
from gan.data.split import Split
from gan.models import resident_fit, step_loop
from gan.models.xla import XlaModel
from gan.utils import gpu

RANDOM = np.random.default_rng(0)
SHAPE = (4, 4, 1)
IMAGES = Split(RANDOM.integers(0, 256, (26, *SHAPE), np.uint8), None)
OTHER = Split(RANDOM.integers(0, 99, (26, *SHAPE), np.uint8), None)


def fit(gan, split=IMAGES, **options):
    return gan.fit(split.batches(6, steps=4), **{"verbose": 0, "shuffle": False, **options}).history


# --- callbacks


class Between(keras.callbacks.Callback):
    """Calls functions of the GAN between two executions of the first epoch. Keeps what they return."""

    def __init__(self, *functions):
        super().__init__()
        self.waiting, self.results = list(functions), []

    def on_train_batch_end(self, batch, logs=None):
        waiting, self.waiting = self.waiting, []
        self.results += [function(self.model) for function in waiting]


ARRAY = np.full((6, *SHAPE), 0.5, np.float32)
TRAININGS = {
    "train_on_batch": lambda gan: gan.train_on_batch(ARRAY),
    "fit": lambda gan: fit(gan, OTHER),
    "streamed fit": lambda gan: gan.fit(OTHER.batches(6, steps=2).map(lambda images: images), verbose=0, shuffle=False),
}


def test_callbacks_that_train_leave_the_images_of_fit_alone(monkeypatch):
    made = []

    def run(self, batches, numbers):
        made.append(("resident", "other" if batches.source is OTHER else "own", numbers.tolist()))
        return {}

    def streamed(self, force=False):
        self.train_function = lambda iterator: made.append(("streamed", next(iterator)[0].shape)) or {}

    monkeypatch.setattr(step_loop.StepLoop, "run", run)
    monkeypatch.setattr(XlaModel, "make_train_function", streamed)
    gan = pixel_gan()
    between = Between(TRAININGS["train_on_batch"], TRAININGS["fit"], TRAININGS["train_on_batch"])
    fit(gan, callbacks=[between], epochs=2)
    array, other = ("streamed", (6, *SHAPE)), ("resident", "other", [0, 1, 2, 3])
    assert made == [("resident", "own", [0, 1, 2, 3]), array, other, array, ("resident", "own", [4, 5, 6, 7])]
    assert gan._resident is gan._streamed is None


@pytest.mark.slow  # the test above is the stand-in
@pytest.mark.filterwarnings("ignore:The images stay on the host")
@pytest.mark.parametrize("name", TRAININGS)
def test_callbacks_that_train_do_not_change_the_course_of_fit(name):
    found = []
    for on in (True, False):
        gan = pixel_gan(data_on_device=on, steps_per_execution=2)
        fit(gan, callbacks=[Between(TRAININGS[name])])
        found.append([np.asarray(gan.step), *values(gan)])
    assert_same(*found)


@pytest.mark.slow  # tracing metrics takes long; the test above is the stand-in
@pytest.mark.parametrize("method", ["evaluate", "test_on_batch"])
def test_callbacks_that_evaluate(method):
    class Mean(keras.metrics.Mean):
        def update_state(self, real, fake, labels):
            super().update_state(real)

    found = []
    for on in (True, False):
        gan = pixel_gan(data_on_device=on, metrics=[Mean(name="mean")])
        between = Between(lambda gan: getattr(gan, method)(ARRAY, return_dict=True))
        fit(gan, epochs=2, callbacks=[between])
        assert between.results == [{"mean": 0.5}]
        found.append(values(gan))
    assert_same(*found)


def test_xla_that_fails_in_a_callback_is_off_for_the_images_of_fit():
    """A `fit` in a callback gives up XLA; the train function of the outer one is then made for the plain graph."""
    gan = pixel_gan(jit_compile=True)
    batches = resident_batches(IMAGES.batches(6))
    with gan.training_on(batches):
        gan.make_train_function()
        outer = gan.train_function
        with gan.training_on(resident_batches(OTHER.batches(6))):
            gan.make_train_function()
            assert gan.train_function.loop is outer.loop
            gan.give_up_xla()
            plain = gan.train_function.loop
        assert gan.train_function.batches is batches
        assert gan.train_function.loop is not outer.loop
        assert plain is not outer.loop
    assert gan.train_function is None


# --- what a GAN keeps


def test_a_gan_keeps_no_images_and_is_traced_once_for_any_number_of_them():
    gan = pixel_gan()
    for count in (26, 20):
        split = Split(IMAGES.images[:count].copy(), None)
        fit(gan, split)
        alive = weakref.ref(split)
        del split
        gc.collect()
        assert alive() is None
    (loop,) = gan._step_loops.made.values()
    assert loop._plain_loop.experimental_get_tracing_count() == 1


def test_with_xla_a_gan_keeps_the_programs_of_few_numbers_of_images():
    gan, loops = pixel_gan(jit_compile=True), []
    for count in (26, 20, 26, 19, 18, 17, 26, 20):
        batches = ResidentBatches(Split(IMAGES.images[:count], None), Order(count, 6, 1, 0, 0, None))
        loops.append(gan._step_loops.train_function(gan, batches).loop)
    assert loops[0] is loops[2] is loops[6]
    assert loops[1] is not loops[7]  # used before four others
    assert len(gan._step_loops.made) == step_loop.MOST_LOOPS


# --- when images lie on the device


class OwnStep(GAN):
    def train_step(self, data):
        return super().train_step(data)


def test_decisions(monkeypatch, tmp_path):
    gan = pixel_gan()
    assert resident_fit.decide(gan, IMAGES, True) == (True, "they fit")
    assert resident_fit.decide(gan, IMAGES, False) == (False, "it was turned off")
    assert resident_fit.decide(gan, IMAGES, "auto") == (True, "they fit")  # on a CPU
    in_file = np.memmap(tmp_path / "images", np.uint8, "w+", shape=(30, *SHAPE))
    monkeypatch.setattr(resident_fit, "CPU_BYTES", 500)
    own = OwnStep(gan.generator, gan.discriminator)
    own.compile("sgd", "sgd", penalties=[])
    for one, split, reason in (
        (gan, IMAGES.take([*range(26), *range(26)]), "they have 832 bytes, more than 500"),
        (gan, Split(in_file, None), "they are in a file"),
        (pixel_gan(run_eagerly=True), IMAGES, "eagerly"),
        (own, IMAGES, "not that of GAN"),
    ):
        on, told = resident_fit.decide(one, split, True)
        assert not on
        assert reason in told
    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        assert "strategy" in resident_fit.obstacle(pixel_gan(), IMAGES)


def test_a_card_has_images_only_with_xla(monkeypatch):
    gan = pixel_gan()
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["a card"])
    monkeypatch.setattr(resident_fit, "memory_for_data", lambda: 100)
    assert step_loop.device(gan) == "CPU:0"
    assert resident_fit.decide(gan, IMAGES, "auto")[0] is False
    gan.jit_compile = True
    assert step_loop.device(gan) == "GPU:0"
    assert resident_fit.decide(gan, IMAGES, "auto") == (False, "they have 416 bytes, more than 100")
    monkeypatch.setattr(resident_fit, "memory_for_data", lambda: 1000)
    assert resident_fit.decide(gan, IMAGES, "auto") == (True, "they fit")


def test_a_quarter_of_the_card_that_tensorflow_uses_is_for_images(monkeypatch):
    """TensorFlow has taken nearly all of it, so free memory tells nothing."""
    cards = tuple(gpu.Card("A", f"GPU-{total}", total * gpu.GIB, 2**20, (8, 0)) for total in (80, 8))
    for facts, expected in (
        (gpu.Facts(cards=cards[:1]), 20 * gpu.GIB),
        (gpu.Facts(cards=cards), 2 * gpu.GIB),
        (gpu.Facts(cards=cards, visible_devices="0"), 20 * gpu.GIB),
        (gpu.Facts(), gpu.UNKNOWN_DATA_BYTES),
    ):
        monkeypatch.setattr(gpu, "read_facts", lambda facts=facts: facts)
        assert gpu.memory_for_data.__wrapped__() == expected


def test_images_that_stay_on_the_host_are_told_if_asked(monkeypatch):
    batches = IMAGES.batches(6)
    gan = pixel_gan()
    with (
        pytest.warns(UserWarning, match="The images stay on the host: only batches of `Split.batches`"),
        gan.resident_fit({"x": batches.map(lambda images: images)}),
    ):
        assert gan._resident is None
    monkeypatch.setattr(resident_fit, "CPU_BYTES", 10)
    with (
        pytest.warns(UserWarning, match="they have 416 bytes, more than 10"),
        gan.resident_fit({"x": batches}) as given,
    ):
        assert given["x"] is batches
    gan.set_data_on_device("auto")
    with gan.resident_fit({"x": batches}) as given:
        assert given["x"] is batches
    with pytest.raises(InputError, match=r"Bad `data_on_device`. Expected True or False or auto"):
        pixel_gan(data_on_device="on")


@pytest.mark.slow  # tests/saving/test_wrong_shapes.py has the option in a saved file
def test_the_option_is_saved_and_compile_makes_new_loops(tmp_path):
    gan = pixel_gan()
    fit(gan)
    assert gan._step_loops.made
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert loaded.data_on_device is True
    gan.compile("sgd", "sgd", penalties=[], data_on_device=True)
    assert not gan._step_loops.made


@pytest.mark.slow  # tests of other data, such as tests/models/test_first_batch.py, are the stand-ins
def test_other_data_are_streamed():
    gan = pixel_gan(data_on_device="auto")
    gan.fit(IMAGES.batches(6, steps=2).map(lambda images: images), verbose=0, shuffle=False)
    gan.fit(np.zeros((6, *SHAPE), np.float32), verbose=0)
    assert not gan._step_loops.made
    assert int(gan.step) == 3
