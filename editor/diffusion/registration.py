"""Undo the small shift and zoom that some models add of themselves: what was not edited stays where it was."""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np

from editor.base import Image
from editor.pixels import Float

SIDE = 640
"""Longest side at which the movement is estimated; a tenth of a pixel there is at most a third on the canvas."""
SURE = 0.85
"""Correlation after alignment below which the pictures are too unlike to say that one is the other, moved."""
LEAST, MOST = 0.4, 0.03
"""Movements are undone from this many pixels of the canvas, up to this share of its longest side: beyond, they were
wanted."""
GAIN = 0.8
"""The difference between the pictures must fall to this share of what it was."""


def undo(before: Image, after: Image) -> tuple[Image, float]:
    """`after` moved back onto `before`, and by how many pixels at most; `after` itself and 0 when it had not moved.

    before, after: (H, W, 3) uint8 of one size. Estimated by enhanced correlation (Evangelidis and Psarakis, 2008),
    which does not mind a change of brightness or contrast.
    """
    height, width = before.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    small = [_grey(each, scale) for each in (before, after)]
    if np.array_equal(small[0], small[1]) or min(float(each.std()) for each in small) < 1:
        return after, 0.0
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-5)
    try:
        found, warp = cv2.findTransformECC(
            small[0], small[1], np.eye(2, 3, dtype=np.float32), cv2.MOTION_AFFINE, criteria
        )
    except cv2.error:  # it did not converge: nothing in common
        return after, 0.0
    moved = _largest(warp, small[0].shape) / scale
    if found < SURE or not LEAST <= moved <= MOST * max(height, width):
        return after, 0.0
    if _apart(small[0], _warped(small[1], warp)) > GAIN * _apart(small[0], small[1]):
        return after, 0.0
    full = np.asarray(warp, np.float64)
    # pixel x of the small picture is centred at (x + 0.5) / scale - 0.5 of the canvas
    half = np.full(2, 0.5)
    full[:, 2] = (full[:, 2] - full[:, :2] @ half + half) / scale + full[:, :2] @ half - half
    return cast("Image", _warped(after, full)), moved


def _grey(image: Image, scale: float) -> Float:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cast("Float", grey.astype(np.float32))


def _largest(warp: Any, shape: tuple[int, ...]) -> float:
    """The movement of the corner that moves most, in pixels."""
    height, width = shape[:2]
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], np.float64)
    return float(np.abs(corners @ np.asarray(warp, np.float64).T - corners[:, :2]).max())


def _apart(one: Float, other: Float) -> float:
    """Median difference of the gradients: what was repainted does not count, nor does a change of brightness."""
    return float(
        np.median(np.abs(cv2.Laplacian(one, cv2.CV_32F, ksize=3) - cv2.Laplacian(other, cv2.CV_32F, ksize=3)))
    )


def _warped(image: Any, warp: Any) -> Any:
    size = image.shape[1], image.shape[0]
    return cv2.warpAffine(
        image, warp, size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT
    )
