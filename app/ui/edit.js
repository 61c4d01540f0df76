// Editing a face, in one scope with controls.js: which face, and the way back.
const editing = $(".editing"), source = $(".source"), busyLine = $(".edit .busy");
const faces = [...element.querySelectorAll("[data-sample]")];
const modes = [...element.querySelectorAll("[name=edit-sliders]")];
// `shows` is what is read off the face; `before` is what the form said before there was one.
let reference = "", shows = null, before = null, asked = null;

const title = (name) => name[0].toUpperCase() + name.slice(1);
const turn = (aus) => document.dispatchEvent(
  new CustomEvent("synfer:recipe", {detail: {panel: {aus}}}));

function showEdit() {
  const unable = window.synfer.backbone?.cannot.reference;
  editing.hidden = !reference || Boolean(unable);
  faces.forEach((face) => face.setAttribute("aria-pressed",
    String(reference === `sample:${face.dataset.sample}`)));
  const on = !editing.hidden;
  $("[data-act=generate] span").textContent = on ? "Make the edit" : "Generate";
  $(".edit .state").textContent = on ? `on, depth ${$("#inversion_depth").value}` : "off";
  modes[1].disabled = shows === null;
}

function showSource(picture, name, about, notes) {
  source.querySelector(".about").textContent = about;
  source.querySelector("img").src = picture;
  source.querySelector("b").textContent = name;
  source.querySelector(".told").textContent = notes.join(" ");
}

function person(seed, code) {
  $("#identity_seed").value = seed;
  if (code) carried.identity_code = code;
  else delete carried.identity_code;
  showCarried();
}

// A sample's recipe knows by itself what it shows.
function tellShown(aus) {
  if (aus) carried.reference_aus = aus;
  else delete carried.reference_aus;
}

function wait(words) {
  busyLine.textContent = words;
  busyLine.hidden = !words;
  element.querySelectorAll(".edit [data-field=reference] button").forEach((button) => {
    button.disabled = Boolean(words);
  });
}

async function pick(sent, name, about = "") {
  window.synfer.complain(sent.error && {...sent.error, field: "reference"});
  if (sent.error) return;
  wait("Reading the face…");
  const answer = await server.read_reference(sent);
  wait("");
  window.synfer.complain(answer.error);
  if (answer.error) return;
  before ??= {aus: window.synfer.panel.aus, seed: $("#identity_seed").value,
    code: carried.identity_code};
  if (modes[1].checked && answer.aus) turn(answer.aus);
  reference = answer.reference;
  shows = answer.aus;
  tellShown(reference.startsWith("sample:") ? null : shows);
  if (!shows) modes[0].checked = true;
  person("", answer.person);
  showSource(answer.picture, name, about, answer.notes);
  showEdit();
  keep();
}

function leave() {
  tellShown(null);
  if (before) {
    if (modes[1].checked) turn(asked ?? before.aus);
    person(before.seed, before.code);
  }
  reference = "";
  shows = before = asked = null;
  modes[0].checked = true;
  showCarried();
  showEdit();
  keep();
}

function start(relative) {
  if (relative) asked = window.synfer.panel.aus;
  turn(relative ? shows : asked ?? before?.aus ?? {});
}

// A loaded recipe may start from a face, or from none.
function adopt(wanted) {
  if (wanted === reference) return showEdit();
  reference = wanted;
  shows = before = asked = null;
  modes[0].checked = true;
  const name = wanted.startsWith("sample:") ? wanted.slice("sample:".length) : "";
  const face = faces.find((one) => one.dataset.sample === name);
  if (wanted) showSource(name ? face?.querySelector("img").src || "" : wanted,
    name ? title(name) : "The recipe's face", face?.title || "", []);
  $(".edit").open = $(".edit").open || Boolean(wanted);
  showEdit();
}

readers.push(() => ({reference}));
painters.push((value) => adopt(value.reference || ""));
element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const {act, sample} = button.dataset;
  if (sample) pick({sample}, title(sample), button.title);
  if (act === "edit-file") $(".edit input[type=file]").click();
  if (act === "edit-off") leave();
});
element.addEventListener("change", (event) => {
  if (event.target.name === "edit-sliders") start(event.target.value === "relative");
});
element.addEventListener("input", (event) => {
  if (event.target.id === "inversion_depth") showEdit();
});
$(".edit input[type=file]").addEventListener("change", async (event) => {
  const file = event.target.files[0];
  event.stopPropagation();
  event.target.value = "";
  if (file) pick(await window.synfer.read(file), file.name);
});
document.addEventListener("synfer:backbone", showEdit);
document.addEventListener("synfer:edit", (event) => {
  if (window.synfer.backbone?.cannot.reference) {
    $(".edit").open = true;
    return $(".edit").scrollIntoView({block: "nearest"});
  }
  $(".edit").open = true;
  $(".edit").scrollIntoView({block: "nearest"});
  pick(event.detail, "The face above");
});
