// A data set as it comes: progress, acceptance by class, newest faces. props.value: {phase, status,
// done, total, rates, faces, card, name, names}; rates, faces and card are markup, what is left out
// of the first two stays, and the card is shown by the part of the downloads.
const $ = (selector) => element.querySelector(selector);
const stage = element.firstElementChild;
let running = false;

function show(part, markup) {
  if (markup !== undefined) part.innerHTML = markup;
  part.hidden = !part.innerHTML;
}

function paint(value) {
  const begins = value.phase === "running" && !running;
  running = value.phase === "running";
  stage.dataset.phase = value.phase;
  $(".status").textContent = value.status || "";
  $(".bar-track i").style.width = `${100 * (value.total ? value.done / value.total : 0)}%`;
  const blank = begins || value.phase === "stopped" || value.phase === "idle";
  show($(".faces"), value.phase === "done" || blank ? value.faces || "" : value.faces);
  show($(".rates"), value.phase === "done" || blank ? value.rates || "" : value.rates);
  $(".lone").hidden = value.phase !== "idle";
  document.dispatchEvent(new CustomEvent("synfer:dataset", {detail: value}));
}
watch("value", () => paint(props.value));
paint(props.value);
