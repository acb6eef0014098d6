"""gan push."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from tyro.conf import Positional, arg

from gan.cli.exit_status import DONE, ended_by_sigterm
from gan.cli.output import print_result
from gan.deployment import upload
from gan.errors import check
from gan.utils import tensorflow as runtime
from gan.utils.commands import shell_command


@dataclass(frozen=True)
class Push:
    """Upload a generator to the Hugging Face Hub.

    The repository gets the generator for Keras, the discriminator, the metadata of the run, the report and a model card
    with samples, numbers beside real images, and limits. Needs a token: `hf auth login`, or HF_TOKEN. Needs: pip
    install 'gan-reference[hub]'

    examples:
      gan push runs/00001-mnist hf://me/digits --license Apache-2.0
      gan push runs/00001-mnist hf://me/digits --out card
      gan push runs/00001-mnist hf://me/digits --private --dry-run
    """

    checkpoint: Annotated[Positional[str], arg(metavar="CHECKPOINT")]
    """Run folder, .keras file or pretrained name (`gan doctor` lists them)."""
    repository: Annotated[Positional[str], arg(metavar="hf://USER/NAME")]
    """Repository on the Hub, which is created if it does not exist."""
    private: bool = False
    """Make a new repository private; refuse a public one."""
    license: str | None = None
    """License of the weights, for the model card. None: Apache-2.0 for pretrained names, else not stated."""
    notice: Annotated[Path | None, arg(metavar="FILE")] = None
    """Text on origin, license and attribution of the images. None: NOTICE.txt in the folder of the dataset."""
    out: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Folder to write what would be uploaded, without an upload. None: upload."""
    dry_run: bool = False
    """List what would be uploaded, with sizes in bytes; write and upload nothing."""
    json: bool = False
    """Print the result as one JSON object on stdout."""

    def run(self) -> int:
        """Uploads the generator; returns the exit status."""
        upload.repository_name(self.repository)
        upload.check_license(self.license)
        upload.read_notice(upload.find_publishable(self.checkpoint), self.notice)
        if self.out is not None:
            check(not (self.private or self.dry_run), "--out", "no --private and no --dry-run beside it", str(self.out))
            upload.check_empty(self.out)
        elif not self.dry_run:
            upload.find_client(self.repository)
        runtime.load_tensorflow(lean=True)
        runtime.start()
        with ended_by_sigterm():
            print_result(self._push() if self.out is None and not self.dry_run else self._write(), as_json=self.json)
        return DONE

    def _push(self) -> dict[str, object]:
        from gan.deployment.hub_repository import push_generator

        pushed = push_generator(
            self.checkpoint, self.repository, private=self.private, license=self.license, notice=self.notice
        )
        return {
            "repository": pushed.url,
            "files": pushed.files,
            "sample": shell_command("gan", "sample", self.repository),
        }

    def _write(self) -> dict[str, object]:
        from gan.deployment.hub_repository import sizes, write_repository

        with TemporaryDirectory() as scratch:
            folder = self.out or Path(scratch) / "repository"
            write_repository(self.checkpoint, folder, self.repository, license=self.license, notice=self.notice)
            kind = {"would_upload": self.repository} if self.out is None else {"folder": str(self.out)}
            return {**kind, "files": sizes(folder)}
