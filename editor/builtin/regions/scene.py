"""What every finder looks at: a small copy of the photo and the measurements made on it, each made once."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.base import Image
from editor.builtin.perception import decode, oklab
from editor.builtin.pixels import Float, shrink, to_float
from editor.pixels import SMALL_PIXELS

Bool = NDArray[np.bool_]
Labels = NDArray[np.int32]
T = TypeVar("T")
FOUND = 0.35
"""Below this confidence a region counts as not found."""


@dataclass(frozen=True, slots=True)
class Part:
    """A region on the small copy: (h, w) bool, and how sure the finder is, 0..1."""

    mask: Bool
    confidence: float


class Scene:
    """The small copy of one photo. Thread-safe: `part` computes once, a second caller waits."""

    def __init__(self, image: Image) -> None:
        """Take a picture that is small already (see `small`)."""
        self.rgb: Float = to_float(image)
        self.height, self.width = int(image.shape[0]), int(image.shape[1])
        self._parts: dict[object, object] = {}
        self._lock = threading.RLock()

    def part(self, key: object, make: Callable[[], T]) -> T:
        """The result of make(), remembered under `key`."""
        with self._lock:
            if key not in self._parts:
                self._parts[key] = make()
            return cast("T", self._parts[key])

    def adopt(self, other: Scene, least: float) -> None:
        """Take over the parts that were found in `other` with at least that confidence."""
        with other._lock:
            found = {k: v for k, v in other._parts.items() if isinstance(v, Part) and v.confidence >= least}
        with self._lock:
            self._parts = found | self._parts

    def named(self, finder: Callable[[Scene], Part]) -> Part:
        """What another finder finds, computed once."""
        return self.part(finder, lambda: finder(self))

    @property
    def area(self) -> int:
        """Pixels."""
        return self.height * self.width

    def size(self, share: float) -> int:
        """A length in pixels, at least 1: `share` of the geometric mean of the sides."""
        return max(1, round(share * math.sqrt(self.area)))

    @cached_property
    def lab(self) -> Float:
        """CIE Lab, L 0..100."""
        return cast("Float", cv2.cvtColor(self.rgb, cv2.COLOR_RGB2Lab))

    @cached_property
    def calm(self) -> Float:
        """RGB 0..1 after a small median: colours without grain and thin lines."""
        eight = np.rint(self.rgb * 255).astype(np.uint8)
        return cast("Float", cv2.medianBlur(eight, 5).astype(np.float32) / 255)

    @cached_property
    def smooth_lab(self) -> Float:
        """Lab of the calmed picture."""
        return cast("Float", cv2.cvtColor(self.calm, cv2.COLOR_RGB2Lab))

    @cached_property
    def paint(self) -> Float:
        """(h, w, 2): a / L and b / L of the calmed picture in OKLab; one paint has the same in light and shade."""
        lab = oklab(decode(self.calm))
        return cast("Float", lab[..., 1:] / np.maximum(lab[..., :1], np.float32(0.08)))

    @property
    def lightness(self) -> Float:
        """L of the calmed picture."""
        return self.smooth_lab[..., 0]

    @cached_property
    def chroma(self) -> Float:
        """CIE C* of the calmed picture."""
        return np.hypot(self.smooth_lab[..., 1], self.smooth_lab[..., 2])

    @cached_property
    def hue(self) -> Float:
        """CIE h of the calmed picture, degrees 0..360: red 30, yellow 95, green 140, cyan 200, blue 280."""
        return cast("Float", np.degrees(np.arctan2(self.smooth_lab[..., 2], self.smooth_lab[..., 1])) % 360)

    @cached_property
    def texture(self) -> Float:
        """Standard deviation of L in a 7x7 window."""
        light = self.lab[..., 0]
        mean = cv2.blur(light, (7, 7))
        return cast("Float", np.sqrt(np.maximum(cv2.blur(light * light, (7, 7)) - mean * mean, 0)))

    @cached_property
    def edges(self) -> Float:
        """Colour gradient per pixel, CIE76: the strongest channel of the Sobel magnitude."""
        calm = cv2.GaussianBlur(self.lab, (0, 0), 1.0)
        dx, dy = (cv2.Sobel(calm, cv2.CV_32F, *order, ksize=3, scale=1 / 8) for order in ((1, 0), (0, 1)))
        return cast("Float", np.sqrt((dx * dx + dy * dy).sum(axis=2)))

    @cached_property
    def focus(self) -> Float:
        """Finest detail, averaged over a neighbourhood and divided by its 98th percentile: 0 blurred, 1 sharp."""
        light = self.lab[..., 0]
        fine = np.abs(light - cv2.GaussianBlur(light, (0, 0), 1.2))
        # the square root keeps one hard edge from outweighing a field of texture
        spread = cv2.GaussianBlur(np.sqrt(fine), (0, 0), self.size(0.008))
        return cast("Float", np.clip(spread / max(0.3, float(np.percentile(spread, 98))), 0, 1))

    @cached_property
    def down(self) -> Float:
        """(h, 1): 0 at the top, 1 at the bottom."""
        return cast("Float", ((np.arange(self.height, dtype=np.float32) + 0.5) / self.height)[:, None])

    @cached_property
    def central(self) -> Float:
        """1 in the middle, falling to about 0.1 in the corners."""
        across = (np.arange(self.width, dtype=np.float32) + 0.5) / self.width
        square = ((across[None, :] - 0.5) ** 2 + (self.down - 0.5) ** 2) / 0.5
        return cast("Float", np.exp(-2.3 * square))


def small(image: Image) -> Image:
    """The picture at no more than SMALL_PIXELS pixels: a region takes 0.1 to 0.5 s."""
    return shrink(image, SMALL_PIXELS)


def ramp(value: float, low: float, high: float) -> float:
    """0 at `low` and beyond, 1 at `high` and beyond, straight between; high < low falls."""
    return min(1.0, max(0.0, (value - low) / (high - low)))


def disc(radius: int) -> NDArray[np.uint8]:
    """A round structuring element."""
    return cast("NDArray[np.uint8]", cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2))


def grow(mask: Bool, radius: int) -> Bool:
    """Dilate."""
    return cast("Bool", cv2.dilate(mask.astype(np.uint8), disc(radius)) > 0)


def erode(mask: Bool, radius: int) -> Bool:
    """Erode; the photo's border does not count as outside."""
    return cast("Bool", cv2.erode(mask.astype(np.uint8), disc(radius)) > 0)


def close(mask: Bool, radius: int) -> Bool:
    """Close gaps up to `radius`."""
    return erode(grow(mask, radius), radius)


def opened(mask: Bool, radius: int) -> Bool:
    """Remove what is thinner than `radius`."""
    return grow(erode(mask, radius), radius)


def label(mask: Bool) -> tuple[int, Labels, NDArray[np.int32]]:
    """Count, labels (0 = outside) and statistics of the 8-connected components (cv2.CC_STAT_*)."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    return count, labels, stats


def fill_holes(mask: Bool, largest: int) -> Bool:
    """Fill holes of at most `largest` pixels that do not touch the photo's border."""
    height, width = mask.shape
    count, labels, stats = label(~mask)
    x, y, w, h, area = stats.T
    fill = (area <= largest) & (x > 0) & (y > 0) & (x + w < width) & (y + h < height)
    fill[0] = False
    return mask | fill[labels] if count > 1 else mask


def drop_small(mask: Bool, smallest: int) -> Bool:
    """Remove components of fewer than `smallest` pixels."""
    _, labels, stats = label(mask)
    keep = stats[:, cv2.CC_STAT_AREA] >= smallest
    keep[0] = False
    return keep[labels]


def touching(mask: Bool, seed: Bool) -> Bool:
    """The components of `mask` that contain a pixel of `seed`."""
    count, labels, _ = label(mask)
    keep = np.zeros(count, bool)
    keep[np.unique(labels[seed & mask])] = True
    keep[0] = False
    return cast("Bool", keep[labels])


def watershed(scene: Scene, inside: Bool, outside: Bool) -> Bool:
    """Grow both markers over the colour gradient until they meet at the strongest edges."""
    if not inside.any() or not outside.any():
        return inside
    markers = np.where(inside, 1, np.where(outside, 2, 0)).astype(np.int32)
    relief = np.clip(scene.edges * 12, 0, 255).astype(np.uint8)
    cv2.watershed(cv2.merge([relief] * 3), markers)
    # watershed marks the meeting line -1 (and the frame); give those pixels to their nearer neighbours
    line = markers == -1
    grown = cv2.dilate((markers == 1).astype(np.uint8), disc(1)) > 0
    return cast("Bool", (markers == 1) | (line & grown))


def settle(scene: Scene, mask: Bool, reach: int) -> Bool:
    """Decide anew within `reach` of the mask's edge: each pixel goes to the side whose nearby colour it has."""
    window = (8 * reach + 1,) * 2
    inner, outer = erode(mask, reach), ~grow(mask, reach)
    distances = []
    for side in (inner, outer):
        weight = side.astype(np.float32)
        total = cv2.blur(weight, window)
        colour = cv2.blur(scene.lab * weight[..., None], window) / np.maximum(total, 1e-3)[..., None]
        distance = np.linalg.norm(scene.lab - colour, axis=2)
        # where one side is too thin to know its colour, the edge stays
        distances.append(np.where(total > 0.02, distance, np.nan))
    near_in, near_out = distances
    known = np.isfinite(near_in) & np.isfinite(near_out) & ~inner & ~outer
    with np.errstate(invalid="ignore"):
        return cast("Bool", np.where(known, near_in < near_out, mask))


def mean(values: Float, where: Bool, otherwise: float = 0.0) -> float:
    """Mean of `values` over a mask; `otherwise` when the mask is empty."""
    return float(values[where].mean()) if where.any() else otherwise


def pixels(mask: Bool) -> int:
    """How many pixels a mask covers."""
    return int(np.count_nonzero(mask))


def share(mask: Bool, within: Bool | None = None) -> float:
    """Share of the photo, or of another mask, that a mask covers."""
    whole = mask.size if within is None else pixels(within)
    return pixels(mask if within is None else mask & within) / max(1, whole)


def two_kinds(values: Float) -> tuple[float, float]:
    """Otsu's threshold of values in 0..1, and how far apart the two sides' means are, in their summed deviations."""
    levels = np.rint(values.ravel() * 255).astype(np.uint8)
    threshold = cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)[0]
    low, high = levels[levels <= threshold], levels[levels > threshold]
    if not low.size or not high.size:
        return float(threshold) / 255, 0.0
    return float(threshold) / 255, float(high.mean() - low.mean()) / max(1.0, float(low.std() + high.std()))
