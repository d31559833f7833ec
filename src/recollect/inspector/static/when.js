const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const dayOfYear = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const full = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "medium" });

function date(text) {
  const value = new Date(text);
  return Number.isNaN(value.getTime()) ? null : value;
}

/** How long ago, short: "now", "5 min", "3 h", "yesterday", "4 days"; past a week, the date. */
export function ago(text, now = Date.now()) {
  const value = date(text);
  if (!value) return "";
  const seconds = Math.max(0, (now - value.getTime()) / 1000);
  if (seconds < 60) return "now";
  if (seconds >= 7 * 86400) return shortDay(value, now);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return seconds < 2 * 86400 ? "yesterday" : `${Math.floor(seconds / 86400)} days`;
}

/** The clock time today, with the date on any other day. */
export function at(text, now = Date.now()) {
  const value = date(text);
  if (!value) return "";
  const today = value.toDateString() === new Date(now).toDateString();
  return today ? clock.format(value) : `${shortDay(value, now)}, ${clock.format(value)}`;
}

export function exactly(text) {
  const value = date(text);
  return value ? full.format(value) : "";
}

function shortDay(value, now) {
  return (value.getFullYear() === new Date(now).getFullYear() ? day : dayOfYear).format(value);
}
