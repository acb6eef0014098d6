"""python -m benchmarks."""


def main() -> int:
    """The command line, with Ctrl-C heard from the first import on."""
    try:
        from benchmarks.cli import main as run

        return run()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
