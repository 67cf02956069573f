"""Making room: which runs or pictures would go, and taking them away."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agent.errors import TraceError
from agent.trace.index import Filter, summarize
from agent.trace.reader import Run, list_runs
from agent.trace.view import view

TRASH = ".pruned-"
"""A run folder is renamed to this before it is deleted, so that one half deleted is no run."""


@dataclass(frozen=True, slots=True)
class Removal:
    """A run folder (whole) or a picture of one that would go. size: bytes."""

    path: Path
    size: int
    whole: bool


def plan(
    root: Path, *, before: datetime | None = None, max_bytes: int | None = None, best_only: bool = False
) -> list[Removal]:
    """What would go: runs begun before a time, the oldest until `max_bytes` are left, pictures of other rounds.

    Runs that are being written are left alone. best_only: of the runs that stay, only the pictures of the source and
    of the delivered round are kept.
    """
    runs = [run for run in list_runs(root) if not run.path.is_symlink() and not _in_use(run)]
    old = Filter(until=before)
    gone: list[Run] = []
    rest: list[Run] = []
    for run in runs:
        (gone if before is not None and old.wants(summarize(run)) else rest).append(run)
    if max_bytes is not None:
        sizes = {run.id: _size(run.path) for run in rest}
        total = sum(sizes.values())
        while rest and total > max_bytes:
            gone.append(rest.pop(0))
            total -= sizes[gone[-1].id]
    removals = [Removal(run.path, _size(run.path), True) for run in gone]
    for run in rest if best_only else ():
        removals += _pictures(run)
    return removals


def remove(root: Path, removals: Iterable[Removal]) -> int:
    """Take them away; returns the bytes freed. Raises TraceError when something cannot be deleted."""
    freed = 0
    for removal in removals:
        try:
            if removal.whole:
                trash = root / f"{TRASH}{secrets.token_hex(6)}"
                removal.path.rename(trash)
                shutil.rmtree(trash)
            else:
                removal.path.unlink()
        except OSError as error:
            raise TraceError(f"Cannot delete {removal.path}: {error.strerror or error}") from error
        freed += removal.size
    for left in root.glob(f"{TRASH}*"):  # of a prune that was interrupted
        shutil.rmtree(left, ignore_errors=True)
    return freed


def _pictures(run: Run) -> Iterator[Removal]:
    """Pictures of a run that belong neither to the source nor to the delivered round."""
    if run.path.joinpath("images").is_symlink():
        return
    try:
        shown = view(run)
    except TraceError:
        return
    best = shown.best
    kept = {edit.image.path for edit in best.edits} if best else set()
    kept |= {edit.mask.path for edit in best.edits if edit.mask} if best else set()
    kept |= {one.image.path for edit in best.edits for one in shown.previews_of(edit)} if best else set()
    if shown.started:
        kept |= {ref.path for ref in (shown.started.image, shown.started.mask) if ref}
    if shown.result is None or not kept:
        return
    for path in sorted((run.path / "images").glob("*.png")):
        if f"images/{path.name}" not in kept and path.is_file() and not path.is_symlink():
            yield Removal(path, path.stat().st_size, False)


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.lstat().st_size
    return total


def _in_use(run: Run) -> bool:
    """Whether a process holds the lock of a run that has no end yet."""
    events = run.path / "events.jsonl"
    try:
        if (run.path / "result.json").exists() or not events.is_file():
            return False
        import fcntl

        with events.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (OSError, ImportError):
        return False
    return False
