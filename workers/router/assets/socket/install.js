// Puts the class of `socket.js` in the place of the page's `WebSocket`. Last of all parts.

/** A socket that has been open for so long was not refused. */
const ADMITTED_MS = 5_000;

const INSTALLED = Symbol.for("molt.socket");

function install() {
  const Native = globalThis.WebSocket;
  // A page in a box of its own has neither our cookies nor our host.
  if (typeof Native !== "function" || Native[INSTALLED] || globalThis.origin === "null") return;
  // Pages within pages have the line of the outermost.
  const line = globalThis.top === globalThis ? new StatusLine() : { show: () => undefined };
  let situation = null;
  let refusal = null;
  let admitted = 0;
  const draw = () => line.show(refusal ?? situation);

  const says = (now) => {
    const words = now && SITUATIONS[now.is];
    situation = now && { ...words, text: now.text || words.text, since: now.since };
    clearTimeout(admitted);
    if (!now && refusal) {
      admitted = setTimeout(() => {
        refusal = null;
        draw();
      }, ADMITTED_MS);
    }
    draw();
  };
  const back = () => {
    // The page may wait for a long time before it tries again by itself; it is told in the way that pages know that the network is back.
    if (sockets.size === 0) globalThis.dispatchEvent(new Event("online"));
  };
  const gate = new Gate(new BootQuestion(), says, back);
  const sockets = new Set();
  const page = {
    Native,
    gate,
    sockets,
    resume: document.currentScript?.dataset.resume === "on",
    refusal: (said) => {
      const words = refusalIn(said);
      if (!words) return;
      clearTimeout(admitted);
      refusal = { ...words, since: Date.now() };
      draw();
    },
  };
  const { WebSocket, renew } = socketClass(page);
  for (const name of ["CONNECTING", "OPEN", "CLOSING", "CLOSED"]) {
    Object.defineProperty(WebSocket, name, { value: Native[name], enumerable: true });
  }
  Object.defineProperty(WebSocket, INSTALLED, { value: true });
  Object.defineProperty(globalThis, "WebSocket", { value: WebSocket, writable: true, configurable: true, enumerable: false });

  globalThis.addEventListener("online", ({ isTrusted }) => {
    if (!isTrusted) return;
    for (const socket of sockets) renew(socket);
    gate.kick();
  });
  globalThis.addEventListener("focus", () => gate.kick());
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && gate.kick());
  for (const type of ["pointerdown", "keydown"]) {
    globalThis.addEventListener(type, () => gate.touched(), { capture: true, passive: true });
  }
}

install();
