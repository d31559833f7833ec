"""What the pages need of `curl` and `sqlite3`, for machines that have neither: ``python stand_ins.py curl ...``."""

from __future__ import annotations

import sqlite3
import sys
import urllib.error
import urllib.request
from pathlib import Path


def curl(words: list[str]) -> int:
    """One request: ``-s -S -N -i -X METHOD -H HEADER -d DATA -o FILE URL``."""
    method, headers, data, show_head, out, url = "", {}, None, False, "", ""
    rest = iter(words)
    for word in rest:
        if word == "-X":
            method = next(rest)
        elif word == "-H":
            name, _, value = next(rest).partition(":")
            headers[name.strip()] = value.strip()
        elif word == "-d":
            data = next(rest).encode()
        elif word == "-o":
            out = next(rest)
        elif word.startswith("-"):
            show_head = show_head or "i" in word
        else:
            url = word
    request = urllib.request.Request(url, data, headers, method=method or ("POST" if data is not None else "GET"))
    try:
        response = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        response = error
    except urllib.error.URLError as error:
        sys.stderr.write(f"curl: (7) {error.reason}\n")
        return 7
    with response:
        body = response.read()
    if out:
        Path(out).write_bytes(body)
        return 0
    if show_head:
        head = "".join(f"{name.lower()}: {value}\r\n" for name, value in response.headers.items())
        sys.stdout.buffer.write(f"HTTP/1.1 {response.status} {response.reason}\r\n{head}\r\n".encode())
    sys.stdout.buffer.write(body)
    return 0


def shell(words: list[str]) -> int:
    """``sqlite3 [-readonly] [-header] FILE STATEMENTS``; of the dot commands, ``.backup FILE``."""
    options = [word for word in words if word.startswith("-")]
    path, *statements = [word for word in words if not word.startswith("-")]
    mode = "ro" if "-readonly" in options else "rwc"
    connection = sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None)
    try:
        for statement in statements or [sys.stdin.read()]:
            if statement.startswith(".backup "):
                copy = sqlite3.connect(statement.split()[1])
                connection.backup(copy)
                copy.close()
                continue
            text = ""
            for piece in statement.split(";"):
                text += piece + ";"
                if not sqlite3.complete_statement(text):
                    continue
                cursor = connection.execute(text)
                rows = cursor.fetchall()
                if rows and "-header" in options:
                    print("|".join(column[0] for column in cursor.description))
                for row in rows:
                    print("|".join("" if value is None else str(value) for value in row))
                text = ""
    except sqlite3.Error as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    finally:
        connection.close()
    return 0


if __name__ == "__main__":
    program = {"curl": curl, "sqlite3": shell}[sys.argv[1]]
    sys.exit(program(sys.argv[2:]))
