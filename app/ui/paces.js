// What images took on this machine, by engine and size: asked for when a tab opens and when
// something was made; while an engine is unknown, a few times more.
const RETRY = 4000, TRIES = 8;
let tries = 0, timer = 0, asking = false;

async function refresh() {
  if (asking) return;
  asking = true;
  const {paces, engines} = await server.read_paces({}).finally(() => { asking = false; });
  window.synfer.paces = paces;
  document.dispatchEvent(new CustomEvent("synfer:paces"));
  clearTimeout(timer);
  const known = engines.every((name) => Object.keys(paces[name] || {}).length);
  if (!known && tries++ < TRIES) timer = setTimeout(refresh, RETRY);
}

function soon() {
  clearTimeout(timer);
  timer = setTimeout(refresh, 50);
}

document.addEventListener("click", (event) => { if (event.target.closest("[role=tab]")) soon(); });
document.addEventListener("synfer:made", soon);
for (const kind of ["set", "grid", "film", "dataset"])
  document.addEventListener(`synfer:${kind}`, ({detail}) => {
    if ((detail.phase ?? detail) !== "running") soon();
  });
refresh();
