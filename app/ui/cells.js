// The faces of a grid, in rows and columns. props.value: {phase, status, token, ended, total, at,
// share, preview, rows: {title, names}, columns: {title, names}}. Finished faces are fetched, for a
// value may be passed over where another follows at once.
const $ = (selector) => element.querySelector(selector);
const stage = element.firstElementChild;
let token = null, tiles = [], fetching = false;

const cellAt = (index) => element.querySelector(`[data-index="${index}"]`);

function heading(text, scope) {
  const cell = document.createElement("th");
  cell.scope = scope;
  cell.textContent = text;
  return cell;
}

function blank(index) {
  const cell = document.createElement("td");
  cell.innerHTML = `<div class="cell" data-index="${index}"><button type="button" class="face"
    disabled><i></i></button></div>`;
  return cell;
}

function build({rows, columns}) {
  const head = document.createElement("tr");
  const corner = document.createElement("td");
  corner.innerHTML = "<span class='across'></span><span class='down'></span>";
  corner.querySelector(".across").textContent = `${columns.title} →`;
  corner.querySelector(".down").textContent = `${rows.title} ↓`;
  head.append(corner, ...columns.names.map((name) => heading(name, "col")));
  $("thead").replaceChildren(head);
  $("tbody").replaceChildren(...rows.names.map((name, row) => {
    const line = document.createElement("tr");
    line.append(heading(name, "row"),
      ...columns.names.map((_, column) => blank(row * columns.names.length + column)));
    return line;
  }));
  $("table").style.setProperty("--columns", columns.names.length);
  $("table").style.setProperty("--rows", rows.names.length);
}

function place(tile) {
  tiles.push(tile);
  const cell = cellAt(tile.index), face = cell.querySelector(".face");
  cell.classList.remove("now");
  if (tile.error) {
    cell.classList.add("failed");
    face.textContent = "failed";
    face.title = tile.error;
    return;
  }
  const image = document.createElement("img");
  image.src = tile.image;
  image.alt = "";
  face.replaceChildren(image);
  face.disabled = false;
  face.setAttribute("aria-label", `Load ${tile.name}`);
  face.title = `${tile.name}${tile.read ? `; read as ${tile.read}` : ""}`;
  face.tabIndex = element.querySelector(".face[tabindex='0']") ? -1 : 0;
  window.synfer.pick.button(cell, tile);
  document.dispatchEvent(new CustomEvent("synfer:made", {detail: {...tile, source: "grid"}}));
}

async function fetchCells() {
  if (fetching) return;
  fetching = true;
  while (token === props.value.token && tiles.length < props.value.ended) {
    const answer = await server.read_cells({token, known: tiles.length});
    if (token !== props.value.token) break;
    if (answer.error) { window.synfer.complain(answer.error); break; }
    if (!answer.cells.length) break;
    answer.cells.forEach(place);
  }
  fetching = false;
  settle();
}

function settle() {
  const made = tiles.filter((tile) => tile.image).length;
  element.querySelectorAll("[data-act]").forEach((button) => { button.hidden = !made; });
  $(".tip").hidden = !made;
}

function now({at, share, preview}) {
  const cell = cellAt(at);
  element.querySelectorAll(".now").forEach((one) => one !== cell && one.classList.remove("now"));
  if (!cell || tiles.some((tile) => tile.index === at)) return;
  cell.classList.add("now");
  cell.style.setProperty("--at", `${100 * share}%`);
  if (preview) cell.querySelector(".face").style.backgroundImage = `url("${preview}")`;
}

function paint(value) {
  stage.dataset.phase = value.phase;
  $(".status").textContent = value.status || "";
  document.dispatchEvent(new CustomEvent("synfer:grid", {detail: value.phase}));
  if (!value.token) return;
  $(".lone").hidden = true;
  $(".cells").hidden = false;
  $(".bar-track i").style.width = `${100 * (value.ended / value.total)}%`;
  if (value.token !== token) {
    token = value.token;
    tiles = [];
    build(value);
    settle();
  }
  if (value.phase === "running") now(value);
  else element.querySelectorAll(".now").forEach((one) => one.classList.remove("now"));
  fetchCells();
}

function save(blob, name) {
  const link = document.createElement("a");
  Object.assign(link, {href: URL.createObjectURL(blob), download: name});
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

async function saveSheet(button) {
  button.disabled = true;
  const answer = await server.read_sheet({token});
  button.disabled = false;
  if (answer.error) return window.synfer.complain(answer.error);
  const bytes = Uint8Array.from(atob(answer.data), (letter) => letter.charCodeAt(0));
  save(new Blob([bytes], {type: "image/png"}), "synfer_grid.png");
}

function saveRecipes() {
  const made = tiles.filter((tile) => tile.recipe).sort((a, b) => a.index - b.index);
  save(new Blob(made.map((tile) => `${tile.recipe}\n`), {type: "application/jsonl"}),
    "synfer_grid.jsonl");
}

function move(face, key) {
  const columns = props.value.columns.names.length, last = props.value.total - 1;
  const by = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns}[key];
  if (!by) return false;
  let at = Number(face.closest(".cell").dataset.index);
  do at += by; while (at >= 0 && at <= last && cellAt(at).querySelector(".face").disabled);
  const next = at >= 0 && at <= last && cellAt(at).querySelector(".face");
  if (next) { face.tabIndex = -1; next.tabIndex = 0; next.focus(); }
  return true;
}

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.act === "sheet") saveSheet(button);
  if (button.dataset.act === "recipes") saveRecipes();
  if (button.dataset.act === "asked")
    window.synfer.asked([...tiles].sort((a, b) => a.index - b.index));
  if (!button.matches(".face")) return;
  const tile = tiles.find((one) => one.index === Number(button.closest(".cell").dataset.index));
  if (tile?.recipe)
    document.dispatchEvent(new CustomEvent("synfer:load", {detail: tile}));
});
element.addEventListener("keydown", (event) => {
  const face = event.target.closest(".face");
  if (face && move(face, event.key)) event.preventDefault();
});
watch("value", () => paint(props.value));
paint(props.value);
