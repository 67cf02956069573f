"""Pictures as a vision-language server takes them: small, 8 bits, JPEG or PNG, encoded once."""

from __future__ import annotations

import base64
import hashlib
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.errors import ReasonerError
from editor.base import Image
from editor.pixels import in_depth

Alpha = NDArray[np.uint8] | NDArray[np.uint16]

JPEG_QUALITY = 90
SMALLEST_SIDE = 56
"""Pixels; Qwen2-VL and its successors refuse sides below one patch of 28 or 32."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """One picture ready to send. width and height are those of the encoded picture."""

    url: str
    sha256: str
    width: int
    height: int
    format: str

    def part(self) -> dict[str, Any]:
        """The picture as a part of a chat message."""
        return {"type": "image_url", "image_url": {"url": self.url}}

    def reference(self, role: str) -> dict[str, Any]:
        """What the trace keeps in its place."""
        return {
            "type": "image", "image": role, "sha256": self.sha256,
            "width": self.width, "height": self.height, "format": self.format,
        }  # fmt: skip


@dataclass(slots=True)
class Encoder:
    """Encodes each array once, for as long as the array lives. Arrays must not be modified meanwhile.

    max_pixels: a larger picture is scaled down to it.
    """

    max_pixels: int
    _known: dict[int, tuple[weakref.ref[Image], Encoded]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, image: Image, alpha: Alpha | None = None) -> Encoded:
        """Encode (H, W, 3) uint8 or uint16 sRGB; alpha as in `encode`, the same whenever the picture is."""
        key = id(image)
        with self._lock:
            known = self._known.get(key)
            if known is not None and known[0]() is image:
                return known[1]
            encoded = encode(image, self.max_pixels, alpha)
            self._known[key] = weakref.ref(image, self._forget(key)), encoded
            return encoded

    def _forget(self, key: int) -> Callable[[weakref.ref[Image]], None]:
        def forget(reference: weakref.ref[Image]) -> None:
            known = self._known.get(key)
            if known is not None and known[0] is reference:
                self._known.pop(key, None)

        return forget


def encode(image: Image, max_pixels: int, alpha: Alpha | None = None) -> Encoded:
    """Scale (H, W, 3) to at most max_pixels and encode: PNG where it is no larger than JPEG (graphics), else JPEG.

    alpha: opacity, (H, W) uint8 or uint16; what is transparent becomes white. One of another size (of the photo
    before a crop) says nothing about this picture.
    """
    small = in_depth(_scaled(image, max_pixels), np.uint8)
    if alpha is not None and alpha.shape == image.shape[:2]:
        small = _on_white(small, in_depth(_scaled(alpha, max_pixels), np.uint8))
    bgr = np.ascontiguousarray(small[..., ::-1])
    flags = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY,
             cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]  # fmt: skip
    jpeg = _imencode(".jpg", bgr, flags)
    png = _imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    name, data = ("png", png) if len(png) <= len(jpeg) else ("jpeg", jpeg)
    height, width = small.shape[:2]
    url = f"data:image/{name};base64,{base64.b64encode(data).decode('ascii')}"
    return Encoded(url, hashlib.sha256(data).hexdigest(), width, height, name)


def _on_white(image: Image, alpha: Image) -> Image:
    """8-bit samples over white."""
    share = alpha[..., None].astype(np.uint16)
    return ((image * share + 255 * (255 - share) + 127) // 255).astype(np.uint8)


def _scaled(image: Image, max_pixels: int) -> Image:
    height, width = image.shape[:2]
    shrink = (max_pixels / (height * width)) ** 0.5
    # small pictures grow to what a server takes, as far as max_pixels lets them
    factor = min(max(1.0, SMALLEST_SIDE / min(height, width)), shrink)
    if factor == 1.0:
        return image
    size = max(1, int(width * factor + 1e-6)), max(1, int(height * factor + 1e-6))
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    scaled: Image = cv2.resize(image, size, interpolation=way)
    return scaled


def _imencode(extension: str, bgr: NDArray[Any], flags: list[int]) -> bytes:
    good, data = cv2.imencode(extension, bgr, flags)
    if not good:
        raise ReasonerError(f"OpenCV could not encode a picture of {bgr.shape[1]}x{bgr.shape[0]} pixels.")
    return data.tobytes()
