"""What stands out: saliency from a robust measure of background.

After Zhu, Liang, Wei and Sun, "Saliency Optimization from Robust Background Detection" (CVPR 2014), with its
constants: the photo is cut into cells of like colour; a cell that leads to the border without a step of colour is
background, even where the subject touches the border too; what differs from the background near it stands out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.builtin.pixels import Float
from editor.builtin.regions.scene import Bool, Labels, Scene

SIDE = 240
"""Working size, longest side in pixels."""
_CELLS = 220
_FOCUS = 30.0
"""What sharp differs from blurred by, in units of CIE76: a fourth channel beside L, a and b."""
_GEODESIC = 7.0
_LIKE = 10.0
_REACH = 0.4
_LEAST_LINK = 0.1
_BACKGROUND = 5.0

_Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Saliency:
    """stands_out: (h, w) 0..1 over the whole scene. behind: (h, w) 0..1, how surely it is background."""

    stands_out: Float
    behind: Float


def saliency(scene: Scene) -> Saliency:
    """Measured once per scene."""
    return scene.part("saliency", lambda: _measure(scene))


def _measure(scene: Scene) -> Saliency:
    size = shrunk(scene)
    calm = cv2.cvtColor(cv2.resize(scene.calm, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2Lab)
    cells = _cells(cast("Float", calm))
    sharp = _FOCUS * cv2.resize(scene.focus, size, interpolation=cv2.INTER_AREA)
    look = _means(cells, np.dstack([calm, sharp]))
    if len(look) == 1:
        return Saliency(*np.zeros((2, scene.height, scene.width), np.float32))
    rows, columns = np.mgrid[: cells.shape[0], : cells.shape[1]]
    place = _means(cells, np.dstack([rows, columns])) / max(cells.shape)
    border = np.zeros(len(look), bool)
    border[np.concatenate([cells[0], cells[-1], cells[:, 0], cells[:, -1]])] = True
    apart, near = _distances(look), _beside(cells, len(look))
    behind = _background(_geodesic(apart, near | (border[:, None] & border)), border)
    nearby = np.exp(-(_distances(place) ** 2) / (2 * _REACH**2))
    contrast = _stretched((apart * nearby * behind).sum(axis=1))
    values = _stretched(_settled(contrast, behind, apart, near))
    whole = scene.width, scene.height
    return Saliency(
        *(
            cast("Float", cv2.resize(v.astype(np.float32)[cells], whole, interpolation=cv2.INTER_LINEAR))
            for v in (values, behind)
        )
    )


def shrunk(scene: Scene) -> tuple[int, int]:
    """Width and height of the scene at the working size."""
    scale = min(1.0, SIDE / max(scene.width, scene.height))
    return max(1, round(scene.width * scale)), max(1, round(scene.height * scale))


def _cells(lab: Float) -> Labels:
    """(h, w) numbers from 0: a watershed from the calmest place of each square of a grid."""
    height, width = lab.shape[:2]
    soft = cv2.GaussianBlur(lab, (0, 0), 0.7)
    dx, dy = (cv2.Sobel(soft, cv2.CV_32F, *order, ksize=3, scale=1 / 8) for order in ((1, 0), (0, 1)))
    edges = np.sqrt((dx * dx + dy * dy).sum(axis=2))
    step = max(4.0, (height * width / _CELLS) ** 0.5)
    rows, columns = max(2, round(height / step)), max(2, round(width / step))
    cells = np.zeros((height, width), np.int32)
    for index in range(rows * columns):
        row, column = divmod(index, columns)
        # the middle half of the square, so that seeds keep their distance
        top, left = int((row + 0.25) * height / rows), int((column + 0.25) * width / columns)
        bottom, right = int((row + 0.75) * height / rows), int((column + 0.75) * width / columns)
        patch = edges[top : max(bottom, top + 1), left : max(right, left + 1)]
        y, x = np.unravel_index(patch.argmin(), patch.shape)
        cells[top + y, left + x] = index + 1
    # watershed takes a picture's outermost pixels for itself, and seeds may lie there
    cells = cv2.copyMakeBorder(cells, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    relief = cv2.copyMakeBorder(
        np.clip(edges * 10, 0, 255).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE
    )
    cv2.watershed(cv2.merge([relief] * 3), cells)
    cells = cells[1:-1, 1:-1]
    while (open_ := cells <= 0).any():  # the lines between cells
        spread = cv2.dilate(np.maximum(cells, 0).astype(np.float32), np.ones((3, 3)))
        cells = np.where(open_, spread.astype(np.int32), cells)
    # in a picture of a few pixels one seed may have replaced another
    return cast("Labels", np.unique(cells, return_inverse=True)[1].reshape(cells.shape))


def _means(cells: Labels, values: NDArray[np.generic]) -> _Array:
    """(n, c) means of (h, w, c) values over the cells."""
    flat = cells.ravel()
    size = np.bincount(flat)
    totals = [np.bincount(flat, weights=values[..., c].ravel()) for c in range(values.shape[2])]
    return np.stack(totals, axis=1) / size[:, None]


def _distances(points: _Array) -> _Array:
    return cast("_Array", np.linalg.norm(points[:, None] - points, axis=2))


def _beside(cells: Labels, count: int) -> Bool:
    """(n, n): which cells touch."""
    near = np.zeros((count, count), bool)
    for one, other in (
        (cells[:-1], cells[1:]),
        (cells[:, :-1], cells[:, 1:]),
        (cells[:-1, :-1], cells[1:, 1:]),
        (cells[1:, :-1], cells[:-1, 1:]),
    ):
        near[one, other] = near[other, one] = True
    np.fill_diagonal(near, val=False)
    return near


def _geodesic(apart: _Array, near: Bool) -> _Array:
    """(n, n) length of the shortest way from cell to cell, without the steps that every cell has (Floyd, 1962)."""
    steps = np.where(near, apart, np.inf)
    np.fill_diagonal(steps, np.inf)
    ways: _Array = np.maximum(steps - np.median(steps.min(axis=1)), 0)
    np.fill_diagonal(ways, 0)
    for middle in range(len(ways)):
        np.minimum(ways, ways[:, middle, None] + ways[middle], out=ways)
    return ways


def _background(ways: _Array, border: Bool) -> _Array:
    """(n,) 0..1 by boundary connectivity: how much of the border a cell's like touches, for the room they take."""
    alike = np.exp(-(ways**2) / (2 * _GEODESIC**2))
    connected = alike[:, border].sum(axis=1) / np.sqrt(alike.sum(axis=1))
    return cast("_Array", 1 - np.exp(-(connected**2) / 2))


def _settled(contrast: _Array, behind: _Array, apart: _Array, near: Bool) -> _Array:
    """The saliency that is high where contrast is, low in the background, and smooth between cells alike."""
    ones = near.astype(np.float32)
    close = near | (ones @ ones > 0)
    links = np.where(close, np.exp(-(apart**2) / (2 * _LIKE**2)) + _LEAST_LINK, 0)
    np.fill_diagonal(links, 0)
    system = np.diag(links.sum(axis=1) + _BACKGROUND * behind + contrast) - links
    return cast("_Array", np.linalg.solve(system, contrast))


def _stretched(values: _Array) -> _Array:
    """To 0..1."""
    low, high = values.min(), values.max()
    return cast("_Array", (values - low) / max(1e-6, high - low))
