// What was said and is not yet on the server's disk. It is kept until the server has acknowledged it.

import { Kept } from "./kept.js";
import { Refused, post, untilAnswered } from "./server.js";

const kept = new Kept("unsaved", {});
const sending = new Map();

/**
 * Keeps a request and sends it until the server acknowledges it. A later request of the same name replaces it.
 *
 * @param {string} name - token of the picture
 * @param {string} path
 * @param {object} body
 * @param {(problem: string | null) => void} onProblem - see `untilAnswered`
 * @returns {Promise<object>} the answer; errors are `Refused`
 */
export function deliver(name, path, body, onProblem) {
  kept.write({ ...kept.read(), [name]: { path, body, order: Math.random() } });
  if (!sending.has(name)) {
    sending.set(
      name,
      send(name, onProblem).finally(() => sending.delete(name)),
    );
  }
  return sending.get(name);
}

async function send(name, onProblem) {
  for (;;) {
    const { path, body, order } = kept.read()[name]; // the order tells a later request from this one
    try {
      const answer = await untilAnswered(() => post(path, body), onProblem);
      if (drop(name, order)) {
        return answer;
      }
    } catch (error) {
      if (!error.isOfPage) {
        drop(name, order);
      }
      throw error;
    }
  }
}

/** Forgets a request, unless a later one has replaced it. Returns whether it did. */
function drop(name, order) {
  const { [name]: found, ...others } = kept.read();
  if (found !== undefined && found.order !== order) {
    return false;
  }
  kept.write(others);
  return true;
}

/**
 * Sends what an earlier page of this browser has left. Refused requests are forgotten: they can never be recorded. If
 * the server refuses the page, such as one without the token, all is kept, and `Refused` is thrown.
 *
 * @returns {Promise<{done: string[], refused: string | null}>} names of what was recorded, and why something was not
 */
export async function deliverLeft(onProblem) {
  const done = [];
  let refused = null;
  for (const [name, { path, body }] of Object.entries(kept.read())) {
    try {
      await deliver(name, path, body, onProblem);
      done.push(name);
    } catch (error) {
      if (!(error instanceof Refused) || error.isOfPage) {
        throw error;
      }
      refused = `What this browser kept was not recorded. ${error.message}`;
    }
  }
  return { done, refused };
}
