// The choice of engine and size at the top of a tab. It stands in window.synfer.engines under the
// tab's name: {value, facts, set, ask}. Each engine keeps its own size while another is chosen.
const box = element.firstElementChild, place = box.dataset.place;
const radios = [...element.querySelectorAll(`[name="${place}-engine"]`)];
const segments = element.querySelector(".segments");
const sizeRadios = () => [...segments.querySelectorAll("input")];
const factsOf = (radio) => JSON.parse(radio.dataset.facts);
const all = Object.fromEntries(radios.map((radio) => [radio.value, factsOf(radio)]));
const sizes = Object.fromEntries(Object.values(all).map((one) => [one.name, one.usual_size]));
let job = {images: 1, passes: 1, steps: 20, kind: "face"};

const chosen = () => radios.find((radio) => radio.checked)?.value ?? radios[0].value;
const facts = () => all[chosen()];

// An engine's own size goes without saying, as in recipes; data sets have a usual size of their own.
function value() {
  const {name, own_size} = facts();
  const unsaid = sizes[name] === own_size && place !== "data";
  return {backbone: name, size: unsaid ? null : sizes[name]};
}

function words(name) {
  const pace = window.synfer.paces?.[name]?.[sizes[name]];
  if (!pace) return "time known after its first face";
  const rest = pace.rest[job.kind] ?? pace.rest.face ?? 0;
  const each = pace.whole[job.kind] ?? pace.step * (pace.stepped ? job.steps : 1) + pace.read + rest;
  const lasts = window.synfer.lasts(Math.max(0, each) * job.images * job.passes);
  const what = job.images === 1 ? "a face" : `for ${job.images.toLocaleString("en")} images`;
  return `${lasts} ${what}${isMeasured(pace) ? "" : ", estimated"}`;
}

const isMeasured = (pace) => job.kind in pace.whole ? pace.sure.includes(job.kind) : pace.measured;
const hint = (name) => isMeasured(window.synfer.paces[name][sizes[name]])
  ? "From what this engine took at this size on this machine"
  : "From what this engine took at other sizes on this machine";

function showTimes() {
  for (const radio of radios) {
    const time = radio.closest(".engine").querySelector(".time"), told = words(radio.value);
    if (time.textContent !== told) time.textContent = told;
    time.title = window.synfer.paces?.[radio.value]?.[sizes[radio.value]] ? hint(radio.value) : "";
  }
}

// A size that is not on offer comes with a recipe that is loaded.
function offer(size) {
  segments.querySelectorAll(".extra").forEach((one) => one.remove());
  if (sizeRadios().some((one) => Number(one.value) === size)) return;
  const extra = segments.firstElementChild.cloneNode(true), radio = extra.querySelector("input");
  extra.className = "extra";
  radio.value = size;
  extra.querySelector("span").textContent = size;
  const next = [...segments.children].find((one) => Number(one.querySelector("input").value) > size);
  segments.insertBefore(extra, next || null);
}

function show() {
  const {name, title, sizes: [least, most]} = facts(), size = sizes[name];
  offer(size);
  for (const radio of sizeRadios()) {
    const can = Number(radio.value) >= least && Number(radio.value) <= most;
    radio.checked = Number(radio.value) === size;
    radio.disabled = !can;
    radio.parentElement.title = can ? "" : `${title} makes ${least === most ? least
      : `${least} to ${most}`} px.`;
  }
  radios.forEach((radio) => radio.closest(".engine").classList.toggle("on", radio.checked));
  showTimes();
}

function tell(how) {
  show();
  document.dispatchEvent(new CustomEvent("synfer:engine",
    {detail: {place, how, ...value(), facts: facts()}}));
}

function set({backbone, size}, how = "set") {
  const radio = radios.find((one) => one.value === backbone);
  if (!radio) return;
  const wanted = size ?? all[backbone].own_size;
  if (radio.checked && sizes[backbone] === wanted) return;
  radio.checked = true;
  sizes[backbone] = wanted;
  tell(how);
}

element.addEventListener("change", (event) => {
  if (event.target.name === `${place}-size`) sizes[chosen()] = Number(event.target.value);
  box.querySelector(".error").hidden = true;
  tell("hand");
});
document.addEventListener("synfer:paces", showTimes);
window.synfer.engines[place] = {
  get value() { return value(); },
  get facts() { return facts(); },
  set,
  ask(wanted) { job = {passes: 1, ...job, ...wanted}; showTimes(); },
};
tell("new");
