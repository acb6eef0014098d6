"""gan data emoji."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from rich.console import Console
from tyro.conf import arg

from gan.cli.exit_status import DONE, ended_by_sigterm
from gan.cli.output import print_result
from gan.data.sources.emoji_set import (
    ARCHIVE,
    NOTICE,
    SHEET,
    SIZE,
    CategoryName,
    EmojiOptions,
    StyleName,
    build_emoji,
)
from gan.utils.commands import shell_command


@dataclass(frozen=True)
class DrawEmoji:
    """Draw emoji as a dataset in color.

    npm downloads vector emoji (@iconify-json/STYLE) the first time. They are drawn on white and stored with their
    authors and licenses. Every emoji is in one split only, in all of its styles. Skin tones, flags and symbols are left
    out. `--dataset emoji` loads the result, `--dataset emoji-64` that of --size 64.

    examples:
      gan data emoji
      gan data emoji --size 64 --categories smileys animals food
      gan data emoji --from packages --output my-emoji
    """

    size: int = SIZE
    """Height and width in pixels, 16 to 256."""
    styles: tuple[StyleName, ...] = EmojiOptions.styles
    """Styles. The licenses of twemoji (CC-BY) and openmoji (CC-BY-SA) ask for more than those of the others."""
    categories: tuple[CategoryName, ...] = EmojiOptions.categories
    """Categories of Unicode to draw."""
    labels: Literal["category", "style"] = EmojiOptions.labels
    """What the classes are. The archive always holds both."""
    from_: Annotated[Path | None, arg(name="from")] = None
    """Folder with packages of npm, as .tgz files or unpacked. None: npm downloads them once."""
    output: Path | None = None
    """Folder to write. None: emoji, or emoji-SIZE, in GAN_DATA_DIR or in the user's data folder."""
    json: bool = False
    """Print the result as one JSON object on stdout."""

    def run(self) -> int:
        """Draws the emoji; returns the exit status. Does not import TensorFlow."""
        options = EmojiOptions(self.size, self.styles, self.categories, self.labels)
        console = Console(stderr=True)
        with console.status("drawing emoji") as status, ended_by_sigterm():
            folder, about = build_emoji(options, self.output, source=self.from_, log=status.update)
        name = "emoji" if self.size == SIZE else f"emoji-{self.size}"
        dataset = name if self.output is None else str(folder / ARCHIVE)
        result: dict[str, object] = {
            "folder": str(folder),
            "images": about.images,
            "emoji": len(about.emoji),
            "size": about.size,
            "classes": about.class_names,
            "splits": about.counts["split"],
            "categories": about.counts["category"],
            "styles": about.counts["style"],
            "left_out": about.left_out,
            "attribution": about.attribution,
            "notice": str(folder / NOTICE),
            "sheet": str(folder / SHEET),
            "sha256": about.sha256,
            "train": shell_command("gan", "train", "--dataset", dataset),
        }
        print_result(result, as_json=self.json)
        return DONE
