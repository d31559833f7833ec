import { byId, keeper } from "./dom.js";
import { language } from "./text.js";

const drafts = keeper("sessionStorage");
const LONG = 10000;
const RIGHT_TO_LEFT = /^\P{L}*[\p{Script=Arabic}\p{Script=Hebrew}]/u;

/** The text box. What is typed is kept as a draft of its conversation until the server says that it is stored. */
export class Composer {
  constructor({ onSend, onStop }) {
    this.box = byId("composer-text");
    this.sendButton = byId("send");
    this.stopButton = byId("stop");
    this.place = "draft";
    this.busy = false;
    this.held = false;
    this.onSend = onSend;
    let composing = false;
    this.box.addEventListener("compositionstart", () => { composing = true; });
    this.box.addEventListener("compositionend", () => { composing = false; });
    this.box.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey) return;
      // While an input method composes, Enter takes the syllable or the candidate. Safari ends the
      // composition before this event and says 229 instead.
      if (composing || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      this.submit();
    });
    this.box.addEventListener("input", () => this.#changed());
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.stopButton.addEventListener("click", onStop);
    // A tap on the button leaves the focus, and with it a phone's keyboard, where it is.
    for (const button of [this.sendButton, this.stopButton]) button.addEventListener("mousedown", (event) => event.preventDefault());
    window.addEventListener("resize", () => this.#grow());
  }

  /** Moves to the draft of another conversation. */
  open(user, sessionId) {
    this.place = this.#key(user, sessionId);
    this.box.value = drafts.get(this.place) ?? "";
    this.#refresh();
  }

  submit() {
    const text = this.box.value;
    if (!text.trim() || this.busy || this.held) return;
    this.box.value = "";
    this.#refresh();
    drafts.set(this.place, "");
    this.onSend(text);
  }

  keep(user, sessionId, text) {
    drafts.set(this.#key(user, sessionId), text);
  }

  /** A message that was sent is stored: its draft goes, unless something else has been typed since. */
  forget(user, sessionId, text) {
    const key = this.#key(user, sessionId);
    if (drafts.get(key) === text) drafts.set(key, "");
  }

  /** A message that could not be sent comes back in front of whatever has been typed since. */
  giveBack(user, sessionId, text) {
    const key = this.#key(user, sessionId);
    const here = key === this.place;
    const typed = here ? this.box.value : "";
    const whole = typed && typed !== text ? `${text}\n${typed}` : text;
    drafts.set(key, whole);
    if (!here) return;
    this.box.value = whole;
    this.#refresh();
  }

  /** A message that was given back turns out to have arrived. */
  takeBack(user, sessionId, text) {
    this.forget(user, sessionId, text);
    if (this.#key(user, sessionId) !== this.place || this.box.value !== text) return;
    this.box.value = "";
    this.#refresh();
  }

  setBusy(busy) {
    const from = document.activeElement;
    this.busy = busy;
    this.#refresh();
    if (from === this.sendButton && busy) this.stopButton.focus();
    if (from === this.stopButton && !busy) this.box.focus();
  }

  hold(held) {
    this.held = held;
    this.#refresh();
  }

  focus() {
    // On a touch screen a focused box opens the keyboard over the conversation: only when asked for.
    if (matchMedia("(hover: hover)").matches) this.box.focus({ preventScroll: true });
  }

  #key(user, sessionId) {
    return `draft.${JSON.stringify([user, sessionId])}`;
  }

  #changed() {
    drafts.set(this.place, this.box.value);
    this.#refresh();
  }

  #refresh() {
    this.sendButton.hidden = this.busy;
    this.stopButton.hidden = !this.busy;
    this.sendButton.disabled = this.held || !this.box.value.trim();
    this.#grow();
  }

  #grow() {
    const text = this.box.value;
    if (text.length > LONG) {
      // Seconds of the browser's time on a pasted book: measuring it, finding the direction of every
      // paragraph, and looking for each character in font after font.
      this.box.style.height = "40vh";
      this.box.dir = RIGHT_TO_LEFT.test(text.slice(0, LONG)) ? "rtl" : "ltr";
      this.box.lang = language(text) ?? "";
      return;
    }
    this.box.dir = "auto";
    this.box.removeAttribute("lang");
    this.box.style.height = "auto";
    this.box.style.height = `${Math.min(this.box.scrollHeight, innerHeight * 0.4)}px`;
  }
}
