// Progress, contact sheet and download of a stimulus set.
// props.value: {phase, status, done, total, sheet, token, bytes, file, notes, good, more, ready}; those
// from token on once it is done. A set that was stopped is paused: `ready` of its images make an
// incomplete set, and `more` says that such a set can still go on. The ZIP file comes in parts.
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
  $(".confusion").hidden = !value.confusion;
  if (value.confusion) $(".confusion img").src = value.confusion;
  $(".confusion .hint").textContent = value.said || "";
  $(".lone").hidden = value.phase !== "idle";
  save.hidden = value.phase !== "done";
  $(".going-on").hidden = value.phase !== "paused" && !value.more;
  $("[data-act=part]").hidden = value.phase !== "paused" || !value.ready;
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
for (const act of ["resume", "part"])
  $(`[data-act=${act}]`).addEventListener("click", () => {
    document.dispatchEvent(new CustomEvent("synfer:set", {detail: "running"}));
    trigger(act);
  });
watch("value", () => paint(props.value));
paint(props.value);
