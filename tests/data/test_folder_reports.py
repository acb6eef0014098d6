"""Tests what a folder of images says about itself, and the kinds of folders and files that are accepted."""

import json
import os
import sys
import types
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from helpers.painting import paint_noise
from PIL import Image

from gan.data import images
from gan.data.load import load_dataset
from gan.data.sources import listing
from gan.data.sources.label_file import UnusableError, label_files, read_labels
from gan.errors import InputError
from gan.saving import zip_safety

WHITE = np.full((16, 16), 255, np.uint8)


def write(folder, arrays, suffix=".png"):
    """Writes arrays as image files."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, array in enumerate(arrays):
        Image.fromarray(array).save(folder / f"{number}{suffix}")
    return folder


def gradients(most, dtype=np.uint8, count=12):
    """Returns images [16, 16] with values from 0 to `most`, all different."""
    base = np.linspace(0, most, 256).reshape(16, 16)
    return [np.roll(base, number).astype(dtype) for number in range(count)]


def load_and_listen(*arguments, **options):
    """Returns a dataset and the messages of its warnings."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        dataset = load_dataset(*arguments, **options)
    return dataset, [str(one.message) for one in said]


def pixels(dataset):
    return np.concatenate([part.images for part in dataset.splits.values()])


def labels(dataset):
    return np.concatenate([part.labels for part in dataset.splits.values()])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (gradients(4095, np.uint16), r"reach 4,095 of 65,535.*12 bits, use --pixel-range 0 4095"),
        (gradients(1023, np.uint16), r"10 bits, use --pixel-range 0 1023"),
        (gradients(1), r"from 0 to 1 of 0 to 255, almost black. --pixel-range 0 1"),
        (gradients(15), r"from 0 to 15.*--pixel-range 0 15"),
        ([image // 8 + 200 for image in gradients(255)], r"from 200 to 231 of 0 to 255. --pixel-range 200 231"),
        ([WHITE * 0] * 12, "All pixels of all images have the value 0"),
        ([WHITE] * 12, "All pixels of all images have the value 255"),
        ([np.full((16, 16), 20 * number, np.uint8) for number in range(12)], "Each image has a single color"),
    ],
)
def test_reports_an_unusual_range(tmp_path, arrays, message):
    with pytest.warns(UserWarning, match=message):
        load_dataset(write(tmp_path, arrays))


@pytest.mark.parametrize(("most", "dtype"), [(4095, np.uint16), (1, np.uint8), (70_000, np.int32), (0.5, np.float32)])
def test_pixel_range_maps_the_range_to_all_bytes(tmp_path, most, dtype):
    dataset = load_dataset(write(tmp_path, gradients(most, dtype), ".tif"), pixel_range=(0, most))
    assert (pixels(dataset).min(), pixels(dataset).max()) == (0, 255)
    expected = images.scale(gradients(most, dtype)[0], (0, most))
    assert expected.tobytes() in {image.tobytes() for image in pixels(dataset)}


def test_scale_is_linear_rounds_and_clips():
    values = np.array([-5.0, 0, 1, 2, 4, 9])
    np.testing.assert_array_equal(images.scale(values, (0, 4)), [0, 0, 64, 128, 255, 255])
    values[2] = np.nan
    with pytest.raises(InputError, match="Received: 1 NaN"):
        images.scale(values, (0, 4))


def test_refuses_a_folder_beside_the_splits(tmp_path):
    for sub in ("train/a", "train/b", "val/a", "val/b", "unlabeled"):
        write(tmp_path / sub, gradients(255))
    with pytest.raises(InputError, match=r"A folder beside the splits.*unlabeled"):
        load_dataset(tmp_path)


def test_full_range_images_are_not_reported(tmp_path):
    load_dataset(write(tmp_path / "8", gradients(255)))  # any warning fails a test
    load_dataset(write(tmp_path / "16", gradients(65_535, np.uint16)))


def test_gray_is_the_luma_of_pillow():
    color = np.random.default_rng(0).integers(0, 256, (2, 50, 40, 3), np.uint8)
    expected = [np.asarray(Image.fromarray(image).convert("L")) for image in color]
    np.testing.assert_array_equal(images.to_gray(color)[..., 0], expected)


def drawings(count=12):
    """Returns black discs of different positions on a transparent ground, RGBA."""
    rows, columns = np.mgrid[:16, :16]
    discs = [np.hypot(rows - 8, columns - number) < 5 for number in range(count)]
    return [np.dstack([WHITE * 0] * 3 + [disc * np.uint8(255)]) for disc in discs]


def test_transparent_parts_get_the_background(tmp_path):
    folder = write(tmp_path, drawings())
    dataset, said = load_and_listen(folder)
    assert pixels(dataset).max() == 0
    assert [message.partition(" (")[0] for message in said] == [
        "12 of 12 images have transparent parts, which became black",
        "All pixels of all images have the value 0 of 0 to 255",
    ]
    dataset, said = load_and_listen(folder, background="#fff")
    assert (pixels(dataset).max(), said) == (255, [])
    assert load_and_listen(folder, background="black")[1] == ["All pixels of all images have the value 0 of 0 to 255"]


def test_counts_left_out_files_by_kind(tmp_path, monkeypatch):
    monkeypatch.setattr(listing.images, "register_heif", lambda: False)
    paint_noise(tmp_path, 12)
    for number in range(20):
        (tmp_path / f"IMG_{number}.HEIC").write_bytes(b"x")
    for name in ("labels.csv", "dataset.json", ".DS_Store", "Thumbs.db", "desktop.ini", "LICENSE"):
        (tmp_path / name).write_text("a,b")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX/0.png").write_text("")
    _, said = load_and_listen(tmp_path)
    assert said == [
        "The labels are not used: labels.csv: its first line is 'a,b'",
        f"23 of 35 files in {tmp_path} are not images, and are left out: 20 .heic (pip install pillow-heif), "
        "1 without a suffix (LICENSE), 1 .json (dataset.json), 1 .csv (labels.csv)",
    ]


def test_an_error_about_no_images_names_the_files(tmp_path):
    (tmp_path / "film.mp4").write_text("")
    with pytest.raises(InputError, match=r"No images in this folder.*with 1 \.mp4 \(film\.mp4\)"):
        load_dataset(tmp_path)
    with pytest.raises(InputError, match=r"This file is not a dataset.*a \.zip, \.csv, \.npz or \.npy"):
        load_dataset(tmp_path / "film.mp4")


def test_reports_subfolders_without_images(tmp_path):
    for name in ("a", "b"):
        paint_noise(tmp_path / name, 12)
    (tmp_path / "c").mkdir()
    with pytest.warns(UserWarning, match="sub-folders without images, which are no classes: c"):
        assert load_dataset(tmp_path).class_names == ("a", "b")


UNREADABLE = {
    "text": ("This file is not an image", lambda file: file.write_text("not an image")),
    "empty": ("This file is empty", lambda file: file.write_bytes(b"")),
    "cut": ("This image is damaged", lambda file: file.write_bytes(file.read_bytes()[:200])),
    "header": ("This image is damaged", lambda file: file.write_bytes(file.read_bytes()[:12])),
    "link": ("This link leads nowhere", lambda file: (file.unlink(), file.symlink_to("missing.png"))),
    "large": ("This image is too large", lambda file: Image.new("1", (8_000, 7_000)).save(file)),
    "float": (
        "The pixels of this image have an unknown range",
        lambda file: Image.fromarray(WHITE / np.float32(255)).save(file, "TIFF"),
    ),
    "byte": ("This file is not an image", lambda file: file.write_text("x")),
    "pipe": ("This is not a regular file", lambda file: (file.unlink(), os.mkfifo(file))),
    "heic": ("HEIC needs the package pillow-heif", lambda file: file.write_bytes(b"\0\0\0\x18ftypheic" + b"\0" * 20)),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_each_unreadable_file_has_its_own_words(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(images, "register_heif", lambda: False)
    problem, spoil = UNREADABLE[kind]
    paint_noise(tmp_path, 12)
    spoil(tmp_path / "003.png")
    with pytest.raises(InputError, match=problem):
        images.open_image(tmp_path / "003.png")
    with pytest.warns(UserWarning, match=rf"skipped: 1 of 12 \(8\.33%\)\. {problem}.*: 003\.png$"):
        dataset = load_dataset(tmp_path, corrupt_share=0.1)
    assert len(pixels(dataset)) == 11


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file")
def test_a_protected_file_is_not_called_damaged(tmp_path):
    paint_noise(tmp_path, 1)
    (tmp_path / "000.png").chmod(0)
    with pytest.raises(InputError, match="This file cannot be read"):
        images.open_image(tmp_path / "000.png")


@pytest.mark.parametrize("path", [None, 7, b"x.png", ["x.png"], "a\0b.png", "x" * 5_000])
def test_open_image_rejects_what_is_not_a_path(path):
    with pytest.raises(InputError):
        images.open_image(path)


def test_reports_files_of_several_frames(tmp_path):
    paint_noise(tmp_path, 12, suffix=".gif", channels=1)
    frames = [Image.fromarray(image) for image in gradients(255, count=3)]
    frames[0].resize((32, 32)).save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    with pytest.warns(UserWarning, match=r"Only the first frame is used.*: film\.gif: 3$"):
        load_dataset(tmp_path)


def test_reads_heif_when_the_package_is_there(tmp_path, monkeypatch):
    images.register_heif.cache_clear()
    calls = []
    stand_in = types.SimpleNamespace(register_heif_opener=lambda: calls.append(1))
    monkeypatch.setitem(sys.modules, "pillow_heif", stand_in)
    assert listing.is_image_name("IMG_1.HEIC")
    assert calls == [1]
    images.register_heif.cache_clear()
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert not listing.is_image_name("IMG_1.HEIC")
    images.register_heif.cache_clear()


def test_a_real_heif_file(tmp_path):
    pytest.importorskip("pillow_heif")
    images.register_heif.cache_clear()
    assert images.register_heif()
    for number in range(12):
        noise = np.random.default_rng(number).integers(0, 256, (32, 32, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{number}.heic", quality=-1)
    assert load_dataset(tmp_path).image_shape == (32, 32, 3)


def test_avif_is_read(tmp_path):
    paint_noise(tmp_path, 12, suffix=".AVIF")
    assert load_dataset(tmp_path).image_shape == (32, 32, 3)


@pytest.mark.parametrize(
    "names",
    [
        [str(number) for number in range(12)],
        ["1", "2", "10"],
        ["a2b", "a10b", "b"],
        ["01", "1", "2"],
        ["B", "a", "a-b", "a1"],
    ],
)
def test_classes_are_in_natural_order(tmp_path, names):
    for number, name in enumerate(names):
        paint_noise(tmp_path / name, 6, first=10 * number, size=(8, 8))
    dataset, _ = load_and_listen(tmp_path)
    assert list(dataset.class_names) == names
    assert np.bincount(labels(dataset)).tolist() == [6] * len(names)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_label_file_that_names_all_images_is_used(tmp_path, separator):
    paint_noise(tmp_path, 12)
    rows = [f"{number:03d}.png{separator}{('cat', 'dog, big')[number % 2]!r}" for number in range(12)]
    text = "\n".join([f"file{separator}label", *rows]).replace("'", '"')
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8-sig")
    dataset = load_dataset(tmp_path)
    assert dataset.class_names == ("cat", "dog, big")
    odd = {np.random.default_rng(n).integers(0, 256, (32, 32, 3)).astype(np.uint8).tobytes() for n in range(1, 12, 2)}
    assert [image.tobytes() in odd for image in pixels(dataset)] == (labels(dataset) == 1).tolist()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("file,label\n000.png,1\n", "it labels 1 of 12 images"),
        ("a,b\n", "its first line is 'a,b'"),
        ("", "its first line is ''"),
        ("file,label\n000.png,1\n000.png,2\n", "it gives 000.png two labels"),
        ("file,label\n" + "".join(f"{n:03d}.png,x\n" for n in range(12)), "it has a single class: x"),
    ],
)
def test_a_label_file_that_is_not_used_is_named(tmp_path, text, reason):
    paint_noise(tmp_path, 12)
    (tmp_path / "labels.csv").write_text(text)
    dataset, said = load_and_listen(tmp_path)
    assert dataset.num_classes == 0
    assert said[0] == f"The labels are not used: labels.csv: {reason}"
    with pytest.raises(InputError):
        label_files(tmp_path / "labels.csv", sorted(tmp_path.glob("*.png")), read_labels(tmp_path / "labels.csv"))


def test_a_csv_file_as_dataset_labels_images_below_its_folder(tmp_path):
    paint_noise(tmp_path / "pictures", 14)
    rows = "".join(f"pictures\\{number:03d}.png,{number % 3}\n" for number in range(12))
    (tmp_path / "any.CSV").write_text(f"filename,class\n{rows}gone.png,1\n")
    dataset, said = load_and_listen(tmp_path / "any.CSV")
    assert (dataset.class_names, len(labels(dataset))) == (("0", "1", "2"), 12)
    assert said == [
        "1 files in any.CSV do not exist: gone.png",
        "2 images without a label in any.CSV are left out",
        *(message for message in said if "too small" in message),
    ]
    (tmp_path / "any.CSV").write_text("file,label\ngone.png,1\n")
    with pytest.raises(InputError, match=r"No labeled image.*gone\.png"):
        load_dataset(tmp_path / "any.CSV")


def pack(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_a_zip_file_is_the_folder_that_it_holds(tmp_path):
    for number, name in enumerate(("a", "b")):
        paint_noise(tmp_path / "set" / name, 12, first=20 * number)
    files = {str(file.relative_to(tmp_path)): file.read_bytes() for file in sorted((tmp_path / "set").rglob("*.png"))}
    extra = {"__MACOSX/set/a/._000.png": b"x", "set/.DS_Store": b"x", "set/notes.txt": b"x"}
    path = pack(tmp_path / "set.ZIP", files | extra)
    whole = load_dataset(tmp_path / "set")
    dataset, said = load_and_listen(path)
    assert (dataset.name, dataset.class_names, dataset.fingerprint) == (str(path), ("a", "b"), whole.fingerprint)
    assert said == [f"1 of 25 files in {path} are not images, and are left out: 1 .txt (notes.txt)"]


def test_a_zip_file_may_have_backslashes(tmp_path):
    paint_noise(tmp_path / "set", 12)
    files = {f"set\\{'ab'[n % 2]}\\{n}.png": (tmp_path / f"set/{n:03d}.png").read_bytes() for n in range(12)}
    assert load_dataset(pack(tmp_path / "set.zip", files)).class_names == ("a", "b")


@pytest.mark.parametrize("name", ["../x.png", "/x.png", "a\\..\\..\\x.png", "c:/x.png"])
def test_rejects_a_zip_file_that_writes_elsewhere(tmp_path, name):
    with pytest.raises(InputError, match=r"not safe.*outside the folder"):
        load_dataset(pack(tmp_path / "x.zip", {name: b"x"}))


def test_rejects_links_bombs_and_damage_in_a_zip_file(tmp_path, monkeypatch):
    link = zipfile.ZipInfo("link.png")
    link.external_attr = 0o120777 << 16
    with pytest.raises(InputError, match=r"a link: link\.png"):
        load_dataset(pack(tmp_path / "x.zip", {link: b"/etc/passwd"}))
    (tmp_path / "y.zip").write_text("no archive")
    with pytest.raises(InputError, match="This zip file is damaged"):
        load_dataset(tmp_path / "y.zip")
    with pytest.raises(InputError, match="No such zip file"):
        load_dataset(tmp_path / "z.zip")
    with pytest.raises(InputError, match=r"No images in this folder.*empty\.zip"):
        load_dataset(pack(tmp_path / "empty.zip", {}))
    monkeypatch.setattr(zip_safety, "SPARE_BYTES", 0)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.png", bytes(100_000))
    with pytest.raises(InputError, match="unpacks to far more"):
        load_dataset(tmp_path / "bomb.zip")


def test_npy_files_complete_their_layout(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (24, 6, 5), np.uint8)
    np.save(tmp_path / "images.npy", noise)
    assert load_dataset(tmp_path / "images.npy").num_classes == 0
    np.save(tmp_path / "labels.npy", np.arange(24) % 3)
    dataset = load_dataset(tmp_path / "images.npy")
    assert (dataset.image_shape, dataset.num_classes) == ((6, 5, 1), 3)
    for name, array in {"x_train": noise, "y_train": np.arange(24) % 2, "x_test": noise[:5], "y_test": [0] * 5}.items():
        np.save(tmp_path / f"{name}.npy", array)
    dataset = load_dataset(tmp_path / "x_train.npy")
    assert (len(dataset.test), dataset.num_classes) == (5, 2)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_arrays_of_floats_need_their_range(tmp_path, suffix):
    shares = np.linspace(0, 1, 24 * 30).reshape(24, 6, 5)
    path = tmp_path / f"images{suffix}"
    np.save(path, shares) if suffix == ".npy" else np.savez(path, images=shares)
    with pytest.raises(InputError, match=r"Bad range of `images`.*float64 from 0 to 1"):
        load_dataset(path)
    dataset = load_dataset(path, pixel_range=(0, 1))
    assert sorted(pixels(dataset).ravel()) == np.rint(shares.ravel() * 255).tolist()


def test_rejects_npy_files_that_hold_no_images(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(InputError, match="never unpickled"):
        load_dataset(tmp_path / "x.npy")
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(InputError, match="damaged"):
        load_dataset(tmp_path / "x.npy")
    np.save(tmp_path / "x.npy", np.zeros((4, 784), np.uint8))
    with pytest.raises(InputError, match=r"reshape\(-1, 28, 28\)"):
        load_dataset(tmp_path / "x.npy")
    with pytest.raises(InputError, match="No such array"):
        load_dataset(tmp_path / "y.npy")


@pytest.mark.parametrize("count", [3, 6, 9])
def test_few_images_are_split_with_a_warning(tmp_path, count):
    with pytest.warns(UserWarning, match=f"Only {count} images.*validation and test: numbers .* prove little"):
        dataset = load_dataset(paint_noise(tmp_path, count))
    assert all(len(part) for part in dataset.splits.values())
    assert len(pixels(dataset)) == count


def test_one_image_works_as_splits_of_its_own(tmp_path):
    with pytest.raises(InputError, match=r"at least 3.*which may hold the same images.*Received: 1"):
        load_dataset(paint_noise(tmp_path / "one", 1))
    for split in ("train", "validation", "test"):
        paint_noise(tmp_path / "three" / split, 1)
    assert [len(part) for part in load_dataset(tmp_path / "three").splits.values()] == [1, 1, 1]


def test_a_single_class_says_how_to_load_it(tmp_path):
    paint_noise(tmp_path / "my cats", 12)
    with pytest.raises(InputError, match=r"Only one class.*--dataset '.*/my cats'"):
        load_dataset(tmp_path)
    assert load_dataset(tmp_path / "my cats").num_classes == 0


def test_reports_classes_that_are_too_small(tmp_path):
    paint_noise(tmp_path / "a", 40)
    said = set()
    for number in range(12):  # the content decides which image is held out
        paint_noise(tmp_path / f"{number}" / "b", 1, first=100 + number)
        (tmp_path / f"{number}" / "a").symlink_to(tmp_path / "a")
        said |= set(load_and_listen(tmp_path / f"{number}")[1])
    held_out = "Classes without a training image, because their images are held out: b (1 image)"
    assert {message.partition(". ")[0] for message in said} == {
        held_out,
        "Classes too small for a validation image: b (1 image)",
        "Classes too small for a test image: b (1 image)",
    }


def test_class_names_that_are_not_utf_8_are_read_as_latin_1(tmp_path):
    for number, name in enumerate((b"caf\xe9", "\u00fc\U0001f600".encode(), b"new\nline")):
        paint_noise(Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)), 6, first=10 * number)
    names = load_dataset(tmp_path).class_names
    assert names == ("caf\u00e9", "new\nline", "\u00fc\U0001f600")
    assert json.loads(json.dumps(names, ensure_ascii=False).encode()) == list(names)


def test_a_name_of_several_images_is_no_label(tmp_path):
    (tmp_path / "labels.csv").write_text("file,label\n0.png,dog\n1.png,cat\n", encoding="utf-8")
    files = [tmp_path / name for name in ("u/0.png", "v/0.png", "v/1.png")]
    with pytest.raises(UnusableError, match=r"0\.png is the name of 2 images"):
        label_files(tmp_path / "labels.csv", files, read_labels(tmp_path / "labels.csv"))


def test_labels_without_an_image_are_reported(tmp_path):
    files = write(tmp_path, gradients(255))
    rows = "".join(f"{file.name},{'ab'[number % 2]}\n" for number, file in enumerate(sorted(files.glob("*.png"))))
    (tmp_path / "labels.csv").write_text(f"file,label\n{rows}missing.png,a\n", encoding="utf-8")
    with pytest.warns(UserWarning, match=r"labels\.csv has 1 labels without an image"):
        assert load_dataset(tmp_path).class_names == ("a", "b")
