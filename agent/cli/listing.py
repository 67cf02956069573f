"""Runs in a table, fast enough for ten thousand: plain columns, no layout engine."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePath
from typing import get_args

from rich.cells import cell_len, set_cell_size

from agent.cli.render import print_json
from agent.errors import UsageError
from agent.trace.index import Row
from agent.types import Tag
from editor.photo import printable

_COLUMNS = ("run", "status", "tag", "score", "rounds", "seconds", "photo", "instruction")
_WIDEST_PHOTO = 28
_LONGEST = 2_000
"""Characters of an instruction in a list; longer ones do not come from reedit."""
_COLOUR = {"Success": "32", "Reflection": "33", "Failed": "31", "unknown": "35"}
_AGO = re.compile(r"(\d{1,6})\s*([mhdw])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def show(found: list[Row], root: Path, *, as_json: bool, filtered: bool) -> None:
    """Print the rows, for people or as a JSON list."""
    if as_json:
        print_json([asdict(row) for row in found])
        return
    if not found:
        where = printable(root)
        write([f"No runs in {where} match." if filtered else f"No runs in {where} yet."])
        return
    cells = [_cells(row) for row in found]
    widths = [max(_width(line[i]) for line in [list(_COLUMNS), *cells]) for i in range(len(_COLUMNS) - 1)]
    widths[-1] = min(widths[-1], _WIDEST_PHOTO)
    tty = sys.stdout.isatty()
    room = os.get_terminal_size().columns if tty else None
    colour = tty and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    write(_line(line, widths, room, colour) for line in [list(_COLUMNS), *cells])


def _cells(row: Row) -> list[str]:
    rounds = "" if row.rounds is None else str(row.rounds)
    photo = printable(PurePath(row.photo).name) if row.photo else ""
    return [
        printable(row.id), printable(row.status), f"<#{printable(row.tag)}>" if row.tag else "-", _number(row.score),
        rounds, _number(row.seconds), photo, _sentence(row.instruction[:_LONGEST]),
    ]  # fmt: skip


def _sentence(text: str) -> str:
    return printable(" ".join(text.split()))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _width(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)


def _line(cells: list[str], widths: list[int], room: int | None, colour: bool) -> str:
    *columns, last = cells
    padded = [
        text.ljust(width) if text.isascii() and len(text) <= width else set_cell_size(text, width)
        for text, width in zip(columns, widths, strict=True)
    ]
    if room is not None:
        left = max(10, room - sum(widths) - 2 * len(widths))
        last = last if _width(last) <= left else set_cell_size(last, left - 1) + "…"
    if colour:
        code = _COLOUR.get(cells[2].strip("<#>"))
        padded[2] = f"\x1b[{code}m{padded[2]}\x1b[0m" if code else padded[2]
        padded[0] = f"\x1b[1m{padded[0]}\x1b[0m"
    return "  ".join([*padded, last]).rstrip()


def write(lines: Iterable[str]) -> None:
    """Lines on stdout, in one go."""
    sys.stdout.write("\n".join(lines) + "\n")


def tags(names: list[str] | None) -> tuple[str, ...]:
    """The verdicts named, however they are capitalized. Raises UsageError for any other name."""
    known = {tag.lower(): tag for tag in get_args(Tag)}
    for name in names or ():
        if name.lower() not in known:
            raise UsageError(f"No verdict is called {name!r}; --tag takes {', '.join(known.values())}.")
    return tuple(known[name.lower()] for name in names or ())


def moment(text: str | None, now: datetime | None = None) -> datetime | None:
    """A date ("2026-11-21", with a time if wanted; local time unless it says) or how long ago ("90m", "3d", "2w").

    Raises UsageError when it is neither.
    """
    if text is None:
        return None
    now = now or datetime.now(UTC)
    try:
        if ago := _AGO.fullmatch(text.strip()):
            return now - int(ago[1]) * _UNITS[ago[2]]
        given = datetime.fromisoformat(text.strip())
        return given if given.tzinfo else given.astimezone()
    except (ValueError, OverflowError):  # the latter: before the year 1
        raise UsageError(f"Not a date or an age: {text!r}. Write 2026-11-21, or 90m, 12h, 3d, 2w.") from None
