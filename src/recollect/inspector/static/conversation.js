import { getSession, listMessages, Problem } from "./api.js";
import { byId } from "./dom.js";
import { fill, row } from "./message.js";

const PAGE = 50;
const NEAR = 80;

/** The messages of the open conversation: a run of the log that grows at both ends. */
export class Conversation {
  constructor({ onInfo, onError, onLatest }) {
    this.log = byId("log");
    this.scroll = byId("scroll");
    this.onInfo = onInfo;
    this.visit = 0;
    this.clear(null, null);
    byId("earlier").addEventListener("click", () => this.#guarded(byId("earlier"), () => this.#earlier(), onError));
    byId("later").addEventListener("click", () => this.#guarded(byId("later"), () => this.refreshTail(true), onError));
    byId("to-end").addEventListener("click", () => (byId("later").hidden ? this.toEnd() : onLatest()));
    this.scroll.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.scroll.addEventListener("wheel", (event) => { if (event.deltaY < 0) this.pinned = false; }, { passive: true });
    this.scroll.addEventListener("touchmove", () => { this.pinned = false; }, { passive: true });
    // Whoever is at the end stays there while it grows; whoever has just unfolded something stays at that.
    this.log.addEventListener("click", (event) => { if (event.target.closest(".fold, summary")) this.pinned = false; }, { capture: true });
    const resized = new ResizeObserver(() => (this.pinned ? this.toEnd() : this.#scrolled()));
    resized.observe(this.scroll);
    resized.observe(this.log);
  }

  clear(user, id) {
    this.visit += 1;
    this.user = user;
    this.id = id;
    this.rows = new Map();
    this.loaded = false;
    this.foreign = false;
    this.pinned = true;
    this.lastTop = 0;
    this.lastRange = 0;
    this.log.replaceChildren();
    for (const name of ["earlier", "later", "to-end", "loading", "empty"]) byId(name).hidden = true;
  }

  /** A conversation that has nothing stored yet. */
  begin(user, id) {
    this.clear(user, id);
    this.loaded = true;
    this.#showEmpty();
  }

  /** Reads a conversation from its end, or around message `seq`. A server without it has a new one: nothing is wrong. */
  async open(user, id, seq, turn) {
    this.clear(user, id);
    const { visit } = this;
    const slow = setTimeout(() => { byId("loading").hidden = visit !== this.visit; }, 250);
    try {
      const query = { limit: PAGE, order: "desc", before: seq ? seq + PAGE / 2 : null };
      const [info, page] = await Promise.all([known(getSession(id)), known(listMessages(id, query))]);
      if (visit !== this.visit) return;
      this.loaded = true;
      if (info?.user_id && info.user_id !== user) {
        this.foreign = true;
        return;
      }
      this.#add(page?.items ?? []);
      byId("earlier").hidden = !page?.cursor;
      byId("later").hidden = !seq || this.highest >= (info?.last_seq ?? 0);
      if (turn) this.attach(turn);
      this.#showEmpty();
      this.onInfo(info);
      if (!this.show(seq)) this.toEnd();
    } finally {
      clearTimeout(slow);
      if (visit === this.visit) byId("loading").hidden = true;
    }
  }

  get highest() {
    return Math.max(0, ...this.rows.keys());
  }

  /** Scrolls to a message and marks it as if with a highlighter; false when it is not among those on the page. */
  show(seq) {
    const node = this.rows.get(seq);
    if (!node) return false;
    this.pinned = false;
    node.scrollIntoView({ block: "center" });
    node.focus({ preventScroll: true });
    node.classList.remove("found");
    void node.offsetWidth; // Restarts the animation of a row that is found twice.
    node.classList.add("found");
    return true;
  }

  /** Rows of an answer under way go to the end, unless what they show is stored and on the page already. */
  attach(turn) {
    for (const [node, message] of [[turn.question, turn.asked], [turn.answer, turn.answered]]) {
      if (!node) continue;
      if (message) this.adopt(node, message);
      else this.log.append(node);
    }
    this.#showEmpty();
    this.follow();
  }

  /** A row that was shown before its message was stored has its number now. */
  adopt(node, message) {
    const there = this.rows.get(message.seq);
    if (there === node) return;
    there?.remove();
    this.rows.set(message.seq, node);
    this.#insert(node, message.seq);
  }

  /** Messages that were added since, by this page or by another writer. */
  async refreshTail(asked = false) {
    if (!this.id || !this.loaded || this.foreign || (!asked && !byId("later").hidden)) return;
    const { visit } = this;
    const page = await known(listMessages(this.id, { after: this.highest, limit: PAGE, order: "asc" }));
    if (visit !== this.visit || !page) return;
    this.#add(page.items);
    byId("later").hidden = !page.cursor;
    this.#showEmpty();
    if (!asked) this.follow();
    this.#scrolled();
  }

  follow() {
    if (this.pinned) this.toEnd();
  }

  toEnd() {
    this.pinned = true;
    this.scroll.scrollTop = this.scroll.scrollHeight;
    this.lastTop = this.scroll.scrollTop;
    this.lastRange = this.scroll.scrollHeight - this.scroll.clientHeight;
  }

  async #earlier() {
    const { visit } = this;
    const lowest = Math.min(...this.rows.keys());
    const page = await listMessages(this.id, { before: lowest, limit: PAGE, order: "desc" });
    if (visit !== this.visit) return;
    const fromBottom = this.scroll.scrollHeight - this.scroll.scrollTop;
    this.#add(page.items);
    byId("earlier").hidden = !page.cursor;
    this.scroll.scrollTop = this.scroll.scrollHeight - fromBottom;
  }

  async #guarded(button, work, onError) {
    button.disabled = true;
    try { await work(); } catch (error) { onError(error); } finally { button.disabled = false; }
  }

  #add(messages) {
    for (const message of [...messages].sort((a, b) => a.seq - b.seq)) {
      if (this.rows.has(message.seq)) continue;
      const node = fill(row(), message);
      this.rows.set(message.seq, node);
      this.#insert(node, message.seq);
    }
  }

  /** The log is in order of seq; rows without one yet are last. */
  #insert(node, seq) {
    let next = null;
    for (let at = this.log.lastElementChild; at; at = at.previousElementSibling) {
      if (at === node) continue;
      if (Number(at.dataset.seq) < seq) break;
      next = at;
    }
    if (node.parentNode !== this.log || node.nextElementSibling !== next) this.log.insertBefore(node, next);
  }

  #showEmpty() {
    byId("empty").hidden = !this.loaded || this.log.childElementCount > 0;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroll;
    const range = scrollHeight - clientHeight;
    const left = range - scrollTop;
    if (scrollTop > this.lastTop && left < NEAR) this.pinned = true;
    // A step upwards lets go of the end, or a growing answer would pull the reader back at once. Where the
    // range has changed it was the browser's step, not the reader's.
    if (scrollTop < this.lastTop && left > 4 && range === this.lastRange) this.pinned = false;
    this.lastTop = scrollTop;
    this.lastRange = range;
    byId("to-end").hidden = left < 3 * NEAR && byId("later").hidden;
  }
}

/** What was asked for, or null when the server does not have it. */
async function known(request) {
  try {
    return await request;
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return null;
    throw error;
  }
}
