// The finished data set: its card, and its downloads. The server writes a file and the page fetches
// it in parts.
// props.value: {phase, status, done, total}, and once it is done {token, file, bytes, type}.
const $ = (selector) => element.querySelector(selector);
const part = element.firstElementChild, buttons = [...element.querySelectorAll("[data-form]")];
const splits = $("[data-act=splits]"), bar = $(".bar-track");
let set = "", pressed = buttons[0], taken = "";

function paint(value) {
  const running = value.phase === "running";
  $(".status").textContent = value.status || "";
  bar.hidden = !running;
  bar.firstElementChild.style.width = `${100 * (value.total ? value.done / value.total : 0)}%`;
  buttons.forEach((one) => { one.disabled = running; });
  // The same value may come twice.
  if (value.phase !== "done" || value.token === taken) return;
  taken = value.token;
  window.synfer.save(pressed, server.read_part, {...value, name: value.file});
}

buttons.forEach((one) => one.addEventListener("click", () => {
  pressed = one;
  props.value = {phase: "running", status: "Starting", done: 0, total: 0,
    name: set, form: one.dataset.form, splits: splits.checked};
  trigger("write");
}));
document.addEventListener("synfer:dataset", ({detail}) => {
  part.hidden = detail.phase !== "done";
  if (detail.name !== set) $(".status").textContent = "";
  set = detail.name || "";
  $(".card").innerHTML = detail.card || "";
});
watch("value", () => paint(props.value));
