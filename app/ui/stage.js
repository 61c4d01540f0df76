// The picture with its progress, overlays and download.
// props.value: {phase, image, status, step, total, maps: [{key, label, url}], file, alt}.
const $ = (selector) => element.querySelector(selector);
const face = $(".face"), heat = $(".heat"), chips = $(".chips"), strength = $(".heat-strength");
const main = element.querySelector("[data-main]") !== null;
let finished = null, chosen = "";

function picture(value) {
  face.hidden = !value.image;
  $(".empty").hidden = Boolean(value.image);
  if (value.image) face.src = value.image;
  face.alt = value.alt || "";
}

function choose(key) {
  const map = (finished?.maps || []).find((m) => m.key === key);
  chosen = map ? key : "";
  heat.hidden = !map;
  if (map) heat.src = map.url;
  chips.querySelectorAll("button").forEach((chip) =>
    chip.setAttribute("aria-pressed", String(chip.dataset.key === chosen)));
  $(".heat-scale").hidden = !map;
}

function offer(maps) {
  const all = maps.length ? [{key: "", label: "Face only"}, ...maps] : [];
  chips.replaceChildren(...all.map((map) => {
    const chip = document.createElement("button");
    chip.type = "button";
    chip.className = "chip";
    chip.dataset.key = map.key;
    chip.textContent = map.label;
    return chip;
  }));
  $(".overlay").hidden = !maps.length;
  choose(chosen);
}

function done(value) {
  finished = value;
  offer(value.maps);
  const link = $(".download");
  link.hidden = !value.file;
  if (value.file) { link.href = value.image; link.download = value.file; }
}

function paint(value) {
  const running = value.phase === "waiting" || value.phase === "running";
  $(".progress").style.setProperty("--at", `${100 * (value.total ? value.step / value.total : 0)}%`);
  element.firstElementChild.dataset.phase = value.phase;
  heat.hidden = running || !chosen;
  $(".status").textContent = value.status || "";
  if (value.phase === "done") { picture(value); done(value); }
  else if (running) { if (value.image) picture(value); }
  else if (finished) { picture(finished); choose(chosen); }
  if (main) window.synfer.phase(value.phase);
}

chips.addEventListener("click", (event) => {
  const chip = event.target.closest("button");
  if (chip) choose(chip.dataset.key);
});
strength.addEventListener("input", () => {
  heat.style.opacity = strength.value;
  strength.style.setProperty("--at", `${strength.value * 100}%`);
});
watch("value", () => paint(props.value));
paint(props.value);
