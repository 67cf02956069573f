"""Loading: bytes -> an upright sRGB picture, with its size checked first and every failure made a PhotoError."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np

from editor.base import Image, Mask, PhotoError, ReeditError, UsageError
from editor.photo import color, metadata, png
from editor.photo.decode import Decoded, decode
from editor.photo.files import SUPPORTED, PathLike, foreign, printable, read_bytes, sniff
from editor.photo.model import Carried, Photo, Samples, SizeCheck

# The JUMBF box of a C2PA manifest store, the same in every container (C2PA 2.1, 11.1.4).
_C2PA = b"jumdc2pa"


def load(
    path: PathLike, *, frame: int | None = None, max_megapixels: float = 250, salvage: bool = False
) -> Photo:
    """Read a photo as an upright sRGB picture of 8 or 16 bits.

    frame: which picture of an animated or multi-page file, from 0. salvage: keep what can be read of a damaged
    JPEG or PNG. Raises PhotoError for anything wrong with the file, UsageError for a frame that does not exist.
    """
    name, data = printable(path), read_bytes(path)
    kind = sniff(data)
    if kind is None:
        raise PhotoError(f"{name}: {foreign(data)}; reedit reads {SUPPORTED}")
    check = size_check(max_megapixels)
    try:
        with _boundary(name):
            found = decode(data, kind, frame, check)
    except PhotoError as error:
        # Only what a library failed on can be salvaged; our own refusals have no cause.
        if kind not in ("JPEG", "PNG") or error.__cause__ is None:
            raise
        if not salvage:
            raise PhotoError(f"{error}; --salvage keeps what can be read") from error.__cause__
        with _boundary(name):
            # libjpeg fills what is missing with grey when it finds an end.
            whole = data + b"\xff\xd9" if kind == "JPEG" else png.repair(data, check)
            found = decode(whole, kind, frame, check)
        found.notes.append("The file is damaged; what could not be read is grey or black.")
    if _C2PA in data:
        found.notes.append("Its content credentials (C2PA) do not survive the edit.")
    with _boundary(name):
        image = _develop(found)
    digest = hashlib.sha256(data).hexdigest()
    return Photo(image, Path(path), kind, digest, found.notes, found.carried)


@contextlib.contextmanager
def _boundary(name: str) -> Iterator[None]:
    """Where the errors of the image libraries become ours. They raise nearly anything on hostile bytes."""
    # Their warnings about odd metadata are not for our user. By module, so that no one else's are lost.
    warnings.filterwarnings("ignore", module=r"(PIL|tifffile)(\.|$)")
    logger = logging.getLogger("tifffile")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    try:
        yield
    except ReeditError as error:
        raise type(error)(f"{name}: {error}") from error.__cause__
    except MemoryError as error:
        raise PhotoError(f"{name}: not enough memory for this photo") from error
    except Exception as error:
        words = " ".join(printable(str(error)).split())[:200] or type(error).__name__
        raise PhotoError(f"{name}: the file is damaged or cut off ({words})") from error


def size_check(max_megapixels: float) -> SizeCheck:
    """The check to run on a header before decoding: against the limit, and against the free memory."""

    def check(width: int, height: int, bytes_per_pixel: int) -> None:
        megapixels = width * height / 1e6
        if width < 1 or height < 1:
            raise PhotoError(f"a picture of {width} x {height} pixels is empty")
        if megapixels > max_megapixels:
            shown = f"{megapixels:,.0f}" if megapixels >= 10 else f"{megapixels:.2g}"
            raise PhotoError(
                f"{width} x {height} is {shown} megapixels, more than the limit of {max_megapixels:g}"
            )
        needed, free = width * height * bytes_per_pixel, _free_memory()
        if free is not None and needed > free:
            raise PhotoError(
                f"{width} x {height} needs {needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free"
            )

    return check


def _free_memory() -> int | None:
    """Bytes that can be had without swapping; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = next((line for line in lines if line.startswith("MemAvailable:")), None)
    return int(found.split()[1]) * 1024 if found else None


def _develop(found: Decoded) -> Image:
    """Turn upright, convert to sRGB, and note what `save` needs to go the way back."""
    carried = found.carried
    if not carried.encoder.pop("upright", False):
        _turn(found, metadata.orientation(carried.exif))
    samples = found.samples
    way = None
    if carried.icc:
        try:
            way = color.conversion(carried.icc, carried.mode, samples.dtype)
        except color.ProfileError as error:
            carried.assumed = True
            found.notes.append(f"Its colour profile {error}, so its colours were taken as sRGB.")
    elif space := carried.space or metadata.space(carried.exif):
        found.notes.append(f"Its colours are marked as {space}, without a profile; they were taken as sRGB.")
    if way is not None:
        carried.native, carried.to_native = samples, way.to_native
        return way.to_working(samples)
    if carried.mode == "RGB":
        return samples
    carried.native = samples
    if carried.mode == "L":
        carried.to_native = _green
        return cast("Image", np.repeat(samples[..., None], 3, axis=2))
    found.notes.append(
        "The CMYK photo has no usable profile: its colours are a guess, and it is saved as RGB."
    )
    return _naive_cmyk(samples)


def _turn(found: Decoded, orientation: int) -> None:
    found.samples = upright(found.samples, orientation)
    carried = found.carried
    if carried.alpha is not None:
        carried.alpha = upright(carried.alpha, orientation)
    if orientation >= 5 and carried.dpi:
        carried.dpi = carried.dpi[1], carried.dpi[0]


def upright(samples: Samples, orientation: int) -> Samples:
    """Samples as the EXIF orientation (1 to 8, CIPA DC-008, 4.6.4 A) says they should be seen."""
    import cv2

    turned: dict[int, int] = {
        6: cv2.ROTATE_90_CLOCKWISE,
        3: cv2.ROTATE_180,
        8: cv2.ROTATE_90_COUNTERCLOCKWISE,
    }
    flipped = {2: 1, 4: 0}
    if orientation in turned:
        return cast("Samples", cv2.rotate(samples, turned[orientation]))
    if orientation in flipped:
        return cast("Samples", cv2.flip(samples, flipped[orientation]))
    if orientation == 5:
        return cast("Samples", cv2.transpose(samples))
    if orientation == 7:
        return cast("Samples", cv2.flip(cv2.transpose(samples), -1))
    return samples


def _green(image: Image) -> Samples:
    """Grey of a neutral picture."""
    return cast("Samples", np.ascontiguousarray(image[..., 1]))


def _naive_cmyk(samples: Samples) -> Image:
    out = np.empty((*samples.shape[:2], 3), np.uint8)
    color.by_bands(
        samples, out, lambda band, _: (255 - band[..., :3].astype(np.uint16)) * (255 - band[..., 3:]) // 255
    )
    return cast("Image", out)


def load_mask(path: PathLike, size: tuple[int, int]) -> Mask:
    """A mask file as (H, W) uint8, white = edit, for a picture of `size` (W, H).

    A picture painted in one colour on a transparent ground is read by its alpha; any other by its luminance, with
    transparent parts as black. Raises PhotoError (unreadable), UsageError (another size, or all black).
    """
    name, data = printable(path), read_bytes(path)
    kind = sniff(data)
    if kind is None:
        raise PhotoError(f"{name}: {foreign(data)}; a mask can be {SUPPORTED}")
    with _boundary(name):
        # a mask that fits is no larger than the photo, whose size was checked
        found = decode(data, kind, None, size_check(max(250, size[0] * size[1] / 1e6)))
        if not found.carried.encoder.pop("upright", False):
            _turn(found, metadata.orientation(found.carried.exif))
        mask = _mask_values(found.samples, found.carried)
    if mask.shape != size[::-1]:
        height, width = mask.shape
        raise UsageError(f"{name}: the mask is {width} x {height}, the photo is {size[0]} x {size[1]}")
    if not mask.any():
        raise UsageError(f"{name}: the mask is black everywhere; white marks what to edit")
    return mask


def _mask_values(samples: Samples, carried: Carried) -> Mask:
    """Profiles are left out of this: a mask's numbers are amounts, not colours."""
    import cv2

    if carried.mode == "CMYK":
        samples = _naive_cmyk(samples)
    grey = cv2.cvtColor(samples, cv2.COLOR_RGB2GRAY) if samples.ndim == 3 else samples
    alpha = carried.alpha
    if alpha is not None and alpha.min() < np.iinfo(alpha.dtype).max:
        visible = grey[alpha > 0]
        painted = visible.size > 0 and visible.min() == visible.max()
        top = np.iinfo(alpha.dtype).max
        grey = alpha if painted else np.rint(grey.astype(np.float32) * (alpha / np.float32(top)))
    if samples.dtype == np.uint16:
        grey = np.rint(grey.astype(np.float32) / 257)
    return cast("Mask", grey.astype(np.uint8))
