"""Pictures of a run, read back with care: a run folder may come from anyone."""

from __future__ import annotations

import struct
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.errors import TraceError
from agent.trace.reader import Run
from agent.trace.records import ImageRef

MOST_PIXELS = 250_000_000
"""Larger ones are not decoded, as large as the largest photo that is edited by default."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG by its header; None when it is none, or larger than MOST_PIXELS."""
    if len(data) < 33 or not data.startswith(_SIGNATURE) or data[12:16] != b"IHDR":
        return None
    width, height = struct.unpack(">II", data[16:24])
    return (width, height) if 0 < width * height <= MOST_PIXELS else None


def read_png(run: Run, ref: ImageRef) -> bytes | None:
    """The bytes of a picture that is there and is a PNG; else None."""
    try:
        path = run.image(ref)
        data = path.read_bytes() if path.is_file() else b""
    except (TraceError, OSError, ValueError):  # ValueError: a NUL in the name
        return None
    return data if png_size(data) else None


def decode(data: bytes) -> NDArray[np.uint8] | NDArray[np.uint16] | None:
    """(H, W, 3) RGB or (H, W) grey, 8 or 16 bits; None when the PNG is broken."""
    try:
        found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if found is None or found.dtype not in (np.uint8, np.uint16):
        return None
    if found.ndim == 3:
        found = cv2.cvtColor(found, cv2.COLOR_BGRA2RGB if found.shape[2] == 4 else cv2.COLOR_BGR2RGB)
    return cast("NDArray[np.uint8]", found)


def load(run: Run, ref: ImageRef | None) -> NDArray[np.uint8] | NDArray[np.uint16] | None:
    """A picture of a run as pixels; None when it is missing or broken."""
    data = None if ref is None else read_png(run, ref)
    return None if data is None else decode(data)


def eight_bit(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.uint8]:
    """The same picture as (H, W, 3) uint8."""
    small: Any = pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)
    if small.ndim == 2:
        small = np.repeat(small[..., None], 3, axis=2)
    return cast("NDArray[np.uint8]", small)
