"""Tests of `gan ensemble` as a process: table, JSON, refusals, and the ensemble as a classifier of other commands."""

import json

import pytest
from helpers.ensembles import perturbed_classifier, untrained_classifier

from gan.evaluation.classifier.extractor import load_classifier
from gan.saving import models


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    folder = tmp_path_factory.mktemp("members")
    return [untrained_classifier(folder / f"untrained{seed}", seed=seed) for seed in (1, 2)]


def test_prints_a_table_and_writes_a_classifier(forked_gan, members, tmp_path):
    done = forked_gan("ensemble", *members, "--output", tmp_path / "both")
    assert done.returncode == 0, done.stderr
    assert "mnist5k: fitted on 500 validation images, measured on 500 test images" in done.stdout
    for words in ("untrained1", "untrained2", "equal weights", "fitted weights", "calibrated", "sha256", "parameters"):
        assert words in done.stdout
    assert max(map(len, done.stdout.split("*  ")[0].splitlines())) <= 80
    _, card = load_classifier(tmp_path / "both")
    assert f"{card.members[0].weight:.3f}" in done.stdout


@pytest.mark.slow  # test_its_results_are_json is quick
def test_prints_json(forked_gan, members, tmp_path):
    options = ["--weights", ".6", ".4", "--output", tmp_path / "both", "--json"]
    done = forked_gan("ensemble", *members, *options)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert [member["weight"] for member in said["members"]] == [0.6, 0.4]
    assert said["card"]["sha256"] == load_classifier(tmp_path / "both")[1].sha256
    assert said["weighted"]["test"]["num"] == 500


@pytest.mark.slow  # three commands; the quick tests load the ensemble as these commands do
def test_other_commands_take_the_ensemble(gan_command, tmp_path):
    worse = perturbed_classifier(tmp_path / "worse", models.pretrained_folder() / "mnist-probe")
    both, run = tmp_path / "both", tmp_path / "run"
    done = gan_command("ensemble", "mnist-probe", worse, "--dataset", "mnist5k", "--output", both)
    assert done.returncode == 0, done.stderr
    options = ["--dataset", "mnist5k", "--num", 500, "--tolerance", 1, "--classifier", both, "--json"]
    done = gan_command("evaluate", "mnist", *options, "--output", tmp_path / "report")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["error_rate"] < 0.1
    options = ["--dataset", "mnist5k", "--steps", 20, "--batch-size", 32, "--eval-every", 320, "--probe", both]
    done = gan_command("train", *options, "--output", run)
    assert done.returncode == 0, done.stderr
    recorded = json.loads((run / "config.json").read_text(encoding="utf-8"))
    assert recorded["probe_sha256"] == load_classifier(both)[1].sha256
