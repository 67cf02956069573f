"""Crop, aspect ratio, rotation, levelling, mirroring, size and border. Each may change the picture's size."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.base import CannotDo, Image, Mask
from editor.builtin import regions
from editor.builtin.colors import rgb
from editor.builtin.core import Context, Op, Region
from editor.builtin.grammar.messages import say
from editor.builtin.pixels import Float, full, lab, shrink

MAX_PIXELS = 250_000_000
"""The largest picture that resize and border make."""
MAX_TILT = 10.0
"""Degrees: lines that lean more than this are taken for slopes, not for a tilted camera."""
MAX_HORIZON = 4.0
"""The same for a single line: cameras are seldom held more askew, roads and roofs often lean more."""
_STRONGEST_STEP = 25.0
"""L over four pixels beyond which an edge counts no more: a mast must not outweigh a horizon."""
_LEAST_STEP = 5.0
"""Mean L over four pixels along a line that counts as a horizon."""
_SAME_SHAPE = 0.01
"""Log of the ratio of two aspect ratios: nobody sees a stretch of one per cent."""
_WARP_SIDE = 32_766
"""OpenCV's warps address pixels with 16 bits."""


def crop(image: Image, op: Op, context: Context) -> Image:
    """Cut to a region, to pixels, to the user's mask, or a share off a side (or off each of them)."""
    to = op.params.get("to")
    if isinstance(to, Region):
        return _crop_to(image, to, context)
    if op.params.get("width") or op.params.get("height"):
        return _crop_pixels(image, op.params.get("width"), op.params.get("height"))
    side = str(op.params.get("side") or "all")
    if pixels := op.params.get("pixels"):
        return _crop_sides(image, side, int(pixels), int(pixels))
    if context.mask is not None and side == "all":
        return _cut(image, _box(context.mask))
    return _crop_share(image, side, op.amount)


def _cut(image: Image, box: tuple[int, int, int, int]) -> Image:
    x, y, width, height = box
    return cast("Image", np.ascontiguousarray(image[y : y + height, x : x + width]))


def _box(mask: Mask) -> tuple[int, int, int, int]:
    x, y, width, height = cv2.boundingRect((mask > 127).astype(np.uint8))
    if not width:
        raise CannotDo(say("There is nothing to crop to: the mask is empty."))
    return x, y, width, height


def _crop_to(image: Image, region: Region, context: Context) -> Image:
    """To the region's bounding box; with air around what was found in the picture, none around a rectangle."""
    mask = regions.find(image, region, context.mask).mask
    if mask is None:
        return image
    x, y, width, height = _box(mask)
    air = 0 if region.kind in ("rect", "mask", "place") else round(0.04 * max(width, height))
    left, top = max(0, x - air), max(0, y - air)
    right, bottom = min(image.shape[1], x + width + air), min(image.shape[0], y + height + air)
    return _cut(image, (left, top, right - left, bottom - top))


def _crop_pixels(image: Image, width: int | None, height: int | None) -> Image:
    """To width x height pixels about the centre; a side not given is kept."""
    wide, high = int(width or image.shape[1]), int(height or image.shape[0])
    if wide > image.shape[1] or high > image.shape[0]:
        raise CannotDo(
            say("Cannot crop to {}x{}: the photo has only {}x{} pixels; resize makes it larger.",
                wide, high, image.shape[1], image.shape[0])
        )  # fmt: skip
    return _cut(image, ((image.shape[1] - wide) // 2, (image.shape[0] - high) // 2, wide, high))


def _crop_share(image: Image, side: str, share: float) -> Image:
    height, width = image.shape[:2]
    return _crop_sides(image, side, round(share * width), round(share * height))


def _crop_sides(image: Image, side: str, across: int, down: int) -> Image:
    """Cut `across` pixels off the left or right, `down` off the top or bottom, as `side` says, or off all four."""
    height, width = image.shape[:2]
    left, right = (across if side in (name, "all") else 0 for name in ("left", "right"))
    top, bottom = (down if side in (name, "all") else 0 for name in ("top", "bottom"))
    if left + right >= width or top + bottom >= height:
        raise CannotDo(say("Cropping that much leaves nothing of the photo."))
    return _cut(image, (left, top, width - left - right, height - top - bottom))


def aspect(image: Image, op: Op, context: Context) -> Image:
    """The largest crop of params.ratio = (w, h), placed where most of the picture's detail is kept."""
    wide, high = (float(v) for v in op.params["ratio"])
    if not (wide > 0 and high > 0):
        raise CannotDo(say("{:g}:{:g} is not an aspect ratio.", wide, high))
    if op.params.get("print") and (wide > high) != (image.shape[1] > image.shape[0]):
        wide, high = high, wide
    return _shaped(image, wide, high)


def _shaped(image: Image, wide: float, high: float) -> Image:
    height, width = image.shape[:2]
    new_width = min(width, max(1, round(height * wide / high)))
    new_height = min(height, max(1, round(width * high / wide)))
    interest = _interest(image)
    x = _best_offset(interest.sum(axis=0), new_width / width, width - new_width)
    y = _best_offset(interest.sum(axis=1), new_height / height, height - new_height)
    return _cut(image, (x, y, new_width, new_height))


def _interest(image: Image) -> Float:
    """Where the picture has detail and colour of its own, at low resolution, with a mild pull to the centre."""
    colours = lab(shrink(image, 40_000))
    across, down = (cv2.Sobel(colours, cv2.CV_32F, dx, 1 - dx, ksize=3) for dx in (1, 0))
    detail = np.sqrt((across**2 + down**2).sum(axis=2))
    unusual = np.linalg.norm(colours - np.median(colours, axis=(0, 1)), axis=2)
    height, width = detail.shape
    interest = cv2.GaussianBlur(
        detail / (detail.mean() + 1e-3) + unusual / (unusual.mean() + 1e-3), (0, 0), 3
    )
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return cast("Float", (interest**1.5 * np.exp(-0.6 * (x**2 + y**2))).astype(np.float32))


def _best_offset(profile: Float, share: float, slack: int) -> int:
    """Offset in 0..slack of the window, `share` of the profile wide, that holds the most of it."""
    if slack <= 0:
        return 0
    length = max(1, round(share * len(profile)))
    sums = np.convolve(profile, np.ones(length), mode="valid")
    # of equally good places take the middle one
    best = np.flatnonzero(sums >= sums.max() * (1 - 1e-6))
    return round(slack * float(best[len(best) // 2]) / max(1, len(sums) - 1))


def rotate(image: Image, op: Op, context: Context) -> Image:
    """Rotate clockwise by op.amount degrees: quarter turns losslessly, the rest resampled and cropped."""
    return _rotated(image, op.amount)


def _rotated(image: Image, degrees: float) -> Image:
    quarters = round(degrees / 90)
    turned = cast("Image", np.ascontiguousarray(np.rot90(image, -quarters)))
    rest = degrees - 90 * quarters
    return _tilted(turned, rest) if abs(rest) > 1e-3 else turned


def _tilted(image: Image, degrees: float) -> Image:
    """Clockwise by at most 45 degrees, cropped to the largest upright rectangle without empty corners."""
    height, width = image.shape[:2]
    if max(height, width) > _WARP_SIDE:
        raise CannotDo(
            say("Rotating by an angle works up to {} pixels a side; resize the photo first.", _WARP_SIDE)
        )
    new_width, new_height = _inscribed(width, height, abs(np.deg2rad(degrees)))
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -degrees, 1.0)
    matrix[:, 2] += (new_width - width) / 2, (new_height - height) / 2
    return cast(
        "Image",
        cv2.warpAffine(
            image,
            matrix,
            (new_width, new_height),
            flags=cv2.INTER_LANCZOS4,
            borderMode=cv2.BORDER_REFLECT_101,
        ),
    )


def _inscribed(width: int, height: int, angle: float) -> tuple[int, int]:
    """Width and height of the largest upright rectangle inside one of width x height turned by `angle`, 0..pi/4.

    Either two corners touch the long sides (the picture is narrow), or all four sides are touched; in the second
    case the size solves w cos + h sin = width, w sin + h cos = height.
    """
    sin, cos = np.sin(angle), np.cos(angle)
    long, short = max(width, height), min(width, height)
    if short <= 2 * sin * cos * long:
        half = 0.5 * short
        wide, high = (half / sin, half / cos) if width >= height else (half / cos, half / sin)
    else:
        both = cos * cos - sin * sin
        wide, high = (width * cos - height * sin) / both, (height * cos - width * sin) / both
    return max(1, int(wide + 1e-6)), max(1, int(high + 1e-6))


def straighten(image: Image, op: Op, context: Context) -> Image:
    """Level the picture: by op.amount degrees clockwise, or, when that is 0, by the tilt of its lines."""
    if op.amount:
        return _rotated(image, op.amount)
    tilt = _tilt(image)
    if tilt is None:
        tilt = _horizon(image)
    if tilt is None:
        raise CannotDo(
            say(
                "No horizon or upright line shows how far the photo leans; say by how much: “rotate by 2 degrees”."
            )
        )
    return _rotated(image, -tilt)


def _tilt(image: Image) -> float | None:
    """Degrees by which lines that should be level or upright lean clockwise; None without evidence.

    Line segments vote with their length for their lean; a horizon or a row of walls makes a sharp peak.
    """
    lean, length = _segments(shrink(image, 500_000))
    side = float(np.sqrt(min(image.shape[0] * image.shape[1], 500_000)))
    centres = np.arange(-MAX_TILT, MAX_TILT + 0.01, 0.1)
    votes = (length * np.exp(-0.5 * ((lean - centres[:, None]) / 0.35) ** 2)).sum(axis=1)
    best = int(votes.argmax())
    total = float(length.sum())
    # half of a side in line, and no other direction as strong
    rivals = votes[np.abs(centres - centres[best]) > 1.5]
    if votes[best] < 0.5 * side or votes[best] < 0.2 * total or rivals.max(initial=0) > 0.7 * votes[best]:
        return None
    near = np.abs(lean - centres[best]) < 0.8
    tilt = float(np.average(lean[near], weights=length[near]))
    return 0.0 if abs(tilt) < 0.05 else tilt


def _horizon(image: Image) -> float | None:
    """Degrees by which the horizon leans clockwise; None where no straight line crosses most of the picture.

    A Radon transform of the signed vertical gradient: along a horizon, even one that people or masts interrupt, it
    adds up; waves and leaves cancel out. A slope or a roof leans further than a camera does.
    """
    light = lab(shrink(image, 80_000))[..., 0]
    light = cv2.GaussianBlur(light, (0, 0), 1.0)
    step = np.zeros_like(light)
    step[2:-2] = np.clip(light[4:] - light[:-4], -_STRONGEST_STEP, _STRONGEST_STEP)
    coarse = np.arange(-2 * MAX_HORIZON, 2 * MAX_HORIZON + 0.01, 0.25)
    sums = np.array([_line_sum(step, angle) for angle in coarse])
    best = int(sums.argmax())
    rivals = sums[np.abs(coarse - coarse[best]) > 1.5]
    if abs(coarse[best]) > MAX_HORIZON or sums[best] < _LEAST_STEP or sums[best] < 1.3 * rivals.max():
        return None
    fine = coarse[best] + np.arange(-0.3, 0.31, 0.05)
    tilt = float(fine[int(np.argmax([_line_sum(step, angle) for angle in fine]))])
    return 0.0 if abs(tilt) < 0.1 else tilt


def _line_sum(step: Float, degrees: float) -> float:
    """The largest mean of `step` along any line of that clockwise lean, away from the picture's top and bottom."""
    height, width = step.shape
    slope = float(np.tan(np.radians(degrees)))
    shear = np.array([[1, 0, 0], [-slope, 1, slope * (width - 1) / 2]])
    along = cv2.warpAffine(step, shear, (width, height), flags=cv2.INTER_LINEAR).mean(axis=1)
    rim = round(0.08 * height)
    return float(np.abs(along[rim : height - rim]).max())


def _segments(small: Image) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Long line segments within MAX_TILT of level or upright: (clockwise lean in degrees, length in pixels)."""
    grey = np.clip(lab(small)[..., 0] * 2.55, 0, 255).astype(np.uint8)
    found = cv2.createLineSegmentDetector().detect(grey)[0]
    if found is None:
        return np.zeros(0), np.zeros(0)
    x0, y0, x1, y1 = found.reshape(-1, 4).astype(np.float64).T
    length = np.hypot(x1 - x0, y1 - y0)
    angle = np.degrees(np.arctan2(y1 - y0, x1 - x0))
    lean = (angle + 45) % 90 - 45
    level = np.abs((angle + 45) % 180 - 45) < 45
    # uprights lean by perspective too, so they count for less
    weight = np.where(level, 1.0, 0.5) * length
    keep = (np.abs(lean) <= MAX_TILT) & (length > 0.03 * max(small.shape))
    return lean[keep], weight[keep]


def flip(image: Image, op: Op, context: Context) -> Image:
    """Mirror: params.axis "horizontal" swaps left and right, "vertical" top and bottom."""
    return cast("Image", cv2.flip(image, 0 if op.params.get("axis") == "vertical" else 1))


def resize(image: Image, op: Op, context: Context) -> Image:
    """To params.width and height, or params.longest for the longer side, in pixels; else by the factor op.amount.

    One side alone keeps the aspect ratio. A size of another shape is filled: what does not fit is cropped as `aspect`
    does, nothing is stretched.
    """
    height, width = image.shape[:2]
    wide, high = op.params.get("width"), op.params.get("height")
    if longest := op.params.get("longest"):
        wide, high = (longest, None) if width >= height else (None, longest)
    factor = wide / width if wide else high / height if high else op.amount
    new_width = int(wide or max(1, round(width * factor)))
    new_height = int(high or max(1, round(height * factor)))
    _check_size(new_width, new_height)
    if wide and high and abs(np.log(wide / high * height / width)) > _SAME_SHAPE:
        image = _shaped(image, wide, high)
    shrinking = new_width <= image.shape[1] and new_height <= image.shape[0]
    way = cv2.INTER_AREA if shrinking else cv2.INTER_LANCZOS4
    return cast("Image", cv2.resize(image, (new_width, new_height), interpolation=way))


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise CannotDo(
            say("{}x{} would be {:.0f} MP; the limit is {} MP.", width, height, width * height / 1e6,
                MAX_PIXELS // 10**6)
        )  # fmt: skip


def border(image: Image, op: Op, context: Context) -> Image:
    """A plain frame: params.pixels wide, or op.amount of the short side; params.color, white when not given."""
    height, width = image.shape[:2]
    size = int(op.params.get("pixels") or max(1, round(op.amount * min(height, width))))
    _check_size(width + 2 * size, height + 2 * size)
    scale = full(image) // 255
    colour = [c * scale for c in rgb(str(op.params.get("color") or "white"))]
    return cast("Image", cv2.copyMakeBorder(image, size, size, size, size, cv2.BORDER_CONSTANT, value=colour))
