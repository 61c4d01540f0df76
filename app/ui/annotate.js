// The images to read: they stay in the browser until the user may use them, then go to the server one
// by one. Server functions: add_image, read_rows, write_table. props.value is what an event asks for:
// {token, label, show, style, known}.
const $ = (selector) => element.querySelector(selector);
const form = element.firstElementChild, zone = $(".drop"), chooser = $("input[type=file]");
const consent = $("#consent"), said = $("#said"), filter = $("#annotate-filter");
const body = $("tbody"), status = $(".run .status");
const MOST = Number(form.dataset.files), MB = Number(form.dataset.mb);
const WORDS = {held: "Waits for your consent", waiting: "Waits to be sent", sending: "Being sent",
  queued: "In line", reading: "Being read", stopped: "Not read"};
let token = null, opening = null, images = [], known = 0, chosen = null;
let busy = false, sending = false, run = {phase: "idle"};
let order = {column: null, way: 1};

const onPage = () => element.offsetParent !== null;
const some = (...states) => images.filter((image) => states.includes(image.state));

// --- Asking the server. One event is under way at a time; the newest question holds all answers.
function ask(event, more = {}) {
  props.value = {token, label: said.value, ...more};
  trigger(event);
}

// A token, from the server's answer to "open"; asked for with the first image.
function ready() {
  if (token) return Promise.resolve();
  if (!opening) {
    opening = {};
    opening.promise = new Promise((resolve) => { opening.done = resolve; });
    trigger("open");
  }
  return opening.promise;
}

// --- Images come in.
function take(files) {
  const size = [...images.map((image) => image.file), ...files].reduce((sum, f) => sum + f.size, 0);
  if (images.length + files.length > MOST)
    return refuse(`${images.length + files.length} images are too many`, `at most ${MOST} at a time`);
  if (size > MB * 1e6)
    return refuse(`${Math.ceil(size / 1e6)} MB are too much`, `at most ${MB} MB at a time`);
  window.synfer.complain(null);
  images.push(...[...files].map((file) => ({file, name: file.name, state: "held"})));
  go();
}

const refuse = (message, allowed) => window.synfer.complain({field: "images", message, allowed});

function go() {
  form.classList.toggle("unasked", some("held").length > 0 && !consent.checked);
  if (consent.checked) some("held").forEach((image) => { image.state = "waiting"; });
  paint();
  send();
}

async function send() {
  if (sending) return;
  sending = true;
  for (let next; (next = some("waiting")[0]);) {
    next.state = "sending";
    paint();
    await ready();
    const answer = await window.synfer.read(next.file,
      (value) => server.add_image({...value, token})).catch(() => ({error: LOST}));
    if (!images.includes(next)) continue;  // cleared in the meantime
    if (answer.error) fail(next, answer.error);
    else Object.assign(next, {number: answer.number, state: "queued"});
    read();
  }
  sending = false;
  paint();
}

const LOST = {message: "The server did not take it", allowed: "another try, once it answers"};

function fail(image, error) {
  Object.assign(image, {state: "failed", error: window.synfer.sentence(error)});
}

// --- They are read.
function read() {
  paint();
  if (busy || !some("queued").length) return;
  busy = true;
  run = {phase: "waiting", status: "Waiting for the reader"};
  ask("read");
}

function answered(value) {
  if (value.phase === "open") {
    token = value.token;
    opening?.done();
    opening = null;
    return;
  }
  if (!busy || (value.token && value.token !== token)) return;  // of images that were cleared
  run = value;
  if (value.phase === "done" || value.phase === "running" || value.phase === "cancelled") pull();
  if (!["waiting", "running"].includes(value.phase)) ended(value.phase);
  paint();
}

async function ended(phase) {
  busy = false;
  await pull();
  if (phase === "done") return read();
  some("queued", "reading").forEach((image) => { image.state = "stopped"; });
  paint();
}

// The rows that are new. A change of the page's value may be missed, an answer may not.
let pulling = Promise.resolve();
function pull() {
  const mine = token;
  pulling = pulling.then(async () => {
    if (mine !== token) return;
    const answer = await server.read_rows({token, known}).catch(() => ({rows: [], known}));
    if (mine !== token) return;
    if (answer.error) return window.synfer.complain(answer.error);
    known = answer.known;
    answer.rows.forEach(place);
    paint();
  });
  return pulling;
}

function place(row) {
  const image = images.find((one) => one.number === row.number);
  if (!image) return;
  if (row.state === "failed") return fail(image, row.error);
  Object.assign(image, row);
  if (chosen === null || chosen === image) choose(image);
}

function choose(image) {
  chosen = image;
  if (image.state === "done") ask("show", {show: image.number});
  paint();
}

// --- The table.
const KEYS = {
  name: (image) => image.name.toLowerCase(),
  label: (image) => image.label || "",
  confidence: (image) => image.confidence ?? -1,
  verdict: (image) => image.verdict?.text || "",
  strength: (image) => image.strength ?? -1,
};

function shown() {
  const wanted = images.filter((image) => !filter.value || image.label === filter.value
    || (filter.value === "failed" && image.state === "failed"));
  if (!order.column) return wanted;
  const key = KEYS[order.column];
  return wanted.sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    return order.way * (x < y ? -1 : x > y ? 1 : 0);
  });
}

function make(tag, className, text) {
  const one = document.createElement(tag);
  if (className) one.className = className;
  if (text !== undefined) one.textContent = text;
  return one;
}

function nameCell(image) {
  const cell = make("th"), button = make("button", "pick");
  cell.scope = "row";
  const thumb = make(image.thumb ? "img" : "span", "thumb");
  if (image.thumb) Object.assign(thumb, {src: image.thumb, alt: ""});
  const words = make("span", "words");
  words.append(make("span", "file", image.name));
  if (image.state !== "done") words.append(make("small", "state", image.error || WORDS[image.state]));
  Object.assign(button, {type: "button", disabled: image.state !== "done"});
  button.setAttribute("aria-pressed", String(image === chosen));
  button.append(thumb, words);
  button.image = image;
  cell.append(button);
  return cell;
}

function labelCells(image) {
  const label = make("td"), sure = make("td", "sure");
  if (image.state !== "done") return [label, sure];
  label.textContent = image.label ? image.label[0].toUpperCase() + image.label.slice(1) : "–";
  if (!image.label) return [label, sure];
  const track = make("span", "bar-track"), bar = make("i");
  bar.style.width = `${100 * image.confidence}%`;
  track.append(bar);
  sure.append(track, make("span", "", `${Math.min(99, Math.round(100 * image.confidence))} %`));
  return [label, sure];
}

function tagged(texts, kind) {
  const cell = make("td", kind);
  texts.forEach(({text, title, kind: sort}) => {
    const tag = make("span", `tag ${sort || "read"}`, text);
    tag.title = title;
    cell.append(tag);
  });
  return cell;
}

function rowOf(image) {
  const row = make("tr");
  row.dataset.state = image.state;
  row.classList.toggle("chosen", image === chosen);
  row.append(nameCell(image), ...labelCells(image),
    tagged(image.verdict ? [image.verdict] : [], "verdict-cell"),
    tagged(image.state === "done" ? image.units : [], "units"));
  row.image = image;
  return row;
}

function paint() {
  if (run.phase === "running") {
    const next = some("reading")[0] || some("queued")[0];
    if (next) next.state = "reading";
  }
  const focused = document.activeElement?.image;
  const rows = shown().map(rowOf);
  body.replaceChildren(...rows);
  if (focused) rows.find((row) => row.image === focused)?.querySelector("button").focus();
  form.classList.toggle("unlabelled", !said.value);
  $(".list").hidden = !images.length;
  $(".none-shown").hidden = Boolean(rows.length);
  element.querySelectorAll("th[data-column]").forEach((head) => {
    const way = head.dataset.column === order.column ? order.way : 0;
    head.setAttribute("aria-sort", way ? (way > 0 ? "ascending" : "descending") : "none");
  });
  const done = some("done").length + some("failed").length;
  $(".list .bar-track i").style.width = `${100 * (images.length ? done / images.length : 0)}%`;
  status.textContent = say(done);
  $("[data-act=cancel]").disabled = !busy;
  $("[data-act=go-on]").hidden = busy || !some("stopped").length;
  $("[data-act=csv]").disabled = !some("done").length;
}

function say(done) {
  if (some("held").length) return `${some("held").length} wait for your consent`;
  if (run.phase === "waiting") return run.status;
  if (run.phase === "running") return `Reading ${Math.min(done + 1, images.length)} of ${images.length}`;
  const failed = some("failed").length, left = some("stopped").length;
  return [`${some("done").length} of ${images.length} read`, failed ? `${failed} cannot be read` : "",
    left ? `${left} left` : ""].filter(Boolean).join(", ");
}

// --- What the user does.
function clear() {
  if (busy) trigger("cancel");
  images = [];
  [known, chosen, token, busy, run] = [0, null, null, false, {phase: "idle"}];
  window.synfer.complain(null);
  trigger("open");
  paint();
}

async function download() {
  const answer = await server.write_table({token, style: $("#annotate-style").value});
  if (answer.error) return window.synfer.complain(answer.error);
  const url = URL.createObjectURL(new Blob([answer.text], {type: "text/csv"}));
  const link = make("a");
  Object.assign(link, {href: url, download: answer.file});
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function goOn() {
  some("stopped").forEach((image) => { image.state = "queued"; });
  read();
}

const ACTS = {cancel: () => trigger("cancel"), clear, csv: download, "go-on": goOn};

element.addEventListener("click", (event) => {
  const button = event.target.closest("button"), image = event.target.closest("tr")?.image;
  if (button?.dataset.act) ACTS[button.dataset.act]();
  else if (button?.dataset.sort) {
    const same = order.column === button.dataset.sort;
    order = {column: button.dataset.sort, way: same ? -order.way : 1};
    paint();
  } else if (image?.state === "done") choose(image);
});
consent.addEventListener("change", go);
filter.addEventListener("change", paint);
said.addEventListener("change", () => {
  window.synfer.settle(said);
  some("done").forEach((image) => { image.state = "queued"; });
  read();
});
zone.addEventListener("click", () => chooser.click());
chooser.addEventListener("change", () => {
  if (chooser.files.length) take([...chooser.files]);
  chooser.value = "";
});
document.addEventListener("dragover", (event) => {
  if (!onPage()) return;
  event.preventDefault();
  zone.classList.add("over");
});
document.addEventListener("dragleave", () => zone.classList.remove("over"));
document.addEventListener("drop", (event) => {
  zone.classList.remove("over");
  if (!onPage() || !event.dataTransfer?.files.length) return;
  event.preventDefault();
  take([...event.dataTransfer.files]);
});
document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files || [])];
  if (files.length && onPage()) take(files);
});
document.addEventListener("synfer:annotated", (event) => event.detail && answered(event.detail));
paint();
