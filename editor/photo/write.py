"""Saving: an edited sRGB picture back into the form its file had, written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from editor.base import Image, PhotoError, ReeditError
from editor.photo import color, metadata, png, tiff
from editor.photo.files import PathLike, check_output, output_format, printable, write_atomic
from editor.photo.model import Photo, Samples

# What JPEG segments can hold besides their own names ("Exif\0\0", "http://ns.adobe.com/xap/1.0/\0").
_MAX_EXIF, _MAX_XMP = 65533 - 6, 65533 - 29
_MODES = {"JPEG": ("L", "RGB", "CMYK"), "PNG": ("L", "RGB"), "TIFF": ("L", "RGB", "CMYK")}
_QUALITY = {"JPEG": 95, "WEBP": 92, "AVIF": 90, "HEIF": 90}
_DEEP = ("PNG", "TIFF")
# At the default preset 24 MP take 20 s and not 3, for a file 10 % smaller.
_X265: dict[str, Any] = {"chroma": 444, "enc_params": {"preset": "ultrafast"}}


@dataclass(slots=True)
class Output:
    """What goes into a file: samples in `mode`, the profile they are in (None: sRGB), and the rest."""

    samples: Samples
    mode: str
    icc: bytes | None
    alpha: Samples | None = None
    exif: bytes | None = None
    xmp: bytes | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.samples.shape[1], self.samples.shape[0]


def save(
    photo: Photo,
    image: Image,
    output: PathLike,
    *,
    overwrite: bool = False,
    source_type: str = "humanEdits",
    software: str = "reedit",
    run_id: str | None = None,
    quality: int | None = None,
) -> str:
    """Write `image`, an edit of photo.image, with all that the photo carried. Returns the file's sha256 (hex).

    image: (H, W, 3) uint8 or uint16, sRGB; of another size than the photo only after a crop, resize or the like.
    source_type: a term of IPTC's DigitalSourceType. quality: 1 to 100 for lossy formats; None = the photo's own
    JPEG tables, or a high quality. What cannot be kept in the output's format is said in photo.notes.
    Raises UsageError (see `check_output`) and PhotoError (full disk, no permission, not encodable).
    """
    check_output(photo.path, output, overwrite)
    kind, name = output_format(output), printable(output)
    with _boundary(name):
        made = _outgoing(photo, image, kind)
        _describe(photo, made, kind, source_type, software, run_id)
        data = _ENCODERS[kind](photo, made, quality)
    write_atomic(output, data, overwrite=overwrite)
    return hashlib.sha256(data).hexdigest()


@contextlib.contextmanager
def _boundary(name: str) -> Iterator[None]:
    try:
        yield
    except ReeditError:
        raise
    except MemoryError as error:
        raise PhotoError(f"{name}: not enough memory to save this photo") from error
    except Exception as error:  # encoders refuse in as many ways as decoders
        raise PhotoError(f"{name}: cannot be encoded ({printable(str(error))[:200]})") from error


def _note(photo: Photo, sentence: str) -> None:
    if sentence not in photo.notes:
        photo.notes.append(sentence)


def _outgoing(photo: Photo, image: Image, kind: str) -> Output:
    """The samples to write, with the file's own values wherever the edit changed nothing."""
    from editor.pixels import in_depth

    if image.ndim != 3 or image.shape[2] != 3 or image.dtype not in (np.uint8, np.uint16) or not image.size:
        raise PhotoError(f"not a picture: shape {image.shape}, {image.dtype}")
    source, same_size = photo.image, image.shape == photo.image.shape
    image = in_depth(image, source.dtype)
    alpha = _alpha(photo, same_size)
    if source.dtype == np.uint16 and kind not in _DEEP:
        _note(photo, f"16 bits became 8, as {kind} is written with 8.")
    if alpha is not None and kind == "JPEG":
        _note(photo, "Transparent parts became white, as JPEG has no transparency.")
        image, alpha = _on_white(image, alpha), None
    made = _native(photo, image, kind, same_size)
    made.alpha = alpha
    if kind not in _DEEP:
        made.samples = in_depth(made.samples, np.uint8)
        if alpha is not None:
            made.alpha = in_depth(alpha, np.uint8)
    return made


def _alpha(photo: Photo, same_size: bool) -> Samples | None:
    """The photo's alpha when it still fits: after a crop or a rotation nobody can say where it belongs."""
    alpha = photo.carried.alpha
    if alpha is None or same_size:
        return alpha
    if alpha.min() < np.iinfo(alpha.dtype).max:
        _note(photo, "Transparency is not kept when the size changes.")
    return None


def _on_white(image: Image, alpha: Samples) -> Image:
    from editor.pixels import in_depth

    top = np.iinfo(image.dtype).max
    opacity = in_depth(alpha, image.dtype)

    def work(band: NDArray[Any], rows: slice) -> NDArray[Any]:
        part = opacity[rows].astype(np.float32)[..., None] * np.float32(1 / top)
        return cast("NDArray[Any]", np.rint(band * part + np.float32(top) * (1 - part)))

    out = np.empty_like(image)
    color.by_bands(image, out, work)
    return out


def _native(photo: Photo, image: Image, kind: str, same_size: bool) -> Output:
    """Back into the file's own colours, as far as the output's format can hold them."""
    carried, mode = photo.carried, photo.carried.mode
    fits = mode in _MODES.get(kind, ("RGB",))
    if carried.native is None:
        return Output(image, "RGB", carried.icc)
    if mode == "L" and fits and not _neutral(image):
        fits = False
    if carried.to_native is None or not fits:
        if mode == "CMYK":
            _note(photo, "The CMYK photo is saved as sRGB.")
        elif mode == "RGB":
            _note(photo, "Its colour profile works in one direction only, so it is saved as sRGB.")
        return Output(image, "RGB", None)
    if not same_size:
        return Output(carried.to_native(image), mode, carried.icc)
    return Output(_restored(photo, image), mode, carried.icc)


def _neutral(image: Image) -> bool:
    """Whether no pixel is more than one of 255 levels away from grey: less cannot be seen."""
    limit = 1 if image.dtype == np.uint8 else 257
    step = max(1, (1 << 18) // image.shape[1])
    for top in range(0, len(image), step):
        band = image[top : top + step].astype(np.int32)
        if max(abs(band[..., 0] - band[..., 1]).max(), abs(band[..., 2] - band[..., 1]).max()) > limit:
            return False
    return True


def _restored(photo: Photo, image: Image) -> Samples:
    """The file's own samples where the working picture is unchanged, converted ones elsewhere."""
    native, to_native = photo.carried.native, photo.carried.to_native
    assert native is not None
    assert to_native is not None
    out = native.copy()
    rows_per_band = max(1, (1 << 20) // image.shape[1])
    for top in range(0, len(image), rows_per_band):
        rows = slice(top, top + rows_per_band)
        difference = image[rows] != photo.image[rows]
        changed = difference[..., 0] | difference[..., 1] | difference[..., 2]
        if changed.any():
            converted = to_native(image[rows])
            out[rows][changed] = converted[changed]
    return out


def _describe(
    photo: Photo, made: Output, kind: str, source_type: str, software: str, run_id: str | None
) -> None:
    """Put true EXIF and XMP into the output."""
    carried = photo.carried
    if carried.exif:
        made.exif = metadata.true_exif(carried.exif, made.size)
        if made.exif is None:
            _note(photo, "Its EXIF data were damaged and are not kept.")
    if kind == "JPEG" and made.exif and len(made.exif) > _MAX_EXIF:
        made.exif = None
        _note(photo, "Its EXIF data do not fit into a JPEG (64 KB) and are not kept.")
    xmp = metadata.merge_xmp(carried.xmp, source_type, software, run_id)
    if xmp is None:
        _note(photo, "Its XMP data were damaged and are replaced.")
    elif kind == "JPEG" and len(xmp) > _MAX_XMP:
        xmp = None
        _note(photo, "Its XMP data do not fit into a JPEG (64 KB) and are replaced.")
    if carried.iptc and kind not in ("JPEG", "TIFF"):
        _note(photo, f"Its IPTC captions are not kept, as {kind} has no place for them.")
    if kind != "PNG" and any(chunk[4:8] in png.TEXT for chunk in carried.chunks):
        _note(photo, f"Its PNG texts are not kept, as {kind} has no place for them.")
    made.xmp = xmp or metadata.merge_xmp(None, source_type, software, run_id)


def _pillow(made: Output, kind: str, **settings: Any) -> bytes:
    """Encode through Pillow, all metadata given explicitly: it drops what it is not told to write."""
    from PIL import Image as Pil

    samples = made.samples
    if made.alpha is not None:
        samples = cast("Samples", np.dstack([samples, made.alpha]))
    mode = made.mode + ("A" if made.alpha is not None else "")
    picture = Pil.frombuffer(mode, made.size, np.ascontiguousarray(samples), "raw", mode, 0, 1)
    exif = b"Exif\0\0" + made.exif if made.exif else b""
    target = io.BytesIO()
    more: dict[str, Any] = {"icc_profile": made.icc or b"", "exif": exif, "xmp": made.xmp or b""}
    if kind == "HEIF":
        import pillow_heif

        more["icc_profile"] = made.icc or None
        pillow_heif.from_pillow(picture).save(target, **settings, **{k: v for k, v in more.items() if v})
    else:
        picture.save(target, kind, **settings, **more)
    return target.getvalue()


def _jpeg(photo: Photo, made: Output, quality: int | None) -> bytes:
    own = photo.carried.encoder if photo.format == "JPEG" else {}
    settings: dict[str, Any] = {"quality": quality or _QUALITY["JPEG"], "subsampling": 0}
    if own.get("qtables") and quality is None:
        settings = {"qtables": own["qtables"]}
    if made.mode == "RGB":
        settings["subsampling"] = own.get("subsampling", 0)
    for key in ("progressive", "comment"):
        if own.get(key):
            settings[key] = own[key]
    if photo.carried.dpi:
        settings["dpi"] = photo.carried.dpi
    if photo.carried.iptc:
        settings["extra"] = _iptc_segment(photo.carried.iptc)
    return _pillow(made, "JPEG", **settings)


def _iptc_segment(records: bytes) -> bytes:
    """An APP13 segment with the IPTC-IIM records alone: the other resources hold an outdated thumbnail."""
    body = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + len(records).to_bytes(4, "big") + records
    body += b"\0" * (len(records) % 2)
    return b"\xff\xed" + (len(body) + 2).to_bytes(2, "big") + body if len(body) < 65534 else b""


def _png(photo: Photo, made: Output, _quality: int | None) -> bytes:
    bare = png.encode(made.samples, made.alpha)
    extra = png.metadata_chunks(made.icc, made.exif, made.xmp, photo.carried.dpi)
    return png.with_chunks(bare, [*extra, *photo.carried.chunks])


def _tiff(photo: Photo, made: Output, _quality: int | None) -> bytes:
    raw = bool(photo.carried.encoder.get("raw")) and photo.format == "TIFF"
    return tiff.encode(
        made.samples,
        made.alpha,
        mode=made.mode,
        icc=made.icc,
        exif=made.exif,
        xmp=made.xmp,
        iptc=photo.carried.iptc,
        dpi=photo.carried.dpi,
        compressed=not raw,
    )


def _webp(photo: Photo, made: Output, quality: int | None) -> bytes:
    lossless = photo.carried.encoder.get("lossless", photo.format == "PNG") and quality is None
    if lossless:
        return _pillow(made, "WEBP", lossless=True, quality=30, method=1, exact=True)
    return _pillow(made, "WEBP", quality=quality or _QUALITY["WEBP"], method=2)


def _avif(_photo: Photo, made: Output, quality: int | None) -> bytes:
    return _pillow(made, "AVIF", quality=quality or _QUALITY["AVIF"], subsampling="4:4:4", speed=8)


def _heif(photo: Photo, made: Output, quality: int | None) -> bytes:
    own = photo.carried.encoder.get("nclx", {})
    return _pillow(made, "HEIF", quality=quality or _QUALITY["HEIF"], **_X265, **own)


_ENCODERS = {"JPEG": _jpeg, "PNG": _png, "TIFF": _tiff, "WEBP": _webp, "AVIF": _avif, "HEIF": _heif}
