"""Places (the left half, the corners ...) and rectangles."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import cv2
import numpy as np

from editor.base import Image, Mask, UsageError
from editor.builtin.pixels import Float

_SOFT = 0.08
"""Half the width of the ramp between inside and outside, as a share of the photo's side."""


def _step(distance: Float) -> Float:
    """0 to 1 across the ramp around distance 0, with no corner at its ends (smoothstep)."""
    t = np.clip(distance / (2 * _SOFT) + 0.5, 0, 1)
    return cast("Float", t * t * (3 - 2 * t))


def _corners(x: Float, y: Float) -> Float:
    return _step(0.3 - np.hypot(0.5 - np.abs(x - 0.5), 0.5 - np.abs(y - 0.5)))


# x is (1, w) and y (h, 1), both 0..1; each answers 0..1 of shape (h, w)
_SHAPES: dict[str, Callable[[Float, Float], Float]] = {
    "left": lambda x, y: _step(0.5 - x) + 0 * y,
    "right": lambda x, y: _step(x - 0.5) + 0 * y,
    "top": lambda x, y: _step(0.5 - y) + 0 * x,
    "bottom": lambda x, y: _step(y - 0.5) + 0 * x,
    "center": lambda x, y: _step(0.32 - np.hypot(x - 0.5, y - 0.5)),
    "corners": _corners,
    "edges": lambda x, y: _step(np.maximum(np.abs(x - 0.5), np.abs(y - 0.5)) - 0.36),
    "top-left": lambda x, y: _step(0.5 - x) * _step(0.5 - y),
    "top-right": lambda x, y: _step(x - 0.5) * _step(0.5 - y),
    "bottom-left": lambda x, y: _step(0.5 - x) * _step(y - 0.5),
    "bottom-right": lambda x, y: _step(x - 0.5) * _step(y - 0.5),
}
PLACES: tuple[str, ...] = tuple(_SHAPES)
"""The places that `place` knows: halves, quarters, the middle (an ellipse), the corners, the frame."""


def place(image: Image, name: str) -> Mask:
    """Soft (H, W) mask of a place. Raises UsageError for an unknown one."""
    if name not in _SHAPES:
        raise UsageError(f"No place is called “{name}”; there are: {', '.join(PLACES)}.")
    height, width = image.shape[:2]
    # the shape is smooth: made small, then enlarged
    h, w = min(height, 768), min(width, 768)
    x = ((np.arange(w, dtype=np.float32) + 0.5) / w)[None, :]
    y = ((np.arange(h, dtype=np.float32) + 0.5) / h)[:, None]
    shape = np.rint(_SHAPES[name](x, y) * 255).astype(np.uint8)
    return cast("Mask", cv2.resize(shape, (width, height), interpolation=cv2.INTER_LINEAR))


def rectangle(image: Image, rect: tuple[int, int, int, int] | None) -> Mask:
    """Mask of x, y, width, height in pixels, clipped to the photo; its edges are hard, as the user drew them.

    Raises UsageError when nothing of it lies inside the photo.
    """
    height, width = image.shape[:2]
    if rect is None:
        raise UsageError("A rectangle needs four numbers: --region X,Y,W,H.")
    x, y, w, h = rect
    left, top, right, bottom = max(0, x), max(0, y), min(width, x + w), min(height, y + h)
    if left >= right or top >= bottom:
        raise UsageError(f"The region {x},{y},{w},{h} lies outside the photo of {width}x{height} pixels.")
    mask = np.zeros((height, width), np.uint8)
    mask[top:bottom, left:right] = 255
    return mask
