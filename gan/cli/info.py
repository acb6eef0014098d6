"""gan info."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from gan.cli.exit_status import DONE
from gan.cli.output import print_result
from gan.errors import Json, as_json
from gan.sampling.labels import describe_classes
from gan.saving import metadata, run_folder, training_state
from gan.saving.commands import resume_command
from gan.saving.engines.card import ExportCard, GeneratorVerdict
from gan.saving.engines.find import FORMATS
from gan.saving.metadata import RunMetadata
from gan.saving.mixture import MixtureRecord
from gan.saving.saved_generator import find_saved


@dataclass(frozen=True)
class Info:
    """Describe a checkpoint: its generator and its origin."""

    checkpoint: Annotated[Positional[str], arg(metavar="CHECKPOINT")]
    """Run folder, .keras file, pretrained name (`gan doctor` lists them), hf://USER/NAME or exported generator."""
    json: bool = False
    """Print the result as one JSON object on stdout."""

    def run(self) -> int:
        """Prints the recorded facts; returns the exit status. Imports no TensorFlow."""
        folder = Path(self.checkpoint)
        unsaved = (folder / run_folder.CONFIG).is_file() and not (folder / run_folder.GENERATOR).exists()
        if unsaved and not (folder / run_folder.CLASSIFIER).exists():
            facts = {"file": "none yet", **self._of_run(folder, metadata.load(folder))}
        else:
            saved = find_saved(self.checkpoint)
            of_file = as_json(saved.summary)
            if saved.card is not None:
                facts = {**of_file, **self._of_card(saved.card)}
            elif saved.mixture is not None:
                facts = {**of_file, **self._of_mixture(saved.mixture)}
            else:
                facts = {**of_file, **self._of_run(saved.folder, saved.record)}
        print_result(facts, as_json=self.json)
        return DONE

    def _of_run(self, folder: Path, record: RunMetadata | None) -> dict[str, Json]:
        if record is None:
            return {"run": {} if self.json else "no config.json in the folder of the generator"}
        return {"run": record.as_dict() if self.json else _summary(record), "state": _state(folder, record)}

    def _of_mixture(self, record: MixtureRecord) -> dict[str, Json]:
        if self.json:
            return {"mixture": record.as_dict()}
        data, fit = record.dataset, record.fit
        return {
            "mixture": ", ".join(f"{component.name} {component.weight:.4g}" for component in record.components),
            "weights": "given"
            if fit is None
            else f"fitted to {fit.split} images: kernel distance {fit.distance:.4g}, of equal weights {fit.equal:.4g}",
            "dataset": data.name,
            "image_shape": " x ".join(map(str, data.image_shape)),
            **({"classes": describe_classes(data.class_names)} if data.class_names else {}),
        }

    def _of_card(self, card: ExportCard) -> dict[str, Json]:
        if self.json:
            return {"card": card.as_dict()}
        found = card.verdict
        return {
            "format": f"{FORMATS[card.format].title}, run by {FORMATS[card.format].engine}",
            "weights": card.weights,
            "image_shape": " x ".join(map(str, card.image_shape)),
            "pixel_range": f"{card.pixel_range[0]:g} to {card.pixel_range[1]:g}",
            **({"classes": describe_classes(card.class_names)} if card.class_names else {}),
            "generator": f"{card.name}, SHA-256 {card.generator_sha256}",
            "verdict": "none: no report of the generator" if found is None else _verdict(found),
            "license": card.license or "not stated",
            "max_difference": f"{card.max_difference:.1e} from Keras with the same weights, {card.compared} images",
        }


def _verdict(found: GeneratorVerdict) -> str:
    """Returns the verdict of a generator before its export, as one line."""
    known = found.verdict is not None and found.tolerance is not None
    decided = f"{found.verdict} the tolerance of {found.tolerance:g}" if known else "none, without a tolerance"
    return (
        f"{decided}: error rate {found.error_rate:.4g} "
        f"({found.error_rate_lower:.3g} to {found.error_rate_upper:.3g}) of {found.num:,} samples, before the export"
    )


def _summary(record: RunMetadata) -> dict[str, Json]:
    result = record.result
    return {
        "dataset": record.dataset.name,
        "arch": record.config.model.arch,
        "image_shape": " x ".join(map(str, record.dataset.image_shape)),
        **({"classes": describe_classes(record.dataset.class_names)} if record.dataset.class_names else {}),
        **({"images": result.images, "seconds": result.seconds} if result else {}),
    }


def _state(folder: Path, record: RunMetadata) -> dict[str, Json]:
    """Returns the status of the run, its last complete training state, and the command that resumes it."""
    if record.is_finished:
        return {"status": "finished"}
    status = "running" if training_state.is_locked(folder) else "interrupted" if record.result else "aborted"
    saved, damaged = training_state.latest(folder)
    return {
        "status": status,
        "last_state": f"step {saved.step:,} of {record.total_steps:,}" if saved else "none",
        **({"damaged": damaged} if damaged else {}),
        **({} if status == "running" else {"resume": resume_command(folder)}),
    }
