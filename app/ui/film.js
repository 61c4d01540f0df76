// A continuum as it comes: film strip, player, charts, downloads.
// props.value: {phase, status, done, total, frames: {number: url}}, and once it is done {captions,
// flagged, jump, fps, charts, notes, token, files: [{name, title, type, bytes}]}.
const $ = (selector) => element.querySelector(selector);
const stage = element.firstElementChild, strip = $(".strip"), range = $(".transport input");
const play = $("[data-act=play]"), repeat = $("[data-act=repeat]");
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let film = null, shown = 0, timer = 0, running = false;

function cell(number, url) {
  let button = strip.querySelector(`[data-frame="${number}"]`);
  if (!button) {
    button = document.createElement("button");
    Object.assign(button, {type: "button", className: "cell"});
    button.dataset.frame = number;
    button.append(document.createElement("img"), document.createElement("span"));
    const next = [...strip.children].find((one) => Number(one.dataset.frame) > number);
    strip.insertBefore(button, next || null);
  }
  button.querySelector("img").src = url;
  button.querySelector("img").alt = "";
  button.querySelector("span").textContent = number;
  button.setAttribute("aria-label", `Frame ${number}`);
}

function show(number) {
  if (!film) return;
  shown = number;
  $(".screen img").src = film.frames[number];
  $(".screen img").alt = film.captions[number];
  const drifts = film.flagged.includes(number) ? " The person drifts here." : "";
  $(".caption").textContent = film.captions[number] + drifts;
  range.value = number;
  range.style.setProperty("--at", `${100 * number / Math.max(1, range.max)}%`);
  range.setAttribute("aria-valuetext", film.captions[number]);
  strip.querySelectorAll(".cell").forEach((one) =>
    one.setAttribute("aria-pressed", String(Number(one.dataset.frame) === number)));
}

function stop() {
  clearInterval(timer);
  timer = 0;
  play.textContent = "Play";
  play.setAttribute("aria-pressed", "false");
}

function start() {
  stop();
  const last = Number(range.max);
  if (shown === last) show(0);
  play.textContent = "Pause";
  play.setAttribute("aria-pressed", "true");
  timer = setInterval(() => {
    if (shown < last) show(shown + 1);
    else if (repeat.checked) show(0);
    else stop();
  }, 1000 / film.fps);
}

function finish(value) {
  film = value;
  const count = value.captions.length;
  range.max = count - 1;
  strip.querySelectorAll(".cell").forEach((one) => {
    const number = Number(one.dataset.frame);
    if (number >= count) return one.remove();
    one.classList.toggle("drifts", value.flagged.includes(number));
    one.classList.toggle("jump", number === value.jump);
    one.title = value.captions[number];
  });
  $(".charts").innerHTML = value.charts;
  $(".notes").replaceChildren(...value.notes.map((text) => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  }));
  $(".saves").replaceChildren(...value.files.map((file) => {
    const button = document.createElement("button");
    Object.assign(button, {type: "button", className: "save"});
    const size = file.bytes < 1e5 ? `${Math.ceil(file.bytes / 1e3)} kB`
      : `${(file.bytes / 1e6).toFixed(1)} MB`;
    button.textContent = `${file.title} (${size})`;
    button.addEventListener("click", () =>
      window.synfer.save(button, server.read_part, {token: value.token, ...file}));
    return button;
  }));
  show(0);
  if (!calm.matches) start();
}

function paint(value) {
  stage.dataset.phase = value.phase;
  $(".status").textContent = value.status || "";
  $(".bar-track i").style.width = `${100 * (value.total ? value.done / value.total : 0)}%`;
  const begins = value.phase === "running" && !running;
  running = value.phase === "running";
  if (begins) { stop(); film = null; strip.replaceChildren(); }
  for (const [number, url] of Object.entries(value.frames || {})) cell(Number(number), url);
  const done = value.phase === "done", many = strip.children.length > 0;
  $(".lone").hidden = value.phase !== "idle";
  if (value.phase === "stopped") { stop(); film = null; strip.replaceChildren(); }
  strip.hidden = !many || value.phase === "stopped";
  [".player", ".charts", ".saves"].forEach((name) => { $(name).hidden = !done; });
  $(".notes").hidden = !(done && value.notes.length);
  // The same value may come twice.
  if (done && film?.token !== value.token) finish(value);
  document.dispatchEvent(new CustomEvent("synfer:film", {detail: value.phase}));
}

play.addEventListener("click", () => (timer ? stop() : start()));
range.addEventListener("input", () => { stop(); show(Number(range.value)); });
strip.addEventListener("click", (event) => {
  const one = event.target.closest(".cell");
  if (one && film) { stop(); show(Number(one.dataset.frame)); }
});
watch("value", () => paint(props.value));
paint(props.value);
