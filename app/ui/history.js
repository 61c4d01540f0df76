// The faces this page has made, kept in the browser (IndexedDB) and nowhere else.
// A face: {id, time, image (a Blob), recipe, title, read, words, asked, star}; ids grow with time.
const $ = (selector) => element.querySelector(selector);
const section = element.firstElementChild, strip = $(".strip"), find = $(".find");
const MOST = Number(section.dataset.most), BYTES = Number(section.dataset.bytes);
let faces = [], gone = [], urls = new Map(), base = null, lastId = 0;

const request = (asked) => new Promise((resolve, reject) => {
  asked.onsuccess = () => resolve(asked.result);
  asked.onerror = () => reject(asked.error);
});
const table = (mode) => base.transaction("faces", mode).objectStore("faces");

async function openBase() {
  if (!window.indexedDB) return;
  const asked = indexedDB.open("synfer-history", 1);
  asked.onupgradeneeded = () => asked.result.createObjectStore("faces", {keyPath: "id"});
  // A browser that keeps nothing, such as in a private window: the history lasts while the page does.
  base = await request(asked).catch(() => null);
  if (base) faces = (await request(table("readonly").getAll())).reverse();
  lastId = faces[0]?.id || 0;
}

const write = (face) => base && request(table("readwrite").put(face)).catch(() => { base = null; });
const erase = (face) => base && request(table("readwrite").delete(face.id));
const sizeOf = (face) => face.image.size + face.recipe.length;

// Favourites go last; of each kind the oldest goes first.
function trim() {
  const order = [...faces.filter((f) => f.star), ...faces.filter((f) => !f.star)];
  let bytes = 0;
  const over = order.filter((face, place) => (bytes += sizeOf(face)) > BYTES || place >= MOST);
  over.forEach(erase);
  if (over.length) faces = faces.filter((face) => !over.includes(face));
}

async function add(made) {
  const image = await (await fetch(made.image)).blob();
  const {recipe, title, read, words, asked} = made;
  const before = faces.find((face) => face.recipe === recipe);
  if (before) { faces = faces.filter((face) => face !== before); erase(before); forget(before); }
  lastId = Math.max(lastId + 1, Date.now());
  const face = {id: lastId, image, recipe, title, read, words, asked, star: Boolean(before?.star)};
  faces.unshift(face);
  trim();
  show();
  write(face);
}

function url(face) {
  if (!urls.has(face.id)) urls.set(face.id, URL.createObjectURL(face.image));
  return urls.get(face.id);
}
function forget(face) {
  URL.revokeObjectURL(urls.get(face.id));
  urls.delete(face.id);
}

// "seed 7" and "person 3" are one term each; numbers and AU keys match whole words, others starts.
function matcher(text) {
  const joined = text.toLowerCase().replace(/\b(seed|person)[\s:]+(\d+)/g, "$1:$2");
  const terms = joined.split(/[\s,+]+/).filter(Boolean);
  const whole = (term) => /^(au[lr]?)?\d+$|:/.test(term);
  return (face) => {
    const words = face.words.split(" ");
    return terms.every((term) => words.some((w) => whole(term) ? w === term : w.startsWith(term)));
  };
}

function wanted() {
  const starred = $(".stars").getAttribute("aria-pressed") === "true";
  const matches = matcher(find.value);
  return faces.filter((face) => (!starred || face.star) && matches(face));
}

function item(face, place) {
  const one = $("template").content.firstElementChild.cloneNode(true);
  one.dataset.id = face.id;
  one.querySelector("img").src = url(face);
  const load = one.querySelector(".face"), read = face.read ? `; read as ${face.read}` : "";
  load.title = `${face.title}${read}`;
  load.setAttribute("aria-label", `Load ${face.title}`);
  const star = one.querySelector(".star");
  star.setAttribute("aria-pressed", String(face.star));
  star.setAttribute("aria-label", `Favourite: ${face.title}`);
  one.querySelector(".delete").setAttribute("aria-label", `Delete ${face.title}`);
  window.synfer.pick.button(one, {...face, image: url(face)});
  reach(one, place === 0);
  return one;
}

// One face is in the tab order; arrow keys lead to the others.
const reach = (one, on) =>
  one.querySelectorAll("button").forEach((button) => { button.tabIndex = on ? 0 : -1; });

function show() {
  const shown = wanted(), all = shown.length === faces.length;
  strip.replaceChildren(...shown.map(item));
  $(".fold .state").textContent = all ? faces.length || "" : `${shown.length} of ${faces.length}`;
  $(".none").hidden = shown.length > 0;
  $(".none").textContent = faces.length ? "No face is like that."
    : "Faces you make are kept here, in this browser alone.";
  $(".clear").textContent = all ? "Delete all" : "Delete these";
  $(".clear").disabled = !shown.length;
}

function remove(some) {
  gone = some;
  faces = faces.filter((face) => !some.includes(face));
  some.forEach(erase);
  const undo = document.createElement("button");
  Object.assign(undo, {type: "button", className: "quiet undo", textContent: "Undo"});
  $(".gone").replaceChildren(`${some.length} face${some.length === 1 ? "" : "s"} deleted. `, undo);
  show();
}

function restore() {
  gone.forEach(write);
  faces = [...faces, ...gone].sort((a, b) => b.id - a.id);
  gone.forEach(forget);
  gone = [];
  $(".gone").replaceChildren();
  show();
}

const faceOf = (inside) => faces.find((face) => String(face.id) === inside.closest("li")?.dataset.id);

function focusNear(place) {
  const left = [...strip.children];
  const one = left[Math.min(place, left.length - 1)];
  if (!one) return $(".gone .undo")?.focus();
  left.forEach((other) => reach(other, other === one));
  one.querySelector(".face").focus();
}

function removeAt(inside) {
  const place = [...strip.children].indexOf(inside.closest("li"));
  remove([faceOf(inside)]);
  focusNear(place);
}

function star(button) {
  const face = faceOf(button);
  face.star = !face.star;
  write(face);
  if ($(".stars").getAttribute("aria-pressed") === "true") return show();
  button.setAttribute("aria-pressed", String(face.star));
}

function toggle(button) {
  const on = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(on));
  return on;
}

function fold(open) {
  $(".fold").setAttribute("aria-expanded", String(open));
  section.classList.toggle("folded", !open);
}

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.matches(".fold")) fold(section.classList.contains("folded"));
  if (button.matches(".face"))
    document.dispatchEvent(new CustomEvent("synfer:load", {detail: faceOf(button)}));
  if (button.matches(".star")) star(button);
  if (button.matches(".delete")) removeAt(button);
  if (button.matches(".stars")) { toggle(button); show(); }
  if (button.matches(".table")) window.synfer.asked(wanted());
  if (button.matches(".wrap")) strip.classList.toggle("rows", toggle(button));
  if (button.matches(".clear")) { remove(wanted()); $(".gone .undo").focus(); }
  if (button.matches(".undo")) { restore(); strip.querySelector(".face")?.focus(); }
});
element.addEventListener("keydown", (event) => {
  const one = event.target.closest("li");
  if (!one) return;
  const next = {ArrowLeft: one.previousElementSibling, ArrowRight: one.nextElementSibling}[event.key];
  if (event.key === "Delete") removeAt(one);
  else if (next) {
    [...strip.children].forEach((other) => reach(other, other === next));
    next.querySelector(".face").focus();
  } else return;
  event.preventDefault();
});
find.addEventListener("input", show);
document.addEventListener("synfer:made", (event) => { if (event.detail.recipe) ready.then(() => add(event.detail)); });
const ready = openBase().then(show);
