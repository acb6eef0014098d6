"""Rows of `python -m benchmarks gpu` that go wrong, in a child process."""

import os
import subprocess
import sys
import time

from benchmarks.gpu_process import measure_row


def fine(report, value):
    report.note(details=f"value {value}, flags {os.environ.get('XLA_FLAGS')}")


def sleep(report):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    report.note(child=child.pid)
    report.stage("asleep")
    time.sleep(600)


def crash(report):
    report.note(details="measured before")
    raise ValueError("first line\nlast line\n\t [[{{node x}}]] [Op:y]")


def abort(report):
    print("F0000 Check failed: status", file=sys.stderr, flush=True)
    os.abort()


if __name__ == "__main__":
    kinds = {"fine": fine, "sleep": sleep, "crash": crash, "abort": abort}
    raise SystemExit(measure_row(kinds, *sys.argv[1:]))
