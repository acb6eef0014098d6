"""Runs `python -m benchmarks`."""

import signal
import sys


def main() -> int:
    """Runs the command line. Handles Ctrl-C during imports, and returns status 2 if a package is missing."""
    try:
        try:
            from benchmarks.cli import main as run
        except ModuleNotFoundError as error:
            print(f"benchmarks: {error}. Expected: pip install '.[benchmarks]'", file=sys.stderr)
            return 2  # gan.cli.exit_status.BAD_INPUT; importing it may need the missing package
        return run()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT  # gan.cli.exit_status.INTERRUPTED; it may not be imported yet


if __name__ == "__main__":
    raise SystemExit(main())
