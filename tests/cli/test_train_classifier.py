"""Tests of `gan train-classifier --tolerance` as a process: output, card and exit status."""

import json

import numpy as np
import pytest

from gan.data.load import load_dataset
from gan.evaluation.classifier.extractor import as_input, classify, load_classifier

SMALL = ["--dataset", "mnist5k", "--width", 4, "--blocks", 1, "--batch-size", 64, "--learning-rate", 0.005]


@pytest.mark.slow
def test_a_training_ends_at_the_epoch_that_is_confirmed(forked_gan, tmp_path):
    options = [*SMALL, "--epochs", 9, "--tolerance", 0.3, "--output", tmp_path / "made"]
    done = forked_gan("train-classifier", *options)
    assert done.returncode == 0, done.stderr
    card = json.loads((tmp_path / "made" / "config.json").read_text())
    *refuted, last = card["confirmations"]
    assert all(one["verdict"] != "within" for one in refuted)
    assert (last["verdict"], last["is_last"]) == ("within", False)
    assert card["config"]["tolerance"] == 0.3
    epoch = last["interval"]
    assert f"Epoch {epoch}/9" in done.stdout
    assert f"Epoch {epoch + 1}/9" not in done.stdout
    assert f"nominates interval {epoch}: confirming it on {last['num']} fresh outcomes." in done.stdout
    assert f"Confirmation {last['attempt']}, interval {epoch}: within." in done.stdout
    assert "error_rate:" not in done.stdout
    answer, cost, saved = done.stdout.splitlines()[-3:]
    assert answer.startswith(f"Within the tolerance of 30 %: of {last['num']} answers of epoch {epoch} to fresh test")
    assert cost.startswith(f"Confirmations: {len(refuted) + 1}, on ")
    assert saved.startswith(f"The training took {epoch} of 9 epochs")
    classifier, _ = load_classifier(tmp_path / "made")  # the one of the confirmed epoch
    digits = load_dataset("mnist5k")
    part = np.random.default_rng(0).permutation(500)[sum(one["num"] for one in refuted) :][: last["num"]]
    chosen = digits.test.take(part)
    assert np.sum(classify(classifier, as_input(chosen.images))[0] != chosen.labels) == last["wrong"]


@pytest.mark.slow
def test_a_training_that_is_not_within_its_tolerance_exits_with_the_verdict(gan_command, tmp_path):
    options = [*SMALL, "--epochs", 1, "--tolerance", 0.01, "--output", tmp_path / "made", "--json"]
    done = gan_command("train-classifier", *options)
    assert done.returncode == 3, done.stderr
    found = json.loads(done.stdout)
    assert found.pop("verdict") == "exceeded"
    assert found == json.loads((tmp_path / "made" / "config.json").read_text())
    (only,) = found["confirmations"]
    assert (only["num"], only["is_last"]) == (500, True)
    assert only["wrong"] == round(500 * (1 - found["accuracy"]["test"]))
    assert "250 test images, half of them, are too few" in done.stderr
    assert "Confirmation 1, interval 1: exceeded." in done.stderr


def test_a_tolerance_that_the_test_split_cannot_confirm_is_refused_before_the_training(forked_gan, tmp_path):
    options = [*SMALL, "--tolerance", 0.005, "--output", tmp_path / "made"]
    done = forked_gan("train-classifier", *options)
    assert (done.returncode, done.stdout) == (2, "")
    expected = "Expected 0.0077 or more with 500 test images, or 765 test images. Received: tolerance=0.005."
    assert done.stderr.splitlines()[-1].endswith(expected)
    assert not (tmp_path / "made").exists()
