"""A stand-in for ONNX Runtime Web, and the real one."""

import hashlib
import shutil
from pathlib import Path

from gan.deployment import web_runtime
from gan.errors import InputError
from helpers.parts import report_missing

STAND_IN = {"ort.wasm.bundle.min.mjs": b"export {};\n", "ort-wasm-simd-threaded.wasm": b"\0asm"}

NODE_ENTRY = """
import { readFileSync } from "node:fs";
import * as ort from "./ort.wasm.bundle.min.mjs";
const wasmBinary = readFileSync(new URL("ort-wasm-simd-threaded.wasm", import.meta.url));
Object.assign(ort.env.wasm, { numThreads: 1, wasmBinary });
export * from "./ort.wasm.bundle.min.mjs";
"""
"""A module that does for Node what the package's own module for Node does."""


def write_stand_in(folder: Path) -> dict[str, str]:
    """Writes a runtime of a few bytes, and returns the digests of its files."""
    folder.mkdir(parents=True)
    for name, content in STAND_IN.items():
        (folder / name).write_bytes(content)
    return {name: hashlib.sha256(content).hexdigest() for name, content in STAND_IN.items()}


def real_runtime() -> Path:
    """Returns the folder of the real runtime, which npm may download. Reports it as missing otherwise."""
    try:
        return web_runtime.find_runtime()
    except InputError as error:
        report_missing(str(error))


def install_for_node(folder: Path) -> None:
    """Puts the package onnxruntime-web, with its WebAssembly backend alone, into `node_modules` of a folder.

    `npm install` would need a network, and the other packages on which the package depends.
    """
    package = folder / "node_modules" / "onnxruntime-web"
    package.mkdir(parents=True)
    for name in web_runtime.RUNTIME:
        shutil.copyfile(real_runtime() / name, package / name)
    (package / "package.json").write_text('{"type": "module", "exports": "./index.mjs"}')
    (package / "index.mjs").write_text(NODE_ENTRY)
