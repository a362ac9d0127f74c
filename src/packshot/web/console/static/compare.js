// Two pictures at the same size, one over the other, and a line between them to be moved.

import { find } from "./find.js";

export function compare(root) {
  find(root, "[data-compare]").forEach(furnish);
}

function furnish(figure) {
  const [stage, both, controls] = [".stage", ".both", ".controls"].map((name) => figure.querySelector(name));
  const [left, right, zoom, said] = ["left", "right", "zoom", "said"].map((name) => figure.querySelector(`[data-${name}]`));
  const picture = both.querySelector("img");
  const slider = Object.assign(document.createElement("input"), { type: "range", value: 50, step: 0.5 });
  slider.ariaLabel = "How much of the left picture is shown, in percent";
  const over = Object.assign(document.createElement("div"), { className: "over" });
  const other = over.appendChild(Object.assign(new Image(), { alt: "" }));
  const names = ["left", "right"].map((side) =>
    Object.assign(document.createElement("span"), { className: `name ${side}`, ariaHidden: "true" }));
  const cut = () => both.style.setProperty("--cut", `${slider.value}%`);

  const choose = async () => {
    const isOn = left.value !== "";
    both.classList.toggle("split", isOn);
    [over, slider, ...names].forEach((part) => (isOn ? both.append(part) : part.remove()));
    said.textContent = isOn ? "Fetching …" : "";
    if (!isOn) return;
    [other.width, other.height] = [picture.getAttribute("width"), picture.getAttribute("height")];
    other.removeAttribute("src");
    [left, right].forEach((select, i) => (names[i].textContent = select.selectedOptions[0].dataset.name));
    cut();
    await show(other, left, said);
  };
  left.addEventListener("change", choose);
  right.addEventListener("change", () => {
    both.querySelectorAll("source").forEach((source) => source.remove());
    picture.removeAttribute("srcset");
    picture.src = right.value;
    names[1].textContent = right.selectedOptions[0].dataset.name;
  });
  slider.addEventListener("input", cut);
  zoom.addEventListener("click", () => {
    const isOn = stage.classList.toggle("zoomed");
    zoom.ariaPressed = String(isOn);
    isOn ? stage.setAttribute("tabindex", "0") : stage.removeAttribute("tabindex");
    if (isOn) stage.scrollTo((stage.scrollWidth - stage.clientWidth) / 2, (stage.scrollHeight - stage.clientHeight) / 2);
  });
  controls.hidden = false;
}

// The source may be gone: its server's answer is a sentence then. What comes when something else has been chosen
// is too late.
async function show(picture, select, said) {
  const address = select.value;
  const answer = await fetch(address).catch(() => null);
  const isPicture = answer?.headers.get("content-type")?.startsWith("image/");
  const words = !answer ? "Packshot does not answer." : isPicture ? answer.headers.get("x-packshot-note") ?? "" : (await answer.json()).detail;
  if (select.value !== address) return;
  said.textContent = words;
  if (isPicture) picture.src = address;
}
