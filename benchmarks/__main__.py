"""python -m benchmarks."""

import signal
import sys


def main() -> int:
    """The command line, with Ctrl-C heard from the first import on; status 2 where a package is not installed."""
    try:
        try:
            from benchmarks.cli import main as run
        except ModuleNotFoundError as error:
            print(f"benchmarks: {error}. Expected: pip install '.[benchmarks]'", file=sys.stderr)
            return 2  # gan.cli.exit_status.BAD_INPUT, which may lack the package, too
        return run()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT  # gan.cli.exit_status.INTERRUPTED, which may not be imported yet


if __name__ == "__main__":
    raise SystemExit(main())
