"""`gan export --format web` writes a complete static folder, or nothing."""

import json
import os
import re
import stat
from importlib.resources import files as resources

import keras
import pytest
from helpers.exported_pages import STAND_IN, real_runtime, write_stand_in

from gan import InputError, build_generator
from gan.deployment import export_web, web, web_runtime
from gan.saving.engines.find import find_exported

PAGE = resources("gan.deployment") / "page"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A file with a generator of two classes, and a stand-in for the runtime."""
    folder = tmp_path_factory.mktemp("run")
    keras.utils.set_random_seed(0)
    build_generator((8, 8, 1), 4, 2, arch="mlp", width=8).save(folder / "small.keras")
    return folder / "small.keras", folder / "runtime", write_stand_in(folder / "runtime")


@pytest.fixture
def export(run, monkeypatch):
    """Exports the generator of `run` with the stand-in."""
    checkpoint, runtime, digests = run
    monkeypatch.setattr(web_runtime, "RUNTIME", digests)
    return lambda out, **options: export_web(checkpoint, out, **{"runtime": runtime, **options})


def test_a_page_is_complete_and_lists_its_files(export, tmp_path):
    page = export(tmp_path / "new" / "out", license="MIT")
    assert page.path == tmp_path / "new" / "out" / "small-web"
    assert list(page.path.parent.iterdir()) == [page.path]
    names = {path.name for path in page.path.iterdir()}
    assert names == {
        *(path.name for path in PAGE.iterdir()),
        *(name.replace(".mjs", ".js") for name in STAND_IN),
        web.MODEL,
        web.DESCRIPTION,
    }
    description = json.loads((page.path / web.DESCRIPTION).read_text())
    assert set(description["files"]) == names
    assert description["model"] == web.MODEL
    card = find_exported(page.path / web.MODEL).card
    assert description["card"] == card.as_dict() == page.model.card.as_dict()
    assert (card.format, card.license, card.num_classes, card.verdict) == ("onnx", "MIT", 2, None)
    assert page.bytes == sum(path.stat().st_size for path in page.path.iterdir())
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(page.path.stat().st_mode) == 0o777 & ~umask
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask for path in page.path.iterdir())


def test_a_page_is_replaced_as_a_whole_and_kept_on_errors(export, tmp_path, monkeypatch):
    first = export(tmp_path)
    description = first.path / web.DESCRIPTION
    content = json.loads(description.read_text())
    (first.path / "of-an-older-version.js").touch()
    description.write_text(json.dumps({**content, "files": [*content["files"], "of-an-older-version.js"]}))
    export(tmp_path)
    replaced = json.loads(description.read_text())
    assert replaced["files"] == content["files"] == sorted(path.name for path in first.path.iterdir())

    def fail(_):
        raise OSError("disk full")

    monkeypatch.setattr(web, "copy_page", fail)
    with pytest.raises(OSError, match="disk full"):
        export(tmp_path)
    assert json.loads(description.read_text()) == replaced
    assert list(tmp_path.iterdir()) == [first.path]


def test_the_page_before_returns_if_the_new_one_cannot_be_moved(tmp_path):
    before = tmp_path / "page"
    before.mkdir()
    (before / "kept").touch()
    with pytest.raises(OSError, match="missing"):
        web._place(tmp_path / "missing", before, tmp_path / "aside")
    assert [path.name for path in before.iterdir()] == ["kept"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({}, "cannot be written"),
        ({"index.html": "<p>Mine</p>"}, "cannot be written"),
        ({"page.json": "{"}, "Damaged page.json"),
        ({"page.json": "{}"}, "page.json"),
    ],
    ids=["empty", "of another program", "damaged", "without a card"],
)
def test_a_foreign_folder_is_not_replaced(export, tmp_path, content, problem):
    folder = tmp_path / "small-web"
    folder.mkdir()
    for name, text in content.items():
        (folder / name).write_text(text)
    with pytest.raises(InputError, match=problem):
        export(tmp_path)
    assert {path.name: path.read_text() for path in folder.iterdir()} == content
    assert list(tmp_path.iterdir()) == [folder]


def test_a_page_with_other_files_is_not_replaced(export, tmp_path):
    folder = tmp_path / "small-web"
    folder.mkdir()
    card = json.loads(EXAMPLE_CARD)
    (folder / "page.json").write_text(json.dumps({"kind": "page", "card": card, "files": ["page.json"]}))
    (folder / "CNAME").write_text("example.org")
    with pytest.raises(InputError, match=r"cannot be replaced.*CNAME"):
        export(tmp_path)


EXAMPLE_CARD = """{"name": "small", "format": "onnx", "weights": "float32", "latent_dim": 4, "num_classes": 2,
"image_shape": [8, 8, 1], "generator_sha256": "0", "content_sha256": "0", "max_difference": 0, "compared": 64}"""


def test_a_link_or_a_file_in_the_way_is_an_error(export, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "small-web").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="cannot be written"):
        export(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="writable folder"):
        export(tmp_path / "file" / "below")


def test_without_the_runtime_nothing_is_written(export, tmp_path):
    with pytest.raises(InputError, match="no ONNX Runtime Web"):
        export(tmp_path / "out", runtime=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_width_of_weights_is_an_error(export, tmp_path):
    with pytest.raises(InputError, match="weights"):
        export(tmp_path / "out", weights="int4")


def test_the_page_refers_to_its_own_files_alone():
    runtime = {name.replace(".mjs", ".js") for name in web_runtime.RUNTIME}
    own = {"data:,", *(path.name for path in PAGE.iterdir()), *runtime, web.MODEL}
    for path in PAGE.iterdir():
        text = path.read_text(encoding="utf-8")
        addresses = set(re.findall(r"https?://[^\s\"'`]+", text)) - {"http://localhost:8000."}
        assert not addresses, path.name
        for reference in re.findall(r'(?:href|src)="([^"]+)"|from "([^"]+)"|import\("([^"]+)"\)', text):
            assert "".join(reference).removeprefix("./") in own, path.name


def test_the_command_names_npm_if_it_is_missing(gan_command, tmp_path):
    (tmp_path / "bin").mkdir()
    env = {"PATH": str(tmp_path / "bin"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = gan_command("export", "mnist", "--format", "web", "--out", tmp_path / "out", env=env)
    assert (done.returncode, done.stdout) == (2, "")
    assert "npm pack onnxruntime-web@1.30.0" in done.stderr
    assert "--runtime FOLDER" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_command_takes_runtime_for_pages_alone(gan_command, tmp_path):
    done = gan_command("export", "mnist", "--runtime", tmp_path, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "--format web" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_the_command_exports_a_page(gan_command, tmp_path):
    options = ["--format", "web", "--runtime", real_runtime(), "--weights", "int8", "--out", tmp_path, "--json"]
    done = gan_command("export", "mnist-unconditional", *options)
    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout)
    folder = tmp_path / "mnist-unconditional-int8-web"
    assert result["folder"] == str(folder)
    assert result["bytes"] == sum(path.stat().st_size for path in folder.iterdir())
    assert gan_command("info", folder / web.MODEL).returncode == 0
