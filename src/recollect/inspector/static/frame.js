import { byId } from "./dom.js";

const NARROW = matchMedia("(max-width: 760px)");

/** What the server is: its store, its model or that it has none. */
export function showAbout({ version, store, model, scope }) {
  const address = String(store?.url ?? "").replace(/\/\/[^/@]*@/, "//");
  byId("store").textContent = address || store?.kind || "unknown";
  byId("store").title = [store?.kind, scope && scope !== "default" ? `scope ${scope}` : null].filter(Boolean).join(", ");
  byId("model").textContent = model ? model.name : "no model set: answers quote what is in memory (offline answerer)";
  byId("model").title = model?.base_url ?? "";
  byId("model").classList.toggle("none", !model);
  byId("how").hidden = Boolean(model);
  byId("empty-model").hidden = Boolean(model);
  byId("version").textContent = version ? `Recollect ${version}` : "";
}

/** The drawer of a narrow screen, and what closes itself on Escape or a click beside it. */
export function startFrame() {
  const toggle = byId("toggle-list");
  const how = byId("how");
  const setList = (open) => {
    document.body.classList.toggle("list-open", open);
    toggle.setAttribute("aria-expanded", String(open));
    byId("shade").hidden = !open;
    byId("chat").inert = open;
  };
  const closeList = () => {
    if (!document.body.classList.contains("list-open")) return;
    setList(false);
    toggle.focus({ preventScroll: true });
  };
  toggle.addEventListener("click", () => {
    const open = !document.body.classList.contains("list-open");
    setList(open);
    if (open) byId("new-chat").focus();
  });
  byId("shade").addEventListener("click", closeList);
  NARROW.addEventListener("change", () => setList(false));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    if (how.open) {
      how.open = false;
      how.querySelector("summary").focus();
    } else closeList();
  });
  document.addEventListener("click", (event) => {
    if (how.open && !how.contains(event.target)) how.open = false;
  });
  return { closeList };
}
