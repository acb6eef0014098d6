"""gan export."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Literal

from rich.console import Console
from tyro.conf import Positional, arg

from gan.cli.artifacts import print_artifacts
from gan.cli.evaluation_inputs import EvaluationInputs
from gan.cli.exit_status import DONE, FAILED, ended_by_sigterm
from gan.cli.output import print_result
from gan.config import ReadingOptions
from gan.config.arguments import as_arguments
from gan.deployment.table import table_path
from gan.errors import InputError, check, check_seed, check_share, check_whole
from gan.evaluation.report import FEWEST, MOST_NUM
from gan.saving import files
from gan.saving.engines.card import FormatName
from gan.saving.saved_generator import find_saved
from gan.utils import tensorflow as runtime
from gan.utils.commands import shell_command

OF_READING = {f"--{option.name.replace('_', '-')}" for option in fields(ReadingOptions)}
OF_TABLE = {"--num", "--tolerance", "--dataset", "--classifier", "--seed", *OF_READING}
"""Options that have an effect only with `--table`."""

OF_FILES = {"--format", "--weights", "--runtime"}
"""Options that have none with it."""


@dataclass(frozen=True)
class Export:
    """Export a generator to run without this package, and verify the file.

    The engine of the format draws 64 samples of the file, which must be those of Keras. `gan sample`, `gan evaluate`
    and `gan info` take exported generators, too. Needs: pip install 'gan-reference[export]'

    examples:
      gan export mnist --format onnx
      gan export runs/00001-mnist --format litert --weights int8 --out app/models
      gan export mnist --format web
      gan export mnist --table
    """

    checkpoint: Annotated[Positional[str], arg(metavar="CHECKPOINT")]
    """Run folder, .keras file or pretrained name (`gan doctor` lists them)."""
    format: Literal["saved_model", "onnx", "litert", "web"] = "onnx"
    """Format of the file: for TensorFlow (Serving), ONNX Runtime, LiteRT (formerly TensorFlow Lite), or a web page.

    `web` writes a static folder with a page that draws samples in the browser.
    """
    weights: Literal["float32", "float16", "int8"] = "float32"
    """Number type of the stored kernels. float16 halves the file, int8 makes a quarter of it and more errors.

    The engine computes in float32. int8 is symmetric, with a scale for each output channel. `gan evaluate` measures
    what the rounding costs.
    """
    out: Path = Path("exported")
    """Folder for NAME.onnx, NAME.tflite, NAME-web/, or NAME/VERSION/ and models.config of TensorFlow Serving."""
    runtime: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Folder of the unpacked npm package onnxruntime-web 1.30.0, for `web`. None: `npm pack` downloads it once."""
    license: str | None = None
    """License of the generator, for the card in the file. None: Apache-2.0 for pretrained names, else not stated."""
    table: bool = False
    """Export all formats and weights, and measure error rate, Frechet distance, coverage, bytes, time and memory.

    Writes the table to NAME-artifacts.json. The samples are those of `gan evaluate`. Takes minutes; times are those of
    a quiet machine only if nothing else runs.
    """
    num: int | None = None
    """With --table: number of samples, as for `gan evaluate`. None: 10000, or the size of the smallest split."""
    tolerance: float = 0.02
    """With --table: accepted error rate, from 0 to 1."""
    dataset: str | None = None
    """With --table: dataset whose test images are compared with the samples. None: the dataset of the training."""
    reading: ReadingOptions = field(default_factory=ReadingOptions)
    classifier: str = "mnist-classifier"
    """With --table: classifier for features and error rates, a pretrained name or folder of `gan train-classifier`."""
    seed: int | None = None
    """With --table: seed of the samples. None: the fixed seed of `gan evaluate`."""
    json: bool = False
    """Print the result as one JSON object on stdout."""

    def run(self) -> int:
        """Exports and verifies the generator; returns the exit status."""
        self._check_combination()
        files.check_writable(self.out / "generator")
        if self.table:
            return self._measure()
        find_saved(self.checkpoint)  # rejects other files before TensorFlow is imported
        return self._export_web() if self.format == "web" else self._export(self.format)

    def _check_combination(self) -> None:
        """Raises `InputError` for an option that would have no effect."""
        given = {word for word in as_arguments(self, Export(self.checkpoint)) if word.startswith("--")}
        idle = sorted(given & (OF_FILES if self.table else OF_TABLE))
        if idle:
            expected = "--table without them: it exports all formats" if self.table else "--table beside them"
            raise InputError("These options have no effect", expected=expected, received=" ".join(idle))
        check(self.format == "web" or self.runtime is None, "--runtime", "--format web beside it", str(self.runtime))

    def _export(self, format: FormatName) -> int:
        runtime.load_tensorflow(lean=True)
        runtime.start()
        from gan.deployment.export import LARGEST_DIFFERENCE, export_generator

        with ended_by_sigterm():
            found = export_generator(
                self.checkpoint, self.out, format=format, weights=self.weights, license=self.license
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
                "sha256": found.sha256,
                "sample": shell_command("gan", "sample", found.path),
            },
            as_json=self.json,
        )
        return DONE

    def _export_web(self) -> int:
        from gan.deployment import web_runtime

        web_runtime.find_runtime(self.runtime)  # rejects a missing one before TensorFlow is imported
        runtime.load_tensorflow(lean=True)
        runtime.start()
        from gan.deployment.web import export_web

        with ended_by_sigterm():
            page = export_web(
                self.checkpoint, self.out, weights=self.weights, runtime=self.runtime, license=self.license
            )
        card = page.model.card
        print_result(
            {
                "folder": str(page.path),
                "weights": card.weights,
                "bytes": page.bytes,
                "max_difference": card.max_difference,
                "compared": card.compared,
                "view": shell_command("python", "-m", "http.server", "--directory", page.path),
            },
            as_json=self.json,
        )
        return DONE

    def _measure(self) -> int:
        if self.num is not None:
            check_whole("num", self.num, FEWEST, MOST_NUM)
        check_share("tolerance", self.tolerance)
        if self.seed is not None:
            check_seed(self.seed)
        given = EvaluationInputs.find(self.checkpoint, self.classifier, self.dataset, self.reading)
        classifier = given.classifier
        runtime.load_tensorflow(lean=True)
        runtime.start()
        from gan.deployment.artifacts import measure_artifacts
        from gan.evaluation.evaluation import EVALUATION_SEED

        progress = Console(stderr=True)
        with progress.status("loading the data") as status, ended_by_sigterm():
            found = measure_artifacts(
                self.checkpoint,
                given.load_dataset(),
                classifier,
                out=self.out,
                num=self.num,
                tolerance=self.tolerance,
                seed=EVALUATION_SEED if self.seed is None else self.seed,
                license=self.license,
                command=shell_command("gan", "export", self.checkpoint, *as_arguments(self, Export(self.checkpoint))),
                log=status.update,
            )
        if self.json:
            print_result(found.as_dict(), as_json=True)
        else:
            print_artifacts(found, table_path(self.out, found.name))
        return FAILED if any(row.failure for row in found.artifacts) else DONE
