// Changes the colours where one is, so that nothing typed is lost.

import { find } from "./find.js";

export function theme(root) {
  for (const form of find(root, ".themes")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const chosen = event.submitter;
      fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form, chosen)) });
      document.documentElement.dataset.theme = chosen.value;
      form.querySelectorAll("button").forEach((one) => (one.ariaPressed = String(one === chosen)));
    });
  }
}
