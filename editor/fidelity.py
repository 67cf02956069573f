"""Putting a model's output back onto the photo, so that what was not edited stays bit for bit the photo's own."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.base import EditError, Image, Mask
from editor.pixels import BAND_PIXELS, Float, blend, full, in_depth, lab, shrunk_size

VISIBLE = 5.0
"""CIE76 difference seen at a glance: about two just noticeable ones (2.3; Mahy, Van Eycken and Oosterlinck, 1994).
Compression and an autoencoder's drift of colour alone reach one."""
NOISE, TEXTURE = 4.0, 8.0
"""Mean absolute differences, in levels of 255: what an autoencoder's round trip alone leaves, and from where on a
change of texture is seen."""
MAP_PIXELS = 1_000_000
"""The change map is made at this size; its edges are soft, so nothing is won by more."""
SPECK_SHARE, SPECK_PIXELS = 1e-4, 40
"""Changed parts of the map smaller than this are noise; a single pixel is 30 after smoothing."""
MARGIN = 3
"""Pixels of the map by which a changed part is widened and feathered: no seam cuts through an edit's own edge."""


def restore_outside(source: Image, result: Image, mask: Mask, feather: int = 0) -> Image:
    """`result` where the mask is 255, `source` bit for bit where it is 0, a mix between.

    feather: width in pixels of a ramp inside the mask's edge, 0 for none. Raises EditError when sizes differ.
    """
    result = _comparable(source, result)
    if mask.shape != source.shape[:2]:
        raise EditError(f"the mask is {_size(mask)} and the picture {_size(source)}")
    if feather > 0:
        # The distance grows from the zeros inwards, so the ramp never reaches outside the mask.
        distance = cv2.distanceTransform((mask > 0).astype(np.uint8), cv2.DIST_L2, 5)
        ramp = np.minimum(distance / np.float32(feather), 1.0)
        mask = np.rint(mask * ramp).astype(np.uint8)
    return blend(source, result, mask)


def keep_unchanged(source: Image, result: Image, threshold: float = 1.0) -> Image:
    """`result` where it differs visibly from `source`, and `source` bit for bit where it does not.

    threshold: 1 = seen at a glance; higher drops fainter changes too. Raises EditError when sizes differ.
    """
    result = _comparable(source, result)
    changed = change_mask(source, result, threshold)
    if not changed.any():
        return source.copy()
    return blend(source, result, changed)


def change_mask(source: Image, result: Image, threshold: float = 1.0) -> Mask:
    """Where `result` differs visibly from `source`: (H, W) uint8 with soft edges, 0 = not at all.

    Hysteresis (Canny, 1986): a part counts when it holds a visible change, and extends to half of that.
    """
    height, width = source.shape[:2]
    visible = _visibility(source, result)
    weak = (visible >= threshold / 2).astype(np.uint8)
    # Closing joins what noise tore apart, before parts are counted.
    weak = cv2.morphologyEx(weak, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(weak, connectivity=8)
    kept = np.zeros(len(stats), np.uint8)
    kept[np.unique(labels[visible >= threshold])] = 255
    kept[stats[:, cv2.CC_STAT_AREA] < max(SPECK_PIXELS, SPECK_SHARE * visible.size)] = 0
    kept[0] = 0
    parts = kept[labels]
    # Widened by the margin and averaged over it: full on the part itself, zero two margins away.
    side = 2 * MARGIN + 1
    parts = cv2.blur(cv2.dilate(parts, np.ones((side, side), np.uint8)), (side, side))
    return cast("Mask", cv2.resize(parts, (width, height), interpolation=cv2.INTER_LINEAR))


def _visibility(source: Image, result: Image) -> Float:
    """How visible the change is, 1 = seen at a glance, at up to MAP_PIXELS pixels."""
    height, width = source.shape[:2]
    size = shrunk_size(height, width, MAP_PIXELS)
    small = [
        lab(cast("Image", cv2.resize(each, size, interpolation=cv2.INTER_AREA))) for each in (source, result)
    ]
    # A shift of colour keeps its sign over an area; noise does not, and averages out.
    shift = cv2.GaussianBlur(small[1] - small[0], (0, 0), 2)
    color = np.sqrt((shift * shift).sum(axis=2)) / np.float32(VISIBLE)
    texture = cv2.resize(_difference(source, result), size, interpolation=cv2.INTER_AREA)
    texture = (cv2.GaussianBlur(texture.astype(np.float32), (0, 0), 1.5) - NOISE) / (TEXTURE - NOISE)
    return cast("Float", np.maximum(color, texture))


def _difference(source: Image, result: Image) -> NDArray[np.uint8]:
    """The largest absolute difference of the three channels, in levels of 255."""
    out = np.empty(source.shape[:2], np.uint8)
    step = max(1, BAND_PIXELS // max(1, source.shape[1]))
    for top in range(0, len(source), step):
        apart = cv2.absdiff(source[top : top + step], result[top : top + step])
        largest = np.maximum(np.maximum(apart[..., 0], apart[..., 1]), apart[..., 2])
        out[top : top + step] = largest if full(source) == 255 else largest // 257
    return out


def _comparable(source: Image, result: Image) -> Image:
    """`result` in the depth of `source`. Raises EditError when the sizes differ."""
    if source.shape != result.shape:
        raise EditError(f"the result is {_size(result)} and the picture {_size(source)}")
    return in_depth(result, source.dtype)


def _size(picture: Image | Mask) -> str:
    return f"{picture.shape[1]} x {picture.shape[0]}"
