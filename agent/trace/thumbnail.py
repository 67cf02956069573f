"""A small picture of a run, source beside result: kept with it, so that a gallery of a thousand decodes no PNG."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.errors import TraceError
from agent.trace.pictures import eight_bit
from agent.trace.reader import Run
from editor.base import Image
from editor.pixels import SMALL_PIXELS, shrink

HALF = (178, 240)
"""Width and height of one half."""
LARGEST_FILE = 400_000
"""Bytes; those that are made here have 10,000 to 50,000."""
_QUALITY = 82
_NAME = re.compile(r"images/([0-9a-f]{16})\.jpg")


def thumbnail(before: Image | None, after: Image | None) -> bytes | None:
    """Before and after side by side, as JPEG; one of them if the other is missing, None if both are."""
    halves = [_fit(pixels) for pixels in (before, after) if pixels is not None]
    if not halves:
        return None
    gap = np.full((HALF[1], 4, 3), 255, np.uint8)
    rgb = np.hstack(halves if len(halves) == 1 else [halves[0], gap, halves[1]])
    options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111]  # 4:4:4
    good, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)
    assert good
    return bytes(data)


def name_for(data: bytes) -> str:
    """Where in its run folder a thumbnail lies."""
    return f"images/{hashlib.sha256(data).hexdigest()[:16]}.jpg"


def kept(run: Run) -> bytes | None:
    """The thumbnail that was kept with a run; None for an older run, or when it is not what was written."""
    try:
        name: Any = (run.result or {}).get("thumbnail")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            return None
        path = run.path / name
        if not path.is_file():  # a pipe, say: it would be waited for
            return None
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE)
    except (TraceError, OSError):
        return None
    return data if name_for(data) == name else None


def _fit(pixels: Image) -> NDArray[np.uint8]:
    """The middle of a picture, at the shape and size of one half."""
    small = eight_bit(shrink(pixels, SMALL_PIXELS))
    height, width = small.shape[:2]
    across, down = HALF
    part = (
        max(1, min(width, round(height * across / down))),
        max(1, min(height, round(width * down / across))),
    )
    left, top = (width - part[0]) // 2, (height - part[1]) // 2
    cut = small[top : top + part[1], left : left + part[0]]
    return np.asarray(cv2.resize(cut, HALF, interpolation=cv2.INTER_AREA), np.uint8)
