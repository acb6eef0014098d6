"""python -m benchmarks serve: requests/s and latency of `gan serve`, beside its bare generator, and its memory."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from benchmarks import http_load
from benchmarks.benchmark import Benchmark, Log, Record, provenance
from benchmarks.http_load import Request, get, post
from benchmarks.summary import Table, format_spread
from gan.deployment.serve.place import Place
from gan.errors import TrainingError, check, check_positive, check_whole
from gan.saving import models
from gan.utils import tensorflow as runtime

if TYPE_CHECKING:
    from benchmarks.plot import Figure

BATCHES = ("together", "alone")
"""Whether requests share batches."""

TARGET = ("/sample.npz, 64 samples", "together", 64)
"""What is compared with the target: kind of requests, batches, clients."""
TARGET_RATIO = 0.7
"""Least samples/s of the target, relative to the bare generator with the same batch size."""

BARE_BATCHES = (64, 256)
"""Batch sizes of the bare generator: the largest batch of the server, and one that is near its fastest."""

COLUMNS = (
    "requests", "batches", "clients", "requests/s", "samples/s", "relative to bare", "p50 (ms)", "p99 (ms)", "lost"
)  # fmt: skip

MEMORY_PARTS = 10
MEMORY_CLIENTS = 64


@dataclass(frozen=True)
class Serve(Benchmark):
    """Measure `gan serve` with 1, 8 and 64 clients: with and without common batches, beside its bare generator.

    Each client sends its next request when it has its answer. The bare generator is a compiled graph in a loop over
    latents in memory, measured before each server. Memory is that of the server after each tenth of many requests.
    Finished rounds are saved in --out; rounds may be added.
    """

    checkpoint: str = "mnist"
    """A run folder, a .keras file, or a pretrained name, of a generator with classes."""
    clients: tuple[int, ...] = (1, 8, 64)
    """Numbers of clients."""
    seconds: float = 5.0
    """Approximate duration of each measurement, in seconds."""
    rounds: int = 3
    """Measurements of each row."""
    requests: int = 100_000
    """Requests of the measurement of memory, of one sample each. 0: no measurement."""
    out: Path = Path("benchmarks/results/serve")
    """Folder for results.json, table.md and plot.png."""

    name: ClassVar[str] = "serve"

    def check(self) -> None:
        check(0 < len(set(self.clients)) == len(self.clients), "clients", "at least one, each once", list(self.clients))
        for clients in self.clients:
            check_whole("clients", clients, 1, 1_000)
        check_positive("seconds", self.seconds)
        check_whole("rounds", self.rounds, 1)
        check_whole("requests", self.requests, 0)
        found = models.describe(self.checkpoint)
        check(bool(found.num_classes), "checkpoint", "a generator with classes", self.checkpoint)

    def settings(self) -> Mapping[str, Any]:
        return {
            "checkpoint": self.checkpoint,
            "clients": self.clients,
            "seconds": self.seconds,
            "generator_sha256": models.describe(self.checkpoint).sha256,
        }

    def measure(self, record: Record, log: Log) -> None:
        missing = [number for number in range(self.rounds) if not record.has(f"round-{number}", {})]
        if missing:
            from benchmarks.loops import BareGenerator
            from gan import load_generator

            runtime.start()
            bare = BareGenerator(load_generator(self.checkpoint))
        for number in missing:
            rows, bare_rates = [], []
            for batches in BATCHES:
                rates = {str(batch): bare.rate(batch, self.seconds) for batch in BARE_BATCHES}
                bare_rates.append(rates)
                for row in self._rows(batches):
                    rows.append({**row, "bare": rates})
                    log(f"round {number + 1} of {self.rounds}: {_line(row)}")
            record.add(f"round-{number}", {}, {"bare": bare_rates, "rows": rows})
        if self.requests and not record.has("memory", {"requests": self.requests}):
            found = self._memory()
            record.add("memory", {"requests": self.requests}, found)
            log(f"memory: {found['megabytes'][0]:,.0f} to {found['megabytes'][-1]:,.0f} MB, {found['lost']} lost")

    def _rows(self, batches: str) -> Iterator[dict[str, Any]]:
        """Measures all rows of one server."""
        with _server(self.checkpoint, batches) as (address, _):
            for kind, (request, samples) in requests_of(self.checkpoint).items():
                http_load.run_load(address, request, clients=max(self.clients), seconds=self.seconds / 5)
                for clients in self.clients:
                    load = http_load.run_load(address, request, clients=clients, seconds=self.seconds)
                    yield {
                        "kind": kind,
                        "batches": batches,
                        "clients": clients,
                        "requests_per_second": load.rate,
                        "samples_per_second": load.rate * samples,
                        "p50_ms": 1_000 * load.percentile(50),
                        "p99_ms": 1_000 * load.percentile(99),
                        "lost": load.lost,
                    }

    def _memory(self) -> dict[str, Any]:
        """Returns the memory of a server before the requests and after each part of them, in MB, and lost requests."""
        part, lost = -(-self.requests // MEMORY_PARTS), 0
        with _server(self.checkpoint, "together") as (address, process):
            request, _ = requests_of(self.checkpoint)["/sample.npz, 1 sample"]
            lost += http_load.run_load(address, request, clients=MEMORY_CLIENTS, requests=part).lost
            megabytes = [resident_megabytes(process)]
            for _ in range(MEMORY_PARTS):
                lost += http_load.run_load(address, request, clients=MEMORY_CLIENTS, requests=part).lost
                megabytes.append(resident_megabytes(process))
        return {"megabytes": megabytes, "requests": part * MEMORY_PARTS, "lost": lost}

    def table(self, content: Mapping[str, Any]) -> Table:
        rounds = _rounds(content)
        rows = [
            [f"bare generator, batch {batch}", "-", "-", "-", format_spread(rates, ",.0f"), "-", "-", "-", "-"]
            for batch, rates in _bare(rounds).items()
        ]
        for (kind, batches, clients), found in _by_row(rounds).items():
            rows.append(
                [
                    kind,
                    batches,
                    str(clients),
                    format_spread((row["requests_per_second"] for row in found), ",.0f"),
                    format_spread((row["samples_per_second"] for row in found), ",.0f"),
                    format_spread(map(_ratio, found), ".2f"),
                    format_spread((row["p50_ms"] for row in found), ",.3g"),
                    format_spread((row["p99_ms"] for row in found), ",.3g"),
                    str(sum(row["lost"] for row in found)),
                ]
            )
        return Table(
            f"gan serve {content['settings']['checkpoint']}: median (minimum to maximum) of {len(rounds)} rounds.",
            COLUMNS,
            rows,
            [
                "Ratios compare with the bare generator of batch 64, measured just before. Server and clients share "
                "the cores. `together`: requests share batches. `alone`: they do not. Lost: requests without "
                "an answer of status 200.",
                *_target(rounds),
                *_memory_lines(content["runs"].get("memory")),
                "",
                *provenance(content),
            ],
        )

    def figure(self, content: Mapping[str, Any]) -> "Figure":
        from benchmarks.plot import bars

        groups: dict[str, dict[str, list[float]]] = {}
        for (kind, batches, clients), found in _by_row(_rounds(content)).items():
            values = [row["requests_per_second"] for row in found]
            groups.setdefault(f"requests/s: {kind}", {})[f"{clients} clients, {batches}"] = values
        return bars(groups, title=f"gan serve {content['settings']['checkpoint']}", stacked=True)


def requests_of(checkpoint: str) -> dict[str, tuple[Request, int]]:
    """Returns {kind: (requests, samples in each)} for a checkpoint with classes."""
    latent_dim = models.describe(checkpoint).latent_dim or 1
    predict = f"/v1/models/{Place.of(checkpoint).name}:predict"

    def body(rows: int) -> bytes:
        instances = [{"latents": [(17 * row + step) % 31 / 15 - 1 for step in range(latent_dim)], "labels": 0}
                     for row in range(rows)]  # fmt: skip
        return json.dumps({"instances": instances}).encode()

    one, many = body(1), body(64)
    return {
        "/sample.npz, 64 samples": (lambda number: get("/sample.npz?num=64"), 64),
        "/sample.npz, 64 samples, new seeds": (lambda number: get(f"/sample.npz?num=64&seed={number}"), 64),
        "/sample.npz, 1 sample": (lambda number: get(f"/sample.npz?num=1&start={number % 1_024}"), 1),
        ":predict, 64 samples in JSON": (lambda number: post(predict, many), 64),
        ":predict, 1 sample in JSON": (lambda number: post(predict, one), 1),
    }


@contextmanager
def _server(checkpoint: str, batches: str) -> Iterator[tuple[str, int]]:
    """Runs a server inside. Yields its address and its process."""
    words = [sys.executable, "-m", "benchmarks.serve_process", checkpoint, batches]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8", env=dict(os.environ)
    ) as process:
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            if not address:
                raise TrainingError(f"`python {' '.join(words[1:])}` did not start")
            yield address, process.pid
        finally:
            process.terminate()
            process.wait()


def resident_megabytes(process: int) -> float | None:
    """Returns the resident memory of a process. None: unknown."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return None
    kilobytes = [int(line.split()[1]) for line in lines if line.startswith("VmRSS:")]
    return round(kilobytes[0] / 1024, 1) if kilobytes else None


Row = Mapping[str, Any]


def _rounds(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [run for name, run in content["runs"].items() if name != "memory"]


def _by_row(rounds: list[Mapping[str, Any]]) -> dict[tuple[str, str, int], list[Row]]:
    found: dict[tuple[str, str, int], list[Row]] = {}
    for run in rounds:
        for row in run["rows"]:
            found.setdefault((row["kind"], row["batches"], row["clients"]), []).append(row)
    kinds = list(dict.fromkeys(kind for kind, _, _ in found))
    return dict(sorted(found.items(), key=lambda item: (kinds.index(item[0][0]), item[0][2])))


def _bare(rounds: list[Mapping[str, Any]]) -> dict[str, list[float]]:
    return {str(batch): [rates[str(batch)] for run in rounds for rates in run["bare"]] for batch in BARE_BATCHES}


def _ratio(row: Row) -> float:
    return cast(float, row["samples_per_second"] / row["bare"]["64"])


def _line(row: Row) -> str:
    return (
        f"{row['kind']}, {row['batches']}, {row['clients']} clients: {row['requests_per_second']:,.0f} requests/s, "
        f"p50 {row['p50_ms']:.3g} ms, p99 {row['p99_ms']:.3g} ms"
    )


def _target(rounds: list[Mapping[str, Any]]) -> list[str]:
    """Returns whether the target is met, as a line."""
    found = _by_row(rounds).get(TARGET)
    if found is None:
        return []
    ratio = format_spread(map(_ratio, found), ".2f")
    kind, batches, clients = TARGET
    return [f"Target: at least {TARGET_RATIO} for {kind}, {batches}, {clients} clients. Measured: {ratio}."]


def _memory_lines(run: Mapping[str, Any] | None) -> list[str]:
    if run is None or None in run["megabytes"]:
        return []
    first, last = run["megabytes"][0], run["megabytes"][-1]
    return [
        f"Memory: {first:,.0f} MB before {run['requests']:,} requests of {MEMORY_CLIENTS} clients, {last:,.0f} MB "
        f"after ({', '.join(f'{size:,.0f}' for size in run['megabytes'])}); {run['lost']} lost."
    ]
