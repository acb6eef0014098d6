"""The README tells the truth."""

import re
import subprocess

import numpy as np
import pytest
from helpers.commands import OFFLINE, ROOT
from helpers.painting import paint_shapes
from helpers.readme_commands import ELSEWHERE, NOT_GOOD_ENOUGH, QUICK, README, SLOW, Command, commands
from PIL import Image

import gan
from gan.config import PRESETS, TrainConfig
from gan.data.sources import tfds
from gan.tolerance import EXIT_STATUS


@pytest.mark.filterwarnings("ignore:MNIST IS NOT AT HAND")
def test_its_python_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(tfds, "answers", lambda url: False)  # where MNIST is not prepared, nothing is downloaded
    monkeypatch.chdir(tmp_path)
    code, *others = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    assert "steps=2_031" in code
    names: dict[str, object] = {}
    exec(code.replace("steps=2_031", "steps=3"), names)
    assert names["sevens"].shape == (64, 28, 28, 1)
    assert f"{TrainConfig().optimization.total_steps(50_000):_}" == "2_031"  # as many as of `gan train mnist`
    drawn = gan.generate(gan.load_generator("generator.keras"), 2)
    assert drawn.shape == (2, 28, 28, 1)
    for other in others:
        exec(other, {})


def test_every_block_is_tested():
    assert set(re.findall(r"^```(\w+)$", README, re.MULTILINE)) == {"python", "sh"}
    lines = [command.line for command in commands()]
    assert set(lines) == {*QUICK, *SLOW, *ELSEWHERE}
    assert len(lines) > 30


class Newcomer:
    """Types commands, one after the other, in a folder of their own, where MNIST is not at hand."""

    def __init__(self, fork_server, folder):
        self.fork_server, self.folder = fork_server, folder
        digit = gan.load_dataset("mnist5k").test.images[0, ..., 0]
        Image.fromarray(digit).resize((90, 90)).save(folder / "my-seven.jpg")
        paint_shapes(folder / "pictures", (64, 64), classes=())
        rng = np.random.default_rng(0)
        colour = {"images": rng.integers(0, 256, (60, 32, 32, 3), np.uint8), "labels": np.arange(60) % 10}
        np.savez(folder / "colour.npz", **colour)

    def types(self, command: Command, short: str, expected: int = 0):
        environment = {**OFFLINE, **command.environment, "TFDS_DATA_DIR": str(self.folder / "none")}
        status, said = self.fork_server.run(
            *command.arguments(short),
            said=self.folder / "said.txt",
            environment=environment,
            script=command.script,
        )
        assert status == expected, f"{command.line} {short}\n{said}"


@pytest.fixture(scope="module")
def newcomer(fork_server, tmp_path_factory):
    """One who has just typed `make train`."""
    started = Newcomer(fork_server, tmp_path_factory.mktemp("newcomer"))
    started.types(Command("make train"), QUICK["make train"])
    return started


def test_its_quick_commands_run(newcomer):
    for command in commands():
        if command.line in QUICK and command.line != "make train":
            newcomer.types(command, QUICK[command.line])
    made = {file.name for file in newcomer.folder.iterdir()}
    assert {"runs", "digits.png", "walk.png", "digits.npz", "digits", "projection.png"} <= made


@pytest.mark.slow
def test_its_other_commands_run(newcomer):
    for command in commands():
        if command.line in SLOW:
            expected = EXIT_STATUS["exceeded"] if command.line in NOT_GOOD_ENOUGH else 0
            newcomer.types(command, SLOW[command.line], expected)
    assert len(list((newcomer.folder / "samples").iterdir())) == 4


def test_its_other_commands_know_their_options(fork_server, tmp_path):
    for line in SLOW:
        command = Command(line)
        arguments = command.arguments("")
        if arguments[0] == "train":
            status, said = fork_server.run(*arguments, "--dry-run", said=tmp_path / "said", environment=OFFLINE)
        else:
            status, said = fork_server.run(arguments[0], "--help", said=tmp_path / "said", script=command.script)
            assert {word for word in arguments if word.startswith("--")} <= set(re.findall(r"--[a-z-]+", said)), line
        assert status == 0, said


def test_what_it_makes_and_installs_exists():
    for command in commands():
        words = command.line.split()
        if words[0] == "make":
            planned = subprocess.run(["make", "--dry-run", *words[1:]], cwd=ROOT, capture_output=True, text=True)
            assert planned.returncode == 0, planned.stderr
            assert words[1] != "train" or "bin/gan train" in planned.stdout
    extras = re.findall(r"pip install '\.\[(\w+)\]'", README)
    assert extras
    for extra in extras:
        assert f"\n{extra} =\n" in (ROOT / "setup.cfg").read_text(encoding="utf-8")


def test_its_files_exist_and_its_presets_are_all():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target
    presets = re.search(r"### Presets\n(.*?)\n###", README, re.DOTALL)[1]
    assert re.findall(r"^\| `([a-z0-9-]+)` \|", presets, re.MULTILINE) == list(PRESETS)


def test_its_links_into_itself_have_headings():
    headings = re.findall(r"^##+ (.*)$", README, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", README)) <= anchors
