// The boot page asks how far the sandbox is and opens the agent when it is ready. Without JavaScript the page refreshes itself.
const show = (id, text) => { const node = document.getElementById(id); if (node && node.textContent !== text) node.textContent = text; };
const began = Date.now();
async function ask() {
  try {
    const answer = await fetch("/_molt/boot", { headers: { accept: "application/json" }, cache: "no-store" });
    // Signed out, or served by what ran before, which has no such page.
    if (answer.status === 401 || answer.status === 404) { location.reload(); return; }
    const boot = await answer.json();
    if (boot.lifecycle === "running" || boot.elsewhere) { location.reload(); return; }
    show("phase", boot.text);
    show("cause", boot.cause || "");
    const log = document.getElementById("log");
    if (log) { log.hidden = !boot.logTail.length; show("log", boot.logTail.join("\n")); }
  } catch {
    show("phase", "The connection was lost. Trying again…");
  }
  show("elapsed", Math.round((Date.now() - began) / 1000) + " s");
  setTimeout(ask, 1000);
}
ask();
