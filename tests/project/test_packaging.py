"""Tests the wheel in another environment: it trains, samples and finds the pretrained checkpoints."""

import email
import json
import os
import re
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
    source = folder / "source"  # a copy, since setuptools writes into its source tree
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
    """Folder of an environment with the wheel and the packages of this environment, but without this source tree."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", folder / "bin" / "python"]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", wheel], check=True, capture_output=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    (packages / "others.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder


def test_wheel_contains_only_the_package_and_pretrained_checkpoints(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "gan/cli/main.py" in names
    assert "gan/py.typed" in names
    pretrained = {name.split("/")[2] for name in names if name.startswith("gan/pretrained/")}
    assert pretrained == {
        "mnist",
        "mnist-mlp",
        "mnist-unconditional",
        "mnist-classifier",
        "mnist-probe",
        "mnist-reader",
    }
    texts = (ROOT / "gan" / "text").rglob("*")
    data = [path for path in texts if path.is_file() and path.suffix not in (".py", ".pyc")]
    assert {str(path.relative_to(ROOT)) for path in data} <= set(names)
    assert not any(name.startswith(("tests/", "benchmarks/")) for name in names)


def test_the_package_alone_brings_none_of_the_extras(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(name))
    core, extras = set(), {}
    for line in metadata.get_all("Requires-Dist"):
        requirement = re.split(r"[\s\[<>=!~;(]", line)[0].lower()
        found = re.search(r"""extra == ["']([\w-]+)["']""", line)
        (extras.setdefault(found[1], set()) if found else core).add(requirement)
    assert {"tensorflow", "keras", "numpy"} <= core
    exported = {"onnx", "onnxruntime", "tf2onnx", "ai-edge-litert", "tensorflow-serving-api"}
    assert exported <= extras["export"]
    for extra, names in extras.items():
        assert extra == "gpu" or not names & core, extra  # the extra gpu is TensorFlow itself, with CUDA
    assert any("gan-reference[" in line and "export" in line for line in metadata.get_all("Requires-Dist"))  # of `test`


@pytest.mark.slow  # the test above covers the contents of the wheel
def test_installed_wheel_trains_samples_and_finds_pretrained_checkpoints(installed, tmp_path):
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def gan(*arguments):
        return subprocess.run(
            [installed / "bin" / "gan", *map(str, arguments)], cwd=tmp_path, env=env, capture_output=True, text=True
        )

    print_path = [installed / "bin" / "python", "-c", "import gan; print(gan.__file__)"]
    assert str(installed) in subprocess.run(print_path, cwd=tmp_path, env=env, capture_output=True, text=True).stdout
    trained = gan("train", "--dataset", "mnist5k", "--steps", 3)
    assert trained.returncode == 0, trained.stderr
    assert gan("sample", "runs/00001-mnist5k", "--num", 4).returncode == 0
    record = json.loads((tmp_path / "runs" / "00001-mnist5k" / "config.json").read_text())
    assert record["git_revision"] is None
    for name in models.list_checkpoints():
        info = json.loads(gan("info", name, "--json").stdout)
        assert str(installed) in info["file"]
        sampled = gan("sample", name, "--num", 4, "--out", f"{name}.png")
        assert sampled.returncode == 0, sampled.stderr
        assert (tmp_path / f"{name}.png").exists()
