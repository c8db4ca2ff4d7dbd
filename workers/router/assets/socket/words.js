// What a person reads about the end of a socket.

const TO_RESTART = { path: "/_molt/restart", text: "Restart the agent" };
const TO_SIGN_IN = { path: "/login", text: "Sign in" };
const TO_SIGN_OUT = { path: "/logout", text: "Sign out" };
/** Without a path: the page itself. */
const TO_RELOAD = { text: "Reload" };

const LOST_REASON = "The connection to your agent was lost. It is opened again by itself.";
const NOT_TAKEN_REASON = "Your agent did not take the connection.";
const TOO_LATE_REASON = "The connection was away for too long to go on where it was.";
const TOO_MUCH_REASON = "More was written than is kept while the connection is broken.";
const TOO_BIG_REASON = "A message is longer than is taken.";

/** How things stand, by the word that `Gate` has for it. `soon`: shown only when it lasts. */
const SITUATIONS = {
  lost: { text: "Reconnecting…", soon: true, links: [TO_RESTART] },
  // No link to restart what is being started: who follows it ends the agent that was nearly there.
  restart: { text: "Your agent restarts…", soon: true, links: [] },
  starting: { text: "Your agent is starting…", soon: true, links: [] },
  offline: { text: "You are offline. The connection comes back by itself.", soon: true, links: [] },
  busy: { text: "Too many requests. Going on in a moment…", soon: true, links: [] },
  asleep: { text: "Your agent sleeps. It wakes up when you do something here.", links: [] },
  failed: { text: "Your agent could not be started.", soon: true, links: [TO_RESTART, TO_SIGN_OUT] },
  expired: { text: "Your session ends. Renewing it…", soon: true, links: [TO_SIGN_IN] },
  "signed-out": { text: "Your session has ended. Sign in again to go on.", links: [TO_SIGN_IN] },
  suspended: { text: "Your account is suspended.", links: [TO_SIGN_OUT] },
};

/** Texts of the agent by which it refuses a page, and what somebody can do about each. */
const REFUSALS = [
  ["gateway token m", "Your agent asks for a token of its own: its sign-in settings were changed. A restart puts them right.", TO_RESTART],
  ["pairing required", "Your agent does not know this browser yet. Reload the page; if that does not help, restart the agent.", TO_RELOAD, TO_RESTART],
  ["device identity required", "Your browser cannot show which device it is. Open this page by https and reload it.", TO_RELOAD],
  ["control ui requires https", "Your agent takes this page by https only. Open it with https:// in front.", TO_RELOAD],
  ["origin not allowed", "Your agent does not know the address of this page. Open the one that you were given, or restart the agent.", TO_RESTART],
  ["protocol mismatch", "This page and your agent are of different releases. Reload the page.", TO_RELOAD],
  ["slow consumer", "Your connection was too slow for all that your agent says. It is opened again.", TO_RELOAD],
];

/**
 * A refusal of the agent in words that somebody can act on.
 * @param {string} said a close reason or an answer of the agent
 * @returns {{text: string, links: {path?: string, text: string}[], detail: string} | null} null when it is none that is known
 */
function refusalIn(said) {
  const low = said.toLowerCase();
  const found = REFUSALS.find(([part]) => low.includes(part));
  if (!found) return null;
  const [, text, ...links] = found;
  return { text, links, detail: said };
}

/** How many of an agent's first messages are looked at, and how long they may be: refusals come before anything else. */
const FIRST_MESSAGES = 4;
const FIRST_LENGTH = 8 * 1024;

/**
 * The refusal in one of the agent's first messages.
 * @param {unknown} data
 * @returns {string | null} the agent's own text
 */
function refusalInMessage(data) {
  if (typeof data !== "string" || data.length > FIRST_LENGTH || !data.includes('"error"')) return null;
  try {
    const { code, message } = JSON.parse(data).error ?? {};
    return typeof message === "string" ? [code, message].filter(Boolean).join(": ") : null;
  } catch {
    return null;
  }
}
