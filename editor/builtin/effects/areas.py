"""The areas that effects speak of: each one or two parts of a region, as masks of the small picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.base import Mask
from editor.pixels import Float

Bools = NDArray[np.bool_]

Area = Literal[
    "region",
    "whole",
    "outside",
    "margin_vs_core",
    "between_vs_veins",
    "tips",
    "corners_vs_centre",
    "top_vs_bottom",
    "dark_half",
    "light_half",
    "light_vs_dark",
    "centre",
]
SOLID = 0.75
"""A single leaf fills this share of its convex hull."""
Parts = tuple[Bools | None, Bools | None]
MARGIN = 0.25
"""A leaf's margin: within this share of the radius of its inscribed circle."""


def _all(lightness: Float) -> Bools:
    return np.ones(lightness.shape, np.bool_)


def _filled(lightness: Float, region: Mask | None) -> Bools:
    return _all(lightness) if region is None else region > 127


def _depth(region: Bools) -> Float:
    """Distance from the region's edge over the radius of its inscribed circle, 0..1; the frame is no edge."""
    depth = cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, 3)
    return cast("Float", depth / max(1.0, float(depth.max())))


def _outside(lightness: Float, region: Mask | None) -> Parts:
    if region is None:
        return np.zeros(lightness.shape, np.bool_), None
    # two pixels of the small picture for the soft edge
    return cv2.dilate(region, np.ones((5, 5), np.uint8)) == 0, None


def _margin_vs_core(lightness: Float, region: Mask | None) -> Parts:
    """Empty for a region that is not one leaf's: where leaves overlap, its margins are not theirs."""
    inside = _filled(lightness, region)
    depth = _depth(inside)
    if np.count_nonzero(inside) < SOLID * _hull_area(inside):
        return np.zeros_like(inside), None
    return inside & (depth < MARGIN), depth > 0.6


def _hull_area(inside: Bools) -> float:
    points = cv2.findNonZero(inside.view(np.uint8))
    return 0.0 if points is None else float(cv2.contourArea(cv2.convexHull(points)))


def _between_vs_veins(lightness: Float, region: Mask | None) -> Parts:
    """Veins are the thin lines that stand out in lightness, either way."""
    inside = _filled(lightness, region)
    side = max(5, round(0.012 * max(lightness.shape)) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    lines = cv2.morphologyEx(lightness, cv2.MORPH_TOPHAT, kernel)
    core = inside & (_depth(inside) > 0.08)
    if not core.any():
        return inside, core
    values = lines[core]
    return core & (lines <= np.quantile(values, 0.5)), core & (lines >= np.quantile(values, 0.92))


def _tips(lightness: Float, region: Mask | None) -> Parts:
    """The region's ends, an eighth of it each, along its long axis; and all of its margin."""
    inside = _filled(lightness, region)
    rows, columns = np.nonzero(inside)
    if len(rows) < 50:
        return inside, None
    points = np.stack([columns, rows], axis=1).astype(np.float32)
    centred = points - points.mean(axis=0)
    along = centred @ np.linalg.eigh(np.cov(centred[::7].T))[1][:, 1].astype(np.float32)
    low, high = np.quantile(along, [0.12, 0.88])
    ends = np.zeros_like(inside)
    ends[rows, columns] = (along < low) | (along > high)
    return inside & (ends | (_depth(inside) < 0.12)), None


def _radius(lightness: Float) -> Float:
    """Distance from the middle, 0 there and 1 in the corners."""
    height, width = lightness.shape
    across = np.linspace(-1, 1, width, dtype=np.float32)
    down = np.linspace(-1, 1, height, dtype=np.float32)
    return cast("Float", np.hypot(across[None, :], down[:, None]) / np.float32(2**0.5))


def _centre(lightness: Float, region: Mask | None) -> Parts:
    return _filled(lightness, region) & (_radius(lightness) < 0.45), None


def _corners_vs_centre(lightness: Float, region: Mask | None) -> Parts:
    radius = _radius(lightness)
    return radius > 0.78, radius < 0.35


def _top_vs_bottom(lightness: Float, region: Mask | None) -> Parts:
    inside = _filled(lightness, region)
    rows = np.nonzero(inside.any(axis=1))[0]
    if len(rows) < 6:
        return inside, None
    y = np.arange(inside.shape[0])[:, None]
    third = (rows[-1] - rows[0]) / 3
    return inside & (y < rows[0] + third), inside & (y > rows[-1] - third)


def _light_vs_dark(lightness: Float, region: Mask | None) -> Parts:
    return _by_lightness(dark=False)(lightness, region)[0], _by_lightness(dark=True)(lightness, region)[0]


def _by_lightness(*, dark: bool) -> Callable[[Float, Mask | None], Parts]:
    def part(lightness: Float, region: Mask | None) -> Parts:
        inside = _filled(lightness, region)
        middle = np.median(lightness[inside]) if inside.any() else 50.0
        half = lightness <= middle if dark else lightness > middle
        return inside & half, None

    return part


AREAS: dict[str, Callable[[Float, Mask | None], Parts]] = {
    "region": lambda lightness, region: (None if region is None else region > 127, None),
    "whole": lambda lightness, region: (None, None),
    "outside": _outside,
    "margin_vs_core": _margin_vs_core,
    "between_vs_veins": _between_vs_veins,
    "tips": _tips,
    "corners_vs_centre": _corners_vs_centre,
    "top_vs_bottom": _top_vs_bottom,
    "dark_half": _by_lightness(dark=True),
    "light_half": _by_lightness(dark=False),
    "light_vs_dark": _light_vs_dark,
    "centre": _centre,
}
"""name -> function(L of the source, the region's mask or None) -> (the part, what it is compared with or None)."""
