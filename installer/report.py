"""Show a run to a person or a program: live lines on a terminal, plain lines in a pipe, JSON."""

import json
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from installer.events import Event, EventKind, Outcome
from installer.phases import PhaseResult

_MARKS = {
    Outcome.CHANGED: ("✔", "green"),
    Outcome.UNCHANGED: ("=", "dim"),
    Outcome.DEFERRED: ("…", "yellow"),
    Outcome.FAILED: ("✘", "bold red"),
    Outcome.SKIPPED: ("-", "yellow"),
}


class Report(Protocol):
    """Something that shows events while a run goes on."""

    def show(self, event: Event) -> None:
        """Show one event."""

    def tell(self, text: str) -> None:
        """Show words that belong to no phase."""

    def running(self) -> AbstractContextManager[object]:
        """Return the context of the whole run."""


class JsonReport:
    """One JSON object a line on standard output."""

    def show(self, event: Event) -> None:
        """Print the event."""
        print(json.dumps(event.as_json()), flush=True)

    def tell(self, text: str) -> None:
        """Print the words as an object of their own."""
        print(json.dumps({"kind": "message", "text": text}), flush=True)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Nothing to prepare."""
        yield


class LineReport:
    """One line for each phase and node that ends, for pipes and log files."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def show(self, event: Event) -> None:
        """Print the event if a line is due for it."""
        line = _line(event)
        if line is not None:
            self._console.print(line, soft_wrap=True, highlight=False)

    def tell(self, text: str) -> None:
        """Print the words."""
        self._console.print(Text(text), soft_wrap=True)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Nothing to prepare."""
        yield


class LiveReport:
    """A line for each phase that ended, and below them what each node is doing right now."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._busy: dict[tuple[str, str], tuple[float, str]] = {}
        self._guard = threading.Lock()
        self._live = Live(get_renderable=self._picture, console=console, refresh_per_second=4)

    def show(self, event: Event) -> None:
        """Remember who is busy with what; print what ended."""
        key = (event.phase or "", event.node or "")
        with self._guard:
            match event.kind:
                case EventKind.NODE_STARTED:
                    self._busy[key] = (time.monotonic(), event.text)
                case EventKind.NODE_NOTE if key in self._busy:
                    self._busy[key] = (self._busy[key][0], event.text)
                case EventKind.NODE_FINISHED:
                    self._busy.pop(key, None)
        if event.kind is not EventKind.NODE_FINISHED or event.outcome is Outcome.FAILED:
            line = _line(event)
            if line is not None:
                self._console.print(line, highlight=False)

    def tell(self, text: str) -> None:
        """Print the words above the lower lines."""
        self._console.print(Text(text))

    def running(self) -> AbstractContextManager[object]:
        """Keep the lower lines alive during the run."""
        return self._live

    def _picture(self) -> Group:
        with self._guard:
            busy = dict(self._busy)
        now = time.monotonic()
        return Group(
            *(
                Text(f"  ⠿ {phase:<22} {node:<14} {now - since:6.1f} s  {note}", style="cyan")
                for (phase, node), (since, note) in busy.items()
            )
        )


def report_for(*, as_json: bool) -> Report:
    """Return the report that suits standard output."""
    if as_json:
        return JsonReport()
    console = Console()
    return LiveReport(console) if sys.stdout.isatty() else LineReport(console)


def _line(event: Event) -> Text | None:
    if event.kind is EventKind.RUN_STARTED:
        return Text(event.text, style="bold") if event.text else None
    if event.outcome is None or event.kind is EventKind.RUN_FINISHED:
        return None
    mark, style = _MARKS[event.outcome]
    node = event.node if event.kind is EventKind.NODE_FINISHED else event.text
    line = Text(f"{mark} {event.phase:<22} {node or '':<14}", style=style)
    line.append(f" {event.seconds or 0:6.1f} s  {event.outcome}", style=style)
    return line


def print_timing(results: Sequence[PhaseResult]) -> None:
    """Print the time per phase as one table."""
    table = Table("phase", "result", "seconds", "changes", box=None, pad_edge=False)
    table.columns[2].justify = table.columns[3].justify = "right"
    for result in results:
        style = _MARKS[result.outcome][1]
        row = (result.phase, str(result.outcome), f"{result.seconds:.1f}", f"{len(result.changes)}")
        table.add_row(*row, style=style)
    Console().print(table)


def print_rows(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print one table."""
    table = Table(*headings, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def print_lines(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print one table with one line for each row, also in a pipe; the last column may be long."""
    table = [headings, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(headings) - 1)]
    for *cells, last in table:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        print_text("  ".join((*padded, last)).rstrip())


def print_text(text: str) -> None:
    """Print plain words, unwrapped and without markup."""
    Console(soft_wrap=True, highlight=False, markup=False).print(text)
