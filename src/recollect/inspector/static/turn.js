import { chat, listMessages, Problem } from "./api.js";
import { el, newId } from "./dom.js";
import { fill, keepTold, row, writing } from "./message.js";
import { Painter } from "./text.js";

const PAINT = 40;
const pause = (time) => new Promise((resolve) => { setTimeout(resolve, time); });

/**
 * One question and its answer. It goes on while another conversation is looked at, so it owns its two rows.
 * `again` is an earlier turn with the same question: under the same id the server stores it once, however often it is sent.
 */
export class Turn {
  constructor({ user, sessionId, text, after, again, onAsked, onText, onStored }) {
    Object.assign(this, { user, sessionId, text, after, onAsked, onText, onStored });
    this.id = again?.id ?? newId();
    this.asked = again?.asked ?? null;
    this.question = this.asked ? again.question : fill(row(), { role: "user", content: text }, { waiting: true });
    this.answered = null;
    this.reply = "";
    this.stopped = false;
    this.control = new AbortController();
    this.painter = new Painter();
    this.timer = 0;
    this.dots = writing();
    this.answer = fill(row(), { role: "assistant" }, { waiting: true, body: el("div", { class: "content" }, this.painter.node, this.dots) });
  }

  /** Ends without an error when the answer is complete; throws Problem, Unreachable, or AbortError after stop(). */
  async run() {
    const body = { session_id: this.sessionId, user_id: this.user, message: this.text, message_id: this.id };
    try {
      for await (const { event, data } of chat(body, this.control.signal)) {
        if (event === "start") this.#isStored(data.user_message);
        else if (event === "delta") this.#more(data.text);
        else if (event === "done") {
          keepTold(data.message.id, data.sources, data.usage);
          this.#complete(data.message);
          return;
        }
      }
      throw new Problem(502, { title: "The answer broke off", detail: "The server ended it without saying why." });
    } catch (error) {
      // A model that fails leaves the question stored, and what it had said by then.
      if (error.body?.user_message) this.#isStored(error.body.user_message);
      if (error.body?.partial) this.#complete(error.body.partial);
      throw error;
    } finally {
      clearTimeout(this.timer);
      if (!this.answered) this.#leaveOff("partial");
    }
  }

  stop() {
    this.stopped = true;
    this.control.abort();
  }

  /**
   * After an answer that did not end well: what did the server keep? Fills the rows with what it did;
   * throws when the server cannot be asked.
   */
  async settle() {
    for (const wait of [300, 1200, 3000]) {
      await pause(wait);
      const messages = await this.#stored();
      const asked = messages.find(({ id }) => id === this.id);
      if (asked && !this.asked) this.#isStored(asked);
      const answer = messages.findLast(({ role, metadata }) => role === "assistant" && metadata?.reply_to === this.id);
      if (answer) this.#complete(answer);
      if (answer || (this.asked && !this.reply)) return;
    }
    this.#leaveOff("partial, not stored");
  }

  async #stored() {
    try {
      return (await listMessages(this.sessionId, { after: this.after, limit: 50, order: "asc" })).items;
    } catch (error) {
      if (error instanceof Problem && error.status === 404) return [];
      throw error;
    }
  }

  #isStored(message) {
    const news = !this.asked;
    this.asked = message;
    fill(this.question, message);
    if (news) this.onAsked(this);
    this.onStored(this);
  }

  #more(text) {
    this.reply += text;
    this.timer ||= setTimeout(() => {
      this.timer = 0;
      this.dots.remove();
      this.painter.write(this.reply);
      this.onText(this);
    }, PAINT);
  }

  #complete(message) {
    clearTimeout(this.timer);
    this.answered = message;
    // What has just been read as it came is not folded away under the reader's eyes.
    this.answer = fill(this.answer ?? row(), message, { whole: true });
    this.onStored(this);
  }

  #leaveOff(mark) {
    if (this.reply) fill(this.answer, { role: "assistant", content: this.reply, metadata: {} }, { mark, whole: true });
    else {
      this.answer?.remove();
      this.answer = null;
    }
  }
}
