"""Colour as light and as eyes see it: linear sRGB and OKLab, band by band.

OKLab (Björn Ottosson, "A perceptual color space for image processing", 2020) keeps hue and lightness steady
when chroma changes, where CIE Lab turns blue to purple. L is 0..1, a and b about -0.3..0.3; the chroma of a
vivid sRGB colour is 0.2 to 0.3, of skin about 0.07.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.base import Image
from editor.builtin import colors
from editor.builtin.pixels import (
    Float,
    by_rows,
    from_float,
    full,
    highest,
    linear_light,
    lowest,
    planes,
    shrink,
)
from editor.pixels import gradient

_RGB_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LMS_TO_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_LMS_TO_RGB = np.linalg.inv(_RGB_TO_LMS)
_OKLAB_TO_LMS = np.linalg.inv(_LMS_TO_OKLAB)
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Rec. 709 luminance of linear sRGB."""


def decode(encoded: Float) -> Float:
    """sRGB-encoded 0..1 to linear light 0..1 (IEC 61966-2-1)."""
    curved = cv2.pow((encoded + np.float32(0.055)) * np.float32(1 / 1.055), 2.4).reshape(encoded.shape)
    np.multiply(encoded, np.float32(1 / 12.92), out=curved, where=encoded <= 0.04045)
    return cast("Float", curved)


def encode(linear: Float) -> Float:
    """Linear light to sRGB-encoded; the input is clipped to 0..1."""
    linear = np.clip(linear, 0.0, 1.0)
    curved = cv2.pow(linear, 1 / 2.4).reshape(linear.shape)
    curved *= np.float32(1.055)
    curved -= np.float32(0.055)
    np.multiply(linear, np.float32(12.92), out=curved, where=linear <= 0.0031308)
    return cast("Float", curved)


_KNEE = 0.3
"""Linear light above which brightening rolls off: mid-grey (0.18) gets its full stops."""


def brighten(light: Float, factor: float) -> Float:
    """Multiply linear light; above the knee a rational shoulder leads to white, which stays white."""
    light = light * np.float32(factor)
    if factor <= 1:
        return light
    slope = (factor - _KNEE) / (1 - _KNEE)
    over = np.clip((light - _KNEE) / np.float32(factor - _KNEE), 0, 1)
    rolled = _KNEE + (1 - _KNEE) * slope * over / (1 + (slope - 1) * over)
    return np.where(light > _KNEE, rolled, light).astype(np.float32)


_ROOTS = 4095
"""Steps of the table that encodes by the square root of light: it errs by less than 0.05 of an 8-bit level."""


@cache
def _encode_table() -> NDArray[np.uint8]:
    roots = np.linspace(0.0, 1.0, _ROOTS + 1, dtype=np.float32)
    return np.rint(encode(roots * roots) * 255).astype(np.uint8)


def samples(linear: Float, like: Image) -> Image:
    """Linear light to sRGB samples of the dtype of `like`; what leaves 0..1 is clipped."""
    if like.dtype == np.uint8:
        roots = np.sqrt(np.clip(linear, 0.0, 1.0)) * np.float32(_ROOTS)
        return _encode_table()[(roots + np.float32(0.5)).astype(np.uint16)]
    return from_float(encode(linear), like)


def light_colour(picture: Image, where: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Colour of the light in a picture (of 1 MP at most, or it is shrunk) or in a part: linear RGB (3,), luminance 1.

    Grey edge (van de Weijer, Gevers and Gijsenij, "Edge-based color constancy", 2007; Minkowski norm 6, sigma 1):
    edges are less coloured than surfaces are. where: (h, w) of the picture.
    """
    small = picture if where is not None else shrink(picture, 1 << 20)
    light = cv2.GaussianBlur(linear_light(small), (0, 0), 1)
    edges = np.dstack([gradient(channel) for channel in cv2.split(light)])
    unclipped = small.max(axis=2) < 0.98 * full(small)  # what is clipped has lost its colour
    usable = edges[unclipped if where is None else unclipped & where]
    if not usable.any():
        return np.ones(3)
    # scaled, so that no sixth power is too small
    norm = np.power(usable / usable.max(), 6).mean(axis=0, dtype=np.float64) ** (1 / 6)
    return np.asarray(np.maximum(norm / float(norm @ LUMINANCE), 1e-3))


def linear_bands(image: Image, function: Callable[[Float, slice], Float]) -> Image:
    """Like `pixels.bands`, but the function sees and returns linear light. What leaves 0..1 is fitted."""

    def work(rows: slice) -> Image:
        light = function(linear_light(image[rows]), rows)
        return samples(fit(light), image)

    return by_rows(image, work)


def oklab(linear: Float) -> Float:
    """Linear sRGB (H, W, 3) to OKLab."""
    lms = cv2.transform(linear, _RGB_TO_LMS.astype(np.float32))
    return cast("Float", cv2.transform(np.cbrt(lms, out=lms), _LMS_TO_OKLAB.astype(np.float32)))


def from_oklab(lab: Float) -> Float:
    """OKLab (H, W, 3) to linear sRGB, not clipped."""
    lms = cv2.transform(lab, _OKLAB_TO_LMS.astype(np.float32))
    return cast("Float", cv2.transform(lms * lms * lms, _LMS_TO_RGB.astype(np.float32)))


def oklab_bands(image: Image, function: Callable[[Float, slice], Float]) -> Image:
    """Like `linear_bands`, but the function sees and returns OKLab; it may work in place."""
    return linear_bands(image, lambda light, rows: from_oklab(function(oklab(light), rows)))


def fit(linear: Float) -> Float:
    """Bring colours outside 0..1 back by mixing in the grey of the same luminance: no hue shift, no clipping."""
    # a little overshoot is rounding and is clipped
    if linear.size == 0 or (linear.max() <= 1.001 and linear.min() >= -0.001):
        return linear
    grey = np.clip(cv2.transform(linear, LUMINANCE[None]), 0.0, 1.0)
    tiny = np.float32(1e-6)
    room = np.minimum(
        (1 - grey) / np.maximum(highest(linear) - grey, tiny),
        grey / np.maximum(grey - lowest(linear), tiny),
    )
    base = planes(grey)
    return base + (linear - base) * planes(np.minimum(room, np.float32(1.0)))


def color_oklab(name: str) -> Float:
    """OKLab, shape (3,), of a colour name or "#rrggbb". Raises KeyError for an unknown name."""
    pixel = np.array([[colors.rgb(name)]], np.uint8)
    return cast("Float", oklab(linear_light(pixel))[0, 0])


def chroma(lab: Float) -> Float:
    """Chroma of Lab-like pixels, shape (H, W)."""
    return cast("Float", cv2.magnitude(lab[..., 1], lab[..., 2]))


def scale_chroma(lab: Float, factor: Float) -> Float:
    """Multiply a and b by a factor (n, w), in place."""
    lab[..., 1] *= factor
    lab[..., 2] *= factor
    return lab


def smoothstep(values: Float, low: float, high: float) -> Float:
    """0 below `low`, 1 above `high`, a smooth cubic between (`low` may be the larger: then it falls)."""
    t = np.clip((values - np.float32(low)) * np.float32(1.0 / (high - low)), 0.0, 1.0)
    return cast("Float", t * t * (np.float32(3.0) - np.float32(2.0) * t))


def matrix(image: Image, weights: NDArray[np.float64]) -> Image:
    """Mix the channels of every pixel by a (3, 3) or (3, 4) matrix on encoded values, rounded and clipped."""
    scaled = weights.astype(np.float32)
    if scaled.shape[1] == 4:
        scaled[:, 3] *= np.iinfo(image.dtype).max
    return by_rows(image, lambda rows: cast("Image", cv2.transform(image[rows], scaled)))
