import { Unreachable } from "./api.js";
import { clearNotice, hasNotice, notice } from "./notices.js";

const PASSING = new Set([429, 502, 503, 504]);
const LONGEST = 8;

/** Keeps the page in step with the server, and tries again by itself while the server or its store is away. */
export class Link {
  constructor(refresh, onRefused) {
    this.refresh = refresh;
    this.onRefused = onRefused;
    this.tries = 0;
    this.timer = 0;
    this.running = null;
    this.again = false;
    this.away = false;
    this.checked = 0;
    window.addEventListener("online", () => this.check());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible" && Date.now() - this.checked > 5000) this.check();
    });
  }

  /** True once everything has been read; checks do not overlap. */
  check() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.again = Boolean(this.running);
    this.running ??= this.#run().finally(() => { this.running = null; });
    return this.running;
  }

  async #run() {
    // Asked again while at it: what was read so far may be older than the reason for asking.
    for (;;) {
      const done = await this.#once();
      if (!done || !this.again) return done;
      this.again = false;
    }
  }

  async #once() {
    try {
      await this.refresh();
      this.tries = 0;
      this.checked = Date.now();
      this.away = false;
      clearNotice("link");
      return true;
    } catch (error) {
      this.failed(error);
      return false;
    }
  }

  static passing(error) {
    return error instanceof Unreachable || PASSING.has(error.status);
  }

  /** Any request may report here; what will pass is tried again later, the rest is for the person to know. */
  failed(error) {
    if (!Link.passing(error)) {
      this.onRefused(error);
      return;
    }
    if (this.away && this.timer) return;
    const wait = error.retryAfter ?? Math.min(2 ** this.tries, LONGEST);
    this.tries += 1;
    this.timer = setTimeout(() => this.check(), wait * 1000);
    const title = error instanceof Unreachable ? "The server is not reachable, retrying." : `${error.title}, retrying.`;
    // Said once: the same notice again on every try would be read out again by screen readers.
    if (this.away !== title || !hasNotice("link")) {
      notice("link", { tone: "warn", title, detail: error.detail || "What you have typed is kept.", actions: [{ label: "Try now", run: () => { this.tries = 0; this.check(); } }], closable: false });
    }
    this.away = title;
  }
}
