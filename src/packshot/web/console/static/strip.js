// The images of a product: the one that is shown is in sight, and they change places by being dragged; buttons do
// the same for everybody else.

import { find } from "./find.js";

export function strip(root) {
  for (const list of find(root, "[data-order]")) {
    const shown = list.querySelector("[aria-current]");
    if (shown) list.scrollLeft = shown.offsetLeft - list.clientWidth / 2;
    let dragged = null;
    list.querySelectorAll("a, img").forEach((part) => (part.draggable = false));
    for (const item of list.children) {
      item.draggable = true;
      item.addEventListener("dragstart", () => (dragged = item));
      item.addEventListener("dragover", (event) => dragged && event.preventDefault());
      item.addEventListener("drop", (event) => {
        event.preventDefault();
        if (dragged && dragged !== item) send(list, dragged, [...list.children].indexOf(item));
      });
    }
  }
}

function send(list, item, place) {
  const form = Object.assign(document.createElement("form"), { method: "post", action: list.dataset.order });
  const token = document.querySelector("input[name=token]").value;
  for (const [name, value] of Object.entries({ token, image: item.dataset.image, place })) {
    form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
  }
  document.body.append(form);
  form.submit();
}
