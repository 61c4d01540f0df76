// MediaPipe's points over the face. props.value.points is {dots, lines}, paths in a square of 100, or
// null, and then props.value.why says why there are none.
const overlay = element.querySelector(".landmarks"), toggle = overlay.querySelector("button");
const reason = overlay.querySelector("p");
const SVG = "http://www.w3.org/2000/svg";
const drawing = document.createElementNS(SVG, "svg");
drawing.setAttribute("viewBox", "0 0 100 100");
drawing.setAttribute("aria-hidden", "true");
drawing.classList.add("points");
element.querySelector(".frame").append(drawing);

function path(name, way) {
  const one = document.createElementNS(SVG, "path");
  one.setAttribute("d", way);
  one.classList.add(name);
  return one;
}

function drawPoints(value) {
  const {points, why} = value;
  overlay.hidden = value.phase !== "done";
  toggle.disabled = !points;
  reason.textContent = points ? "" : why || "";
  drawing.replaceChildren(...(points ? Object.keys(points).map((n) => path(n, points[n])) : []));
  showPoints();
}

function showPoints() {
  drawing.toggleAttribute("hidden", toggle.disabled || toggle.getAttribute("aria-pressed") !== "true");
}

toggle.addEventListener("click", () => {
  toggle.setAttribute("aria-pressed", String(toggle.getAttribute("aria-pressed") !== "true"));
  showPoints();
});
watch("value", () => drawPoints(props.value));
drawPoints(props.value);
