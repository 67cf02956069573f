"""Smooth layers made on a small copy of a photo and read at full size, row by row.

An edge-aware base, a veil, a blurred version: none needs full resolution, and at 24 MP none could be kept
whole in float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np

from editor.base import Image
from editor.builtin.pixels import Float, highest, luma, planes, shrink, to_float


def spread(small: Float, rows: slice, shape: tuple[int, ...]) -> Float:
    """Rows of `small` ((h, w) or (h, w, c)) enlarged bilinearly to a picture of shape (H, W, ...).

    The result has shape (rows, W) or (rows, W, c), and does not depend on how the picture is cut into bands.
    """
    height, width = shape[:2]
    low = small.shape[0]
    at = np.clip((np.arange(rows.start, rows.stop) + 0.5) * (low / height) - 0.5, 0, low - 1)
    above = np.floor(at).astype(np.intp)
    below = np.minimum(above + 1, low - 1)
    share = (at - above).astype(np.float32).reshape((-1,) + (1,) * (small.ndim - 1))
    lines = small[above] * (1 - share) + small[below] * share
    wide = cv2.resize(lines, (width, len(at)), interpolation=cv2.INTER_LINEAR)
    return cast("Float", wide.reshape((len(at), width, *small.shape[2:])))


def sample(image: Image, pixels: int = 100_000) -> Image:
    """Every nth pixel of every nth row, about `pixels` of them: enough for statistics, without averaging."""
    step = max(1, int((image.shape[0] * image.shape[1] / pixels) ** 0.5))
    return cast("Image", np.ascontiguousarray(image[::step, ::step]))


def diagonal(shape: tuple[int, ...]) -> float:
    """Length of a picture's diagonal in pixels: the measure that blur radii are relative to."""
    return float(np.hypot(shape[0], shape[1]))


def gaussian(values: Float, sigma: float) -> Float:
    """Gaussian blur of float (h, w) or (h, w, 3); itself when sigma is below a tenth of a pixel."""
    if sigma < 0.1:
        return values
    blurred = cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return cast("Float", blurred.reshape(values.shape))


def box(values: Float, radius: int) -> Float:
    """Mean over a square of 2 * radius + 1."""
    size = (2 * radius + 1, 2 * radius + 1)
    blurred = cv2.blur(values, size, borderType=cv2.BORDER_REPLICATE)
    return cast("Float", blurred.reshape(values.shape))


def guided(guide: Float, values: Float, radius: int, eps: float) -> tuple[Float, Float]:
    """Coefficients a, b with a * guide + b = `values` smoothed along the guide's edges.

    Guided filter of He, Sun and Tang (2010); a and b may be enlarged before use ("Fast guided filter", 2015).
    """
    mean_guide, mean_values = box(guide, radius), box(values, radius)
    variance = box(guide * guide, radius) - mean_guide * mean_guide
    covariance = box(guide * values, radius) - mean_guide * mean_values
    a = cast("Float", covariance / (variance + np.float32(eps)))
    b = cast("Float", mean_values - a * mean_guide)
    return box(a, radius), box(b, radius)


@dataclass(frozen=True, slots=True)
class EdgeAware:
    """A smooth map that follows the edges of a photo's luma: a * luma + b, coefficients at low resolution."""

    a: Float
    b: Float
    shape: tuple[int, ...]

    def rows(self, light: Float, rows: slice) -> Float:
        """The map in the given rows, whose luma is `light`."""
        return spread(self.a, rows, self.shape) * light + spread(self.b, rows, self.shape)


def base_layer(image: Image, share: float = 0.012, eps: float = 0.01) -> EdgeAware:
    """The photo's luma without its detail, edges kept: halo-free masks of light and shadow.

    share: radius relative to the diagonal. eps: variance of luma below which texture counts as detail.
    """
    light = luma(to_float(shrink(image, 400_000)))
    radius = max(1, round(share * diagonal(light.shape)))
    return EdgeAware(*guided(light, light, radius, eps), image.shape)


def along_edges(image: Image, values: Float, share: float = 0.02, eps: float = 1e-3) -> EdgeAware:
    """A low-resolution map (h, w) of any kind, made to follow the photo's edges."""
    height, width = values.shape
    light = luma(to_float(cast("Image", cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))))
    radius = max(1, round(share * diagonal(values.shape)))
    return EdgeAware(*guided(light, values, radius, eps), image.shape)


def gain(band: Float, factor: Float) -> Float:
    """Multiply RGB (n, w, 3) by a factor (n, w), hue kept. Where it brightens, highlights roll off to white."""
    top = highest(band)
    # factor / (1 + (factor - 1) * top^2): the full factor in the dark, 1 where the pixel is white already
    lift = np.maximum(factor - np.float32(1.0), np.float32(0.0))
    band *= planes(factor / (1 + lift * top * top))
    return band


def frame_grid(frame: tuple[int, int, int, int], rows: slice, width: int) -> tuple[Float, Float]:
    """Centres of pixels as shares 0..1 of the whole photo: x of shape (1, width), y of shape (rows, 1)."""
    left, top, full_width, full_height = frame
    x = (np.arange(left, left + width, dtype=np.float32) + 0.5) / np.float32(full_width)
    y = (np.arange(top + rows.start, top + rows.stop, dtype=np.float32) + 0.5) / np.float32(full_height)
    return cast("Float", x[None, :]), cast("Float", y[:, None])
