import json
import sys
from concurrent.futures.process import BrokenProcessPool

import pytest
from helpers.comparison import size_of

from benchmarks.cli import main
from benchmarks.tests.tables import rows_of


def test_a_point_changes_the_option_of_its_axis():
    from benchmarks import growth

    batch, width, size = (growth.config_of("mnist", axis, 48) for axis in ("batch", "width", "size"))
    assert (batch.optimization.batch_size, batch.data.height_and_width) == (48, (32, 32))
    assert (width.model.g_width, width.model.d_width, width.optimization.batch_size) == (48, 48, 64)
    assert size.data.height_and_width == (48, 48)
    dataset = growth.noise(size)
    assert (len(dataset.train), dataset.image_shape, dataset.num_classes) == (64, (48, 48, 1), 10)


@pytest.fixture
def lawful(monkeypatch):
    """Replaces measurements: 1 ms per image and 2 MB per pixel of the side, without a separate process."""

    def measured(config, seconds):
        images, (side, _) = config.optimization.batch_size, config.data.height_and_width
        return {"seconds_per_step": 1e-3 * images, "steps": 1, "first_seconds": 1.0, "images_per_step": images,
                "flops_per_step": 5e6 * images, "megabytes": 2.0 * side}  # fmt: skip

    class Here:
        def __init__(self, *_, **__):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def submit(self, function, *arguments):
            self.result = lambda: function(*arguments)
            return self

    monkeypatch.setattr("concurrent.futures.ProcessPoolExecutor", Here)
    monkeypatch.setattr("benchmarks.growth.measure_point", measured)


def options(out, *more):
    return ["growth", "--preset", "mnist-mlp", "--batches", "2", "8", "--widths", "2",
            "--sizes", "8", "16", "--rounds", "2", "--out", str(out), *more]  # fmt: skip


@pytest.mark.slow
def test_growth_reports_exponents_and_measures_no_point_twice(lawful, monkeypatch, tmp_path, capsys):
    out = tmp_path / "growth"
    assert main(options(out)) == 0
    runs = json.loads((out / "results.json").read_text())["runs"]
    once = ["batch-2", "batch-8", "width-2", "size-8", "size-16"]
    assert list(runs) == [f"{point}-{number}" for number in range(2) for point in once]
    assert runs["width-2-0"]["generator_parameters"] < runs["batch-2-0"]["generator_parameters"]
    rows = rows_of((out / "table.md").read_text())
    assert [row[:7] for row in rows[1:6]] == [
        ["batch 2", "2", "2.0", "1,000", "5.0", "5.0", "64"],
        ["batch 8", "2", "8.0", "1,000", "5.0", "5.0", "64"],
        ["width 2", "2", "32.0", "1,000", "5.0", "5.0", "64"],
        ["size 8", "2", "32.0", "1,000", "5.0", "5.0", "16"],
        ["size 16", "2", "32.0", "1,000", "5.0", "5.0", "32"],
    ]
    assert rows[7:] == [
        ["batch", "1.00", "1.00", "0.00", "0.00"],
        ["width", *["-"] * 4],
        ["size", "0.00", "0.00", "1.00", "1.00"],
    ]
    width, height = size_of(out / "plot.png")
    assert width > height > 500

    monkeypatch.setattr("benchmarks.growth.measure_point", lambda *_: pytest.fail("measured again"))
    before = (out / "results.json").read_text()
    assert main(options(out)) == 0
    assert (out / "results.json").read_text() == before
    assert main(options(out, "--seconds", "9")) == 2
    assert "settings.seconds" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_process_ends_the_benchmark_and_keeps_finished_points(lawful, monkeypatch, tmp_path, capsys):
    from benchmarks import growth

    def killed(config, seconds):
        if config.optimization.batch_size == 8:
            raise BrokenProcessPool
        return lawfully(config, seconds)

    lawfully = growth.measure_point
    monkeypatch.setattr(growth, "measure_point", killed)
    assert main(options(tmp_path, "--widths", "--sizes")) == 1
    assert "batch-8-0: its process was killed" in capsys.readouterr().err
    assert list(json.loads((tmp_path / "results.json").read_text())["runs"]) == ["batch-2-0"]


@pytest.mark.slow
def test_a_point_measures_a_step():
    from benchmarks import growth

    found = growth.measure_point(growth.config_of("mnist-mlp", "width", 2), 1e-6)
    assert (found["images_per_step"], found["steps"]) == (32, 1)
    assert found["first_seconds"] > found["seconds_per_step"] > 0
    assert found["flops_per_step"] > 2 * 32 * 32**2 * 16  # D sees all pixels with its first layer
    if sys.platform == "linux":
        assert -1 < found["megabytes"] < 10_000  # in this process, memory may be free already


@pytest.mark.slow
def test_a_point_runs_in_a_separate_process(tmp_path):
    assert main(options(tmp_path / "growth", "--batches", "4", "--widths", "--sizes", "--rounds", "1")) == 0
    (run,) = json.loads((tmp_path / "growth" / "results.json").read_text())["runs"].values()
    assert run["megabytes"] > 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--preset", "nonsense"), "Unknown preset"),
        (("--rounds", "0"), "Bad `rounds`"),
        (("--seconds", "0"), "Bad `seconds`"),
        (("--batches", "4", "4"), "each once"),
        (("--sizes", "0"), "Bad `sizes`"),
        (("--batches", "--widths", "--sizes"), "at least one"),
    ],
)
def test_bad_input_is_rejected_before_anything_is_written(more, message, tmp_path, capsys):
    assert main(options(tmp_path / "out", *more)) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
