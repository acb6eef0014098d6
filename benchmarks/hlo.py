"""Counts what XLA must compile and tune for a train step, from its HLO text. It needs no GPU.

python -m benchmarks.hlo [PRESET ...]
"""

import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from unittest import mock

from benchmarks.summary import Table
from gan.cli.exit_status import DONE
from gan.cli.main import run
from gan.config import PRESETS

if TYPE_CHECKING:
    from gan.models.gan import GAN

ONE_PROGRAM, TOGETHER, LOOP = "one program", "steps together", "loop"

_COMPUTATION = re.compile(r"^(?P<entry>ENTRY )?%?(?P<name>[\w.\-]+)(?: \(.*)? \{$")
_INSTRUCTION = re.compile(
    r"^\s+(?P<root>ROOT )?%?(?P<name>[\w.\-]+) = (?P<shape>\(.*?\)|\S+) (?P<opcode>[a-z][a-z0-9\-]*)\((?P<rest>.*)$"
)
_LAYOUT = re.compile(r"(?<=\])\{[^}]*\}")
_ATTRIBUTE = re.compile(
    r"\b(?:window|dim_labels|(?:feature|batch)_group_count|(?:lhs|rhs)_(?:batch|contracting)_dims)=(?:\{[^}]*\}|[^,\s]+)"
)


@dataclass(frozen=True)
class Instruction:
    """An instruction of HLO text, such as a convolution.

    `operands`: the shapes of the operands. `attributes`: window, dimension labels, group counts and contracted axes. No
    shape has a layout. Two instructions that are equal need the same kernel, so XLA tunes them once per process.
    """

    opcode: str
    shape: str
    operands: tuple[str, ...]
    attributes: tuple[str, ...]

    @property
    def is_one_channel_weight_gradient(self) -> bool:
        """Whether this convolution computes the weight gradient of a strided layer with one input channel.

        TensorFlow writes the weight gradient of a strided layer as a convolution with a dilated window, in which the
        channels of the images are the batch. The images have the labels `f01b`.
        """
        images = re.search(r"dim_labels=(f\w*b\w*)_", " ".join(self.attributes))
        if self.opcode != "convolution" or images is None or "rhs_dilate=" not in " ".join(self.attributes):
            return False
        return _dimensions(self.operands[0])[images[1].index("b")] == 1


def _dimensions(shape: str) -> list[int]:
    return [int(size) for size in shape.partition("[")[2].rstrip("]").split(",") if size]


def used_instructions(text: str) -> list[Instruction]:
    """Returns the instructions of HLO text on which a result depends. XLA removes all others first.

    Includes those of called computations, such as the branches of a conditional, once each.
    """
    computations: dict[str, dict[str, tuple[Instruction, list[str]]]] = {}
    roots: dict[str, str] = {}
    entry = name = ""
    for line in text.splitlines():
        if (opened := _COMPUTATION.match(line)) is not None:
            name = opened["name"]
            computations[name] = {}
            entry = name if opened["entry"] else entry
        elif (found := _INSTRUCTION.match(line)) is not None:
            computations[name][found["name"]] = _read(found, computations[name])
            if found["root"]:
                roots[name] = found["name"]
    used: list[Instruction] = []
    waiting, seen = [(entry, roots[entry])], set()
    while waiting:
        place = waiting.pop()
        if place in seen:
            continue
        seen.add(place)
        computation, one = place
        instruction, references = computations[computation][one]
        used.append(instruction)
        waiting += [(computation, other) for other in references if other in computations[computation]]
        waiting += [(other, roots[other]) for other in references if other in roots]
    return used


def _read(found: re.Match[str], before: Mapping[str, tuple[Instruction, list[str]]]) -> tuple[Instruction, list[str]]:
    """Returns an instruction, and all words of its line that may be names of instructions or computations."""
    rest, _, _ = found["rest"].partition(", metadata={")
    inside, _, after = rest.partition(")")
    references = re.findall(r"[\w.\-]+", rest)
    shapes = tuple(re.findall(r"\b[a-z]+[0-9]*\[[0-9,]*\]", inside))
    if not shapes:  # operands without their shapes
        shapes = tuple(before[name][0].shape for name in re.findall(r"[\w.\-]+", inside) if name in before)
    attributes = tuple(sorted(_ATTRIBUTE.findall(after)))
    return Instruction(found["opcode"], _LAYOUT.sub("", found["shape"]), shapes, attributes), references


@dataclass(frozen=True)
class Counts:
    """What XLA must compile and tune for one program, or for several together. Only used instructions count.

    `convolutions` and `dots` are the numbers of instructions by instruction.
    """

    instructions: int
    convolutions: Mapping[Instruction, int]
    dots: Mapping[Instruction, int]
    reductions: int
    conditionals: int

    @classmethod
    def of(cls, *texts: str) -> "Counts":
        """Counts the instructions in the HLO texts of all programs."""
        found = [instruction for text in texts for instruction in used_instructions(text)]
        opcodes = Counter(instruction.opcode for instruction in found)
        convolutions, dots = (
            Counter(instruction for instruction in found if instruction.opcode == opcode)
            for opcode in ("convolution", "dot")
        )
        return cls(len(found), convolutions, dots, opcodes["reduce"], opcodes["conditional"])

    def row(self) -> dict[str, int]:
        """Returns the numbers by the headers of a table."""
        one_channel = (number for one, number in self.convolutions.items() if one.is_one_channel_weight_gradient)
        return {
            "convolutions": sum(self.convolutions.values()),
            "distinct": len(self.convolutions),
            "one-channel weight gradients": sum(one_channel),
            "dots": sum(self.dots.values()),
            "distinct dots": len(self.dots),
            "reductions": self.reductions,
            "conditionals": self.conditionals,
            "instructions": self.instructions,
        }


def text_of(step: Any, *arguments: Any) -> str:
    """Returns the HLO text of a Python function of tensors, before any optimization of XLA."""
    import tensorflow as tf

    return _text(tf.function(step, jit_compile=True, autograph=False), *arguments)


def _text(compiled: Any, *arguments: Any) -> str:
    return str(compiled.experimental_get_compiler_ir(*arguments)(stage="hlo"))


def programs(gan: "GAN", batch: Any) -> dict[str, str]:
    """Returns the HLO texts of a compiled GAN's train step, by the name of the program.

    `ONE_PROGRAM` is the whole step, with a conditional for each lazy penalty. If XLA compiles the step as several
    programs (`gan.models.xla`), they follow: `step 0` stands for all steps in which the same penalties are due.
    """
    from gan.models import xla

    found = {ONE_PROGRAM: text_of(gan.train_step, batch)}
    _, first_steps = xla.patterns(gan.penalties, gan.critic_steps)
    for first in first_steps if len(first_steps) > 1 else ():
        with xla.like_step(gan, first):
            found[f"step {first}"] = text_of(gan.train_step, batch)
    return found


def loops_of(gan: "GAN", batches: Any) -> dict[str, str]:
    """Returns the HLO texts of loops of many steps (`gan.models.step_loop`), by name.

    For lazy penalties, these are four periods, and four steps of each kind that occurs twice in a row. Otherwise, these
    are four steps.
    """
    import tensorflow as tf

    from gan.data.resident import resident_batches
    from gan.models.step_loop import Program, StepLoop, form_of, segments
    from gan.models.xla import patterns

    numbered = resident_batches(batches)
    assert numbered is not None
    gan.jit_compile = True
    loop = StepLoop(gan, form_of(numbered, any_number=False))
    runs = segments(patterns(gan.penalties, gan.critic_steps)[0])
    made = {f"{LOOP}: 4 periods": Program(runs, 4)}
    made |= {f"{LOOP}: 4 steps of kind {kind}": Program(((kind, 4),)) for kind, steps in runs if steps > 1}
    rows = {name: tf.zeros([program.steps, numbered.order.batch_size], tf.int64) for name, program in made.items()}
    data = numbered.source.on_device("CPU:0")
    return {name: _text(loop.compiled(program), data, rows[name]) for name, program in made.items()}


def of_preset(preset: str) -> dict[str, str]:
    """Returns the HLO texts of a preset's train step on MNIST in float32, see `programs` and `loops_of`.

    D makes one pass for all images, as on a GPU, whatever this machine has.
    """
    from benchmarks import loops, runs
    from gan.data.load import load_dataset
    from gan.models import critic

    config = replace(PRESETS[preset], precision="float32")
    config = runs.unwatched(config, dataset="mnist5k", seed=0, images=runs.SCHEDULED, eval_every=None)
    dataset = load_dataset(config.data.dataset)
    gan = loops.compile_for_run(config, dataset)
    batches = dataset.train.batches(runs.images_per_step(config), steps=1, seed=0)
    with mock.patch.object(critic, "one_pass_is_faster", return_value=True):
        return {**programs(gan, next(iter(batches))), **loops_of(gan, batches)}


def table(texts: Mapping[str, Mapping[str, str]]) -> Table:
    """Counts the programs of presets, {preset: {program: HLO text}}. Several programs also count together."""
    rows, columns = [], ["preset", "program", *Counts.of(_EMPTY).row()]
    for preset, of_program in texts.items():
        counted = {program: Counts.of(text) for program, text in of_program.items()}
        separate = [text for program, text in of_program.items() if not program.startswith((ONE_PROGRAM, LOOP))]
        if separate:
            counted[TOGETHER] = Counts.of(*separate)
        for program, counts in counted.items():
            rows.append([preset, program, *(f"{value:,}" for value in counts.row().values())])
    notes = [
        "Instructions on which a result of the step depends, before XLA's optimizations, float32. Distinct: different "
        "in shapes, window, dimension labels or groups. XLA tunes each distinct instruction once per process."
    ]
    return Table("Train steps as XLA receives them.", columns, rows, notes)


_EMPTY = "ENTRY %main () -> () {\n  ROOT %empty = () tuple()\n}"


def show(presets: Sequence[str]) -> int:
    """Prints the table of the presets."""
    from benchmarks import runs
    from gan.utils import tensorflow as runtime

    runs.check_presets(tuple(presets))
    runtime.start(seed=0)
    print(table({preset: of_preset(preset) for preset in presets}).markdown(), end="")
    return DONE


if __name__ == "__main__":
    raise SystemExit(run(lambda: show(sys.argv[1:] or ("mnist", "tf-tutorial", "r3gan")), prog="benchmarks.hlo"))
