"""`gan data emoji` builds a data set that `load_dataset` loads, or leaves everything as it was."""

import json
import re
import shutil

import numpy as np
import pytest
from helpers.commands import ROOT, run_gan
from helpers.emoji_packages import COMMITTED, FOOD, RED, SMILEYS, write_package

import gan
from gan.cli.main import main
from gan.data import images
from gan.data.sources import emoji_set
from gan.data.sources.emoji_selection import CATEGORIES, split_of
from gan.data.sources.emoji_set import EmojiOptions, build_emoji, emoji_folder
from gan.errors import InputError
from gan.saving import files

PARTS = {"train": 88, "validation": 16, "test": 24}


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory):
    """The folder of data sets, in which the command has built `emoji`."""
    folder = tmp_path_factory.mktemp("data")
    environment = {"GAN_DATA_DIR": str(folder), "PYTHONPROFILEIMPORTTIME": "1"}
    made = run_gan("data", "emoji", "--from", COMMITTED, "--categories", *CATEGORIES, "--json", env=environment)
    assert made.returncode == 0
    assert {line.partition(":")[0] for line in made.stderr.splitlines()} == {"import time"}
    assert not re.search(r"\| +(tensorflow|keras)$", made.stderr, re.MULTILINE)
    (folder / "printed.json").write_text(made.stdout, encoding="utf-8")
    return folder


@pytest.fixture
def built(data_folder, monkeypatch):
    monkeypatch.setenv("GAN_DATA_DIR", str(data_folder))
    return data_folder / "emoji"


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def about(folder):
    return files.read_json(folder / "about.json")


def test_the_command_prints_what_it_has_built(built):
    printed = files.read_json(built.parent / "printed.json")
    assert (printed["folder"], printed["images"], printed["emoji"], printed["splits"]) == (str(built), 128, 64, PARTS)
    assert printed["train"] == "gan train --dataset emoji"
    assert printed["sha256"] == files.sha256(built / "images.npz")


def test_the_result_is_a_dataset(built):
    dataset = gan.load_dataset("emoji")
    described = dataset.describe()
    assert (described.name, described.image_shape, described.num_classes) == ("emoji", (32, 32, 3), 4)
    assert described.class_names == ("smileys", "animals", "food", "travel")
    assert {name: len(split) for name, split in dataset.splits.items()} == PARTS
    assert dataset.title == "emoji"
    assert gan.load_dataset("emoji-32").fingerprint == dataset.fingerprint


def test_the_options_of_data_work_on_it(built):
    dataset = gan.load_dataset("emoji", image_size=16, channels=1)
    assert dataset.image_shape == (16, 16, 1)


def test_no_emoji_is_in_two_splits_and_no_two_images_are_equal(built):
    with np.load(built / "images.npz") as arrays:
        names = {end: set(arrays[f"names_{end}"].tolist()) for end in ("train", "val", "test")}
        pixels = [image.tobytes() for end in names for image in arrays[f"x_{end}"]]
        assert arrays["x_train"][0, 0, 0].tolist() == [255, 255, 255]
    assert sum(map(len, names.values())) == len(set.union(*names.values())) == 64
    assert len(set(pixels)) == len(pixels) == 128


def test_the_record_says_where_everything_comes_from(built):
    record = about(built)
    assert record["counts"] == {
        "category": {"smileys": 32, "animals": 32, "food": 32, "travel": 32},
        "style": {"noto": 64, "fluent-emoji-flat": 64},
        "split": PARTS,
    }
    assert record["sha256"] == files.sha256(built / "images.npz")
    assert [(part["version"], part["license"]) for part in record["packages"]] == [
        ("1.2.9", "Apache-2.0"),
        ("1.2.6", "MIT"),
    ]
    frog = next(emoji for emoji in record["emoji"] if emoji["name"] == "frog")
    assert frog == {
        "name": "frog",
        "key": "1f438",
        "category": "animals",
        "unicode_category": "Animals & Nature",
        "split": "train",
        "styles": ["noto", "fluent-emoji-flat"],
    }
    assert set(record["versions"]) == {"gan-reference", "resvg-py", "numpy", "pillow"}


def test_the_notice_names_authors_and_licenses(built):
    notice = (built / "NOTICE.txt").read_text(encoding="utf-8")
    for named in ("Noto Emoji by Google Inc", "Apache-2.0", "Microsoft Corporation", "license MIT", "1.2.6"):
        assert named in notice


def test_the_notice_says_what_creative_commons_asks_for(tmp_path):
    licenses = {"twemoji": "CC-BY-4.0", "openmoji": "CC-BY-SA-4.0"}
    for style, license in licenses.items():
        path = shutil.copytree(COMMITTED / "noto", tmp_path / "from" / style)
        info = {
            "name": style,
            "author": {"name": "X"},
            "license": {"title": license, "spdx": license, "url": "https://y"},
        }
        (path / "info.json").write_text(json.dumps(info), encoding="utf-8")
        (path / "package.json").write_text(
            json.dumps({"name": f"@iconify-json/{style}", "version": "1"}), encoding="utf-8"
        )
    folder, record = build_emoji(
        EmojiOptions(styles=tuple(licenses), categories=tuple(CATEGORIES)), tmp_path / "out", source=tmp_path / "from"
    )
    notice = (folder / "NOTICE.txt").read_text(encoding="utf-8")
    assert "openmoji by X, license CC-BY-SA-4.0, https://y" in notice
    assert notice.count("name the author and the license with its address") == 2
    assert notice.count("under this license only") == 1
    assert (record.images, record.left_out) == (64, {"copies of another picture": 64})


def test_the_sheet_shows_training_images_of_each_class(built):
    sheet = np.asarray(images.decode_image(built / "sheet.png").convert("RGB"))
    assert sheet.shape == (2 * (4 * 34 + 2), 2 * (16 * 34 + 2), 3)
    train = gan.load_dataset("emoji").train
    for label in range(4):
        top = 2 * (2 + 34 * label)
        first = sheet[top : top + 64 : 2, 4 : 4 + 64 : 2]
        np.testing.assert_array_equal(first, train.images[train.labels == label][0])


def test_the_pixels_are_the_same_each_time(built, tmp_path):
    folder, record = build_emoji(EmojiOptions(categories=tuple(CATEGORIES)), tmp_path / "again", source=COMMITTED)
    assert content(folder) == content(built)
    assert record.pixels_sha256 == about(built)["pixels_sha256"]


def test_fewer_styles_and_categories_do_not_move_an_emoji(built, tmp_path):
    options = EmojiOptions(size=16, styles=("noto",), categories=("food",))
    record = build_emoji(options, tmp_path / "less", source=COMMITTED)[1]
    all_splits = {emoji["name"]: emoji["split"] for emoji in about(built)["emoji"]}
    assert len(record.emoji) == 16
    assert all(emoji.split == all_splits[emoji.name] for emoji in record.emoji)


def test_the_classes_can_be_the_styles(tmp_path):
    folder, _ = build_emoji(EmojiOptions(labels="style"), tmp_path / "styles", source=COMMITTED)
    dataset = gan.load_dataset(folder / "images.npz")
    assert dataset.class_names == ("noto", "fluent-emoji-flat")
    with np.load(folder / "images.npz") as arrays:
        styles = np.array(dataset.class_names)[arrays["y_train"]]
        np.testing.assert_array_equal(styles, arrays["styles_train"])


def test_each_size_has_a_folder_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setenv("GAN_DATA_DIR", str(tmp_path))
    assert (emoji_folder(32), emoji_folder(64)) == (tmp_path / "emoji", tmp_path / "emoji-64")
    monkeypatch.delenv("GAN_DATA_DIR")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert emoji_folder(32) == tmp_path / "gan-reference" / "emoji"


@pytest.mark.parametrize(("name", "command"), [("emoji", "gan data emoji`"), ("emoji-48", "gan data emoji --size 48`")])
def test_a_data_set_that_is_not_built_names_the_command(monkeypatch, tmp_path, name, command):
    monkeypatch.setenv("GAN_DATA_DIR", str(tmp_path))
    with pytest.raises(InputError, match=rf"not drawn yet\. Expected `{command}.*no file {tmp_path}"):
        gan.load_dataset(name)


@pytest.mark.parametrize("name", ["emoji-8", "emoji-512"])
def test_a_size_that_is_not_offered_is_refused(name):
    with pytest.raises(InputError, match="N from 16 to 256"):
        gan.load_dataset(name)


@pytest.fixture
def old(tmp_path, built):
    """A copy of the built data set, in a folder in which nothing else is."""
    return shutil.copytree(built, tmp_path / "place" / "emoji")


def test_a_data_set_is_replaced(old):
    folder, _ = build_emoji(EmojiOptions(size=16), old, source=COMMITTED)
    assert (folder, about(old)["size"]) == (old, 16)
    assert [path.name for path in old.parent.iterdir()] == ["emoji"]


def test_an_empty_folder_is_filled_and_a_link_is_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    folder, _ = build_emoji(EmojiOptions(size=16), tmp_path / "link", source=COMMITTED)
    assert folder == tmp_path / "real"
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("name", ["notes.txt", "about.json"])
def test_a_folder_with_other_content_is_refused(tmp_path, name):
    (tmp_path / name).write_text("{}", encoding="utf-8")
    before = content(tmp_path)
    with pytest.raises(InputError, match=r"other content\. Expected a new or empty folder"):
        build_emoji(EmojiOptions(), tmp_path, source=COMMITTED)
    assert content(tmp_path) == before


def test_a_data_set_with_another_file_in_it_is_refused(old):
    (old / "my-notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="other content"):
        build_emoji(EmojiOptions(), old, source=COMMITTED)


def test_a_file_is_refused_as_output(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="The output is a file"):
        build_emoji(EmojiOptions(), tmp_path / "file", source=COMMITTED)


def held_out_names():
    """Returns two names that are not for training."""
    return [name for name in map("food{}".format, range(40)) if split_of(name) != "train"][:2]


def broken(folder, count, food=()):
    """Writes a package of 100 smileys, of which `count` are damaged, and of foods. All others differ."""
    names = [f"icon-{number}" for number in range(100)]
    icons = {name: {"body": RED.replace("#f00", f"#{number + 1:02x}0000")} for number, name in enumerate(names)}
    icons |= {name: {"body": "<g>"} for name in names[:count]}
    icons |= {name: {"body": RED.replace("#f00", f"#00{number + 1:02x}00")} for number, name in enumerate(food)}
    return write_package(folder, "noto", {SMILEYS: names, FOOD: list(food)}, files={"icons": {"icons": icons}}).parent


def test_one_icon_of_a_hundred_that_does_not_draw_is_left_out(tmp_path):
    options = EmojiOptions(size=16, styles=("noto",))
    record = build_emoji(options, tmp_path / "out", source=broken(tmp_path / "from", 1))[1]
    assert (record.images, record.left_out) == (99, {"not drawn": 1})
    assert record.not_drawn[0].startswith("'icon-0' of @iconify-json/noto: mismatched tag")


def test_icons_that_do_not_draw_are_refused_by_name(tmp_path, old):
    before = content(old)
    with pytest.raises(InputError, match=r"Icons do not draw.*1% of 100.*2, such as 'icon-0' of @iconify-json/noto"):
        build_emoji(EmojiOptions(styles=("noto",)), old, source=broken(tmp_path / "from", 2))
    assert content(old) == before
    assert [path.name for path in old.parent.iterdir()] == ["emoji"]


def test_a_split_without_emoji_is_refused(tmp_path):
    write_package(tmp_path, "noto", {SMILEYS: ["a"]})
    with pytest.raises(InputError, match=r"Too few emoji\. Expected emoji in each.*1 pictures, none for"):
        build_emoji(EmojiOptions(styles=("noto",)), tmp_path / "out", source=tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_class_without_a_training_image_is_refused(tmp_path):
    options = EmojiOptions(size=16, styles=("noto",))
    with pytest.raises(InputError, match=r"Too few emoji\. Expected a training image of each class.*none of food"):
        build_emoji(options, tmp_path / "out", source=broken(tmp_path / "from", 0, food=held_out_names()))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("failure", [OSError("no space left on device"), SystemExit(143), KeyboardInterrupt()])
@pytest.mark.parametrize("at", ["savez_compressed", "rename"])
def test_a_failure_while_writing_leaves_the_old_data_set(old, monkeypatch, at, failure):
    def fail(path, *arguments, **more):
        if at == "rename" and path.name != "draft":
            return rename(path, *arguments)
        raise failure

    before, rename = content(old), emoji_set.Path.rename
    monkeypatch.setattr(emoji_set.Path if at == "rename" else np, at, fail)
    with pytest.raises(type(failure)):
        build_emoji(EmojiOptions(size=16), old, source=COMMITTED)
    assert content(old) == before
    assert [path.name for path in old.parent.iterdir()] == ["emoji"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--size", "8"], "gan: Bad `size`. Expected a whole number from 16 to 256. Received: size=8.\n"),
        (["--from", "missing"], "gan: No such folder of packages."),
        (["--from", ROOT / "docs"], "gan: No package of the style noto."),
        ([], "gan: npm is not installed. Expected the package of `npm pack @iconify-json/noto@1.2.9`"),
        (["--from", COMMITTED, "--output", __file__], "gan: The output is a file."),
    ],
)
def test_bad_input_is_one_line_and_status_2(monkeypatch, tmp_path, capsys, arguments, reason):
    for variable in ("PATH", "GAN_DATA_DIR", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.chdir(tmp_path)
    assert main(["data", "emoji", *map(str, arguments)]) == 2
    stderr = capsys.readouterr().err
    assert stderr.startswith(reason)
    assert stderr.count("\n") == 1
    assert not (tmp_path / "GAN_DATA_DIR").exists()


def test_the_help_is_found_under_data(capsys):
    with pytest.raises(SystemExit):
        main(["data", "--help"])
    assert "data emoji" in capsys.readouterr().out
    assert main(["data"]) == 2
    assert "gan data --help" in capsys.readouterr().err
