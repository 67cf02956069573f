"""Pictures for a page: data URLs, change maps, mask overlays and thumbnails."""

from __future__ import annotations

import base64

import cv2
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from agent.trace.pictures import decode, eight_bit, read_png
from agent.trace.reader import Run
from agent.trace.records import ImageRef
from editor.measure import NOTICEABLE
from editor.pixels import lab, shrink

Pixels = NDArray[np.uint8]

SMALL_FILE = 400_000
"""A PNG up to this many bytes goes into the page as it is; a larger one as JPEG, unless exact pictures are wanted."""
MOST_PIXELS = 2_100_000
_QUALITY, _PREVIEW_QUALITY = 95, 85
_OVERLAY_PIXELS = 240_000
_STRONG = 40.0
"""CIE76 distance that is drawn in the strongest colour."""


class Picture:
    """A picture of a run, decoded once, when it is first needed."""

    def __init__(self, run: Run, ref: ImageRef) -> None:
        self.ref = ref
        self.data = read_png(run, ref)
        self._pixels: Pixels | None = None

    @property
    def pixels(self) -> Pixels | None:
        """(H, W, 3) uint8, or None when it is missing or broken."""
        if self._pixels is None and self.data is not None:
            found = decode(self.data)
            self._pixels = None if found is None else eight_bit(found)
        return self._pixels


def data_url(picture: Picture, *, exact: bool, preview: bool = False) -> str | None:
    """The picture for a page that carries everything. None when it cannot be shown. preview: small, one of many."""
    if picture.data is None:
        return None
    if exact or (len(picture.data) <= SMALL_FILE and not preview):
        return _url("png", picture.data)
    pixels = picture.pixels
    if pixels is None:
        return None
    if pixels.shape[0] * pixels.shape[1] > MOST_PIXELS:
        pixels = np.asarray(shrink(pixels, MOST_PIXELS), np.uint8)
    return _url("jpeg", _jpeg(pixels, _PREVIEW_QUALITY if preview else _QUALITY))


def change_map(before: Pixels, after: Pixels) -> str:
    """What a person would see as changed (CIE76 above one just noticeable difference), as a see-through overlay.

    From yellow (just noticeable) to dark red (a distance of 40 and more). `after` is resized to `before`.
    """
    small = np.asarray(shrink(before, _OVERLAY_PIXELS), np.uint8)
    other = cv2.resize(after, (small.shape[1], small.shape[0]), interpolation=cv2.INTER_AREA)
    distance = np.sqrt(np.square(lab(np.asarray(other, np.uint8)) - lab(small)).sum(axis=-1))
    strength = np.clip((distance - NOTICEABLE) / (_STRONG - NOTICEABLE), 0, 1)
    levels = np.where(distance > NOTICEABLE, 1 + np.round(strength * 14), 0).astype(np.uint8)
    return _overlay(_RAMP[levels])


def mask_overlay(mask: Pixels) -> str:
    """Where the editor meant to change something, as a see-through overlay."""
    grey = mask[..., 0]
    small = np.asarray(shrink(np.ascontiguousarray(grey), _OVERLAY_PIXELS), np.uint8)
    overlay = np.zeros((*small.shape, 4), np.uint8)
    overlay[..., :3] = (230, 120, 40)  # blue, in OpenCV's order
    overlay[..., 3] = small // 17 * 10  # few levels: the PNG stays small
    return _overlay(overlay)


def _ramp() -> Pixels:
    """16 levels in OpenCV's order of channels: nothing, then yellow to dark red, ever less see-through."""
    share = np.linspace(0, 1, 15)
    colours = np.zeros((16, 4))
    colours[1:, 2] = np.interp(share, (0, 0.6, 1), (255, 235, 150))
    colours[1:, 1] = np.interp(share, (0, 0.6, 1), (215, 70, 0))
    colours[1:, 0] = np.interp(share, (0, 0.6, 1), (60, 25, 40))
    colours[1:, 3] = np.interp(share, (0, 1), (110, 235))
    return np.round(colours).astype(np.uint8)


_RAMP = _ramp()


def _overlay(bgra: Pixels) -> str:
    good, data = cv2.imencode(".png", np.ascontiguousarray(bgra), [cv2.IMWRITE_PNG_COMPRESSION, 4])
    assert good
    return _url("png", bytes(data))


def _jpeg(rgb: Pixels, quality: int) -> bytes:
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111]  # 4:4:4
    good, data = cv2.imencode(".jpg", np.ascontiguousarray(rgb[..., ::-1]), options)
    assert good
    return bytes(data)


def _url(kind: str, data: bytes) -> Markup:
    # made of our own characters only: neither to be escaped nor to be cut like a text of the trace
    return Markup(f"data:image/{kind};base64,{base64.b64encode(data).decode()}")
