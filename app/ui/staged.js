// The scene of the studio's form, in one scope with controls.js.
const scene = window.synfer.scene(element);
readers.push(() => ({scene: scene.read()}));
painters.push((value) => scene.paint(value.scene));
