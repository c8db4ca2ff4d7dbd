// The boot page: shows how far the sandbox is while it changes, and opens the agent when it is there. Without JavaScript the page refreshes itself.
const BOOT = "/_molt/boot";
/** Pauses between two tries to reach the platform after the connection was lost, milliseconds. */
const PAUSES = [500, 1000, 2000, 4000, 8000, 15000];
/** After this many losses in a row the page asks now and then instead of holding a connection. */
const MOST_LOSSES = 3;
/** Tries that a page begins by itself after a start has failed, before somebody has to press the button. */
const MOST_TRIES = 3;
/** Reloads of the last minute that are not slowed down: more of them mean that something goes in circles. */
const FREE_RELOADS = 3;
const MINUTE = 60_000;

const $ = (id) => document.getElementById(id);
const page = $("boot");
const number = (text) => (text === "" || text === undefined ? null : Number(text));
const now = () => performance.now();
const seconds = (ms) => `${Math.max(0, Math.ceil(ms / 1000))} s`;
const jitter = (ms) => ms * (0.75 + Math.random() / 2);

/** What is shown, with the moments at which times were told. */
let state = {
  event: page.dataset.event,
  next: page.dataset.next,
  began: since(number(page.dataset.elapsedMs)),
  usualMs: number(page.dataset.usualMs),
  retryAt: until(number(page.dataset.retryInMs)),
};
let losses = 0;
let stream = null;
let timer = 0;
let leaving = false;

function since(ms) { return ms === null ? null : now() - ms; }
function until(ms) { return ms === null ? null : now() + ms; }
function show(id, text) { const node = $(id); if (node.textContent !== text) node.textContent = text; }

/** Moments that this tab remembers across its reloads, the last minute of them. */
function remembered(name) {
  try {
    const kept = JSON.parse(sessionStorage.getItem(`molt-boot-${name}`));
    return Array.isArray(kept) ? kept.filter((at) => Date.now() - at < MINUTE && at <= Date.now()) : [];
  } catch { return []; }
}
function remember(name) {
  try { sessionStorage.setItem(`molt-boot-${name}`, JSON.stringify([...remembered(name), Date.now()])); } catch { /* Then it is not slowed down. */ }
}

/** Asks for the page's own address again, fragment and all: by then it is the agent's, or the next start has begun. */
function reload() {
  if (leaving) return;
  leaving = true;
  stream?.close();
  clearTimeout(timer);
  const many = remembered("reloads").length - FREE_RELOADS;
  remember("reloads");
  setTimeout(() => location.reload(), many < 0 ? 0 : jitter(PAUSES[Math.min(many + 1, PAUSES.length - 1)]));
}

function render(boot) {
  if (boot.title) {
    document.title = `${boot.title} · Moltworker`;
    show("title", boot.title);
  }
  show("text", boot.text);
  const steps = boot.steps.map((step) => {
    const item = document.createElement("li");
    item.className = step.state;
    if (step.state === "current") item.setAttribute("aria-current", "step");
    const note = document.createElement("span");
    note.className = "small";
    note.textContent = said(step);
    item.append(`${step.label} `, note);
    return item;
  });
  $("steps").replaceChildren(...steps);
  $("cause").hidden = !boot.cause;
  show("cause", boot.cause || "");
  $("logs").hidden = !boot.logTail.length;
  show("log", boot.logTail.join("\n"));
  const settled = boot.next === "retry";
  $("bar").hidden = settled;
  $("again").hidden = !settled;
  show("retry", settled ? "Try again now" : "Reload this page");
  $("retry").className = settled ? "button" : "";
  $("restart").hidden = boot.lifecycle !== "failed";
  // Whoever reads with his ears or uses the keyboard is taken to what happened.
  if (settled && state.next !== "retry") $("text").focus();
}

function said({ state, tookMs, usualMs }) {
  if (state === "done") return tookMs === null ? "done" : `done, ${seconds(tookMs)}`;
  if (state === "failed") return "failed";
  const word = state === "current" ? "now" : "next";
  return usualMs === null ? word : `${word}, usually ${seconds(usualMs)}`;
}

/** What changes with the clock alone. */
function tick() {
  const { began, usualMs, retryAt, next } = state;
  const elapsed = began === null ? null : now() - began;
  show("elapsed", elapsed === null ? "" : `${seconds(elapsed)} so far${usualMs === null ? "" : `, usually ${seconds(usualMs)}`}`);
  if (elapsed !== null && usualMs) {
    // Never full before it is there.
    $("bar").max = 1;
    $("bar").value = Math.min(0.95, elapsed / usualMs);
  } else {
    $("bar").removeAttribute("value");
  }
  if (next === "retry") {
    const wait = retryAt === null ? 0 : retryAt - now();
    const byItself = remembered("tries").length < MOST_TRIES;
    show("again", wait > 0 ? `${byItself ? "Trying again by itself" : "It can be tried again"} in ${seconds(wait)}.` : "It can be tried again now.");
  }
}

function told(boot) {
  losses = 0;
  show("connection", "");
  if (boot.next === "open") { state.next = "open"; render(boot); reload(); return; }
  render(boot);
  state = { event: boot.event, next: boot.next, began: since(boot.elapsedMs), usualMs: boot.usualMs, retryAt: until(boot.retryInMs) };
  tick();
  if (boot.next === "retry") settle();
}

/** Nothing is under way: the next request of a page begins a start. This one makes it, a few times, while somebody looks at it. */
function settle() {
  stream?.close();
  stream = null;
  clearTimeout(timer);
  if (remembered("tries").length >= MOST_TRIES || document.visibilityState !== "visible") return;
  const wait = state.retryAt === null ? PAUSES[1] : Math.max(0, state.retryAt - now());
  timer = setTimeout(() => {
    remember("tries");
    reload();
  }, wait + Math.random() * 1000);
}

/** Follows the changes as they happen. */
function watch() {
  if (leaving || stream) return;
  stream = new EventSource(`${BOOT}/events?after=${encodeURIComponent(state.event)}`);
  stream.addEventListener("progress", (event) => told(JSON.parse(event.data)));
  stream.addEventListener("open", () => show("connection", ""));
  // It ends by itself after a while too; what the browser would do then, this does with a growing pause.
  stream.addEventListener("error", () => {
    stream?.close();
    stream = null;
    if (state.next === "watch") again();
  });
}

function again() {
  const pause = PAUSES[Math.min(losses, PAUSES.length - 1)];
  losses += 1;
  clearTimeout(timer);
  timer = setTimeout(ask, jitter(pause));
}

/** Asks once, and goes on following if that works. */
async function ask() {
  if (leaving) return;
  try {
    const answer = await fetch(BOOT, { headers: { accept: "application/json" }, cache: "no-store", signal: AbortSignal.timeout(10_000) });
    // Signed out, or served by what ran before, which has no such page.
    if (answer.status === 401 || answer.status === 403 || answer.status === 404) { reload(); return; }
    if (!answer.ok) throw new Error(`answered ${answer.status}`);
    const lost = losses;
    told(await answer.json());
    if (state.next !== "watch" || leaving) return;
    if (lost <= MOST_LOSSES) {
      watch();
      // Only a message says that the stream works.
      losses = lost;
    } else {
      timer = setTimeout(ask, jitter(PAUSES[2]));
      losses = Math.max(0, lost - 1);
    }
  } catch {
    show("connection", "The connection was lost. Trying again…");
    again();
  }
}

$("retry").addEventListener("click", (event) => {
  event.preventDefault();
  reload();
});
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && state.next === "retry" && !leaving) ask();
});
setInterval(tick, 1000);
tick();
if (state.next === "retry") settle(); else watch();
