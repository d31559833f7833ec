"""``sessions``, ``show``, ``search``: what is in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from typing import Annotated, TypeVar

import typer
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from recollect import Hit, Message, Page, Session, SessionHandle
from recollect.cli import options
from recollect.cli.command import command
from recollect.cli.highlight import excerpt
from recollect.cli.shell import Shell
from recollect.cli.text import ago, clean, count, one_line, when, without_password
from recollect.cli.transcript import speaker, transcript
from recollect.connect import DEFAULT_URL

T = TypeVar("T")
PAGE = 500
MOST_HITS = 10_000
GAP = 2
MIN_TITLE = 10


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app)(sessions)
    command(app)(show)
    command(app)(search)


def pages(page: Callable[[str | None], Page[T]]) -> Iterator[T]:
    """The items of all pages."""
    cursor: str | None = None
    while True:
        found = page(cursor)
        yield from found
        cursor = found.cursor
        if cursor is None:
            return


def sessions(shell: Shell, user: options.User = None, limit: options.Limit = 20) -> None:
    """List conversations, latest activity first."""
    with shell.memory(make=False) as memory:
        list_sessions = memory.sessions if user is None else memory.user(user).sessions
        size = min(limit + 1, PAGE)
        found = list(islice(pages(lambda cursor: list_sessions(size, cursor=cursor)), limit + 1))
        if shell.json:
            for session in found[:limit]:
                shell.emit(session.to_dict())
        elif not found:
            nothing_yet(shell, user)
        else:
            shell.say(session_table(found[:limit], shell))
            if len(found) > limit:
                shell.note(f"There are more: --limit {limit * 2}")


def nothing_yet(shell: Shell, user: str | None = None) -> None:
    """Say that there are no conversations, and how to begin."""
    whose = "" if user is None else f" of user {one_line(user)}"
    shell.line(f"No conversations{whose} in {clean(without_password(shell.url or DEFAULT_URL))} yet.")
    shell.line(f"  Begin one:      {shell.again('chat')}", "dim")
    shell.line(f"  Load messages:  {shell.again('import')} FILE.jsonl", "dim")


def session_table(found: list[Session], shell: Shell) -> Table:
    """Sessions as a table; ids stay whole, so that they can be copied, and titles give way to them."""
    columns: dict[str, list[str]] = {"session": [one_line(session.id) for session in found]}
    if any(session.user_id is not None for session in found):
        columns["user"] = [one_line(session.user_id or "") for session in found]
    if any(session.title for session in found):
        columns["title"] = [one_line(session.title or "") for session in found]
    columns["messages"] = [f"{session.message_count:,}" for session in found]
    columns["last activity"] = [ago(session.updated_at) for session in found]
    widths = {name: max(map(cell_len, (name, *cells))) for name, cells in columns.items()}
    room = shell.out.width - sum(width + GAP for name, width in widths.items() if name != "title")
    table = plain_table()
    for name, width in widths.items():
        if name == "title":
            table.add_column(name, max_width=max(room, MIN_TITLE), overflow="ellipsis", no_wrap=True)
        elif name in ("session", "user"):
            least = min(width, (shell.out.width - MIN_TITLE) // 3)
            table.add_column(name, min_width=least, overflow="fold", style="bold" if name == "session" else "")
        else:
            table.add_column(name, justify="right" if name == "messages" else "left", no_wrap=True, min_width=width)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*map(Text, row))
    return table


def plain_table() -> Table:
    """A table without frames: it can be copied, and cut by columns."""
    return Table(box=None, pad_edge=False, header_style="dim", padding=(0, GAP, 0, 0))


def show(
    shell: Shell,
    session: Annotated[
        str, typer.Argument(metavar="SESSION", help="The session's id.", autocompletion=options.session_ids)
    ],
    tail: Annotated[int | None, typer.Option("--tail", "-n", min=1, metavar="N", help="Only the last N.")] = None,
    after: Annotated[int | None, typer.Option(min=0, metavar="SEQ", help="Only behind this number.")] = None,
    before: Annotated[int | None, typer.Option(min=0, metavar="SEQ", help="Only before this number.")] = None,
    since: options.Since = None,
    until: options.Until = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="With ids, tokens, metadata, the provider's own fields.")
    ] = False,
) -> None:
    """Show the messages of a session."""
    with shell.memory(make=False) as memory:
        handle = memory.session(session)
        header = handle.info()
        if header is None:
            shell.fail(f"there is no session {session!r} (recollect sessions lists them)")
        found = _messages(handle, tail, after, before, since, until)
        if shell.json:
            for message in found:
                shell.emit(message.to_dict())
            return
        _heading(shell, handle, header, verbose)
        for line in transcript(found, verbose=verbose, console=shell.out):
            shell.out.print(line, soft_wrap=True)


def _messages(
    handle: SessionHandle,
    tail: int | None,
    after: int | None,
    before: int | None,
    since: datetime | None,
    until: datetime | None,
) -> Iterator[Message]:
    def page(cursor: str | None, reverse: bool, limit: int) -> Page[Message]:
        return handle.read(
            after=after, before=before, since=since, until=until, limit=limit, reverse=reverse, cursor=cursor
        )

    if tail is None:
        return pages(lambda cursor: page(cursor, False, PAGE))
    newest = list(islice(pages(lambda cursor: page(cursor, True, min(tail, PAGE))), tail))
    return reversed(newest)


def _heading(shell: Shell, handle: SessionHandle, header: Session, verbose: bool) -> None:
    title = Text(one_line(header.title or header.id), style="bold")
    facts = [f"session {one_line(header.id)}"] if header.title else []
    facts += [f"user {one_line(header.user_id)}"] if header.user_id is not None else []
    facts += [count(header.message_count, "message")]
    if header.message_count:
        first, last = when(handle.read(limit=1)[0].created_at), when(handle.tail(1)[0].created_at)
        facts += [first if first == last else f"{first} – {last.removeprefix(first[:11])}"]
    facts += [f"expires {when(header.expires_at)}"] if header.expires_at else []
    shell.out.print(title)
    shell.out.print(Text(" · ".join(facts), style="dim"))
    if verbose and header.metadata:
        shell.line(f"metadata {one_line(str(header.metadata))}", "dim")
    shell.line("")


def search(
    shell: Shell,
    query: Annotated[list[str], typer.Argument(metavar="QUERY", help="What to look for; nothing in it is syntax.")],
    user: options.User = None,
    session: options.Session = None,
    role: Annotated[
        str | None, typer.Option(metavar="ROLE", help="Only system, user, assistant or tool messages.")
    ] = None,
    since: options.Since = None,
    until: options.Until = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=MOST_HITS, metavar="N", help="How many.")] = 10,
    explain: Annotated[bool, typer.Option("--explain", "-e", help="Show what each score is made of.")] = False,
) -> None:
    """Search all messages, best match first; of a user also the memories and documents."""
    question = " ".join(query)
    with shell.memory(make=False) as memory:
        hits = memory.search(question, limit=limit, user=user, session=session, role=role, since=since, until=until)
        if shell.json:
            for hit in hits:
                shell.emit(hit.to_dict())
        elif hits:
            show_hits(shell, hits, question, explain=explain)
            if hits[0].note:
                shell.warn(hits[0].note)
        else:
            shell.line(f"Nothing found for {one_line(question)!r}.")


def show_hits(shell: Shell, hits: list[Hit], question: str, *, explain: bool = False) -> None:
    """Hits with where they stand, when, by whom, and the passage that matches."""
    room = max(shell.out.width - 4, 20) * 3 if shell.out.is_terminal else 300
    for hit in hits:
        place = Text.assemble(
            (f"{hit.score:6.2f}", "dim"), "  ", *_place(hit), (f"  {when(hit.item.created_at)}", "dim")
        )
        shell.out.print(place, soft_wrap=True)
        if explain:
            parts = "  ".join(f"{name} {value:+.2f}" for name, value in hit.explain.items())
            shell.out.print(Text(" " * 8 + parts, style="dim"), soft_wrap=True)
        passage = excerpt(hit.text, question, room)
        for line in passage.wrap(shell.out, max(shell.out.width - 8, 20)):
            shell.out.print(Text(" " * 8) + line, soft_wrap=True)


def _place(hit: Hit) -> tuple[Text | tuple[str, str] | str, ...]:
    """Where a hit stands, and who said it or what it is."""
    if hit.message is not None:
        message = hit.message
        return (f"{one_line(message.session_id)} #{message.seq}", "bold"), "  ", speaker(message)
    assert hit.memory is not None
    told = hit.memory.source
    if "document" in told:
        title = one_line(str(told.get("title") or told["document"]))
        return (f"{title} ¶{int(told.get('position', 0)) + 1}", "bold"), "  ", ("document", "magenta")
    return (one_line("/".join(hit.memory.namespace)), "bold"), "  ", ("memory", "magenta")
