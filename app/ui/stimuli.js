// The form of a stimulus set. props.value has the shape of a specification; people and mixes are
// text, and so is the seed, because a browser's numbers end at 2**53.
const $ = (selector) => element.querySelector(selector);
const fields = [...element.querySelectorAll("[data-set]")];
const ticks = [...element.querySelectorAll("[data-list]")];
const NUMBERS = ["step", "treatment.size", "treatment.background"];
const ALIGN = {true: "eyes", false: "none"};
const {get, put} = window.synfer;
const scene = window.synfer.scene(element);

function of(control) {
  const field = control.dataset.set;
  if (field === "treatment.align") return ALIGN[control.checked];
  if (control.type === "checkbox") return control.checked;
  if (NUMBERS.includes(field)) return control.value === "" ? null : Number(control.value);
  return control.value.trim();
}

function read() {
  const value = {expressions: [], action_units: []};
  fields.forEach((control) => put(value, control.dataset.set, of(control)));
  ticks.filter((tick) => tick.checked && !tick.disabled)
    .forEach((tick) => value[tick.dataset.list].push(tick.value));
  Object.assign(value.recipe, window.synfer.engines.set?.value, {scene: scene.read()});
  return value;
}

function paint(value) {
  for (const control of fields) {
    const known = get(value, control.dataset.set);
    if (control.dataset.set === "treatment.align") control.checked = known === "eyes";
    else if (control.type === "checkbox") control.checked = Boolean(known);
    else if (known !== undefined || control.tagName !== "SELECT") control.value = known ?? "";
  }
  scene.paint(value.recipe.scene);
  ticks.forEach((tick) => { tick.checked = value[tick.dataset.list].includes(tick.value); });
  count();
  warn();
}

function people(text) {
  return text.split(/[,;\s]+/).filter(Boolean).reduce((sum, word) => {
    const range = word.match(/^(\d+)(?:-(\d+))?$/);
    return sum + (range ? Number(range[2] ?? range[1]) - Number(range[1]) + 1 : NaN);
  }, 0);
}

function count() {
  const value = read();
  const mixes = value.mixes.split("\n").filter((line) => line.trim()).length;
  const shown = value.expressions.length + value.action_units.length + mixes;
  const who = people(value.identities), steps = 100 / value.step;
  const images = who * (1 + shown * steps);
  $(".count").textContent = images > 0 && shown
    ? `${images.toLocaleString("en")} images: ${who} × (neutral + ${shown} × ${steps} steps)` : "";
  window.synfer.engines.set?.ask({images: images > 0 ? images : 1, kind: "stimuli"});
  $(".fine .state").textContent = shown > value.expressions.length
    ? `${shown - value.expressions.length} in use` : "";
}

// What matching across people does to skin is said before anything is built; the figures come from
// the server once typing rests.
function warn() {
  const {match, match_over: over} = read().treatment, place = $(".skin");
  clearTimeout(warn.waiting);
  warn.asked = (warn.asked || 0) + 1;
  $("#set-treatment-match_over").closest(".field").hidden = match === "none";
  if (match === "none" || over !== "set") {
    place.hidden = true;
    return;
  }
  const mine = warn.asked;
  warn.waiting = setTimeout(async () => {
    const {text} = await server.warn_of_skin(read());
    if (mine !== warn.asked) return;
    place.textContent = text;
    place.hidden = !text;
  }, 500);
}

// Units that the engine cannot move are greyed out, and come back with one that can.
function limit({title, units}) {
  for (const tick of ticks.filter((one) => one.dataset.list === "action_units")) {
    const label = tick.closest("label"), can = units.includes(tick.value.replace("AU", ""));
    label.dataset.hint ??= label.title;
    tick.disabled = !can;
    label.classList.toggle("cannot", !can);
    label.title = can ? label.dataset.hint : `${title} can't do ${tick.value}.`;
  }
}

function busy(running) {
  $("[data-act=build]").disabled = running;
  $("[data-act=cancel]").disabled = !running;
}

element.addEventListener("input", (event) => {
  window.synfer.settle(event.target);
  count();
  warn();
});
element.addEventListener("click", (event) => {
  const act = event.target.closest("button")?.dataset.act;
  if (act === "build") {
    props.value = read();
    busy(true);
    document.querySelector("#set-sheet").scrollIntoView({block: "nearest"});
    trigger("build");
  }
  if (act === "cancel") trigger("cancel");
});
document.addEventListener("synfer:engine", ({detail}) => {
  if (detail.place !== "set") return;
  limit(detail.facts);
  count();
});
document.addEventListener("synfer:set", (event) => busy(event.detail === "running"));
watch("value", () => paint(props.value));
paint(props.value);
if (window.synfer.engines.set) limit(window.synfer.engines.set.facts);
