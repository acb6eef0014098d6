// A generator: latents and classes -> images -> bytes. Also runs under Node.

/** Pixels per call of the generator, between which the browser can react. */
const PIXELS_AT_ONCE = 2 ** 14;

export class Generator {
  /**
   * @param {(latents: Float32Array, classes: number[] | null) => Promise<Float32Array>} compute - computes images
   *   [B, height, width, channels] in [-1, 1] from latents [B, latent_dim]
   * @param {object} card - card of the generator
   */
  constructor(compute, card) {
    /** Returns the images of one call. */
    this.images = compute;
    this.card = card;
  }

  /**
   * Loads a generator into ONNX Runtime Web.
   *
   * @param {object} ort - module of ONNX Runtime Web
   * @param {Uint8Array} model - content of the ONNX file
   * @param {object} card - card of the generator
   * @param {object} wasm - options of ort.env.wasm: `wasmPaths` or `wasmBinary`
   */
  static async load(ort, model, card, wasm) {
    // several threads need headers (COOP and COEP) that static hosts do not send
    Object.assign(ort.env.wasm, { numThreads: 1, ...wasm });
    const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
    let last = Promise.resolve(); // a session computes one call at a time
    const compute = (latents, classes) => {
      const rows = latents.length / card.latent_dim;
      const inputs = { latents: new ort.Tensor("float32", latents, [rows, card.latent_dim]) };
      if (classes) {
        inputs.labels = new ort.Tensor("int32", Int32Array.from(classes), [rows]);
      }
      const call = last.then(() => session.run(inputs)).then(({ images }) => images.data);
      last = call.catch(() => undefined);
      return call;
    };
    return new Generator(compute, card);
  }

  /**
   * Yields samples in batches: Uint8Array of [B, height, width, channels], 0 to 255.
   *
   * @param {Float32Array} latents - [B, latent_dim], one after the other
   * @param {number[] | null} classes - one class for each sample; null: the generator has no classes
   */
  async *samples(latents, classes) {
    const size = this.card.latent_dim;
    const [height, width] = this.card.image_shape;
    const batch = Math.max(1, Math.floor(PIXELS_AT_ONCE / (height * width)));
    for (let first = 0; first < latents.length / size; first += batch) {
      const rows = latents.subarray(first * size, (first + batch) * size);
      yield toBytes(await this.images(rows, classes && classes.slice(first, first + batch)));
    }
  }
}

/** Returns the class of each sample: that of `label`, or index modulo the number of classes. Null without classes. */
export function classesOf(indices, numClasses, label) {
  return numClasses ? indices.map((index) => label ?? index % numClasses) : null;
}

/** Converts pixels from [-1, 1] to 0..255, rounded as gan.images.to_uint8 rounds. Throws for NaN and infinity. */
export function toBytes(images) {
  if (!images.every(Number.isFinite)) {
    throw new Error("The generator returned NaN or infinity.");
  }
  // each step is rounded to float32, as in Python; Uint8ClampedArray rounds halves to even, as np.rint
  return Uint8ClampedArray.from(images, (value) =>
    Math.fround(Math.fround(Math.min(1, Math.max(-1, value)) + 1) * 127.5),
  );
}

/** Draws one sample of [height, width, channels] bytes on a canvas, which gets its size. */
export function paint(canvas, bytes, [height, width, channels]) {
  const pixels = new Uint8ClampedArray(4 * height * width).fill(255);
  for (let pixel = 0; pixel < height * width; pixel++) {
    for (let color = 0; color < 3; color++) {
      pixels[4 * pixel + color] = bytes[pixel * channels + (channels === 3 ? color : 0)];
    }
  }
  [canvas.width, canvas.height] = [width, height];
  canvas.getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
}
