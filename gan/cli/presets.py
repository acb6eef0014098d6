"""gan presets."""

from dataclasses import dataclass

from gan.cli.exit_status import DONE
from gan.cli.output import print_result
from gan.config import PRESETS
from gan.errors import Json


@dataclass(frozen=True)
class Presets:
    """List the presets of `gan train`."""

    json: bool = False
    """Print the presets as one JSON object on stdout, with all options."""

    def run(self) -> int:
        """Prints the name and source of each preset; returns the exit status."""
        shown: dict[str, Json] = {name: p.as_dict() if self.json else p.source for name, p in PRESETS.items()}
        print_result(shown, as_json=self.json)
        return DONE
