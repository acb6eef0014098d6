"""Tests that the instructions of CONTRIBUTING.md work."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import called_files, rooms
from helpers.commands import OFFLINE, ROOT, TOY

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", CONTRIBUTING, re.DOTALL)
RECIPES = [text for language, text in BLOCKS if language == "diff"]


def test_ten_files_lead_from_the_command_line_to_the_saved_generator():
    """Each file is imported by one of the files before it, so a reader can follow the calls."""
    [path] = re.findall(r"To read `gan train mnist` .*?:\n(.*?)\n\n", CONTRIBUTING, re.DOTALL)
    files = re.findall(r"`([^`]+)`", path)
    assert len(files) <= 10
    edges, reached = rooms.imports(), {files[0]}
    for file in files:
        assert file in reached, file
        assert len(rooms.sources()[file].read_text(encoding="utf-8").splitlines()) <= 400
        reached |= edges[file].union(*(edges[package] for package in edges[file] if package.endswith("/__init__")))


TOGETHER = '''"""Tests all five examples in one run."""

from pathlib import Path

import gan
from gan.cli.main import main
from gan.evaluation.metrics import BrightnessGap


def test_all_parts_in_one_run(tmp_path):
    assert Path(gan.__file__).parents[1] == Path(__file__).parents[2]
    options = "dragan --dataset mnist5k --loss squared_hinge --penalties zero_gp --arch upsampling --probe none"
    sizes = "--batch-size 8 --latent-dim 4 --g-width 4 --d-width 4 --images 16 --eval-every 8"
    assert main(["train", *options.split(), *sizes.split(), "--output", str(tmp_path / "run")]) == 0
    assert gan.load_generator(str(tmp_path / "run")).output_shape == (None, 28, 28, 1)


def test_the_metric_in_evaluate(digits):
    from helpers.tiny import small_gan

    model = small_gan(metrics=[BrightnessGap()])
    found = model.evaluate(digits.test.batches(8, steps=2), verbose=0, return_dict=True)
    assert -2 < found["brightness_gap"] < 2
'''

SELECTED_TESTS = [
    "tests/project/test_together.py",
    "tests/project/test_rooms.py",
    "tests/models/test_losses.py",
    "tests/models/test_penalties.py",
    "tests/evaluation/test_metrics.py::test_brightness_gap_is_the_difference_of_the_means",
    "tests/models/test_networks.py::test_upsampling_has_no_transposed_convolution",
    "tests/config/test_presets.py::test_it_has_the_parts_of_its_paper[dragan]",
    "tests/config/test_config.py::test_literals_match_the_registries",
    "tests/config/test_config.py::test_presets_name_their_source_and_survive_json",
    "tests/project/test_pages.py::test_all_presets_are_listed",
]
"""Tests of the examples, and quick tests that iterate over the dicts of parts."""


def apply(recipe: str, tree: Path) -> None:
    """Applies a recipe: files follow `---`; hunks follow `@@` and are located by their lines without `+`."""
    for part in re.split(r"^--- ", recipe, flags=re.MULTILINE)[1:]:
        name, _, body = part.partition("\n")
        file = tree / name
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        for hunk in body.split("@@\n"):
            lines = hunk.splitlines(keepends=True)
            old, new = ("".join(line[1:] for line in lines if line[0] in kinds) for kinds in (" -", " +"))
            assert f"\n{text}".count(f"\n{old}") == 1 or not text, f"{name} does not contain this exactly once:\n{old}"
            text = f"\n{text}".replace(f"\n{old}", f"\n{new}", 1)[1:]
        file.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Path of a copy of this tree, with all recipes applied."""
    copy = tmp_path_factory.mktemp("recipes") / "tree"
    for folder in ("gan", "tests", "docs"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ROOT.iterdir():
        if file.suffix in (".cfg", ".toml", ".md"):
            shutil.copy(file, copy)
        elif (
            file.name not in ("gan", "tests", "docs")
            and not file.name.startswith(".")
            and not (copy / file.name).exists()
        ):
            (copy / file.name).symlink_to(file)
    for recipe in RECIPES:
        apply(recipe, copy)
    (copy / "tests" / "project" / "test_together.py").write_text(TOGETHER, encoding="utf-8")
    return copy


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env={**os.environ, **OFFLINE, "PYTHONPATH": str(cwd)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_code_block_is_of_a_tested_kind():
    assert {language for language, _ in BLOCKS} == {"sh", "mermaid", "diff"}
    assert len(RECIPES) == 5
    for recipe in RECIPES:
        assert len(re.findall(r"^\+.*\S", recipe, re.MULTILINE)) < 20, recipe
        assert "--- tests/" in recipe


def test_recipes_pass_the_linter(tree):
    python = [file for recipe in RECIPES for file in re.findall(r"^--- (.*\.py)$", recipe, re.MULTILINE)]
    for command in (["check"], ["format", "--check"]):
        run(sys.executable, "-m", "ruff", *command, *sorted(set(python)), cwd=tree)


@pytest.mark.slow  # the linter of the recipes, above, is the stand-in
def test_recipes_work(tree):
    printed = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SELECTED_TESTS, cwd=tree)
    assert "skipped" not in printed


def test_room_diagram_matches_the_imports():
    assert rooms.with_diagram(CONTRIBUTING) == CONTRIBUTING, "run: python tests/helpers/rooms.py"


@pytest.mark.parametrize(
    "command",
    [pytest.param("train", marks=pytest.mark.slow), "sample", pytest.param("evaluate", marks=pytest.mark.slow)],
)
def test_listed_files_match_the_files_that_a_command_calls(command, fork_server, tmp_path):
    arguments = {
        "train": [*TOY, "--output", "run"],
        "sample": ["mnist", "--num", 8],
        "evaluate": ["mnist", "--num", 300, "--dataset", "mnist5k", "--output", "report"],
    }[command]
    script = str(Path(called_files.__file__))
    status, printed = fork_server.run(command, *arguments, output=tmp_path / "output", script=script)
    assert status in (0, 3, 4), printed
    files = json.loads(printed.splitlines()[-1])
    paragraph = re.search(rf"^`gan {command}`:\n(.*?)\n\n", CONTRIBUTING, re.DOTALL | re.MULTILINE)[1]
    assert set(re.findall(r"`([\w/]+)`", paragraph)) == set(files), called_files.paragraph(files)


def test_commands_run(tree):
    lines = "".join(text for language, text in BLOCKS if language == "sh").splitlines()
    for program, *arguments in (shlex.split(line, comments=True) for line in lines):
        if program == "make":
            run("make", "--dry-run", *arguments, cwd=ROOT)
        elif program == ".venv/bin/pytest":
            run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, cwd=tree)
        elif arguments[0] == "tests/helpers/same_results.py":
            run(sys.executable, arguments[0], "--help", cwd=tree)
        else:
            assert program == ".venv/bin/python"
            run(sys.executable, *arguments, cwd=tree)
            assert (tree / "CONTRIBUTING.md").read_text(encoding="utf-8").count("-->") > 10
