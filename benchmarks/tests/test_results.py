"""Recorded results can be resumed, and reproduce their tables."""

import json
import shutil
from pathlib import Path

import pytest

from benchmarks.benchmark import PLOT, RESULTS, TABLE, Record
from benchmarks.cli import BENCHMARKS, load_benchmark
from benchmarks.tests.tables import rows_of

KEPT = Path(__file__).parents[1] / "results"


@pytest.mark.parametrize("name", BENCHMARKS)
def test_recorded_results_reproduce_their_table(name, tmp_path):
    content = json.loads((KEPT / name / RESULTS).read_text(encoding="utf-8"))
    shutil.copy(KEPT / name / RESULTS, tmp_path)
    record = Record(tmp_path, name, content["settings"])
    assert all(record.has(key, run["config"]) for key, run in content["runs"].items())
    table = load_benchmark(name)().table(record.content).markdown()
    kept = (KEPT / name / TABLE).read_text(encoding="utf-8")
    assert rows_of(table) == rows_of(kept)
    assert len(rows_of(table)) > 2
    texts = [[line for line in text.splitlines() if not line.startswith("|")] for text in (table, kept)]
    assert texts[0] == texts[1]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_recorded_results_give_a_plot(name, tmp_path):
    from benchmarks.plot import write_png

    content = json.loads((KEPT / name / RESULTS).read_text(encoding="utf-8"))
    write_png(tmp_path / PLOT, load_benchmark(name)().figure(content))
    assert (tmp_path / PLOT).stat().st_size > 10_000
