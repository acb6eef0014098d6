// Where samples come from: the exported generator beside this file, in ONNX Runtime Web.

import { fetched } from "./files.js";
import { Generator } from "./generator.js";

/**
 * Loads the generator.
 *
 * @param {(card: object) => void} showCard - called with its card as soon as that is known
 */
export async function loadGenerator(showCard) {
  if (typeof WebAssembly !== "object") {
    throw new Error("This browser does not support WebAssembly, which draws the samples.");
  }
  const { card, model } = await (await fetched("page.json")).json();
  showCard(card);
  showOrigin(model);
  const [ort, content] = await Promise.all([
    import("./ort.wasm.bundle.min.js"),
    fetched(model).then((response) => response.arrayBuffer()),
  ]);
  const wasm = new URL("ort-wasm-simd-threaded.wasm", import.meta.url).href;
  try {
    return await Generator.load(ort, new Uint8Array(content), card, { wasmPaths: { wasm } });
  } catch (error) {
    throw new Error(`ONNX Runtime Web cannot load the generator: ${error.message}`);
  }
}

/** Says what draws the samples, with links to its license and to the file of the generator. */
function showOrigin(model) {
  const link = (href, textContent) => Object.assign(document.createElement("a"), { href, textContent });
  document
    .getElementById("origin")
    .replaceChildren(
      "Drawn in this browser, by ",
      link("ort-license.txt", "ONNX Runtime Web"),
      ". The page sends nothing to anyone. The file ",
      link(model, model),
      " is the generator.",
    );
}
