"""A cache of the Hugging Face Hub's client without a network: snapshots as its downloads lay them out."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

from gan.saving import hub


def cache_snapshot(cache: Path, repository: str, files: Path) -> Path:
    """Writes a folder of files into a cache as the newest snapshot of a repository, USER/NAME. Returns the snapshot.

    Files are links to blobs, as in a cache on Linux. Another content is another revision.
    """
    root = cache / f"models--{repository.replace('/', '--')}"
    whole = hashlib.sha1()
    for file in sorted(files.iterdir()):
        whole.update(file.name.encode() + file.read_bytes())
    snapshot = root / "snapshots" / whole.hexdigest()
    snapshot.mkdir(parents=True, exist_ok=True)
    (root / "blobs").mkdir(exist_ok=True)
    for file in files.iterdir():
        blob = root / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
        shutil.copyfile(file, blob)
        (snapshot / file.name).unlink(missing_ok=True)
        (snapshot / file.name).symlink_to(Path("../../blobs") / blob.name)
    (root / "refs").mkdir(exist_ok=True)
    (root / "refs" / "main").write_text(snapshot.name, encoding="utf-8")
    return snapshot


def use_cache(monkeypatch: Any, folder: Path) -> Path:
    """Makes the client use a cache in a folder, without a network, and the project its own one there."""
    hub.fetch_once.cache_clear()
    constants = __import__("huggingface_hub.constants").constants
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "client"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "own"))
    return folder / "client"


def environment(folder: Path) -> dict[str, str]:
    """Returns the variables that do the same in a new process."""
    return {"HF_HUB_CACHE": str(folder / "client"), "HF_HUB_OFFLINE": "1", "XDG_CACHE_HOME": str(folder / "own")}
