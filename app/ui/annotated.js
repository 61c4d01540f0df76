// What the server says of the images that are being read, handed on to the form's script.
watch("value", () => {
  document.dispatchEvent(new CustomEvent("synfer:annotated", {detail: props.value}));
});
