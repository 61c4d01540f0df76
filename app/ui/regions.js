// The regions of the face, in one scope with stage.js: named under the hand, a click brings up
// their sliders.
const map = $(".regions"), regionName = $(".region-name");

function name(region) {
  regionName.hidden = !region;
  regionName.textContent = region?.dataset.name || "";
}

function reach(region) {
  const {group, side} = region.dataset;
  document.dispatchEvent(new CustomEvent("synfer:reach", {detail: {group, side}}));
}

const regionOf = (event) => event.target.closest("[data-group]");
map.addEventListener("pointerover", (event) => name(regionOf(event)));
map.addEventListener("pointerout", () => name(null));
map.addEventListener("focusin", (event) => name(regionOf(event)));
map.addEventListener("focusout", () => name(null));
map.addEventListener("click", (event) => {
  const region = regionOf(event);
  if (region) reach(region);
});
map.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" && event.key !== " ") return;
  if (event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  reach(regionOf(event));
});

// On a small screen the face is out of sight where the sliders are: a small one goes along.
const mini = $(".mini");
let away = false;
new IntersectionObserver(([seen]) => {
  away = !seen.isIntersecting;
  if (!away) mini.classList.remove("on");
}).observe(face.parentElement);
document.addEventListener("synfer:hand", () => mini.classList.toggle("on", away && !face.hidden));
