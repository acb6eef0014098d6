"""Tests of projection and of the command `gan project`."""

import inspect
import json
import os

import keras
import numpy as np
import pytest
from helpers.comparison import size_of
from PIL import Image

from gan import build_generator, generate, project, sampling
from gan.cli.project import Project
from gan.data import images
from gan.errors import InputError
from gan.evaluation.projection import comparison
from gan.utils import tensorflow as runtime


def linear(matrix, shape):
    """Returns the generator z -> z @ matrix, reshaped to images of `shape`."""
    z = keras.Input((matrix.shape[0],), name="latents")
    flat = keras.layers.Dense(matrix.shape[1], use_bias=False)
    generator = keras.Model(z, keras.layers.Reshape(shape)(flat(z)))
    flat.set_weights([matrix])
    return generator


@pytest.fixture(scope="module")
def conditional():
    """A generator whose random weights are large enough that its samples differ.

    It computes in float64, so many steps do not amplify rounding that depends on the batch size.
    """
    keras.utils.set_random_seed(1)
    with runtime.precision("float64"):
        generator = build_generator((28, 28, 1), 8, 3, width=8)
    for variable in generator.trainable_variables:
        variable.assign(variable * 1.5)
    embedding = generator.get_layer("label_embedding")
    embedding.set_weights([np.random.default_rng(0).standard_normal((3, 8))])
    return generator


@pytest.fixture(scope="module")
def samples(conditional):
    """Six samples of the generator."""
    return generate(conditional, 6, seed=9)


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    matrix = (0.1 * rng.standard_normal((3, 24))).astype(np.float32)
    return matrix, (0.2 * rng.standard_normal((5, 4, 6, 1))).astype(np.float32)


def test_a_linear_generator_reaches_the_least_squares_optimum(problem):
    matrix, targets = problem
    flat = targets.reshape(5, -1)
    best, *_ = np.linalg.lstsq(matrix.T, flat.T, rcond=None)
    assert np.linalg.norm(best, axis=0).max() < 4  # the ball for three dimensions has radius 4.03
    found = project(linear(matrix, (4, 6, 1)), targets, learning_rate=0.05)
    np.testing.assert_allclose(found.latents, best.T, atol=2e-3)
    np.testing.assert_allclose(found.mse, np.mean((best.T @ matrix - flat) ** 2, axis=1), rtol=1e-5)
    np.testing.assert_allclose(found.images.reshape(5, -1), found.latents @ matrix, atol=1e-6)
    assert found.mse.dtype == np.float64
    assert found.labels is None
    assert np.isnan(found.ssim).all()  # its window does not fit into 4 x 6 pixels


def test_the_first_step_is_the_step_of_adam():
    """G(z) = 1e-4 z on two pixels and x = 0: the gradient is 1e-8 z, and an epsilon of 1e-8 gives z / (|z| + 1)."""
    generator = linear(np.float32(1e-4) * np.eye(2, dtype=np.float32), (1, 2, 1))
    found = project(generator, np.zeros((5, 1, 2, 1), np.float32), steps=1, restarts=1, learning_rate=0.2)
    z = sampling.projection_latents(0, 0, np.arange(5), 2)
    assert np.linalg.norm(z, axis=1).max() < 3.7  # inside the ball for two dimensions
    np.testing.assert_allclose(found.latents, z - 0.2 * z / (np.abs(z) + 1), rtol=1e-5)


def test_latents_stay_in_the_ball_that_contains_999_of_1000_latents():
    image = np.full((1, 2, 2, 1), 0.9, np.float32)
    found = project(linear(np.full((2, 4), 0.01, np.float32), (2, 2, 1)), image)  # the optimum is far away
    radius = np.sqrt(-2 * np.log(0.001))  # for two dimensions, P(|z| > r) = exp(-r^2 / 2)
    np.testing.assert_allclose(np.linalg.norm(found.latents), radius, rtol=1e-5)
    np.testing.assert_allclose(found.latents, [[radius / np.sqrt(2)] * 2], atol=0.02)


def test_recovers_samples_of_the_generator_with_their_classes(conditional, samples):
    found = project(conditional, samples, restarts=3, steps=300)
    assert found.labels.tolist() == [0, 1, 2, 0, 1, 2]
    random = np.mean((np.roll(samples, 3, axis=0) - samples) ** 2)  # another sample of the same class
    assert found.mse.max() < 0.01 * random
    assert found.ssim.min() > 0.98
    again = np.asarray(conditional([found.latents, found.labels]))
    np.testing.assert_allclose(found.images, again, atol=1e-5)
    np.testing.assert_allclose(found.mse, np.mean((again - samples) ** 2, axis=(1, 2, 3)), rtol=1e-3, atol=1e-9)


def test_without_labels_the_best_class_is_kept(conditional, samples):
    options = {"steps": 20, "restarts": 2}
    each = np.stack([project(conditional, samples, labels=label, **options).mse for label in range(3)])
    free = project(conditional, samples, **options)
    np.testing.assert_allclose(free.mse, each.min(axis=0), rtol=1e-3)
    np.testing.assert_array_equal(free.labels, each.argmin(axis=0))


def test_results_do_not_depend_on_the_batch_or_on_other_images(conditional, samples):
    options = {"steps": 25, "restarts": 2}
    labels = np.array([0, 1, 2, 0, 1, 2])
    together = project(conditional, samples, labels=labels, **options)
    for size in (1, 5, 12):
        other = project(conditional, samples, labels=labels, batch_size=size, **options)
        np.testing.assert_allclose(other.latents, together.latents, atol=2e-3)
    alone = project(conditional, samples[4:5], labels=1, start=4, **options)
    np.testing.assert_allclose(alone.latents[0], together.latents[4], atol=2e-3)
    np.testing.assert_allclose(alone.mse[0], together.mse[4], rtol=1e-3)


def test_results_depend_only_on_the_seed(conditional, samples):
    first, again, other = (project(conditional, samples, steps=10, restarts=2, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.latents, again.latents)
    np.testing.assert_array_equal(first.mse, again.mse)
    assert not np.isclose(first.latents, other.latents).any(axis=1).all()


@pytest.mark.parametrize("option", ["restarts", "steps"])
def test_more_restarts_or_steps_never_increase_the_error(conditional, samples, option):
    options = {"labels": np.arange(6) % 3, "steps": 12, "restarts": 1}
    errors = [project(conditional, samples, **{**options, option: n}).mse for n in (1, 3, 9)]
    assert (errors[1] <= errors[0] * 1.001).all()
    assert (errors[2] <= errors[1] * 1.001).all()
    assert errors[2].mean() < 0.95 * errors[0].mean()


def test_all_batches_share_one_trace():
    calls = []

    class Counting(keras.layers.Layer):
        def call(self, x):
            calls.append(x.shape)
            return x

    z = keras.Input((3,))
    generator = keras.Model(z, keras.layers.Reshape((2, 2, 1))(keras.layers.Dense(4)(Counting()(z))))
    zeros = np.zeros((7, 2, 2, 1), np.float32)
    counts = []
    for num in (3, 7):  # one batch; two full batches and a partial one
        calls.clear()
        project(generator, zeros[:num], restarts=1, steps=2, batch_size=3)
        assert {shape[0] for shape in calls} == {3}
        counts.append(len(calls))
    assert counts[0] == counts[1]


def test_starting_points_have_their_own_random_stream():
    first = sampling.projection_latents(0, 0, [0, 5, 2_000], 4)
    np.testing.assert_array_equal(first[1:], sampling.projection_latents(0, 0, [5, 2_000], 4))
    for other in (sampling.projection_latents(0, 1, [0, 5, 2_000], 4), sampling.latents(0, [0, 5, 2_000], 4)):
        assert not np.isclose(first, other).any()


BAD_IMAGES = {
    "NaN": (np.full((1, 28, 28, 1), np.nan), "finite numbers"),
    "infinity": (np.full((1, 28, 28, 1), -np.inf), "finite numbers"),
    "another shape": (np.zeros((1, 28, 28, 3)), r"shape \[N, 28, 28, 1\] with N >= 1"),
    "no batch axis": (np.zeros((28, 28, 1)), "shape"),
    "none": (np.zeros((0, 28, 28, 1)), "N >= 1"),
    "bytes": (np.full((1, 28, 28, 1), 200, np.uint8), "values from 200 to 200"),
    "text": (np.full((1, 28, 28, 1), "x"), "numbers"),
}


@pytest.mark.parametrize("case", BAD_IMAGES)
def test_rejects_bad_images(conditional, case):
    bad, message = BAD_IMAGES[case]
    with pytest.raises(InputError, match=message):
        project(conditional, bad)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps=0"),
        ({"restarts": 0}, "restarts=0"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"seed": -1}, "seed=-1"),
        ({"start": -1}, "start=-1"),
        ({"labels": 3}, "whole numbers from 0 to 2"),
        ({"labels": [0, 1]}, "one label or 6 labels"),
    ],
)
def test_rejects_bad_options(conditional, samples, options, message):
    with pytest.raises(InputError, match=message):
        project(conditional, samples, **options)


def test_rejects_labels_of_an_unconditional_generator_and_nan_samples(problem):
    matrix, targets = problem
    with pytest.raises(InputError, match="unconditional"):
        project(linear(matrix, (4, 6, 1)), targets, labels=1)
    with pytest.raises(InputError, match="finite images"):
        project(linear(np.full_like(matrix, np.nan), (4, 6, 1)), targets, steps=2)


def test_a_comparison_shows_each_reconstruction_below_its_original(conditional, samples):
    found = project(conditional, samples[:5], steps=3, restarts=1)
    grid = comparison(samples[:5], found, columns=3)
    assert grid.shape == (2 * 56 + 3 * 2, 3 * 28 + 4 * 2, 1)
    np.testing.assert_array_equal(grid[2:30, 32:60], images.to_uint8(samples[1]))
    np.testing.assert_array_equal(grid[30:58, 32:60], images.to_uint8(found.images[1]))
    np.testing.assert_array_equal(grid[60:88, 2:30], images.to_uint8(samples[3]))
    assert (grid[60:, 62:] == 64).all()  # there is no sixth image
    assert comparison(samples[:5], found, scale=2).shape == (120, 304, 1)
    with pytest.raises(InputError, match="originals"):
        comparison(samples, found)
    with pytest.raises(InputError, match="columns"):
        comparison(samples[:5], found, columns=0)


def test_the_command_has_the_defaults_of_the_function():
    of_function = {name: option.default for name, option in inspect.signature(project).parameters.items()}
    of_command = {name: field.default for name, field in Project.__dataclass_fields__.items()}
    assert all(of_command[name] == of_function[name] for name in ("steps", "restarts", "seed"))


def test_projects_photos_of_digits_from_the_command_line(forked_gan, digits, tmp_path):
    for label in (3, 7):
        digit = digits.train.images[digits.train.labels == label][5, ..., 0]
        Image.fromarray(255 - digit).resize((112, 112)).save(tmp_path / f"{label}.jpg")
    command = ["project", "mnist", "3.jpg", "7.jpg", "--steps", 150]
    done = forked_gan(*command, "--json", "--out", "new/both.png", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert [(found["file"], found["label"]) for found in result["images"]] == [("3.jpg", 3), ("7.jpg", 7)]
    assert all(found["mse"] < 0.1 and found["ssim"] > 0.6 for found in result["images"])
    assert (result["out"], result["steps"], result["restarts"], result["seed"]) == ("new/both.png", 150, 2, 0)
    assert size_of(tmp_path / "new" / "both.png") == (4 * 62, 4 * 60)
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["both.png"]


def test_does_not_normalize_images_for_a_generator_of_another_shape(forked_gan, tmp_path):
    build_generator((16, 16, 3), 4, width=4).save(tmp_path / "small.keras")
    Image.new("RGB", (50, 40), (10, 200, 90)).save(
        tmp_path / "green.png"
    )  # a uniform image, which is rejected as a digit
    done = forked_gan("project", "small.keras", "green.png", "--steps", 2, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("green.png  mse ")
    assert "label" not in done.stdout
    assert done.stdout.splitlines()[1].split() == ["out", "projection.png"]
    assert size_of(tmp_path / "projection.png") == (4 * 20, 4 * 36)
    done = forked_gan("project", "small.keras", "green.png", "--invert", cwd=tmp_path)
    assert done.returncode == 2
    assert "--invert" in done.stderr


BAD_COMMANDS = {
    "no image": (["mnist"], "No image"),
    "missing image": (["mnist", "none.png"], "No such image file"),
    "damaged image": (["mnist", "text.png"], "not an image"),
    "damaged raw image": (["mnist", "text.png", "--raw"], "not an image"),
    "blank": (["mnist", "blank.png"], "No digit in this image"),
    "raw and invert": (["mnist", "blank.png", "--raw", "--invert"], "--invert"),
    "no checkpoint": (["nothing", "blank.png"], "No such checkpoint"),
    "label": (["mnist", "blank.png", "--label", "10"], "classes from 0 to 9"),
    "steps": (["mnist", "blank.png", "--steps", "0"], "steps=0"),
    "restarts": (["mnist", "blank.png", "--restarts", "0"], "restarts=0"),
    "seed": (["mnist", "blank.png", "--seed", "-1"], "seed=-1"),
    "out": (["mnist", "blank.png", "--out", "a.jpg"], "a .png file"),
    "out below a file": (["mnist", "blank.png", "--out", "text.png/a.png"], "cannot be written"),
}


@pytest.mark.parametrize("case", BAD_COMMANDS)
def test_rejects_bad_commands_before_importing_tensorflow(gan_command, tmp_path, case):
    (tmp_path / "text.png").write_text("not an image")
    Image.new("L", (30, 30), 200).save(tmp_path / "blank.png")
    blocked = tmp_path / "blocked" / "tensorflow"
    blocked.mkdir(parents=True)
    (blocked / "__init__.py").write_text("raise AssertionError('tensorflow was imported')")
    before = sorted(tmp_path.rglob("*"))
    arguments, message = BAD_COMMANDS[case]
    paths = os.pathsep.join([str(blocked.parent), os.environ.get("PYTHONPATH", "")])
    done = gan_command("project", *arguments, cwd=tmp_path, env={"PYTHONPATH": paths})
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(tmp_path.rglob("*")) == before
