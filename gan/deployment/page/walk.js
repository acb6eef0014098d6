// A walk in the space of latents from sample A to sample B, along the great circle, with a slider for the position.

import { spherical } from "./latents.js";
import { paint, toBytes } from "./generator.js";

export class Walk {
  #generator;
  #describe;
  #fail;
  #ends = null;
  #isDrawing = false;
  #isStale = false;
  #slider = document.getElementById("share");
  #sample = document.getElementById("walk-sample");
  #text = document.getElementById("walk-text");

  /**
   * @param {Generator} generator
   * @param {(end: object) => string} describe - returns the text for an end
   * @param {(error: Error) => void} fail - shows an error
   */
  constructor(generator, describe, fail) {
    this.#generator = generator;
    this.#describe = describe;
    this.#fail = fail;
    this.#slider.addEventListener("input", () => this.draw());
  }

  /**
   * Changes the ends, and draws.
   *
   * @param {{index: number, latents: Float32Array, label: number | null, canvas: HTMLCanvasElement}} from
   * @param {object} to - as `from`
   */
  setEnds(from, to) {
    this.#ends = [from, to];
    for (const [id, { canvas }] of [["walk-from", from], ["walk-to", to]]) {
      const copy = document.getElementById(id);
      [copy.width, copy.height] = [canvas.width, canvas.height];
      copy.getContext("2d").drawImage(canvas, 0, 0);
    }
    this.draw();
  }

  /** Draws the sample at the position of the slider. Of several calls during a drawing, the last one is drawn. */
  async draw() {
    this.#isStale = true;
    if (this.#isDrawing) {
      return;
    }
    this.#isDrawing = true;
    try {
      while (this.#isStale) {
        this.#isStale = false;
        await this.#drawOnce();
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isDrawing = false;
    }
  }

  async #drawOnce() {
    const [from, to] = this.#ends;
    const share = this.#slider.valueAsNumber / 100;
    const label = share < 0.5 ? from.label : to.label;
    const latents = spherical(from.latents, to.latents, share);
    const images = await this.#generator.images(latents, label === null ? null : [label]);
    paint(this.#sample, toBytes(images), this.#generator.card.image_shape);
    const turns = from.label === to.label ? "" : ". The class changes in the middle";
    this.#slider.setAttribute("aria-valuetext", `${this.#slider.value} %`);
    this.#text.textContent =
      `${this.#slider.value} % from A, ${this.#describe(from)}, to B, ${this.#describe(to)}${turns}.`;
  }
}
