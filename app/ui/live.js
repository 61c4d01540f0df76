// Live, in one scope with controls.js: a slider that moves gets a draft, letting go the whole face.
// One draft is under way at a time; the newest value waits, and nothing queues up behind it.
const toggle = $("[data-act=live]");
const REMEMBERED = "synfer-live";
const STEP_REST = 400;    // ms after a step by keyboard until the hand counts as still
const LOST = 30_000;      // ms after which an answer is no longer waited for
let count = 0;            // counts slider values
let moved = 0;            // when the newest came
let under = null;         // the draft under way: {turn, at}
let letGo = false;        // whether the whole face is wanted once the newest draft is there
let gaveUp = false;       // whether a draft was given up since the last picture
let usual = 500;          // ms a draft takes
let rest = 0;

const able = () => Boolean(window.synfer.backbone?.drafts);
const isLive = () => Boolean(toggle) && toggle.getAttribute("aria-checked") === "true" && able();

function send() {
  const mine = under = {turn: count, at: performance.now()};
  keep();
  window.synfer.phase("draft");
  trigger("draft");
  setTimeout(() => { if (under === mine) lost(mine); }, LOST);
}

function lost({turn}) {
  under = null;
  if (letGo) settle();
  else if (turn < count) send();
}

// Giving up shows the newest sooner in a draft's first half; twice in a row would show nothing.
function early() {
  return !gaveUp && performance.now() - under.at < usual / 2;
}

function moveOn() {
  count += 1;
  moved = performance.now();
  letGo = false;
  clearTimeout(rest);
  if (!under) send();
  else if (early()) { gaveUp = true; send(); }
}

function release() {
  clearTimeout(rest);
  letGo = true;
  if (under && under.turn !== count) send();
  else settle();
}

// A run that starts takes the place of what is under way here.
function forget() {
  clearTimeout(rest);
  under = null;
  letGo = false;
}

function settle() {
  if (under || !letGo) return;
  run(true);
}

function answered(value) {
  if (!under || value.turn < under.turn) return;
  const newest = value.turn >= count;
  under = null;
  if (value.image) {
    gaveUp = false;
    const took = performance.now() - moved;
    if (newest) usual = 0.7 * usual + 0.3 * took;
  }
  if (letGo && (newest || value.waits)) settle();
  else if (!newest || value.waits) send();
}

function hand({detail}) {
  if (!isLive()) return;
  if (detail === "move" || detail === "set") moveOn();
  if (detail === "release" || detail === "set") release();
  if (detail === "step") rest = setTimeout(release, STEP_REST);
}

function show(on) {
  toggle.setAttribute("aria-checked", String(on));
  localStorage.setItem(REMEMBERED, on ? "on" : "off");
}

if (toggle) {
  toggle.setAttribute("aria-checked", String(localStorage.getItem(REMEMBERED) !== "off"));
  toggle.addEventListener("click", () => show(toggle.getAttribute("aria-checked") !== "true"));
  document.addEventListener("synfer:hand", hand);
  document.addEventListener("synfer:run", forget);
  document.addEventListener("synfer:drafted", (event) => answered(event.detail));
  document.addEventListener("synfer:backbone", () => { toggle.disabled = !able(); });
}
readers.push(() => ({turn: count}));
