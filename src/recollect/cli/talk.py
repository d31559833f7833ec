"""A conversation with a person at a terminal: prompt, answers as they come, commands that begin with a slash."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

import typer
from rich.table import Table
from rich.text import Text

from recollect import Context, Message, RecollectError
from recollect.cli.command import INTERRUPTED
from recollect.cli.conversation import Conversation
from recollect.cli.flow import Flow
from recollect.cli.lines import Terminal
from recollect.cli.listing import plain_table, session_table, show_hits
from recollect.cli.shell import Shell
from recollect.cli.text import clean, one_line
from recollect.cli.transcript import INDENT, indented, transcript
from recollect.llm import OFFLINE, Source, Turn

RECENT = 6
HISTORY = 100
PROMPT = "you › "

HELP = {
    "/help": "this list",
    "/new": "begin a new session",
    "/sessions": "your latest sessions",
    "/open ID": "go on in another session (the beginning of its id is enough)",
    "/history [N]": "the last N messages of this session",
    "/context [QUESTION]": "what the model is shown now, and what it costs",
    "/search QUERY": "search everything you have said and heard",
    "/quit": "leave (also Ctrl-D)",
}


class Talk:
    """The conversation at the terminal.

    Parameters
    ----------
    model: what answers, in words.
    """

    def __init__(self, shell: Shell, runner: asyncio.Runner, talk: Conversation, model: str) -> None:
        self._shell = shell
        self._runner = runner
        self._talk = talk
        self._model = model
        self._colour = shell.out.color_system is not None and not shell.out.no_color
        self._terminal = Terminal(
            PROMPT, style="\x1b[1;32m" if self._colour else "", commands=[line.split()[0] for line in HELP]
        )
        self._commands: dict[str, Callable[[str], None]] = {
            "/help": self._help,
            "/new": self._new,
            "/sessions": self._sessions,
            "/open": self._open,
            "/history": self._history,
            "/context": self._context,
            "/search": self._search,
        }

    def run(self, *, resumed: bool) -> None:
        """Until the person leaves."""
        self._greet()
        if resumed:
            self._resume()
        interrupted = False
        while True:
            try:
                line = self._terminal.read().strip()
                interrupted = False
                if line in ("/quit", "/exit"):
                    break
                if line:
                    self._take(line)
            except EOFError:
                self._shell.line("")
                break
            except KeyboardInterrupt:
                self._shell.line("")
                if interrupted:
                    raise typer.Exit(INTERRUPTED) from None
                interrupted = True
                self._shell.line("(Ctrl-C again or Ctrl-D to leave)", "dim")
        self._goodbye()

    def _greet(self) -> None:
        shell = self._shell
        shell.out.print(
            Text.assemble(
                ("Recollect", "bold"), (f" · {clean(self._talk.memory.store.url)} · {clean(self._model)}", "dim")
            ),
            soft_wrap=True,
        )
        self._where()
        shell.line("/help lists the commands, Ctrl-D leaves.", "dim")
        shell.line("")

    def _where(self) -> None:
        owner = self._talk.owner
        who = "" if owner is None else f" · user {one_line(owner)}"
        self._shell.line(f"session {one_line(self._talk.session_id)}{who}", "dim")

    def _goodbye(self) -> None:
        if self._runner.run(self._talk.recent(1)):
            session = self._talk.session_id
            self._shell.line(f"To go on: {self._shell.again('chat', '--session', session)}", "dim")

    def _take(self, line: str) -> None:
        if not line.startswith("/"):
            self._say(line)
            return
        name, _, rest = line.partition(" ")
        act = self._commands.get(name)
        if act is None:
            self._shell.line(f"There is no command {clean(name)}; /help lists them.", "yellow")
            return
        try:
            act(rest.strip())
        except RecollectError as error:
            self._shell.line(one_line(str(error)), "yellow")

    def _say(self, message: str) -> None:
        shell = self._shell
        flow = Flow(sys.stdout, width=shell.out.width, indent=INDENT)
        waiting = shell.out.status(Text("thinking …", style="dim"), spinner="dots")
        waiting.start()
        said = False

        def show(text: str) -> None:
            nonlocal said
            if not said:
                waiting.stop()
                shell.out.print(Text("assistant", style="bold cyan"))
                said = True
            flow.write(text)

        turn: Turn | None = None
        try:
            turn = self._runner.run(self._talk.turn(message, show))
        except RecollectError as error:
            if shell.debug:
                raise
            waiting.stop()
            flow.finish()
            shell.complain(str(error))
        except KeyboardInterrupt:
            waiting.stop()
            flow.finish()
            shell.line("(stopped; what was said is kept)" if said else "(stopped)", "dim")
        finally:
            waiting.stop()
            flow.finish()
        if turn is not None:
            self._show_sources(turn)
        shell.line("")

    def _show_sources(self, turn: Turn) -> None:
        if turn.usage.model == OFFLINE or not turn.sources:
            return
        places = [_place(source) for source in turn.sources[:3]]
        more = f" and {len(turn.sources) - 3} more" if len(turn.sources) > 3 else ""
        self._shell.line(f"{' ' * INDENT}recalled: {', '.join(places)}{more}", "dim")

    def _resume(self) -> None:
        """Show where the conversation stands, and let the arrow keys bring back what the person said."""
        messages = self._runner.run(self._talk.recent(HISTORY))
        for message in messages:
            if message.role == "user":
                self._terminal.remember(message.text)
        if len(messages) > RECENT:
            self._shell.line("… /history shows more\n", "dim")
        self._print(messages[-RECENT:])

    def _print(self, messages: list[Message]) -> None:
        for line in transcript(iter(messages), verbose=False, console=self._shell.out):
            self._shell.out.print(line, soft_wrap=True)

    def _help(self, _: str) -> None:
        table = Table.grid(padding=(0, 2))
        for name, meaning in HELP.items():
            table.add_row(Text(name, style="bold"), Text(meaning, style="dim"))
        self._shell.say(table)
        self._shell.line("A backslash at the end of a line continues it; several lines can be pasted.", "dim")
        self._shell.line("")

    def _new(self, _: str) -> None:
        self._talk.begin()
        self._where()
        self._shell.line("")

    def _sessions(self, _: str) -> None:
        found = self._runner.run(self._talk.sessions(10))
        if found.items:
            self._shell.say(session_table(found.items, self._shell))
        else:
            self._shell.line("None yet: say something.", "dim")
        self._shell.line("")

    def _open(self, name: str) -> None:
        if not name:
            self._shell.line("Which one? /open ID; /sessions lists them.", "yellow")
            return
        self._runner.run(self._talk.open(self._runner.run(self._talk.find(name))))
        self._where()
        self._shell.line("")
        self._resume()

    def _history(self, number: str) -> None:
        if number and not (number.isascii() and number.isdigit() and int(number)):
            self._shell.line("How many? /history 20", "yellow")
            return
        messages = self._runner.run(self._talk.recent(int(number or 20)))
        self._print(messages)
        if not messages:
            self._shell.line("Nothing has been said in this session yet.", "dim")

    def _search(self, query: str) -> None:
        if not query:
            self._shell.line("What for? /search QUERY", "yellow")
            return
        hits = self._runner.run(self._talk.search(query))
        if hits:
            show_hits(self._shell, hits, query)
        else:
            self._shell.line("Nothing found.", "dim")
        self._shell.line("")

    def _context(self, question: str) -> None:
        found: Context = self._runner.run(self._talk.context(question or None))
        if not found.messages:
            self._shell.line("Nothing yet: the next message stands alone.", "dim")
            return
        for message in found.messages:
            text = message.get("content")
            shown = text if isinstance(text, str) else f"[{message['role']} message of parts]"
            for line in indented(Text.assemble((f"{message['role']}: ", "bold"), clean(shown)), self._shell.out):
                self._shell.out.print(line, soft_wrap=True)
        self._shell.line("")
        self._shell.say(_sections(found))
        self._shell.line("")


def _sections(found: Context) -> Table:
    table = plain_table()
    for name, right in (("section", False), ("tokens", True), ("count", True), ("why", False)):
        table.add_column(name, justify="right" if right else "left")
    for section in found.sections:
        table.add_row(section.name, f"{section.tokens:,}", str(section.count), section.why)
    for dropped in found.dropped:
        table.add_row(
            f"- {dropped.section}", f"{dropped.tokens:,}", "", f"{one_line(dropped.what)}: {dropped.why}", style="dim"
        )
    table.add_row("all", f"{found.tokens:,}", "", f"of at most {found.max_tokens:,}", style="bold")
    return table


def _place(source: Source) -> str:
    if source.session_id is not None:
        return f"{one_line(source.session_id)} #{source.seq}"
    if source.document is not None:
        return one_line(source.title or source.document)
    return "memory"
