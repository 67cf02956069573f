"""Two pictures side by side, small and in CIE Lab, with everything that several readings share computed once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.base import Image, Mask
from editor.builtin import regions
from editor.builtin.core import Region
from editor.builtin.effects.areas import AREAS, Area, Bools
from editor.builtin.regions.scene import small
from editor.measure import NOTICEABLE
from editor.pixels import Float, lab, small_lab

PATCH_SIDE = 112
PATCHES = 16
"""Texture is read from up to PATCHES squares of PATCH_SIDE pixels at full size: shrinking would remove it."""


@dataclass(frozen=True, slots=True)
class Patch:
    """A square of both pictures at full size: raw samples (s, s, 3) and lightness (s, s)."""

    before: Image
    after: Image
    l_before: Float
    l_after: Float


class View:
    """The pixels of a pair that lie in one area. before, after: (n, 3) Lab, pixel by pixel when pair.aligned."""

    def __init__(self, pair: Pair, mask: Bools | None) -> None:
        self.pair = pair
        self.mask = mask
        """(h, w) of the small picture, or None for all of it."""

    @cached_property
    def before(self) -> Float:
        """Lab of the source, (n, 3)."""
        return self.of(self.pair.before)

    @cached_property
    def after(self) -> Float:
        """Lab of the result, (n, 3)."""
        return self.of(self.pair.after)

    @cached_property
    def chroma(self) -> tuple[Float, Float]:
        """CIE C* before and after, (n,) each."""
        return np.hypot(self.before[:, 1], self.before[:, 2]), np.hypot(self.after[:, 1], self.after[:, 2])

    @cached_property
    def sorted_lightness(self) -> tuple[Float, Float]:
        """L before and after, each from dark to light."""
        return np.sort(self.before[:, 0]), np.sort(self.after[:, 0])

    @cached_property
    def change(self) -> Float:
        """CIE76 distance of each pixel, (n,)."""
        return self.of(self.pair.distance)

    @cached_property
    def patches(self) -> list[Patch]:
        """Squares at full size that lie wholly in the area; the squares around its middle when it is too thin."""
        pair = self.pair
        if not pair.aligned:
            return []
        height, width = pair.source.shape[:2]
        side = min(PATCH_SIDE, height, width)
        return [
            pair.patch(top, left, side)
            for top, left in _places(self.mask, pair.before.shape[:2], (height, width), side)
        ]

    def of(self, picture: NDArray[Any]) -> NDArray[Any]:
        """The area's values of a small map (h, w) or (h, w, 3), as (n,) or (n, 3)."""
        if self.mask is None:
            return picture.reshape(-1, *picture.shape[2:])
        return picture[self.mask]

    @property
    def empty(self) -> bool:
        """Too few pixels for a statistic."""
        return self.mask is not None and int(np.count_nonzero(self.mask)) < 50


class Pair:
    """A source and a result, compared at the size at which regions are found, so that those are found once.

    aligned: they have the same size, so pixels may be compared one by one. The result is brought to the
    source's small size, whatever its own.
    """

    def __init__(
        self, source: Image, result: Image, limit: Mask | None = None, origin: Image | None = None
    ) -> None:
        self.source = source
        self.result = result
        self.origin = origin
        """With operations of geometry: the picture before them; `source` is what they make of it."""
        self.aligned = source.shape == result.shape and source.dtype == result.dtype
        self.small = small(source)
        size = self.small.shape[1], self.small.shape[0]
        self.small_result = small(result)
        if self.small_result.shape != self.small.shape:
            self.small_result = cv2.resize(self.small_result, size, interpolation=cv2.INTER_AREA)
        self.before = small_lab(source)
        self.after = small_lab(result, size)
        self.limit = None if limit is None else cv2.resize(limit, size, interpolation=cv2.INTER_AREA)
        self._views: dict[tuple[Area, Region], tuple[View, View | None]] = {}
        self._found: dict[Region, regions.Found] = {}

    def found(self, region: Region) -> regions.Found:
        """Where the source shows a region, at the small size, and how sure that is. Raises RegionNotFound."""
        if region not in self._found:
            self._found[region] = regions.find(self.small, self._scaled(region), self.limit)
        return self._found[region]

    def mask(self, region: Region) -> Mask | None:
        """Where the source shows a region, (h, w) uint8; None = everywhere. Raises RegionNotFound."""
        return self.found(region).mask

    def patch(self, top: int, left: int, side: int) -> Patch:
        """One square at full size."""
        before = self.source[top : top + side, left : left + side]
        after = self.result[top : top + side, left : left + side]
        return Patch(before, after, lab(before)[..., 0].copy(), lab(after)[..., 0].copy())

    def views(self, area: Area, region: Region) -> tuple[View, View | None]:
        """The view of an area of a region and, for an area that compares two parts, the view of the other part."""
        key = area, region
        if key not in self._views:
            here, there = AREAS[area](self.lightness, self.mask(region))
            self._views[key] = View(self, here), None if there is None else View(self, there)
        return self._views[key]

    @cached_property
    def lightness(self) -> Float:
        """L of the small source, (h, w)."""
        return np.ascontiguousarray(self.before[..., 0])

    @cached_property
    def distance(self) -> Float:
        """CIE76 distance, (h, w). Of softened pictures when their sizes differ: resizing has blurred fine texture."""
        before, after = self.before, self.after
        if not self.aligned:
            before, after = cv2.GaussianBlur(before, (0, 0), 2), cv2.GaussianBlur(after, (0, 0), 2)
        return cast("Float", np.linalg.norm(after - before, axis=2))

    @cached_property
    def changed_share(self) -> float:
        """Share of the small picture that visibly changed."""
        return float(np.mean(self.distance > NOTICEABLE))

    def _scaled(self, region: Region) -> Region:
        if region.rect is None:
            return region
        scale = self.small.shape[1] / self.source.shape[1]
        x, y, width, height = region.rect
        scaled = (
            round(x * scale),
            round(y * scale),
            max(1, round(width * scale)),
            max(1, round(height * scale)),
        )
        return replace(region, rect=scaled)


def _places(
    mask: Bools | None, small: tuple[int, ...], full: tuple[int, int], side: int
) -> list[tuple[int, int]]:
    """Corners (top, left) of squares of `side` at full size, spread over the area."""
    grid = 4 if mask is None else 16
    tops = np.unique(np.linspace(0, full[0] - side, grid).astype(int))
    lefts = np.unique(np.linspace(0, full[1] - side, grid).astype(int))
    places = [(int(top), int(left)) for top in tops for left in lefts]
    if mask is None:
        return places
    scale = small[0] / full[0], small[1] / full[1]
    covered = cv2.integral(mask.astype(np.uint8))
    shares = []
    for top, left in places:
        y0, x0 = int(top * scale[0]), int(left * scale[1])
        y1 = min(small[0], max(y0 + 1, round((top + side) * scale[0])))
        x1 = min(small[1], max(x0 + 1, round((left + side) * scale[1])))
        inside = covered[y1, x1] - covered[y0, x1] - covered[y1, x0] + covered[y0, x0]
        shares.append(inside / ((y1 - y0) * (x1 - x0)))
    best = max(shares)
    kept = [place for place, share in zip(places, shares, strict=True) if share >= min(0.95, best)]
    return kept[:: max(1, len(kept) // PATCHES)][:PATCHES]
