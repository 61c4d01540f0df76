// The picture with its progress, overlays and download.
// props.value: {phase, image, status, step, total, maps: [{key, label, url}], file, alt,
// name, beside: {image, alt, name, maps}}; the last two where another picture stands beside.
const $ = (selector) => element.querySelector(selector);
const face = $(".face"), heat = $(".heat"), chips = $(".chips"), strength = $(".heat-strength");
const main = element.querySelector("[data-main]") !== null;
const FEW = 6, MORE = "more";  // words offered at once
const beside = $(".beside"), other = beside.querySelector(".heat");
let finished = null, chosen = "", painted = null;
let drafted = null, turn = 0;  // a draft newer than what is finished, and the newest draft's number

function picture(value) {
  face.hidden = !value.image;
  $(".empty").hidden = Boolean(value.image);
  if (value.image) face.src = $(".mini").src = value.image;
  face.alt = value.alt || "";
  face.classList.toggle("clear", Boolean(value.clear));
}

function choose(key) {
  const map = (finished?.maps || []).find((m) => m.key === key);
  chosen = map ? key : "";
  heat.hidden = !map;
  if (map) heat.src = map.url;
  const twin = (finished?.beside?.maps || []).find((m) => m.key === key);
  other.hidden = !twin;
  if (twin) other.src = twin.url;
  chips.querySelectorAll("button").forEach((one) =>
    one.setAttribute("aria-pressed", String(one.dataset.key === chosen)));
  $(".heat-scale").hidden = !map;
}

function chip(key, label, hidden) {
  const button = document.createElement("button");
  Object.assign(button, {type: "button", className: "chip", textContent: label, hidden});
  button.dataset.key = key;
  return button;
}

function offer(maps) {
  const all = maps.length ? [{key: "", label: "Face only"}, ...maps] : [];
  const words = all.filter((map) => map.key.startsWith("word:")).slice(FEW);
  chips.replaceChildren(...all.map((map) => chip(map.key, map.label, words.includes(map))));
  if (words.length) chips.append(chip(MORE, `${words.length} more words…`, false));
  $(".overlay").hidden = !maps.length;
  choose(chosen);
}

// The picture to compare with: the same overlay lies over both.
function compare(value) {
  const pair = Boolean(value?.beside);
  beside.hidden = !pair;
  element.firstElementChild.classList.toggle("twins", pair);
  const name = $(".frame .name");
  name.hidden = !pair;
  name.textContent = value?.name || "";
  if (!pair) return;
  beside.querySelector(".face").src = value.beside.image;
  beside.querySelector(".face").alt = value.beside.alt;
  beside.querySelector(".name").textContent = value.beside.name;
}

function done(value) {
  finished = value;
  const edit = $("[data-act=edit]");
  if (edit) edit.hidden = false;
  offer(value.maps);
  const link = $(".download");
  link.hidden = !value.file;
  if (value.file) { link.href = value.image; link.download = value.file; }
}

// A draft's picture is neither the file to download nor the one that the maps are of.
function mark(on) {
  element.firstElementChild.classList.toggle("drafted", on);
  $(".draft-mark").hidden = !on;
  $(".overlay").inert = on;
}

function draft(value) {
  if (value.status) $(".status").textContent = value.status;
  if (value.image && value.turn > turn) {
    turn = value.turn;
    drafted = value;
    compare(null);
    picture(value);
    mark(true);
    window.synfer.phase("draft");
  }
  document.dispatchEvent(new CustomEvent("synfer:drafted", {detail: value}));
}

function stopped() {
  const latest = drafted || finished;
  if (!latest) return;
  picture(latest);
  mark(Boolean(drafted));
  if (!drafted) choose(chosen);
}

// The history hears of a finished face.
function tell(value) {
  if (main && value.recipe)
    document.dispatchEvent(new CustomEvent("synfer:made", {detail: value}));
}

function forget() {
  finished = null;
  face.removeAttribute("src");
  picture({});
  offer([]);
}

function paint(value) {
  painted = value.serial;
  if (value.phase === "draft") return draft(value);
  const running = value.phase === "waiting" || value.phase === "running";
  $(".progress").style.setProperty("--at", `${100 * (value.total ? value.step / value.total : 0)}%`);
  element.firstElementChild.dataset.phase = value.phase;
  heat.hidden = running || !chosen;
  $(".status").textContent = value.status || "";
  compare(running || drafted && value.phase !== "done" ? null
    : value.phase === "done" ? value : finished);
  if (value.phase === "idle") forget();
  else if (value.phase === "done") {
    drafted = null;
    mark(false);
    picture(value);
    done(value);
    tell(value);
  } else if (running) { if (value.image) { picture(value); mark(false); } }
  else stopped();
  if (main) window.synfer.phase(value.phase);
}

chips.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.key !== MORE) return choose(button.dataset.key);
  button.remove();
  chips.querySelectorAll("[hidden]").forEach((one) => { one.hidden = false; });
});
$("[data-act=edit]")?.addEventListener("click", () => document.dispatchEvent(
  new CustomEvent("synfer:edit", {detail: {data: finished.image.split(",")[1]}})));
// A draft is on its way, in place of what was running.
if (main) document.addEventListener("synfer:phase", ({detail}) => {
  if (detail !== "draft") return;
  element.firstElementChild.dataset.phase = detail;
  heat.hidden = true;
});
const SHARP = 512;  // pixels on a side from which on the stage shows a picture without enlarging it
face.addEventListener("load", () => {
  element.firstElementChild.toggleAttribute("data-sharp", face.naturalWidth >= SHARP);
});
strength.addEventListener("input", () => {
  heat.style.opacity = other.style.opacity = strength.value;
  strength.style.setProperty("--at", `${strength.value * 100}%`);
});
// An update of the report alone comes with the stage's old value, which a newer run has left behind.
watch("value", () => {
  if (props.value.serial !== painted) paint(props.value);
});
paint(props.value);
