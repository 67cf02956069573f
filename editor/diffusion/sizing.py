"""From a photo of any size to a model's canvas and back: nothing is cropped, nothing is stretched silently.

A canvas is a size at which a pipeline does not resize, crop or snap by itself, near the area it was trained at. The
photo is scaled into the canvas that holds most of it, the rest is filled by reflection, and the way back is exactly
the inverse. On the way back the photo keeps its own detail wherever the model left the structure alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, cast

import cv2
import numpy as np

from editor.base import Image, Mask
from editor.pixels import Float, full, in_depth

Size = tuple[int, int]
"""Width, height."""

MAX_ASPECT = 4.0
"""Canvases are never longer than this; models are trained up to about 1:3, and FLUX.2 refuses 1:8."""
WINDOW = 2.5
"""Sigma, in pixels of the canvas, over which structure before and after is compared."""
GRAIN = 4.0
"""Variance, in levels of 255 squared, below which an area counts as flat: an autoencoder's own noise."""
UNLIKE, ALIKE = 0.3, 0.7
"""Squared correlation up to which structure counts as replaced, and from which as the same under noise."""
MASK_MARGIN = 8
"""Pixels by which a mask is widened on the canvas, half a latent cell, so that thin parts survive its grid."""
BAND_PIXELS = 1 << 20


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the photo lies on the canvas. source, canvas: width, height; box: left, top, width, height."""

    source: Size
    canvas: Size
    box: tuple[int, int, int, int]

    def to_dict(self) -> dict[str, Any]:
        """For the trace: all of it, and how far the box's aspect is off, in percent (rounding to whole pixels)."""
        width, height = self.source
        stretch = abs(self.box[2] / width * height / self.box[3] - 1)
        return {
            **{key: list(value) for key, value in asdict(self).items()},
            "stretch_percent": round(100 * stretch, 3),
        }


def layout(source: Size, canvases: tuple[Size, ...]) -> Layout:
    """The canvas on which the photo is largest, and the photo's place in its middle."""
    width, height = source

    def scale(canvas: Size) -> float:
        return min(canvas[0] / width, canvas[1] / height)

    best = max(canvases, key=lambda canvas: (scale(canvas), -canvas[0] * canvas[1]))
    placed = [max(1, min(limit, round(side * scale(best)))) for side, limit in zip(source, best, strict=True)]
    left, top = (best[0] - placed[0]) // 2, (best[1] - placed[1]) // 2
    return Layout(source, best, (left, top, placed[0], placed[1]))


@lru_cache(maxsize=16)
def fixed_canvases(snap: Callable[[int, float], Size], grid: int, area: int) -> tuple[Size, ...]:
    """Sizes on a grid that a pipeline's own rule leaves alone. snap: area and aspect (width / height) to its size."""
    return tuple(size for size in _sizes(grid, area) if snap(area, size[0] / size[1]) == size)


@lru_cache(maxsize=16)
def grid_canvases(grid: int, area: int) -> tuple[Size, ...]:
    """The largest sizes on a grid with no more than `area` pixels."""
    sizes = [size for size in _sizes(grid, area) if size[0] * size[1] <= area]
    tallest: dict[int, int] = {}
    for width, height in sizes:
        tallest[width] = max(height, tallest.get(width, 0))
    return tuple(tallest.items())


def _sizes(grid: int, area: int) -> Iterator[Size]:
    longest = int((area * MAX_ASPECT) ** 0.5)
    shortest = int((area / MAX_ASPECT) ** 0.5)
    sides = range(max(grid, shortest // grid * grid), longest + grid, grid)
    return ((w, h) for w in sides for h in sides if 1 / MAX_ASPECT <= w / h <= MAX_ASPECT)


def place(image: Image, where: Layout) -> Image:
    """The photo on its canvas, 8 bits, the rest filled by reflection."""
    return cast("Image", _padded(_resized(in_depth(image, np.uint8), where.box[2:]), where))


def place_mask(mask: Mask, where: Layout) -> Mask:
    """The mask on the canvas, 0 or 255, widened by MASK_MARGIN, so that every pixel to be edited is in it."""
    placed = (_padded(_resized(mask, where.box[2:]), where) > 0).astype(np.uint8) * 255
    side = 2 * MASK_MARGIN + 1
    return cast("Mask", cv2.dilate(placed, np.ones((side, side), np.uint8)))


def give_back(source: Image, before: Image, after: Image, where: Layout) -> Image:
    """The model's result at the source's size and depth, with the source's own detail.

    before, after: the canvas as the model got it and as it returned it, uint8. Where the structure is the same, the
    result is source + (after - before), so a model that changes nothing gives the source back bit for bit; where it
    is not, the result is `after`, enlarged. Between, the source's detail is scaled by the local regression gain of
    after on before, as in a guided filter (He, Sun and Tang, 2013), and dropped where the two do not correlate.
    """
    left, top, width, height = where.box
    old, new = (each[top : top + height, left : left + width].astype(np.float32) for each in (before, after))
    gain = _gain(old, new)
    small = np.concatenate([new - gain[..., None] * old, gain[..., None]], axis=2)
    out = np.empty_like(source)
    white = full(source)
    rows = max(1, BAND_PIXELS // source.shape[1])

    def work(first: int) -> None:
        band = source[first : first + rows]
        part = _enlarged(small, where.source, first, len(band))
        mixed = part[..., :3] * np.float32(white / 255) + part[..., 3:] * band.astype(np.float32)
        out[first : first + rows] = np.rint(np.clip(mixed, 0, white))

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for _ in pool.map(work, range(0, len(source), rows)):
            pass
    return out


def _gain(old: Float, new: Float) -> Float:
    """How much of the old local structure is in the new, 0 to 1.5: 1 = the same, 0 = none of it."""
    a, b = (cv2.cvtColor(each, cv2.COLOR_RGB2GRAY) for each in (old, new))

    def mean(values: Float) -> Float:
        return cast("Float", cv2.GaussianBlur(values, (0, 0), WINDOW))

    mean_a, mean_b = mean(a), mean(b)
    # rounding can make a variance a little negative; GRAIN covers that
    variance_a, variance_b = mean(a * a) - mean_a * mean_a + GRAIN, mean(b * b) - mean_b * mean_b + GRAIN
    covariance = mean(a * b) - mean_a * mean_b + GRAIN
    alike = covariance * covariance / (variance_a * variance_b)
    kept = np.clip((alike - UNLIKE) / (ALIKE - UNLIKE), 0, 1)
    return cast("Float", np.clip(covariance / variance_a, 0, 1.5) * kept)


def _enlarged(small: Float, size: Size, first: int, rows: int) -> Float:
    """Rows `first` to `first + rows` of `small` at `size`; each channel, cubic, pixel centres aligned."""
    height, width = small.shape[:2]
    if size[0] < width or size[1] < height:  # a photo smaller than the canvas: average, do not sample
        return cast("Float", cv2.resize(small, size, interpolation=cv2.INTER_AREA)[first : first + rows])
    x, y = width / size[0], height / size[1]
    matrix = np.array([[x, 0, (x - 1) / 2], [0, y, (first + 0.5) * y - 0.5]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cast(
        "Float", cv2.warpAffine(small, matrix, (size[0], rows), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    )


def _resized(image: Any, size: Size) -> Any:
    height, width = image.shape[:2]
    if (width, height) == size:
        return image
    smaller = size[0] <= width and size[1] <= height
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)


def _padded(image: Any, where: Layout) -> Any:
    left, top, width, height = where.box
    right, bottom = where.canvas[0] - left - width, where.canvas[1] - top - height
    return cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_REFLECT)
