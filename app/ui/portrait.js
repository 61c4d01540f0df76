// The person as a picture, in one scope with controls.js and edit.js.
const portrait = $(".portrait"), likeness = portrait.querySelector(".chosen");
let who = "";

function showPortrait(picture, name, notes = []) {
  who = picture;
  likeness.hidden = !picture;
  if (!picture) return;
  const sample = faces.find((one) => `sample:${one.dataset.sample}` === picture);
  likeness.querySelector("img").src = sample?.querySelector("img").src || picture;
  likeness.querySelector("b").textContent = sample ? title(sample.dataset.sample) : name;
  likeness.querySelector(".told").textContent = notes.join(" ");
}

async function pickPortrait(sent, name) {
  const answer = sent.error ? sent : await server.read_portrait(sent);
  window.synfer.complain(answer.error && {...answer.error, field: "identity_image"});
  if (answer.error) return;
  showPortrait(answer.identity_image, name, answer.notes);
  keep();
}

readers.push(() => ({identity_image: who}));
painters.push((value) => {
  if ((value.identity_image || "") !== who) showPortrait(value.identity_image || "", "The recipe's person");
});
portrait.addEventListener("click", (event) => {
  const act = event.target.closest("button")?.dataset.act;
  if (act === "portrait") portrait.querySelector("[type=file]").click();
  if (act === "portrait-off") {
    showPortrait("");
    keep();
  }
});
portrait.querySelector("[type=file]").addEventListener("change", async (event) => {
  const file = event.target.files[0];
  event.stopPropagation();
  event.target.value = "";
  if (file) pickPortrait(await window.synfer.read(file), file.name);
});
