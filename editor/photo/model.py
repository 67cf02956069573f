"""A photo in memory: the picture to edit and what its file carried besides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from editor.base import Image

Samples = NDArray[np.uint8] | NDArray[np.uint16]
"""(H, W) grey, (H, W, 3) RGB or (H, W, 4) CMYK samples, as a file stores them."""
SizeCheck = Callable[[int, int, int], None]
"""Called with width, height and bytes per pixel before decoding; raises PhotoError when that is too much."""


@dataclass(slots=True)
class Carried:
    """What a file holds besides its sRGB picture, upright like the picture. Private to this package.

    mode: "RGB", "L" or "CMYK", the way the file stores colour; native: its own samples, None when they are the
    working picture itself. to_native: sRGB (H, W, 3) -> samples of `mode` in the file's profile; None when there
    is no conversion. assumed: the profile could not be used and sRGB was assumed. space: what a file without a
    profile says of its colours where that is not sRGB.
    """

    mode: str = "RGB"
    native: Samples | None = None
    to_native: Callable[[Image], Samples] | None = None
    alpha: Samples | None = None
    icc: bytes | None = None
    assumed: bool = False
    space: str | None = None
    exif: bytes | None = None  # a TIFF structure, without the "Exif\0\0" of JPEG
    xmp: bytes | None = None
    iptc: bytes | None = None  # IPTC-IIM records of a JPEG
    dpi: tuple[float, float] | None = None
    encoder: dict[str, Any] = field(default_factory=dict)  # JPEG tables, lossless WebP, TIFF compression
    chunks: tuple[bytes, ...] = ()  # PNG text and colour chunks, whole


@dataclass(slots=True)
class Photo:
    """A loaded photo.

    image: (H, W, 3) uint8 or uint16, sRGB, upright; not to be modified, `save` compares with it.
    format: "JPEG", "PNG", "WEBP", "TIFF", "AVIF" or "HEIF". sha256: hex, of the file's bytes.
    notes: plain sentences for the user; `save` adds to them.
    """

    image: Image
    path: Path | None
    format: str
    sha256: str
    notes: list[str] = field(default_factory=list)
    carried: Carried = field(default_factory=Carried)

    @property
    def alpha(self) -> Samples | None:
        """Opacity, (H, W) uint8 or uint16; None when the photo has none."""
        return self.carried.alpha
