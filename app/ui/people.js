// The gallery of people. What is picked stands in one place, the form's line of numbers, as text:
// a browser's numbers end at 2**53. Faces come from the server, a page of them at a time.
const $ = (selector) => element.querySelector(selector);
const line = () => document.querySelector("#set-identities");
const faces = $(".faces.all"), chosen = $(".faces.chosen");
const more = $("[data-act=more]"), status = $(".ends .status");
const filters = [...element.querySelectorAll("[data-filter]")];
const LONGEST = 1000n, CHOSEN = 24;
const known = new Map();  // by number, a person that the server has told of
let next = 1, asked = 0, begun = false;

// The line's numbers one by one, ranges written out; null where it can't be read.
function picked() {
  const found = [];
  for (const word of line().value.split(/[,;\s]+/).filter(Boolean)) {
    const range = word.match(/^(\d{1,19})(?:-(\d{1,19}))?$/);
    if (!range) return null;
    const first = BigInt(range[1]), last = BigInt(range[2] ?? range[1]);
    if (last < first || last - first >= LONGEST) return null;
    for (let n = first; n <= last; n += 1n) found.push(String(n));
  }
  return found;
}

function put(seeds) {
  line().value = seeds.join(", ");
  line().dispatchEvent(new Event("input", {bubbles: true}));
}

function mark() {
  const seeds = new Set(picked() ?? []);
  faces.querySelectorAll("button").forEach((face) =>
    face.setAttribute("aria-pressed", String(seeds.has(face.dataset.seed))));
  const more = seeds.size > CHOSEN ? `, the first ${CHOSEN} shown` : "";
  $("summary .state").textContent = seeds.size ? `${seeds.size} in the set${more}` : "nobody yet";
  if (begun) choose([...seeds].slice(0, CHOSEN));
}

// The people of the set stand above the gallery, in its order.
async function choose(seeds) {
  const missing = seeds.filter((seed) => !known.has(seed));
  if (missing.length) {
    const answer = await server.read_chosen(missing);
    if (answer.error) return;  // the form says what is wrong with the line
    learn(answer.people);
  }
  const now = (picked() ?? []).slice(0, CHOSEN).filter((seed) => known.has(seed));
  chosen.replaceChildren(...now.map((seed) => face(known.get(seed))));
  chosen.querySelectorAll("button").forEach((face) => face.setAttribute("aria-pressed", "true"));
  chosen.hidden = !now.length;
}

function learn(people) {
  people.forEach((person) => known.set(person.seed, person));
}

function face({seed, told, picture}) {
  const button = document.createElement("button"), number = document.createElement("span");
  Object.assign(button, {type: "button", title: told});
  button.dataset.seed = seed;
  button.setAttribute("aria-label", `Person ${seed}: ${told}`);
  if (picture) button.append(Object.assign(new Image(128, 128), {src: picture, alt: ""}));
  number.textContent = seed;
  button.append(number);
  return button;
}

async function show(anew) {
  const turn = ++asked;
  if (anew) { next = 1; faces.replaceChildren(); }
  more.disabled = true;
  status.textContent = "Drawing people";
  const wanted = Object.fromEntries(filters.map((one) => [one.dataset.filter, one.value]));
  const sent = {filters: wanted, first: next};
  const answer = await server.read_people(sent);
  begun = true;
  if (turn !== asked) return;
  more.disabled = false;
  status.textContent = "";
  if (answer.error) return window.synfer.complain(answer.error);
  if (!answer.whole)
    status.textContent = `${answer.people.length || "Nobody"} more among the numbers ` +
      `${next.toLocaleString("en")} to ${(answer.next - 1).toLocaleString("en")}.`;
  next = answer.next;
  learn(answer.people);
  faces.append(...answer.people.map(face));
  mark();
}

async function balance(button) {
  const balance = [...element.querySelectorAll("[data-balance]:checked")].map((t) => t.dataset.balance);
  button.disabled = true;
  const count = Number($("[data-act=count]").value);
  const answer = await server.balance_people({count, balance});
  button.disabled = false;
  window.synfer.complain(answer.error);
  if (!answer.error) put(answer.seeds);
}

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.act === "more") show(false);
  else if (button.dataset.act === "balance") balance(button);
  else if (button.dataset.seed) {
    const seeds = picked();
    if (!seeds) return line().focus();
    const seed = button.dataset.seed;
    put(seeds.includes(seed) ? seeds.filter((one) => one !== seed) : [...seeds, seed]);
  }
});
filters.forEach((one) => one.addEventListener("change", () => show(true)));
document.addEventListener("input", (event) => { if (event.target === line()) mark(); });
document.addEventListener("synfer:set", (event) => {
  if (event.detail === "running") element.querySelector("details").open = false;
  if (event.detail === "idle") mark();
});

// Faces are drawn when the gallery first comes into sight, not when the page opens.
new IntersectionObserver((seen, watcher) => {
  if (!seen.some((one) => one.isIntersecting)) return;
  watcher.disconnect();
  show(true);
}).observe(element);
