"""From a mask on the small copy to a soft mask at full size whose edge follows the photo's own edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.base import Image, Mask
from editor.builtin.pixels import Float, full
from editor.builtin.regions.scene import Bool
from editor.pixels import side_by_side

RADIUS = 3
"""Of the guided filter's window, in pixels of the small copy: how far the edge may move to meet a real one."""
EPSILON = 2e-4
"""Regularisation of the guided filter: contrasts below sqrt(EPSILON), 0.014 of white, are not edges."""
TAILS = (0.22, 0.78)
"""The filter's output is stretched from here to 0..1, so that faint tails become exactly 0 or 255."""
_TILE = 256
_ONE = 1.0 / (TAILS[1] - TAILS[0])


def to_photo(mask: Bool, guide: Float, image: Image) -> Mask:
    """(h, w) mask and its (h, w, 3) guide in 0..1 to a soft (H, W) uint8 mask for `image`.

    The fast guided filter (He and Sun, arXiv 1505.00996) with a colour guide: the linear coefficients are made on
    the small copy, enlarged, and applied to the full picture, only where the mask's edge is near.
    """
    height, width = image.shape[:2]
    coefficients, decided = _coefficients(mask, guide)
    out = np.empty((height, width), np.uint8)
    scale = mask.shape[1] / width, mask.shape[0] / height

    def work(corner: tuple[int, int]) -> None:
        y, x = corner
        rows, columns = slice(y, min(height, y + _TILE)), slice(x, min(width, x + _TILE))
        constant = _constant(decided, rows, columns, scale)
        if constant is not None:
            out[rows, columns] = constant
        else:
            out[rows, columns] = _tile(coefficients, image[rows, columns], (x, y), scale)

    corners = [(y, x) for y in range(0, height, _TILE) for x in range(0, width, _TILE)]
    side_by_side(work, corners)
    return out


def _coefficients(mask: Bool, guide: Float) -> tuple[Float, NDArray[np.int8]]:
    """(h, w, 4) stretched coefficients (three slopes, an offset), and (h, w): 1 inside, 0 outside, -1 undecided."""
    window = (2 * RADIUS + 1,) * 2
    p = mask.astype(np.float32)

    def box(values: Float) -> Float:
        return cast("Float", cv2.blur(values, window, borderType=cv2.BORDER_REFLECT_101))

    mean_i, mean_p = box(guide), box(p)
    cov_ip = box(guide * p[..., None]) - mean_i * mean_p[..., None]
    slopes = _solve(guide, mean_i, cov_ip, box)
    offset = mean_p - (slopes * mean_i).sum(axis=2)
    both = box(np.dstack([slopes, offset]).astype(np.float32))
    both *= _ONE
    both[..., 3] -= TAILS[0] * _ONE
    # two windows away from any edge the answer is the mask's own; said outright, rounding errors cannot blur it
    reach = np.ones((4 * RADIUS + 1,) * 2, np.uint8)
    eight = mask.astype(np.uint8)
    sure_in, sure_out = cv2.erode(eight, reach) > 0, cv2.dilate(eight, reach) == 0
    both[sure_in] = (0, 0, 0, 2)
    both[sure_out] = (0, 0, 0, -1)
    decided = np.where(sure_in, 1, np.where(sure_out, 0, -1)).astype(np.int8)
    return both, decided


def _solve(guide: Float, mean_i: Float, cov_ip: Float, box: Callable[[Float], Float]) -> Float:
    """Solve (covariance of the guide + EPSILON) slopes = cov_ip in every window, by Cramer's rule."""
    var = {}
    for i in range(3):
        for j in range(i, 3):
            value = box(guide[..., i] * guide[..., j]) - mean_i[..., i] * mean_i[..., j]
            var[i, j] = value + EPSILON if i == j else value
    rr, rg, rb, gg, gb, bb = (var[k] for k in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)))
    c00, c01, c02 = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    c11, c12, c22 = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    determinant = rr * c00 + rg * c01 + rb * c02
    x, y, z = cov_ip[..., 0], cov_ip[..., 1], cov_ip[..., 2]
    slopes = np.dstack(
        [c00 * x + c01 * y + c02 * z, c01 * x + c11 * y + c12 * z, c02 * x + c12 * y + c22 * z]
    )
    return cast("Float", slopes / determinant[..., None])


def _constant(
    decided: NDArray[np.int8], rows: slice, columns: slice, scale: tuple[float, float]
) -> int | None:
    """255 or 0 when every small pixel that a tile reads is decided alike, else None."""
    left, right = int((columns.start + 0.5) * scale[0] - 0.5), int((columns.stop + 0.5) * scale[0] + 0.5)
    top, bottom = int((rows.start + 0.5) * scale[1] - 0.5), int((rows.stop + 0.5) * scale[1] + 0.5)
    seen = decided[max(0, top - 1) : bottom + 2, max(0, left - 1) : right + 2]
    low, high = int(seen.min()), int(seen.max())
    return 255 * low if low == high and low >= 0 else None


def _tile(coefficients: Float, pixels: Image, corner: tuple[int, int], scale: tuple[float, float]) -> Mask:
    """Apply the enlarged coefficients to one tile of the full picture."""
    height, width = pixels.shape[:2]
    sx, sy = scale
    matrix = np.array([[sx, 0, (corner[0] + 0.5) * sx - 0.5], [0, sy, (corner[1] + 0.5) * sy - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    large = cv2.warpAffine(
        coefficients, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    rgb = pixels.astype(np.float32)
    rgb *= np.float32(1 / full(pixels))
    rgb *= large[..., :3]
    value = rgb[..., 0] + rgb[..., 1] + rgb[..., 2] + large[..., 3]
    np.clip(value, 0, 1, out=value)
    return cast("Mask", np.rint(value * np.float32(255)).astype(np.uint8))
