"""gan sample."""

import math
import shutil
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from rich.console import Console
from tyro.conf import Positional, arg

from gan.cli.exit_status import DONE, ended_by_sigterm
from gan.cli.output import print_result
from gan.cli.rejection import RejectBy, RejectedSamples, RejectionOptions
from gan.data import images
from gan.errors import InputError, check_sampling, check_whole
from gan.sampling import writers
from gan.sampling.labels import labels_in_turn, read_label
from gan.saving import files
from gan.saving.engines.engine import Engine
from gan.saving.saved_generator import SavedGenerator, find_saved
from gan.utils import tensorflow as runtime
from gan.utils.commands import shell_command

MOST_IN_GRID = 10_000
"""Largest number of samples in a grid, which is held in memory."""
MOST_STEPS = 1_000_000
"""Largest number of samples of a walk, which is held in memory."""
LARGE = 10**8
"""Size of an output, in bytes, from which it is announced."""
AHEAD = 8
"""Batches that are generated ahead, while a file is written."""


@dataclass(frozen=True)
class Sample:
    """Generate samples with a saved generator.

    The same seed and index always give the same sample, whatever the number of samples.

    examples:
      gan sample mnist --num 100 --out digits.png
      gan sample runs/00001-mnist --label 7 --num 50000 --out sevens.npz
      gan sample mnist --interpolate 12 57 --steps 10
      gan sample mnist --num 1000 --reject classifier --keep 0.9 --out kept.npz
    """

    checkpoint: Annotated[Positional[str], arg(metavar="CHECKPOINT")]
    """Run folder, .keras file, pretrained name (`gan doctor` lists them), hf://USER/NAME or exported generator."""
    num: int = 64
    """Number of samples."""
    seed: int = 0
    """Seed of the latents."""
    start: int = 0
    """Index of the first sample, from 0. It continues the samples of an earlier command."""
    label: str | None = None
    """Class of the samples (7, or its name), or classes to cycle through (0-4, with 4). None: all classes in turn.

    A name comes before a number: with folders 1, 2 and 3, the label 1 is the folder 1. `gan info` lists the names.
    """
    truncation: float | None = None
    """Map latents to a normal distribution truncated at X: lower is more typical, less varied. None: no truncation."""
    interpolate: tuple[int, int] | None = None
    """Interpolate between the samples of these two indices; ignores `num` and `start`. None: no interpolation."""
    steps: int = 10
    """With `interpolate`: number of samples, both ends included."""
    reject: RejectBy | None = None
    """Reject samples by a classifier or by the discriminator of the run, and try again. None: every sample is kept.

    Each sample is the first accepted one of several attempts, and still a function of its seed and index alone. The
    discriminator is calibrated on validation images. What `gan evaluate` reports is without rejection.
    """
    keep: float | None = None
    """With `reject`: share of first attempts to accept, above 0 and at most 1. None: by method.

    By a classifier, None accepts what it reads as the requested class. By the discriminator, None is 0.9. Classes
    differ, and the samples of those that are often rejected need more attempts. So of all attempts, a lower share is
    accepted.
    """
    reject_with: str | None = None
    """With `reject classifier`: pretrained name or folder of the classifier. None: mnist-probe.

    It should be another one than the classifier that measures the error rate.
    """
    attempts: int | None = None
    """With `reject`: maximum number of attempts per sample. None: 100.

    If none of them is accepted, the attempt with the highest score is kept, and counted in the summary.
    """
    out: str = "samples.png"
    """Output: a grid (name.png), a file of arrays (name.npz) or a folder of PNG files (name/).

    The arrays are `images` (uint8), `labels` and `indices`; with `reject` also `attempts`, the number of the kept
    attempt from 0, and `accepted`. Any name without a suffix is a folder.
    """
    shard: int | None = None
    """Samples per .npz file, with a folder as `out`. None: one PNG file per sample.

    The files are named by the index of their first sample (name/00000000.npz), and appear when they are complete. An
    interrupted command prints the options that resume it.
    """
    json: bool = False
    """Print the result as one JSON object on stdout."""

    def run(self) -> int:
        """Generates and writes the samples; returns the exit status."""
        check_sampling(num=self.num, seed=self.seed, start=self.start, truncation=self.truncation)
        check_whole("steps", self.steps, 2, MOST_STEPS)
        for end in self.interpolate or ():
            check_whole("interpolate", end, 0)
        if self.shard is not None:
            check_whole("shard", self.shard, 1)
        options = RejectionOptions.of(self.reject, self.keep, self.reject_with, self.attempts)
        if options is not None and self.interpolate is not None:
            raise InputError("A walk has no attempts", expected="no --reject", received="--interpolate and --reject")
        out, write = self._destination()
        saved = find_saved(self.checkpoint)
        if saved.is_mixture and self.truncation is not None:
            raise InputError(
                "Truncation would change the weights of a mixture",
                expected="no --truncation, or one of its generators",
                received=f"--truncation {self.truncation:g}",
            )
        if saved.summary.num_classes is not None:  # an early error
            self._asked(saved, saved.summary.num_classes)
        self._check_walk(saved)
        fit = None if options is None else options.find(saved)
        runtime.load_tensorflow(lean=True)
        runtime.start()
        began = time.monotonic()
        import tensorflow as tf

        from gan.sampling.generators import as_engine
        from gan.utils.display import progress_bar

        engine = as_engine(saved.file)
        asked = self._asked(saved, engine.num_classes)
        _check_channels(engine.image_shape[-1], out, write)
        _check_room(out, len(self._span) * math.prod(engine.image_shape), write)
        rejected = None if fit is None else RejectedSamples(fit(engine, self.truncation))
        if rejected is not None:
            rejected.warn()
        kept = self._span.start
        with (
            ended_by_sigterm(),
            progress_bar(Console(stderr=True)) as bar,
            closing(self._batches(self._generate(engine, asked, rejected), bar)) as batches,
        ):
            try:
                for kept in write(out, self._sample_batches(engine, asked, batches, rejected)):  # noqa: B007 - read after an interruption
                    pass
            except (KeyboardInterrupt, SystemExit, OSError, MemoryError, tf.errors.OpError):
                bar.stop()
                if kept > self._span.start and self.interpolate is None:
                    written = f"samples {self._span.start} to {kept - 1} are in {out}"
                    rest = f"to resume: {self._rest(kept)}"
                    print(f"gan: {written}; {rest}", file=sys.stderr)
                raise
        seconds = round(time.monotonic() - began, 3)
        summary = {"samples": len(self._span), "out": str(out), "seed": self.seed, "seconds": seconds}
        more = {} if rejected is None else rejected.summary(as_json=self.json)
        print_result({**summary, **more}, as_json=self.json)
        return DONE

    def _rest(self, kept: int) -> str:
        """Returns the command that continues at the sample `kept`."""
        words: list[str | Path] = [Path(self.checkpoint), "--start", str(kept), "--num", str(self._span.stop - kept)]
        words += ["--seed", str(self.seed)]
        for option, value in (("--label", self.label), ("--truncation", self.truncation), ("--shard", self.shard)):
            words += [] if value is None else [option, str(value)]
        options = RejectionOptions.of(self.reject, self.keep, self.reject_with, self.attempts)
        words += [] if options is None else options.words
        return shell_command("gan", "sample", *words, "--out", self.out)

    @property
    def _span(self) -> range:
        """Indices of the samples, or their positions on the walk."""
        return range(self.start, self.start + self.num) if self.interpolate is None else range(self.steps)

    def _files(self) -> Iterator[range]:
        return writers.cut(self._span, self.shard or writers.CHUNK)

    def _sample_batches(
        self, engine: Engine, asked: range | None, batches: Iterator[np.ndarray], rejected: RejectedSamples | None
    ) -> writers.SampleBatches:
        walk, num, classes = self.interpolate is not None, len(self._span), engine.num_classes
        return writers.SampleBatches(
            span=self._span,
            shape=engine.image_shape,
            batches=batches,
            files=self._files,
            labels=lambda part: None if walk else labels_in_turn(np.asarray(part), classes, asked),
            indices=lambda part: np.full(len(part), -1) if walk else np.asarray(part),
            columns=num if walk else writers.grid_columns(num, classes),
            noted={} if rejected is None else rejected.columns,
        )

    def _batches(self, generated: Iterator[np.ndarray], bar: Any) -> Generator[np.ndarray, None, None]:
        """Returns batches of samples as bytes, and generates the next batches meanwhile."""
        from gan.utils.parallel import ahead

        task = bar.add_task("sampling", total=len(self._span), speed="-")
        began, done = time.monotonic(), 0
        with closing(ahead(generated, AHEAD)) as batches:
            for batch in batches:
                done += len(batch)
                bar.update(task, completed=done, speed=f"{done / max(time.monotonic() - began, 1e-9):,.0f}")
                yield images.to_uint8(batch)

    def _generate(self, engine: Engine, asked: range | None, rejected: RejectedSamples | None) -> Iterator[np.ndarray]:
        """Returns batches of samples in [-1, 1]. No batch crosses the end of a file."""
        from gan import sampling

        if self.interpolate is None:
            draw = partial(sampling.stream, engine, truncation=self.truncation) if rejected is None else rejected.stream

            def batches(part: range) -> Iterator[np.ndarray]:
                labels = labels_in_turn(np.asarray(part), engine.num_classes, asked)
                return draw(len(part), seed=self.seed, start=part.start, labels=labels)

            # with rejection, small files would leave most rows of each call empty
            parts = self._files() if rejected is None else writers.cut(self._span, writers.CHUNK)
            yield from writers.cut_batches(chain.from_iterable(map(batches, parts)), map(len, self._files()))
        else:
            label = None if asked is None else asked.start
            walk = sampling.interpolate(
                engine, *self.interpolate, self.steps, seed=self.seed, labels=label, truncation=self.truncation
            )
            yield from (walk[part.start : part.stop] for part in self._files())

    def _asked(self, saved: SavedGenerator, classes: int) -> range | None:
        """Returns the classes that `label` asks for. None: all classes."""
        if self.label is None:
            return None
        asked = read_label(self.label, classes, saved.class_names)
        if len(asked) > 1 and self.interpolate is not None:
            raise InputError("Bad `--label`", expected="one class for the whole walk", received=self.label)
        return asked

    def _check_walk(self, saved: SavedGenerator) -> None:
        """Raises `InputError` for a walk between two classes of an exported generator."""
        classes = saved.card.num_classes if saved.card else 0
        if classes and self.label is None and len({end % classes for end in self.interpolate or ()}) > 1:
            raise InputError(
                "An exported generator draws no samples between two classes",
                expected="--label, two indices of one class, or the run folder",
                received=f"--interpolate {' '.join(map(str, self.interpolate or ()))}",
            )

    def _destination(self) -> tuple[Path, writers.Writer]:
        """Returns the output path, and the function that writes to it."""
        path = Path(self.out)
        as_folder = self.out.endswith("/") or path.is_dir() or not path.suffix
        if not self.out or (not as_folder and path.suffix.lower() not in FILES):
            raise InputError("Bad `--out`", expected="a .png file, an .npz file or a folder", received=repr(self.out))
        if as_folder and path.exists() and not path.is_dir():
            raise InputError("Bad `--out`", expected="a folder", received=f"{path}, which is a file")
        if self.shard is not None and not as_folder:
            raise InputError(
                "Bad `--shard`", expected="a folder as --out, such as samples/", received=f"--out {self.out}"
            )
        files.check_writable(path / "sample.png" if as_folder else path)
        if as_folder:
            return path, writers.write_pngs if self.shard is None else writers.write_shards
        write = FILES[path.suffix.lower()]
        if write is writers.write_grid and len(self._span) > MOST_IN_GRID:
            raise InputError(
                "Too many samples for one grid",
                expected=f"at most {MOST_IN_GRID:,}; or an .npz file or a folder as --out",
                received=f"{len(self._span):,}",
            )
        return path, write


FILES: dict[str, writers.Writer] = {".png": writers.write_grid, ".npz": writers.write_npz}


def _check_channels(channels: int, out: Path, write: writers.Writer) -> None:
    """Raises `InputError` if samples cannot be written as PNG files."""
    if write in (writers.write_grid, writers.write_pngs) and channels not in (1, 3):
        raise InputError(
            "These samples are no PNG images",
            expected="images [B, H, W, C] with 1 or 3 channels, or an .npz file as --out",
            received=f"{channels} channels, --out {out}",
        )


def _check_room(out: Path, size: int, write: writers.Writer) -> None:
    """Raises `InputError` if arrays of `size` bytes do not fit on the disk; announces a `LARGE` output."""
    if write not in (writers.write_npz, writers.write_shards):
        return
    existing = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(existing).free
    if size > free:
        raise InputError(
            "Not enough disk space",
            expected=f"{size / 1e6:,.0f} MB",
            received=f"{free / 1e6:,.0f} MB free in {existing}",
        )
    if size >= LARGE:
        print(f"gan: {out} will take {size / 1e6:,.0f} MB", file=sys.stderr)
