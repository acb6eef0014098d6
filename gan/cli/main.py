"""main: from arguments to a command, and from errors to an exit status."""

import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any, Union

import tyro

from gan.cli.doctor import Doctor
from gan.cli.info import Info
from gan.cli.presets import Presets
from gan.cli.sample import Sample
from gan.cli.train import DEFAULT_PRESET, Train, preset_config
from gan.errors import InputError
from gan.runtime import check_backend

BAD_INPUT, INTERRUPTED = 2, 130
COMMANDS: dict[str, Any] = {"train": Train, "sample": Sample, "info": Info, "presets": Presets, "doctor": Doctor}
DESCRIPTION = "Generative adversarial networks in Keras 3: train, sample, inspect."


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit status: 0, 2 for bad input, 130 for Ctrl-C."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    warnings.showwarning = _show_warning
    try:
        check_backend()
        preset = _take_preset(arguments)
        return parse(arguments, preset).run()
    except InputError as error:
        print(f"gan: {error}", file=sys.stderr)
        return BAD_INPUT
    except OSError as error:
        print(f"gan: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("gan: interrupted", file=sys.stderr)
        return INTERRUPTED


def parse(arguments: Sequence[str], preset: str = DEFAULT_PRESET) -> Any:
    """The options of the command that is named first. Exits with status 2 and a message on stderr if they are wrong."""
    command = COMMANDS.get(arguments[0]) if arguments else None
    if command is None:  # help, or a name that is no command
        every: Any = Union[tuple(Annotated[kind, tyro.conf.subcommand(name)] for name, kind in COMMANDS.items())]  # noqa: UP007
        return tyro.cli(every, prog="gan", description=DESCRIPTION, args=arguments)
    default = Train(config=preset_config(preset), preset=preset) if command is Train else None
    return tyro.cli(
        command,
        prog=f"gan {arguments[0]}",
        default=default,
        args=arguments[1:],
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff),
    )


def _take_preset(arguments: list[str]) -> str:
    """Removes the preset that may follow `train`: its values are the defaults of the options."""
    if arguments[:1] == ["train"] and len(arguments) > 1 and not arguments[1].startswith("-"):
        return arguments.pop(1)
    return DEFAULT_PRESET


def _show_warning(message: Warning | str, *where: Any, **more: Any) -> None:
    print(f"gan: warning: {message}", file=sys.stderr)
