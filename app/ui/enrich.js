// The detailed prompt, in one scope with controls.js: written by the server, edited by the user.
const detail = $(".enriched"), detailBox = $("#enriched_text");
let basis = null;

const ground = () => JSON.stringify([window.synfer.panel, $("#text").value]);

function showDetail() {
  const on = Boolean(detailBox.value);
  detail.hidden = !on;
  element.querySelector("[data-field=text] [data-act=enrich]").hidden = on;
  $("[data-field=text]").classList.toggle("superseded", on);
  const stale = detail.querySelector(".stale"), old = on && basis !== null && basis !== ground();
  stale.hidden = !old;
  stale.textContent = old ? "Sliders, label or prompt have changed since it was written." : "";
}

async function enrich(button) {
  keep();
  const label = button.textContent;
  button.disabled = true;
  button.textContent = "Writing…";
  const asked = ground();
  const answer = await server.enrich_words({panel: window.synfer.panel, controls: read()});
  button.disabled = false;
  button.textContent = label;
  window.synfer.complain(answer.error);
  if (answer.error) return;
  detailBox.value = answer.text;
  detail.querySelector(".told").textContent = answer.notes.join(" ");
  basis = asked;
  showDetail();
  keep();
  detailBox.focus();
}

function dropDetail() {
  detailBox.value = "";
  basis = null;
  window.synfer.settle(detailBox);
  showDetail();
  keep();
  $("#text").focus();
}

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.act === "enrich") enrich(button);
  if (button?.dataset.act === "plain-words") dropDetail();
});
element.addEventListener("input", (event) => {
  if (event.target.id === "text") showDetail();
});
detailBox.addEventListener("change", showDetail);
document.addEventListener("synfer:panel", showDetail);
painters.push(() => {
  basis = null;
  detail.querySelector(".told").textContent = "";
  showDetail();
});
showDetail();
