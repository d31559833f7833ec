export const byId = (id) => document.getElementById(id);

/** A DOM node. Children that are text become text nodes: markup in them is never read as markup. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const SVG = "http://www.w3.org/2000/svg";

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Browser storage that may be switched off or full: then the page forgets, and goes on. */
export function keeper(storage) {
  const area = () => window[storage];
  return {
    get(name) {
      try { return area().getItem(`recollect.${name}`); } catch { return null; }
    },
    set(name, value) {
      try {
        if (value) area().setItem(`recollect.${name}`, value);
        else area().removeItem(`recollect.${name}`);
      } catch { /* nothing to be done about it */ }
    },
  };
}

/** Cuts without leaving half of a surrogate pair. */
export function cut(text, length) {
  if (text.length <= length) return text;
  const code = text.charCodeAt(length - 1);
  return text.slice(0, code >= 0xd800 && code <= 0xdbff ? length - 1 : length);
}

export function firstWords(text, length = 60) {
  const line = cut(text, 400).replace(/\s+/g, " ").trim();
  return line.length > length ? `${cut(line, length)}…` : line;
}

/** What a person would read in a message's content: text, or the text parts of a list. */
export function plainText(content) {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((part) => (typeof part === "string" ? part : part?.text)).filter((text) => typeof text === "string").join("\n");
}

export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  // randomUUID exists in secure contexts only; a page on a LAN address has getRandomValues.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
