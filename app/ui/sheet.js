// Progress, contact sheet and download of a stimulus set.
// props.value: {phase, status, done, total, sheet, token, bytes, file, notes}; the last four once
// it is done. The ZIP file comes in parts.
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
  document.dispatchEvent(new CustomEvent("synfer:set", {detail: value.phase}));
}

async function fetched({token, bytes}) {
  const parts = [];
  for (let at = 0; at < bytes;) {
    const part = await server.read_part({token, at});
    if (part.error) return part;
    const data = Uint8Array.from(atob(part.data), (letter) => letter.charCodeAt(0));
    parts.push(data);
    at += data.length;
  }
  return {url: URL.createObjectURL(new Blob(parts, {type: "application/zip"}))};
}

save.addEventListener("click", async () => {
  const value = props.value;
  save.disabled = true;
  const {url, error} = await fetched(value);
  save.disabled = false;
  if (error) return window.synfer.complain(error);
  const link = document.createElement("a");
  Object.assign(link, {href: url, download: value.file});
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
});
watch("value", () => paint(props.value));
paint(props.value);
