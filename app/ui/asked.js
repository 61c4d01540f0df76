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

function heading(text, kind) {
  const tr = document.createElement("tr"), head = document.createElement("th");
  tr.className = kind;
  Object.assign(head, {scope: "rowgroup", colSpan: columns.length, textContent: text});
  tr.append(head);
  return tr;
}

// The rows of one face, under what it is and who read them.
function group(lines) {
  const body = document.createElement("tbody");
  body.append(heading(`${lines[0].face} · ${lines[0].backbone}`, "face"));
  lines.forEach((row, place) => {
    const reader = row.reader ? `Read by ${row.reader}` : "Not read";
    if (row.reader !== lines[place - 1]?.reader) body.append(heading(reader, "reader"));
    body.append(line(row));
  });
  return body;
}

window.synfer.asked = (faces) => {
  const told = faces.map((face) => face.asked || []).filter((lines) => lines.length);
  rows = told.flat();
  element.querySelectorAll("tbody").forEach((body) => body.remove());
  $("table").append(...told.map(group));
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
