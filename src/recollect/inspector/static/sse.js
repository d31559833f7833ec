/** Server-sent events of a response body, as {event, data}; data is parsed JSON. Works for POST, which EventSource cannot do. */
export async function* events(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let name = "";
  let lines = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
      // A lone "\r" at the end may be the first half of "\r\n": it waits for the next chunk.
      const end = !done && rest.endsWith("\r") ? rest.length - 1 : rest.length;
      const parts = rest.slice(0, end).split(/\r\n|\n|\r/);
      rest = parts.pop() + rest.slice(end);
      for (const line of parts) {
        if (line === "") {
          if (lines.length) yield { event: name || "message", data: JSON.parse(lines.join("\n")) };
          name = "";
          lines = [];
        } else if (line.startsWith("event:")) name = field(line, 6);
        else if (line.startsWith("data:")) lines.push(field(line, 5));
      }
      if (done) return;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function field(line, start) {
  return line.slice(line[start] === " " ? start + 1 : start);
}
