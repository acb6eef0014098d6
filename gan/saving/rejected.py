"""Reads which samples people called wrong: JSON lines. Does not import TensorFlow.

Each line is an object with exactly `generator_sha256`, `seed`, `index` and `label`: the class that was asked, or null
for an unconditional generator.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from msgspec import Meta

from gan.errors import InputError, Options, convert
from gan.saving import files

Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="a SHA-256, 64 hexadecimal digits")]
Seed = Annotated[int, Meta(ge=0, le=2**32 - 1, description="a whole number from 0 to 2^32 - 1")]
Label = Annotated[int, Meta(ge=0, le=2**31 - 1, description="a whole number from 0 to 2^31 - 1")]
Index = Annotated[int, Meta(ge=0, le=2**53, description="a whole number from 0 to 2^53")]


@dataclass(frozen=True)
class RejectedSample(Options):
    """A sample that people called wrong: generator, seed, index of the seed, and the class that was asked."""

    generator_sha256: Sha256
    seed: Seed
    index: Index
    label: Label | None


@dataclass(frozen=True)
class RejectedLines:
    """Samples that people called wrong, of one generator, in the order of their lines."""

    generator_sha256: str
    seeds: np.ndarray
    """int64 [N]."""
    indices: np.ndarray
    """int64 [N]."""
    labels: np.ndarray | None
    """int32 [N]; None: of an unconditional generator."""
    content: bytes
    """The file that holds the lines."""

    @property
    def sha256(self) -> str:
        """SHA-256 of the file."""
        return hashlib.sha256(self.content).hexdigest()

    def check_generator(self, sha256: str, file: Path) -> None:
        """Raises `InputError` unless the samples are of the generator with this SHA-256. `file` is that generator."""
        if sha256 != self.generator_sha256:
            raise InputError(
                "The feedback is about another generator",
                expected=f"judgements of {file}, SHA-256 {sha256}",
                received=f"judgements of SHA-256 {self.generator_sha256}",
            )

    def check_labels(self, num_classes: int, file: str | os.PathLike[str]) -> None:
        """Raises `InputError` unless all labels are classes of the generator. `file` holds the lines.

        num_classes: that of the generator; 0: it is unconditional.
        """
        labels = [None] if self.labels is None else self.labels.tolist()
        classes = range(num_classes) if num_classes else [None]
        line, label = next(((line, one) for line, one in enumerate(labels, 1) if one not in classes), (0, None))
        if line:
            expected = f"a class from 0 to {num_classes - 1}" if num_classes else "no class: it is unconditional"
            problem = f"A label of {os.fspath(file)} does not fit the generator"
            raise InputError(problem, expected=expected, received=f"label {json.dumps(label)} in line {line}")


def read_rejected(path: str | os.PathLike[str]) -> RejectedLines:
    """Reads and checks a file of JSON lines.

    Raises `InputError` for a file that does not exist or is empty, a damaged line, lines about several generators, a
    sample that occurs twice, and labels in some lines only.
    """
    file = files.as_path(path, "feedback")
    if not file.is_file():
        expected = "a file of JSON lines, or the file of `gan feedback`"
        raise InputError("No such feedback", expected=expected, received=str(file))
    content = file.read_bytes()
    samples: list[RejectedSample] = []
    places: dict[RejectedSample, int] = {}
    for number, line in enumerate(content.splitlines(), 1):
        sample = _read_line(line, f"{file}, line {number}")
        first = places.setdefault(sample, number)
        if first != number:
            received = f"seed {sample.seed}, index {sample.index} in line {first} and line {number}"
            raise InputError(f"A sample occurs twice in {file}", expected="each sample once", received=received)
        _check_like(sample, samples[0] if samples else sample, file, number)
        samples.append(sample)
    if not samples:
        expected = "one sample or more that people called wrong"
        raise InputError("No feedback in this file", expected=expected, received=f"{file}: no line")
    labels = None if samples[0].label is None else np.array([sample.label for sample in samples], np.int32)
    seeds, indices = (np.array([getattr(one, name) for one in samples], np.int64) for name in ("seed", "index"))
    return RejectedLines(samples[0].generator_sha256, seeds, indices, labels, content)


def _check_like(sample: RejectedSample, first: RejectedSample, file: Path, number: int) -> None:
    """Raises `InputError` unless two samples are of the same generator. `number` is the line of the second one."""
    if sample.generator_sha256 != first.generator_sha256:
        expected, received = first.generator_sha256, f"{sample.generator_sha256} in line {number}"
    elif (sample.label is None) != (first.label is None):
        expected = "no label" if first.label is None else "a label"
        received = f"label {json.dumps(sample.label)} in line {number}"
    else:
        return
    raise InputError(f"{file} is about several generators", expected=f"{expected}, as in line 1", received=received)


def _read_line(line: bytes, place: str) -> RejectedSample:
    try:
        content = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"Damaged {place}", expected="a JSON object", received=str(error)) from error
    return convert(content, RejectedSample, place)
