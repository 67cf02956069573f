"""Writing TIFF through tifffile, which has 16 bits but no EXIF: that directory is put behind the picture."""

from __future__ import annotations

import io

import numpy as np

from editor.photo import metadata
from editor.photo.model import Samples

_PHOTOMETRIC = {"L": "minisblack", "RGB": "rgb", "CMYK": "separated"}
_XMP_TAG, _IPTC_TAG = 700, 33723
_BYTE, _UNDEFINED = 1, 7


def encode(
    samples: Samples,
    alpha: Samples | None,
    *,
    mode: str,
    icc: bytes | None,
    exif: bytes | None,
    xmp: bytes | None,
    iptc: bytes | None,
    dpi: tuple[float, float] | None,
    compressed: bool,
) -> bytes:
    """A one-page TIFF with straight alpha, deflate-compressed (lossless) or not at all."""
    import tifffile

    extra = [
        (tag, kind, len(value), value, True)
        for tag, kind, value in ((_XMP_TAG, _BYTE, xmp), (_IPTC_TAG, _UNDEFINED, iptc))
        if value
    ]
    target = io.BytesIO()
    with tifffile.TiffWriter(target, byteorder=">" if exif and exif[:2] == b"MM" else "<") as file:
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
            software=False,
            metadata=None,
            extratags=extra,
        )
    return metadata.into_tiff(target.getvalue(), exif) if exif else target.getvalue()
