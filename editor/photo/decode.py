"""One decoder for each format: a file's bytes to its own samples and what they carry.

The plug-ins of Pillow are used one by one, so that no other format of its can be reached, and sizes are checked
before any pixel is decoded. Whatever they raise is turned into a PhotoError by the caller.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from editor.base import PhotoError, UsageError
from editor.photo import metadata, png
from editor.photo.files import HEIC_HINT
from editor.photo.model import Carried, Samples, SizeCheck

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

_RAW_TAGS = (50706, 50740)  # DNGVersion, DNGPrivateData
_TIFF_XMP, _TIFF_ICC = 700, 34675
_TIFFFILE_CODECS = (1, 8, 32773, 32946, 34925)  # none, deflate, PackBits, deflate's old number, LZMA
_LZW = 5
_FURTHER = "Further pictures in the file (a depth or HDR gain map, a moving picture, say) are not kept."
# Coding-independent code points (ITU-T H.273, tables 2 and 3). BT.601 and BT.709 are near enough to sRGB.
_SRGB_PRIMARIES, _SRGB_TRANSFERS = (1, 2, 5, 6), (1, 2, 6, 13, 14, 15)
_PRIMARIES = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
_TRANSFERS = {8: "linear light", 16: "HDR (PQ)", 18: "HDR (HLG)"}
_NCLX = ("color_primaries", "transfer_characteristics", "matrix_coefficients", "full_range_flag")
_SRGB_GAMMA = 45455  # as the chunk gAMA has it
_FROM_OPENCV = {3: 4, 4: 5}  # channels -> COLOR_BGR2RGB, COLOR_BGRA2RGBA


@dataclass(slots=True)
class Decoded:
    """samples: (H, W[, C]) as stored, not yet upright; `carried` has the rest, its `native` not yet set."""

    samples: Samples
    carried: Carried
    notes: list[str] = field(default_factory=list)


def decode(data: bytes, kind: str, frame: int | None, check: SizeCheck) -> Decoded:
    """Decode a file of a known format. Raises PhotoError, UsageError (frame), and what the libraries raise."""
    return {"JPEG": _jpeg, "PNG": _png, "TIFF": _tiff, "WEBP": _webp, "AVIF": _avif, "HEIF": _heif}[kind](
        data, frame, check
    )


def _pick_frame(count: int, frame: int | None) -> tuple[int, list[str]]:
    """Which frame to read, and the note for it. Raises PhotoError for a choice not made, UsageError for a bad one."""
    if frame is not None and not 0 <= frame < count:
        has = "one frame: 0" if count == 1 else f"{count} frames: 0 to {count - 1}"
        raise UsageError(f"frame {frame} does not exist; the file has {has}")
    if count == 1:
        return 0, []
    if frame is None:
        raise PhotoError(
            f"the file has {count} frames (animated or multi-page); choose one with --frame N (0 to {count - 1})"
        )
    return frame, [f"Only frame {frame} of {count} is edited and saved."]


def _split(im: PilImage) -> tuple[Samples, Samples | None, str]:
    """A decoded Pillow picture as (samples, alpha, mode)."""
    if im.mode in ("I", "F", "LAB", "HSV") or im.mode.startswith("I;"):
        raise PhotoError(f"pictures of the kind {im.mode!r} are not supported; convert it to RGB")
    if im.mode in ("La", "RGBa"):
        im = im.convert(im.mode.upper())
    if im.mode == "1":
        im = im.convert("L")
    if im.has_transparency_data and im.mode not in ("LA", "RGBA"):
        im = im.convert("LA" if im.mode == "L" else "RGBA")
    if im.mode not in ("L", "LA", "RGB", "RGBA", "CMYK"):
        im = im.convert("RGB")
    samples = _samples(im)
    if im.mode in ("LA", "RGBA"):
        color = samples[..., 0] if im.mode == "LA" else samples[..., :3]
        return (
            cast("Samples", np.ascontiguousarray(color)),
            samples[..., -1].copy(),
            im.mode[:-1],
        )
    return samples, None, im.mode


def _samples(im: PilImage) -> Samples:
    """The samples, copied in bands: np.asarray(im) takes four times as long and twice the memory.

    The bands are so small that the same memory serves all of them: larger ones would be fresh pages each time.
    """
    width, height = im.size
    channels = len(im.getbands())
    out = np.empty((height, width) if channels == 1 else (height, width, channels), np.uint8)
    step = max(1, (1 << 16) // max(1, width))
    for top in range(0, height, step):
        bottom = min(height, top + step)
        out[top:bottom] = np.asarray(im.crop((0, top, width, bottom)))
    return out


def _common(im: PilImage) -> dict[str, Any]:
    """icc, exif, xmp and dpi of a Pillow picture, as arguments for Carried."""
    exif, xmp, dpi = im.info.get("exif"), im.info.get("xmp"), im.info.get("dpi")
    if isinstance(exif, bytes):
        exif = exif.removeprefix(b"Exif\0\0")
    return {
        "icc": im.info.get("icc_profile") or None,
        "exif": exif or None,
        "xmp": xmp if isinstance(xmp, bytes) and xmp else None,
        "dpi": _dpi(dpi) if dpi else None,
    }


def _dpi(values: Iterable[float]) -> tuple[float, float] | None:
    """Dots per inch, across and down; None for what cannot be."""
    pair = tuple(float(value) for value in values)
    return (pair[0], pair[1]) if len(pair) == 2 and all(1 <= value < 65536 for value in pair) else None


def _finish(im: PilImage, notes: list[str], **more: Any) -> Decoded:
    samples, alpha, mode = _split(im)
    return Decoded(samples, Carried(mode=mode, alpha=alpha, **_common(im), **more), notes)


def _jpeg(data: bytes, frame: int | None, check: SizeCheck) -> Decoded:
    from PIL import JpegImagePlugin

    im = JpegImagePlugin.JpegImageFile(io.BytesIO(data))
    check(*im.size, 8)
    _, notes = _pick_frame(1, frame)
    tables, sampling = im.quantization, JpegImagePlugin.get_sampling(im)
    if "mp" in im.info or metadata.names_a_video(im.info.get("xmp")):
        notes.append(_FURTHER)
    im.decodermaxblock = len(data)  # in one go: between blocks it would wait for the interpreter's lock
    im.load()
    encoder: dict[str, Any] = {"progressive": bool(im.info.get("progressive"))}
    # Tables of other than 64 numbers or of 16-bit numbers cannot be written again.
    if tables and all(len(table) == 64 and 0 < min(table) <= max(table) < 256 for table in tables.values()):
        encoder["qtables"] = [list(tables[key]) for key in sorted(tables)]
    if sampling >= 0:
        encoder["subsampling"] = sampling
    if isinstance(comment := im.info.get("comment"), bytes):
        encoder["comment"] = comment
    resources = im.info.get("photoshop")
    iptc = resources.get(0x0404) if isinstance(resources, dict) else None
    return _finish(im, notes, encoder=encoder, iptc=iptc if isinstance(iptc, bytes) else None)


def _png(data: bytes, frame: int | None, check: SizeCheck) -> Decoded:
    from PIL import PngImagePlugin

    im = PngImagePlugin.PngImageFile(io.BytesIO(data))
    deep = data[24] == 16
    check(*im.size, 16 if deep else 8)
    chosen, notes = _pick_frame(im.n_frames, frame)
    more: dict[str, Any] = {"chunks": png.carried_chunks(data), "space": _png_space(data)}
    if deep and im.n_frames == 1:
        samples = png.decode_deep(data)
        if data[25] in (0, 4) and samples.ndim == 3:  # OpenCV widens grey with alpha to RGBA
            samples = samples[..., [0, -1]]
        # Metadata may stand after the picture, where Pillow looks only when it decodes.
        im = PngImagePlugin.PngImageFile(io.BytesIO(png.without_picture(data)))
        carried = Carried(**_common(im), **more)
        carried.exif = carried.exif or _old_png_exif(im)
        return _deep(samples, carried, notes)
    im.seek(chosen)
    im.load()
    if deep:
        notes.append("The frame of a 16-bit animation is edited and saved at 8 bits.")
    found = _finish(im, notes, **more)
    found.carried.exif = found.carried.exif or _old_png_exif(im)
    return found


def _old_png_exif(im: PilImage) -> bytes | None:
    """EXIF as ImageMagick wrote it before PNG had a chunk for it: hexadecimal text."""
    text = im.info.get("Raw profile type exif")
    try:
        return bytes.fromhex("".join(str(text or "").split("\n")[3:])).removeprefix(b"Exif\0\0") or None
    except ValueError:
        return None


def _png_space(data: bytes) -> str | None:
    """As Carried.space, from the chunks cICP, sRGB and gAMA (PNG specification, third edition, 4.3)."""
    found = dict(takewhile(lambda chunk: chunk[0] != b"IDAT", png.chunks(data)))
    if len(points := found.get(b"cICP", b"")) == 4:
        return _code_points(points[0], points[1])
    gamma = int.from_bytes(found.get(b"gAMA", b"")[:4])
    if gamma and b"sRGB" not in found and abs(gamma - _SRGB_GAMMA) > 0.05 * _SRGB_GAMMA:
        return f"gamma {1e5 / gamma:.2f}"
    return None


def _code_points(primaries: int, transfer: int) -> str | None:
    """As Carried.space, from code points of ITU-T H.273."""
    if primaries in _SRGB_PRIMARIES and transfer in _SRGB_TRANSFERS:
        return None
    names = _PRIMARIES.get(primaries), _TRANSFERS.get(transfer)
    return ", ".join(filter(None, names)) or f"H.273 code points {primaries} and {transfer}"


def _deep(samples: Samples, carried: Carried, notes: list[str]) -> Decoded:
    """A 16-bit picture; grey that was widened to RGB by its decoder becomes grey again."""
    if samples.ndim == 3 and samples.shape[2] in (2, 4):
        carried.alpha = samples[..., -1].copy()
        samples = cast("Samples", np.ascontiguousarray(samples[..., :-1]))
    if samples.ndim == 3 and samples.shape[2] == 1:
        samples = cast("Samples", np.ascontiguousarray(samples[..., 0]))
    carried.mode = "L" if samples.ndim == 2 else "RGB"
    return Decoded(samples, carried, notes)


def _webp(data: bytes, frame: int | None, check: SizeCheck) -> Decoded:
    from PIL import WebPImagePlugin

    im = WebPImagePlugin.WebPImageFile(io.BytesIO(data))
    check(*im.size, 12)
    chosen, notes = _pick_frame(im.n_frames, frame)
    im.seek(chosen)
    im.load()
    return _finish(im, notes, encoder={"lossless": _webp_lossless(data)})


def _webp_lossless(data: bytes) -> bool:
    """Whether the first picture of a WebP is in its lossless format (RFC 9649, 2.5 and 2.6)."""
    at = 12
    while at + 8 <= len(data):
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if kind in (b"VP8 ", b"VP8L"):
            return kind == b"VP8L"
        at += 8 + size + size % 2
    return False


def _avif(data: bytes, frame: int | None, check: SizeCheck) -> Decoded:
    from PIL import AvifImagePlugin

    if not AvifImagePlugin.SUPPORTED:
        raise PhotoError("this Pillow was built without AVIF")
    im = AvifImagePlugin.AvifImageFile(io.BytesIO(data))
    check(*im.size, 12)
    chosen, notes = _pick_frame(getattr(im, "n_frames", 1), frame)
    im.seek(chosen)
    im.load()
    at = data.find(b"pixi", 0, 1 << 16)
    if at > 0 and len(data) > at + 9 and data[at + 9] > 8:
        notes.append(f"The {data[at + 9]}-bit AVIF is edited and saved at 8 bits.")
    at = data.find(b"colrnclx", 0, 1 << 16)
    space = _code_points(*struct.unpack_from(">HH", data, at + 8)) if at > 0 else None
    return _finish(im, notes, space=space)


def _heif(data: bytes, frame: int | None, check: SizeCheck) -> Decoded:
    try:
        import pillow_heif
    except ImportError as error:
        raise PhotoError(HEIC_HINT) from error
    found = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
    chosen, notes = _pick_frame(len(found), frame)
    width, height = found[chosen].size
    check(width, height, 12)
    info = found[chosen].info
    if (bits := info.get("bit_depth", 8)) > 8:
        notes.append(f"The {bits}-bit HEIC is edited and saved at 8 bits.")
    if info.get("depth_images") or info.get("aux"):
        notes.append(_FURTHER)
    points = info.get("nclx_profile")
    space = _code_points(points["color_primaries"], points["transfer_characteristics"]) if points else None
    own = {key: points[key] for key in _NCLX} if space else {}
    # libheif has turned the picture upright, and to_pillow sets the EXIF orientation to match.
    return _finish(found[chosen].to_pillow(), notes, space=space, encoder={"nclx": own})


def _tiff(data: bytes, frame: int | None, check: SizeCheck) -> Decoded:
    from PIL import TiffImagePlugin

    # by its directories: Pillow opens only what it can name the mode of
    pages = metadata.pages(data)
    tags = _tiff_tags(data, pages[0])
    developed = not any(tag in tags for tag in _RAW_TAGS) and tags.get(262) != 32803
    if data[8:10] == b"CR" or not developed or int(tags.get(254, 0)) & 1:
        raise PhotoError("this is a camera's raw file; develop it to a 16-bit TIFF first")
    chosen, notes = _pick_frame(len(pages), frame)
    tags = _tiff_tags(data, pages[chosen])
    check(int(tags.get(256, 0)), int(tags.get(257, 0)), 16)
    carried = _tiff_carried(tags, *metadata.from_tiff(data, pages[chosen]))
    bits = set(tags.get(258, (1,)))
    if set(tags.get(339, (1,))) != {1} or max(bits) > 16:
        raise PhotoError("floating-point and 32-bit TIFFs are not supported; convert it to 16 bits")
    if bits == {16} and tags.get(262) in (0, 1, 2):
        return _deep(_deep_tiff(data, chosen, tags), carried, notes)
    if max(bits) > 8:
        notes.append(f"The {max(bits)}-bit TIFF is of a kind that is edited and saved at 8 bits.")
    try:
        im = TiffImagePlugin.TiffImageFile(io.BytesIO(data))
        im.seek(chosen)
    except SyntaxError:
        kind = f"{max(bits)} bits a sample, photometric {tags.get(262)}"
        raise PhotoError(
            f"a TIFF of this kind ({kind}) is not supported; convert it to 8 or 16 bits"
        ) from None
    im.load()  # upright after this
    carried.encoder["upright"] = True
    samples, carried.alpha, carried.mode = _split(im)
    return Decoded(samples, carried, notes)


def _tiff_tags(data: bytes, at: int) -> ImageFileDirectory_v2:
    from PIL import TiffImagePlugin

    file = io.BytesIO(data)
    tags = TiffImagePlugin.ImageFileDirectory_v2(data[:16] if data[2] == 43 else data[:8])
    file.seek(at)
    tags.load(file)
    return tags


def _tiff_carried(tags: ImageFileDirectory_v2, exif: bytes | None, iptc: bytes | None) -> Carried:
    icc, xmp = (
        bytes(value) if isinstance(value := tags.get(tag), bytes) else b"" for tag in (_TIFF_ICC, _TIFF_XMP)
    )
    inches = {2: 1.0, 3: 2.54}.get(tags.get(296, 2))
    dpi = None
    if inches and 282 in tags and 283 in tags:
        dpi = _dpi(float(tags[tag]) * inches for tag in (282, 283))
    return Carried(
        icc=icc or None,
        exif=exif,
        xmp=xmp or None,
        iptc=iptc,
        dpi=dpi,
        encoder={"raw": tags.get(259, 1) == 1},
    )


def _deep_tiff(data: bytes, page: int, tags: ImageFileDirectory_v2) -> Samples:
    """The samples of a 16-bit grey or RGB page, with straight alpha or none."""
    codec = tags.get(259, 1)
    if codec not in (*_TIFFFILE_CODECS, _LZW):
        raise PhotoError(
            f"its compression (TIFF {codec}) is not supported at 16 bits; save it with ZIP or LZW"
        )
    found = _by_opencv(data, page) if codec == _LZW else _by_tifffile(data, page)
    if found.dtype != np.uint16 or found.ndim not in (2, 3):
        raise PhotoError("the picture in it cannot be decoded")
    colors = 3 if tags.get(262) == 2 else 1
    extra = tags.get(338, ())
    if tags.get(262) == 0:
        found = 65535 - found
    if found.ndim == 3:
        found = found[..., : colors + (1 if extra and extra[0] in (1, 2) else 0)]
        if extra and extra[0] == 1:
            alpha = np.maximum(found[..., -1:], 1).astype(np.float32)
            color = np.rint(found[..., :-1] * (np.float32(65535) / alpha)).clip(0, 65535)
            found = np.concatenate([color.astype(np.uint16), found[..., -1:]], axis=-1)
    return cast("Samples", np.ascontiguousarray(found))


def _by_tifffile(data: bytes, page: int) -> NDArray[Any]:
    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as file:
        found = file.pages[page].asarray()
        planar = file.pages[page].axes.startswith("S")
    return cast("NDArray[Any]", np.moveaxis(found, 0, -1) if planar else found)


def _by_opencv(data: bytes, page: int) -> NDArray[Any]:
    """For LZW, which OpenCV has built in and tifffile has not. Raises OSError."""
    import cv2

    before = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        done, pages = cv2.imdecodemulti(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    finally:
        cv2.utils.logging.setLogLevel(before)
    if not done or page >= len(pages):
        raise OSError("not decodable")
    found = pages[page]
    if found.ndim == 2:
        return cast("NDArray[Any]", found)
    return cast("NDArray[Any]", cv2.cvtColor(found, _FROM_OPENCV[found.shape[2]]))
