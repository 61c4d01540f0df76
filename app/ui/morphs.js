// The form of a morph continuum. props.value: {apex, facs, recipe, about, left, units, marking,
// frames, fps, course, even, curve, curves, engine, panel, controls, scene}; times are per cent, and
// an empty one is as for all.
const $ = (selector) => element.querySelector(selector);
const fields = [...element.querySelectorAll("[data-morph]")];
const TIMES = ["onset", "apex", "offset", "end"];
const USUAL = {rise: {onset: 0, apex: 100}, whole: {onset: 0, apex: 40, offset: 60, end: 100}};
const common = $('[data-key="all"]');
const scene = window.synfer.scene(element);
const course = () => $("#morph-course").value;

function times(row) {
  const found = {};
  row.querySelectorAll("[data-time]").forEach((input) => {
    if (input.value !== "" && !input.closest("label").hidden)
      found[input.dataset.time] = Number(input.value);
  });
  return found;
}

const rows = () => [...element.querySelectorAll(".own .curve-row")];

function read() {
  const value = {...props.value, curve: {...times(common), easing: $("#morph-curve-easing").value},
    curves: Object.fromEntries(rows().map((row) => [row.dataset.key, times(row)]))};
  for (const name of ["frames", "fps"])
    value[name] = $(`#morph-${name}`).value === "" ? null : Number($(`#morph-${name}`).value);
  value.course = course();
  if (window.synfer.engines.morph) value.engine = window.synfer.engines.morph.value;
  value.even = $('[data-morph="even"]').checked && value.course === "rise";
  value.scene = scene.read();
  return value;
}

// The curve as a line over the time, 116 wide and 34 high.
function path(t) {
  const smooth = $("#morph-curve-easing").value === "smooth";
  const x = (percent) => 2 + 1.16 * Math.min(100, Math.max(0, percent)), top = 6, ground = 40;
  const to = (a, b, from, up) => smooth
    ? `C${(x(a) + x(b)) / 2} ${from} ${(x(a) + x(b)) / 2} ${up} ${x(b)} ${up}` : `L${x(b)} ${up}`;
  let line = `M2 ${ground}H${x(t.onset)}${to(t.onset, t.apex, ground, top)}`;
  line += t.offset === undefined ? "H118"
    : `H${x(t.offset)}${to(t.offset, t.end, top, ground)}H118`;
  return line;
}

function draw() {
  const usual = USUAL[course()], all = {...usual, ...times(common)};
  for (const row of [common, ...rows()]) {
    const base = row === common ? usual : all, whole = {...base, ...times(row)};
    row.querySelectorAll("[data-time]").forEach((input) => {
      const used = input.dataset.time in usual;
      input.closest("label").hidden = !used;
      input.placeholder = used ? base[input.dataset.time] : "";
    });
    const line = path(whole);
    row.querySelector(".line").setAttribute("d", line);
    row.querySelector(".area").setAttribute("d", `${line}V40H2Z`);
  }
  const {frames, fps} = read();
  const ms = frames > 1 && fps > 0 ? (frames - 1) / fps * 1000 : null;
  $(".takes").textContent = ms === null ? "" : `${Math.round(ms).toLocaleString("en")} ms`;
  const even = $('[data-morph="even"]');
  window.synfer.engines.morph?.ask({images: frames > 1 ? frames : 1, kind: "morph",
    passes: 1 + Number(even.checked && course() === "rise"), steps: props.value.controls.steps});
  even.disabled = course() !== "rise";
  even.closest(".check").classList.toggle("cannot", even.disabled);
}

function row({key, number, name}, curve) {
  const made = element.querySelector("template").content.firstElementChild.cloneNode(true);
  made.dataset.key = key;
  made.setAttribute("aria-label", `AU${number} ${name}`);
  made.querySelector(".who b").textContent = number;
  made.querySelector(".who span").textContent = name;
  fill(made, curve);
  return made;
}

function fill(place, curve) {
  TIMES.forEach((name) => {
    place.querySelector(`[data-time="${name}"]`).value = curve?.[name] ?? "";
  });
}

function paint(value) {
  $(".apex").textContent = value.facs || "neutral: move some sliders in the Studio first";
  $(".about").textContent = value.about;
  $(".left").textContent = value.left;
  $("#morph-frames").value = value.frames;
  $("#morph-fps").value = value.fps;
  $("#morph-course").value = value.course;
  $("#morph-curve-easing").value = value.curve?.easing || "linear";
  $('[data-morph="even"]').checked = value.even;
  fill(common, value.curve);
  $(".own").replaceChildren(...value.units.map((unit) => row(unit, value.curves?.[unit.key])));
  draw();
}

function busy(running) {
  $("[data-act=make]").disabled = running;
  $("[data-act=cancel]").disabled = !running;
}

element.addEventListener("input", (event) => {
  window.synfer.settle(event.target);
  element.querySelectorAll("[data-error-for~=curve]").forEach((slot) => { slot.hidden = true; });
  draw();
});
element.addEventListener("click", (event) => {
  const act = event.target.closest("button")?.dataset.act;
  if (act === "cancel") trigger("cancel");
  if (act === "take") {
    scene.take();
    props.value = read();
    trigger("take");
  }
  if (act === "make") {
    props.value = read();
    busy(true);
    document.querySelector("#morph-film").scrollIntoView({block: "nearest"});
    trigger("make");
  }
});
document.addEventListener("synfer:engine", ({detail: {place, backbone, size}}) => {
  if (place !== "morph") return;
  const known = props.value.engine;
  if (known.backbone === backbone && known.size === size) return draw();
  props.value = read();
  trigger("engine");
});
document.addEventListener("synfer:film", (event) => busy(event.detail === "running"));
common.setAttribute("aria-label", "All units");
// What is typed here stays: an answer of the server may come after it.
watch("value", () => {
  const {frames, fps, curve, curves} = read();
  paint({...props.value, frames, fps, curve, curves, course: course(),
    even: $('[data-morph="even"]').checked});
});
scene.paint(props.value.scene);
paint(props.value);
