import { byId, el, icon } from "./dom.js";

const shown = new Map();

/** One calm line per subject above the composer; showing a subject again replaces it. */
export function notice(subject, { tone = "plain", title, detail = "", actions = [], closable = true }) {
  const text = el("p", {}, el("strong", {}, title), detail ? ` ${detail}` : "");
  const buttons = actions.map(({ label, run }) =>
    el("button", { type: "button", class: "button small", onclick: () => { clearNotice(subject); run(); } }, label));
  const close = closable && el("button", { type: "button", class: "icon-button", "aria-label": "Close this notice", onclick: () => clearNotice(subject) }, icon("close"));
  const node = el("div", { class: `notice ${tone}`, "data-testid": "notice", "data-subject": subject }, text, el("div", { class: "notice-buttons" }, ...buttons, close));
  const before = shown.get(subject);
  if (before) {
    clearInterval(before.timer);
    before.node.replaceWith(node);
  } else byId("notices").append(node);
  shown.set(subject, { node, text, timer: 0 });
}

export function clearNotice(subject) {
  const entry = shown.get(subject);
  if (!entry) return;
  clearInterval(entry.timer);
  // The keyboard must not be thrown to the top of the page when the button it was on goes away.
  const hadFocus = entry.node.contains(document.activeElement);
  entry.node.remove();
  shown.delete(subject);
  if (hadFocus) byId("composer-text").focus();
}

export const hasNotice = (subject) => shown.has(subject);

/** A notice that counts down, then calls `after`. The count is hidden from screen readers: it would be read every second. */
export function countdown(subject, seconds, { title, detail, unit = "You can send again in", tone = "warn" }, after) {
  notice(subject, { tone, title, detail, closable: false });
  const entry = shown.get(subject);
  const count = el("span", { class: "count", "aria-hidden": "true" });
  entry.text.append(" ", count);
  const until = Date.now() + seconds * 1000;
  const tick = () => {
    const left = Math.ceil((until - Date.now()) / 1000);
    count.textContent = `${unit} ${Math.max(left, 1)} s.`;
    if (left > 0) return;
    clearNotice(subject);
    after();
  };
  tick();
  entry.timer = setInterval(tick, 250);
}

/** The modal question of `dialog`: the value of the button that closed it, "no" for Escape. */
export function ask(dialog) {
  return new Promise((resolve) => {
    dialog.returnValue = "no";
    dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true });
    dialog.showModal();
  });
}

export async function confirmDelete(title) {
  byId("confirm-text").textContent = title;
  return (await ask(byId("confirm"))) === "yes";
}

export async function askForKey(rejected) {
  const input = byId("key-input");
  // Not a submit button: Enter in the field would press the first of those.
  byId("key-no").onclick = () => byId("key").close("no");
  input.value = "";
  byId("key-text").textContent = rejected ? "The key that was given is not accepted here." : "Ask whoever runs it for one.";
  const answer = await ask(byId("key"));
  const key = input.value.trim();
  input.value = "";
  return answer === "yes" && key ? key : null;
}

let spoken = 0;
let speaking = 0;

/** Reads a growing answer to screen readers, whole sentences at a time. */
export function speak(text, ended = false) {
  const now = Date.now();
  if (!ended && now - speaking < 1500) return;
  const rest = text.slice(spoken);
  let end = rest.length;
  while (!ended && end > 0 && !".!?。！？\n".includes(rest[end - 1])) end -= 1;
  if (end > 0) {
    byId("live").textContent = rest.slice(Math.max(0, end - 2000), end);
    spoken += end;
    speaking = now;
  }
}

export function say(text) {
  byId("live").textContent = text;
  spoken = 0;
  speaking = Date.now();
}
