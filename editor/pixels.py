"""Pixel arithmetic shared by everything that looks at pictures: sample scales, CIE Lab, shrinking, tiles."""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.base import Image, Mask

Float = NDArray[np.float32]

BAND_PIXELS = 1 << 17
"""Pixels in one band: 1.5 MB of float32 RGB, small enough to stay in the cache of one core."""
_BASE_PIXELS = 2_000_000
_REMEMBERED_FROM = 6_000_000
_bases: deque[tuple[weakref.ref[Image], Image]] = deque(maxlen=6)
_bases_lock = threading.Lock()


def full(image: Image) -> int:
    """The value of white: 255 or 65535."""
    return int(np.iinfo(image.dtype).max)


def to_float(image: Image) -> Float:
    """Integer samples to float32 in 0..1."""
    return image.astype(np.float32) * np.float32(1.0 / full(image))


def lab(image: Image) -> Float:
    """CIE Lab of a picture that is small already: L 0..100, a and b about -128..127, D65."""
    return cast("Float", cv2.cvtColor(to_float(image), cv2.COLOR_RGB2Lab))


def shrunk_size(height: int, width: int, pixels: int) -> tuple[int, int]:
    """(width, height) of no more than `pixels` pixels, aspect kept; the size itself when small enough."""
    scale = min(1.0, (pixels / max(1, height * width)) ** 0.5)
    # rounded down, so that shrinking twice is shrinking once
    return max(1, int(width * scale)), max(1, int(height * scale))


def shrink(image: Image, pixels: int = 1_000_000) -> Image:
    """The picture at no more than `pixels` pixels, aspect kept, averaged; itself when small enough.

    Of a large picture a copy of 2 MP is remembered while the picture lives, so that the trace, the measurements
    and the region finder together read its 24 MP once. The result must not be modified.
    """
    height, width = image.shape[:2]
    size = shrunk_size(height, width, pixels)
    if size == (width, height):
        return image
    if height * width > _REMEMBERED_FROM and pixels <= _BASE_PIXELS:
        image = _remembered_base(image)
        if size == (image.shape[1], image.shape[0]):
            return image
    return _reduced(image, size)


def _reduced(image: Image, size: tuple[int, int]) -> Image:
    """Area-averaged to `size`; whole halvings first, which are several times faster."""
    while image.shape[1] >= 2 * size[0] and image.shape[0] >= 2 * size[1]:
        half = image.shape[1] // 2, image.shape[0] // 2
        image = cast("Image", cv2.resize(image, half, interpolation=cv2.INTER_LINEAR))
    return cast("Image", cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def _remembered_base(image: Image) -> Image:
    with _bases_lock:
        for known, base in _bases:
            if known() is image:
                return base
    height, width = image.shape[:2]
    base = _reduced(image, shrunk_size(height, width, _BASE_PIXELS))
    with _bases_lock:
        _bases.append((weakref.ref(image), base))
    return base


def by_rows(like: Image, work: Callable[[slice], Image]) -> Image:
    """Fill a picture like `like` from work(rows) -> its pixels in those rows, band by band, on all cores."""
    height, width = like.shape[:2]
    out = np.empty_like(like)
    step = max(1, BAND_PIXELS // max(1, width))

    def fill(top: int) -> None:
        rows = slice(top, min(height, top + step))
        out[rows] = work(rows)

    starts = range(0, height, step)
    if len(starts) == 1:
        fill(0)
        return out
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for _ in pool.map(fill, starts):
            pass
    return out


def blend(original: Image, edited: Image, mask: Mask | None) -> Image:
    """`edited` where the mask is 255, `original` bit for bit where it is 0, a mix between."""
    if mask is None:
        return edited

    def work(rows: slice) -> Image:
        alpha, old, new = mask[rows], original[rows], edited[rows]
        if not alpha.any():
            return old
        if alpha.min() == 255:
            return new
        weight = alpha.astype(np.float32)[..., None] * np.float32(1 / 255)
        # weight 0 gives exactly old and weight 1 exactly new: both are whole numbers in float32
        mixed = old.astype(np.float32)
        mixed += (new.astype(np.float32) - mixed) * weight
        return cast("Image", np.rint(mixed).astype(original.dtype))

    return by_rows(original, work)
