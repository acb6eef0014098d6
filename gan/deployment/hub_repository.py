"""A generator as a repository of the Hugging Face Hub: its files, its model card, and their upload."""

import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import keras
import numpy as np

from gan import sampling
from gan.data import images
from gan.deployment import upload
from gan.deployment.export import scratch_folder
from gan.deployment.model_card import model_card
from gan.deployment.names import export_name, license_of, public_name
from gan.deployment.verdicts import read_report
from gan.errors import InputError
from gan.evaluation.report import EvaluationReport
from gan.models.networks.load import load_generator
from gan.saving import files, hub, models
from gan.saving.hub import PREFIX, RECORD
from gan.saving.metadata import RunMetadata
from gan.saving.run_folder import DISCRIMINATOR, GENERATOR, REPORT
from gan.saving.saved_generator import SavedGenerator
from gan.training.callbacks.sample_grid import draw_samples
from gan.utils.arguments import checked

GRID = "samples.png"
"""The picture of the model card."""
LARGEST_DIFFERENCE = 1e-5
"""Largest difference of the samples of the written files from those of the generator, in [-1, 1]."""


@dataclass(frozen=True)
class PushedRepository:
    """A repository on the Hub, and its files with their sizes in bytes."""

    url: str
    files: dict[str, int]


@checked
def push_generator(
    checkpoint: str | os.PathLike[str],
    repository: str,
    *,
    private: bool = False,
    license: str | None = None,
    notice: str | os.PathLike[str] | None = None,
) -> PushedRepository:
    """Uploads a generator and its model card to the Hugging Face Hub, in one commit.

    `load_generator("hf://USER/NAME")` and `keras.saving.load_model("hf://USER/NAME")` load it. The repository is
    created if it does not exist. In one that exists, the files of an earlier model go, and files of other names stay.
    For the files and arguments see `write_repository`.

    Args:
        private: whether a new repository is private. One that exists must be private, then.

    Raises `InputError` without a token, if the Hub refuses the upload or cannot be reached, for a public repository
    with `private`, and as `write_repository` does. Then no file was changed there; a new repository may stay, empty.
    """
    name, client = upload.repository_name(repository), upload.find_client(repository)
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_repository(checkpoint, Path(scratch) / "repository", repository, license=license, notice=notice)
        written = sizes(folder)
        stays = ""
        try:
            api = client.HfApi(library_name="keras", library_version=keras.__version__)
            is_new = not api.repo_exists(name)
            is_public = private and not is_new and not api.repo_info(name).private
            if not is_public:
                url = api.create_repo(name, private=True if private else None, exist_ok=True)
                stays = "; the new repository stays there, empty" if is_new else ""
                api.upload_folder(
                    repo_id=name,
                    folder_path=str(folder),
                    commit_message="Upload a generator of gan push",
                    delete_patterns=[file for file in hub.FILES if file not in written],  # of an earlier model
                )
        except Exception as error:  # its HTTP client has errors of its own
            raise InputError(
                "The Hub did not take the upload",
                expected="a token that may write there, and a network (`hf auth whoami` shows the token)",
                received=f"{PREFIX}{name}: {hub.first_line(error)}{stays}",
            ) from error
    if is_public:
        expected = "a new or private repository, or no --private"
        raise InputError("This repository is public", expected=expected, received=f"{PREFIX}{name}")
    return PushedRepository(str(url), written)


@checked
def write_repository(
    checkpoint: str | os.PathLike[str],
    out: str | os.PathLike[str],
    repository: str,
    *,
    license: str | None = None,
    notice: str | os.PathLike[str] | None = None,
) -> Path:
    """Writes the folder that `push_generator` uploads.

    It holds the files of a Keras model, which Keras loads as `hf://USER/NAME`, and the same as generator.keras. Beside
    them lie the discriminator, the metadata of the run without the folders of paths (gan.json), and the report, if they
    exist. README.md is the model card, samples.png its picture. Keras loads the files before the folder appears, and
    must draw the samples of the generator.

    Args:
        checkpoint: run folder, .keras file or pretrained name.
        out: new or empty folder.
        repository: `hf://USER/NAME`, for the model card.
        license: license of the weights. None: Apache-2.0 for a pretrained generator, else not stated.
        notice: text file on origin, license and attribution of the training images. None: NOTICE.txt in the folder of
            the dataset, if there is one.

    Returns the folder. Raises `InputError` for a checkpoint that is exported or a mixture, and for files that cannot be
    read or written. Then nothing is written.
    """
    upload.check_license(license)
    name, saved = upload.repository_name(repository), upload.find_publishable(checkpoint)
    folder = files.as_path(out, "out")
    upload.check_empty(folder)
    text = upload.read_notice(saved, notice)
    with scratch_folder(folder.parent) as scratch:
        draft = Path(scratch) / "draft"
        draft.mkdir()
        generator = _write_models(saved, draft)
        report = read_report(saved)
        if saved.record is not None:
            files.write_json(draft / RECORD, _public_record(saved.record).as_dict())
        if report is not None:
            files.write_json(draft / REPORT, _public_report(report, export_name(saved)).as_dict())
        files.write(draft / GRID, partial(images.save_png, image=draw_samples(generator, 0)))
        card = model_card(
            saved,
            generator,
            name=name.split("/")[1],
            repository=name,
            license=license_of(saved) if license is None else license,
            notice=text,
            report=report,
            discriminator=(draft / DISCRIMINATOR).is_file(),
        )
        (draft / upload.CARD).write_text(
            card, encoding="utf-8", errors="backslashreplace"
        )  # of a name that is not UTF-8
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.is_dir():
            folder.rmdir()  # empty
        draft.rename(folder)
    return folder


def sizes(folder: Path) -> dict[str, int]:
    """Returns the names and sizes in bytes of the files in a folder."""
    return {file.name: file.stat().st_size for file in sorted(folder.iterdir())}


def _write_models(saved: SavedGenerator, draft: Path) -> keras.Model:
    """Writes the networks, and returns the generator as Keras loads it from the files."""
    shutil.copyfile(saved.file.path, draft / GENERATOR)
    hub.unpack(draft / GENERATOR, draft)
    beside = saved.folder / DISCRIMINATOR
    if saved.file.path.name == GENERATOR and beside.is_file():
        models.find_discriminator(beside)  # raises an error unless it is one, and safe
        shutil.copyfile(beside, draft / DISCRIMINATOR)
    original = load_generator(saved.file)  # type: ignore[arg-type]  # not exported
    loaded = keras.saving.load_model(draft, compile=False, safe_mode=True)
    drawn = [sampling.generate(network, 8) for network in (original, loaded)]
    difference = float(np.abs(drawn[0] - drawn[1]).max())
    if not difference <= LARGEST_DIFFERENCE:  # also NaN
        expected = f"a difference of at most {LARGEST_DIFFERENCE:g}"
        raise InputError("The files do not draw the generator's samples", expected=expected, received=f"{difference:g}")
    return loaded


def _public_record(record: RunMetadata) -> RunMetadata:
    """Returns the metadata of a run with the last parts of paths only."""
    config = record.config
    start = config.init_from if hub.repository_of(config.init_from) else _last(config.init_from)
    stopping = replace(
        config.stopping,
        probe=_last(config.stopping.probe) or config.stopping.probe,
        classifier=_last(config.stopping.classifier) or config.stopping.classifier,
        features=_last(config.stopping.features),
    )
    config = replace(
        config,
        data=replace(config.data, dataset=public_name(config.data.dataset)),
        init_from=start,
        feedback=_last(config.feedback),
        stopping=stopping,
    )
    resumed = tuple(
        one if one.dataset is None else replace(one, dataset=public_name(one.dataset)) for one in record.resumed
    )
    return replace(
        record,
        config=config,
        dataset=replace(record.dataset, name=public_name(record.dataset.name)),
        resumed=resumed,
    )


def _last(path: str | None) -> str | None:
    return path and (Path(path).name or path)


def _public_report(report: EvaluationReport, name: str) -> EvaluationReport:
    assert report.checkpoint is not None  # `read_report` compares its SHA-256
    return replace(report, checkpoint=replace(report.checkpoint, name=name), dataset=public_name(report.dataset))
