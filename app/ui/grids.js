// The form of a grid. props.value: {base: {panel, controls}, rows: axis, columns: axis}; an axis is
// {kind, values, unit, intensity}, its values a list for chips and text for numbers. The scene of all
// faces is this tab's own; the studio's comes along with its settings.
const $ = (selector) => element.querySelector(selector);
const axes = [...element.querySelectorAll("[data-axis]")];
const part = (axis, name) => axis.querySelector(`[data-part=${name}]`);
const typed = new Map();  // the text of each kind on each axis, kept while another is chosen
const scene = window.synfer.scene(element), same = $("[data-part=same_scene]");
let base = props.value.base;

const kindOf = (axis) => part(axis, "kind").value;
const option = (axis) => part(axis, "kind").selectedOptions[0];
const chipsOf = (axis) => axis.querySelector(`.chips[data-for="${kindOf(axis)}"]`);
const chosen = (chips) => [...chips.querySelectorAll("[aria-pressed=true]")].map((c) => c.dataset.value);

function show(axis) {
  const kind = kindOf(axis);
  axis.querySelectorAll("[data-for]").forEach((one) => {
    one.hidden = !one.dataset.for.split(" ").includes(kind);
  });
  axis.querySelector(".hint").textContent = option(axis).dataset.hint;
}

// One side of a unit has no chip until a loaded grid brings it along.
function offer(chips, value) {
  if (chips.querySelector(`[data-value="${CSS.escape(value)}"]`)) return;
  const chip = chips.lastElementChild.cloneNode(true);
  Object.assign(chip, {textContent: value.replace("AU", ""), title: value, ariaLabel: value});
  chip.dataset.value = value;
  chips.append(chip);
}

function fill(axis, {kind, values, unit, intensity}) {
  part(axis, "kind").value = kind;
  if (unit !== undefined) part(axis, "unit").value = unit;
  if (intensity !== undefined) part(axis, "intensity").value = intensity;
  const chips = chipsOf(axis);
  if (chips) {
    values.forEach((value) => offer(chips, value));
    chips.querySelectorAll("button").forEach((chip) =>
      chip.setAttribute("aria-pressed", String(values.includes(chip.dataset.value))));
  } else part(axis, "values").value = values;
  show(axis);
}

function first(axis) {
  const kind = kindOf(axis), text = typed.get(`${axis.dataset.axis} ${kind}`) ?? option(axis).dataset.first;
  fill(axis, {kind, values: chipsOf(axis) ? text.split(" ") : text});
}

function axisOf(axis) {
  const chips = chipsOf(axis), kind = kindOf(axis);
  return {kind, unit: part(axis, "unit").value, intensity: part(axis, "intensity").value,
    values: chips ? chosen(chips) : part(axis, "values").value};
}

// Engine and scene are this tab's own, whatever the settings were taken from.
const shared = () => ({...base, controls:
  {...base.controls, ...window.synfer.engines.grid?.value, scene: scene.read()}});
const read = () => ({base: shared(), rows: axisOf(axes[0]), columns: axisOf(axes[1]),
  same_scene: same.checked});

function remember(axis) {
  const {kind, values} = axisOf(axis);
  typed.set(`${axis.dataset.axis} ${kind}`, Array.isArray(values) ? values.join(" ") : values);
}

function length({values}) {
  if (Array.isArray(values)) return values.length;
  return values.split(/[,;\s]+/).filter(Boolean).reduce((sum, word) => {
    const range = word.match(/^(\d+)-(\d+)$/);
    return sum + (range ? Math.max(0, Number(range[2]) - Number(range[1]) + 1) : 1);
  }, 0);
}

function stepsOf({kind, values}) {
  const all = kind === "steps" ? values.split(/[,;\s]+/).map(Number).filter(Boolean) : [];
  return all.length ? all.reduce((sum, n) => sum + n, 0) / all.length : null;
}

const whyNot = (kind) => {
  const cannot = window.synfer.engines.grid?.facts.cannot ?? {};
  return cannot[kind] ?? cannot[kind.split(".")[0]];
};

// What the engine cannot vary is greyed out with the reason, and stays chosen for one that can.
function limit() {
  for (const axis of axes) {
    for (const one of part(axis, "kind").options) {
      one.disabled = Boolean(whyNot(one.value));
      one.title = whyNot(one.value) || "";
    }
    const why = whyNot(kindOf(axis));
    axis.classList.toggle("cannot", Boolean(why));
    axis.querySelector(".why").textContent = why || "";
    axis.querySelector(".why").hidden = !why;
  }
  for (const chip of element.querySelectorAll("[data-layout]")) {
    const why = JSON.parse(chip.dataset.layout).map(({kind}) => whyNot(kind)).find(Boolean);
    chip.disabled = Boolean(why);
    chip.title = why || "";
  }
}

function count() {
  const {rows, columns} = read(), faces = length(rows) * length(columns);
  const steps = stepsOf(rows) ?? stepsOf(columns) ?? base.controls.steps;
  window.synfer.engines.grid?.ask({images: faces || 1, steps, kind: "face"});
  $(".count").textContent = faces ? `${faces} faces: ${length(rows)} × ${length(columns)}` : "";
  same.closest("label").hidden = ![rows.kind, columns.kind].includes("identity_seed");
  limit();
}

const number = (value) => String(Number(Number(value).toFixed(1)));

function summary() {
  const {panel, controls} = base;
  const units = Object.entries(panel.aus || {}).map(([key, v]) => `${key.slice(2)} at ${number(v)}`);
  const who = controls.identity_code ? "a person given as a code"
    : controls.identity_seed ? `person ${controls.identity_seed}` : "anyone";
  $(".summary").textContent = [controls.text ? `“${controls.text}”` : "no words", who,
    `seed ${controls.seed}`, units.length ? `units ${units.join(", ")}` : "no action units",
    panel.expression ? `meant as ${panel.expression}` : "",
    whyNot("steps") ? "" : `${controls.steps} steps`]
    .filter(Boolean).join(" · ");
  $("[data-act=still]").hidden = !units.length;
}

function take() {
  const {panel, controls} = window.synfer;
  if (panel && controls) base = structuredClone({panel, controls});
  scene.take();
  summary();
  count();
}

function still() {
  base = {...base, panel: {aus: {}, facs: null, expression: null}};
  summary();
}

function adopt(grid) {
  base = grid.base;
  const {backbone, size} = base.controls;
  window.synfer.engines.grid?.set({backbone, size: size ?? null}, "loaded");
  fill(axes[0], grid.rows);
  fill(axes[1], grid.columns);
  scene.paint(base.controls.scene);
  same.checked = grid.same_scene ?? true;
  axes.forEach(remember);
  summary();
  count();
}

function busy(running) {
  $("[data-act=make]").disabled = running;
  $("[data-act=cancel]").disabled = !running;
}

element.addEventListener("input", (event) => {
  const axis = event.target.closest("[data-axis]");
  if (!axis) return;
  window.synfer.settle(axis);
  if (event.target.dataset.part === "kind") first(axis);
  remember(axis);
  count();
});
element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const {act, layout, value} = button.dataset, axis = button.closest("[data-axis]");
  if (layout) {
    JSON.parse(layout).forEach((one, place) => fill(axes[place], one));
    axes.forEach(remember);
  }
  if (value) {
    button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
    window.synfer.settle(axis);
    remember(axis);
  }
  if (act === "take") { take(); window.synfer.settle(button); }
  if (act === "still") still();
  if (act === "make") {
    props.value = read();
    busy(true);
    document.querySelector("#grid-cells").scrollIntoView({block: "nearest"});
    trigger("make");
  }
  if (act === "cancel") trigger("cancel");
  count();
});
document.addEventListener("synfer:grid", (event) => busy(event.detail === "running"));
document.addEventListener("synfer:engine", ({detail: {place, how}}) => {
  if (place !== "grid") return;
  if (how === "new" && window.synfer.spec) adopt(window.synfer.spec);
  summary();
  count();
});
document.addEventListener("synfer:spec", (event) => adopt(event.detail));
JSON.parse($("[data-layout]").dataset.layout).forEach((one, place) => fill(axes[place], one));
scene.paint(base.controls.scene);
if (window.synfer.spec) adopt(window.synfer.spec);
summary();
count();
