"""What stands in the place of slow parts of benchmarks."""

from types import SimpleNamespace

from gan.evaluation.report import FrechetFloor


def judge_of(facts):
    """A `Judge` that knows the floor and the numbers of real images, as results.json has them, and judges nothing."""
    return SimpleNamespace(floor=FrechetFloor(**facts["floor"]), real=facts["real"])
