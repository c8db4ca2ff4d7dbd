// When a connection may be tried. While all is well: at once. After a break the platform is asked how the sandbox is, which wakes nothing, and
// connections wait until it is ready: a page that is refused again and again would wait longer each time and come back late.

/** Between two questions while a start is under way; milliseconds. */
const ASK_MS = 1_000;
/** A start that takes long is asked about less often: tabs share one allowance of requests. */
const ASK_LONG_MS = 2_000;
const LONG_MS = 30_000;
/** Somebody has to do something first: sign in, or touch the page. */
const ASK_SELDOM_MS = 20_000;
/** Between two attempts at a sandbox that does not run: each asks for a start. */
const ATTEMPT_MS = 3_000;
const ASK_PATIENCE_MS = 8_000;
/** Sockets that may connect again at the same moment are spread over so many milliseconds. */
const SPREAD_MS = 300;

/** How the caller's sandbox is: a word of `SITUATIONS` or `ready`, and when to ask again. */
class BootQuestion {
  #lastId = null;

  /** @returns {Promise<{is: string, text?: string, inMs?: number}>} */
  async ask() {
    const unreachable = () => ({ is: navigator.onLine === false ? "offline" : "lost" });
    let answer;
    try {
      answer = await fetch("/_molt/boot", {
        headers: { accept: "application/json" },
        cache: "no-store",
        signal: AbortSignal.timeout(ASK_PATIENCE_MS),
      });
    } catch {
      return unreachable();
    }
    // The agent's service worker answers from a copy while the network is gone.
    const id = answer.headers.get("x-request-id");
    if (id !== null && id === this.#lastId) return unreachable();
    this.#lastId = id;
    const inMs = Number(answer.headers.get("retry-after")) * 1_000 || undefined;
    switch (answer.status) {
      case 200:
        return BootQuestion.#told(await answer.json().catch(() => ({})));
      case 401:
        return { is: "signed-out" };
      case 403: {
        const { detail } = await answer.json().catch(() => ({}));
        return { is: "suspended", text: detail };
      }
      case 404:
        // Served by what ran before, which knows no such question.
        return { is: "ready" };
      case 429:
        return { is: "busy", inMs: inMs ?? ASK_SELDOM_MS };
      default:
        return { is: "lost", inMs };
    }
  }

  static #told({ lifecycle, elsewhere, text, cause, retryInMs }) {
    if (elsewhere || lifecycle === "running") return { is: "ready" };
    switch (lifecycle) {
      case "starting":
      case "stopping":
        return { is: "starting", text };
      case "sleeping":
        return { is: "asleep" };
      case "failed":
        return { is: "failed", text: [text, cause].filter(Boolean).join(" "), inMs: retryInMs ?? undefined };
      default:
        // Nothing runs and nothing will by itself: an attempt asks for a start.
        return { is: "failed", text };
    }
  }
}

class Gate {
  /** @type {Set<(ready: boolean) => void>} */
  #waiting = new Set();
  /** Those that may be tried and wait for their moment, with its timer. @type {Map<(ready: boolean) => void, number>} */
  #spread = new Map();
  /** `null` while all is well. */
  #situation = null;
  /** May be tried, and has not succeeded yet. */
  #trying = false;
  #ready = true;
  #failed = 0;
  #timer = 0;
  #asking = false;
  #again = false;
  #attemptAt = 0;

  /**
   * @param {{ask(): Promise<{is: string, text?: string, inMs?: number}>}} question
   * @param {(situation: {is: string, text?: string, since: number} | null) => void} says is told how things stand
   * @param {() => void} back is called when all is well again and no connection waited for it
   */
  constructor(question, says, back) {
    this.question = question;
    this.says = says;
    this.back = back;
  }

  /**
   * Calls `go` when a connection may be tried: now, or later. `go` learns whether the sandbox was said to be ready.
   * @returns {() => void} takes it back
   */
  pass(go) {
    if (!this.#situation || this.#trying) {
      go(this.#ready);
      return () => undefined;
    }
    if (this.#waiting.size === 0 && this.#situation.is === "failed") this.#in(0);
    this.#waiting.add(go);
    return () => {
      this.#waiting.delete(go);
      clearTimeout(this.#spread.get(go));
      this.#spread.delete(go);
    };
  }

  /** A connection got in. */
  opened() {
    clearTimeout(this.#timer);
    this.#failed = 0;
    this.#trying = false;
    this.#ready = true;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    this.#situation = null;
    this.says(null);
    for (const go of waiting) go(true);
  }

  /** A connection did not get in. */
  refused() {
    this.#failed += 1;
    const { is = "lost" } = this.#situation ?? {};
    // For a minute after a token's end the platform still answers what is under way; sockets are refused at once.
    const ended = is === "expired" || is === "signed-out";
    this.broken(ended ? "signed-out" : is, ended ? ASK_SELDOM_MS : 0);
  }

  /** The page closed a socket while its connection was tried: whether all is well nobody knows. */
  abandoned() {
    if (!this.#situation || !this.#trying) return;
    this.#trying = false;
    this.#in(reconnectAfter(this.#failed));
  }

  /**
   * A connection ended and is to come back, or one did not get in.
   * @param {string} is a word of `SITUATIONS`
   * @param {number} [inMs] not before
   */
  broken(is, inMs) {
    this.#trying = false;
    this.#set(is);
    this.#in(Math.max(inMs ?? 0, reconnectAfter(this.#failed)));
  }

  /** Something happened after which asking again makes sense: the network is back, or somebody looks at the page. */
  kick() {
    if (this.#situation && !this.#trying) this.#in(Math.random() * 100);
  }

  /** Somebody did something on the page. */
  touched() {
    if (this.#situation?.is === "asleep" && !this.#trying) this.#release(false);
  }

  #set(is, text) {
    const since = this.#situation?.since ?? Date.now();
    this.#situation = { is, text, since };
    this.says(this.#situation);
  }

  #in(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), ms);
  }

  async #ask() {
    if (this.#asking) {
      this.#again = true;
      return;
    }
    this.#asking = true;
    const told = await this.question.ask();
    this.#asking = false;
    const again = this.#again;
    this.#again = false;
    // Meanwhile a connection may have got in by itself.
    if (!this.#situation || this.#trying) return;
    if (again && told.is !== "ready") {
      this.#in(0);
      return;
    }
    this.#decide(told);
  }

  #decide({ is, text, inMs }) {
    const { since, is: was } = this.#situation;
    if (is === "ready") {
      this.#release(was !== "expired" && was !== "signed-out");
      return;
    }
    this.#set(is, text);
    switch (is) {
      case "starting":
        this.#failed = 0;
        this.#in((Date.now() - since > LONG_MS ? ASK_LONG_MS : ASK_MS) * (0.85 + 0.3 * Math.random()));
        break;
      case "failed": {
        const wait = this.#attemptAt + Math.max(ATTEMPT_MS, inMs ?? 0) - Date.now();
        if (this.#waiting.size === 0) this.#in(ASK_SELDOM_MS);
        else if (wait <= 0) this.#release(false);
        else this.#in(Math.min(Math.max(wait, ASK_MS), ASK_LONG_MS));
        break;
      }
      case "asleep":
        this.#in(3 * ASK_SELDOM_MS);
        break;
      case "signed-out":
      case "suspended":
        this.#in(ASK_SELDOM_MS);
        break;
      default:
        this.#failed += 1;
        this.#in(Math.max(inMs ?? 0, reconnectAfter(this.#failed)));
    }
  }

  #release(ready) {
    clearTimeout(this.#timer);
    this.#trying = true;
    this.#ready = ready;
    this.#attemptAt = Date.now();
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    if (waiting.length === 0) {
      // Whether it is well again the next connection shows, where that is not known.
      if (ready) this.opened();
      this.back();
    }
    for (const go of waiting) {
      // Where one waits it goes at once; many are spread.
      if (waiting.length === 1) go(ready);
      else this.#spread.set(go, setTimeout(() => this.#spread.delete(go) && go(ready), Math.random() * SPREAD_MS));
    }
  }
}
