"""Runs `gan ARGUMENTS` and prints the files of the package in the order of their first call.

Usage: python called_files.py ARGUMENTS. The last line of the output is a JSON list, such as ["cli/main", ...].
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
    """Returns the files as text, formatted as in CONTRIBUTING.md."""
    text = " → ".join(f"`{file}`" for file in files)
    return textwrap.fill(text, 118, break_on_hyphens=False, break_long_words=False)


def main() -> int:
    import gan
    from gan.cli.main import main as run
    from gan.data.load import load_dataset
    from gan.training import setup
    from gan.utils.tensorflow import load_tensorflow

    load_tensorflow()
    for module in pkgutil.walk_packages(gan.__path__, "gan."):  # code that runs at import does not count as a call
        if module.name not in ("gan.__main__", "gan.pretrained"):
            importlib.import_module(module.name)
    setup.load_dataset = load_dataset  # the fork server has replaced it by a function that reads no file
    package, files_called = Path(gan.__file__).parent, dict[str, None]()
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
            files_called[name] = None

    threading.setprofile(called)
    sys.setprofile(called)
    status = run(sys.argv[1:])
    sys.setprofile(None)
    print(json.dumps(list(files_called)))
    return status


if __name__ == "__main__":
    sys.exit(main())
