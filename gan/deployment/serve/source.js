// Where samples come from: the server of this page, through its predict route.

import { fetched } from "./files.js";
import { Generator } from "./generator.js";

/**
 * Returns the generator that the address asks for (?model=NAME), or the first of the server.
 *
 * @param {(card: object) => void} showCard - called with its card
 */
export async function loadGenerator(showCard) {
  const asked = new URLSearchParams(location.search).get("model");
  const query = asked === null ? "" : `?model=${encodeURIComponent(asked)}`;
  const { card, models } = await (await fetched(`page.json${query}`)).json();
  showCard(card);
  showModels(models, card.name);
  document.getElementById("origin").textContent = "Drawn by the server of this page.";
  return new Generator((latents, classes) => predict(card, latents, classes), card);
}

/** Shows a link to each of several models. */
function showModels(models, current) {
  const nav = document.getElementById("models");
  for (const name of models) {
    const link = Object.assign(document.createElement("a"), { textContent: name });
    link.href = `?model=${encodeURIComponent(name)}`;
    if (name === current) {
      link.setAttribute("aria-current", "page");
    }
    nav.append(link);
  }
  nav.hidden = models.length < 2;
}

async function predict(card, latents, classes) {
  const size = card.latent_dim;
  const rows = Array.from({ length: latents.length / size }, (_, row) =>
    Array.from(latents.subarray(row * size, (row + 1) * size)),
  );
  const inputs = classes ? { latents: rows, labels: classes } : { latents: rows };
  const response = await fetch(`v1/models/${encodeURIComponent(card.name)}:predict`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ inputs }),
  });
  const answer = await response.json().catch(() => ({ error: `${response.status} ${response.statusText}` }));
  if (!response.ok) {
    throw new Error(`The server did not draw these samples: ${answer.error}`);
  }
  return Float32Array.from(answer.outputs.flat(3));
}
