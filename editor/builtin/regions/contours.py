"""Where colour steps from one surface to the next: the contours that a silhouette does not show."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from editor.builtin.regions.scene import Bool, Scene

_STEP = 6.0, 11.0
"""CIE76 step that continues a contour, and the one that begins it."""


def contours(scene: Scene) -> Bool:
    """Lines, one pixel wide, along which Lab steps by more than texture does: Canny's method on three channels."""
    sigma = max(1.5, scene.size(1) * 0.007)
    colours = cv2.GaussianBlur(scene.lab, (0, 0), sigma)
    across, down = (cv2.Sobel(colours, cv2.CV_32F, dx, 1 - dx, ksize=3, scale=1 / 8) for dx in (1, 0))
    strongest = (across**2 + down**2).argmax(axis=2)[..., None]
    # the gradient of a blurred step of height 1 is 1 / (sigma sqrt(2 pi)); Canny wants whole numbers
    unit = 50 * sigma * np.sqrt(2 * np.pi)
    dx, dy = (
        np.clip(np.take_along_axis(g, strongest, 2)[..., 0] * unit, -32_000, 32_000).astype(np.int16)
        for g in (across, down)
    )
    return cast("Bool", cv2.Canny(dx, dy, 50 * _STEP[0], 50 * _STEP[1], L2gradient=True) > 0)
