"""Runs the programs of docs/deployment.md that sample from an exported generator without this package."""

import subprocess
import sys

import numpy as np
import pytest
from helpers.documented_commands import blocks

import gan

BLOCKED = ("gan", "keras", "tensorflow")
CHECK = """
import sys
assert not set(sys.modules) & {"gan", "keras", "tensorflow"} - blocked
np.save("pixels.npy", pixels)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with exported/mnist.onnx."""
    folder = tmp_path_factory.mktemp("deployed")
    gan.deployment.export_generator("mnist", folder / "exported")
    return folder


def test_python_samples_with_onnx_runtime_alone(folder):
    [block] = [block for block in blocks("python") if "import onnxruntime" in block]
    assert len([line for line in block.splitlines() if line.strip()]) <= 10
    block_modules = f"import sys; blocked = set({BLOCKED}); sys.modules.update(dict.fromkeys(blocked))\n"
    done = subprocess.run(
        [sys.executable, "-c", block_modules + block + CHECK], cwd=folder, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    latents = np.random.default_rng(0).standard_normal((64, 64), np.float32)
    expected = gan.load_exported(folder / "exported" / "mnist.onnx")(latents, np.arange(64, dtype=np.int32) % 10)
    np.testing.assert_array_equal(np.load(folder / "pixels.npy"), gan.images.to_uint8(expected))
