"""Delivered pictures in the folder layouts that the evaluation scripts of benchmarks read.

gedit    DIR/NAME/fullset/TASK/LANGUAGE/KEY.png    GEdit-Bench (github.com/stepfun-ai/Step1X-Edit, EVAL.md)
imgedit  DIR/NAME/KEY.png                          ImgEdit (github.com/PKU-YuanGroup/ImgEdit, result_img_folder)
kris     DIR/NAME/CATEGORY/KEY.jpg                 KRIS-Bench (github.com/mercurystraw/Kris_Bench, results/MODEL)
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, Literal

import cv2
import numpy as np

from agent.errors import TraceError, UsageError
from agent.export import bare_png, prepare
from agent.trace import Run
from agent.trace.pictures import decode, eight_bit, read_png
from agent.trace.view import RunView, said, view
from agent.trace.writer import write_atomic
from agent.types import language_of

Layout = Literal["gedit", "imgedit", "kris"]

_FIELDS = {
    "gedit": ("task_type", "instruction_language", "key"),
    "imgedit": ("key",),
    "kris": ("category", "key"),
}
_NOT_A_NAME = re.compile(r"[^\w.-]+")
_KRIS_QUALITY = 95
LONGEST_NAME = 200
"""Bytes of a part of a path, before its extension; file systems take 255."""


@dataclass(slots=True)
class Written:
    """How many pictures were written, and what a reader should know."""

    written: int = 0
    notes: list[str] = field(default_factory=list)


def export_eval(
    runs: list[Run],
    layout: Layout,
    folder: Path,
    name: str,
    *,
    manifest: Path | None = None,
    overwrite: bool = False,
) -> Written:
    """Write the delivered picture of every run where the benchmark looks for it.

    manifest: JSONL with `image`, `instruction` and the benchmark's own fields (gedit: key, task_type,
    instruction_language; imgedit: key; kris: key, category). Without one the key is the photo's file name, and task
    or category the name of its folder. Of two runs for one key the later one counts. Raises UsageError or TraceError.
    """
    prepare(folder, overwrite)
    known = {} if manifest is None else _read(manifest)
    done = Written()
    for run in runs:
        try:
            shown = view(run)
            fields = known.get(_job(shown)) if manifest is not None else _guessed(shown)
            data = _delivered(shown, done)
        except TraceError as error:
            done.notes.append(str(error))
            continue
        if fields is None or data is None:
            done.notes.append(f"{run.id}: " + ("not in the manifest" if fields is None else "no picture"))
            continue
        target = folder / safe(name) / place(layout, fields)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(target, _as_jpeg(data) if layout == "kris" else data)
        done.written += 1
    return done


def place(layout: Layout, fields: dict[str, str]) -> Path:
    """Path of a picture below the model's folder; every part is made a plain name."""
    missing = [name for name in _FIELDS[layout] if not fields.get(name)]
    if missing:
        raise UsageError(f"The manifest lacks {', '.join(missing)}, which the {layout} layout needs.")
    parts = [safe(fields[name]) for name in _FIELDS[layout]]
    top = ["fullset"] if layout == "gedit" else []
    return Path(*top, *parts[:-1], parts[-1] + (".jpg" if layout == "kris" else ".png"))


def safe(name: str) -> str:
    """One plain part of a path: no separators, no leading dot, no longer than file systems take."""
    plain = _NOT_A_NAME.sub("_", name).lstrip(".")
    return plain.encode()[:LONGEST_NAME].decode(errors="ignore") or "_"


def _job(shown: RunView) -> tuple[str, str]:
    return PurePath(said(shown.header, "input", "path")).name, said(shown.header, "instruction")


def _guessed(shown: RunView) -> dict[str, str]:
    photo = PurePath(said(shown.header, "input", "path"))
    language = "cn" if language_of(said(shown.header, "instruction")) == "zh" else "en"
    task = photo.parent.name or "unknown"
    return {"key": photo.stem, "task_type": task, "category": task, "instruction_language": language}


def _read(manifest: Path) -> dict[tuple[str, str], dict[str, str]]:
    try:
        lines = manifest.read_text("utf-8-sig").split("\n")  # JSON may hold other ends of lines
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"Cannot read {manifest}: {error}") from None
    found: dict[tuple[str, str], dict[str, str]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row: Any = json.loads(line)
            found[PurePath(row["image"]).name, row["instruction"].strip()] = {
                k: str(v) for k, v in row.items()
            }
        except (ValueError, TypeError, KeyError, AttributeError):
            raise UsageError(
                f"{manifest} line {number} is no JSON object with image and instruction."
            ) from None
    return found


def _delivered(shown: RunView, done: Written) -> bytes | None:
    """The delivered picture as PNG: from the trace if kept in full, else from the output file if it is unchanged."""
    best = shown.best
    if said(shown.result, "status") != "delivered" or best is None or not best.edits:
        return None
    ref = best.edits[-1].image
    data = read_png(shown.run, ref)
    if ref.scale < 1:
        full = _output(shown)
        if full is not None:
            return full
        done.notes.append(f"{shown.run.id}: kept scaled down to {ref.scale:.0%}, and the output file is gone")
    return None if data is None else bare_png(data)


def _output(shown: RunView) -> bytes | None:
    from editor import photo as photos

    path, digest = Path(said(shown.result, "output")), said(shown.result, "sha256")
    try:
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            return None
    except (OSError, ValueError):
        return None
    return bare_png(_as_png(photos.load(path).image))


def _as_png(rgb: Any) -> bytes:
    good, data = cv2.imencode(".png", np.ascontiguousarray(eight_bit(rgb)[..., ::-1]))
    assert good
    return bytes(data)


def _as_jpeg(png: bytes) -> bytes:
    pixels = decode(png)
    if pixels is None:
        raise TraceError("A picture of the trace is broken.")
    options = [cv2.IMWRITE_JPEG_QUALITY, _KRIS_QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111]
    good, data = cv2.imencode(".jpg", np.ascontiguousarray(eight_bit(pixels)[..., ::-1]), options)
    assert good
    return bytes(data)
