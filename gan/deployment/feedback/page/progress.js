// The state of the page, and the parts that both pages have: problems, and the estimate so far.

import { get } from "./server.js";

/** Returns the element of an id. */
export const part = (id) => document.getElementById(id);

const numbers = new Intl.NumberFormat("en-US");

/** Returns a number with its noun. */
export const count = (number, one, many) => `${numbers.format(number)} ${number === 1 ? one : many}`;

/** Sets the state of the page, which styles and tests read. */
export function setState(state) {
  document.body.dataset.state = state;
}

/** Shows that something is not saved yet, and why; null hides it. */
export function showProblem(problem) {
  part("unsaved").hidden = problem === null;
  if (problem !== null) {
    part("unsaved").textContent = `Not saved yet; trying again. ${problem}`;
  }
}

/** Shows an error until the next one; null hides it. */
export function showError(message) {
  part("error").hidden = message === null;
  part("error").textContent = message ?? "";
}

/** Shows the estimate if it is open. The server computes it anew after some judgements, not after each. */
export async function refreshEstimate() {
  if (!part("estimate").open) {
    return;
  }
  let lines;
  try {
    ({ lines } = await get("estimate"));
  } catch (error) {
    lines = [["Problem", error.message]];
  }
  const cells = lines.flatMap(([name, text]) => [
    Object.assign(document.createElement("dt"), { textContent: name }),
    Object.assign(document.createElement("dd"), { textContent: text }),
  ]);
  part("estimate-lines").replaceChildren(...cells);
}

part("estimate").addEventListener("toggle", refreshEstimate);
