// The place for an image to annotate. The file goes along with the event and is stored nowhere.
const zone = element.querySelector(".drop"), file = element.querySelector("input[type=file]");
const said = element.querySelector("#said");
let last = null;
const onPage = () => element.offsetParent !== null;

async function send(image) {
  const value = await window.synfer.read(image);
  if (value.error) return window.synfer.complain(value.error);
  window.synfer.complain(null);
  last = value;
  ask();
}

function ask() {
  props.value = {...last, label: said.value};
  trigger("annotate");
}

said.addEventListener("change", () => { if (last) ask(); });
zone.addEventListener("click", () => file.click());
file.addEventListener("change", () => { if (file.files[0]) send(file.files[0]); file.value = ""; });
document.addEventListener("dragover", (event) => {
  if (!onPage()) return;
  event.preventDefault();
  zone.classList.add("over");
});
document.addEventListener("dragleave", () => zone.classList.remove("over"));
document.addEventListener("drop", (event) => {
  zone.classList.remove("over");
  if (!onPage() || !event.dataTransfer?.files.length) return;
  event.preventDefault();
  send(event.dataTransfer.files[0]);
});
document.addEventListener("paste", (event) => {
  const image = [...(event.clipboardData?.files || [])][0];
  if (image && onPage()) send(image);
});
