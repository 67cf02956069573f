"""One line about every run of a folder, fast: a cache beside the runs that is checked against them, never trusted.

The cache (`.index.json` in the runs folder) holds a row per finished run under the size and the time of change of its
result.json. A row whose numbers differ is read again; runs without result.json (running, or cut off) are always read.
It can be deleted at any time, and a folder that cannot be written is listed all the same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from agent.errors import TraceError
from agent.trace.reader import Run, read_regular
from agent.trace.view import number, said
from agent.trace.writer import write_atomic

FILE = ".index.json"
VERSION = 1

SortKey = Literal["time", "score", "seconds", "rounds"]


@dataclass(frozen=True, slots=True)
class Row:
    """A run in one line. status "broken": `instruction` says why. started: UTC, ISO 8601, "" if unknown."""

    id: str
    status: str
    tag: str
    score: float | None
    rounds: int | None
    seconds: float | None
    photo: str
    instruction: str
    reasoner: str = ""
    editor: str = ""
    started: str = ""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which runs are wanted; an empty filter wants all. Text is looked for without regard to case.

    since, until: aware datetimes; a run without a readable start is left out when either is given.
    """

    tags: tuple[str, ...] = ()
    editor: str | None = None
    reasoner: str | None = None
    text: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    min_score: float | None = None

    def wants(self, row: Row) -> bool:
        """Whether the run passes."""
        if self.tags and row.tag.casefold() not in {tag.casefold() for tag in self.tags}:
            return False
        if self.editor is not None and row.editor != self.editor:
            return False
        if self.reasoner is not None and row.reasoner != self.reasoner:
            return False
        if self.text is not None and self.text.casefold() not in row.instruction.casefold():
            return False
        if self.min_score is not None and (row.score is None or row.score < self.min_score):
            return False
        return self._in_time(row)

    def _in_time(self, row: Row) -> bool:
        if self.since is None and self.until is None:
            return True
        try:
            started = datetime.fromisoformat(row.started)
        except ValueError:
            return False
        if started.tzinfo is None:
            started = started.replace(tzinfo=UTC)
        after = self.since is None or started >= self.since
        return after and (self.until is None or started < self.until)


def summarize(run: Run) -> Row:
    """The row of a run, read from its run.json and result.json."""
    try:
        header, result = run.header, run.result or {}
    except TraceError as error:
        return Row(run.id, "broken", "", None, None, None, "", str(error))
    rounds = number(result.get("rounds"))
    return Row(
        id=run.id, status=said(result, "status") or "cut off", tag=said(result, "tag"),
        score=number(result.get("score")), rounds=None if rounds is None else int(rounds),
        seconds=number(result.get("seconds")), photo=said(header, "input", "path"),
        instruction=said(header, "instruction"), reasoner=said(header, "settings", "reasoner"),
        editor=said(header, "settings", "editor"), started=said(header, "started"),
    )  # fmt: skip


def rows(root: Path) -> list[Row]:
    """A row for every run folder below `root`, oldest first (ids begin with the time)."""
    if not root.is_dir():
        return []
    cached = _load(root / FILE)
    fresh: dict[str, tuple[list[int], Row]] = {}
    listed: list[Row] = []
    changed = False
    for name in sorted(_folders(root)):
        mark = _mark(root, name)
        hit = cached.get(name)
        if mark is not None and hit is not None and hit[0] == mark:
            fresh[name] = hit
            listed.append(hit[1])
            continue
        if not os.path.isfile(os.path.join(root, name, "run.json")):  # noqa: PTH113, PTH118 - 10,000 times
            continue
        row = summarize(Run(root / name))
        listed.append(row)
        if mark is not None and row.status != "broken":
            fresh[name] = (mark, row)
            changed = True
    if changed or len(fresh) != len(cached):
        _store(root / FILE, fresh)
    return listed


def select(
    found: Iterable[Row], wanted: Filter, sort: SortKey = "time", *, reverse: bool = False
) -> list[Row]:
    """The rows that pass, sorted; runs without the number that is sorted by come first."""
    chosen = [row for row in found if wanted.wants(row)]
    if sort != "time":
        chosen.sort(key=lambda row: _sortable(getattr(row, sort)))
    return chosen[::-1] if reverse else chosen


def _sortable(value: float | None) -> float:
    return float("-inf") if value is None else value


def _folders(root: Path) -> list[str]:
    with os.scandir(root) as entries:
        return [entry.name for entry in entries if entry.is_dir()]


def _mark(root: Path, name: str) -> list[int] | None:
    """What must be as it was for a cached row to be true; None for a run without an end."""
    try:
        found = os.stat(os.path.join(root, name, "result.json"))  # noqa: PTH116, PTH118 - 10,000 times
    except OSError:
        return None
    return [found.st_mtime_ns, found.st_size]


def _load(path: Path) -> dict[str, tuple[list[int], Row]]:
    """The cache; whatever is wrong with it, it is then made anew."""
    try:
        record = json.loads(read_regular(path))
        if record["version"] != VERSION or record["fields"] != _names():
            return {}
        return {str(name): (mark, _checked(values)) for name, mark, values in record["rows"]}
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return {}


_TEXTS = tuple(i for i, f in enumerate(fields(Row)) if f.name not in ("score", "rounds", "seconds"))


def _checked(values: list[Any]) -> Row:
    row = Row(*values)
    if not all(isinstance(values[i], str) for i in _TEXTS):
        raise TypeError("a text that is none")
    if any(v is not None and type(v) not in (int, float) for v in (row.score, row.rounds, row.seconds)):
        raise TypeError("a number that is none")
    return row


def _names() -> list[str]:
    return [one.name for one in fields(Row)]


def _store(path: Path, found: dict[str, tuple[list[int], Row]]) -> None:
    lines = [[name, mark, list(asdict(row).values())] for name, (mark, row) in found.items()]
    data = json.dumps({"version": VERSION, "fields": _names(), "rows": lines}).encode()
    with suppress(OSError):  # a folder that cannot be written is only slower to list
        write_atomic(path, data)
