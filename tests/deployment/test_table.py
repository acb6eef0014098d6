"""The file of the table of exported generators, and how it is printed."""

from dataclasses import replace
from pathlib import Path

import pytest

from gan.cli.artifacts import print_artifacts
from gan.deployment.table import Artifact, ArtifactCost, ArtifactFile, ArtifactQuality, ArtifactTable, load_table
from gan.errors import InputError
from gan.saving import files

FILE = ArtifactFile(name="mnist/1", bytes=1_813_881, content_sha256="0" * 64, max_difference=1e-6)
QUALITY = ArtifactQuality(
    wrong=11,
    num=10_000,
    error_rate=0.0011,
    error_rate_lower=0.0006,
    error_rate_upper=0.002,
    verdict="within",
    frechet_distance=123.0,
    frechet_in_floors=12.3,
    coverage=0.95,
)
COST = ArtifactCost(
    milliseconds=1234.0,
    milliseconds_fastest=1111.0,
    milliseconds_slowest=5678.0,
    rounds=15,
    batches=450,
    peak_memory_bytes=6 * 10**9,
)
ROW = Artifact(format="saved_model", weights="float32", file=FILE, quality=QUALITY, cost=COST)
FAILED = Artifact(format="litert", weights="int8", failure="LiteRT cannot express this generator")
TABLE = ArtifactTable(
    kind="artifacts",
    name="mnist",
    generator_sha256="1" * 64,
    dataset="mnist",
    classifier_sha256="2" * 64,
    tolerance=0.02,
    num=10_000,
    seed=7,
    frechet_floor=10.0,
    real_coverage=0.96,
    batch=64,
    idle_memory_bytes=4 * 10**7,
    artifacts=(ROW, FAILED),
    cpu="A processor",
    cores=2,
    command="gan export mnist --table",
    date="2026-01-01T00:00:00+00:00",
)


def written(folder, **changes):
    """Writes the table with changes by position, such as `artifacts.0.file.name`, and returns its path."""
    content = TABLE.as_dict()
    for place, value in changes.items():
        *way, last = [int(step) if step.isdigit() else step for step in place.split("__")]
        part = content
        for step in way:
            part = part[step]
        part[last] = value
    files.write_json(folder / "table.json", content)
    return folder / "table.json"


def test_a_table_is_read_as_it_was_written(tmp_path):
    assert load_table(written(tmp_path)) == TABLE
    assert load_table(str(tmp_path / "table.json")).within == [ROW]


def test_a_table_of_an_earlier_revision_compared_all_samples(tmp_path):
    content = TABLE.as_dict()
    assert content.pop("compared") == 10_000
    files.write_json(tmp_path / "table.json", content)
    assert load_table(tmp_path / "table.json") == TABLE


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("kind", "generator", "Bad `kind`"),
        ("num", 0, "Bad `num`"),
        ("compared", 10_001, "Bad `compared`"),
        ("artifacts", "none", "Bad `artifacts`"),
        ("artifacts__0__format", "web", "`artifacts[0].format`"),
        ("artifacts__0__weights", "int4", "`artifacts[0].weights`"),
        ("artifacts__0__quality__wrong", 10_001, "`artifacts[0].quality`"),
        ("artifacts__0__quality__verdict", "good", "`artifacts[0].quality.verdict`"),
        ("artifacts__0__cost__milliseconds", -1.0, "`artifacts[0].cost.milliseconds`"),
        ("artifacts__0__cost", None, "An incomplete row (`artifacts[0]`)"),
        ("artifacts__1__failure", None, "An incomplete row (`artifacts[1]`)"),
        ("artifacts__0__file__name", "../../secret.onnx", "(`artifacts[0].file`)"),
        ("artifacts__0__file__name", "/etc/passwd", "(`artifacts[0].file`)"),
        ("artifacts__0__file__name", "..\\secret.onnx", "(`artifacts[0].file`)"),
        ("artifacts__0__file__name", "", "(`artifacts[0].file`)"),
    ],
)
def test_an_error_names_the_position_in_the_table(tmp_path, place, value, said):
    path = written(tmp_path, **{place: value})
    with pytest.raises(InputError) as raised:
        load_table(path)
    assert said in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_table_that_does_not_exist_or_is_cut_off_is_refused(tmp_path):
    with pytest.raises(InputError, match="No such table"):
        load_table(tmp_path)
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match=r"Damaged table\.json"):
        load_table(path)


def test_the_printed_table_has_80_columns_and_tells_why_a_row_failed(capsys):
    rows = [replace(ROW, weights=weights) for weights in ("float32", "float16", "int8")]
    unknown = replace(QUALITY, frechet_distance=None, frechet_in_floors=None, coverage=None, verdict="undecided")
    rows += [FAILED, replace(ROW, quality=unknown, cost=replace(COST, peak_memory_bytes=None))]
    table = replace(TABLE, artifacts=tuple(rows), frechet_floor=None, real_coverage=None, idle_memory_bytes=None)
    print_artifacts(table, Path("exported/mnist-artifacts.json"))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    for part in ("0.11 %", "0.06-0.20", "12.3", "1,111-5,678", "5,722", "1,771", "within", "undecided"):
        assert part in text
    assert "litert int8  failed: LiteRT cannot express this generator" in text
