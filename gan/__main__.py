"""python -m gan, and the console script."""

import signal


def main() -> int:
    """The command line, with Ctrl-C heard from the first import on."""
    try:
        from gan.cli import main as run

        return run()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT  # gan.cli.exit_status.INTERRUPTED, which may not be imported yet


if __name__ == "__main__":
    raise SystemExit(main())
