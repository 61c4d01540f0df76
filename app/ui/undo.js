// Undo and redo of the settings, in one scope with controls.js. A state is both forms; changes that
// follow within a moment, such as the way of a slider, count as one.
const PAUSE = 400, DEEPEST = 100;
const past = [], future = [];
let present = null, pause = null;

const state = () => JSON.stringify({panel: {...window.synfer.panel, facs: null}, controls: read()});

function showUndo() {
  $("[data-act=undo]").disabled = !past.length;
  $("[data-act=redo]").disabled = !future.length;
}

function note() {
  clearTimeout(pause);
  pause = null;
  const current = state();
  if (current === present) return;
  if (present !== null) past.push(present);
  if (past.length > DEEPEST) past.shift();
  future.length = 0;
  present = current;
  showUndo();
}

function soon() {
  clearTimeout(pause);
  pause = setTimeout(note, PAUSE);
}

function go(from, to) {
  if (pause) note();
  if (!from.length) return;
  to.push(present);
  present = from.pop();
  const {panel, controls} = JSON.parse(present);
  paint(controls);
  $("#compare").checked = controls.compare;
  $("#watermark").checked = controls.watermark;
  $("#visible-label").checked = controls.visible_label;
  keep();
  document.dispatchEvent(new CustomEvent("synfer:recipe", {detail: {panel}}));
  clearTimeout(pause);
  pause = null;
  present = state();
  showUndo();
}
const undo = () => go(past, future), redo = () => go(future, past);

const inText = (one) => one.matches?.("textarea, select, input:not([type=range], [type=checkbox], [type=radio])");

document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.altKey || !onStudio() || inText(event.target)) return;
  const key = event.key.toLowerCase();
  if (key !== "z" && key !== "y") return;
  event.preventDefault();
  if (key === "y" || event.shiftKey) redo();
  else undo();
});
element.addEventListener("click", (event) => {
  const act = event.target.closest("button")?.dataset.act;
  if (act === "undo") undo();
  if (act === "redo") redo();
});
document.addEventListener("synfer:panel", soon);
document.addEventListener("synfer:controls", soon);
queueMicrotask(soon);
