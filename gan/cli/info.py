"""gan info."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from gan.cli.exit_status import DONE
from gan.cli.output import print_result
from gan.errors import Json, as_json
from gan.sampling.labels import describe_classes
from gan.saving import metadata, models, run_folder, training_state
from gan.saving.metadata import RunMetadata


@dataclass(frozen=True)
class Info:
    """Describe a checkpoint: its generator and its training run."""

    checkpoint: Annotated[Positional[str], arg(metavar="CHECKPOINT")]
    """Run folder, .keras file or pretrained name (`gan doctor` lists them)."""
    json: bool = False
    """Print the result as one JSON object on stdout."""

    def run(self) -> int:
        """Prints the recorded facts; returns the exit status. Imports no TensorFlow."""
        folder = Path(self.checkpoint)
        unsaved = (folder / run_folder.CONFIG).is_file() and not (folder / run_folder.GENERATOR).exists()
        if unsaved and not (folder / run_folder.CLASSIFIER).exists():
            facts: dict[str, Json] = {"file": "none yet"}
            record: RunMetadata | None = metadata.load(folder)
        else:
            file = models.find_generator(self.checkpoint)
            facts = as_json(models.describe(file))
            folder, record = file.path.parent, models.load_config(file)
        if self.json:
            facts["run"] = record.as_dict() if record else {}
        else:
            facts["run"] = _summary(record) if record else "no config.json in the folder of the generator"
        if record:
            facts["state"] = _state(folder, record)
        print_result(facts, as_json=self.json)
        return DONE


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
        **({} if status == "running" else {"resume": f"gan train --resume {folder}"}),
    }
