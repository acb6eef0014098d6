"""gan export."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from gan.cli.exit_status import DONE, ended_by_sigterm
from gan.cli.output import print_result
from gan.saving.saved_generator import find_saved
from gan.utils import tensorflow as runtime
from gan.utils.commands import shell_command


@dataclass(frozen=True)
class Export:
    """Export a generator to run without this package, and verify the file.

    The engine of the format draws 64 samples of the file, which must be those of Keras. `gan sample`, `gan evaluate`
    and `gan info` take exported generators, too. Needs: pip install 'gan-reference[export]'

    examples:
      gan export mnist --format onnx
      gan export runs/00001-mnist --format litert --weights int8 --out app/models
    """

    checkpoint: Annotated[Positional[str], arg(metavar="CHECKPOINT")]
    """Run folder, .keras file or pretrained name (`gan doctor` lists them)."""
    format: Literal["saved_model", "onnx", "litert"] = "onnx"
    """saved_model: TensorFlow and TensorFlow Serving. onnx: ONNX Runtime. litert: phones, formerly TensorFlow Lite."""
    weights: Literal["float32", "float16", "int8"] = "float32"
    """Number type of the stored kernels. float16 halves the file, int8 makes a quarter of it and more errors.

    The engine computes in float32. int8 is symmetric, with a scale for each output channel. `gan evaluate` measures
    what the rounding costs.
    """
    out: Path = Path("exported")
    """Folder for NAME.onnx, NAME.tflite, or NAME/VERSION/ and models.config of TensorFlow Serving."""
    license: str | None = None
    """License of the generator, for the card in the file. None: Apache-2.0 for pretrained names, else not stated."""
    json: bool = False
    """Print the result as one JSON object on stdout."""

    def run(self) -> int:
        """Exports and verifies the generator; returns the exit status."""
        find_saved(self.checkpoint)  # rejects other files before TensorFlow is imported
        runtime.load_tensorflow(lean=True)
        runtime.start()
        from gan.deployment.export import LARGEST_DIFFERENCE, export_generator

        with ended_by_sigterm():
            found = export_generator(
                self.checkpoint, self.out, format=self.format, weights=self.weights, license=self.license
            )
        card = found.card
        print_result(
            {
                "file": str(found.path),
                "format": card.format,
                "weights": card.weights,
                "bytes": found.bytes,
                "max_difference": card.max_difference,
                "allowed": LARGEST_DIFFERENCE,
                "compared": card.compared,
                "sha256": card.content_sha256,
                "sample": shell_command("gan", "sample", found.path),
            },
            as_json=self.json,
        )
        return DONE
