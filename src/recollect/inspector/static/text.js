import { cut, el } from "./dom.js";

// Message text is untrusted. Everything here makes nodes and text nodes; nothing is ever parsed as HTML.

const FOLD = 20000;
const RICH = 200000;
const PIECE = 6000;
const FENCE = /^(\s*)(`{3,}|~{3,})[ \t]*([\w+#.-]*)[^`]*$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^(\s*)([-*+•]|\d{1,9}[.)])[ \t]+(\S.*)$/;
const CODE = /`([^`\n]+)`/;
const BOLD = /\*\*(?=\S)([^*\n]+?)\*\*/;
const NAMED = /\[([^[\]\n]{1,500})\]\((https?:\/\/[^\s()<>]{1,2000}(?:\([^\s()<>]{0,200}\)[^\s()<>]{0,500})?)\)/;
const BARE = /(https?:\/\/[A-Za-z0-9.-]+(?::\d+)?(?:[/?#][^\s<>"`、。，．「」『』（）【】《》]*)?)/;
const INLINE = new RegExp([CODE, BOLD, NAMED, BARE].map((rule) => rule.source).join("|"), "g");
const RUNS_INTO_CJK = /[A-Za-z0-9](?=[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af])/;

/** Fenced and inline code, quotations, bold, lists and links; everything else as it was written. */
export function render(text) {
  const out = document.createDocumentFragment();
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  let plain = [];
  const flush = (beforeBlock) => {
    let run = plain.join("\n");
    if (out.lastChild) run = run.replace(/^\n+/, "");
    if (beforeBlock) run = run.trimEnd();
    if (run) out.append(...plainBlocks(run, inline));
    plain = [];
  };
  for (let i = 0; i < lines.length;) {
    const fence = FENCE.exec(lines[i]);
    const block = fence ? code : QUOTE.test(lines[i]) ? quote : ITEM.test(lines[i]) ? list : null;
    if (!block) {
      plain.push(lines[i++]);
      continue;
    }
    flush(true);
    i = block(out, lines, i, fence);
    while (i < lines.length && !lines[i].trim()) i += 1;
  }
  flush(false);
  return out;
}

function code(out, lines, start, [, indent, marks, language]) {
  const closing = new RegExp(`^\\s*[${marks[0]}]{${marks.length},}\\s*$`);
  const inside = [];
  let i = start + 1;
  // A fence that is never closed (an answer still being written) runs to the end.
  for (; i < lines.length && !closing.test(lines[i]); i += 1) {
    inside.push(lines[i].startsWith(indent) ? lines[i].slice(indent.length) : lines[i].trimStart());
  }
  out.append(el("pre", { "data-language": language || null, tabindex: 0 }, el("code", {}, inside.join("\n"))));
  return i + 1;
}

function quote(out, lines, start) {
  let end = start;
  while (end < lines.length && QUOTE.test(lines[end])) end += 1;
  const text = lines.slice(start, end).map((line) => line.replace(QUOTE, "")).join("\n");
  out.append(inline(el("blockquote"), text));
  return end;
}

function list(out, lines, start) {
  const levels = [];
  let item = null;
  let i = start;
  for (; i < lines.length; i += 1) {
    const found = ITEM.exec(lines[i]);
    if (!found) {
      const goesOn = lines[i].trim() ? /^\s{2,}/.test(lines[i]) && !FENCE.test(lines[i]) : ITEM.test(lines[i + 1] ?? "");
      if (!goesOn) break;
      if (lines[i].trim()) inline(item, `\n${lines[i].trim()}`);
      continue;
    }
    const [, { length: indent }, mark, text] = found;
    const tag = /\d/.test(mark) ? "ol" : "ul";
    while (levels.length && indent < levels.at(-1).indent) levels.pop();
    let level = levels.at(-1);
    if (!level || indent > level.indent + 1 || level.node.localName !== tag) {
      const deeper = level && indent > level.indent + 1;
      if (level && !deeper) levels.pop();
      const node = el(tag);
      (deeper ? level.item : levels.at(-1)?.item ?? out).append(node);
      level = { indent, node, item: null };
      levels.push(level);
    }
    item = inline(el("li", { value: tag === "ol" ? parseInt(mark, 10) : null }), text);
    level.node.append(item);
    level.item = item;
  }
  return i;
}

function inline(parent, text) {
  let last = 0;
  for (const match of text.matchAll(INLINE)) {
    const [whole, codeText, bold, label, named] = match;
    const bare = match[5] && trimmed(match[5]);
    let node = null;
    if (codeText) node = el("code", {}, codeText);
    else if (bold) node = inline(el("strong"), bold);
    else node = link(named ?? bare, label ?? bare);
    if (!node) continue;
    parent.append(text.slice(last, match.index), node);
    last = match.index + (bare ? bare.length : whole.length);
  }
  parent.append(text.slice(last));
  return parent;
}

/** The sentence's own punctuation, and a particle written right after the address, are not part of it. */
function trimmed(url) {
  const cjk = RUNS_INTO_CJK.exec(url);
  let end = cjk ? cjk.index + 1 : url.length;
  while (/[.,;:!?'*\]}！？：；…]/.test(url[end - 1]) || (url[end - 1] === ")" && !url.slice(0, end).includes("("))) end -= 1;
  return url.slice(0, end);
}

function link(href, label) {
  let url;
  try { url = new URL(href); } catch { return null; }
  if (url.protocol !== "https:" && url.protocol !== "http:") return null;
  return el("a", { href: url.href, title: url.href, target: "_blank", rel: "noopener noreferrer nofollow" }, label);
}

/** A message's text; beyond FOLD characters only the beginning, until asked for, unless the `whole` is wanted at once. */
export function textBlock(text, whole = false) {
  const node = el("div", { class: "text", dir: "auto", lang: language(text) });
  const everything = () => (text.length <= RICH ? [render(text)] : plainBlocks(text));
  if (whole || text.length <= FOLD) {
    node.append(...everything());
    return node;
  }
  const all = el("button", { type: "button", class: "button plain fold" }, `Show all (${text.length.toLocaleString("en")} characters)`);
  all.addEventListener("click", () => {
    node.replaceChildren(...everything());
    node.tabIndex = -1;
    node.focus({ preventScroll: true });
  });
  node.append(render(cut(text, FOLD)), el("span", { class: "quiet" }, "…"), all);
  return node;
}

/**
 * Text in blocks of its own. Long text is cut, at the end of a line where there is one: browsers need time out of proportion
 * for a long block in more than one font, and lay out these pieces only when they come into view.
 */
function plainBlocks(text, fill = (node, piece) => { node.append(piece); return node; }) {
  const blocks = [];
  const kind = text.length > 2 * PIECE ? "plain chunk" : "plain";
  for (let at = 0; at < text.length;) {
    const window = text.slice(at, at + 2 * PIECE);
    const breaks = [window.lastIndexOf("\n"), window.lastIndexOf(" "), cut(window, 2 * PIECE).length - 1];
    const end = window.length < 2 * PIECE ? window.length : breaks.find((index) => index >= PIECE) + 1;
    blocks.push(fill(el("div", { class: kind }), window.slice(0, end).replace(at + end < text.length ? /\n$/ : /$^/, "")));
    at += end;
  }
  return blocks;
}

/** Kana is Japanese, Hangul is Korean; Han alone could be a short Japanese text. For the browser's fonts, and for screen readers. */
export function language(text) {
  const start = text.slice(0, 2000);
  if (/[\u3040-\u30ff]/.test(start)) return "ja";
  if (/[\uac00-\ud7af\u3130-\u318f]/.test(start)) return "ko";
  return start.length > 100 && /[\u4e00-\u9fff]/.test(start) ? "zh" : null;
}

/** Text that grows. What lies before the last blank line of a long text is rendered once and left alone. */
export class Painter {
  constructor() {
    this.tail = el("div");
    this.node = el("div", { class: "text", dir: "auto" }, this.tail);
    this.settled = 0;
  }

  write(text) {
    let rest = text.slice(this.settled);
    if (rest.length > 3000) {
      const end = rest.lastIndexOf("\n\n");
      const fences = end > 0 ? (rest.slice(0, end).match(/^[ \t]*(```|~~~)/gm) ?? []).length : 1;
      if (fences % 2 === 0) {
        this.tail.before(el("div", {}, render(rest.slice(0, end))));
        this.settled += end + 2;
        rest = rest.slice(end + 2);
      }
    }
    if (rest.length > FOLD) this.tail.replaceChildren(...plainBlocks(rest));
    else this.tail.replaceChildren(render(rest));
    const lang = language(text);
    if (lang) this.node.lang = lang;
  }
}
