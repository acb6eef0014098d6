"""gan mix."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from rich.console import Console
from tyro.conf import Positional, arg

from gan.cli.evaluation_inputs import DEFAULT_CLASSIFIER, evaluation_commands
from gan.cli.exit_status import DONE, ended_by_sigterm
from gan.cli.output import print_result
from gan.config import ReadingOptions
from gan.errors import InputError, check_seed, check_whole
from gan.saving import run_folder
from gan.selection.mixture_inputs import PROBE, MixtureInputs
from gan.utils import tensorflow as runtime


@dataclass(frozen=True)
class Mix:
    """Mix generators into one, with the weights that are nearest to real images.

    A weight is the probability with which a generator draws a sample. Fitted weights have the smallest kernel distance
    to validation images. The mixture is a generator like any other: `gan sample`, `gan evaluate` and `gan export` take
    its folder. It computes all of its generators for each sample.

    examples:
      gan mix mnist mnist-mlp --output runs/mixture
      gan mix runs/00001-mnist runs/00002-mnist --weights 0.5 0.5
    """

    generators: Annotated[Positional[tuple[str, ...]], arg(metavar="GENERATOR...")]
    """Run folders, .keras files or pretrained names (`gan doctor` lists them). Two or more, each once."""
    weights: Annotated[tuple[float, ...] | None, arg(metavar="WEIGHT...")] = None
    """Probability of each generator, with sum 1. None: fitted to validation images."""
    dataset: str | None = None
    """Dataset that the mixture stands for. None: the dataset of the training, which must be one for all generators.

    Images of another dataset than that of the training are scaled and cropped to the size of the generators' images.
    """
    reading: ReadingOptions = field(default_factory=ReadingOptions)
    classifier: str | None = None
    """Classifier for the features of the fit, a pretrained name or folder. None: mnist-probe."""
    num: int | None = None
    """Samples of each generator for the fit. None: 5000, or the number of validation images."""
    seed: int | None = None
    """Seed of the samples of the fit. None: a fixed seed that only fits use."""
    output: Path | None = None
    """New folder for generator.keras and mixture.json. None: a numbered folder in runs/."""
    json: bool = False
    """Print the result as one JSON object on stdout."""

    def run(self) -> int:
        """Fits the weights and writes the mixture; returns the exit status."""
        self._check_combination()
        given = MixtureInputs.find(
            self.generators,
            weights=self.weights,
            dataset=self.dataset,
            reading=self.reading,
            classifier=self.classifier or PROBE,
        )
        run_folder.check_output(self.output)
        runtime.load_tensorflow(lean=True)
        runtime.start()
        from gan.selection.mixture_folder import make_mixture
        from gan.selection.mixture_weights import MIXTURE_SEED

        progress = Console(stderr=True)
        with progress.status("mixing the generators"), ended_by_sigterm():
            seed = MIXTURE_SEED if self.seed is None else self.seed
            made = make_mixture(given, self.output, num=self.num, seed=seed)
        record, fit = made.record, made.record.fit
        shares = {name: component.weight for name, component in zip(self.generators, record.components)}
        result: dict[str, object] = {"folder": str(made.folder), "weights": shares}
        if fit is not None:
            distances = {"mixture": fit.distance, "equal weights": fit.equal}
            result["kernel_distance"] = {**distances, **dict(zip(self.generators, fit.single))}
            result["samples"] = fit.num
        known = (DEFAULT_CLASSIFIER, self.classifier or PROBE)
        result |= evaluation_commands(made.folder, record.dataset, record.data, known)
        print_result(result, as_json=self.json)
        return DONE

    def _check_combination(self) -> None:
        """Raises `InputError` for values out of range, and for options that would have no effect."""
        if self.num is not None:
            check_whole("num", self.num, 2)
        if self.seed is not None:
            check_seed(self.seed)
        idle = [f"--{name}" for name in ("num", "seed", "classifier") if getattr(self, name) is not None]
        if self.weights is not None and idle:
            expected = "--weights without them: nothing is fitted"
            raise InputError("These options have no effect", expected=expected, received=" ".join(idle))
