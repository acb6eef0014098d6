"""gan compare."""

from dataclasses import dataclass
from typing import Annotated

from rich.table import Table
from tyro.conf import Positional, arg

from gan.cli.exit_status import DONE
from gan.cli.output import print_result, print_table
from gan.errors import check
from gan.evaluation import report as reports


@dataclass(frozen=True)
class Compare:
    """Compare reports of `gan evaluate` in one table.

    All reports must use the same images, the same classifier, the same features and the same number of test images.
    The numbers of samples may differ: the error rate is that of all samples.
    """

    checkpoints: Annotated[Positional[tuple[str, ...]], arg(metavar="CHECKPOINT...")]
    """Run folders or pretrained names with a report.json, or report files. Two or more."""
    json: bool = False
    """Print the result as one JSON object on stdout: {checkpoint: its metrics and verdict}."""

    def run(self) -> int:
        """Prints one row for each number; returns the exit status. Imports no TensorFlow."""
        check(len(self.checkpoints) >= 2, "checkpoints", "two or more", list(self.checkpoints))
        check(len(set(self.checkpoints)) == len(self.checkpoints), "checkpoints", "each once", list(self.checkpoints))
        found = {name: reports.load_report(name) for name in self.checkpoints}
        reports.check_comparable(found)
        first = next(iter(found.values()))
        if self.json:
            print_result({name: reports.numbers(report) for name, report in found.items()}, as_json=True)
            return DONE
        same = len({report.num for report in found.values()}) == 1
        samples = reports.samples_text(first.num, first.compared) if same else f"first {first.compared:,} samples"
        table = Table(title=f"{samples} against {first.dataset}", title_justify="left")
        table.add_column("", no_wrap=True)
        for column in (*found, "real images"):
            table.add_column(column, justify="right")
        for name in dict.fromkeys(name for report in found.values() for name in reports.numbers(report)):
            if name == "num" and same:
                continue
            cells = [reports.written(name, report) for report in found.values()]
            table.add_row(name, *cells, reports.written(name, first, column="real"))
        print_table(table)
        return DONE
