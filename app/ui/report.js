// Copying the recipe.
element.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = element.querySelector(button.dataset.copy).textContent;
  const copied = await navigator.clipboard?.writeText(text).then(() => true, () => false);
  button.textContent = copied ? "Copied" : "Press Ctrl C";
  if (!copied) getSelection().selectAllChildren(element.querySelector(button.dataset.copy));
  setTimeout(() => { button.textContent = "Copy"; }, 1600);
});
