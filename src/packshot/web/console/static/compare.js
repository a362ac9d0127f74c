// Two pictures at the same size, one over the other, and a line between them to be moved.

import { find } from "./find.js";

const SOURCE = 1; // its place among the choices
const CHOICE = "packshot_compare"; // who compares one image with its source wants to see the next one so, too

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
  const names = ["left", "right"].map((side) =>
    Object.assign(document.createElement("span"), { className: `name ${side}`, ariaHidden: "true" }));
  const cut = () => both.style.setProperty("--cut", `${slider.value}%`);

  const choose = async () => {
    const address = left.value;
    said.textContent = address && "Fetching …";
    const { other, words = "" } = address ? await load(address) : {};
    if (left.value !== address) return; // it comes when something else has been chosen
    said.textContent = words;
    both.classList.toggle("split", Boolean(other));
    [over, slider, ...names].forEach((part) => (other ? both.append(part) : part.remove()));
    if (!other) return;
    pin();
    [other.width, other.height] = [picture.getAttribute("width"), picture.getAttribute("height")];
    over.replaceChildren(other);
    [left, right].forEach((select, i) => (names[i].textContent = select.selectedOptions[0].dataset.name));
    cut();
  };
  const pin = () => { // or the browser would show the size that is enough for it
    both.querySelectorAll("source").forEach((source) => source.remove());
    picture.removeAttribute("srcset");
    picture.src = right.value;
    names[1].textContent = right.selectedOptions[0].dataset.name;
  };
  left.addEventListener("change", () => {
    left.selectedIndex === SOURCE ? sessionStorage.setItem(CHOICE, "source") : sessionStorage.removeItem(CHOICE);
    choose();
  });
  right.addEventListener("change", pin);
  slider.addEventListener("input", cut);
  if (sessionStorage.getItem(CHOICE)) {
    left.selectedIndex = SOURCE;
    choose();
  }
  zoom.addEventListener("click", () => {
    const isOn = stage.classList.toggle("zoomed");
    pin();
    zoom.ariaPressed = String(isOn);
    const reachable = { tabindex: "0", role: "group", "aria-label": "Zoomed picture" };
    for (const [name, value] of Object.entries(reachable)) isOn ? stage.setAttribute(name, value) : stage.removeAttribute(name);
    if (isOn) stage.scrollTo((stage.scrollWidth - stage.clientWidth) / 2, (stage.scrollHeight - stage.clientHeight) / 2);
  });
  controls.hidden = false;
}

// A source may be gone: its server's answer is a sentence then. A rendition may lie with another server, where no
// script may read.
async function load(address) {
  const answer = address.endsWith("/source") ? await fetch(address).catch(() => null) : null;
  const isWords = answer && !answer.headers.get("content-type")?.startsWith("image/");
  if (isWords) return { words: (await answer.json()).detail };
  const other = Object.assign(new Image(), { alt: "", src: address });
  const isThere = await other.decode().then(() => true, () => false);
  return isThere ? { other, words: answer?.headers.get("x-packshot-note") ?? "" } : { words: "It cannot be loaded." };
}
