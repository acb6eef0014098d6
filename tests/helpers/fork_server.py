"""A process that imports TensorFlow once and forks `gan` commands, with a fault on request.

A forked toy run takes a second or two; a new process also imports TensorFlow. The commands are the real ones, but all
of them share the embedded digits, which are read once. `ForkServer` and the process exchange lines of JSON.
"""

import gc
import json
import os
import resource
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PATIENCE = 500.0
"""Seconds after which a command is killed."""


class ForkServer:
    """Starts commands in forks and waits for them."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def _ask(self, **request: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        return json.loads(self.process.stdout.readline())

    def start(
        self, *arguments: object, output: Path, errors: Path | None = None, cwd: Path | None = None, **fault: Any
    ) -> int:
        """Starts `gan ARGUMENTS` and returns the process id.

        Args:
            arguments: arguments of `gan`.
            output: file that receives the output.
            errors: file that receives stderr. None: `output`.
            cwd: working folder. None: the folder of `output`.
            fault: arguments of `_prepare`, and two more. `environment`: additional variables;
                those that TensorFlow reads at its import have no effect. `script`: a Python file
                that runs instead of `gan`.
        """
        files = {"output": str(output), "errors": str(errors or output), "cwd": str(cwd or output.parent)}
        return int(self._ask(arguments=[*map(str, arguments)], **files, fault=fault))

    def signal(self, process: int, number: int) -> None:
        """Sends a signal to a process that `wait` has not been called for."""
        os.kill(process, number)

    def wait(self, process: int) -> int:
        """Waits for a process and returns its exit status, which is negative after a signal."""
        return os.waitstatus_to_exitcode(self._ask(wait=process))

    def run(self, *arguments: object, output: Path, **fault: Any) -> tuple[int, str]:
        """Runs a command and returns its exit status and its output."""
        status = self.wait(self.start(*arguments, output=output, **fault))
        return status, output.read_text(encoding="utf-8")

    def complete(self, *arguments: object, cwd: Path | None = None, **fault: Any) -> subprocess.CompletedProcess[str]:
        """Runs `gan ARGUMENTS` and returns stdout and stderr separately, like `subprocess.run`."""
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder) / "stdout", Path(folder) / "stderr"
            status = self.wait(self.start(*arguments, output=out, errors=err, cwd=cwd, **fault))
            texts = [file.read_text(encoding="utf-8") for file in (out, err)]
        return subprocess.CompletedProcess([*map(str, arguments)], status, *texts)

    def close(self) -> None:
        """Ends the process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=60)


def _prepare(
    at_step: int | None = None,
    send: int = signal.SIGKILL,
    delay: float = 0.0,
    in_state: int | None = None,
    kill_at_line: int | None = None,
    kill_at_byte: int | None = None,
    full_at_byte: int | None = None,
    poison_step: int | None = None,
    poison: str = "d_loss",
    matrix_units: bool | None = None,
    device_error: tuple[str, str] | None = None,
    missing_library: str | None = None,
) -> None:
    """Sets up a fault in this process.

    Args:
        at_step: G update, from 1, after which the process receives the signal `send`.
        send: number of that signal.
        delay: seconds between the update and the signal.
        in_state: number, from 0, of the training state whose writing fails, in the way of the next three arguments.
        kill_at_line: SIGKILL before this line of Python that the writing executes, counted from 1.
        kill_at_byte: a signal ends the process in the middle of a write, when a file reaches this size.
        full_at_byte: no file can grow beyond this size from then on, as on a full disk.
        poison_step: step, from 1, whose loss `poison` becomes NaN.
        poison: "d_loss" or "g_loss".
        matrix_units: whether the machine appears to have bfloat16 instructions. None: no change.
        device_error: name in `tf.errors`, and message, of an error of the first use of the devices.
        missing_library: a CUDA library that the machine lacks, while it appears to have a card.
    """
    from gan.saving import training_state
    from gan.utils import tensorflow as runtime

    if matrix_units is not None:
        runtime.bfloat16_instructions = lambda: ("amx_bf16",) if matrix_units else ()
    if missing_library is not None:
        _lack_library(missing_library)
    if device_error is not None:
        _fail_device(*device_error)
    if at_step is not None:
        _signal_at(at_step, send, delay)
    if in_state is not None:
        save, number = training_state.save, 0

        def failing(*arguments: Any) -> None:
            nonlocal number
            number += 1
            if number - 1 != in_state:
                return save(*arguments)
            if kill_at_byte is not None:
                resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
                signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            limit = kill_at_byte if full_at_byte is None else full_at_byte
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            if kill_at_line is not None:
                sys.settrace(each_line(lambda number: number == kill_at_line and os.kill(os.getpid(), signal.SIGKILL)))
            save(*arguments)
            sys.settrace(None)

        training_state.save = failing
    if poison_step is not None:
        _poison(poison_step, poison)


def each_line(hear: Callable[[int], None]) -> Any:
    """Returns a trace function that calls `hear` with 1, 2, ... before each line of `gan` that runs."""
    import gan

    package, number = f"{Path(gan.__file__).parent}{os.sep}", 0

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal number
        if not frame.f_code.co_filename.startswith(package):
            return None
        if event == "line":
            number += 1
            hear(number)
        return trace

    return trace


def _signal_at(step: int, number: int, delay: float) -> None:
    from gan.distributed.replicas import scalar
    from gan.training.callbacks import StopOnInterrupt  # every worker has this callback

    hear, sent = StopOnInterrupt.on_train_batch_end, False

    def sending(self: Any, batch: int, logs: Any = None) -> None:
        nonlocal sent
        if not sent and int(scalar(self.model.step)) >= step:
            sent = True
            if delay:
                threading.Timer(delay, os.kill, (os.getpid(), number)).start()
            else:
                os.kill(os.getpid(), number)
        hear(self, batch, logs)

    StopOnInterrupt.on_train_batch_end = sending


def _fail_device(name: str, message: str) -> None:
    import tensorflow as tf

    from gan.utils import tensorflow as runtime

    def fail() -> str:
        raise getattr(tf.errors, name)(None, None, message)

    runtime.describe = fail


def _lack_library(name: str) -> None:
    from gan.utils import gpu

    card = gpu.Card("NVIDIA A100", "GPU-1", 2**35, 2**35, (8, 0))
    facts = gpu.Facts(driver="580.65.06", driver_cuda=(13, 0), cards=(card,), cuda=(12, 5), missing_libraries=(name,))
    gpu.read_facts = lambda: facts


def _poison(step: int, which: str) -> None:
    import tensorflow as tf

    from gan.models.gan import GAN
    from gan.models.losses import LOSSES

    built: list[GAN] = []
    begin, part = GAN.compile, {"d_loss": "discriminator", "g_loss": "generator"}[which]
    loss_class = LOSSES["non_saturating"]
    loss = getattr(loss_class, part)

    def compile_and_remember(self: GAN, *arguments: Any, **options: Any) -> None:
        begin(self, *arguments, **options)
        built.append(self)

    def poisoned(self: Any, real: Any, fake: Any) -> Any:
        here = tf.equal(built[-1].step, step - 1)
        return loss(self, real, fake) + tf.where(here, float("nan"), 0.0)

    GAN.compile = compile_and_remember
    setattr(loss_class, part, poisoned)


def _run(script: str, arguments: list[str]) -> int:
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")
    return 0


def _ended(process: int) -> int:
    """Returns the status of a child from `os.waitpid`. Kills the child after `PATIENCE` seconds."""
    deadline = time.monotonic() + PATIENCE
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return status
        if time.monotonic() > deadline:
            os.kill(process, signal.SIGKILL)
        time.sleep(0.01)


def _serve() -> None:
    sys.path.append(str(Path(__file__).parents[2]))  # `benchmarks` is not installed
    from gan.utils import tensorflow as runtime

    runtime.load_tensorflow()
    from gan.cli.main import main
    from gan.data.load import load_dataset
    from gan.training import setup

    gc.freeze()  # what a fork does not touch, it does not copy
    gc.set_threshold(50_000, 20, 20)
    digits = load_dataset("mnist5k")
    setup.load_dataset = lambda name, **options: (
        digits if name == digits.name and options.get("image_size") is None else load_dataset(name, **options)
    )
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            answers.write(f"{_ended(request['wait'])}\n")
            continue
        child = os.fork()
        if child == 0:
            output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            separate = request["errors"] != request["output"]
            os.dup2(output, 1)
            os.dup2(os.open(request["errors"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC) if separate else output, 2)
            os.chdir(request["cwd"])
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            status = 70
            try:
                fault = request["fault"]
                os.environ.update(fault.pop("environment", {}))
                script = fault.pop("script", None)
                _prepare(**fault)
                status = main(request["arguments"]) if script is None else _run(script, request["arguments"])
            except SystemExit as ended:
                status = ended.code
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        answers.write(f"{child}\n")


if __name__ == "__main__":
    _serve()
