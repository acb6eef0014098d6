"""Runs the programs of docs/deployment.md that sample from an exported generator without this package."""

import subprocess
import sys

import numpy as np
import pytest
from helpers.documented_commands import blocks
from helpers.exported_pages import install_for_node
from helpers.pages import needs_node, run_node

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


@needs_node
@pytest.mark.slow
def test_javascript_samples_under_node(folder):
    install_for_node(folder)
    [block] = blocks("js")
    assert len([line for line in block.splitlines() if line.strip()]) <= 10
    run_node(block, cwd=folder)
    header, pixels = (folder / "samples.pgm").read_bytes().split(b"\n", 1)
    assert header == b"P5 28 280 255"
    digits = np.frombuffer(pixels, np.uint8).reshape(10, 28, 28, 1)
    assert (np.ptp(digits, axis=(1, 2, 3)) > 200).all()
    classify = gan.load_classifier("mnist-classifier")[0]
    seen = classify.predict(digits / np.float32(127.5) - 1, verbose=0)
    logits = seen["logits"] if isinstance(seen, dict) else seen[-1] if isinstance(seen, (list, tuple)) else seen
    assert (logits.argmax(axis=1) == np.arange(10)).mean() >= 0.8
