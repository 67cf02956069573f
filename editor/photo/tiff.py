"""Writing TIFF through tifffile, which has 16 bits but no EXIF: that directory is put behind the picture."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np

from editor.photo.model import Samples

_PHOTOMETRIC = {"L": "minisblack", "RGB": "rgb", "CMYK": "separated"}
_XMP_TAG = 700
_BYTE, _ASCII, _LONG = 1, 2, 4


def encode(
    samples: Samples,
    alpha: Samples | None,
    *,
    mode: str,
    icc: bytes | None,
    exif: bytes | None,
    xmp: bytes | None,
    dpi: tuple[float, float] | None,
    compressed: bool,
) -> bytes:
    """A one-page TIFF with straight alpha, deflate-compressed (lossless) or not at all."""
    import tifffile

    texts, groups = _exif_parts(exif)
    extra: list[tuple[int, int, int, Any, bool]] = [
        (tag, _ASCII, 0, text, True) for tag, text in texts.items() if tag != 305
    ]
    if xmp:
        extra.append((_XMP_TAG, _BYTE, len(xmp), xmp, True))
    target = io.BytesIO()
    with tifffile.TiffWriter(target, byteorder="<") as file:
        file.write(
            samples if alpha is None else np.dstack([samples, alpha]),
            photometric=_PHOTOMETRIC[mode],
            planarconfig=None if mode == "L" and alpha is None else "contig",
            extrasamples=None if alpha is None else ["unassalpha"],
            compression="zlib" if compressed else None,
            compressionargs={"level": 1} if compressed else None,
            predictor=compressed,
            rowsperstrip=64 if compressed else None,
            iccprofile=icc,
            resolution=dpi,
            resolutionunit="INCH" if dpi else None,
            software=texts.get(305, False),
            metadata=None,
            extratags=extra,
        )
    return _with_directories(target.getvalue(), groups)


def _exif_parts(exif: bytes | None) -> tuple[dict[int, str], dict[int, Any]]:
    """The texts of the main directory and the Exif and GPS directories."""
    from PIL import Image as Pil
    from PIL.ExifTags import IFD

    if not exif:
        return {}, {}
    parsed = Pil.Exif()
    parsed.load(b"Exif\0\0" + exif)
    texts = {
        tag: value
        for tag in (270, 271, 272, 305, 306, 315, 33432)
        if isinstance(value := parsed.get(tag), str) and value.isascii()
    }
    groups = {int(tag): inner for tag in (IFD.Exif, IFD.GPSInfo) if (inner := parsed.get_ifd(tag))}
    return texts, groups


def _with_directories(data: bytes, groups: dict[int, Any]) -> bytes:
    """Append Exif and GPS directories, and a copy of the main directory that points at them."""
    if not groups:
        return data
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    (main,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, main)
    entries = [data[at : at + 12] for at in range(main + 2, main + 2 + 12 * count, 12)]
    out = bytearray(data)
    for tag, values in groups.items():
        directory = ImageFileDirectory_v2(b"II*\0\x08\0\0\0", group=tag)
        for inner, value in values.items():
            directory[inner] = value
        out += b"\0" * (len(out) % 2)
        entries.append(struct.pack("<HHII", tag, _LONG, 1, len(out)))
        out += directory.tobytes(len(out))
    # Values that do not fit into an entry are found by their place in the file, so entries can be moved.
    entries.sort(key=lambda entry: struct.unpack_from("<H", entry))
    out += b"\0" * (len(out) % 2)
    struct.pack_into("<I", out, 4, len(out))
    out += struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return bytes(out)
