"""Runs a revision and the working tree on this machine and prints the first difference between their results.

    python tests/helpers/same_results.py REVISION [--only CASE ...] [--quick] [--tree FOLDER]

REVISION runs twice, the working tree once. Results are the files and the output of `python -m gan`: weights,
optimizers, arrays of callbacks, logs, samples and reports, without seconds. They are compared by name and bit by bit.

If the two runs of REVISION differ, the tolerance is `SPREADS` times their largest difference. Results with another name
in REVISION are compared under their current name (`RENAMED`). The comparison omits results that REVISION may lack
(`ADDED`) and the sentences of a report (`IGNORED`).

Exit status: 0 if nothing differs, 1 if a case differs or fails, 2 for invalid arguments.

The two trees may have different modules and folders, so this script does not import `gan`. One process per tree imports
TensorFlow once. It forks a child for each command, which calls `gan.__main__.main`.
"""

import argparse
import csv
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
SPREADS = 4.0
"""Allowed difference, in multiples of the difference between the two runs of REVISION."""
TIMEOUT = 1_800.0
"""Seconds after which a command is killed."""
VERDICTS = (0, 3, 4)
"""Exit statuses of a command that succeeded."""
OFFLINE = {"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "", "http_proxy": "http://127.0.0.1:9"}
"""A proxy that refuses connections, so that neither revision downloads anything."""

RENAMED: Mapping[str, str] = {
    "The discriminator has won": "The discriminator dominates",  # states
    "pictures": "samples",  # reports
}
"""Part of a name in an earlier revision -> current part."""
ADDED = re.compile(r"discriminator\.keras |\.npz (step|images_seen)$|^report\.json compared$")
"""Names of results that an earlier revision may lack."""
IGNORED = re.compile(
    r"\.json content/format$|^report\.json (samples_at_hand|conventions|labels|meaning|not_known|reference|summary)\b"
)
"""Names of results that are not compared: the version of a training state, the sentences of a report, and the number of
real images that samples were limited to."""

Results = dict[str, np.ndarray]
"""Name -> array of numbers, or a string of shape ()."""


class BadInputError(Exception):
    """Invalid arguments."""


# Cases


@dataclass(frozen=True)
class Case:
    """One `gan` command; `stdout` is the file in its folder that receives its output."""

    name: str
    arguments: tuple[str, ...]
    stdout: str = "stdout.txt"


REPRODUCIBLE = ("--precision", "float32", "--deterministic", "--seed", "7")
SHORT = ("--steps", "6", "--epochs", "None", "--eval-every", "300")
"""Six steps instead of the length of a preset; two or more intervals if a batch has at least 64 images."""
SMALL = (*SHORT, "--g-width", "4", "--d-width", "4", *REPRODUCIBLE, "--output", "run")
VARIATIONS: Mapping[str, tuple[str, ...]] = {
    "critic-steps-2": ("--critic-steps", "2"),
    "simultaneous": ("--simultaneous",),
    "augment-translation": ("--augment", "translation"),
    "d-norm-batch": ("--d-norm", "batch"),
    "d-norm-spectral": ("--d-norm", "spectral"),
    "devices-2": ("--devices", "2"),
}
"""Name of a case -> options that it adds to the preset mnist."""


def cases(presets: Mapping[str, Any], *, quick: bool = False) -> list[Case]:
    """Returns all cases, the longest first.

    Args:
        presets: content of `gan presets --json` of REVISION.
        quick: evaluate 200 samples instead of the default number.
    """
    evaluate = ("evaluate", "mnist", "--json", *(() if _has_mnist() else ("--dataset", "mnist5k")))
    all_cases = [
        Case("evaluate", (*evaluate, *(("--num", "200") if quick else ())), stdout="report.json"),
        Case("train", ("train", "mnist", "--dataset", "mnist5k", "--steps", "200", *REPRODUCIBLE, "--output", "run")),
        Case("sample-npz", ("sample", "mnist", "--num", "64", "--out", "samples.npz")),
        Case("sample-png", ("sample", "mnist", "--num", "64", "--out", "samples.png")),
    ]
    for preset, options in presets.items():
        dataset = options["data"]["dataset"].replace("mnist", "mnist5k")  # needs no download
        all_cases.append(Case(f"preset-{preset}", ("train", preset, "--dataset", dataset, *SMALL)))
    for name, option in VARIATIONS.items():
        all_cases.append(Case(name, ("train", "mnist", "--dataset", "mnist5k", *SMALL, *option)))
    return all_cases


def _has_mnist() -> bool:
    folder = Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser()
    return any(folder.glob("mnist/*/dataset_info.json"))


# Results


def read_results(folder: Path) -> Results:
    """Returns all results in a folder, by file and name. config.json is omitted, since it describes the machine."""
    results: Results = {}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        read = READERS.get(file.suffix)
        if read is not None and file.name != "config.json":
            name = file.relative_to(folder).as_posix()
            results |= {f"{name} {part}".strip(): value for part, value in read(file).items()}
    return results


def comparable(results: Results) -> Results:
    """Returns the results that are compared, under their current names."""
    compared = {}
    for name, value in results.items():
        current = "/".join(RENAMED.get(part, part) for part in name.split("/"))
        if not IGNORED.search(current):
            compared[current] = value
    return compared


def _read_arrays(file: Path) -> Results:
    with np.load(file, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _read_weights(file: Path) -> Results:
    import h5py

    results: Results = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            results[name] = np.asarray(item)

    with zipfile.ZipFile(file) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights:
        weights.visititems(visit)
    return results


def _read_table(file: Path) -> Results:
    with file.open(newline="", encoding="utf-8") as rows:
        header, *lines = list(csv.reader(rows))
    columns = {name: [line[place] for line in lines] for place, name in enumerate(header)}
    return {name: np.array(values, np.float64) for name, values in columns.items() if _is_result(name)}


def _read_json(file: Path) -> Results:
    results: Results = {}

    def visit(name: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, part in value.items():
                if _is_result(key):
                    visit(f"{name}/{key}" if name else key, part)
        elif isinstance(value, list):
            for place, part in enumerate(value):
                visit(f"{name}/{place}", part)
        else:
            results[name] = _as_array(value)

    visit("", json.loads(file.read_text(encoding="utf-8")))
    return results


def _is_result(name: str) -> bool:
    """Returns whether a key or column is a result, not a time or the checksum of a file that contains times."""
    return "seconds" not in name and name != "sha256"


def _as_array(value: Any) -> np.ndarray:
    try:
        return np.array(float(value)) if isinstance(value, (int, float, str)) else np.array(str(value))
    except ValueError:
        return np.array(str(value))


def _hash_file(file: Path) -> Results:
    return {"": np.array(hashlib.sha256(file.read_bytes()).hexdigest())}


READERS: Mapping[str, Callable[[Path], Results]] = {
    ".npz": _read_arrays,
    ".keras": _read_weights,
    ".csv": _read_table,
    ".json": _read_json,
    ".png": _hash_file,
    ".gif": _hash_file,
}
"""Suffix of a file -> function that reads its results."""


def weights_sha256(results: Results) -> str | None:
    """Returns the SHA-256 of the networks and optimizers in all training states. None: there is no state."""
    digest = hashlib.sha256()
    names = [name for name in sorted(results) if ".npz " in name and "/state/" in name and " callbacks/" not in name]
    for name in names:
        digest.update(f"{name} {results[name].dtype.str} {results[name].shape}".encode())
        digest.update(results[name].tobytes())
    return digest.hexdigest() if names else None


# Comparison


def difference(name: str, before: np.ndarray, now: np.ndarray, allowed: float = 0.0) -> str | None:
    """Describes the first difference of two values. None: the bits are the same, or differ by at most `allowed`.

    `allowed` has no effect on strings.
    """
    if _is_text(before) or _is_text(now):
        same = _is_text(before) and _is_text(now) and np.array_equal(before, now)
        return None if same else f"{name}: {before} before, {now} now"
    if (before.dtype, before.shape) != (now.dtype, now.shape):
        return f"{name}: {before.dtype} {before.shape} before, {now.dtype} {now.shape} now"
    unequal = _bits(before) != _bits(now)
    with np.errstate(invalid="ignore"):
        distance = np.abs(before.astype(np.float64) - now.astype(np.float64))
    beyond = unequal & ~(distance <= allowed) if allowed else unequal  # NaN exceeds every tolerance
    if not beyond.any():
        return None
    index = tuple(np.argwhere(beyond)[0].tolist())
    where = f" {list(index)}" if index else ""
    count = f"; {int(unequal.sum())} of {unequal.size} differ" if unequal.size > 1 else ""
    bound = f", {allowed:.3g} allowed" if allowed else ""
    largest = np.max(distance[unequal])
    return f"{name}{where}: {before[index]!s} before, {now[index]!s} now{count}, by {largest:.3g} at most{bound}"


def _is_text(value: np.ndarray) -> bool:
    return value.dtype.kind == "U"


def _bits(value: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(value).view(f"u{value.dtype.itemsize}").reshape(value.shape)


@dataclass(frozen=True)
class Comparison:
    """`differences`: one line per name. `unstable`: one line per name that differs between the two runs of REVISION."""

    differences: tuple[str, ...]
    unstable: tuple[str, ...]

    def __str__(self) -> str:
        if self.differences:
            first, *others = self.differences
            names = [line.partition(":")[0] for line in others]
            more = (
                f"\n    and in {len(names)} more: {', '.join(names[:3])}{', ...' if names[3:] else ''}" if names else ""
            )
            return f"DIFFERENT: {first}{more}"
        if self.unstable:
            return (
                f"same, within {SPREADS:g} times the spread of REVISION, whose two runs differ in "
                f"{len(self.unstable)}: {self.unstable[0]}"
            )
        return "same"


def compare(before: Results, again: Results, now: Results) -> Comparison:
    """Compares two runs of REVISION with the working tree, bit by bit.

    If the two runs of REVISION differ in a case, strings are not compared and each name has a tolerance. It is
    `SPREADS` times the larger of two numbers: the largest difference of this name between the two runs, and the median
    relative difference of all names times the size of this one. The median matters for a name whose values happen to
    agree in both runs.
    """
    names = [*before, *(name for name in now if name not in before)]
    missing = [
        f"{name}: {'missing now' if name in before else 'missing before'}"
        for name in names
        if (name in before) != (name in now) and not (name in now and ADDED.search(name))
    ]
    common = [name for name in names if name in before and name in now]
    unstable = [line for name in common if (line := difference(name, before[name], again[name]))]
    unstable += [f"{name}: in one run only" for name in sorted(before.keys() ^ again.keys())]
    allowed = _allowances(before, again) if unstable else {}
    differences = []
    for name in common:
        if unstable and name not in allowed:
            continue
        line = difference(name, before[name], now[name], allowed.get(name, 0.0))
        if line is not None:
            differences.append(line)
    return Comparison((*differences, *missing), tuple(unstable))


def _allowances(before: Results, again: Results) -> dict[str, float]:
    """Returns {name: largest allowed difference}, without strings and values of different shapes."""
    spreads: dict[str, tuple[float, float]] = {}
    for name, value in before.items():
        other = again.get(name)
        if other is None or _is_text(value) or _is_text(other) or other.shape != value.shape or not value.size:
            continue
        one, two = value.astype(np.float64), other.astype(np.float64)
        common = np.isfinite(one) & np.isfinite(two)
        size = float(np.max(np.abs(one[common]), initial=0.0))
        spreads[name] = float(np.max(np.abs(one - two)[common], initial=0.0)), size
    relative = [spread / size for spread, size in spreads.values() if spread and size]
    typical = float(np.median(relative)) if relative else 0.0
    return {name: SPREADS * max(spread, typical * size) for name, (spread, size) in spreads.items()}


# Running


class Tree:
    """A source tree and the process that forks its commands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._lock = threading.Lock()
        environment = {
            **{name: value for name, value in os.environ.items() if name != "TF_CONFIG"},
            **OFFLINE,
            "PYTHONPATH": str(self.folder),
            "PYTHONHASHSEED": "0",
            "KERAS_BACKEND": "tensorflow",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - open as long as the process runs
        # -P: modules next to this file must not shadow modules of the tree
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__, "--serve", str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            bufsize=1,
            env=environment,
            cwd=tempfile.gettempdir(),
            start_new_session=True,
        )

    def __enter__(self) -> "Tree":
        return self

    def __exit__(self, *error: object) -> None:
        """Kills the process and the commands that still run."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for file in (self._process.stdin, self._process.stdout, self._errors):
            assert file is not None
            file.close()

    def _ask(self, **request: Any) -> Any:
        with self._lock:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            try:
                self._process.stdin.write(json.dumps(request) + "\n")
                answer = self._process.stdout.readline()
            except BrokenPipeError:
                answer = ""
        if not answer:
            self._process.wait()
            self._errors.seek(0)
            raise RuntimeError(f"The process that runs the commands of {self.folder} ended: {self._errors.read()}")
        return json.loads(answer)

    def run(self, arguments: Sequence[str], folder: Path, stdout: str = "stdout.txt") -> int:
        """Runs `gan ARGUMENTS` in a new folder that receives its output; returns the status, negative for a signal."""
        folder.mkdir(parents=True)
        child = self._ask(arguments=list(arguments), folder=str(folder), stdout=stdout)
        deadline = time.monotonic() + TIMEOUT
        while True:
            status = self._ask(ended=child)
            if status is not None:
                return int(os.waitstatus_to_exitcode(status))
            if time.monotonic() > deadline:
                os.kill(child, signal.SIGKILL)
            time.sleep(0.05)


def _serve(tree: str) -> None:
    """Answers lines of JSON: starts a command and returns its process id, or returns the status of a process."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    import keras  # noqa: F401
    import tensorflow  # noqa: F401

    from gan import __main__ as program

    if not Path(program.__file__).resolve().is_relative_to(tree):
        raise SystemExit(f"Expected the gan of {tree}. Received: {program.__file__}")
    for line in sys.stdin:
        request = json.loads(line)
        if "ended" in request:
            process, status = os.waitpid(request["ended"], os.WNOHANG)
            answers.write(f"{status if process else 'null'}\n")
            continue
        child = os.fork()
        if child == 0:
            _command(program.main, **request)
        answers.write(f"{child}\n")


def _command(main: Callable[[], int], arguments: list[str], folder: str, stdout: str) -> None:
    """Runs one command and ends this process."""
    status: Any = 70
    try:
        os.chdir(folder)
        for number, name, mode in (
            (0, os.devnull, os.O_RDONLY),
            (1, stdout, os.O_WRONLY),
            (2, "stderr.txt", os.O_WRONLY),
        ):
            os.dup2(os.open(name, mode | os.O_CREAT), number)
        sys.argv = ["gan", *arguments]
        status = main()
    except SystemExit as ended:
        status = ended.code
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else int(status is not None))


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True)


@contextmanager
def checked_out(revision: str, folder: Path) -> Iterator[Path]:
    """Checks out a revision into a temporary worktree in `folder`. Raises `BadInputError` for an unknown revision."""
    resolved = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if resolved.returncode:
        raise BadInputError(f"Expected a revision of {ROOT}. Received: {revision!r}")
    tree = folder / "revision"
    try:
        added = _git("worktree", "add", "--detach", str(tree), resolved.stdout.strip())
        if added.returncode:
            raise BadInputError(f"Expected a revision that git can check out. Received: {added.stderr.strip()}")
        yield tree
    finally:
        _git("worktree", "remove", "--force", str(tree))
        shutil.rmtree(tree, ignore_errors=True)
        _git("worktree", "prune")


def compare_revisions(
    revision: str,
    *,
    only: Sequence[str] = (),
    quick: bool = False,
    tree: Path = ROOT,
    log: Callable[[str], object] = print,
) -> list[str]:
    """Returns the names of the cases whose results differ from `revision`.

    Args:
        revision: git revision, runs twice.
        only: names of cases. Empty: all cases.
        quick: evaluate 200 samples instead of the default number.
        tree: source tree, runs once.
        log: receives one line per case.

    Raises:
        BadInputError: the revision, tree or case is unknown.
    """
    if not (tree / "gan").is_dir():
        raise BadInputError(f"Expected a source tree with a folder gan. Received: {tree}")
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="same-results-")))
        old = stack.enter_context(Tree(stack.enter_context(checked_out(revision, scratch))))
        new = stack.enter_context(Tree(tree))
        selected = _select_cases(cases(_presets(old, scratch / "presets"), quick=quick), only)
        pool = ThreadPoolExecutor(os.cpu_count() or 1)
        stack.callback(pool.shutdown, wait=False, cancel_futures=True)
        runs = {"before": old, "again": old, "now": new}
        ended = {
            case.name: {
                name: pool.submit(server.run, case.arguments, scratch / case.name / name, case.stdout)
                for name, server in runs.items()
            }
            for case in selected
        }
        different = []
        for case in selected:
            statuses = {name: future.result() for name, future in ended[case.name].items()}
            same, line = _compare_case(scratch / case.name, statuses)
            log(f"{case.name:<{max(len(one.name) for one in selected)}}  {line}")
            shutil.rmtree(scratch / case.name)
            if not same:
                different.append(case.name)
        return different


def _presets(tree: Tree, folder: Path) -> Any:
    status = tree.run(("presets", "--json"), folder)
    if status:
        raise RuntimeError(f"gan presets --json ended with status {status}: {(folder / 'stderr.txt').read_text()}")
    return json.loads((folder / "stdout.txt").read_text(encoding="utf-8"))


def _select_cases(available: list[Case], only: Sequence[str]) -> list[Case]:
    unknown = [name for name in only if name not in [case.name for case in available]]
    if unknown:
        raise BadInputError(f"Expected cases of {[case.name for case in available]}. Received: {unknown}")
    return [case for case in available if not only or case.name in only]


def _compare_case(folder: Path, statuses: Mapping[str, int]) -> tuple[bool, str]:
    """Returns whether the results of a case are the same, and the line to print."""
    failed = {name: status for name, status in statuses.items() if status not in VERDICTS}
    if failed:
        lines = [
            f"{name}: status {status}, {_last_text(folder / name / 'stderr.txt')}" for name, status in failed.items()
        ]
        return False, "\n    ".join(["FAILED", *lines])
    results = [
        {"exit status": np.array(float(status)), **comparable(read_results(folder / name))}
        for name, status in statuses.items()
    ]
    comparison = compare(*results)
    sha256 = weights_sha256(results[-1])
    weights = f"; SHA-256 of all weights: {sha256}" if sha256 and not comparison.differences else ""
    return not comparison.differences, f"{comparison} ({len(results[-1])} values{weights})"


def _last_text(file: Path) -> str:
    """Returns the last 300 characters of a text file on one line, without box-drawing characters."""
    words = re.sub(r"[\s\u2500-\u257f]+", " ", file.read_text(encoding="utf-8", errors="replace")).strip()
    return words[-300:]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revision", help="git revision to compare the working tree with")
    parser.add_argument("--only", nargs="+", default=[], metavar="CASE", help="cases to compare; default: all")
    parser.add_argument("--quick", action="store_true", help="evaluate 200 samples instead of the default number")
    parser.add_argument("--tree", type=Path, default=ROOT, help="source tree to use instead of the working tree")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    try:
        different = compare_revisions(options.revision, only=options.only, quick=options.quick, tree=options.tree)
    except BadInputError as error:
        print(f"same_results: {error}", file=sys.stderr)
        return 2
    print(f"{len(different)} cases differ, {time.monotonic() - began:.0f} s")
    return int(bool(different))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        _serve(sys.argv[2])
    else:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # removes the worktree on SIGTERM, too
        raise SystemExit(main())
