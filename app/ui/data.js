// The form of a data set: a view of its recipe. props.value: {name, text, form, summary, table}; the
// text is what is built, and the server lays the form over it. The seed is text, because a
// browser's numbers end at 2**53.
const $ = (selector) => element.querySelector(selector);
const fields = [...element.querySelectorAll("[data-build]")];
const factors = [...element.querySelectorAll("[data-balance]")];
const [tableFile, recipeFile] = element.querySelectorAll("input[type=file]");
const recipe = $("#build-recipe"), kept = $("#build-open"), name = $("#build-name");
const counts = fields.filter((control) => control.dataset.build.startsWith("counts."));
const total = $("#build-total");
const {get, put} = window.synfer;
const scene = window.synfer.scene(element);
let form = {}, table = null, newest = 0, pending = Promise.resolve(), timer = 0, sound = true;
let last = () => pending;  // what the server was asked, or is to be asked soon

function of(control) {
  if (control.type === "checkbox") return control.checked;
  if (control.type === "number") return control.value === "" ? null : Number(control.value);
  return control.value.trim();
}

function read() {
  const value = structuredClone(form);
  fields.filter((control) => control.dataset.build !== "name")
    .forEach((control) => put(value, control.dataset.build, of(control)));
  Object.assign(value, window.synfer.engines.data?.value, {scene: scene.read()});
  value.balance = factors.filter((one) => one.checked).map((one) => one.dataset.balance);
  return value;
}

function shape() {
  const source = $("#build-aus-source").value, labelled = source === "prototypes";
  element.querySelectorAll("[data-source]").forEach((part) => {
    part.hidden = part.dataset.source !== source;
  });
  $(".eight").hidden = !labelled;
  const judged = $("#build-verdicts-by").value !== "none";
  element.querySelectorAll(".judged").forEach((part) => { part.hidden = !judged; });
  $("#build-distance").disabled = !$("#build-duplicates").checked;
  const strength = Number($("#build-semantic").value);
  $(".state.words").textContent = strength ? `guidance ${strength}` : "";
  const why = window.synfer.engines.data?.facts.cannot["guidance.semantic"];
  $("#build-semantic").disabled = Boolean(why);
  $("#build-semantic").closest(".field").title = why || "";
}

function fill(value) {
  form = value;
  for (const control of fields) {
    const field = control.dataset.build, known = get(value, field);
    if (field === "name" || control === document.activeElement) continue;
    if (control.type === "checkbox") control.checked = Boolean(known);
    else control.value = known ?? "";
  }
  window.synfer.engines.data?.set(value, "loaded");
  // An engine without scenes leaves the controls as they are, for the next one.
  if (!$(".scene").hidden) scene.paint(value.scene);
  factors.forEach((one) => { one.checked = value.balance.includes(one.dataset.balance); });
  tell();
  shape();
}

function tell(text) {
  const file = form.aus?.file;
  $(".told-table").textContent = text ?? (file ? `${file}` : "No table yet.");
}

// Ask the server, and take the answer unless a newer question was asked in the meantime.
function ask(question, sent, take) {
  const turn = ++newest;
  pending = question(sent).then((answer) => {
    if (turn !== newest) return;
    sound = !answer.error;
    if (answer.error) { $(".count").textContent = ""; return window.synfer.complain(answer.error); }
    clean();
    $(".count").textContent = answer.summary;
    window.synfer.engines.data?.ask(answer.job);
    take(answer);
  });
  return pending;
}

function clean() {
  element.querySelectorAll("[data-error-for]").forEach((slot) => { slot.hidden = true; });
  element.querySelectorAll("[aria-invalid]").forEach((one) => one.removeAttribute("aria-invalid"));
}

const write = () => ask(server.write_recipe, {text: recipe.value, form: read()}, (answer) => {
  recipe.value = answer.text;
  form = answer.form;
});
const reread = () => ask(server.read_recipe, {text: recipe.value}, (answer) => fill(answer.form));

function later(what, wait) {
  clearTimeout(timer);
  newest++;
  timer = setTimeout(() => { timer = 0; what(); }, wait);
  last = what;
}

// What was typed last is with the server before anything begins.
async function settled() {
  if (timer) { clearTimeout(timer); timer = 0; last(); }
  await pending;
  if (sound) return true;
  await last();  // says once more what is wrong, and where
  return sound;
}

function share() {
  const all = Math.max(0, Math.round(Number(total.value) || 0));
  counts.forEach((control, place) => {
    control.value = Math.floor(all / counts.length) + (place < all % counts.length ? 1 : 0);
  });
}

function busy(running) {
  $("[data-act=build]").disabled = running;
  $("[data-act=cancel]").disabled = !running;
  kept.disabled = running;
}

function list(names) {
  kept.replaceChildren(new Option("Choose one to open", ""), ...names.map((one) => new Option(one)));
  kept.closest(".field").hidden = !names.length;
}

async function choose(file) {
  if (!file) return;
  const sent = await window.synfer.read(file);
  const answer = sent.error ? sent : await server.read_table(sent);
  if (answer.error) return window.synfer.complain({...answer.error, field: "data.aus.file"});
  const stem = file.name.replace(/\.csv$/i, "").replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^-+/, "");
  table = {...sent, name: `${(stem || "table").slice(0, 60)}.csv`};
  form.aus = {...form.aus, file: table.name};
  last = write;
  await write();
  const labels = answer.labels.length ? `, with ${answer.labels.join(", ")}` : ", without labels";
  tell(`${table.name}: ${answer.rows.toLocaleString("en")} faces${labels}`);
}

function download() {
  const url = URL.createObjectURL(new Blob([recipe.value], {type: "application/yaml"}));
  const link = document.createElement("a");
  Object.assign(link, {href: url, download: `${name.value.trim() || "recipe"}.yaml`});
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

async function build() {
  if (!await settled()) return;
  props.value = {name: name.value.trim(), text: recipe.value, form, table};
  busy(true);
  document.querySelector("#data-dataset").scrollIntoView({block: "nearest"});
  trigger("build");
}

element.addEventListener("input", (event) => {
  const control = event.target;
  if (control === kept || control.type === "file") return;
  window.synfer.settle(control);
  if (control === name) return;
  if (control === recipe) return later(reread, 400);
  if (control === total && !$(".eight").hidden) share();
  if (counts.includes(control))
    total.value = counts.reduce((sum, one) => sum + (Number(one.value) || 0), 0);
  shape();
  later(write, 200);
});
element.addEventListener("click", (event) => {
  const act = event.target.closest("button")?.dataset.act;
  if (act === "build") build();
  if (act === "cancel") trigger("cancel");
  if (act === "table") tableFile.click();
  if (act === "load") recipeFile.click();
  if (act === "download") download();
});
tableFile.addEventListener("change", () => { choose(tableFile.files[0]); tableFile.value = ""; });
recipeFile.addEventListener("change", async () => {
  const [file] = recipeFile.files;
  if (file) recipe.value = await file.text();
  recipeFile.value = "";
  last = reread;
  reread();
});
kept.addEventListener("change", () => {
  if (!kept.value) return;
  props.value = {...props.value, name: kept.value};
  trigger("open");
});
document.addEventListener("synfer:dataset", ({detail}) => {
  busy(detail.phase === "running");
  if (detail.names) list(detail.names);
});
document.addEventListener("synfer:paces", () => { if (!timer && sound) reread(); });
document.addEventListener("synfer:engine", ({detail: {place, how}}) => {
  if (place !== "data") return;
  if (how === "new" && form.backbone) return fill(form);
  shape();
  if (how === "hand") later(write, 50);
});

function paint(value) {
  name.value = value.name;
  recipe.value = value.text;
  if (value.form) fill(value.form);
  if (value.summary) $(".count").textContent = value.summary;
  if (value.job) window.synfer.engines.data?.ask(value.job);
  if (value.error) window.synfer.complain(value.error);
}
watch("value", () => paint(props.value));
paint(props.value);
server.list_sets({}).then(({names}) => list(names));
if (window.synfer.paces) reread();
