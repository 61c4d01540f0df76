// The panel of presets, FACS string and AU sliders.
// props.value is {aus: {"AU12": 4}, facs: text not yet read or null, expression: name or null}.
const WORDS = {A: "trace", B: "slight", C: "marked", D: "severe", E: "maximum"};
const facsBox = element.querySelector("#facs");
const target = element.querySelector("#target");
const units = [...element.querySelectorAll(".au")];
const why = element.querySelector(".units-why");
let facsTurn = 0;

const letter = (v) => " ABCDE"[Math.min(5, Math.floor(v + 0.5))].trim();
const input = (track) => track.querySelector("input");
const tracksOf = (unit) => [...unit.querySelectorAll(".track")];
const isSplit = (unit) => unit.querySelector(".split")?.getAttribute("aria-pressed") === "true";

function show(track, value) {
  const range = input(track), mark = letter(value);
  range.value = value;
  range.style.setProperty("--at", `${(value / 5) * 100}%`);
  range.setAttribute("aria-valuetext", `${value.toFixed(1)}, ${WORDS[mark] || "absent"}`);
  const out = track.querySelector("output");
  out.firstChild.textContent = value.toFixed(1);
  out.querySelector("b").textContent = mark;
  out.classList.toggle("zero", value === 0);
}

function split(unit, on) {
  const button = unit.querySelector(".split");
  if (!button) return;
  button.setAttribute("aria-pressed", String(on));
  const [both, ...sides] = tracksOf(unit);
  both.hidden = on;
  sides.forEach((track) => { track.hidden = !on; });
}

function read() {
  const aus = {};
  for (const unit of units)
    for (const track of tracksOf(unit)) {
      const value = Number(input(track).value);
      if (!track.hidden && value > 0) aus[track.dataset.key] = value;
    }
  return aus;
}

function same(a, b) {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}

function mark(aus) {
  element.querySelectorAll(".preset").forEach((button) =>
    button.setAttribute("aria-pressed", String(same(JSON.parse(button.dataset.aus), aus))));
  element.querySelectorAll(".region").forEach((region) => {
    const used = [...region.querySelectorAll(".track:not([hidden]) input")];
    const count = used.filter((range) => Number(range.value) > 0).length;
    region.querySelector(".count").textContent = count || "";
  });
  units.forEach((unit) => unit.classList.toggle("on",
    tracksOf(unit).some((track) => !track.hidden && Number(input(track).value) > 0)));
}

function paint(value) {
  const aus = value.aus || {};
  for (const unit of units) {
    const n = unit.dataset.unit;
    split(unit, `AUL${n}` in aus || `AUR${n}` in aus);
    tracksOf(unit).forEach((track) => show(track, Number(aus[track.dataset.key] || 0)));
  }
  target.value = value.expression || "";
  mark(aus);
}

function complain(error) {
  const slot = element.querySelector("#facs-error");
  slot.textContent = error ? window.synfer.sentence(error) : "";
  slot.hidden = !error;
  facsBox.setAttribute("aria-invalid", String(Boolean(error)));
}

function set(change) {
  props.value = {...props.value, ...change};
  tell();
}

// The other parts of the page hear what the face is to do.
function tell() {
  window.synfer.panel = props.value;
  document.dispatchEvent(new CustomEvent("synfer:panel", {detail: props.value}));
}

// One request is under way at a time, and the newest value always has the last word.
let writing = false, unwritten = false;
async function writeFacs() {
  unwritten = true;
  if (writing) return;
  writing = true;
  while (unwritten) {
    unwritten = false;
    const turn = facsTurn;
    const text = await server.write_facs(props.value.aus);
    if (turn === facsTurn) facsBox.value = text;
  }
  writing = false;
}

async function readFacs() {
  if (props.value.facs === null) return;
  const turn = ++facsTurn;
  const answer = await server.read_facs(props.value.facs);
  if (turn !== facsTurn) return;
  complain(answer.error);
  if (answer.error) return;
  set({aus: answer.aus, facs: null});
  paint(props.value);
  hand("set");
}

function moved() {
  const aus = read();
  set({aus, facs: null});
  complain(null);
  mark(aus);
  writeFacs();
}

function apply(change) {
  set({...change, facs: null});
  complain(null);
  paint(props.value);
  writeFacs();
}

// What the hand does: "move", "release" and "step" (by keyboard) at a slider, or "set" (a preset).
const hand = (what) => document.dispatchEvent(new CustomEvent("synfer:hand", {detail: what}));
let held = false;
element.addEventListener("pointerdown", (event) => { held = event.target.type === "range"; });

element.addEventListener("input", (event) => {
  const track = event.target.closest(".track");
  if (track) { show(track, Number(event.target.value)); moved(); hand("move"); }
  if (event.target === facsBox) { facsTurn += 1; set({facs: facsBox.value}); }
});
element.addEventListener("change", (event) => {
  if (event.target === facsBox) readFacs();
  if (event.target === target) set({expression: target.value || null});
  if (event.target.type === "range") { hand(held ? "release" : "step"); held = false; }
});
facsBox.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) readFacs();
});
element.addEventListener("click", (event) => {
  const preset = event.target.closest(".preset");
  if (preset) apply({aus: JSON.parse(preset.dataset.aus), expression: preset.dataset.expression});
  const clear = event.target.closest("[data-act=clear]");
  if (clear) apply({aus: {}, expression: null});
  if (preset || clear) hand("set");
  const button = event.target.closest(".split");
  if (button) toggleSides(button.closest(".au"));
});

function toggleSides(unit) {
  const [both, right, left] = tracksOf(unit), on = !isSplit(unit);
  const value = (track) => Number(input(track).value);
  if (on) [left, right].forEach((track) => show(track, value(both)));
  else show(both, Math.max(value(left), value(right)));
  split(unit, on);
  moved();
}

// A region of the face was chosen: its sliders come into sight, the first under the keyboard.
function bring({group, side}) {
  const region = element.querySelector(`[data-region=${group}]`);
  region.open = true;
  const tracks = [...region.querySelectorAll(".track:not([hidden])")];
  const own = tracks.find((track) => track.dataset.key.startsWith(`AU${side}`));
  region.scrollIntoView({block: "start"});
  input(own || tracks[0]).focus({preventScroll: true});
}

function limit(backbone) {
  for (const unit of units) {
    const can = backbone.units.includes(unit.dataset.unit);
    const sides = backbone.sides.includes(unit.dataset.unit);
    unit.classList.toggle("cannot", !can);
    unit.title = can ? "" : `${backbone.title} can't do AU${unit.dataset.unit}.`;
    tracksOf(unit).forEach((track) => {
      input(track).disabled = !can;
      if (can) input(track).removeAttribute("aria-description");
      else input(track).setAttribute("aria-description", unit.title);
    });
    const button = unit.querySelector(".split");
    if (!button) continue;
    button.dataset.title ??= button.title;
    button.disabled = !sides;
    button.title = sides ? button.dataset.title : can ? backbone.sides_why : "";
  }
  why.textContent = backbone.units_why;
  why.hidden = !backbone.units_why;
}

document.addEventListener("synfer:backbone", (event) => limit(event.detail));
document.addEventListener("synfer:reach", (event) => bring(event.detail));
document.addEventListener("synfer:recipe", (event) => apply(event.detail.panel));
if (window.matchMedia("(max-width: 820px)").matches)
  element.querySelectorAll(".region").forEach((region) => { region.open = false; });
watch("value", () => paint(props.value));
paint(props.value);
tell();
if (window.synfer.backbone) limit(window.synfer.backbone);
