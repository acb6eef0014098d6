// Judging: one picture after the other. The next one is shown when the server has the last one on its disk.

import { Kept } from "./kept.js";
import { deliver, deliverLeft } from "./outbox.js";
import { count, part, refreshEstimate, setState, showError, showProblem } from "./progress.js";
import { Refused, get, post, untilAnswered } from "./server.js";

const KEYS = {
  r: "right",
  ArrowRight: "right",
  w: "wrong",
  ArrowLeft: "wrong",
  u: "unsure",
}; // no key that scrolls the page up and down: a judgement by mistake would count
const UNDO = ["z", "Backspace"];

const LARGEST = 512; // of the picture, in pixels of CSS
const SMALLEST = 160;
const BESIDE = 340; // height of all else that is to be seen with the picture
const MOST_UNDONE = 100;
const LONGEST_MILLISECONDS = 2 ** 31 - 1;
const PICTURE_TRIES = 3;
const POLL = 5000; // milliseconds until a judge who has nothing to judge asks again

const judged = new Kept("judged", []); // tokens of the last judgements, for undo
const state = { question: null, shownAt: 0, isBusy: true };

/** Shows what the server wants to be judged next. Throws `Refused` if its picture cannot be had. */
async function show(answer) {
  for (let tries = 1; answer.question !== null && !(await showPicture(answer.question, tries)); tries++) {
    answer = await next();
  }
  const { question, unjudged, progress } = answer;
  showError(null);
  const wasDone = !part("done").hidden;
  state.question = question;
  part("judging").hidden = question === null;
  part("done").hidden = question !== null;
  showProgress(question, progress);
  state.isBusy = false;
  part("undo").disabled = judged.read().length === 0;
  setState(question === null ? "done" : "judging");
  state.shownAt = performance.now();
  if (question === null) {
    showDone(unjudged);
    if (!wasDone) {
      part("done-title").focus();
    }
  }
  return refreshEstimate();
}

/** Says that nothing is left for this judge, or that it is left to others; then it may come back. */
function showDone(unjudged) {
  part("done-title").textContent = unjudged === 0 ? "All pictures are judged" : "Nothing for you now";
  part("done-text").textContent =
    unjudged === 0
      ? "Thank you. There is nothing left to judge here."
      : `${count(unjudged, "picture waits", "pictures wait")} for other judges. One that they leave is shown here.`;
  clearTimeout(state.poll);
  if (unjudged !== 0) {
    state.poll = setTimeout(() => state.isBusy || state.question !== null || safely(ask), POLL);
  }
}

/**
 * Loads a picture, then shows it together with its question. Returns false if the question is to be asked again, as
 * after a new start of the server. Throws `Refused` with the server's reason, and when it was tried too often.
 */
async function showPicture({ token, asked, number }, tries) {
  const before = part("picture");
  const picture = before.cloneNode();
  picture.src = `picture/${token}.png`;
  try {
    await picture.decode();
  } catch {
    try {
      await untilAnswered(() => get(picture.src), (problem) => showError(problem && `Trying again. ${problem}`));
    } catch (error) {
      if (error.status !== 404 || tries >= PICTURE_TRIES) {
        throw error;
      }
      return false;
    }
    if (tries >= PICTURE_TRIES) {
      throw new Refused("This browser cannot show the picture.");
    }
    return false;
  }
  picture.dataset.number = number;
  before.replaceWith(picture);
  part("judging").hidden = false;
  fit();
  if (part("asked") !== null) {
    part("asked").textContent = `“${asked}”`;
  }
  return true;
}

function showProgress(question, { mine, all, size }) {
  const current = question === null ? "" : `Picture ${question.number}. `;
  const everybody = all === mine ? "" : ` All judges: ${count(all, "judgement", "judgements")}.`;
  const planned = size === null ? "" : ` The plan has ${count(size, "picture", "pictures")}.`;
  part("status").textContent = `${current}You have judged ${count(mine, "picture", "pictures")}.${everybody}${planned}`;
}

/** Asks what is to be judged next, and shows it. */
async function ask() {
  state.isBusy = true;
  return show(await next());
}

function next() {
  return untilAnswered(() => post("next"), showProblem);
}

/** Records what the judge says of the picture, and shows the next one. */
async function judge(said) {
  if (state.isBusy || state.question === null) {
    return;
  }
  state.isBusy = true;
  setState("saving");
  const { token } = state.question;
  const milliseconds = Math.min(Math.round(performance.now() - state.shownAt), LONGEST_MILLISECONDS);
  await safely(async () => {
    const answer = await deliver(token, "judgement", { token, said, milliseconds }, showProblem);
    remember([token]);
    await show(answer);
  });
}

/** Keeps tokens of judgements for undo. */
function remember(tokens) {
  judged.write([...judged.read().filter((one) => !tokens.includes(one)), ...tokens].slice(-MOST_UNDONE));
}

/** Takes back the last judgement, and shows what waits longest: its picture, or an older one. */
async function undo() {
  const token = judged.read().at(-1);
  if (state.isBusy || token === undefined) {
    return;
  }
  state.isBusy = true;
  setState("saving");
  await safely(async () => {
    const forget = () => judged.write(judged.read().filter((one) => one !== token));
    try {
      const answer = await untilAnswered(() => post("undo", { token }), showProblem);
      forget();
      await show(answer);
    } catch (error) {
      forget();
      throw error;
    }
  });
}

/** Runs an action. If the server refuses it, says why and asks what is to be judged next; if that fails too, stops. */
async function safely(action) {
  try {
    await action();
  } catch (error) {
    if (error instanceof Refused && action !== ask) {
      await safely(ask);
      if (state.isBusy) {
        return;
      }
      showError(error.message);
    } else {
      stop(error);
    }
  }
}

/** Shows why nothing more can be judged. */
function stop(error) {
  state.isBusy = true;
  state.question = null;
  part("judging").hidden = true;
  part("undo").disabled = true;
  setState("error");
  showProblem(null);
  showError(`${error.message} Reload the page to try again.`);
}

/** Shows the picture as large as fits beside its buttons, each of its pixels as a square of the screen's pixels. */
function fit() {
  const picture = part("picture");
  const [width, height] = [Number(picture.getAttribute("width")), Number(picture.getAttribute("height"))];
  const room = Math.min(part("stage").clientWidth, LARGEST);
  const scale = Math.min(room / width, Math.max(SMALLEST, Math.min(LARGEST, window.innerHeight - BESIDE)) / height);
  const steps = window.devicePixelRatio;
  picture.style.width = `${width * (scale * steps >= 1 ? Math.floor(scale * steps) / steps : scale)}px`;
}

function onKey(event) {
  if (event.repeat || event.altKey || event.metaKey) {
    return;
  }
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (UNDO.includes(key) && (!event.ctrlKey || key === "z")) {
    event.preventDefault();
    undo();
  } else if (key in KEYS && !event.ctrlKey) {
    event.preventDefault();
    judge(KEYS[key]);
  }
}

async function start() {
  document.addEventListener("keydown", onKey);
  window.addEventListener("resize", fit);
  for (const button of document.querySelectorAll("[data-said]")) {
    button.addEventListener("click", () => judge(button.dataset.said));
  }
  part("undo").addEventListener("click", undo);
  await safely(async () => {
    const { done, refused } = await deliverLeft(showProblem);
    remember(done);
    await ask();
    showError(refused);
  });
}

start();
