// The table of what was asked for and measured, for the faces of the studio, the history or a grid:
// window.synfer.asked(faces), each with its rows in `asked`.
const $ = (selector) => element.querySelector(selector);
const dialog = $("dialog"), columns = dialog.dataset.columns.split(",");
let rows = [];

function line(row) {
  const tr = document.createElement("tr");
  tr.append(...columns.map((name) => {
    const cell = document.createElement("td");
    cell.textContent = row[name] ?? "";
    return cell;
  }));
  return tr;
}

window.synfer.asked = (faces) => {
  rows = faces.flatMap((face) => face.asked || []);
  $("tbody").replaceChildren(...rows.map(line));
  dialog.showModal();
};

element.addEventListener("click", async (event) => {
  const act = event.target.closest("button")?.dataset.act;
  if (act === "close" || event.target === dialog) dialog.close();
  if (act !== "csv") return;
  const {text} = await server.asked_csv(rows);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], {type: "text/csv"}));
  link.download = "asked_and_measured.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
});

let last = null;
document.addEventListener("synfer:made", (event) => {
  if (event.detail.source !== "grid") last = event.detail;
});
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-asked]") && last) window.synfer.asked([last]);
});
