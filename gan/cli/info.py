"""gan info."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from gan.cli.exit_status import DONE
from gan.cli.output import print_result
from gan.saving import metadata, models, run_folder, training_state


@dataclass(frozen=True)
class Info:
    """Say what a checkpoint is: its generator, and the run that made it."""

    checkpoint: Annotated[Positional[str], arg(metavar="CHECKPOINT")]
    """A run folder, a .keras file, or a pretrained name."""
    json: bool = False
    """Print exactly one JSON object on stdout."""

    def run(self) -> int:
        """Prints what the files say; needs no TensorFlow."""
        folder = Path(self.checkpoint)
        begun = (folder / run_folder.CONFIG).is_file() and not (folder / run_folder.GENERATOR).exists()
        if begun and not (folder / run_folder.CLASSIFIER).exists():
            facts: dict[str, Any] = {"file": "none yet"}
            record = metadata.load(folder)
        else:
            file = models.find_generator(self.checkpoint)
            facts = models.describe(file)
            folder, record = file.path.parent, models.load_config(file) or {}
        facts["run"] = record if self.json else _summary(record)
        if record:
            facts["state"] = _state(folder, record)
        print_result(facts, as_json=self.json)
        return DONE


def _summary(record: dict[str, Any]) -> Any:
    if not record:
        return "no config.json beside the generator"
    result = record.get("result")
    return {
        "dataset": record["dataset"]["name"],
        "arch": record["config"]["model"]["arch"],
        "image_shape": " x ".join(map(str, record["dataset"]["image_shape"])),
        **({"images": result["images"], "seconds": result["seconds"]} if result else {}),
    }


def _state(folder: Path, record: dict[str, Any]) -> dict[str, Any]:
    """Whether the run is finished, running or broken off; its last complete state, and the command that goes on."""
    if metadata.is_finished(record):
        return {"status": "finished"}
    status = "running" if training_state.is_locked(folder) else "interrupted" if "result" in record else "broken off"
    saved, damaged = training_state.latest(folder)
    return {
        "status": status,
        "last_state": f"step {saved.step:,} of {record['total_steps']:,}" if saved else "none",
        **({"damaged": damaged} if damaged else {}),
        **({} if status == "running" else {"resume": f"gan train --resume {folder}"}),
    }
