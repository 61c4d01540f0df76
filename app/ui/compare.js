// Two faces side by side, with the settings that differ. Faces are picked in the history and in
// grids: {image (a URL), recipe, title}.
const $ = (selector) => element.querySelector(selector);
const dialog = $("dialog"), tray = $(".tray"), looks = $(".looks"), wiper = $(".wiper input");
let first = null;

const GLYPH = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M12 4v16M4 7h5v10H4zM15 7h5v10h-5z"/></svg>`;

function mark() {
  document.querySelectorAll(".tool.pick").forEach((button) =>
    button.setAttribute("aria-pressed", String(first !== null && button.dataset.recipe === first.recipe)));
  tray.hidden = !first;
  if (first) tray.querySelector("img").src = first.image;
}

function pick(face) {
  if (!first) first = face;
  else if (first.recipe !== face.recipe) {
    const pair = [first, face];
    first = null;
    open(...pair);
  } else first = null;
  mark();
}

// The button that picks a face, put into its place on the page.
function button(place, face) {
  const one = document.createElement("button");
  one.type = "button";
  one.className = "tool pick";
  one.innerHTML = GLYPH;
  one.title = "Compare with another face";
  one.dataset.recipe = face.recipe;
  one.setAttribute("aria-label", `Compare ${face.title}`);
  one.setAttribute("aria-pressed", String(first?.recipe === face.recipe));
  one.addEventListener("click", (event) => { event.stopPropagation(); pick(face); });
  place.append(one);
}

function row(cells) {
  const line = document.createElement("tr");
  cells.forEach((text, place) => {
    const cell = document.createElement(place ? "td" : "th");
    if (!place) cell.scope = "row";
    cell.textContent = text;
    line.append(cell);
  });
  return line;
}

function figure(name, face) {
  const one = $(`figure.${name}`);
  one.querySelector("img").src = face.image;
  one.querySelector("img").alt = `Face: ${face.title}`;
  one.querySelector("figcaption").textContent = face.read ? `${face.title}; read as ${face.read}` : face.title;
  return one.querySelector("img").decode();
}

// Brightness differences, four times as strong: 64 levels are white.
function difference() {
  const [one, other] = ["one", "other"].map((name) => $(`figure.${name} img`));
  const canvas = $("canvas"), size = [one.naturalWidth, one.naturalHeight];
  [canvas.width, canvas.height] = size;
  const brush = canvas.getContext("2d", {willReadFrequently: true});
  const [left, right] = [one, other].map((image) => {
    brush.drawImage(image, 0, 0, ...size);
    return brush.getImageData(0, 0, ...size);
  });
  const light = (d, i) => 0.299 * d[i] + 0.587 * d[i + 1] + 0.114 * d[i + 2];
  for (let i = 0; i < left.data.length; i += 4) {
    const apart = 4 * Math.abs(light(left.data, i) - light(right.data, i));
    left.data[i] = left.data[i + 1] = left.data[i + 2] = apart;
  }
  brush.putImageData(left, 0, 0);
}

function look(name) {
  looks.dataset.look = name;
  element.querySelectorAll("button[data-look]").forEach((chip) =>
    chip.setAttribute("aria-pressed", String(chip.dataset.look === name)));
}

function wipe() {
  wiper.style.setProperty("--at", `${wiper.value}%`);
  looks.style.setProperty("--wipe", `${wiper.value}%`);
}

async function open(one, other) {
  dialog.showModal();
  const drawn = Promise.all([figure("one", one), figure("other", other)]).then(difference);
  const answer = await server.compare_recipes([one.recipe, other.recipe]);
  window.synfer.complain(answer.error && {...answer.error, field: "compare"});
  const {differing = [], equal = []} = answer;
  $(".differing tbody").replaceChildren(...differing.map(row));
  $(".differing").hidden = !differing.length;
  $(".alike").hidden = differing.length > 0 || Boolean(answer.error);
  $(".same tbody").replaceChildren(...equal.map(row));
  $(".same .state").textContent = equal.length;
  $(".same").open = false;
  await drawn;
}

element.addEventListener("click", (event) => {
  const one = event.target.closest("button");
  if (one?.dataset.act === "close" || event.target === dialog) dialog.close();
  if (one?.dataset.act === "unpick") { first = null; mark(); }
  if (one?.dataset.look) look(one.dataset.look);
});
wiper.addEventListener("input", wipe);
wipe();
window.synfer.pick = {button};
