// Cards of action units, the help dialog with examples and glossary, and the tour.
const $ = (selector) => element.querySelector(selector);
const root = element.firstElementChild;
const card = $(".au-card"), dialog = $("dialog"), stop = $(".stop"), offer = $(".offer");
const terms = JSON.parse(root.dataset.terms), stops = JSON.parse(root.dataset.stops);
const movements = JSON.parse($(".movements").content.textContent);
const KEPT = "synfer-tour", WAIT = 350, GRACE = 200;
const make = (tag, className, text) =>
  Object.assign(document.createElement(tag), {className, textContent: text ?? ""});

// --- A card for the action unit that is pointed at or in focus (WCAG 1.4.13: it can be put away with
// Escape, pointed at, and stays until one leaves it).
const pictures = {};
let shownUnit = null, timer = null;

async function picture(number) {
  pictures[number] ??= server.read_card(number).then((answer) => answer.picture, () => "");
  return pictures[number];
}

function fill(unit) {
  const number = Number(unit.dataset.unit), {title, seen, muscles} = movements[number];
  card.querySelector(".card-title").textContent = title;
  card.querySelector(".card-seen").textContent = seen;
  card.querySelector(".card-muscles").textContent = `Muscles: ${muscles}.`;
  const image = card.querySelector("img");
  image.removeAttribute("src");
  picture(number).then((url) => { if (shownUnit === unit && url) image.src = url; });
}

function place(box, target, besides) {
  const at = target.getBoundingClientRect(), {offsetWidth: w, offsetHeight: h} = box;
  const right = at.right + 12 + w < innerWidth;
  const left = besides && right ? at.right + 12 : Math.min(at.left, innerWidth - w - 10);
  const below = at.bottom + 8 + h < innerHeight ? at.bottom + 8 : at.top - h - 8;
  const top = besides && right ? Math.min(at.top, innerHeight - h - 10) : below;
  box.style.left = `${Math.max(10, left)}px`;
  box.style.top = `${Math.max(10, top)}px`;
}

function showCard(unit) {
  clearTimeout(timer);
  if (shownUnit === unit) return;
  hideCard();
  shownUnit = unit;
  fill(unit);
  card.hidden = false;
  place(card, unit, true);
  unit.querySelectorAll("input").forEach((input) => input.setAttribute("aria-describedby", card.id));
}

function hideCard() {
  clearTimeout(timer);
  if (!shownUnit) return;
  shownUnit.querySelectorAll("input").forEach((input) => input.removeAttribute("aria-describedby"));
  shownUnit = null;
  card.hidden = true;
}

const later = (what, wait) => { clearTimeout(timer); timer = setTimeout(what, wait); };
const unitAt = (event) => event.target.closest?.("[data-unit]");

document.addEventListener("pointerover", (event) => {
  if (event.pointerType === "touch") return;
  if (card.contains(event.target)) return clearTimeout(timer);
  const unit = unitAt(event);
  if (unit && event.buttons === 0) later(() => showCard(unit), shownUnit ? GRACE : WAIT);
  else if (shownUnit && !shownUnit.contains(document.activeElement)) later(hideCard, GRACE);
  else clearTimeout(timer);
});
document.addEventListener("focusin", (event) => {
  const unit = unitAt(event);
  if (unit && event.target.matches(":focus-visible")) showCard(unit);
  else if (!unit) hideCard();
});
document.addEventListener("click", (event) => {  // a tap on the name, where nothing hovers
  const name = event.target.closest?.(".au-name, .au-number");
  if (name) return shownUnit === unitAt(event) ? hideCard() : showCard(unitAt(event));
  if (!card.contains(event.target) && !unitAt(event)) hideCard();
});
document.addEventListener("scroll", (event) => {  // the focus itself scrolls a part into sight
  if (!shownUnit || card.contains(event.target)) return;
  if (shownUnit.contains(document.activeElement)) place(card, shownUnit, true);
  else hideCard();
}, {capture: true, passive: true});

// --- The dialog.
let filled = false;

async function fillExamples() {
  if (filled) return;
  filled = true;
  const answer = await server.read_examples(null).catch(() => ({examples: []}));
  $(".examples").replaceChildren(...answer.examples.map((one) => {
    const button = make("button", "example");
    button.type = "button";
    button.append(Object.assign(make("img"), {src: one.picture, alt: ""}), make("b", "", one.title),
      make("small", "", one.what));
    button.addEventListener("click", () => { dialog.close(); load(one); });
    return button;
  }));
  filled = answer.examples.length > 0;
}

function load({panel, controls}) {
  openTab("Studio");
  document.dispatchEvent(new CustomEvent("synfer:sample", {detail: {panel, controls,
    note: "The example is loaded. Generate makes its face."}}));
}

function openHelp(term) {
  hideCard();
  fillExamples();
  search("");
  if (!dialog.open) dialog.showModal();
  const entry = term && $(`[data-entry="${CSS.escape(term)}"]`);
  root.querySelectorAll(".entry").forEach((one) => one.classList.toggle("asked", one === entry));
  if (entry) { entry.scrollIntoView({block: "center"}); entry.focus(); }
}

function search(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const entries = [...root.querySelectorAll(".entry")];
  entries.forEach((entry) => {
    entry.hidden = !words.every((word) => entry.textContent.toLowerCase().includes(word));
  });
  $("#help-search").value = text;
  const left = entries.filter((entry) => !entry.hidden).length;
  $(".found").textContent = words.length ? `${left} of ${entries.length} entries` : "";
}

// Buttons beside the page's own words; parts come into the page when their tab is first opened.
function addTerms() {
  for (const [selector, term] of Object.entries(terms)) {
    const at = document.querySelector(selector);
    if (!at || at.dataset.term) continue;
    at.dataset.term = term;
    const button = make("button", "term", "?");
    button.type = "button";
    button.setAttribute("aria-label", `What is: ${term}`);
    button.addEventListener("click", () => openHelp(term));
    if (at.tagName === "LABEL") at.after(button);
    else at.append(" ", button);
  }
}

// --- The tour.
let step = -1, before = null;

function openTab(name) {
  const tab = [...document.querySelectorAll("[role=tab]")].find((t) => t.textContent.trim() === name);
  if (tab?.getAttribute("aria-selected") === "false") tab.click();
}

function remember() {
  localStorage.setItem(KEPT, "seen");
  offer.hidden = true;
}

function begin() {
  remember();
  dialog.close();
  hideCard();
  before = document.activeElement;
  go(0);
}

async function target(way) {
  openTab(way.tab);
  for (let tries = 0; tries < 20; tries++) {
    const found = document.querySelector(way.at);
    if (found?.offsetParent) return found;
    found?.closest("details")?.setAttribute("open", "");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return document.querySelector(".masthead");
}

async function go(to) {
  document.querySelector(".toured")?.classList.remove("toured");
  if (to < 0 || to >= stops.length) return end();
  step = to;
  const at = await target(stops[to]);
  if (step !== to) return;
  at.classList.add("toured");
  at.scrollIntoView({block: "center"});
  $(".stop-title").textContent = stops[to].title;
  stop.querySelector("p").textContent = stops[to].text;
  stop.querySelector("small").textContent = `${to + 1} of ${stops.length}`;
  stop.querySelector("[data-act=back]").disabled = to === 0;
  stop.querySelector("[data-act=next]").textContent = to === stops.length - 1 ? "Done" : "Next";
  stop.hidden = false;
  place(stop, at, true);
  stop.querySelector("[data-act=next]").focus({preventScroll: true});
}

function end() {
  step = -1;
  document.querySelector(".toured")?.classList.remove("toured");
  stop.hidden = true;
  if (before?.isConnected) before.focus({preventScroll: true});
}

const ACTS = {tour: begin, "no-tour": remember, next: () => go(step + 1), back: () => go(step - 1), end,
  close: () => dialog.close()};

root.addEventListener("click", (event) => {
  const act = event.target.closest("button")?.dataset.act;
  if (act) ACTS[act]();
  else if (event.target === dialog) dialog.close();
});
document.addEventListener("click", (event) => {
  if (event.target.closest?.(".masthead [data-act=help], [data-act=examples]")) openHelp();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  if (step >= 0) { event.stopPropagation(); end(); }
  else if (dialog.open) event.stopPropagation();  // it closes by itself, and stops no run
  else hideCard();
}, {capture: true});
$("#help-search").addEventListener("input", (event) => search(event.target.value));
addEventListener("resize", () => { hideCard(); if (step >= 0) go(step); });
new MutationObserver(addTerms).observe(document.body, {childList: true, subtree: true});
addTerms();
offer.hidden = localStorage.getItem(KEPT) !== null;
