"""README.md and docs/ tell the truth: every code block runs, and every list is complete."""

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from helpers.commands import OFFLINE, ROOT
from helpers.documented_commands import (
    ACCEPTED,
    DOCS,
    ELSEWHERE,
    QUICK,
    README,
    REFUSED,
    SLOW,
    Command,
    blocks,
    commands,
)
from helpers.own_texts import write_own_texts
from helpers.painting import paint_shapes
from PIL import Image

import gan
from gan.cli.exit_status import BAD_INPUT
from gan.cli.main import COMMANDS, MOST_WORDS
from gan.config import PRESETS, TrainConfig
from gan.data.sources import tfds
from gan.tolerance import EXIT_STATUS

TRAINING, *OTHERS = blocks("python")
SLOW_PYTHON = [block for block in OTHERS if "evaluate(" in block]
FROM_ONNX = [block for block in OTHERS if "import onnxruntime" in block]  # run in test_samples_without_package.py
OF_RUNS = [block for block in OTHERS if "selection." in block]  # they train, or need a run: tests/selection


@pytest.mark.filterwarnings("ignore:MNIST IS NOT AVAILABLE")
def test_the_python_block_trains_as_the_command_does(tmp_path, monkeypatch):
    monkeypatch.setattr(tfds, "answers", lambda url: False)  # without a prepared MNIST, nothing is downloaded
    monkeypatch.chdir(tmp_path)
    assert TRAINING in README
    assert len([line for line in TRAINING.splitlines() if line.strip()]) <= 10
    assert f"{TrainConfig().optimization.total_steps(50_000):_}" == "2_031"
    names: dict[str, object] = {}
    exec(TRAINING.replace("steps=2_031", "steps=3"), names)
    assert names["sevens"].shape == (64, 28, 28, 1)
    assert gan.generate(gan.load_generator("generator.keras"), 2).shape == (2, 28, 28, 1)


@pytest.mark.parametrize("block", [block for block in OTHERS if block not in SLOW_PYTHON + FROM_ONNX + OF_RUNS])
def test_other_python_blocks_run(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(block, {})


@pytest.mark.slow
@pytest.mark.parametrize("block", SLOW_PYTHON)
def test_slow_python_blocks_run(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(block, {})


@pytest.mark.parametrize("block", SLOW_PYTHON)
def test_slow_python_blocks_import_and_name_what_exists(block):
    exec("\n".join(line for line in block.splitlines() if "import" in line), {})
    attributes = re.findall(r"\breport\.(\w+)", block)
    assert attributes
    assert set(attributes) <= set(gan.evaluation.EvaluationReport.__dataclass_fields__)


def test_every_block_has_a_test():
    for page in (README, *DOCS.values()):
        opened = re.findall(r"^```(\w*)$", page, re.MULTILINE)[::2]
        assert set(opened) <= {"python", "js", "sh", "toml", ""}
    lines = [command.line for command in commands()]
    assert set(lines) == {*QUICK, *SLOW, *ELSEWHERE}
    assert len(lines) > 40


class Newcomer:
    """Types commands one after the other, in a new folder, without MNIST on disk and without a network."""

    def __init__(self, fork_server, folder):
        self.fork_server, self.folder = fork_server, folder
        digit = gan.load_dataset("mnist5k").test.images[0, ..., 0]
        Image.fromarray(digit).resize((90, 90)).save(folder / "my-seven.jpg")
        paint_shapes(folder / "pictures", (64, 64), classes=())
        write_own_texts(folder)
        rng = np.random.default_rng(0)
        color = {"images": rng.integers(0, 256, (60, 32, 32, 3), np.uint8), "labels": np.arange(60) % 10}
        np.savez(folder / "color.npz", **color)

    def types(self, command: Command, short: str, expected: set[int] = frozenset({0})):
        environment = {**OFFLINE, **command.environment, "TFDS_DATA_DIR": str(self.folder / "none")}
        status, output = self.fork_server.run(
            *command.arguments(short),
            output=self.folder / "output.txt",
            environment=environment,
            script=command.script,
        )
        assert status in expected, f"{command.line} {short}\n{output}"


@pytest.fixture(scope="module")
def newcomer(fork_server, tmp_path_factory):
    """A newcomer who has just typed `make train`."""
    started = Newcomer(fork_server, tmp_path_factory.mktemp("newcomer"))
    started.types(Command("make train"), QUICK["make train"])
    return started


def test_quick_commands_run(newcomer):
    for line, short in QUICK.items():
        if line != "make train":
            newcomer.types(next(command for command in commands() if command.line == line), short)
    made = {file.name for file in newcomer.folder.iterdir()}
    assert {"runs", "digits.png", "walk.png", "digits.npz", "digits", "projection.png"} <= made


def test_the_run_folder_is_as_described(newcomer):
    listed = re.search(r"## Run folder\n\n```\n(.*?)```", DOCS["reliability"], re.DOTALL)[1]
    names = {line.split()[0].rstrip("/") for line in listed.splitlines()}
    made = {file.name for file in (newcomer.folder / "runs" / "00001-mnist").iterdir()}
    assert made | {"report.html", "report.json"} == names


@pytest.mark.slow
def test_slow_commands_run(newcomer):
    for command in commands():
        if command.line in SLOW:
            verdicts = ACCEPTED.get(command.line, {"within"})
            expected = {BAD_INPUT} if command.line in REFUSED else {EXIT_STATUS[verdict] for verdict in verdicts}
            newcomer.types(command, SLOW[command.line], expected)
    assert len(list((newcomer.folder / "samples").iterdir())) == 4


def command_words(arguments: list[str]) -> list[str]:
    """Returns the words at the beginning that are the name of a command, such as `text train gan`."""
    names = {name for group in COMMANDS.values() for name in group}
    return next(arguments[:num] for num in range(MOST_WORDS, 0, -1) if " ".join(arguments[:num]) in names)


def test_slow_commands_have_their_options(fork_server, tmp_path):
    for line in SLOW:
        command = Command(line)
        arguments = command.arguments("")
        if arguments[0] == "train":
            status, output = fork_server.run(*arguments, "--dry-run", output=tmp_path / "output", environment=OFFLINE)
        else:
            program = command_words(arguments) if command.script is None else arguments[:1]
            status, output = fork_server.run(*program, "--help", output=tmp_path / "output", script=command.script)
            assert {word for word in arguments if word.startswith("--")} <= set(re.findall(r"--[a-z-]+", output)), line
        assert status == 0, output


def test_make_targets_and_extras_exist():
    for command in commands():
        words = command.line.split()
        if words[0] == "make":
            planned = subprocess.run(["make", "--dry-run", *words[1:]], cwd=ROOT, capture_output=True, text=True)
            assert planned.returncode == 0, planned.stderr
            assert words[1] != "train" or "bin/gan train" in planned.stdout
    extras = {
        extra for page in (README, *DOCS.values()) for extra in re.findall(r"pip\s+install\s+'\.\[(\w+)\]'", page)
    }
    assert {"gpu", "jupyter", "benchmarks"} <= extras
    for extra in extras:
        assert f"\n{extra} =\n" in (ROOT / "setup.cfg").read_text(encoding="utf-8")


def test_all_presets_are_listed():
    presets = re.search(r"## Presets\n(.*?)\n##", DOCS["command-line"], re.DOTALL)[1]
    assert re.findall(r"^\| `([a-z0-9-]+)` \|", presets, re.MULTILINE) == list(PRESETS)


def test_the_readme_is_short_and_lists_notebooks_and_folders():
    assert len(README.split()) <= 1_500
    notebooks = [path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
    assert re.findall(r"^\| `(\d\d_\w+)` \|", README, re.MULTILINE) == notebooks
    folders = re.search(r"\| folder \| contents \|\n(.*?)\n\n", README, re.DOTALL)[1]
    named = {name for row in folders.splitlines() for name in re.findall(r"`([\w/]+)`", row.split("|")[1])}
    rooms = {f"gan/{path.name}" for path in (ROOT / "gan").iterdir() if (path / "__init__.py").exists()}
    assert rooms <= named


def test_the_core_is_an_hour_of_reading():
    listed = re.search(r"The core is.*?\n\n(.*?)\n\n", README, re.DOTALL)[1]
    files = {Path(target) for target in re.findall(r"\]\((gan/[^)]+)\)", listed)}
    lines = sum(len((ROOT / file).read_text(encoding="utf-8").splitlines()) for file in files)
    assert len(files) == 18
    assert 2_000 < lines < 3_000
