// Keeps the page as new as the server: when it says that something here has changed, the page is fetched
// again, and of it those pieces are taken that are different; in a list, pieces come and go. A page that nobody
// looks at does not listen.

import { find } from "./find.js";

const AGAIN_MS = 5000; // after the server refused to tell
const PAUSE_MS = { product: 1500, list: 3000, totals: 5000 }; // between two fetches, however much happens

let events = null;
let waiting = null;
let isMissed = false; // something changed while the page was on its way
let isSkipped = false; // a piece stayed as it was, because somebody was at it
let last = 0;
const written = pieces(document); // as the server wrote them, before we dressed them

export function follow(dress) {
  const look = () => (document.hidden ? rest() : listen(dress));
  document.addEventListener("visibilitychange", look);
  addEventListener("pagehide", rest);
  addEventListener("pageshow", look);
  addEventListener("focusout", () => isSkipped && refresh(dress));
  look();
}

function listen(dress) {
  if (events || !document.querySelector("[data-live], [data-list]")) return;
  events = new EventSource("/events");
  events.onopen = () => { // now or again: what happened before was told to nobody
    say("");
    refresh(dress);
  };
  events.onmessage = (message) => {
    const news = JSON.parse(message.data);
    if (concerns(news)) refresh(dress, PAUSE_MS[news.kind]);
    else if (mayList(news)) refresh(dress, PAUSE_MS.list);
  };
  events.onerror = () => { // a line that broke is made anew by the browser, one that was refused is not
    say("The server does not answer. This is how things were.");
    if (events?.readyState !== EventSource.CLOSED) return;
    rest();
    setTimeout(() => document.hidden || listen(dress), AGAIN_MS);
  };
}

function say(words) {
  document.getElementById("connection").textContent = words;
}

function rest() {
  events?.close();
  events = null;
}

function concerns({ kind, product_id }) {
  if (kind === "many") return true;
  const place = kind === "product" ? `[data-product="${product_id}"]` : `[data-live-on~="${kind}"]`;
  return document.querySelector(place) !== null;
}

// Whether a list may have to take in a product: one that was not there yet, or any, if only some are listed.
function mayList({ kind, product_id }) {
  const list = document.querySelector("[data-newest]");
  if (kind !== "product" || !list) return false;
  if (list.dataset.newest === "any") return true;
  if (product_id <= Number(list.dataset.newest)) return false;
  list.dataset.newest = product_id;
  return true;
}

function refresh(dress, pause = PAUSE_MS.product) {
  isMissed = true;
  const due = last + pause - Date.now();
  waiting ??= setTimeout(async () => {
    await fetchAgain(dress);
    waiting = null;
    if (isMissed) refresh(dress, pause);
  }, Math.max(due, 0));
}

async function fetchAgain(dress) {
  isMissed = isSkipped = false;
  last = Date.now();
  const answer = await fetch(location.href, { headers: { accept: "text/html" } }).catch(() => null);
  if (answer?.status === 404) location.reload(); // what it shows has been deleted; that is a page, too
  if (!answer?.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const now = pieces(page);
  for (const [id, html] of now) {
    const old = document.getElementById(id);
    if (!old || written.get(id) === html || isInUse(old)) continue;
    const fresh = document.importNode(page.getElementById(id), true); // a list still needs it there
    old.replaceWith(fresh);
    dress(fresh);
    written.set(id, html);
  }
  for (const list of page.querySelectorAll("[data-list]")) arrange(list, dress);
}

// Puts in what is new, takes out what has gone; what stays is not touched, but may move.
function arrange(list, dress) {
  const old = document.getElementById(list.id);
  const names = (of) => [...of.children].map((one) => one.id);
  if (!old || isInUse(old) || names(old).join() === names(list).join()) return;
  const items = [...list.children].map((one) => document.getElementById(one.id) ?? document.adoptNode(one));
  for (const one of items.filter((one) => !old.contains(one))) {
    pieces(one).forEach((html, id) => written.set(id, html));
    dress(one);
  }
  old.replaceChildren(...items);
}

function isInUse(piece) {
  const isSo = piece.contains(document.activeElement);
  isSkipped ||= isSo;
  return isSo;
}

function pieces(root) {
  return new Map(find(root, "[data-live]").map((one) => [one.id, one.outerHTML.replace(/(<time[^>]*>)[^<]*/g, "$1")]));
}
