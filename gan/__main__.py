"""Entry point of `python -m gan` and of the console script `gan`."""

import signal


def main() -> int:
    """Runs the command line. Ctrl-C ends it with exit status 130 from the first import on."""
    try:
        from gan.cli import main as run

        return run()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT  # equals gan.cli.exit_status.INTERRUPTED, which may not be imported yet


if __name__ == "__main__":
    raise SystemExit(main())
