// The form beneath the face. props.value is the rest of a recipe; seeds are text, because a
// browser's numbers end at 2**53.
const $ = (selector) => element.querySelector(selector);
const words = ["text", "enriched_text", "negative_text"], seeds = ["seed", "identity_seed"];
const strengths = [...element.querySelectorAll("[data-strength]")];
const choices = [...element.querySelectorAll("[data-choice]")];
const CARRIED = {identity_code: "a person given as a code",
  semantic_when: "when and how long guidance acts", reference_aus: "what it shows"};
let carried = {};
let engine = {backbone: props.value.backbone, size: props.value.size ?? null};
let refines = false;  // whether the run that was started last is to replace a draft of its face
const painters = [], readers = [];  // of the scripts that share this scope

const locked = (field) => $(`[data-lock=${field}]`).getAttribute("aria-pressed") === "true";
const draw = () => String(Math.floor(Math.random() * 2 ** 31));

function read() {
  const value = {...engine, scheduler: $("#scheduler").value,
    refines, guidance: {}, semantic: {}, compare: $("#compare").checked,
    watermark: $("#watermark").checked, visible_label: $("#visible-label").checked};
  words.forEach((field) => { value[field] = $(`#${field}`).value; });
  seeds.forEach((field) => { value[field] = $(`#${field}`).value.trim(); });
  for (const range of strengths) {
    const [field, part] = range.dataset.strength.split(".");
    if (part) value[field][part] = range.dataset.own ? null : Number(range.value);
    else value[field] = Number(range.value);
  }
  for (const choice of choices)
    if (choice.value) value.semantic[choice.dataset.choice.split(".")[1]] = choice.value;
  return Object.assign(value, carried, ...readers.map((reader) => reader()));
}

const keep = () => { props.value = read(); tellControls(); };

// The other parts of the page hear of the settings.
function tellControls() {
  window.synfer.controls = props.value;
  document.dispatchEvent(new CustomEvent("synfer:controls", {detail: props.value}));
}

function showStrength(range, value) {
  range.value = value;
  const at = (range.value - range.min) / (range.max - range.min);
  range.style.setProperty("--at", `${at * 100}%`);
  range.closest(".field").querySelector("output").textContent = String(Number(value));
}

// Strengths of guidance that nobody has set are the engine's own, another engine's included.
function showOwn() {
  const usual = window.synfer.engines.studio?.facts?.guidance;
  for (const range of strengths.filter((each) => usual && each.dataset.own))
    showStrength(range, usual[range.dataset.strength.split(".")[1]]);
}

function paint(value) {
  [...words, ...seeds, "scheduler"].forEach((field) => {
    $(`#${field}`).value = value[field];
  });
  for (const range of strengths) {
    const [field, part] = range.dataset.strength.split(".");
    const shown = part ? value[field][part] : value[field];
    range.dataset.own = shown === null || shown === undefined ? "own" : "";
    showStrength(range, shown ?? range.min);
  }
  for (const choice of choices) {
    const wanted = value.semantic[choice.dataset.choice.split(".")[1]];
    if ([...choice.options].some((option) => option.value === wanted)) choice.value = wanted;
  }
  carried = Object.fromEntries(Object.keys(CARRIED).filter((k) => value[k] !== undefined)
    .map((k) => [k, value[k]]));
  showCarried();
  showGuide();
  painters.forEach((painter) => painter(value));
  choose({backbone: value.backbone, size: value.size ?? null});
}

// Guidance, a face beside without it, and the way back of an edit lengthen the work, about.
function longer({guidance, compare, reference}) {
  const guided = guidance.semantic > 0 && !window.synfer.backbone?.cannot["guidance.semantic"];
  const edits = Boolean(reference) && !window.synfer.backbone?.cannot.reference;
  return (guided ? 2 + Number(compare) : 1) * (edits ? 2 : 1);
}

// What the folded part on guidance says while it is folded.
function showGuide() {
  const target = window.synfer.panel?.expression, strength = Number($("#guidance-semantic").value);
  $(".guide .target").textContent = target || "no label";
  $(".guide .state").textContent = !strength ? "off"
    : target ? `${strength} towards ${target}` : "needs a label under Meant as";
}

// What a loaded recipe says beyond the form's controls stays in sight and can be taken out.
function showCarried() {
  const box = $(".carried");
  box.replaceChildren(...Object.keys(carried).map((key) => {
    const chip = document.createElement("button");
    chip.type = "button";
    chip.className = "chip";
    const whose = ["identity_code", "reference_aus"].includes(key) && reference ? "face" : "recipe";
    chip.textContent = `From the ${whose}: ${CARRIED[key]} ✕`;
    chip.addEventListener("click", () => { delete carried[key]; showCarried(); keep(); });
    return chip;
  }));
  box.hidden = !box.children.length;
}

// The choice above says what the engine can do; what it cannot is greyed out, and kept.
function choose(wanted) {
  engine = wanted;
  window.synfer.engines.studio?.set(wanted, "loaded");
  limit();
}

function limit() {
  const facts = window.synfer.engines.studio?.facts;
  if (!facts) return;
  $("p[data-declares]").textContent = facts.declares;
  showOwn();
  for (const field of element.querySelectorAll("[data-field]")) {
    const why = facts.cannot[field.dataset.field] ?? facts.cannot[field.dataset.field.split(".")[0]];
    const place = field.querySelector(".why");
    if (!place) continue;
    place.textContent = why || "";
    place.hidden = !why;
    field.classList.toggle("cannot", Boolean(why));
    field.querySelectorAll("input, textarea, select, button").forEach((e) => { e.disabled = why; });
  }
  window.synfer.backbone = facts;
  document.dispatchEvent(new CustomEvent("synfer:backbone", {detail: facts}));
}

function run(refining) {
  refines = refining;
  keep();
  document.dispatchEvent(new CustomEvent("synfer:run"));
  window.synfer.phase("waiting");
  trigger("generate");
}

function generate() {
  document.activeElement?.blur?.();
  seeds.filter((f) => !locked(f)).forEach((field) => { $(`#${field}`).value = draw(); });
  run(false);
  document.querySelector("#studio-stage").scrollIntoView({block: "start"});
}

const busy = () => ["waiting", "running"].includes(document.body.dataset.phase);
const cancel = () => { if (busy()) trigger("cancel"); };
const onStudio = () => element.offsetParent !== null;

async function load(file, told = "") {
  fillIn(await window.synfer.read(file, server.read_recipe), told);
}

function fillIn(answer, told = answer.note || "") {
  if (answer.error) return window.synfer.complain(answer.error);
  if (answer.grid) {
    window.synfer.spec = answer.grid;
    window.synfer.tab("Grids");
    window.synfer.complain({message: "The settings of a grid are loaded", kind: "note"});
    return document.dispatchEvent(new CustomEvent("synfer:spec", {detail: answer.grid}));
  }
  window.synfer.tab("Studio");
  window.synfer.complain(told ? {message: told, kind: "note"} : null);
  paint(answer.controls);
  keep();
  document.dispatchEvent(new CustomEvent("synfer:recipe", {detail: answer}));
}

// A drop belongs to the part of the page that asks for files, where one is in sight.
const taken = () => [...document.querySelectorAll("[data-takes-files]")].some((e) => e.checkVisibility());

element.addEventListener("input", (event) => {
  window.synfer.settle(event.target);
  if (event.target.dataset.strength) {
    event.target.dataset.own = "";
    showStrength(event.target, event.target.value);
  }
  showGuide();
  keep();
});
element.addEventListener("change", (event) => {
  if (event.target.type === "file" && event.target.files[0]) {
    load(event.target.files[0]);
    event.target.value = "";
  }
});
element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const {act, dice, lock} = button.dataset;
  if (act === "generate") generate();
  if (act === "cancel") cancel();
  if (act === "load") $(".load input[type=file]").click();
  if (lock) button.setAttribute("aria-pressed", String(!locked(lock)));
  if (dice) {
    if (dice === "identity_seed") { delete carried.identity_code; showCarried(); }
    $(`#${dice}`).value = draw();
    keep();
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") cancel();
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && onStudio()) {
    event.preventDefault();
    generate();
  }
});
document.addEventListener("dragover", (event) => { if (!taken()) event.preventDefault(); });
document.addEventListener("drop", (event) => {
  if (taken() || !event.dataTransfer?.files.length) return;
  event.preventDefault();
  load(event.dataTransfer.files[0]);
});
document.addEventListener("synfer:load", (event) => load(
  new File([event.detail.recipe], "recipe.json"),
  `Loaded: ${event.detail.title}. Generate makes this face again`));
document.addEventListener("synfer:engine", ({detail: {place, how, backbone, size}}) => {
  if (place !== "studio") return;
  if (how === "new") return choose(engine);
  engine = {backbone, size};
  limit();
  if (how === "hand") keep();
});
document.addEventListener("synfer:controls", ({detail}) => window.synfer.engines.studio?.ask(
  {images: 1, passes: longer(detail), steps: detail.steps, kind: "face"}));
document.addEventListener("synfer:panel", showGuide);
document.addEventListener("synfer:sample", (event) => fillIn(event.detail));
document.addEventListener("synfer:phase", () => {
  $("[data-act=cancel]").disabled = !busy();
});
// After the scripts that share this scope have run, so that their painters are there.
queueMicrotask(() => {
  watch("value", () => paint(props.value));
  paint(props.value);
  tellControls();
});
