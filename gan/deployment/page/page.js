// The page: loads the generator, draws the samples that the form asks for, and walks between two of them.

import { classesOf } from "./generator.js";
import { Grid } from "./grid.js";
import { latents, truncate } from "./latents.js";
import { Options, className } from "./options.js";
import { loadGenerator } from "./source.js";
import { Walk } from "./walk.js";

const byId = (id) => document.getElementById(id);

/** Default number of samples; `NARROW` on a screen below 600 px. */
const [WIDE, NARROW] = [64, 30];

function showError(error) {
  byId("loading").hidden = true;
  byId("error").textContent = error.message;
  byId("error").hidden = false;
  document.body.dataset.state = "error";
}

function percent(rate) {
  return `${(100 * rate).toLocaleString("en", { maximumSignificantDigits: 3 })} %`;
}

function showCard(card) {
  const [height, width, channels] = card.image_shape;
  const classes = card.num_classes ? `${card.num_classes.toLocaleString("en")} classes` : "no classes";
  document.title = `${card.name}: samples`;
  byId("name").textContent = card.name;
  byId("facts").textContent =
    `Generator of ${width} × ${height} ${channels === 3 ? "color" : "gray"} samples from ${card.latent_dim} latents, ` +
    `${classes}, weights in ${card.weights}`;
  byId("license").textContent = `License of the generator: ${card.license ?? "not stated"}.`;
  byId("verdict").hidden = false;
  const found = card.verdict;
  if (!found) {
    byId("verdict").textContent = "Not evaluated.";
    return;
  }
  const verdicts = { within: "Within", exceeded: "Exceeds", undecided: "Undecided for" };
  const rounded = card.weights === "float32" ? "" : ` Measured before its weights were rounded to ${card.weights}.`;
  const verdict = document.createElement("strong");
  verdict.textContent = `${verdicts[found.verdict]} a tolerance of ${percent(found.tolerance)}`;
  byId("verdict").dataset.verdict = found.verdict;
  byId("verdict").replaceChildren(
    verdict,
    `: error rate ${percent(found.error_rate)}, interval ${percent(found.error_rate_lower)} to ` +
      `${percent(found.error_rate_upper)}, of ${found.num.toLocaleString("en")} samples (${found.dataset}).${rounded}`,
  );
}

class Page {
  #generator;
  #options;
  #grid;
  #walk;
  #walkEnds;
  #pressed = 0;
  #drawings = 0;
  #drawn = null;

  constructor(generator) {
    const { card } = generator;
    const defaults = { seed: 0, first: 0, num: matchMedia("(max-width: 599px)").matches ? NARROW : WIDE };
    this.#generator = generator;
    this.#options = new Options(byId("options"), card, defaults);
    this.#grid = new Grid(byId("grid"), {
      press: (position) => this.#press(position),
      drag: (from, to) => this.#setEnds(from, to),
    });
    this.#walk = new Walk(generator, (end) => this.#describe(end), showError);
    this.#walkEnds = [0, card.num_classes || 1]; // two samples of the same class
    const width = Math.min(128, card.image_shape[1]);
    byId("grid").style.setProperty("--width", `${width}px`);
    let timer;
    byId("options").addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.draw(), 150);
    });
    byId("options").addEventListener("submit", (event) => {
      event.preventDefault();
      this.draw();
    });
    byId("next").addEventListener("click", () => this.#showNext());
    byId("reseed").addEventListener("click", () => this.#change("seed", Math.floor(Math.random() * 2 ** 32)));
    byId("save").addEventListener("click", () => this.#save());
  }

  /** Draws the samples that the form asks for. A later call stops an earlier one. */
  async draw() {
    const options = this.#options.read();
    byId("problem").textContent = options ? "" : this.#options.problem();
    if (!options) {
      return;
    }
    const drawing = ++this.#drawings;
    const start = performance.now();
    const { card } = this.#generator;
    const size = card.latent_dim;
    const indices = Array.from({ length: options.num }, (_, position) => options.first + position);
    const normal = latents(options.seed, indices, size);
    const vectors = options.truncation === null ? normal : truncate(normal, options.truncation);
    const classes = classesOf(indices, card.num_classes, options.label);
    const samples = indices.map((index, position) => ({
      index,
      latents: vectors.subarray(position * size, (position + 1) * size),
      label: classes && classes[position],
    }));
    document.body.dataset.state = "drawing";
    this.#options.writeAddress();
    this.#grid.resize(samples.map((sample) => this.#describe(sample)), card.image_shape);
    this.#drawn = null;
    let position = 0;
    const length = card.image_shape.reduce((product, value) => product * value, 1);
    try {
      for await (const batch of this.#generator.samples(vectors, classes)) {
        if (drawing !== this.#drawings) {
          return;
        }
        for (let first = 0; first < batch.length; first += length) {
          this.#grid.paint(position++, batch.subarray(first, first + length), card.image_shape);
        }
        byId("status").textContent = `${position} of ${options.num} samples drawn`;
        await new Promise((resolve) => setTimeout(resolve)); // the browser shows them
      }
    } catch (error) {
      showError(error);
      return;
    }
    const seconds = ((performance.now() - start) / 1000).toFixed(2);
    byId("status").textContent =
      `${options.num.toLocaleString("en")} ${options.num === 1 ? "sample" : "samples"} drawn in ${seconds} s`;
    byId("error").hidden = true;
    document.body.dataset.state = "drawn";
    this.#drawn = samples;
    this.#setEnds(...this.#walkEnds.map((end) => Math.min(end, samples.length - 1)));
  }

  #describe({ index, label }) {
    const { card } = this.#generator;
    return label === null ? `sample ${index}` : `sample ${index} of class ${className(card, label)}`;
  }

  #press(position) {
    const ends = [...this.#walkEnds];
    ends[this.#pressed] = position;
    this.#pressed = 1 - this.#pressed;
    this.#setEnds(...ends);
  }

  #setEnds(from, to) {
    this.#walkEnds = [from, to];
    this.#grid.mark(from, to);
    if (this.#drawn) {
      this.#walk.setEnds(
        ...[from, to].map((position) => ({ ...this.#drawn[position], canvas: this.#grid.canvas(position) })),
      );
    }
  }

  #change(name, value) {
    this.#options.set(name, value);
    this.draw();
  }

  #showNext() {
    const options = this.#options.read();
    if (options) {
      this.#change("first", options.first + options.num);
    }
  }

  #save() {
    const { name } = this.#generator.card;
    this.#grid.collect().toBlob((blob) => {
      const address = URL.createObjectURL(blob);
      const link = Object.assign(document.createElement("a"), { href: address, download: `${name}.png` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(address), 10_000); // after the browser has read it
    });
  }
}

try {
  const page = new Page(await loadGenerator(showCard));
  byId("loading").hidden = true;
  byId("page").hidden = false;
  await page.draw();
} catch (error) {
  showError(error);
}
