"""A process for `LocalWorkers` that trains nothing. The name of a candidate says what happens: see `answer`."""

import os
import signal
import time
from pathlib import Path

from gan.utils.json_process import answer_requests


def answer(request):
    """Counts the attempts in the run folder.

    `dies-N` ends in the first N attempts, `broken` cannot be trained, `fails` and `sleeps` do so, and `bad` is bad
    input once `sleeps` sleeps.
    """
    task = request["task"]
    if request["kind"] == "cost":
        costs = {run["name"]: {"value": 1.0, "lowest": 1.0, "highest": 1.0} for run in task["runs"]}
        return {"costs": costs, "failures": {}, "machine": os.environ.get("OMP_NUM_THREADS", "all")}
    name, folder = task["name"], Path(task["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    attempt = len(list(folder.iterdir()))
    (folder / f"{attempt}").write_text(str(os.getpid()), encoding="utf-8")
    if name.startswith("dies") and attempt < int(name[-1]):
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "fails":
        raise OSError(28, "No space left on device")
    if name == "broken":
        return {"look": None, "failure": "g_loss became NaN at step 3", "seconds": 1.0}
    if name == "sleeps":
        time.sleep(600)
    if name == "bad":
        while not (folder.parent / "sleeps" / "0").exists():
            time.sleep(0.02)
        return {"input_error": ["Bad thing", "a good one", "bad"]}
    look = {"images": 1, "wrong": 1, "num": 10, "coverage": 0.5, "real_coverage": 0.6, "generator_sha256": ""}
    return {"look": look, "failure": None, "seconds": 1.0}


if __name__ == "__main__":
    answer_requests(answer)
