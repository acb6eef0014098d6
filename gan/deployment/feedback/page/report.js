// Reporting: pages of pictures, each with a flag. What was shown is recorded by the server, flagged or not.

import { deliver, deliverLeft } from "./outbox.js";
import { count, part, refreshEstimate, setState, showError, showProblem } from "./progress.js";
import { get, post, untilAnswered } from "./server.js";

const LONGEST_MILLISECONDS = 2 ** 31 - 1;
const grid = part("pictures");
const state = { page: 0, shownAt: 0, isBusy: true };

/** Returns the page of the address: #page=3 is the third. */
function pageOfAddress() {
  const number = Number(new URLSearchParams(location.hash.slice(1)).get("page") ?? 1);
  return Number.isInteger(number) && number >= 1 ? number - 1 : 0;
}

/** Shows a page of pictures. */
async function show(page) {
  state.isBusy = true;
  setState("loading");
  try {
    const { pictures, progress } = await untilAnswered(() => post("browse", { page }), showProblem);
    const cells = pictures.map(cellOf);
    const images = cells.map((cell) => cell.firstElementChild);
    const loaded = await Promise.all(images.map((picture) => picture.decode().then(() => true, () => false)));
    const missing = images.filter((_, place) => !loaded[place]);
    if (page !== pageOfAddress()) {
      return; // another one was asked for meanwhile
    }
    grid.replaceChildren(...cells);
    state.page = page;
    state.shownAt = performance.now();
    part("browsing").hidden = false;
    part("page-number").textContent = `Page ${page + 1}`;
    part("previous").disabled = page === 0;
    showProgress(progress);
    setState("browsing");
    showError(missing.length === 0 ? null : await whyMissing(missing));
    await refreshEstimate();
  } catch (error) {
    showError(error.message);
    setState("error");
  }
  state.isBusy = false;
}

/** Returns how many pictures were not loaded, and why the server refuses the first of them. */
async function whyMissing(missing) {
  const reason = await get(missing[0].src).then(() => "Reload the page to try again.", (error) => error.message);
  return `${count(missing.length, "picture was", "pictures were")} not loaded. ${reason}`;
}

/** Returns the button of a picture. */
function cellOf({ token, asked, number, flagged }) {
  const cell = Object.assign(document.createElement("button"), { type: "button", className: "cell" });
  const picture = new Image(Number(grid.dataset.width), Number(grid.dataset.height));
  picture.className = "sample";
  picture.alt = `Picture ${number}${asked === null ? "" : `, asked: ${asked}`}`;
  picture.src = `picture/${token}.png`;
  const label = Object.assign(document.createElement("span"), { textContent: asked ?? `${number}` });
  label.setAttribute("aria-hidden", "true");
  cell.append(picture, label);
  cell.setAttribute("aria-pressed", String(flagged));
  cell.addEventListener("click", () => toggle(cell, token));
  return cell;
}

/** Flags a picture, or takes its flag back. */
async function toggle(cell, token) {
  const flagged = cell.getAttribute("aria-pressed") !== "true";
  const milliseconds = Math.min(Math.round(performance.now() - state.shownAt), LONGEST_MILLISECONDS);
  cell.setAttribute("aria-pressed", String(flagged));
  cell.dataset.unsaved = "";
  setState("saving");
  showError(null);
  try {
    const { progress } = await deliver(token, "flag", { token, flagged, milliseconds }, showProblem);
    delete cell.dataset.unsaved;
    showProgress(progress);
    await refreshEstimate();
  } catch (error) {
    showError(error.message);
    cell.setAttribute("aria-pressed", String(!flagged));
    delete cell.dataset.unsaved;
  }
  if (grid.querySelector("[data-unsaved]") === null) {
    setState("browsing");
  }
}

function showProgress({ mine, shown }) {
  part("status").textContent =
    `You were shown ${count(shown, "picture", "pictures")} and have flagged ${count(mine, "of them", "of them")}.`;
}

function turn(step) {
  if (!state.isBusy && state.page + step >= 0) {
    location.hash = `page=${state.page + step + 1}`;
  }
}

/** Moves the focus between pictures by the arrow keys. */
function onKey(event) {
  if (event.altKey || event.metaKey || event.ctrlKey) {
    return;
  }
  const key = event.key.toLowerCase();
  if (key === "n" || key === "p") {
    turn(key === "n" ? 1 : -1);
    return;
  }
  const cells = [...grid.children];
  const place = cells.indexOf(document.activeElement);
  const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
  const step = { arrowleft: -1, arrowright: 1, arrowup: -columns, arrowdown: columns }[key];
  if (place >= 0 && step !== undefined && cells[place + step] !== undefined) {
    event.preventDefault();
    cells[place + step].focus();
  }
}

async function start() {
  document.addEventListener("keydown", onKey);
  window.addEventListener("hashchange", () => show(pageOfAddress()));
  part("previous").addEventListener("click", () => turn(-1));
  part("next").addEventListener("click", () => turn(1));
  try {
    const { refused } = await deliverLeft(showProblem);
    await show(pageOfAddress());
    if (refused !== null) {
      showError(refused);
    }
  } catch (error) {
    setState("error");
    showError(error.message);
  }
}

start();
