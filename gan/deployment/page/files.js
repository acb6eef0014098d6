// Files of the page's own folder.

/** Returns the response for a file. Throws an error that names it if it cannot be loaded. */
export async function fetched(name) {
  let response;
  try {
    response = await fetch(name);
  } catch (error) {
    throw new Error(`The file ${name} of this page cannot be loaded: ${error.message}.`);
  }
  if (!response.ok) {
    throw new Error(`The file ${name} of this page cannot be loaded: ${await reasonOf(response)}.`);
  }
  return response;
}

/** Returns what a server says of an error, or its status. */
async function reasonOf(response) {
  const answer = await response.json().catch(() => null); // most servers answer in HTML
  return typeof answer?.error === "string"
    ? answer.error.replace(/\.$/, "")
    : `${response.status} ${response.statusText}`;
}
