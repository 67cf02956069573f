"""Fast, dtype-blind pixel work shared by the built-in operations.

Operations see pictures as (H, W, 3) uint8 or uint16 sRGB. They do their arithmetic either through a lookup
table (`curve`) or on float32 bands in 0..1 (`bands`), so that a 24 MP photo never exists whole in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.base import Image
from editor.pixels import (
    BAND_PIXELS,
    Float,
    blend,
    by_rows,
    full,
    lab,
    linear_light,
    shrink,
    side_by_side,
    to_float,
)

__all__ = [
    "BAND_PIXELS", "LUMA", "Float", "bands", "blend", "by_rows", "curve", "from_float", "full", "highest",
    "lab", "lab_bands", "linear_light", "lookup", "lowest", "luma", "planes", "shrink", "strips", "to_float",
]  # fmt: skip

# Rec. 709 weights on sRGB-encoded values: a luma, good enough for photographic operations and fast.
LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


def from_float(values: Float, like: Image) -> Image:
    """Float samples (clipped to 0..1) to the dtype of `like`, rounded to the nearest."""
    scaled = np.clip(values, 0.0, 1.0) * np.float32(full(like))
    return cast("Image", np.rint(scaled).astype(like.dtype))


def curve(image: Image, function: Callable[[Float], Float]) -> Image:
    """Apply one tone curve f: [0,1] -> [0,1] to every sample, through a lookup table."""
    top = full(image)
    table = from_float(function(np.linspace(0.0, 1.0, top + 1, dtype=np.float32)), image)
    return lookup(image, table)


def lookup(image: Image, table: NDArray[np.uint8] | NDArray[np.uint16]) -> Image:
    """Map samples through `table` of shape (levels,) or (levels, 3)."""
    if image.dtype == np.uint8:
        lut = table.reshape(1, 256, -1)
        return cast("Image", cv2.LUT(image, lut))
    if table.ndim == 1:
        return table[image]
    return cast("Image", np.stack([table[image[..., c], c] for c in range(3)], axis=-1))


def bands(image: Image, function: Callable[[Float, slice], Float]) -> Image:
    """Run function(band as float32 RGB 0..1, its rows) -> band over the picture, on all cores.

    The function must treat rows independently (it sees no neighbours) and may work in place on its band.
    """
    return by_rows(image, lambda rows: from_float(function(to_float(image[rows]), rows), image))


def strips(image: Image, margin: int, function: Callable[[Float, slice], Float]) -> Image:
    """Like `bands` for a function that looks at neighbours up to `margin` rows away.

    The function gets float32 RGB 0..1 of the band and the rows around it, and returns as many rows; the
    rows around are cut off again.
    """
    height, width = image.shape[:2]
    step = max(1, BAND_PIXELS // max(1, width), 4 * margin)
    out = np.empty_like(image)

    def fill(top: int) -> None:
        bottom = min(height, top + step)
        rows = slice(max(0, top - margin), min(height, bottom + margin))
        made = function(to_float(image[rows]), rows)
        out[top:bottom] = from_float(made[top - rows.start : bottom - rows.start], image)

    side_by_side(fill, range(0, height, step))
    return out


def lab_bands(image: Image, function: Callable[[Float, slice], Float]) -> Image:
    """Like `bands`, but the function sees and returns CIE Lab (L 0..100, a and b about -128..127, D65)."""

    def through_lab(band: Float, rows: slice) -> Float:
        lab = function(cast("Float", cv2.cvtColor(band, cv2.COLOR_RGB2Lab)), rows)
        return cast("Float", cv2.cvtColor(lab, cv2.COLOR_Lab2RGB))

    return bands(image, through_lab)


def planes(values: Float) -> Float:
    """A map (n, w) as three equal channels (n, w, 3): several times faster to compute with than broadcasting."""
    return cast("Float", cv2.cvtColor(values, cv2.COLOR_GRAY2RGB))


def highest(values: Float) -> Float:
    """The largest of three channels, (n, w, 3) -> (n, w); ten times as fast as max(axis=-1)."""
    return np.maximum(np.maximum(values[..., 0], values[..., 1]), values[..., 2])


def lowest(values: Float) -> Float:
    """The smallest of three channels, (n, w, 3) -> (n, w)."""
    return np.minimum(np.minimum(values[..., 0], values[..., 1]), values[..., 2])


def luma(values: Float) -> Float:
    """Rec. 709 luma of float RGB, shape (..., 3) -> (...)."""
    if values.ndim == 3:
        return cast("Float", cv2.transform(values, LUMA[None]))
    return cast("Float", values @ LUMA)
