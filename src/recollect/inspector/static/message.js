import { el, firstWords, plainText } from "./dom.js";
import { getMemory, listMessages, listPassages, segment } from "./api.js";
import { textBlock } from "./text.js";
import { at, exactly } from "./when.js";

const NAMES = { user: "You", assistant: "Assistant", system: "System", tool: "Tool" };
// Sources and usage come with an answer, not with a stored message: kept while the page is open.
const told = new Map();

export function keepTold(id, sources, usage) {
  told.set(id, { sources, usage });
}

export function place(sessionId, seq) {
  return `#s=${segment(sessionId)}${seq ? `&m=${seq}` : ""}`;
}

export function row() {
  return el("li", { class: "message", "data-testid": "message" });
}

/** Writes a message into its row; the row stays the same node when a streamed answer becomes a stored one. */
export function fill(node, message, { waiting = false, body = null, mark = null, whole = false } = {}) {
  const { role, seq, metadata } = message;
  const tag = mark ?? (metadata?.partial === true ? "partial" : null);
  node.dataset.role = role;
  if (seq) {
    node.dataset.seq = seq;
    node.tabIndex = -1;
  }
  node.classList.toggle("waiting", waiting);
  node.setAttribute("aria-busy", String(waiting));
  const time = message.created_at && el("time", { datetime: message.created_at, title: exactly(message.created_at) }, at(message.created_at));
  const head = el("div", { class: "message-head" },
    el("span", { class: "role", dir: "auto" }, message.name || NAMES[role] || role),
    time,
    tag && el("span", { class: "tag", title: "The answer was stopped before its end" }, tag),
    waiting && role === "user" && el("span", { class: "quiet" }, "sending…"),
    !waiting && copyButton(message));
  node.replaceChildren(
    el("span", { class: "seq", title: seq ? `Message ${seq} of this conversation` : null, "aria-hidden": "true" }, seq ? String(seq) : "·"),
    el("div", { class: "message-main" }, head, body ?? content(message, whole), ...(waiting ? [] : footer(message))));
  return node;
}

function copyButton(message) {
  const text = plainText(message.content);
  if (!text || !navigator.clipboard) return null;
  const button = el("button", { type: "button", class: "copy", "aria-label": "Copy this message" }, "Copy");
  button.addEventListener("click", async () => {
    try { await navigator.clipboard.writeText(text); } catch { return; }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  return button;
}

function content({ role, content: value, tool_calls: calls }, whole) {
  const node = el("div", { class: "content" });
  const parts = typeof value === "string" ? [{ type: "text", text: value }] : Array.isArray(value) ? value : [];
  if (role === "tool") node.append(fold("Result", plainText(value)));
  else node.append(...parts.map((each) => part(each, whole)));
  for (const call of Array.isArray(calls) ? calls : []) node.append(toolCall(call));
  if (!node.firstChild) node.append(el("p", { class: "quiet" }, "(no text)"));
  return node;
}

function part(value, whole) {
  if (typeof value === "string") return textBlock(value, whole);
  if (typeof value?.text === "string") return textBlock(value.text, whole);
  if (value?.type === "image_url") return image(value.image_url?.url ?? value.image_url);
  return fold(value?.type ? String(value.type).replaceAll("_", " ") : "part", JSON.stringify(value, null, 2));
}

/** Pictures are named, never fetched: the page talks to its own server only. */
function image(url) {
  if (typeof url === "string" && /^https?:\/\//i.test(url)) {
    return el("p", { class: "chip" }, "Image ", el("a", { href: url, target: "_blank", rel: "noopener noreferrer nofollow" }, firstWords(url, 80)));
  }
  const kind = /^data:([\w/+.-]+)/.exec(String(url))?.[1] ?? "unknown kind";
  return el("p", { class: "chip" }, `Image, ${kind}, about ${Math.max(1, Math.round(String(url).length * 0.75 / 1024)).toLocaleString("en")} KB`);
}

function toolCall(call) {
  const name = call?.function?.name ?? call?.name ?? "tool";
  const given = call?.function?.arguments ?? call?.arguments ?? call?.input ?? {};
  return fold(`Called ${name}`, typeof given === "string" ? given : JSON.stringify(given, null, 2));
}

function fold(title, text) {
  return el("details", { class: "fold-box" }, el("summary", {}, title), textBlock(text));
}

function footer(message) {
  const { model, usage: figures, sources: places } = message.metadata ?? {};
  const { sources = places, usage = typeof model === "string" && { ...figures, model } } = told.get(message.id) ?? {};
  return [
    Array.isArray(sources) && sources.length > 0 && sourceList(sources, message),
    usage && message.role === "assistant" && el("p", { class: "usage" }, usageLine(usage)),
  ].filter(Boolean);
}

function sourceList(sources, message) {
  const title = sources.length === 1 ? "1 source" : `${sources.length} sources`;
  const list = el("ol");
  const box = el("details", { class: "sources", "data-testid": "sources" }, el("summary", {}, title), list);
  box.addEventListener("toggle", async () => {
    if (!box.open || list.firstChild) return;
    list.replaceChildren(...(await Promise.all(sources.map(withText))).map((source) => sourceItem(source, message)));
  });
  return box;
}

/** A stored answer names its sources only by their place: their text is read when they are looked at. */
async function withText(source) {
  if (typeof source.text === "string") return source;
  try {
    const found = await stored(source);
    if (!found) return { ...source, text: "(no longer stored)" };
    const { role, created_at, source: from } = found;
    return { ...source, text: plainText(found.content), role, created_at, heading: from?.heading };
  } catch (problem) {
    return { ...source, text: problem.status === 404 ? "(no longer stored)" : "(could not be read)" };
  }
}

/** What a source names, as it is now. */
async function stored({ session_id: session, message_id: id, seq, namespace, memory_id: memory, document, position }) {
  if (session) {
    const page = await listMessages(session, { after: seq - 1, before: seq + 1, limit: 1 });
    return page.items.find((message) => message.id === id);
  }
  if (document) return (await listPassages(document, { after: position - 1, limit: 1 })).items[0];
  return getMemory(namespace.slice(1).join("/"), memory);
}

function sourceItem(source, message) {
  const here = source.session_id === message.session_id;
  const about = [
    whence(source, here),
    source.heading,
    source.seq && `#${source.seq}`,
    source.role && (NAMES[source.role] ?? source.role),
    source.created_at && at(source.created_at),
    Number.isFinite(source.score) && `score ${source.score.toFixed(2)}`,
  ].filter(Boolean).join(" · ");
  const inside = [el("span", { class: "source-text", dir: "auto" }, firstWords(source.text ?? "", 280)), el("span", { class: "source-about" }, about)];
  if (!source.session_id) return el("li", {}, el("div", { class: "source" }, ...inside));
  return el("li", {}, el("a", { class: "source", href: place(source.session_id, source.seq) }, ...inside));
}

function whence(source, here) {
  if (source.session_id) return here ? "this conversation" : "another conversation";
  return source.document ? source.title || source.document : "a memory";
}

function usageLine(usage) {
  const number = (value, words) => (Number.isFinite(value) ? `${value.toLocaleString("en")} ${words}` : null);
  return [
    !usage.model || usage.model === "offline" ? "offline answerer" : usage.model,
    number(usage.context_tokens, "tokens of context"),
    number(usage.prompt_tokens, "in"),
    number(usage.completion_tokens, "out"),
  ].filter(Boolean).join(" · ");
}

export function writing() {
  return el("p", { class: "writing" }, el("span", { class: "unseen" }, "The answer is being written"), el("i"), el("i"), el("i"));
}
