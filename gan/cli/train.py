"""gan train."""

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Suppress

from gan import checkpoints, runtime
from gan.cli.output import print_result
from gan.config import PRESETS, TrainConfig

DEFAULT_PRESET = "mnist"


@dataclass(frozen=True)
class Train:
    """Train a GAN: gan train [PRESET] [--option value ...]. `gan presets` lists the presets; the default is mnist.

    Writes a run folder with the averaged generator, its configuration, a log and samples.
    """

    config: TrainConfig = field(default_factory=TrainConfig)
    preset: Annotated[str, Suppress] = DEFAULT_PRESET
    output: Path | None = None
    """The run folder; None: the next number under checkpoints/."""
    dry_run: bool = False
    """Print the resolved configuration as JSON and stop."""
    json: bool = False
    """Print exactly one JSON object on stdout."""

    def run(self) -> int:
        """Trains, and says where things are and what to do next."""
        checkpoints.check_output(self.output)
        if self.config.init_from is not None:
            checkpoints.find_generator(self.config.init_from)
        if self.dry_run:
            print(json.dumps({"preset": self.preset, **self.config.as_dict()}, indent=None if self.json else 2))
            return 0
        runtime.load_tensorflow()
        from gan.training import train

        run = train(self.config, output=self.output, name=self._name())
        if self.json:
            print_result(
                {**asdict(run), **{k: str(getattr(run, k)) for k in ("folder", "generator", "samples")}}, as_json=True
            )
        else:
            print_result(
                {
                    "generator": run.generator,
                    "samples": run.samples,
                    "film": run.samples.with_name("samples.gif"),
                    "trained": f"{run.images:,} images of {run.dataset} in {run.seconds:.0f} s"
                    + (", then interrupted" if run.interrupted else ""),
                    "sample": f"gan sample {run.folder} --num 64 --out digits.png",
                    "evaluate": f"gan evaluate {run.folder}",
                },
                as_json=False,
            )
        return 130 if run.interrupted else 0

    def _name(self) -> str:
        """The preset's, with the name of the data set in the place of its own where that is another."""
        asked = re.sub("[^a-z0-9_]+", "-", self.config.data.dataset.lower())
        return self.preset.replace(PRESETS[self.preset].data.dataset, asked, 1)
