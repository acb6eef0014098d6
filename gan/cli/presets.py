"""gan presets."""

from dataclasses import dataclass

from gan.cli.exit_status import DONE
from gan.cli.output import print_result
from gan.config import PRESETS
from gan.errors import Json


@dataclass(frozen=True)
class Presets:
    """List the presets of `gan train`, and what each one is."""

    json: bool = False
    """Print exactly one JSON object on stdout, with every option."""

    def run(self) -> int:
        """Prints names and sources."""
        shown: dict[str, Json] = {name: p.as_dict() if self.json else p.source for name, p in PRESETS.items()}
        print_result(shown, as_json=self.json)
        return DONE
