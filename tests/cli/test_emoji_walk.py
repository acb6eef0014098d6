"""The commands that docs/color.md begins with, as a new user runs them, with few steps."""

import re
import shlex

import pytest
from helpers.commands import ROOT, run_gan
from helpers.documented_commands import TINY
from helpers.emoji_packages import COMMITTED
from PIL import Image

SHORT = {
    "data": f"--from {COMMITTED}",
    "train": TINY,
    "sample": "--num 9",
    "train-classifier": "--width 4 --blocks 1 --epochs 1 --batch-size 16",
    "evaluate": "--num 8",
}
"""Name of a command -> options that shorten it."""


@pytest.mark.slow
def test_each_command_of_the_walk_leaves_a_picture(tmp_path):
    page = (ROOT / "docs" / "color.md").read_text(encoding="utf-8")
    block = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)[0]
    commands = [shlex.split(line, comments=True)[1:] for line in block.splitlines()]
    assert [words[0] for words in commands] == [*SHORT, "train"]
    environment = {"GAN_DATA_DIR": str(tmp_path / "data")}
    for words in commands:
        done = run_gan(*words, *shlex.split(SHORT[words[0]]), cwd=tmp_path, env=environment)
        assert done.returncode == 0, done.stderr
    pictures = ["data/emoji/sheet.png", "emoji.png", "runs/00001-emoji/samples/000000032.png"]
    pictures += ["runs/00002-emoji/samples/000000032.png"]
    for picture in pictures:
        with Image.open(tmp_path / picture) as opened:
            assert min(opened.size) > 64
    assert (tmp_path / "runs" / "00001-emoji" / "report.html").is_file()
    assert "discriminator" in done.stderr + done.stdout
