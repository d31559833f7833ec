import { keeper } from "./dom.js";
import { events } from "./sse.js";

// Relative to the page, so that it works behind any path prefix.
const root = new URL("api/v1/", document.baseURI);
const keys = keeper("sessionStorage");
const PATIENCE = 20000;

/** The server answered, with an error: an RFC 9457 problem where it sent one. */
export class Problem extends Error {
  constructor(status, body = {}, retryAfter = null) {
    super(body.title || `The server answered ${status}`);
    this.status = status;
    this.title = this.message;
    this.detail = typeof body.detail === "string" ? body.detail : "";
    this.retryAfter = retryAfter;
    this.body = body;
  }
}

/** No answer, or an answer that broke off. */
export class Unreachable extends Error {
  constructor() {
    super("The server is not reachable");
    this.title = this.message;
    this.detail = "";
  }
}

let askForKey = async () => null;
let asking = null;

/** `ask(rejected)` gives a key, or null when the person would rather not. */
export function whenKeyNeeded(ask) {
  askForKey = ask;
}

async function newKey(used) {
  // A key that came in while this request was under way is tried before asking again.
  if (keys.get("key") !== used) return true;
  asking ??= askForKey(Boolean(used)).finally(() => { asking = null; });
  const key = await asking;
  if (key) keys.set("key", key);
  return Boolean(key);
}

async function request(method, path, { query = {}, body, signal, patience = PATIENCE } = {}) {
  const url = new URL(path, root);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined) url.searchParams.set(name, value);
  }
  for (;;) {
    const key = keys.get("key");
    const headers = { Accept: "application/json, text/event-stream" };
    if (key) headers.Authorization = `Bearer ${key}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    let response;
    try {
      response = await fetch(url, {
        method,
        headers,
        cache: "no-store",
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: signal ?? AbortSignal.timeout(patience),
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Unreachable();
    }
    if (response.ok) return response;
    if (response.status === 401 && (await newKey(key))) continue;
    throw await problem(response);
  }
}

async function problem(response) {
  let body = {};
  try { body = await response.json(); } catch { /* a proxy's page, not ours */ }
  return new Problem(response.status, body ?? {}, seconds(response.headers.get("Retry-After")));
}

/** Retry-After is a number of seconds or an HTTP date. */
function seconds(text) {
  if (!text) return null;
  const value = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isFinite(value) ? Math.min(Math.max(Math.ceil(value), 1), 3600) : null;
}

async function json(...parts) {
  const response = await request(...parts);
  try { return await response.json(); } catch { throw new Unreachable(); }
}

/** An id as one path segment. Ids are any text; a lone surrogate would make encodeURIComponent throw. */
export function segment(id) {
  return encodeURIComponent(id.toWellFormed ? id.toWellFormed() : id);
}

const session = (id) => `sessions/${segment(id)}`;

export const about = () => json("GET", "about");
export const listSessions = (user, cursor, limit = 30) => json("GET", "sessions", { query: { user_id: user, limit, cursor } });
export const getSession = (id) => json("GET", session(id));
export const renameSession = (id, title) => json("PATCH", session(id), { body: { title } });
export const deleteSession = (id) => request("DELETE", session(id));
export const getMemory = (user, id) => json("GET", `users/${segment(user)}/memories/${segment(id)}`);
export const listPassages = (document, query) => json("GET", `documents/${segment(document)}/passages`, { query });
export const listMessages = (id, query) => json("GET", `${session(id)}/messages`, { query });

/** The events of one answer as it is written. */
export async function* chat(body, signal) {
  const response = await request("POST", "chat", { body: { ...body, stream: true }, signal });
  try {
    for await (const item of events(response.body)) {
      if (item.event === "error") throw new Problem(item.data.status ?? 500, item.data);
      yield item;
    }
  } catch (error) {
    if (error instanceof Problem || signal.aborted) throw error;
    throw new Unreachable();
  }
}
