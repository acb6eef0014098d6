"""The process of one worker of `gan train --ray`: `gan train`, which ends with the process that started it.

It runs as `python -m gan.cli.train_process OPTIONS`, with the options of `gan train`. When its standard input ends, it
kills itself and the processes that it started: the worker of Ray that started it was killed.
"""

import os
import shutil
import signal
import sys
import threading

from gan.cli.train_worker import FOLDER
from gan.utils.child import end_own_process


def end_with_parent() -> None:
    """Waits for the end of standard input, removes the folder of this worker, and kills this process."""
    with open(0, "rb", closefd=False) as stream:  # not `sys.stdin`, whose lock others may need
        stream.read()
    shutil.rmtree(os.environ[FOLDER], ignore_errors=True)
    end_own_process()


def accept_signals() -> None:
    """Lets Ctrl-C and SIGTERM reach this process: nodes of Ray block SIGINT, and background jobs ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if os.name == "posix":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    accept_signals()
    threading.Thread(target=end_with_parent, daemon=True).start()
    from gan.cli.main import main

    sys.exit(main(["train", *sys.argv[1:]]))
