// Progress, contact sheet and download of a stimulus set.
// props.value: {phase, status, done, total, sheet, token, bytes, file, notes, good}; the last five
// once it is done. The ZIP file comes in parts.
const $ = (selector) => element.querySelector(selector);
const stage = element.firstElementChild, save = $(".save");

function note(text) {
  const item = document.createElement("li");
  item.textContent = text;
  return item;
}

function paint(value) {
  stage.dataset.phase = value.phase;
  $(".status").textContent = value.status || "";
  $(".bar-track i").style.width = `${100 * (value.total ? value.done / value.total : 0)}%`;
  if (value.sheet) $(".sheet img").src = value.sheet;
  if (value.phase === "stopped") $(".sheet").hidden = true;
  else if (value.sheet) $(".sheet").hidden = false;
  $(".lone").hidden = value.phase !== "idle";
  save.hidden = value.phase !== "done";
  $(".notes").replaceChildren(...(value.notes || []).map(note));
  $(".notes").hidden = !value.notes?.length;
  $(".assured").textContent = value.good || "";
  $(".assured").hidden = !value.good;
  document.dispatchEvent(new CustomEvent("synfer:set", {detail: value.phase}));
}

save.addEventListener("click", () => {
  const {token, file, bytes} = props.value;
  window.synfer.save(save, server.read_part, {token, name: file, bytes, type: "application/zip"});
});
watch("value", () => paint(props.value));
paint(props.value);
