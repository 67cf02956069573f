"""Colour profiles: between a file's own samples and sRGB, relative colorimetric with black point compensation.

8-bit samples go through LittleCMS (Pillow's ImageCms). ImageCms has no 16-bit RGB, so 16-bit samples go through the
profile's own tone curves and matrix, which is the same computation for the matrix profiles that photos carry
(ICC.1:2022, 9.2 and 10.6, 10.18); a 16-bit file with another kind of profile is not converted.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from editor.base import Image
from editor.photo.model import Samples

Floats = NDArray[np.float64]

# sRGB's colorants in the D50 connection space (IEC 61966-2-1, Bradford-adapted; as in the ICC's own sRGB2014.icc).
SRGB_TO_XYZ = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]], np.float64
)
_SPACES = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}
_CHANNELS = {"L": 1, "RGB": 3, "CMYK": 4}
_BAND = 1 << 18


class ProfileError(Exception):
    """A profile that cannot be used; the message says why, as the end of a sentence."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """Both ways through a profile, for whole pictures; to_native is None for profiles that only read."""

    to_working: Callable[[Samples], Image]
    to_native: Callable[[Image], Samples] | None


@dataclass(frozen=True, slots=True)
class Shaper:
    """A matrix profile: tables of `levels` linear values for each channel, and the matrix to XYZ (D50)."""

    curves: Floats
    matrix: Floats


def conversion(icc: bytes, mode: str, depth: np.dtype[Any]) -> Conversion | None:
    """The way between samples of `mode` and sRGB; None when the profile is sRGB. Raises ProfileError."""
    space = _SPACES.get(icc[16:20])
    if space is None or icc[36:40] != b"acsp":
        raise ProfileError("is damaged or of an unknown kind")
    if is_srgb(icc) and mode in ("RGB", "L"):
        return None
    if space != mode:
        raise ProfileError(f"is made for {space} and not for {mode} samples")
    return _through_lcms(icc, mode) if depth == np.uint8 else _through_shaper(icc)


def is_srgb(icc: bytes) -> bool:
    """Whether a profile's colorants and curves are those of sRGB, within one of 255 levels."""
    try:
        found = shaper(icc, 1024)
    except ProfileError:
        return False
    if found.matrix.shape != (3, 3) or not np.allclose(found.matrix, SRGB_TO_XYZ, atol=0.003):
        return False
    # Compared as encoded values: a linear difference would hide errors in the shadows.
    ramp = np.linspace(0.0, 1.0, found.curves.shape[1])
    return bool(np.abs(encode_srgb(found.curves) - ramp).max() < 1.5 / 255)


def encode_srgb(linear: Floats) -> Floats:
    """Linear 0..1 to the sRGB curve (IEC 61966-2-1)."""
    linear = np.clip(linear, 0.0, 1.0)
    return cast("Floats", np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055))


def decode_srgb(encoded: Floats) -> Floats:
    """The inverse of `encode_srgb`."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def shaper(icc: bytes, levels: int) -> Shaper:
    """Parse a matrix or grey profile, its curves sampled at `levels` points. Raises ProfileError."""
    try:
        (count,) = struct.unpack_from(">I", icc, 128)
        tags = {}
        for entry in range(min(count, 200)):
            signature, offset, size = struct.unpack_from(">4sII", icc, 132 + 12 * entry)
            tags[signature] = icc[offset : offset + size]
        if b"A2B0" in tags or b"A2B1" in tags:
            raise ProfileError("works by lookup tables")
        if icc[16:20] == b"GRAY":
            return Shaper(_curve(tags[b"kTRC"], levels)[None], np.ones((1, 1)))
        curves = np.stack([_curve(tags[name], levels) for name in (b"rTRC", b"gTRC", b"bTRC")])
        columns = [_fixed(tags[name], 8, 3) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
        matrix = np.array(columns, np.float64).T
        np.linalg.inv(matrix)
    except (struct.error, KeyError, ValueError, np.linalg.LinAlgError) as error:
        raise ProfileError("is damaged or not a matrix profile") from error
    return Shaper(curves, matrix)


def _fixed(tag: bytes, offset: int, count: int) -> list[float]:
    """s15Fixed16 numbers."""
    return [value / 65536 for value in struct.unpack_from(f">{count}i", tag, offset)]


def _curve(tag: bytes, levels: int) -> Floats:
    """A 'curv' or 'para' tag (ICC.1:2022, 10.6 and 10.18) as `levels` linear values in 0..1."""
    x = np.linspace(0.0, 1.0, levels)
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        table = np.frombuffer(tag, ">u2", count, 12).astype(np.float64)
        if count == 0:
            return x
        if count == 1:
            return cast("Floats", x ** (table[0] / 256))
        y = np.interp(x, np.linspace(0.0, 1.0, count), table / 65535)
    elif tag[:4] == b"para":
        (kind,) = struct.unpack_from(">H", tag, 8)
        if kind > 4:
            raise ValueError(kind)
        given = _fixed(tag, 12, (1, 3, 4, 5, 7)[kind])
        g, a, b, c, d, e, f = given + [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0][len(given) :]
        if kind in (1, 2):
            # Y = (aX + b)^g + c above -b/a, c below: kinds 3 and 4 with other names for the parts
            if a == 0:
                raise ValueError(kind)
            c, d, e, f = 0.0, -b / a, c, c
        y = np.where(x >= d, np.maximum(a * x + b, 0.0) ** g + e, c * x + f)
    else:
        raise ValueError(tag[:4])
    if not np.isfinite(y).all():
        raise ValueError("curve")
    return np.maximum.accumulate(np.clip(y, 0.0, 1.0))


def by_bands(source: NDArray[Any], out: NDArray[Any], work: Callable[[NDArray[Any], slice], Any]) -> None:
    """out[rows] = work(source[rows], rows) over bands of rows, on all cores."""
    from editor.pixels import side_by_side

    height, width = source.shape[:2]
    step = max(1, _BAND // max(1, width))

    def band(top: int) -> None:
        rows = slice(top, min(height, top + step))
        out[rows] = work(source[rows], rows)

    side_by_side(band, range(0, height, step))


def _empty(like: NDArray[Any], mode: str) -> Samples:
    height, width = like.shape[:2]
    shape = (height, width) if mode == "L" else (height, width, _CHANNELS[mode])
    return cast("Samples", np.empty(shape, like.dtype))


def _through_lcms(icc: bytes, mode: str) -> Conversion:
    from PIL import Image as Pil
    from PIL import ImageCms

    intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
    srgb = ImageCms.createProfile("sRGB")

    def run(transform: Any, source: str, target: str, samples: Samples) -> Samples:
        def work(band: NDArray[Any], _rows: slice) -> NDArray[Any]:
            size = band.shape[1], band.shape[0]
            picture = Pil.frombuffer(source, size, np.ascontiguousarray(band), "raw", source, 0, 1)
            return np.asarray(ImageCms.applyTransform(picture, transform))

        out = _empty(samples, target)
        by_bands(samples, out, work)
        return out

    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        there = ImageCms.buildTransform(profile, srgb, mode, "RGB", intent, flags)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        raise ProfileError("is damaged") from error
    try:
        back = ImageCms.buildTransform(srgb, profile, "RGB", mode, intent, flags)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return Conversion(lambda samples: run(there, mode, "RGB", samples), None)
    return Conversion(
        lambda samples: run(there, mode, "RGB", samples),
        lambda image: run(back, "RGB", mode, image),
    )


def _through_shaper(icc: bytes) -> Conversion:
    """16-bit samples through curves and matrix; exact to about one of 65535 levels."""
    profile = shaper(icc, 65536)
    grey = profile.matrix.shape == (1, 1)
    srgb = Shaper(decode_srgb(np.linspace(0.0, 1.0, 65536))[None], SRGB_TO_XYZ)
    # The grey axis of the connection space is white times Y, so grey needs the curve alone.
    there = np.eye(3) if grey else np.linalg.inv(SRGB_TO_XYZ) @ profile.matrix
    back = np.linalg.inv(there)

    def to_working(samples: Samples) -> Image:
        rgb = np.broadcast_to(samples[..., None], (*samples.shape, 3)) if grey else samples
        return cast("Image", _reshape(rgb, profile.curves, there, srgb.curves, 3))

    def to_native(image: Image) -> Samples:
        out = _reshape(image, srgb.curves, back, profile.curves, 1 if grey else 3)
        return cast("Samples", out[..., 0] if grey else out)

    return Conversion(to_working, to_native)


def _reshape(
    samples: NDArray[Any], decode: Floats, matrix: NDArray[Any], encode: Floats, channels: int
) -> NDArray[np.uint16]:
    """Samples -> linear by table -> matrix -> encoded by the inverse table."""
    linear = decode.astype(np.float32)
    # The inverse curve is stored over the square root of its argument, where it is nearly straight.
    squares = np.linspace(0.0, 1.0, 65536) ** 2
    levels = np.linspace(0.0, 65535.0, encode.shape[1])
    inverse = np.stack([np.rint(np.interp(squares, curve, levels)) for curve in encode]).astype(np.uint16)
    transposed = matrix.T.astype(np.float32)

    def work(band: NDArray[Any], _rows: slice) -> NDArray[Any]:
        values = np.stack([linear[c % len(linear)][band[..., c]] for c in range(3)], axis=-1) @ transposed
        index = np.rint(np.sqrt(np.clip(values, 0.0, 1.0)) * np.float32(65535)).astype(np.uint16)
        return np.stack([inverse[c % len(inverse)][index[..., c]] for c in range(channels)], axis=-1)

    out = np.empty((*samples.shape[:2], channels), np.uint16)
    by_bands(samples, out, work)
    return out
