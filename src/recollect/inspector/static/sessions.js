import { deleteSession, listMessages, listSessions, renameSession } from "./api.js";
import { byId, cut, el, firstWords, icon, plainText } from "./dom.js";
import { place } from "./message.js";
import { confirmDelete } from "./notices.js";
import { ago, exactly } from "./when.js";

const UNTITLED = "New conversation";

/** The list of the user's conversations, in the server's order: latest activity first. */
export class Sessions {
  constructor({ onError, onDeleted, onTitle }) {
    Object.assign(this, { onError, onDeleted, onTitle });
    this.list = byId("sessions");
    this.busy = new Set();
    this.current = null;
    this.looking = 0;
    this.seen = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries) if (isIntersecting) this.#wantBeginning(target);
    });
    byId("sessions-more").addEventListener("click", () => this.#more());
    setInterval(() => this.#render(), 30000);
    this.of(null);
  }

  of(user) {
    this.user = user;
    this.items = [];
    this.cursor = null;
    this.more = false;
    this.beginnings = new Map();
    this.wanted = [];
    this.list.replaceChildren();
    this.nodes = new Map();
    byId("sessions-empty").hidden = true;
    byId("sessions-more").hidden = true;
  }

  /** Reads the newest page, and keeps the older ones that were loaded already. */
  async load() {
    const { user } = this;
    const page = await listSessions(user, null);
    if (user !== this.user) return;
    const fresh = new Set(page.items.map(({ id }) => id));
    const older = page.cursor && this.more ? this.items.filter(({ id }) => !fresh.has(id)) : [];
    this.items = [...page.items, ...older];
    if (!this.more || !page.cursor) this.cursor = page.cursor;
    byId("sessions-empty").hidden = this.items.length > 0;
    this.#render();
  }

  /** A conversation that has just been written to goes to the top without waiting for the server. */
  touch(id, text) {
    const now = new Date().toISOString();
    const item = this.item(id) ?? { id, title: null, created_at: now };
    if (!this.beginnings.get(id) && !this.items.includes(item)) this.beginnings.set(id, firstWords(text));
    this.items = [{ ...item, updated_at: now }, ...this.items.filter((each) => each.id !== id)];
    byId("sessions-empty").hidden = true;
    this.#render();
    this.list.parentElement.scrollTop = 0;
  }

  mark({ current = this.current, busy = this.busy }) {
    this.current = current;
    this.busy = busy;
    this.#render();
  }

  item(id) {
    return this.items.find((each) => each.id === id);
  }

  title(id) {
    return this.item(id)?.title || this.beginnings.get(id) || UNTITLED;
  }

  async #more() {
    const button = byId("sessions-more");
    const { user, cursor } = this;
    button.disabled = true;
    try {
      const page = await listSessions(user, cursor);
      if (user !== this.user) return;
      const known = new Set(this.items.map(({ id }) => id));
      const first = page.items.find(({ id }) => !known.has(id));
      this.items.push(...page.items.filter(({ id }) => !known.has(id)));
      this.cursor = page.cursor;
      this.more = true;
      this.#render();
      if (!page.cursor && first) this.nodes.get(first.id)?.querySelector("a").focus();
    } catch (error) {
      this.onError(error);
    } finally {
      button.disabled = false;
    }
  }

  #render() {
    const nodes = new Map();
    this.items.forEach((item, index) => {
      const node = this.nodes.get(item.id) ?? this.#node(item.id);
      nodes.set(item.id, node);
      this.#update(node, item);
      if (this.list.children[index] !== node) this.list.insertBefore(node, this.list.children[index] ?? null);
    });
    for (const [id, node] of this.nodes) if (!nodes.has(id)) node.remove();
    this.nodes = nodes;
    if (nodes.has(this.current)) this.#wantBeginning(nodes.get(this.current));
    byId("sessions-more").hidden = !this.cursor;
    if (this.item(this.current)) this.onTitle(this.title(this.current));
  }

  #node(id) {
    const node = el("li", { class: "session", "data-testid": "session-item" },
      el("a", { href: place(id) }, el("span", { class: "session-title", dir: "auto" }), el("time", {})),
      el("span", { class: "session-buttons" },
        el("button", { type: "button", class: "icon-button", title: "Rename", onclick: () => this.#rename(id) }, icon("pen")),
        el("button", { type: "button", class: "icon-button", title: "Delete", onclick: () => this.#delete(id) }, icon("bin"))));
    node.dataset.id = id;
    this.seen.observe(node);
    return node;
  }

  #update(node, item) {
    const title = this.title(item.id);
    const link = node.querySelector("a");
    const label = node.querySelector(".session-title");
    if (label.textContent !== title) label.textContent = title;
    link.title = title;
    if (item.id === this.current) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
    for (const button of node.querySelectorAll("button")) button.setAttribute("aria-label", `${button.title}: ${title}`);
    const time = node.querySelector("time");
    time.dateTime = item.updated_at;
    time.title = exactly(item.updated_at);
    time.textContent = ago(item.updated_at);
    node.classList.toggle("busy", this.busy.has(item.id));
  }

  /** Without a title, the first words say best what a conversation is: read when the line comes into view. */
  #wantBeginning(node) {
    const { id } = node.dataset;
    const item = this.item(id);
    if (!item || item.title || this.beginnings.has(id)) return;
    this.beginnings.set(id, "");
    this.wanted.push(id);
    this.#look();
  }

  async #look() {
    if (this.looking >= 2 || !this.wanted.length) return;
    const id = this.wanted.shift();
    this.looking += 1;
    try {
      const page = await listMessages(id, { limit: 3, order: "asc" });
      const message = page.items.find(({ role, content }) => role === "user" && plainText(content).trim());
      if (message) this.beginnings.set(id, firstWords(plainText(message.content)));
      this.#render();
    } catch {
      this.beginnings.delete(id);
    } finally {
      this.looking -= 1;
    }
    this.#look();
  }

  #rename(id) {
    const node = this.nodes.get(id);
    const title = this.title(id);
    const input = el("input", { class: "rename", "aria-label": "Title of the conversation", maxlength: 200, dir: "auto" });
    input.value = title === UNTITLED ? "" : title;
    node.classList.add("renaming");
    node.append(input);
    input.select();
    let open = true;
    const close = async (save) => {
      if (!open) return;
      open = false;
      const focused = document.activeElement === input;
      input.remove();
      node.classList.remove("renaming");
      if (focused) node.querySelector("a").focus();
      const wish = cut(input.value.trim(), 200);
      if (!save || !wish || wish === title) return;
      try {
        const stored = await renameSession(id, wish);
        this.items = this.items.map((each) => (each.id === id ? { ...each, title: stored.title ?? wish } : each));
        this.#render();
      } catch (error) {
        this.onError(error);
      }
    };
    input.addEventListener("blur", () => close(true));
    input.addEventListener("keydown", (event) => {
      if (event.isComposing || event.keyCode === 229) return;
      if (event.key !== "Enter" && event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      close(event.key === "Enter");
    });
  }

  async #delete(id) {
    if (!(await confirmDelete(this.title(id)))) return;
    try {
      await deleteSession(id);
    } catch (error) {
      if (error.status !== 404) return this.onError(error);
    }
    this.items = this.items.filter((each) => each.id !== id);
    this.beginnings.delete(id);
    byId("sessions-empty").hidden = this.items.length > 0;
    this.#render();
    this.onDeleted(id);
  }
}
