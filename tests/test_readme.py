"""The README tells the truth."""

import re

import pytest
from conftest import ROOT

import gan
from gan.config import PRESETS
from gan.data import catalogue

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.filterwarnings("ignore:MNIST IS NOT AT HAND")
def test_its_python_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "answers", lambda url: False)  # where MNIST is not prepared, nothing is downloaded
    monkeypatch.chdir(tmp_path)
    code, *others = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    assert "steps=1_000" in code
    names: dict[str, object] = {}
    exec(code.replace("steps=1_000", "steps=3"), names)
    assert names["sevens"].shape == (64, 28, 28, 1)
    drawn = gan.generate(gan.load_generator("generator.keras"), 2)
    assert drawn.shape == (2, 28, 28, 1)
    for other in others:
        exec(other, {})


def test_its_commands_exist(gan_command):
    block = re.search(r"## The command line\n\n```sh\n(.*?)```", README, re.DOTALL)[1]
    for line in block.splitlines():
        arguments = line.partition("#")[0].split()
        assert arguments[0] == "gan"
        if arguments[1] == "train" and "--resume" not in arguments:
            assert gan_command(*arguments[1:], "--dry-run").returncode == 0
        else:
            options = {word for word in arguments if word.startswith("--")}
            assert options <= set(re.findall(r"--[a-z-]+", gan_command(arguments[1], "--help").stdout))


def test_its_files_exist_and_its_presets_are_all():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
    assert set(re.findall(r"^\| `(mnist[a-z-]*)`", README, re.MULTILINE)) == set(PRESETS)
