"""Runs `gan ARGUMENTS` and prints the files of the package in the order in which they are first called.

usage: python called_files.py ARGUMENTS      The last line is a JSON list, such as ["cli/main", ...].
"""

import importlib
import json
import pkgutil
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any


def paragraph(files: list[str]) -> str:
    """The files as CONTRIBUTING.md lists them."""
    text = " → ".join(f"`{file}`" for file in files)
    return textwrap.fill(text, 118, break_on_hyphens=False, break_long_words=False)


def main() -> int:
    import gan
    from gan.cli.main import main as run
    from gan.data.load import load_dataset
    from gan.training import setup
    from gan.utils.tensorflow import load_tensorflow

    load_tensorflow()
    for module in pkgutil.walk_packages(gan.__path__, "gan."):  # what runs while a file is imported is no call
        if module.name not in ("gan.__main__", "gan.pretrained"):
            importlib.import_module(module.name)
    setup.load_dataset = load_dataset  # a fork server has put its own in place, which reads no file
    package, found = Path(gan.__file__).parent, dict[str, None]()
    names: dict[str, str | None] = {}

    def called(frame: Any, event: str, argument: Any) -> None:
        if event != "call":
            return
        path = frame.f_code.co_filename
        if path not in names:
            ours = path.endswith(".py") and Path(path).is_relative_to(package)
            names[path] = str(Path(path).relative_to(package).with_suffix("")) if ours else None
        name = names[path]
        if name is not None:
            found[name] = None

    threading.setprofile(called)
    sys.setprofile(called)
    status = run(sys.argv[1:])
    sys.setprofile(None)
    print(json.dumps(list(found)))
    return status


if __name__ == "__main__":
    sys.exit(main())
