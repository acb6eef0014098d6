// The grid of samples: one button with a canvas for each, reachable with Tab and the arrow keys.

import { paint } from "./generator.js";

/** Gap around the samples of a saved image, and its color, as in the grids of `gan sample`. */
const [GAP, GAP_COLOR] = [2, "rgb(64 64 64)"];

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Grid {
  #element;
  #cells = [];
  #dragged = -1;

  /**
   * @param {HTMLElement} element
   * @param {object} actions
   * @param {(position: number) => void} actions.press - a sample was pressed
   * @param {(from: number, to: number) => void} actions.drag - one sample was dragged to another
   */
  constructor(element, { press, drag }) {
    this.#element = element;
    element.addEventListener("click", ({ target }) => {
      const position = this.#positionOf(target);
      if (position >= 0) {
        press(position);
      }
    });
    element.addEventListener("keydown", (event) => this.#moveFocus(event));
    element.addEventListener("focusin", ({ target }) => this.#makeTabStop(this.#positionOf(target)));
    element.addEventListener("pointerdown", ({ target, pointerType, button }) => {
      // a touch or a pen scrolls the page
      this.#dragged = pointerType === "mouse" && button === 0 ? this.#positionOf(target) : -1;
    });
    element.addEventListener("pointerover", ({ target }) => {
      const over = this.#positionOf(target);
      if (this.#dragged >= 0 && over >= 0 && over !== this.#dragged) {
        drag(this.#dragged, over);
      }
    });
    for (const end of ["pointerup", "pointercancel"]) {
      window.addEventListener(end, () => (this.#dragged = -1));
    }
  }

  get length() {
    return this.#cells.length;
  }

  /** Makes the grid have one cell for each label, which describes its sample. The canvases keep their content. */
  resize(labels, [height, width]) {
    while (this.#cells.length > labels.length) {
      this.#cells.pop().remove();
    }
    while (this.#cells.length < labels.length) {
      const cell = Object.assign(document.createElement("button"), { type: "button", className: "cell", tabIndex: -1 });
      const canvas = Object.assign(document.createElement("canvas"), { width, height, className: "sample" });
      cell.append(canvas);
      this.#cells.push(cell);
      this.#element.append(cell);
    }
    labels.forEach((label, position) => {
      this.#cells[position].dataset.label = label;
    });
    if (!this.#cells.some((cell) => cell.tabIndex === 0)) {
      this.#makeTabStop(0);
    }
  }

  canvas(position) {
    return this.#cells[position].firstElementChild;
  }

  paint(position, bytes, shape) {
    paint(this.canvas(position), bytes, shape);
  }

  /** Marks the two ends of a walk. */
  mark(from, to) {
    this.#cells.forEach((cell, position) => {
      const ends = [position === from && "A", position === to && "B"].filter(Boolean).join(" and ");
      cell.dataset.end = ends;
      cell.setAttribute("aria-label", ends ? `${cell.dataset.label}, ${ends} of the walk` : cell.dataset.label);
      cell.setAttribute("aria-pressed", String(Boolean(ends)));
    });
  }

  /** Returns a canvas with all samples, as square as possible, as `gan sample` arranges them. */
  collect() {
    const { width, height } = this.canvas(0);
    const columns = Math.ceil(Math.sqrt(this.length));
    const rows = Math.ceil(this.length / columns);
    const [stepX, stepY] = [width + GAP, height + GAP];
    const sheet = Object.assign(document.createElement("canvas"), {
      width: columns * stepX + GAP,
      height: rows * stepY + GAP,
    });
    const context = sheet.getContext("2d");
    context.fillStyle = GAP_COLOR;
    context.fillRect(0, 0, sheet.width, sheet.height);
    this.#cells.forEach((_, position) => {
      const [column, row] = [position % columns, Math.floor(position / columns)];
      context.drawImage(this.canvas(position), GAP + column * stepX, GAP + row * stepY);
    });
    return sheet;
  }

  #positionOf(target) {
    return this.#cells.indexOf(target.closest(".cell"));
  }

  #makeTabStop(position) {
    if (position >= 0) {
      this.#cells.forEach((cell, index) => (cell.tabIndex = index === position ? 0 : -1));
    }
  }

  #moveFocus(event) {
    const position = this.#positionOf(event.target);
    const columns = getComputedStyle(this.#element).gridTemplateColumns.split(" ").length;
    const ends = { Home: 0, End: this.length - 1 };
    const step = STEPS[event.key];
    const next = step ? position + step[0] + step[1] * columns : ends[event.key];
    if (next !== undefined) {
      event.preventDefault();
      this.#cells[next]?.focus();
    }
  }
}
