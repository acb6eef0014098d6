// Requests to the server of this page.

/** The server has refused a request, and would refuse it again. */
export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

const FINAL = new Set([400, 404, 405, 409, 413]); // of all others, such as a locked file, the same request is sent again

/** Returns the answer to a request. Throws `Refused`, or another error if the same request may succeed later. */
async function answerTo(path, options) {
  const response = await fetch(path, { cache: "no-store", ...options }).catch(() => {
    throw new Error("The server does not answer.");
  });
  const answer = await response.json().catch(() => null);
  if (response.ok && answer !== null) {
    return answer;
  }
  const reason = answer?.error ?? `${response.status} ${response.statusText}`;
  throw FINAL.has(response.status) ? new Refused(reason, response.status) : new Error(reason);
}

/** Sends JSON. Returns the answer; errors are those of `answerTo`. */
export function post(path, body = {}) {
  const headers = { "Content-Type": "application/json" };
  return answerTo(path, { method: "POST", headers, body: JSON.stringify(body) });
}

/** Reads JSON. Returns the answer; errors are those of `answerTo`. */
export function get(path) {
  return answerTo(path, {});
}

const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 4000;

/**
 * Calls `send` until it succeeds, or the server refuses for good. Pauses between two tries, up to 4 seconds.
 *
 * @param {() => Promise<object>} send
 * @param {(problem: string | null) => void} onProblem - called after a try that failed, and with null at the end of it
 */
export async function untilAnswered(send, onProblem) {
  let failed = false;
  for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
    try {
      const answer = await send();
      if (failed) {
        onProblem(null);
      }
      return answer;
    } catch (error) {
      if (error instanceof Refused) {
        onProblem(null);
        throw error;
      }
      failed = true;
      onProblem(error.message);
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
