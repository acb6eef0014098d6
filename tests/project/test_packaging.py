"""The wheel, installed elsewhere: it trains, samples, and finds what is pretrained."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile

import pytest
from helpers.commands import ROOT

from gan.saving import models


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # setuptools writes into the tree it builds from
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    ).stdout.split("\n")
    for name in filter(None, files):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    (source / "checkpoints" / "00009-mine").mkdir(parents=True)
    (source / "checkpoints" / "00009-mine" / "generator.keras").write_bytes(b"somebody's run")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", folder, source], check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The folder of an environment that has the wheel and this one's other packages, but not this source tree."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", folder / "bin" / "python"]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", wheel], check=True, capture_output=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    (packages / "others.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder


def test_the_wheel_holds_the_package_and_the_pretrained_checkpoints_only(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "gan/cli/main.py" in names
    assert "gan/py.typed" in names
    pretrained = {name.split("/")[2] for name in names if name.startswith("gan/pretrained/")}
    assert pretrained == {"mnist", "mnist-mlp", "mnist-unconditional", "mnist-classifier", "mnist-probe"}
    assert not any(name.startswith(("tests/", "benchmarks/")) for name in names)


@pytest.mark.slow  # what the wheel holds is read above
def test_installed_elsewhere_it_trains_three_steps_samples_and_finds_what_is_pretrained(installed, tmp_path):
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def gan(*arguments):
        return subprocess.run(
            [installed / "bin" / "gan", *map(str, arguments)], cwd=tmp_path, env=env, capture_output=True, text=True
        )

    where = [installed / "bin" / "python", "-c", "import gan; print(gan.__file__)"]
    assert str(installed) in subprocess.run(where, cwd=tmp_path, env=env, capture_output=True, text=True).stdout
    trained = gan("train", "--dataset", "mnist5k", "--steps", 3)
    assert trained.returncode == 0, trained.stderr
    assert gan("sample", "runs/00001-mnist5k", "--num", 4).returncode == 0
    record = json.loads((tmp_path / "runs" / "00001-mnist5k" / "config.json").read_text())
    assert record["git_revision"] is None
    for name in models.list_checkpoints():
        described = json.loads(gan("info", name, "--json").stdout)
        assert str(installed) in described["file"]
        sampled = gan("sample", name, "--num", 4, "--out", f"{name}.png")
        assert sampled.returncode == 0, sampled.stderr
        assert (tmp_path / f"{name}.png").exists()
