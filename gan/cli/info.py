"""gan info."""

from dataclasses import dataclass
from typing import Annotated, Any

from tyro.conf import Positional, arg

from gan import checkpoints
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
        facts: dict[str, Any] = checkpoints.describe(self.checkpoint)
        record = checkpoints.load_config(self.checkpoint) or {}
        facts["run"] = record if self.json else _summary(record)
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
        **(
            {"images": result["images"], "seconds": result["seconds"]}
            if result
            else {"state": "still running, or broken off"}
        ),
    }
