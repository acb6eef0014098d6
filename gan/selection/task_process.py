"""The process that runs tasks of a selection: `python -m gan.selection.task_process`.

A request is {"kind": one of `TASKS`, "task": the task in JSON types}, its answer the result in JSON types. Bad input of
a user is the answer {"input_error": [problem, expected, received]}.
"""

from collections.abc import Callable, Mapping

from gan.errors import InputError, Json, convert
from gan.selection.cost import CostTask
from gan.selection.trial import TrialTask, error_content
from gan.utils import tensorflow as runtime
from gan.utils.json_process import Message, answer_requests


def _run_trial(content: Json) -> dict[str, Json]:
    from gan.selection.training import run_trial

    return run_trial(convert(content, TrialTask, "a task")).as_dict()


def _measure_costs(content: Json) -> dict[str, Json]:
    from gan.selection.measured_costs import measure_costs

    return measure_costs(convert(content, CostTask, "a task")).as_dict()


TASKS: Mapping[str, Callable[[Json], dict[str, Json]]] = {"trial": _run_trial, "cost": _measure_costs}
"""Kind of a task -> what runs it."""


def answer(request: Message) -> dict[str, Json]:
    """Runs a task, and returns its result in JSON types."""
    runtime.load_tensorflow(lean=True)
    try:
        return TASKS[request["kind"]](request["task"])
    except InputError as error:
        return {"input_error": error_content(error)}


if __name__ == "__main__":
    answer_requests(answer)
