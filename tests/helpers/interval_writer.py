"""A program that stands for `gan train` in tests of its workers: writes one interval, and waits for its end.

It runs as `python -m helpers.interval_writer --output RUN`, in the environment of a worker.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path

from gan.cli.train_process import accept_signals, end_with_parent

if __name__ == "__main__":
    accept_signals()
    signal.signal(signal.SIGINT, lambda number, frame: sys.exit(130))
    threading.Thread(target=end_with_parent, daemon=True).start()
    run = Path(sys.argv[2])
    (run / "state").mkdir(parents=True)
    (run / "state" / "000000016.json").write_text("{}", encoding="utf-8")
    print(os.environ["TF_CONFIG"], os.getcwd(), run, flush=True)  # noqa: PTH109
    print("an interval", end="", file=sys.stderr, flush=True)
    time.sleep(300)
