"""A report shows the early stopping of its run, and the last confirmation may decide its verdict."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from helpers.reports import made_up
from hypothesis import example, given
from hypothesis import strategies as st

from gan.config import StoppingConfig, TrainConfig
from gan.errors import InputError
from gan.evaluation import plots
from gan.evaluation import report as reports
from gan.evaluation.evaluation import Evaluation
from gan.evaluation.html import page
from gan.evaluation.report_text import headline, summary
from gan.evaluation.stopping import MeasuredInterval, StoppingHistory, load_stopping_history
from gan.saving.metadata import RunDataset, RunMetadata, RunResult
from gan.tolerance import Confirmation, ErrorRate, samples_needed, verdict

LOG = """interval,images,val_error_rate,val_error_rate_lower,val_error_rate_upper,nominated
1,640,0.9,0.88,0.92,0.0
2,1280,nan,nan,nan,0.0
3,1920,0.01,0.005,0.018,1.0
4,2560,0.01,0.005,0.018,0.0
5,3200,0.0,0.0,0.002,0.0
6,38
"""


def confirmation(attempt=1, wrong=54, num=3_899, *, interval=3, confidence=0.95, tolerance=0.02, unmet=(), **fields):
    """Returns a confirmation whose verdict follows from its other values."""
    found = verdict(ErrorRate(wrong, num), tolerance, confidence=confidence)
    return Confirmation(
        attempt=attempt,
        interval=interval,
        wrong=wrong,
        num=num,
        confidence=confidence,
        verdict="undecided" if found == "within" and unmet else found,
        unmet=unmet,
        **fields,
    )


def measured(interval, rate, *, nominated=False):
    return MeasuredInterval(
        interval=interval,
        images=640 * interval,
        error_rate=rate,
        error_rate_lower=rate / 2,
        error_rate_upper=2 * rate + 0.001,
        is_nominated=nominated,
    )


CURVE = (measured(1, 0.4), measured(2, 0.05), measured(3, 0.008, nominated=True), measured(4, 0.0, nominated=True))
CONFIRMATIONS = (
    confirmation(1, 80),
    confirmation(2, 400, 8_000, interval=4),
    confirmation(3, 60, 9_000, interval=4, unmet=("coverage of test images 0.40, needed 0.75",)),
    confirmation(4, 55, 9_000, interval=4, is_last=True),
)
HISTORY = StoppingHistory(tolerance=0.02, curve=CURVE, confirmations=CONFIRMATIONS)


def record(tolerance=0.02, confirmations=(), *, has_ended=True):
    result = RunResult(
        images=3_200,
        steps=100,
        seconds=1.0,
        compile_seconds=0.0,
        interrupted=False,
        stopped_by=None,
        interval=3,
        confirmations=confirmations,
    )
    return RunMetadata(
        config=TrainConfig(stopping=StoppingConfig(tolerance=tolerance)),
        dataset=RunDataset(name="mnist", image_shape=(28, 28, 1), train=5_000),
        total_steps=100,
        result=result if has_ended else None,
    )


def report(wrong=184, num=10_000, *, coverage=0.9, tolerance=0.02, **changes):
    """Returns a report whose samples have this number of errors, and coverage of 0.95 for real images."""
    rate = ErrorRate(wrong, num)
    lower, upper = rate.interval
    values = {
        "error_rate": (rate.value, 0.0),
        "error_rate_lower": (lower, 0.0),
        "error_rate_upper": (upper, 0.0),
        "coverage": (coverage, 0.95),
        **dict.fromkeys(("frechet_distance", "precision", "recall", "pairwise_ssim"), (0.9, 0.9)),
    }
    found = verdict(rate, tolerance, coverage=math.nan if coverage is None else coverage, real_coverage=0.95)
    return made_up(values, num=num, tolerance=tolerance, verdict=found, **changes)


def test_the_history_of_a_run_comes_from_its_log_and_its_metadata(tmp_path):
    (tmp_path / "log.csv").write_text(LOG)
    confirmations = (confirmation(interval=4), confirmation(2, interval=5, is_last=True))
    history = load_stopping_history(tmp_path, record(confirmations=confirmations))
    assert history.tolerance == 0.02
    assert history.confirmations == confirmations
    assert [(point.interval, point.images) for point in history.curve] == [(1, 640), (3, 1920), (4, 2560), (5, 3200)]
    assert [point.is_nominated for point in history.curve] == [False, True, True, False]  # 5: the last confirmation
    assert (history.curve[0].error_rate_lower, history.curve[0].error_rate_upper) == (0.88, 0.92)
    assert [history.images_at(interval) for interval in (1, 2, 4)] == [640, None, 2560]


def test_a_run_without_a_tolerance_or_without_results_has_no_history(tmp_path):
    assert load_stopping_history(tmp_path, record()) is None
    (tmp_path / "log.csv").write_text(LOG)
    assert load_stopping_history(tmp_path, record(None)) is None
    assert load_stopping_history(tmp_path, record(has_ended=False)).confirmations == ()


@pytest.mark.parametrize(
    "log", ["", "interval,images\n1,640\n", "images\n640\n", "\x00", LOG.replace("640", "-640").splitlines()[1]]
)
def test_a_log_without_error_rates_leaves_the_confirmations(log, tmp_path):
    (tmp_path / "log.csv").write_text(log)
    done = (confirmation(),)
    assert load_stopping_history(tmp_path, record(confirmations=done)) == StoppingHistory(
        tolerance=0.02, curve=(), confirmations=done
    )


def test_a_report_with_a_history_loads_unchanged(tmp_path):
    whole = made_up(stopping=HISTORY, confirmed=CONFIRMATIONS[-1])
    (tmp_path / "report.json").write_text(json.dumps(whole.as_dict(), allow_nan=False))
    assert reports.load_report(tmp_path) == whole
    assert not {"stopping", "confirmed"} & made_up().as_dict().keys()


@pytest.mark.parametrize(
    ("place", "change"),
    [
        ("stopping.curve[0].images", {"curve": [{"interval": 1, "images": -1}]}),
        ("stopping.tolerance", {"tolerance": None}),
        ("stopping.confirmations", {"confirmations": 3}),
    ],
)
def test_rejects_an_invalid_history(place, change, tmp_path):
    content = json.loads(json.dumps(made_up(stopping=HISTORY).as_dict()))
    content["stopping"] |= change
    (tmp_path / "report.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=rf"Bad `{re.escape(place)}`"):
        reports.load_report(tmp_path)


@example(58, 3_899, 0.99, ())  # within by 95 %, undecided by 99 %
@given(
    st.integers(0, 300),
    st.integers(1, 5_000),
    st.sampled_from([0.95, 0.975, 0.99]),
    st.sampled_from([(), ("coverage of test images 0.40, needed 0.75",)]),
)
def test_what_follows_from_a_confirmation_agrees_with_its_verdict(wrong, num, confidence, unmet):
    done = confirmation(wrong=min(wrong, num), num=num, confidence=confidence, unmet=unmet)
    decided = report().decided_by(done)
    assert (decided.verdict, decided.confirmed) == (done.verdict, done)
    assert bool(decided.undecided_because_of) == (done.verdict == "undecided")
    if decided.samples_needed is not None:
        assert decided.undecided_because_of == ("error_rate",)
        assert decided.samples_needed > num  # with the confidence of the confirmation, more samples are needed


def test_the_samples_that_would_decide_depend_on_the_confidence():
    """(p - t)^2 n > z^2 t (1 - t), with z = 1.959964 for 95 % and z = 2.575829 for 99 %."""
    rate = ErrorRate(1, 100)
    assert samples_needed(rate, 0.02) == math.floor(1.959964**2 * 0.0196 / 0.0001) + 1
    assert samples_needed(rate, 0.02, confidence=0.99) == math.floor(2.575829**2 * 0.0196 / 0.0001) + 1


def test_samples_alone_decide_without_a_confirmation():
    for wrong, expected in ((100, "within"), (184, "undecided"), (300, "exceeded")):
        alone = report(wrong)
        assert (alone.verdict, alone.samples_verdict, alone.contradicts) == (expected, expected, False)
        confirmed = alone.decided_by(confirmation())
        assert (confirmed.verdict, confirmed.samples_verdict) == ("within", expected)
        assert confirmed.contradicts == (expected == "exceeded")
    assert report(100, coverage=0.1).decided_by(confirmation()).samples_verdict == "undecided"
    assert report(100, coverage=None).decided_by(confirmation()).samples_verdict == "undecided"


WITHIN, EXCEEDED, UNDECIDED = confirmation(), confirmation(wrong=200), confirmation(wrong=70)
LOW_COVERAGE = confirmation(unmet=("coverage of test images 0.40, needed 0.75",))


@pytest.mark.parametrize(
    ("done", "wrong", "title", "sentences"),
    [
        (
            WITHIN,
            184,
            "Within tolerance: you may ship it",
            "In the last confirmation of the run, the error rate is within the tolerance of 2.00 %: 1.38 % of 3,899 "
            "fresh samples are not recognized as the requested class (95 % confidence interval: 1.06 % to 1.80 %). Of "
            "the 10,000 other samples of this report, 1.84 % are wrong (95 % confidence interval: 1.59 % to 2.12 %). "
            "Alone, they would leave the verdict undecided.",
        ),
        (
            WITHIN,
            100,
            "Within tolerance: you may ship it",
            "(95 % confidence interval: 0.82 % to 1.21 %), which agrees.",
        ),
        (
            WITHIN,
            300,
            "Within tolerance, but other samples contradict it",
            "They contradict the confirmation, because their whole interval is above the tolerance: one of the two is "
            "off by chance. Evaluate again with another seed.",
        ),
        (EXCEEDED, 100, "Exceeds the tolerance: do not ship it", "their whole interval is within the tolerance"),
        (EXCEEDED, 300, "Exceeds the tolerance: do not ship it", "the error rate exceeds the tolerance of 2.00 %"),
        (UNDECIDED, 300, "Undecided: more samples needed", "Alone, they would exceed the tolerance."),
        (UNDECIDED, 100, "Undecided: more samples needed", "Alone, they would be within the tolerance."),
        (UNDECIDED, 184, "Undecided: more samples needed", "At this error rate, 17,975 fresh samples would decide."),
        (replace(UNDECIDED, wrong=2, num=100), 184, "Undecided: too close to the tolerance", "no number of samples"),
        (
            LOW_COVERAGE,
            100,
            "Undecided: a further condition is not met",
            "Further conditions are not met: coverage of test images 0.40, needed 0.75.",
        ),
    ],
)
def test_a_confirmation_and_the_samples_are_both_stated(done, wrong, title, sentences):
    decided = report(wrong).decided_by(done)
    assert headline(decided) == title
    assert sentences in summary(decided)["tolerance"]


def test_a_contradicting_coverage_is_stated():
    decided = report(100, coverage=0.1).decided_by(WITHIN)
    assert summary(decided)["tolerance"].endswith("leave the verdict undecided because of their coverage.")


def test_the_summary_says_who_decides():
    shown = "Nominated intervals: 2. Confirmations: 4; the last one, of interval 4 (2,560 images), is within."
    later = summary(report(stopping=HISTORY))["stopping"]
    assert shown in later
    assert later.endswith("The verdict of this report uses its own samples alone.")
    decided = summary(report(stopping=HISTORY).decided_by(CONFIRMATIONS[-1]))["stopping"]
    assert shown in decided
    assert decided.endswith("The last confirmation decides the verdict of this report.")
    assert "No confirmation is recorded." in summary(report(stopping=replace(HISTORY, confirmations=())))["stopping"]
    unknown = summary(report(stopping=replace(HISTORY, curve=())))["stopping"]
    assert "the last one, of interval 4, is within" in unknown
    assert "stopping" not in summary(report())


def test_a_comparison_marks_a_verdict_by_confirmation():
    assert reports.written("verdict", report()) == "undecided"
    assert reports.written("verdict", report().decided_by(WITHIN)) == "within (by confirmation)"
    assert reports.numbers(report().decided_by(WITHIN))["verdict"] == "within"


def test_the_plot_has_a_point_for_each_confirmation_and_takes_its_colors_from_the_page():
    for number in range(len(CONFIRMATIONS) + 1):
        svg = plots.stopping_curve(replace(HISTORY, confirmations=CONFIRMATIONS[:number]))
        assert re.findall(r'id="confirmation-(\d)"', svg) == [str(1 + i) for i in range(number)]
    for name in ("samples", "real", "within", "undecided", "exceeded"):
        assert f"var(--{name}, " in svg
    for color in ("#000000", "#ffffff", plots.INK):
        assert color not in svg


def test_the_plot_contains_the_curve_and_its_intervals(monkeypatch):
    figures = []
    monkeypatch.setattr(plots, "_svg", lambda figure: figures.append(figure) or "")
    plots.stopping_curve(HISTORY)
    (axes,) = figures[0].axes
    assert axes.get_yscale() == "log"
    lines = {line.get_label(): line.get_xydata() for line in axes.lines}
    lowest = axes.get_ylim()[0]  # of a rate of 0
    expected = [[640, 40], [1280, 5], [1920, 0.8], [2560, lowest]]
    np.testing.assert_allclose(lines["each interval"], expected)
    np.testing.assert_allclose(lines["nominated"], expected[2:])
    assert 0 < lowest < 100 * min(one.bounds[0] for one in CONFIRMATIONS)
    np.testing.assert_allclose(lines["exceeded"], [[2560, 5]])
    np.testing.assert_allclose(lines["undecided"], [[1920, 100 * 80 / 3_899]])
    ends = [line.get_ydata() for line in axes.lines if len(line.get_xdata()) == 2 and line.get_linestyle() == "-"]
    np.testing.assert_allclose(ends, [[100 * bound for bound in one.bounds] for one in CONFIRMATIONS])
    assert sum(line.get_linestyle() == "--" and set(line.get_ydata()) == {2.0} for line in axes.lines) == 1
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["each interval", "nominated", "undecided", "exceeded", "within"]


@pytest.mark.parametrize("tolerance", [0.0, 1.0])
def test_the_plot_of_a_single_perfect_interval_has_finite_axes(tolerance, monkeypatch):
    figures = []
    monkeypatch.setattr(plots, "_svg", lambda figure: figures.append(figure) or "")
    done = confirmation(wrong=0, interval=1, tolerance=tolerance)
    plots.stopping_curve(StoppingHistory(tolerance=tolerance, curve=(measured(1, 0.0),), confirmations=(done,)))
    (bottom, top), (left, right) = figures[0].axes[0].get_ylim(), figures[0].axes[0].get_xlim()
    assert 0 < bottom < top <= 100
    assert (left, right) == (0, pytest.approx(672))


def test_the_page_shows_the_early_stopping():
    images = {name: np.zeros((8, 8), np.uint8) for name in ("samples", "neighbours")}
    done = CONFIRMATIONS[-1]
    decided = report(class_histogram=reports.ClassCounts((60, 40), (50, 50)), stopping=HISTORY).decided_by(done)
    html = page(Evaluation(replace(decided, summary=summary(decided)), images), checkpoint="run")
    section = re.search(r"<h2>Early stopping</h2>.*?</section>", html, re.DOTALL)[0]
    assert section.count('id="confirmation-') == section.count('data-label="Wrong"') == len(CONFIRMATIONS)
    assert (
        'aria-label="Line chart: error rate of each interval against the images seen, with 4 confirmations' in section
    )
    assert "coverage of test images 0.40, needed 0.75" in section
    assert "2,560" in section
    assert "the last confirmation of the run decides" in html
    without = replace(report(), summary=summary(report()))
    html = page(Evaluation(without, images), checkpoint="run")
    assert "Early stopping" not in html
    assert "the last confirmation of the run decides" not in html
    bare = report(stopping=StoppingHistory(tolerance=0.02, curve=(), confirmations=CONFIRMATIONS))
    html = page(Evaluation(replace(bare, summary=summary(bare)), images), checkpoint="run")
    assert html.count('data-label="Images seen">not known</td>') == len(CONFIRMATIONS)
