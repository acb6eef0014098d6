"""Stand-ins for slow parts of benchmarks."""

from types import SimpleNamespace

from gan.evaluation.report import FrechetFloor


def judge_of(facts):
    """Returns a stand-in for `Judge` with the floor and real numbers of results.json. It evaluates nothing."""
    return SimpleNamespace(floor=FrechetFloor(**facts["floor"]), real=facts["real"])
