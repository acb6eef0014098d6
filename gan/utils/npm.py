"""Downloads packages of npm, the registry of JavaScript, with its own program. Does not import TensorFlow."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from gan.errors import InputError
from gan.utils.child import kill

SECONDS = 300.0
"""Time limit of a download."""


def pack_command(package: str) -> str:
    """Returns the command that downloads a package, such as `npm pack onnxruntime-web@1.30.0`."""
    return f"npm pack {package}"


def pack(package: str, folder: Path, *, sha256: str, expected: str) -> Path:
    """Downloads a package with `npm pack` into a folder and returns the `.tgz` file.

    Args:
        package: name and version, such as `onnxruntime-web@1.30.0`.
        folder: an existing folder without other packages.
        sha256: hexadecimal SHA-256 of the package.
        expected: what a user can do about a failure, for the error message.

    Raises `InputError` if npm is missing, fails, or delivers another package. After `SECONDS`, npm is ended with the
    programs that it started.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise InputError("npm is not installed", expected=expected, received="no npm in PATH")
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [npm, "pack", package],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=os.name == "posix",
        )
        try:
            status = process.wait(SECONDS)
        except subprocess.TimeoutExpired as error:
            received = f"no package after {SECONDS:.0f} s"
            raise InputError("npm does not end", expected=expected, received=received) from error
        finally:
            kill(process)
        output.seek(0)
        printed = output.read().decode(errors="replace").split("\n")
    packages = sorted(folder.glob("*.tgz"))
    if status or not packages:
        lines = [line.strip() for line in printed if line.strip()]
        reason = next((line for line in lines if "error" in line.lower()), "no message")
        received = f"exit status {status}: {reason}"
        raise InputError(f"npm did not download {package}", expected=expected, received=received)
    with packages[0].open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        received = f"SHA-256 {found} instead of {sha256}"
        raise InputError("npm delivered another package", expected=expected, received=received)
    return packages[0]
