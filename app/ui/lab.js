// Finished runs of the lab, the newest first; what a run shows is markup from the server. The list
// is read again whenever somebody reaches for it.
const $ = (selector) => element.querySelector(selector);
const choice = $("select");
let shown = "", busy = false;

async function show(name) {
  shown = name;
  const answer = await server.read_run({name});
  if (shown !== name) return;
  if (answer.error) {
    $(".run").replaceChildren();
    return window.synfer.complain(answer.error);
  }
  window.synfer.settle(choice);
  $(".run").innerHTML = answer.html;
}

async function list() {
  if (busy) return;
  busy = true;
  const {runs} = await server.list_runs({});
  busy = false;
  const names = runs.map((run) => run.name), before = [...choice.options].map((one) => one.value);
  choice.closest(".field").hidden = !runs.length;
  $(".empty").hidden = Boolean(runs.length);
  if (names.join("\n") === before.join("\n")) return;
  choice.replaceChildren(...runs.map((run) => new Option(run.title, run.name)));
  if (!runs.length) return $(".run").replaceChildren();
  choice.value = names.includes(shown) ? shown : names[0];
  if (choice.value !== shown) show(choice.value);
}

choice.addEventListener("change", () => show(choice.value));
choice.addEventListener("focus", list);
list();
