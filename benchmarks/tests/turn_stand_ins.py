"""Loops that take turns without a library, in a child process."""

import sys
import time

from benchmarks.turns_process import main


def steps(*, seconds):
    print("a line of a library on stdout")
    return lambda count: time.sleep(count * seconds), f"stand-in of {seconds:g} s"


def broken():
    print("the last line", file=sys.stderr)
    sys.exit(1)


def ends():
    def run(count):
        if count != 160:  # not the warm-up
            sys.exit("no more steps")

    return run, "ends"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], {"steps": steps, "broken": broken, "ends": ends}))
