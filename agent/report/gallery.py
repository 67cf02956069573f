"""A folder of runs as a gallery: one page, a folder of thumbnails and run pages beside it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from agent.errors import TraceError
from agent.report.images import Picture
from agent.report.page import Album, key, render
from agent.report.safe import environment, file_name, script_json, visible
from agent.trace.pictures import read_png
from agent.trace.reader import Run
from agent.trace.thumbnail import kept, thumbnail
from agent.trace.view import RunView, number, said, view
from agent.trace.writer import write_atomic

LONGEST = 400
"""Characters of a request on a card."""


def write_gallery(runs: list[Run], target: Path) -> int:
    """Write `target` and the folder `<target's stem>.files` beside it; returns how many runs could be shown.

    Thumbnails and pages that are newer than their run's result.json are kept. Raises TraceError or OSError.
    """
    folder = target.with_name(f"{target.stem}.files")
    for part in ("thumbs", "runs", "images"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        made = pool.map(lambda run: _write_run(run, folder, target.name), runs)
        cards = [found for found in made if found is not None]
    write_atomic(target, gallery_page(cards, _address(folder.name), live=False).encode())
    return len(cards)


def gallery_page(cards: list[dict[str, Any]], folder: str, *, live: bool) -> str:
    """The page. folder: address of the thumbnails and pages as seen from it. live: it asks for news by itself."""
    data = script_json({"cards": cards, "folder": folder, "live": live})
    return environment().get_template("gallery.html.j2").render(data=data, live=live, count=len(cards))


def card(shown: RunView) -> dict[str, Any]:
    """What the gallery shows and filters by, as plain values."""
    header, result = shown.header, shown.result
    found: dict[str, Any] = {
        "name": file_name(shown.run.id), "id": shown.run.id[:80], "status": said(result, "status") or "cut off",
        "tag": said(result, "tag")[:40], "score": number((result or {}).get("score")),
        "seconds": round(shown.seconds, 3), "started": said(header, "started")[:40],
        "photo": os.path.basename(said(header, "input", "path"))[:120],  # noqa: PTH119 - ten thousand times
        "request": said(header, "instruction")[:LONGEST], "reasoner": said(header, "settings", "reasoner")[:60],
        "editor": said(header, "settings", "editor")[:60], "tags": [this.tag for this in shown.rounds[:12]],
        "scores": [this.score for this in shown.rounds[:12]],
        "stages": {stage: round(seconds, 3) for stage, seconds in shown.seconds_by_stage.items()},
    }  # fmt: skip
    return {name: visible(value) for name, value in found.items()}


def make_thumbnail(shown: RunView) -> bytes | None:
    """Source and delivered picture side by side; None when there is no picture to show."""
    if (small := kept(shown.run)) is not None:
        return small
    best = shown.best
    refs = [
        shown.started.image if shown.started else None,
        best.edits[-1].image if best and best.edits else None,
    ]
    before, after = (None if ref is None else Picture(shown.run, ref).pixels for ref in refs)
    return thumbnail(before, after)


def _write_run(run: Run, folder: Path, gallery: str) -> dict[str, Any] | None:
    """Page, pictures and thumbnail of one run, and its card; None when it is no run that can be read."""
    try:
        shown = view(run)
    except TraceError:
        return None
    found = card(shown)
    thumb = folder / "thumbs" / f"{found['name']}.jpg"
    page = folder / "runs" / f"{found['name']}.html"
    if not (_newer(thumb, run) and _newer(page, run)):
        small = make_thumbnail(shown)
        if small is not None:
            thumb.write_bytes(small)
        pictures = folder / "images" / found["name"]
        _place_pictures(shown, pictures)
        album = Album(run, folder=f"../images/{found['name']}", overlays=False)
        write_atomic(page, render(shown, album, back=f"../../{_address(gallery)}").encode())
    found["thumb"] = thumb.exists()
    return found


def _address(name: str) -> str:
    """A file name, of whatever bytes, as a part of a URL."""
    return quote(os.fsencode(name))


def _newer(made: Path, run: Run) -> bool:
    """Whether a file was made after the run ended; a run without an end may still grow."""
    try:
        return made.stat().st_mtime_ns > (run.path / "result.json").stat().st_mtime_ns
    except OSError:
        return False


def _place_pictures(shown: RunView, folder: Path) -> None:
    """The run's pictures beside the report: hard links where the file system has them, else copies."""
    folder.mkdir(exist_ok=True)
    previews = (one.image for of_step in shown.previews.values() for one in of_step)
    for ref in (*shown.pictures, *previews):
        target = folder / key(ref)
        if target.exists():
            continue
        with suppress(TraceError, OSError, ValueError):
            source = shown.run.image(ref)
            if source.is_file():
                target.hardlink_to(source)
                continue
        if (data := read_png(shown.run, ref)) is not None:
            write_atomic(target, data)
