// The scene of exact faces, for each form that has it; shared by all through the page's head. A
// slider says nothing until it is moved: the seed then draws what it would set.
window.synfer.scene = (element) => {
  const box = element.querySelector(".scene");
  const controls = [...box.querySelectorAll("[data-scene]")];
  const colour = box.querySelector("input[type=color]");
  const FLAGS = {true: true, false: false};
  const isRange = (control) => control.type === "range";
  const isGiven = (control) => isRange(control) ? control.dataset.given === "true"
    : control.value !== "";

  function valueOf(control) {
    if (isRange(control)) return Number(control.value);
    if (control.value === "colour") return colour.value;
    return FLAGS[control.value] ?? control.value;
  }

  function read() {
    if (box.hidden) return null;
    const given = controls.filter(isGiven).map((one) => [one.dataset.scene, valueOf(one)]);
    return given.length ? Object.fromEntries(given) : null;
  }

  function tell(control) {
    if (isRange(control)) {
      const field = control.closest(".field"), given = isGiven(control);
      const at = (control.value - control.min) / (control.max - control.min);
      control.style.setProperty("--at", `${at * 100}%`);
      field.querySelector("output").textContent = given ? `${control.value}°` : "as drawn";
      control.setAttribute("aria-valuetext", given ? `${control.value} degrees` : "as drawn");
      field.querySelector("[data-undraw]").hidden = !given;
    }
    if (control.dataset.scene === "background")
      box.querySelector(".ground").hidden = control.value !== "colour";
    const count = controls.filter(isGiven).length;
    box.querySelector(".state").textContent = count ? `${count} set` : "as the seed draws";
  }

  function put(control, value) {
    if (isRange(control)) {
      control.dataset.given = String(value !== undefined);
      control.value = value ?? 0;
    } else if (String(value).startsWith("#")) {
      control.value = "colour";
      colour.value = value;
    } else control.value = value === undefined ? "" : String(value);
    tell(control);
  }

  const paint = (value) => controls.forEach((one) => put(one, value?.[one.dataset.scene]));
  const hand = (detail) => {
    if (box.dataset.place === "studio")
      document.dispatchEvent(new CustomEvent("synfer:hand", {detail}));
  };

  function limit() {
    const facts = window.synfer.engines[box.dataset.place]?.facts;
    box.hidden = !facts || Boolean(facts.cannot.scene);
  }

  // The studio's scene, as other tabs take it over with its settings; kept where it has none.
  function take() {
    const {studio} = window.synfer.engines;
    if (studio && !studio.facts.cannot.scene) paint(window.synfer.controls?.scene);
  }

  // Before the form reads itself.
  box.addEventListener("input", ({target}) => {
    box.querySelector(".error").hidden = true;
    if (target.dataset.scene && isRange(target)) target.dataset.given = "true";
    const known = target === colour ? box.querySelector("[data-scene=background]") : target;
    if (known.dataset.scene) tell(known);
    queueMicrotask(() => hand("move"));
  });
  // As with action units: the keys may go on after a step, the pointer has let go.
  let held = false;
  box.addEventListener("pointerdown", ({target}) => { held = isRange(target); });
  box.addEventListener("change", ({target}) => {
    const what = isRange(target) && !held ? "step" : "release";
    held = false;
    queueMicrotask(() => hand(what));
  });
  box.addEventListener("click", ({target}) => {
    const name = target.closest("[data-undraw]")?.dataset.undraw;
    if (!name) return;
    controls.filter((one) => name === "all" || one.dataset.scene === name)
      .forEach((one) => put(one, undefined));
    box.dispatchEvent(new Event("input", {bubbles: true}));
    hand("release");
  });
  document.addEventListener("synfer:engine", ({detail}) => {
    if (detail.place === box.dataset.place) limit();
  });
  paint(null);
  limit();
  return {read, paint, take};
};
