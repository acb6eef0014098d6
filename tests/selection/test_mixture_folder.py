"""gan mix: the folder of a mixture, what the other commands read from it, and what is refused."""

import json
import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest
from helpers.commands import run_gan
from helpers.exports import save_tiny

from gan import generate, load_generator
from gan.cli.evaluation_inputs import EvaluationInputs
from gan.cli.main import main
from gan.config import DataConfig
from gan.data import images
from gan.deployment.export import export_generator
from gan.errors import InputError
from gan.models.networks.mixture import chosen_components
from gan.saving import files, metadata
from gan.saving.engines.card import ExportCard
from gan.saving.mixture import load_mixture
from gan.saving.saved_generator import SavedGenerator, find_saved
from gan.selection.mixture_folder import make_mixture
from gan.selection.mixture_inputs import MixtureInputs


@pytest.fixture(scope="module")
def runs(tiny_run, tmp_path_factory):
    """Two run folders, `first` and `second`, of the embedded digits. The second has other weights."""
    folder = tmp_path_factory.mktemp("runs")
    for name in ("first", "second"):
        shutil.copytree(tiny_run["folder"], folder / name)
    other = load_generator(folder / "second")
    rng = np.random.default_rng(0)
    other.set_weights([weight + rng.normal(0, 0.1, weight.shape).astype("float32") for weight in other.get_weights()])
    other.save(folder / "second" / "generator.keras")
    return folder


@pytest.fixture(scope="module")
def mixture(runs):
    """The folder of a mixture of both, with weights .25 and .75."""
    checkpoints = [runs / "first", runs / "second"]
    made = make_mixture(MixtureInputs.find(checkpoints, weights=[0.25, 0.75]), runs / "mixture")
    return made.folder


def refused(capsys, *arguments):
    """Runs a command that must end with status 2 and one line on stderr, and returns the line."""
    capsys.readouterr()  # of commands before it
    assert main([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("gan: ")
    return line


def test_given_weights_need_no_data(runs, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("gan.selection.mixture_folder.load_dataset", None)
    options = ["--weights", "0.25", "0.75", "--output", str(tmp_path / "made"), "--json"]
    assert main(["mix", str(runs / "first"), str(runs / "second"), *options]) == 0
    shares = {str(runs / "first"): 0.25, str(runs / "second"): 0.75}
    made = {"folder": str(tmp_path / "made"), "weights": shares, "evaluate": f"gan evaluate {tmp_path / 'made'}"}
    assert json.loads(capsys.readouterr().out) == made
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["generator.keras", "mixture.json"]


def test_the_record_tells_the_components_and_their_data(runs, mixture):
    record = load_mixture(find_saved(mixture).file)
    run = metadata.load(runs / "first")
    assert [(part.name, part.weight, part.latent_dim) for part in record.components] == [
        ("first", 0.25, 32),
        ("second", 0.75, 32),
    ]
    for name, part in zip(("first", "second"), record.components):
        assert part.sha256 == files.sha256(runs / name / "generator.keras")
        assert part.train_sha256 == run.dataset.train_sha256
    assert (record.dataset, record.data, record.fit) == (run.dataset, run.config.data, None)


def test_other_commands_know_the_dataset_and_the_classes(runs, mixture, small_classifier, capsys):
    saved = find_saved(mixture)
    assert (saved.dataset, saved.record, saved.summary.num_classes) == ("mnist5k", None, 10)
    assert saved.class_names == find_saved(runs / "first").class_names
    given = EvaluationInputs.find(str(mixture), str(small_classifier[0]))
    assert (given.dataset, given.run_folder) == ("mnist5k", mixture)
    assert main(["info", str(mixture)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "mixture      first 0.25, second 0.75" in lines
    assert "weights      given" in lines
    assert main(["info", str(mixture), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["mixture"] == json.loads((mixture / "mixture.json").read_text(encoding="utf-8"))


def test_samples_are_those_of_the_components(runs, mixture, tmp_path, capsys):
    out = tmp_path / "samples.npz"
    assert main(["sample", str(mixture), "--num", "30", "--seed", "3", "--label", "4", "--out", str(out)]) == 0
    with np.load(out) as file:
        written = file["images"]
    drawn = generate(str(mixture), 30, seed=3, labels=4)
    np.testing.assert_allclose(written.astype(float), (drawn + 1) * 127.5, atol=1)
    from gan import latents

    z = latents(3, np.arange(30), 33)
    chosen = chosen_components(z, [0.25, 0.75])
    assert set(chosen) == {0, 1}
    for number, name in enumerate(("first", "second")):
        expected = load_generator(runs / name)([z[:, 1:], np.full(30, 4)], training=False)
        np.testing.assert_allclose(drawn[chosen == number], np.asarray(expected)[chosen == number], atol=1e-5)
    line = refused(capsys, "sample", mixture, "--truncation", "1", "--out", out)
    assert "Truncation would change the weights of a mixture" in line


def test_weights_are_fitted_and_the_fit_is_recorded(runs, small_classifier, tmp_path, capsys):
    names = [str(runs / "first"), str(runs / "second")]
    options = ["--classifier", str(small_classifier[0]), "--num", "60", "--json", "--output"]
    assert main(["mix", *names, *options, str(tmp_path / "made")]) == 0
    distances = json.loads(capsys.readouterr().out)["kernel_distance"]
    assert list(distances) == ["mixture", "equal weights", *names]
    assert distances["mixture"] <= min(distances.values()) + 1e-9
    fit = load_mixture(find_saved(tmp_path / "made").file).fit
    assert (fit.num, fit.split, fit.classifier_sha256) == (60, "validation", small_classifier[1].sha256)
    assert list(distances.values()) == [fit.distance, fit.equal, *fit.single]
    assert main(["info", str(tmp_path / "made")]) == 0
    assert "fitted to validation images: kernel distance" in capsys.readouterr().out


def changed_run(source, target, **changes):
    """Copies a run folder; `changes` replaces fields of its dataset."""
    shutil.copytree(source, target)
    record = metadata.load(target)
    metadata.save(target, replace(record, dataset=replace(record.dataset, **changes)))
    return target


def test_generators_of_different_data(runs, tmp_path, capsys):
    first, weights = runs / "first", ["--weights", "0.5", "0.5", "--output", tmp_path / "made"]
    other = changed_run(runs / "second", tmp_path / "other", name="fashion_mnist", train_sha256="ab")
    line = refused(capsys, "mix", first, other, *weights)
    assert "trained on different images" in line
    assert f"{first}: mnist5k, {other}: fashion_mnist" in line
    same = changed_run(runs / "second", tmp_path / "first", name="fashion_mnist", train_sha256="ab")
    assert f"{first}: mnist5k, {same}: fashion_mnist" in refused(capsys, "mix", first, same, *weights)
    moved = changed_run(runs / "second", tmp_path / "moved", name="elsewhere")  # the same images in another place
    assert MixtureInputs.find([first, moved], weights=[0.5, 0.5]).data.dataset == "mnist5k"
    assert main(list(map(str, ["mix", first, other, *weights, "--dataset", "mnist5k"]))) == 0
    saved = find_saved(tmp_path / "made")
    assert [part.train_sha256 for part in saved.mixture.components][1] == "ab"
    assert (saved.dataset, saved.trained_on) == ("mnist5k", None)  # it stands for images that no generator drew from
    parts = saved.mixture.components
    assert replace(saved.mixture, components=(replace(parts[0], weight=1.0), replace(parts[1], weight=0.0))).trained_on
    named = [
        changed_run(runs / name, tmp_path / "-".join(names), class_names=tuple(names))
        for name, names in (("first", "abcdefghij"), ("second", "jihgfedcba"))
    ]
    assert "different classes" in refused(capsys, "mix", *named, "--weights", "0.5", "0.5")
    bare = [save_tiny(tmp_path / f"{name}.keras") for name in "ab"]
    assert "No generator has a record of its dataset" in refused(capsys, "mix", *bare, "--weights", "0.5", "0.5")


def test_the_images_that_a_mixture_learned_are_known_or_not(runs, mixture, digits, tmp_path):
    """Which images are copies is known only if all generators with a weight were trained on these."""
    other = changed_run(runs / "second", tmp_path / "other", train_sha256="ab")
    made = make_mixture(
        MixtureInputs.find([runs / "first", other], weights=[0.5, 0.5], dataset="mnist5k"), tmp_path / "m"
    )
    assert find_saved(mixture).trained_on.train_sha256 == digits.fingerprint
    for folder, known in ((mixture, "mnist5k"), (made.folder, "")):
        given = EvaluationInputs.find(str(folder), "mnist-probe", "mnist5k")
        assert given.trained_on(digits) == known
    card = ExportCard(
        name="m", format="onnx", weights="int8", latent_dim=33, num_classes=10, image_shape=(28, 28, 1), mixture=True,
        data=DataConfig("mnist5k"), generator_sha256="ab", content_sha256="cd", max_difference=0.0, compared=64,
    )  # fmt: skip
    for train_sha256, known in ((None, ""), (digits.fingerprint, "mnist5k")):
        saved = SavedGenerator(None, None, card=replace(card, train_sha256=train_sha256))
        assert replace(given, saved=saved).trained_on(digits) == known


@pytest.mark.slow
def test_an_export_carries_the_data_of_the_mixture(runs, mixture, tmp_path):
    pytest.importorskip("onnxruntime")
    card = export_generator(mixture, tmp_path).card
    assert (card.name, card.data.dataset, card.latent_dim, card.mixture) == ("mixture", "mnist5k", 33, True)
    assert card.train_sha256 == find_saved(mixture).trained_on.train_sha256 is not None
    assert card.generator_sha256 == files.sha256(mixture / "generator.keras")
    other = changed_run(runs / "second", tmp_path / "other", train_sha256="ab")
    inputs = MixtureInputs.find([mixture, other], weights=[0.5, 0.5], dataset="mnist5k")  # one in another
    made = make_mixture(inputs, tmp_path / "nested")
    assert made.record.components[0].train_sha256 == card.train_sha256
    assert find_saved(made.folder).trained_on is None
    nested = export_generator(made.folder, tmp_path).card
    assert (nested.train_sha256, nested.mixture, nested.latent_dim) == (None, True, 34)


def test_the_data_is_loaded_by_the_name_that_was_loaded(runs, small_classifier, tmp_path, monkeypatch):
    """A run of `--dataset digits.npz` knows both this text and the absolute path. Only the path is found elsewhere."""
    names = []

    def load(name, **options):
        names.append(name)
        raise InputError("reached", expected="", received="")

    monkeypatch.setattr("gan.selection.mixture_folder.load_dataset", load)
    for name in ("first", "second"):
        run = changed_run(runs / name, tmp_path / name)
        record = metadata.load(run)
        config = replace(record.config, data=replace(record.config.data, dataset="digits.npz"))
        metadata.save(run, replace(record, config=config))
    given = MixtureInputs.find([tmp_path / "first", tmp_path / "second"], classifier=small_classifier[0])
    with pytest.raises(InputError, match="reached"):
        make_mixture(given, tmp_path / "made")
    assert names == ["mnist5k"]


def test_other_images_are_scaled_to_those_of_the_generators(runs, tmp_path):
    large = np.random.default_rng(0).integers(0, 256, (60, 40, 40, 3), np.uint8)
    np.savez(tmp_path / "large.npz", images=large, labels=np.arange(60) % 10)
    options = {"weights": [0.5, 0.5], "dataset": str(tmp_path / "large.npz")}
    made = make_mixture(MixtureInputs.find([runs / "first", runs / "second"], **options), tmp_path / "made")
    assert (made.record.data.image_size, made.record.data.channels) == ("28", 1)
    assert made.record.dataset.image_shape == (28, 28, 1)
    assert find_saved(made.folder).dataset == str(tmp_path / "large.npz")


def test_classes_have_names_in_a_reconstruction(runs, tmp_path, monkeypatch, capsys):
    named = [changed_run(runs / name, tmp_path / name, class_names=tuple("abcdefghij")) for name in ("first", "second")]
    made = make_mixture(MixtureInputs.find(named, weights=[0.5, 0.5]), tmp_path / "made")
    images.save_png(tmp_path / "digit.png", np.zeros((28, 28, 1), np.uint8))

    def stopped(**options):
        raise InputError("The options are right", expected="", received="")

    monkeypatch.setattr("gan.cli.project.runtime.load_tensorflow", stopped)
    options = ["project", made.folder, tmp_path / "digit.png", "--raw", "--out", tmp_path / "out.png", "--label"]
    assert "The options are right" in refused(capsys, *options, "c")
    assert "Bad `--label`" in refused(capsys, *options, "k")


def test_what_is_refused_leaves_nothing(runs, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, second = runs / "first", runs / "second"
    half = ["--weights", "0.5", "0.5"]
    tiny = save_tiny(tmp_path / "tiny.keras")
    shape = keras.Sequential([keras.Input((3,)), keras.layers.Dense(784), keras.layers.Reshape((28, 28, 1))])
    shape.save(tmp_path / "unconditional.keras")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    copy = shutil.copytree(first, tmp_path / "copy")
    before = sorted(tmp_path.rglob("*"))
    for words, *arguments in (
        ("two or more", first, "--weights", "1"),
        ("weights that sum to 1", first, second, "--weights", "0.5", "0.6"),
        ("2 numbers", first, second, "--weights", "1"),
        ("The same generator twice", first, first, *half),
        ("The same generator twice", first, copy, *half),
        ("No such checkpoint", first, "missing", *half),
        ("images of one shape", first, tiny, *half),
        ("no classes (unconditional)", first, "unconditional.keras", *half),
        ("The output folder is not empty", first, second, *half, "--output", "full"),
        ("These options have no effect", first, second, *half, "--num", "50"),
        ("no effect", first, second, *half, "--classifier", "mnist-classifier"),
        ("no effect", first, second, *half, "--classifier", "mnist-probe"),
        ("num=1", first, second, "--num", "1"),
        ("The classifier is for another dataset", first, second, "--classifier", "mnist-reader", "--dataset", "kmnist"),
    ):
        assert words in refused(capsys, "mix", *arguments)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_record_of_another_file_and_a_damaged_one(mixture, runs, tmp_path):
    copy = shutil.copytree(mixture, tmp_path / "copy")
    shutil.copy(runs / "first" / "generator.keras", copy)
    with pytest.raises(InputError, match="does not match its record"):
        find_saved(copy)
    shutil.copy(mixture / "generator.keras", copy / "alone.keras")
    assert find_saved(copy / "alone.keras").mixture is None  # the record is that of generator.keras
    shutil.copy(mixture / "generator.keras", copy)
    content = json.loads((copy / "mixture.json").read_text(encoding="utf-8"))
    content["components"][0]["weight"] = 0.5
    (copy / "mixture.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match=r"weights that sum to 1.*1\.25"):
        find_saved(copy)
    (copy / "mixture.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"Damaged mixture\.json"):
        find_saved(copy)


@pytest.mark.slow
def test_the_commands_in_processes_of_their_own(runs, small_classifier, tmp_path):
    classifier = ["--classifier", small_classifier[0]]
    made = run_gan("mix", runs / "first", runs / "second", *classifier, "--num", "200", "--output", tmp_path / "made")
    assert (made.returncode, made.stderr) == (0, "")
    found = run_gan("evaluate", tmp_path / "made", *classifier, "--num", "200", "--json")
    assert found.returncode in (3, 4)
    report = json.loads(found.stdout)
    assert report["dataset"] == "mnist5k"
    assert report["checkpoint"]["latent_dim"] == 33
    assert report["metrics"]["reconstruction_mse"]["value"] is not None
    assert report["copied_share"] is not None
    again = run_gan("mix", runs / "first", runs / "second", *classifier, "--num", "200", "--output", tmp_path / "again")
    assert again.returncode == 0
    weights = [[part.weight for part in find_saved(tmp_path / name).mixture.components] for name in ("made", "again")]
    assert weights[0] == weights[1]  # a function of the generators, the data and the seed
    other = changed_run(runs / "second", tmp_path / "other", train_sha256="ab")
    options = ["--weights", "0.5", "0.5", "--dataset", "mnist5k", "--output", tmp_path / "mixed"]
    assert run_gan("mix", runs / "first", other, *options).returncode == 0
    found = run_gan("evaluate", tmp_path / "mixed", *classifier, "--num", "200", "--json")
    assert json.loads(found.stdout)["copied_share"] is None
    assert {"report.json", "report.html"} <= {path.name for path in (tmp_path / "made").iterdir()}
    bad = run_gan("mix", runs / "first", runs / "second", "--weights", "0.5", "0.6")
    assert (bad.returncode, bad.stdout, bad.stderr.count("\n")) == (2, "", 1)
