// One line near the head of the page, below bars and banners and away from where people write, where there is something to say about the
// connection. It brings its own style sheet in a shadow tree, made by script, which no content security policy forbids; it uses none of the page's
// names and leaves no trace when there is nothing to say.

/** What passes sooner is not shown. */
const SHOW_AFTER_MS = 1_500;
/** From here on it says for how long. */
const ELAPSED_AFTER_MS = 5_000;

const STYLE = `
:host { all: initial; position: fixed; inset: calc(52px + env(safe-area-inset-top, 0px)) 0 auto; z-index: 2147483647; display: grid;
  justify-content: center; pointer-events: none; color-scheme: light dark; }
.line { display: flex; flex-wrap: wrap; gap: 2px 14px; align-items: baseline; max-width: min(46rem, calc(100vw - 48px)); padding: 8px 16px;
  border: 1px solid color-mix(in srgb, CanvasText 25%, Canvas); border-radius: 18px; background: Canvas; color: CanvasText;
  font: 14px/1.4 system-ui, sans-serif; box-shadow: 0 2px 12px rgb(0 0 0 / 25%); pointer-events: auto; }
a, button { color: LinkText; font: inherit; text-decoration: underline; background: none; border: 0; padding: 0; cursor: pointer; }
a:focus-visible, button:focus-visible { outline: 2px solid Highlight; outline-offset: 2px; }
.links { display: contents; }
.elapsed, .detail { color: color-mix(in srgb, CanvasText 70%, Canvas); font-variant-numeric: tabular-nums; }
.detail { flex-basis: 100%; font-size: 12px; overflow-wrap: anywhere; }
@media print { :host { display: none; } }
`;

class StatusLine {
  #host = null;
  #line;
  #text;
  #elapsed;
  #links;
  #detail;
  #shown = null;
  #timer = 0;

  /**
   * @param {{text: string, soon?: boolean, since: number, links: {path?: string, text: string}[], detail?: string} | null} said null for nothing
   */
  show(said) {
    clearTimeout(this.#timer);
    this.#shown = said;
    if (!said) {
      this.#host?.remove();
      return;
    }
    const wait = said.soon ? said.since + SHOW_AFTER_MS - Date.now() : 0;
    if (wait > 0) this.#timer = setTimeout(() => this.#draw(), wait);
    else this.#draw();
  }

  #draw() {
    const said = this.#shown;
    if (!document.body) {
      document.addEventListener("DOMContentLoaded", () => this.#shown === said && this.#draw(), { once: true });
      return;
    }
    if (!this.#host) this.#build();
    if (!this.#host.isConnected) document.body.append(this.#host);
    // Said once by a screen reader, and not again each second.
    if (this.#text.textContent !== said.text) requestAnimationFrame(() => (this.#text.textContent = said.text));
    const links = said.links.map((link) => this.#link(link));
    if (links.map((link) => link.textContent).join() !== [...this.#links.children].map((link) => link.textContent).join()) {
      this.#links.replaceChildren(...links);
    }
    this.#detail.textContent = said.detail ?? "";
    this.#detail.hidden = !said.detail;
    this.#count(said);
  }

  #count(said) {
    const ms = Date.now() - said.since;
    this.#elapsed.textContent = said.soon && ms >= ELAPSED_AFTER_MS ? StatusLine.#time(Math.floor(ms / 1_000)) : "";
    if (said.soon) this.#timer = setTimeout(() => this.#count(said), 1_000);
  }

  static #time(seconds) {
    return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  }

  #link({ path, text }) {
    const here = location.pathname + location.search;
    const link = document.createElement(path ? "a" : "button");
    link.textContent = text;
    if (path === "/logout") link.href = path;
    else if (path) link.href = `${path}?next=${encodeURIComponent(here)}`;
    else link.addEventListener("click", () => location.reload());
    return link;
  }

  #build() {
    this.#host = document.createElement("molt-status");
    const root = this.#host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    const part = (name, kind, attributes = {}) => {
      const node = document.createElement(kind);
      node.className = name;
      for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
      return node;
    };
    this.#line = part("line", "div");
    this.#text = part("text", "span", { role: "status", "aria-live": "polite" });
    this.#elapsed = part("elapsed", "span", { "aria-hidden": "true" });
    this.#links = part("links", "span");
    this.#detail = part("detail", "span");
    this.#line.append(this.#text, this.#elapsed, this.#links, this.#detail);
    root.append(this.#line);
  }
}
