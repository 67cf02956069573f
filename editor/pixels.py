"""Pixel arithmetic shared by everything that looks at pictures: sample scales, CIE Lab, shrinking, tiles."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.base import Image

Float = NDArray[np.float32]


def full(image: Image) -> int:
    """The value of white: 255 or 65535."""
    return int(np.iinfo(image.dtype).max)


def to_float(image: Image) -> Float:
    """Integer samples to float32 in 0..1."""
    return image.astype(np.float32) * np.float32(1.0 / full(image))


def lab(image: Image) -> Float:
    """CIE Lab of a picture that is small already: L 0..100, a and b about -128..127, D65."""
    return cast("Float", cv2.cvtColor(to_float(image), cv2.COLOR_RGB2Lab))


def shrunk_size(height: int, width: int, pixels: int) -> tuple[int, int]:
    """(width, height) of no more than `pixels` pixels, aspect kept; the size itself when small enough."""
    scale = min(1.0, (pixels / max(1, height * width)) ** 0.5)
    # rounded down, so that shrinking twice is shrinking once
    return max(1, int(width * scale)), max(1, int(height * scale))


def shrink(image: Image, pixels: int = 1_000_000) -> Image:
    """The picture at no more than `pixels` pixels, aspect kept, area-averaged; itself when small enough."""
    height, width = image.shape[:2]
    size = shrunk_size(height, width, pixels)
    if size == (width, height):
        return image
    return cast("Image", cv2.resize(image, size, interpolation=cv2.INTER_AREA))
