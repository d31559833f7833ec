import { about, Problem, Unreachable, whenKeyNeeded } from "./api.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { byId, keeper, newId } from "./dom.js";
import { showAbout, startFrame } from "./frame.js";
import { Link } from "./link.js";
import { place } from "./message.js";
import { askForKey, clearNotice, countdown, notice, say, speak } from "./notices.js";
import { Sessions } from "./sessions.js";
import { Turn } from "./turn.js";

const DEFAULT_USER = "guest";
const settings = keeper("localStorage");
const turns = new Map();
// Turns of which it is not known yet what the server kept; and those whose message went back to the text box.
const unsettled = new Set();
const unsent = new Set();
let user = settings.get("user") || DEFAULT_USER;
let opening = null;

whenKeyNeeded(askForKey);
const frame = startFrame();
const link = new Link(refresh, tell);
const composer = new Composer({ onSend: send, onStop: () => turns.get(conversation.id)?.stop() });
const conversation = new Conversation({ onInfo: showInfo, onError: (error) => link.failed(error), onLatest: () => show(conversation.id) });
const sessions = new Sessions({
  onError: (error) => link.failed(error),
  onTitle: (title) => showTitle(title),
  onDeleted: (id) => {
    turns.get(id)?.stop();
    if (id === conversation.id) goTo(null);
  },
});

function tell(error) {
  const needsKey = error.status === 401;
  notice(needsKey ? "key" : "problem", {
    tone: "bad",
    title: needsKey ? "This server asks for an API key." : error.title ?? "This page has met an error.",
    detail: needsKey ? "" : error instanceof Problem ? error.detail : error.detail ?? String(error.message ?? error),
    actions: needsKey ? [{ label: "Enter the key", run: () => link.check() }] : [],
  });
}

/** `#s=<id>&m=<seq>`: which conversation, and which message of it to show. */
function address(hash = location.hash) {
  const fields = Object.fromEntries(hash.slice(1).split("&").map((field) => [field.slice(0, 1), field.slice(2)]));
  let id = fields.s || null;
  try { id = id && decodeURIComponent(id); } catch { /* written by hand: taken as it stands */ }
  return { id, seq: Number.parseInt(fields.m, 10) || null };
}

function goTo(id, seq) {
  const hash = id ? place(id, seq) : "";
  if (location.hash !== hash) history.pushState(null, "", hash || location.pathname + location.search);
  if (id && seq && id === conversation.id && conversation.show(seq)) return frame.closeList();
  return show(id, seq);
}

/** Opens a conversation; null is a new one, which gets its id with its first message. */
async function show(id, seq = null) {
  frame.closeList();
  for (const subject of ["problem", "answer", "foreign"]) clearNotice(subject);
  say("");
  composer.open(user, id);
  composer.hold(false);
  composer.setBusy(turns.has(id));
  sessions.mark({ current: id });
  showTitle(id ? sessions.title(id) : "New chat");
  showInfo(null);
  if (!id) {
    opening = null;
    conversation.begin(user, null);
    return;
  }
  opening = { id, seq };
  try { await open(); } catch (error) { link.failed(error); }
}

/** Reads what is being opened; throws unless something else has been chosen in the meantime. */
async function open() {
  const wanted = opening;
  try {
    await conversation.open(user, wanted.id, wanted.seq, turns.get(wanted.id));
  } catch (error) {
    if (opening === wanted) throw error;
  }
  if (opening !== wanted) return;
  opening = null;
  if (!conversation.foreign) return;
  composer.hold(true);
  showTitle("Conversation");
  notice("foreign", { tone: "warn", title: "This conversation belongs to another user.", detail: `You are “${user}”; change that above the list, or start a new chat.`, closable: false });
}

function showTitle(title) {
  byId("chat-title").textContent = title;
  document.title = `${title} · Recollect`;
}

function showInfo(info) {
  const count = info?.message_count;
  byId("chat-facts").textContent = count ? `${count.toLocaleString("en")} ${count === 1 ? "message" : "messages"}` : "";
  if (info?.title) showTitle(info.title);
}

/** Everything the page shows, read again; throws when the server cannot give it. */
async function refresh() {
  showAbout(await about());
  await sessions.load();
  clearNotice("key");
  const item = sessions.item(conversation.id);
  if (item) showInfo(item);
  if (opening) await open();
  else if (!turns.has(conversation.id)) await conversation.refreshTail();
  for (const turn of unsettled) settle(turn);
}

/** Sends a message; `before` is the turn in which the same message was sent, and not answered. */
async function send(text, before = null) {
  clearNotice("answer");
  if (!conversation.id) {
    const id = newId();
    history.pushState(null, "", place(id));
    conversation.begin(user, id);
    composer.open(user, id);
    sessions.mark({ current: id });
  } else if (!byId("later").hidden) await show(conversation.id);
  const { id } = conversation;
  if (!before) composer.keep(user, id, text);
  const again = before ?? [...unsent].find((turn) => turn.user === user && turn.sessionId === id && turn.text === text);
  unsent.delete(again);
  unsettled.delete(again);
  const turn = new Turn({
    user,
    sessionId: id,
    text,
    after: conversation.highest,
    again,
    onAsked: () => {
      composer.forget(turn.user, id, text);
      if (turn.user === user) sessions.touch(id, text);
    },
    onStored: () => { if (here(turn)) conversation.attach(turn); },
    onText: () => {
      if (!here(turn)) return;
      speak(turn.reply);
      conversation.follow();
    },
  });
  turns.set(id, turn);
  busy();
  conversation.attach(turn);
  conversation.toEnd();
  say("The answer is being written.");
  try {
    await turn.run();
    ended(turn);
    if (here(turn)) speak(turn.reply, true);
    await link.check();
  } catch (error) {
    ended(turn);
    broken(turn, error);
  }
}

const here = (turn) => turn.user === user && turn.sessionId === conversation.id && conversation.loaded;

function ended(turn) {
  turns.delete(turn.sessionId);
  busy();
}

function busy() {
  composer.setBusy(turns.has(conversation.id));
  sessions.mark({ busy: new Set(turns.keys()) });
}

const sentence = (text) => (/[.!?。]$/.test(text) ? text : `${text}.`);

/** An answer that did not come to its end: what was typed is never lost, and what is stored is said to be. */
function broken(turn, error) {
  if (!turn.asked) {
    turn.question.remove();
    composer.giveBack(turn.user, turn.sessionId, turn.text);
    unsent.add(turn);
  }
  const away = error instanceof Unreachable;
  if (!turn.stopped && here(turn) && (turn.asked || !away)) explain(turn, error);
  if (away) link.failed(error);
  // Refused at the door (but 413 may come after): nothing of it is stored.
  if (!turn.asked && error.status < 500 && error.status !== 413) return;
  unsettled.add(turn);
  if (!link.away) settle(turn);
}

function explain(turn, error) {
  const title = sentence(error instanceof Unreachable ? "The connection was lost during the answer" : error.title ?? "The answer broke off");
  const kept = turn.asked ? "Your message is stored." : "What you wrote is still below.";
  const said = error.detail ? sentence(error.detail) : "";
  const detail = said.toLowerCase().includes("your message is stored") ? said : `${said} ${kept}`.trim();
  const run = () => (turn.asked ? send(turn.text, turn) : composer.submit());
  const offer = () => notice("answer", { tone: "bad", title, detail, actions: [{ label: "Try again", run }] });
  if (!error.retryAfter) return offer();
  composer.hold(true);
  return countdown("answer", error.retryAfter, { title, detail }, () => {
    composer.hold(false);
    if (turn.asked) offer();
  });
}

/** Asks what the server kept of an answer that broke off. */
async function settle(turn) {
  const wasAsked = Boolean(turn.asked);
  unsettled.delete(turn);
  try {
    await turn.settle();
    if (here(turn)) await conversation.refreshTail();
  } catch (error) {
    unsettled.add(turn);
    return link.failed(error);
  }
  if (here(turn) && turn.answered && turn.answered.metadata?.partial !== true) clearNotice("answer");
  if (wasAsked || !turn.asked) return undefined;
  unsent.delete(turn);
  composer.takeBack(turn.user, turn.sessionId, turn.text);
  return undefined;
}

function become(name) {
  const next = name.trim() || DEFAULT_USER;
  byId("user").value = next;
  if (next === user) return;
  const { foreign, id } = conversation;
  user = next;
  settings.set("user", next);
  sessions.of(user);
  goTo(foreign ? id : null);
  link.check();
}

// A name typed before this ran stays, and becomes the user as any other does.
const typedEarly = document.activeElement === byId("user") && byId("user").value.trim();
if (!typedEarly) byId("user").value = user;
byId("user").addEventListener("change", (event) => become(event.target.value));
byId("user").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.isComposing || event.keyCode === 229) return;
  // Otherwise the key goes on to where the focus goes, and starts a line there.
  event.preventDefault();
  byId("user").blur();
  composer.focus();
});
byId("new-chat").addEventListener("click", () => {
  goTo(null);
  composer.focus();
});
byId("skip").addEventListener("click", () => byId("composer-text").focus());
window.addEventListener("hashchange", () => {
  const { id, seq } = address();
  if (id !== conversation.id || seq) show(id, seq);
});
// The address may be the same already (a source looked up twice): a click still goes there.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.('a[href^="#s="]');
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  const { id, seq } = address(link.hash);
  goTo(id, seq);
});

sessions.of(user);
const first = address();
opening = first.id ? first : null;
composer.open(user, first.id);
sessions.mark({ current: first.id });
if (!first.id) conversation.begin(user, null);
link.check().then(() => composer.focus());
