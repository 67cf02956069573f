"""How a batch looks: live progress, events for scripts, the table at the end, the standing of every job."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from agent.batch import Engine, Listener, Record, Standing, Summary
from agent.batch.store import RESULTS, Store
from agent.cli.boundary import say
from agent.cli.render import console, page, print_json_line
from agent.trace.places import copy_line
from editor.photo import printable

SHOWN = 20
"""Lines of one kind in a table for people; scripts use --json or results.jsonl."""


@contextmanager
def watch(*, as_json: bool, quiet: bool) -> Iterator[Listener]:
    """Yield what is told of the batch: JSON lines, a live bar on a terminal, or nothing."""
    if as_json:
        yield _Events()
    elif quiet:
        yield Listener()
    elif not sys.stderr.isatty():
        yield _Plain()
    else:
        columns = (
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[counts]}", markup=False),
            TimeRemainingColumn(compact=True),
        )
        with Progress(
            *columns, console=Console(stderr=True), transient=True, speed_estimate_period=120
        ) as bar:
            yield _Live(bar)


class _Plain(Listener):
    """Only what explains a silence."""

    def waiting(self, words: str) -> None:
        say(words)


class _Events(Listener):
    """One JSON object a line."""

    def waiting(self, words: str) -> None:
        print_json_line({"event": "waiting", "message": words})

    def begin(self, jobs: int, standings: Sequence[Standing], engine: Engine) -> None:
        print_json_line({
            "event": "begin", "jobs": jobs, "to_run": len(standings), "engine": engine.name,
            "editors": engine.editors,
        })  # fmt: skip

    def job(self, result: Record, again: bool) -> None:
        print_json_line({"event": "retry" if again else "job", **result.result()})


class _Live(Listener):
    """The bar: done, ok, reflected, failed, edits a minute, share of the time that the editors work, time left."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._line = bar.add_task("", total=None, counts="starting")
        self._live = Summary()
        self._began = time.perf_counter()

    def begin(self, jobs: int, standings: Sequence[Standing], engine: Engine) -> None:
        self._live.editors = engine.editors
        self._began = time.perf_counter()
        self._bar.update(self._line, total=jobs, completed=jobs - len(standings), counts=f"on {engine.name}")

    def waiting(self, words: str) -> None:
        self._bar.update(self._line, counts=words)

    def job(self, result: Record, again: bool) -> None:
        live = self._live
        live.seconds = time.perf_counter() - self._began
        live.editor_seconds += result.editor_seconds or 0.0
        if not again:
            live.ran += 1
            live.count(result)
        words = [f"{live.ok} ok"]
        words += [f"{live.not_ok} not ok"] if live.not_ok else []
        words += [f"{live.reflected} reflected"] if live.reflected else []
        words += [f"{live.failed} failed"] if live.failed else []
        words += [f"{live.per_minute:.0f} edits/min", f"editor busy {live.busy:.0%}"]
        self._bar.update(self._line, advance=0 if again else 1, counts="  ".join(words))


def summary(value: Summary, store: Store, *, as_json: bool, quiet: bool) -> None:
    """What the batch came to: a table on stderr, or the last event on stdout."""
    if as_json:
        print_json_line({
            "event": "end", "jobs": value.jobs, "kept": value.kept, "ran": value.ran, "ok": value.ok,
            "not_ok": value.not_ok, "failed": value.failed, "pending": value.pending, "reflected": value.reflected,
            "seconds": round(value.seconds, 3), "per_minute": round(value.per_minute, 2),
            "editor_busy": round(value.busy, 4), "errors": dict(value.errors), "stopped": value.stopped,
            "warnings": value.warnings,
            "results": store.shown(RESULTS), "exit_code": value.exit_code,
        })  # fmt: skip
        return
    if quiet:
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(justify="right")
    table.add_column()
    rows: list[tuple[int, str, str]] = [
        (value.ok, "delivered, judged a success", "green"),
        (value.not_ok, "delivered, not judged a success", "yellow"),
        (value.failed, f"failed: {_classes(value.errors)}", "red"),
        (value.pending, "not run", "magenta"),
    ]
    for number, words, style in rows:
        if number:
            table.add_row(Text(str(number), style=f"bold {style}"), Text(words))
    out = console()
    out.print(table)
    words = f"{value.jobs} jobs, {value.ran} in this run ({value.kept} kept)"
    if value.ran:
        words += (
            f", {value.seconds:.1f} s, {value.per_minute:.0f} edits/min, editor busy {value.busy:.0%}"
            f" of {value.editors}, {value.reflected} reflected"
        )
    out.print(Text(words, style="dim"), soft_wrap=True)
    out.print(Text(store.shown(RESULTS), style="dim"), soft_wrap=True)
    if value.ok + value.not_ok:
        copy = copy_line(store.runs_shown)
        gallery = f"{copy}; reedit trace report runs" if copy else f"reedit trace report {store.runs_shown}"
        out.print(Text(f"gallery: {gallery}", style="dim"), soft_wrap=True)


def _classes(errors: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in errors.most_common())


def standings(found: Sequence[Standing], store: Store, *, as_json: bool) -> int:
    """`--status`: what would run and why, and what would not. Exit code 0."""
    held_by = store.holder()
    if as_json:
        for one in found:
            known = one.record.status if one.record else "pending"
            print_json_line(
                {"id": one.job.id, "status": known, "would_run": one.why is not None, "why": one.why}
            )
        return 0
    out = page()
    if held_by:
        out.print(Text(f"running now: {held_by}", style="yellow"))
    states: Counter[str] = Counter()
    for one in found:
        if one.why is not None:
            states["to run"] += 1
        else:
            states["failed for good" if one.record and one.record.status == "failed" else "done"] += 1
    out.print(Text(", ".join(f"{count} {name}" for name, count in states.items()), style="bold"))
    reasons: Counter[str] = Counter(one.why for one in found if one.why is not None)
    for why, count in reasons.most_common():
        out.print(Text(f"  {count} to run: {why}"))
        names: list[Any] = [one.job.id for one in found if one.why == why]
        if why != "not run yet":
            more = f" ... and {count - SHOWN} more" if count > SHOWN else ""
            out.print(Text(f"    {printable(', '.join(names[:SHOWN]))}{more}", style="dim"))
    failed = [one.record for one in found if one.why is None and one.record and one.record.status == "failed"]
    for record in failed[:SHOWN]:
        out.print(
            Text(f"  failed: {printable(record.id)}: {record.error}: {printable(record.message or '')}")
        )
    if failed:
        out.print(Text("  --retry-failed runs them again", style="dim"))
    return 0
