"""main: from arguments to a command, and from errors to an exit status."""

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Protocol, Union

import tyro

from gan.cli.benchmark import Benchmark
from gan.cli.classify import Classify
from gan.cli.compare import Compare
from gan.cli.doctor import Doctor
from gan.cli.evaluate import Evaluate
from gan.cli.exit_status import BAD_INPUT, FAILED, INTERRUPTED
from gan.cli.info import Info
from gan.cli.output import output_without_reader
from gan.cli.presets import Presets
from gan.cli.project import Project
from gan.cli.sample import Sample
from gan.cli.train import DEFAULT_PRESET, Train, resumed
from gan.cli.train_classifier import DEFAULT_CLASSIFIER, TrainClassifier
from gan.config import CLASSIFIERS, PRESETS
from gan.errors import InputError, TrainingError


class Command(Protocol):
    """The options of a command."""

    def run(self) -> int:
        """Runs the command; returns its exit status."""


COMMANDS: dict[str, type[Command]] = {
    "train": Train,
    "sample": Sample,
    "project": Project,
    "evaluate": Evaluate,
    "compare": Compare,
    "info": Info,
    "presets": Presets,
    "train-classifier": TrainClassifier,
    "classify": Classify,
    "benchmark": Benchmark,
    "doctor": Doctor,
}
PRESETS_OF: dict[type[Command], tuple[str, Mapping[str, object]]] = {
    Train: (DEFAULT_PRESET, PRESETS),
    TrainClassifier: (DEFAULT_CLASSIFIER, CLASSIFIERS),
}
"""Command -> (default preset, configurations by name)."""
RENAMED_OPTIONS = {"--wrong-labels": "--mismatched-labels", "--extractor": "--classifier"}
"""Old name -> new name. The old ones go with the next release."""
DESCRIPTION = "Generative adversarial networks in Keras 3: train, sample, evaluate."


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit status: one of `gan.cli.exit_status`.

    A reader of stdout or stderr that has gone changes neither what is done nor the status.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    return run(lambda: parse(arguments).run())


def run(command: Callable[[], int], *, prog: str = "gan") -> int:
    """Calls `command` and returns its exit status; an error becomes one line on stderr, after `prog`, and a status."""
    warnings.showwarning = partial(_show_warning, prog)
    with output_without_reader():
        return _run(command, prog)


def _run(command: Callable[[], int], prog: str) -> int:
    try:
        try:
            status = command()
        except SystemExit:  # of --help, and of SIGTERM
            sys.stdout.flush()
            raise
        sys.stdout.flush()  # here, so that a full disk is said as any other failure is
        return status
    except InputError as error:
        return _say(prog, error, BAD_INPUT)
    except (TrainingError, OSError) as error:
        return _say(prog, error, FAILED)
    except KeyboardInterrupt:
        return _say(prog, "interrupted", INTERRUPTED)


def _say(prog: str, what: object, status: int) -> int:
    print(f"{prog}: {what}", file=sys.stderr)
    return status


def parse(arguments: Sequence[str]) -> Command:
    """The options of the command that is named first. Exits with status 2 and a message on stderr if they are wrong."""
    command: Any = COMMANDS.get(arguments[0]) if arguments else None
    if command is None:  # help, or a name that is no command
        every: Any = Union[tuple(Annotated[kind, tyro.conf.subcommand(name)] for name, kind in COMMANDS.items())]  # noqa: UP007
        return tyro.cli(every, prog="gan", description=DESCRIPTION, args=arguments)
    options = [_with_new_name(option) for option in arguments[1:]]
    if command is Benchmark:  # passed on as they are
        return Benchmark(tuple(options))
    default: Command | None = None
    if command in PRESETS_OF:  # a preset may follow: its values are the defaults of the options
        preset, presets = PRESETS_OF[command]
        named = bool(options) and not options[0].startswith("-")
        if named:
            preset = options.pop(0)
        if preset not in presets:
            raise InputError("Unknown preset", expected=f"one of {list(presets)}", received=preset)
        default = resumed(options) if command is Train else None
        if default is not None and named:
            expected = "--resume RUN alone: its options are those that the run began with"
            raise InputError("Both a preset and `--resume`", expected=expected, received=preset)
        default = default or command(config=presets[preset], preset=preset)
    return tyro.cli(
        command,
        prog=f"gan {arguments[0]}",
        default=default,
        args=options,
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff, tyro.conf.CascadeSubcommandArgs),
    )


def _with_new_name(argument: str) -> str:
    """The argument, with today's name of the option where it has an old one, which a line on stderr tells."""
    name, joined, value = argument.partition("=")
    new = RENAMED_OPTIONS.get(name.replace("_", "-"))
    if new is None:
        return argument
    warnings.warn(f"{name} is called {new} now; the old name goes with the next release", stacklevel=2)
    return f"{new}{joined}{value}"


def _show_warning(prog: str, message: Warning | str, *where: object, **more: object) -> None:
    print(f"{prog}: warning: {message}", file=sys.stderr)
