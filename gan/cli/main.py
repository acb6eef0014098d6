"""The entry point: parses arguments, runs a command, turns errors into exit statuses."""

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import make_dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NoReturn, Union

import tyro

from gan.cli.arguments import REGISTRY, Command, unknown_command, unknown_preset, with_usual_words
from gan.cli.benchmark import Benchmark
from gan.cli.classify import Classify
from gan.cli.compare import Compare
from gan.cli.data_emoji import DrawEmoji
from gan.cli.doctor import Doctor
from gan.cli.ensemble import Ensemble
from gan.cli.evaluate import Evaluate
from gan.cli.exit_status import BAD_INPUT, DONE, FAILED, INTERRUPTED
from gan.cli.export import Export
from gan.cli.feedback import Feedback
from gan.cli.help import format_help, format_overview
from gan.cli.info import Info
from gan.cli.mix import Mix
from gan.cli.output import output_without_reader
from gan.cli.presets import Presets
from gan.cli.project import Project
from gan.cli.push import Push
from gan.cli.sample import Sample
from gan.cli.select import Select
from gan.cli.serve import Serve
from gan.cli.text_commands import TEXT_COMMANDS
from gan.cli.tiers import Tiers
from gan.cli.train import DEFAULT_PRESET, Train, resumed
from gan.cli.train_classifier import DEFAULT_CLASSIFIER, TrainClassifier
from gan.config import CLASSIFIERS, PRESETS
from gan.errors import InputError, TrainingError
from gan.utils import tensorflow as runtime
from gan.utils.device_errors import device_failure

COMMANDS: dict[str, dict[str, type[Command]]] = {
    "train and sample": {"train": Train, "presets": Presets, "sample": Sample},
    "evaluate": {"evaluate": Evaluate, "compare": Compare, "project": Project},
    "select": {"select": Select, "mix": Mix},
    "deploy": {"export": Export, "push": Push, "serve": Serve, "feedback": Feedback, "tiers": Tiers},
    "data": {"data emoji": DrawEmoji},
    "inspect": {"info": Info, "doctor": Doctor},
    **TEXT_COMMANDS,
    "classifiers": {"train-classifier": TrainClassifier, "classify": Classify, "ensemble": Ensemble},
}
"""Title in the help -> name, of one word or more -> command."""
PRESETS_OF: dict[type[Command], tuple[str, Mapping[str, object]]] = {
    Train: (DEFAULT_PRESET, PRESETS),
    TrainClassifier: (DEFAULT_CLASSIFIER, CLASSIFIERS),
}
"""Command -> (default preset, configurations by name)."""
MOST_WORDS = max(len(name.split()) for group in COMMANDS.values() for name in group)
DESCRIPTION = "Generative adversarial networks in Keras 3: train, sample, evaluate."
HELP_OPTIONS = {"-h", "--help", "--help-all"}
VERSION_OPTIONS = {"--version", "-V", "version"}
MARKERS = (tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff, tyro.conf.CascadeSubcommandArgs)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit status, one of `gan.cli.exit_status`.

    A closed stdout or stderr changes neither the work nor the status.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    return run(lambda: parse(arguments).run())


def run(command: Callable[[], int], *, prog: str = "gan") -> int:
    """Calls `command` and returns its exit status. An error becomes a status, and one line on stderr after `prog`."""
    with output_without_reader(), _shown_warnings(prog):
        return _run(command, prog)


@contextmanager
def _shown_warnings(prog: str) -> Iterator[None]:
    """Shows warnings as one line on stderr after `prog`. They are not errors, even if PYTHONWARNINGS says so."""
    with warnings.catch_warnings():
        if any("error".startswith(option.partition(":")[0]) for option in sys.warnoptions):
            warnings.resetwarnings()
            for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
                warnings.simplefilter("ignore", category)  # as without PYTHONWARNINGS
        warnings.showwarning = partial(_show_warning, prog)
        yield


def _run(command: Callable[[], int], prog: str) -> int:
    try:
        try:
            status = command()
        except SystemExit:  # from --help and SIGTERM
            sys.stdout.flush()
            raise
        sys.stdout.flush()  # here, so that a full disk is reported like other failures
        return status
    except InputError as error:
        return _report(prog, error, BAD_INPUT)
    except (TrainingError, OSError) as error:
        return _report(prog, error if _has_working_folder() else f"{error} (the working folder was removed)", FAILED)
    except KeyboardInterrupt:
        return _report(prog, "interrupted", INTERRUPTED)
    except Exception as error:
        failure = device_failure(error)
        if failure is None:
            raise
        return _report(prog, failure, FAILED)


def _has_working_folder() -> bool:
    try:
        return bool(Path.cwd())
    except OSError:
        return False


def _report(prog: str, message: object, status: int) -> int:
    print(f"{prog}: {message}", file=sys.stderr)
    return status


def parse(arguments: Sequence[str]) -> Command:
    """Returns the command that is named first, with its options.

    Prints the help and exits if the arguments ask for it. Wrong options exit with status 2 and a message on stderr.
    """
    name, *options = arguments or ("",)
    if name == "help":  # gan help train, as with git
        name, *options = [*options, "--help"]
    if name in HELP_OPTIONS:
        _print_and_exit(format_overview(DESCRIPTION, COMMANDS))
    if name in VERSION_OPTIONS:
        _print_and_exit(f"gan-reference {runtime.installed_version('gan-reference')}")
    if name == "benchmark":  # its options are passed on unchanged
        return Benchmark(tuple(options))
    commands = {name: command for group in COMMANDS.values() for name, command in group.items()}
    if name.startswith("--tyro-"):  # such as --tyro-print-completion bash
        config = (*MARKERS, tyro.conf.OmitSubcommandPrefixes)
        return tyro.cli(_nested(commands), prog="gan", args=arguments, registry=REGISTRY, config=config)
    name, options = _whole_name(name, options, commands)
    if name not in commands:
        raise unknown_command([name, *options], commands)
    command: Any = commands[name]
    options = with_usual_words(options, command)
    wants_help = bool(HELP_OPTIONS.intersection(options))
    try:
        default = _default(name, command, options)
    except InputError:  # of an unknown preset or run: help comes first
        if not wants_help:
            raise
        default = _default(name, command, [])
    if wants_help:
        show_all = "--help-all" in options
        _print_and_exit(
            format_help(f"gan {name}", default or command, show_all=show_all, has_presets=command in PRESETS_OF)
        )
    return tyro.cli(
        command,
        prog=f"gan {name}",
        default=default,
        args=options,
        registry=REGISTRY,
        config=MARKERS,
    )


def _whole_name(name: str, options: list[str], commands: Mapping[str, object]) -> tuple[str, list[str]]:
    """Returns the name of a command with the words that belong to it, such as `text train gan`, and the rest.

    If the words are only the beginning of names, prints the help of these commands if asked for.
    """
    words = [name, *options]
    for length in range(min(len(words), MOST_WORDS), 0, -1):
        if " ".join(words[:length]) in commands:
            return " ".join(words[:length]), words[length:]
    start = "".join(f"{word} " for word in words if word not in HELP_OPTIONS)
    below = {
        title: {name: command for name, command in group.items() if name.startswith(start)}
        for title, group in COMMANDS.items()
    }
    if HELP_OPTIONS.intersection(words) and any(below.values()):
        _print_and_exit(format_overview(DESCRIPTION, {title: group for title, group in below.items() if group}))
    return name, options


def _nested(commands: Mapping[str, Any]) -> Any:
    """Returns the commands as one type for tyro, which writes the completions of shells from it.

    Names with the same first word become subcommands of this word.
    """
    groups: dict[str, dict[str, Any]] = {}
    for name, command in commands.items():
        first, _, rest = name.partition(" ")
        groups.setdefault(first, {})[rest] = command
    kinds = {
        first: group.get("") or make_dataclass(first, [("_", Annotated[_nested(group), tyro.conf.arg(name="")])])
        for first, group in groups.items()
    }
    below = [Annotated[kind, tyro.conf.subcommand(first)] for first, kind in kinds.items()]
    hidden = [Annotated[None, tyro.conf.Suppress]]  # tyro needs two types to make subcommands
    return Union[tuple(below + hidden)]  # noqa: UP007


def _default(name: str, command: Any, options: list[str]) -> Command | None:
    """Returns the command with the default options of its preset; takes the preset from the options.

    None: the command has no presets.
    """
    if command not in PRESETS_OF:
        return None
    preset, presets = PRESETS_OF[command]
    is_named = bool(options) and not options[0].startswith("-")
    if is_named:
        preset = options.pop(0)
    if preset not in presets:
        raise unknown_preset(preset, name, presets)
    default = resumed(options) if command is Train else None
    if default is None:
        return command(config=presets[preset], preset=preset)
    if is_named:
        expected = "--resume RUN alone: a resumed run keeps its options"
        raise InputError("Both a preset and `--resume`", expected=expected, received=preset)
    return default


def _print_and_exit(text: str) -> NoReturn:
    """Prints a text and exits with status 0."""
    print(text)
    raise SystemExit(DONE)


def _show_warning(prog: str, message: Warning | str, *where: object, **more: object) -> None:
    print(f"{prog}: warning: {message}", file=sys.stderr)
