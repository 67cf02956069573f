"""Pixel arithmetic shared by everything that looks at pictures: sample scales, CIE Lab, shrinking, tiles."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar, cast

import cv2
import numpy as np
from numpy.typing import DTypeLike, NDArray

from editor.base import Image, Mask

Float = NDArray[np.float32]
T = TypeVar("T")
Item = TypeVar("Item")

BAND_PIXELS = 1 << 17
"""Pixels in one band: 1.5 MB of float32 RGB, small enough to stay in the cache of one core."""
SMALL_PIXELS = 400_000
"""Pixels at which regions are found and colours compared: statistics to a tenth of a point, a leaf's teeth."""
_WHITE = np.array([[0.950456], [1.0], [1.088754]])
_TO_XYZ = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)
_TO_XYZ = (_TO_XYZ / _WHITE).astype(np.float32)
"""Linear Rec. 709 RGB to XYZ over that of the white point D65 (the numbers that OpenCV documents)."""
_TO_LAB = np.array([[0, 116, 0, -16], [500, -500, 0, 0], [0, 200, -200, 0]], np.float32)
_BASE_PIXELS = 2_000_000
_BASED_FROM = 6_000_000
_REMEMBERED = 24
_remembered: list[tuple[weakref.ref[Any], object, Any]] = []
"""Of the latest pictures that are still there: the picture, what was made of it, and that."""
_remembering = threading.Lock()


def full(image: Image) -> int:
    """The value of white: 255 or 65535."""
    return int(np.iinfo(image.dtype).max)


def to_float(image: Image) -> Float:
    """Integer samples to float32 in 0..1."""
    return image.astype(np.float32) * np.float32(1.0 / full(image))


def lab(image: Image) -> Float:
    """CIE Lab of a picture that is small already: L 0..100, a and b about -128..127, D65.

    CIE 15:2004, 8.2.1.1. OpenCV's own is off by up to 0.4, and takes 0.1 s to build its table at first use.
    """
    xyz = cv2.transform(linear_light(image), _TO_XYZ)
    roots = np.cbrt(xyz)
    np.copyto(roots, xyz * np.float32(841 / 108) + np.float32(4 / 29), where=xyz < np.float32(216 / 24389))
    return cast("Float", cv2.transform(roots, _TO_LAB))


def linear_light(image: Image) -> Float:
    """sRGB samples to float32 linear light, 0..1."""
    levels = _linear_levels(full(image))
    return cast("Float", cv2.LUT(image, levels)) if image.dtype == np.uint8 else levels[image]


def gradient(lightness: Float) -> Float:
    """Magnitude of the central difference, per pixel."""
    across = cv2.Sobel(lightness, cv2.CV_32F, 1, 0, ksize=1, scale=0.5)
    down = cv2.Sobel(lightness, cv2.CV_32F, 0, 1, ksize=1, scale=0.5)
    return cast("Float", cv2.magnitude(across, down))


@cache
def _linear_levels(top: int) -> Float:
    """Linear light 0..1 of each of top + 1 sRGB levels (IEC 61966-2-1)."""
    levels = np.linspace(0, 1, top + 1)
    return np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4).astype(np.float32)


def small_lab(image: Image, size: tuple[int, int] | None = None) -> Float:
    """CIE Lab of the picture at no more than SMALL_PIXELS pixels, or at a (width, height) near that.

    Remembered like what `shrink` makes, and not to be modified either.
    """
    small = shrink(image, SMALL_PIXELS)
    if size is not None and size != (small.shape[1], small.shape[0]):
        return lab(cast("Image", cv2.resize(small, size, interpolation=cv2.INTER_AREA)))
    return once(small, "lab", lambda: lab(small))


def once(picture: Image | Float, what: object, make: Callable[[], T]) -> T:
    """make() for a picture that nobody modifies: known already if it was asked for lately, under the same name."""
    with _remembering:
        for at, (known, name, made) in enumerate(_remembered):
            if name == what and known() is picture:
                _remembered.append(_remembered.pop(at))  # what is used stays: a source, round after round
                return cast("T", made)
    made = make()
    with _remembering:
        living = [entry for entry in _remembered if entry[0]() is not None]
        _remembered[:] = [*living[1 - _REMEMBERED :], (weakref.ref(picture), what, made)]
    return made


def shrunk_size(height: int, width: int, pixels: int) -> tuple[int, int]:
    """(width, height) of no more than `pixels` pixels, aspect kept; the size itself when small enough."""
    scale = min(1.0, (pixels / max(1, height * width)) ** 0.5)
    # rounded down, so that shrinking twice is shrinking once
    return max(1, int(width * scale)), max(1, int(height * scale))


def shrink(image: Image, pixels: int = 1_000_000) -> Image:
    """The picture at no more than `pixels` pixels, aspect kept, averaged; itself when small enough.

    The copy is remembered while the picture lives, so that the editor, the measurements and the region finder make it
    once; from a large picture it is made by way of one of 2 MP, which the trace keeps. It must not be modified.
    """
    height, width = image.shape[:2]
    size = shrunk_size(height, width, pixels)
    if size == (width, height):
        return image
    if height * width > _BASED_FROM and pixels < _BASE_PIXELS:
        image = shrink(image, _BASE_PIXELS)
    return once(image, size, lambda: _reduced(image, size))


def _reduced(image: Image, size: tuple[int, int]) -> Image:
    """Area-averaged to `size`; whole halvings first, which are several times faster."""
    while image.shape[1] >= 2 * size[0] and image.shape[0] >= 2 * size[1]:
        half = image.shape[1] // 2, image.shape[0] // 2
        image = cast("Image", cv2.resize(image, half, interpolation=cv2.INTER_LINEAR))
    reduced = cast("Image", cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    reduced.flags.writeable = False  # others will be given the same
    return reduced


def side_by_side(work: Callable[[Item], T], items: Sequence[Item]) -> list[T]:
    """work(item) of each, on as many threads as OpenCV may use: all cores, or a batch worker's share of them."""
    threads = min(cv2.getNumThreads(), len(items))
    if threads <= 1:
        return [work(item) for item in items]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, items))


def by_rows(like: Image, work: Callable[[slice], NDArray[Any]], depth: DTypeLike | None = None) -> Image:
    """Fill a picture like `like`, of its depth or another, from work(rows) -> its pixels there, on all cores."""
    height, width = like.shape[:2]
    out = np.empty_like(like, depth)
    step = max(1, BAND_PIXELS // max(1, width))

    def fill(top: int) -> None:
        rows = slice(top, min(height, top + step))
        out[rows] = work(rows)

    side_by_side(fill, range(0, height, step))
    return out


def in_depth(image: Image, depth: DTypeLike) -> Image:
    """The same samples, (H, W) or (H, W, C), as uint8 or uint16; itself when it is of that depth."""
    if image.dtype == depth:
        return image
    if depth == np.uint16:
        return cast("Image", image.astype(np.uint16) * np.uint16(257))
    return by_rows(image, lambda rows: (image[rows].astype(np.uint32) + 128) // 257, np.uint8)


def blend(original: Image, edited: Image, mask: Mask | None) -> Image:
    """`edited` where the mask is 255, `original` bit for bit where it is 0, a mix between."""
    if mask is None:
        return edited

    def work(rows: slice) -> Image:
        alpha, old, new = mask[rows], original[rows], edited[rows]
        if not alpha.any():
            return old
        if alpha.min() == 255:
            return new
        weight = alpha.astype(np.float32)[..., None] * np.float32(1 / 255)
        # weight 0 gives exactly old and weight 1 exactly new: both are whole numbers in float32
        mixed = old.astype(np.float32)
        mixed += (new.astype(np.float32) - mixed) * weight
        return cast("Image", np.rint(mixed).astype(original.dtype))

    return by_rows(original, work)
