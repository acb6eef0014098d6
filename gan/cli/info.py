"""gan info."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from gan import checkpoints, records, state
from gan.cli.output import print_result


@dataclass(frozen=True)
class Info:
    """Say what a checkpoint is: its generator, and the run that made it."""

    checkpoint: Annotated[Positional[str], arg(metavar="CHECKPOINT")]
    """A run folder, a .keras file, or a shipped name."""
    json: bool = False
    """Print exactly one JSON object on stdout."""

    def run(self) -> int:
        """Prints what the files say; needs no TensorFlow."""
        folder = Path(self.checkpoint)
        begun = (folder / checkpoints.CONFIG).is_file() and not (folder / checkpoints.GENERATOR).exists()
        if begun and not (folder / checkpoints.CLASSIFIER).exists():
            facts: dict[str, Any] = {"file": "none yet"}
            record = records.load(folder)
        else:
            file = checkpoints.find_generator(self.checkpoint)
            facts = checkpoints.describe(file)
            folder, record = file.path.parent, checkpoints.load_config(file) or {}
        facts["run"] = record if self.json else _summary(record)
        if record:
            facts["state"] = _state(folder, record)
        print_result(facts, as_json=self.json)
        return 0


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
    if records.is_finished(record):
        return {"status": "finished"}
    status = "running" if state.is_locked(folder) else "interrupted" if "result" in record else "broken off"
    saved, damaged = state.latest(folder)
    return {
        "status": status,
        "last_state": f"step {saved.step:,} of {record['total_steps']:,}" if saved else "none",
        **({"damaged": damaged} if damaged else {}),
        **({} if status == "running" else {"resume": f"gan train --resume {folder}"}),
    }
