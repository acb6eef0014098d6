// Requests to the server of this page.

/** The server has refused a request or failed, and would do so again. */
export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
    this.isOfPage = OF_PAGE.has(status);
  }
}

const LATER = new Set([408, 429, 502, 503, 504]); // such as a locked file: the same request is sent again
const OF_PAGE = new Set([401, 403, 421]); // the page itself is refused, whatever it asks for

/** Returns the answer to a request. Throws `Refused`, or another error if the same request may succeed later. */
async function answerTo(path, options) {
  const response = await fetch(path, { cache: "no-store", ...options }).catch(() => {
    throw new Error("The server does not answer.");
  });
  if (response.ok && !response.headers.get("Content-Type")?.startsWith("application/json")) {
    return response.blob();
  }
  const answer = await response.json().catch(() => null);
  if (response.ok && answer !== null) {
    return answer;
  }
  const reason = answer?.error ?? `${response.status} ${response.statusText}`;
  throw response.ok || LATER.has(response.status) ? new Error(reason) : new Refused(reason, response.status);
}

/** Sends JSON. Returns the answer; errors are those of `answerTo`. */
export function post(path, body = {}) {
  const headers = { "Content-Type": "application/json" };
  return answerTo(path, { method: "POST", headers, body: JSON.stringify(body) });
}

/** Reads JSON, or a file as bytes. Returns the answer; errors are those of `answerTo`. */
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
