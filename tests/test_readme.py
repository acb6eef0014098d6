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
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    commands = [line.partition("#")[0].split() for block in blocks for line in block.splitlines()]
    commands = [command for command in commands if command[:1] == ["gan"]]
    assert len(commands) > 20
    for arguments in commands:
        if arguments[1] == "train" and "--resume" not in arguments:
            assert gan_command(*arguments[1:], "--dry-run").returncode == 0
        else:
            options = {word for word in arguments if word.startswith("--")}
            named = arguments[1:3] if arguments[1] == "benchmark" else arguments[1:2]
            assert options <= set(re.findall(r"--[a-z-]+", gan_command(*named, "--help").stdout))


def test_its_files_exist_and_its_presets_are_all():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target
    presets = re.search(r"### Presets\n(.*?)\n###", README, re.DOTALL)[1]
    assert re.findall(r"^\| `([a-z0-9-]+)` \|", presets, re.MULTILINE) == list(PRESETS)
