"""What the trainings of texts have in common: options beside --resume, their JSON, and lines for people."""

from pathlib import Path
from typing import TYPE_CHECKING

from gan.cli.exit_status import DONE, UNDECIDED, after_signal
from gan.config.arguments import as_arguments
from gan.errors import InputError, as_json
from gan.text.runs.report import TextReport
from gan.text.runs.text_run import TextRecord
from gan.utils.commands import shell_command

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def check_resumed_alone(output: Path | None, config: "DataclassInstance", defaults: "DataclassInstance") -> None:
    """Raises `InputError` if options are given beside `--resume`: a resumed run keeps its own, and its folder."""
    given = list(as_arguments(config, defaults))
    if output is not None:
        given += ["--output", str(output)]
    if given:
        expected = "--resume RUN alone: a resumed run keeps its options and its folder"
        raise InputError("Options beside `--resume`", expected=expected, received=" ".join(given))


def resume_command(folder: Path, record: TextRecord) -> str:
    """Returns the command that resumes a run."""
    return shell_command("gan", "text", "train", record.kind, "--resume", folder)


def training_result(folder: Path, record: TextRecord, report: TextReport | None) -> dict[str, object]:
    """Returns what a training prints with --json: the run, how it ended, its numbers, and the fields of its report.

    An interrupted training has `resume`, the command that continues it.
    """
    ended, found = record.result, {} if report is None else as_json(report)
    result: dict[str, object] = {"run": str(folder), "kind": record.kind}
    if ended is not None:
        result |= {"epochs": ended.epochs, "seconds": ended.seconds, "interrupted": ended.interrupted}
        result |= {"stopped_by": ended.stopped_by, "numbers": ended.numbers}
    if ended is None or ended.interrupted:
        result["resume"] = resume_command(folder, record)
    return {**found, **result}


def training_status(report: TextReport | None, signal: int | None, tolerance: object) -> int:
    """Returns the exit status of a training: that of its signal, or of its verdict.

    Without a report, a training with a tolerance is undecided.
    """
    if signal:
        return after_signal(signal)
    if report is None:
        return DONE if tolerance is None else UNDECIDED
    return report.exit_status


def report_lines(report: TextReport) -> dict[str, object]:
    """Returns the numbers of the report of generated texts as lines for people."""
    lower, upper = report.rate.interval
    found = report.metrics
    result: dict[str, object] = {
        "error rate": f"{report.error_rate:.1%} ({lower:.1%} to {upper:.1%}), "
        f"of real texts {found['real_error_rate']:.1%}; judge: {found['judge']}",
        "coverage": f"{found['coverage']:.3f}, of real texts {found['real_coverage']:.3f}",
        "new texts": f"{found['novelty']:.1%}; different ones {found['distinct']:.1%}",
        "Frechet distance": f"{found['frechet_distance']:.3g}, "
        f"of real texts that were held out {found['frechet_floor']:.3g}",
    }
    worst = found["worst_class"]
    if isinstance(worst, dict):
        result["worst category"] = f"{worst['category']}, {worst['wrong']} of {worst['n']} wrong"
    return result | verdict_lines(report, "texts")


def verdict_lines(report: TextReport, outcomes: str) -> dict[str, object]:
    """Returns the verdict as lines for people: nothing without a tolerance. `outcomes` is what is counted, in words."""
    if report.verdict is None:
        return {}
    result: dict[str, object] = {"verdict": f"{report.verdict}, tolerance {report.tolerance:.1%}"}
    if report.samples_needed is not None:
        result["to decide"] = f"{report.samples_needed:,} fresh {outcomes}, if the error rate stays the same"
    elif report.verdict == "undecided" and report.metrics.get("covers") is False:
        result["to decide"] = "a coverage of 0.8 of that of real texts or more: more texts do not decide it"
    return result
