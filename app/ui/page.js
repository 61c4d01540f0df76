// What the page's parts share: theme, phase, errors, reading files. Runs before any of them.
window.synfer = {
  limit: __UPLOAD_BYTES__,
  backbone: null,
  engines: {},  // the choice at the top of each tab, by its name
  paces: null,  // what images took on this machine, by engine and size

  phase(name) {
    document.body.dataset.phase = name;
    document.dispatchEvent(new CustomEvent("synfer:phase", {detail: name}));
  },

  sentence(error) {
    const bare = error.message.replace(/\.$/, "");
    const text = /^(is|has|cannot|can't)\b/.test(bare) ? `This ${bare}` : bare;
    const rule = error.allowed ? ` Allowed: ${error.allowed}.` : "";
    return `${text[0].toUpperCase()}${text.slice(1)}.${rule}`;
  },

  slot(field) {
    for (let name = field; name; name = name.split(".").slice(0, -1).join(".")) {
      const found = [...document.querySelectorAll(`[data-error-for~="${CSS.escape(name)}"]`)];
      const near = found.find((one) => one.closest("[role=tabpanel]")?.checkVisibility());
      if (near || found.length) return near || found[0];
    }
    return null;
  },

  complain(error) {
    document.querySelectorAll("[data-error-for]").forEach((slot) => { slot.hidden = true; });
    document.querySelectorAll("[aria-invalid=true]").forEach((e) => e.removeAttribute("aria-invalid"));
    const banner = document.querySelector(".notice");
    banner.hidden = true;
    if (!error) return;
    const found = error.field && window.synfer.slot(error.field);
    const inSight = found && (found.parentElement?.checkVisibility() ?? true);
    const slot = inSight ? found : banner;
    slot.textContent = window.synfer.sentence(error);
    slot.hidden = false;
    slot.classList.toggle("note", error.kind === "note");
    clearTimeout(window.synfer.fading);
    if (error.kind === "note") window.synfer.fading = setTimeout(() => { slot.hidden = true; }, 8000);
    slot.closest("details")?.setAttribute("open", "");
    const control = slot.closest(".field, .au")?.querySelector("input, textarea, select");
    control?.setAttribute("aria-invalid", "true");
    slot.scrollIntoView({block: "nearest"});
  },

  settle(control) {
    control.removeAttribute("aria-invalid");
    control.closest(".field")?.querySelectorAll("[data-error-for]").forEach((e) => { e.hidden = true; });
  },

  // A field of nested values by its name with dots, read and written.
  get(value, field) {
    return field.split(".").reduce((part, name) => part?.[name], value);
  },

  put(value, field, what) {
    const names = field.split("."), last = names.pop();
    names.reduce((part, name) => (part[name] ??= {}), value)[last] = what;
  },

  // A length of time in words.
  lasts(seconds) {
    if (seconds < 9.5) return `about ${Math.max(0.1, seconds).toFixed(1)} s`;
    if (seconds < 90) return `about ${Math.round(seconds)} s`;
    if (seconds < 5400) return `about ${Math.round(seconds / 60)} min`;
    return `about ${(seconds / 3600).toFixed(1)} h`;
  },

  async read(file, then = (value) => value) {
    if (file.size > window.synfer.limit)
      return {error: {field: "image", message: `${file.name} is too large`,
        allowed: `at most ${Math.round(window.synfer.limit / 1e6)} MB`}};
    const url = await new Promise((resolve, reject) => {
      const reader = new FileReader();
      reader.onload = () => resolve(reader.result);
      reader.onerror = () => reject(reader.error);
      reader.readAsDataURL(file);
    });
    return then({name: file.name, data: url.slice(url.indexOf(",") + 1)});
  },

  // Show a tab by its name.
  tab(name) {
    const one = [...document.querySelectorAll("#tabs [role=tab]")]
      .find((tab) => tab.textContent.trim() === name);
    if (one?.getAttribute("aria-selected") !== "true") one?.click();
  },

  // A finished file comes in parts: {token, name, bytes, type}, and the server's function for them.
  async fetched(readPart, {token, name, bytes, type}) {
    const parts = [];
    for (let at = 0; at < bytes;) {
      const part = await readPart({token, name, at});
      if (part.error) return part;
      const data = Uint8Array.from(atob(part.data), (letter) => letter.charCodeAt(0));
      parts.push(data);
      at += data.length;
    }
    return {blob: new Blob(parts, {type})};
  },

  async save(button, readPart, file) {
    button.disabled = true;
    const {blob, error} = await window.synfer.fetched(readPart, file);
    button.disabled = false;
    if (error) return window.synfer.complain(error);
    const link = document.createElement("a"), url = URL.createObjectURL(blob);
    Object.assign(link, {href: url, download: file.name});
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  },

  theme(name) {
    const dark = name === "dark", body = document.body;
    if (body.classList.contains("dark") !== dark) body.classList.toggle("dark", dark);
    document.documentElement.style.colorScheme = name;
    document.querySelectorAll("[data-act=theme]").forEach((button) =>
      button.setAttribute("aria-pressed", String(dark)));
  },
};

(() => {
  const asked = new URLSearchParams(location.search).get("__theme");
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  let wanted = asked || localStorage.getItem("synfer-theme") || system;
  const start = () => {
    window.synfer.theme(wanted);
    // Gradio sets its own class by the system's scheme once it has started.
    new MutationObserver(() => window.synfer.theme(wanted))
      .observe(document.body, {attributes: true, attributeFilter: ["class"]});
  };
  if (document.body) start();
  else document.addEventListener("DOMContentLoaded", start);
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-act=theme]")) return;
    wanted = wanted === "dark" ? "light" : "dark";
    localStorage.setItem("synfer-theme", wanted);
    window.synfer.theme(wanted);
  });
})();
