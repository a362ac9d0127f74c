// Keeps the page as new as the server: when it says that something here has changed, the page is fetched
// again, and of it those pieces are taken that are different. A page that nobody looks at does not listen.

const AGAIN_MS = 5000; // after the server refused to tell
const PAUSE_MS = { product: 1500, totals: 5000 }; // between two fetches, however much happens

let events = null;
let waiting = null;
let last = 0;
let written = pieces(document); // as the server wrote them, before we dressed them

export function follow(dress) {
  const look = () => (document.hidden ? rest() : listen(dress));
  document.addEventListener("visibilitychange", look);
  addEventListener("pagehide", rest);
  addEventListener("pageshow", look);
  look();
}

function listen(dress) {
  if (events || !document.querySelector("[data-live]")) return;
  events = new EventSource("/events");
  events.onopen = () => refresh(dress); // now or again: what happened before was told to nobody
  events.onmessage = (message) => {
    const news = JSON.parse(message.data);
    if (concerns(news)) refresh(dress, PAUSE_MS[news.kind]);
  };
  events.onerror = () => { // a line that broke is made anew by the browser, one that was refused is not
    if (events?.readyState !== EventSource.CLOSED) return;
    rest();
    setTimeout(() => document.hidden || listen(dress), AGAIN_MS);
  };
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

function refresh(dress, pause = PAUSE_MS.product) {
  const due = last + pause - Date.now();
  waiting ??= setTimeout(() => fetchAgain(dress).finally(() => (waiting = null)), Math.max(due, 0));
}

async function fetchAgain(dress) {
  last = Date.now();
  const answer = await fetch(location.href, { headers: { accept: "text/html" } }).catch(() => null);
  if (!answer?.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const now = pieces(page);
  for (const [id, html] of now) {
    const old = document.getElementById(id);
    if (!old || written.get(id) === html) continue;
    if (old.contains(document.activeElement)) continue; // next time: somebody is at it
    const fresh = document.adoptNode(page.getElementById(id));
    old.replaceWith(fresh);
    dress(fresh);
    written.set(id, html);
  }
}

function pieces(page) {
  const found = [...page.querySelectorAll("[data-live]")];
  return new Map(found.map((one) => [one.id, one.outerHTML.replace(/(<time[^>]*>)[^<]*/g, "$1")]));
}
