"""The scripts of the page in Node: latents, classes and pixels are those of Python."""

import json

import numpy as np
import pytest
from helpers.exported_pages import real_runtime
from helpers.latents_vectors import INDICES, VECTORS, compute_vectors
from helpers.pages import PAGE, needs_node, run_node

import gan
from gan.data.images import to_uint8
from gan.sampling.interpolation import spherical
from gan.sampling.labels import labels_for
from gan.sampling.samples import truncate


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """The scripts in a folder that Node treats as one of modules."""
    folder = tmp_path_factory.mktemp("scripts")
    for path in PAGE.glob("*.js"):
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "package.json").write_text('{"type": "module"}')
    return folder


def test_the_vectors_are_those_of_python():
    kept = json.loads(VECTORS.read_text(encoding="utf-8"))
    computed = compute_vectors()
    assert kept["indices"] == computed["indices"] == INDICES
    for one, other in zip(kept["cases"], computed["cases"], strict=True):
        np.testing.assert_allclose(one.pop("latents"), other.pop("latents"), rtol=0, atol=1e-6)
        assert one == other


@needs_node
def test_latents_are_those_of_the_vectors(scripts):
    script = f"""
        import {{ readFileSync }} from "node:fs";
        import {{ latents, truncate }} from "{scripts}/latents.js";
        const {{ indices, cases }} = JSON.parse(readFileSync({str(VECTORS)!r}));
        const found = cases.map(({{ seed, latent_dim, truncation }}) => {{
          const normal = latents(seed, indices, latent_dim);
          return [...(truncation === null ? normal : truncate(normal, truncation))];
        }});
        console.log(JSON.stringify(found));
    """
    found = json.loads(run_node(script))
    for case, values in zip(json.loads(VECTORS.read_text(encoding="utf-8"))["cases"], found, strict=True):
        np.testing.assert_allclose(values, np.ravel(case["latents"]), rtol=0, atol=1e-6, err_msg=str(case["seed"]))


@needs_node
def test_the_error_function_and_its_inverse_are_exact_to_float64(scripts):
    from scipy import special

    points = [-6.0, -3.3, -1.0, -1e-9, 0.0, 1e-3, 0.5, 2.0, 4.1, 7.0]
    levels = [-0.999999, -0.5, -1e-12, 0.0, 1e-3, 0.3, 0.9, 0.99999999]
    script = f"""
        import {{ erf, erfInverse }} from "{scripts}/latents.js";
        console.log(JSON.stringify([{points}.map(erf), {levels}.map(erfInverse)]));
    """
    errors, inverses = json.loads(run_node(script))
    np.testing.assert_allclose(errors, special.erf(points), rtol=0, atol=5e-16)
    np.testing.assert_allclose(inverses, special.erfinv(levels), rtol=1e-8, atol=0)


@needs_node
def test_walks_classes_and_pixels_are_those_of_python(scripts):
    a, b = truncate(gan.latents(3, [5, 9], 16), 1.0)
    share = np.array([[0.0], [0.25], [1.0]], np.float32)
    pixels = [-2.0, -1.0, -0.996, 0.0, 0.25, 0.5, 1.0, 1.5, *((np.arange(256) + 0.5) / 127.5 - 1).tolist()]
    script = f"""
        import {{ classesOf, toBytes }} from "{scripts}/generator.js";
        import {{ spherical }} from "{scripts}/latents.js";
        const [a, b] = [{a.tolist()}, {b.tolist()}].map((row) => Float32Array.from(row));
        const refused = [NaN, Infinity].map((value) => {{
          try {{ toBytes(Float32Array.of(0, value)); }} catch (error) {{ return error.message; }}
        }});
        console.log(JSON.stringify({{
          walk: {share.ravel().tolist()}.map((share) => [...spherical(a, b, share)]),
          parallel: [...spherical(a, a, 0.5)],
          bytes: [...toBytes(Float32Array.from({pixels}))],
          classes: [classesOf([7, 1e6], 10, null), classesOf([7, 8], 10, 3), classesOf([7], 0, null)],
          refused,
        }}));
    """
    found = json.loads(run_node(script))
    np.testing.assert_allclose(found["walk"], spherical(a, b, share), rtol=0, atol=1e-6)
    np.testing.assert_allclose(found["parallel"], a, rtol=0, atol=1e-6)
    assert found["bytes"] == to_uint8(pixels).tolist()
    assert found["classes"] == [labels_for(np.array([7, 10**6]), 10, None).tolist(), [3, 3], None]
    assert found["refused"] == ["The generator returned NaN or infinity."] * 2


@needs_node
@pytest.mark.slow
@pytest.mark.parametrize("weights", ["float32", "float16", "int8"])
def test_onnx_runtime_web_draws_what_keras_draws(weights, tmp_path):
    """The rounded weights of the exported generator are compared with ONNX Runtime, which was compared with Keras."""
    page = gan.deployment.export_web("mnist", tmp_path, weights=weights, runtime=real_runtime()).path
    (page / "package.json").write_text('{"type": "module"}')
    script = f"""
        import {{ readFileSync, writeFileSync }} from "node:fs";
        import * as ort from "{page}/ort.wasm.bundle.min.js";
        import {{ Generator, classesOf }} from "{page}/generator.js";
        import {{ latents }} from "{page}/latents.js";
        const read = (name) => readFileSync("{page}/" + name);
        const {{ card, model }} = JSON.parse(read("page.json"));
        const wasmBinary = read("ort-wasm-simd-threaded.wasm");
        const generator = await Generator.load(ort, read(model), card, {{ wasmBinary }});
        const indices = Array.from({{ length: 64 }}, (_, index) => index + 1000);
        const images = await generator.images(latents(2, indices, card.latent_dim), classesOf(indices, 10, null));
        writeFileSync("{tmp_path}/images", images);
    """
    run_node(script)
    images = np.fromfile(tmp_path / "images", np.float32).reshape(64, 28, 28, 1)
    network = gan.load_generator("mnist") if weights == "float32" else gan.load_exported(page / "model.onnx")
    np.testing.assert_allclose(images, gan.generate(network, 64, seed=2, start=1000), rtol=0, atol=1e-5)
