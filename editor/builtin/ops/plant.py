"""Leaf symptoms and plant colours: fields over the leaf's shape at low resolution, recolouring in CIE Lab.

An operation works in two steps. `read_leaf` measures the region's shape at no more than `FIELD_PIXELS`: how far a
pixel lies from the margin, where it lies between stem and tip, where the veins run. From these and seeded noise
come weight maps, and `paint` interpolates them over the full picture, band by band, where pigments replace the
leaf's colour while its lightness detail stays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.base import Image, Mask
from editor.builtin import regions
from editor.builtin.colors import rgb
from editor.builtin.core import Context, Op
from editor.builtin.perception import smoothstep
from editor.builtin.pixels import Float, bands, lab, shrink

FIELD_PIXELS = 500_000
Labels = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Pigment:
    """A colour that tissue turns to. hue: degrees in the Lab plane (0 red, 90 yellow, 135 green, 345 purple).

    chroma: at L 55, scaled with lightness. gain: factor on lightness. lift: lightness added to the mid-tones
    (tissue that loses chlorophyll gets lighter).
    """

    hue: float
    chroma: float
    gain: float = 1.0
    lift: float = 0.0


# Read off photos of nutrient-deficient and ageing leaves, rounded.
YELLOW = Pigment(hue=98, chroma=50, lift=17)
YELLOW_GREEN = Pigment(hue=107, chroma=43, lift=10)
NECROSIS = Pigment(hue=68, chroma=32, gain=0.66)
STRAW = Pigment(hue=82, chroma=29, gain=0.98, lift=6)
OLIVE = Pigment(hue=98, chroma=26, gain=0.82)
SOAKED = Pigment(hue=62, chroma=36, gain=0.80)
ROT = Pigment(hue=58, chroma=30, gain=0.50)
MILDEW = Pigment(hue=110, chroma=5, gain=1.0, lift=36)
PURPLE = Pigment(hue=356, chroma=39, gain=0.66)
BRONZE = Pigment(hue=42, chroma=30, gain=0.86)
PALE = Pigment(hue=107, chroma=23, lift=26)
HEALTHY = Pigment(hue=126, chroma=42, gain=0.92)
YOUNG = Pigment(hue=116, chroma=45, lift=3)
GOLD = Pigment(hue=88, chroma=53, lift=11)
ORANGE = Pigment(hue=66, chroma=55, gain=0.92)
RED = Pigment(hue=38, chroma=50, gain=0.74)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A region at low resolution; every field (h, w) float32.

    small: the pixels, 8 or 16 bits. inside: 1 in the region. inward: 0 at the margin to 1 at the core of each
    leaf. outline: the same, but from the region's own outline only, not from where leaves overlap.
    along: 0 at the stem's end to 1 at the tip. stalk: 1 on a petiole. size: radius, in low-resolution pixels, of
    the circle inscribed in the largest leaf. chroma, lightness: medians of the region, Lab.
    """

    small: Image
    inside: Float
    inward: Float
    outline: Float
    along: Float
    stalk: Float
    size: float
    chroma: float
    lightness: float


def fractal(rng: np.random.Generator, shape: tuple[int, int], period: float, octaves: int = 3) -> Float:
    """Smooth noise of unit variance, about; `period` is the size of its largest features in pixels."""
    height, width = shape
    out = np.zeros(shape, np.float32)
    for octave in range(octaves):
        cell = max(1.0, period / 2**octave)
        grid = rng.standard_normal((int(height / cell) + 3, int(width / cell) + 3)).astype(np.float32)
        out += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) * np.float32(0.5**octave)
    return out


# shape ----------------------------------------------------------------------------------------------------


def read_leaf(image: Image, context: Context) -> Leaf:
    """Measure the region's shape and colour. Without a mask the whole picture is one leaf."""
    small = shrink(image, FIELD_PIXELS)
    height, width = small.shape[:2]
    if context.mask is None:
        region = np.full((height, width), 255, np.uint8)
    else:
        region = cast("Mask", cv2.resize(context.mask, (width, height), interpolation=cv2.INTER_AREA))
    solid = _without_small_holes((region > 127).astype(np.uint8))
    labels, ragged = _leaves(solid)
    outline = distance = _distance(solid, context, image.shape)
    if ragged:
        overlaps = _overlaps(np.isin(labels, ragged).astype(np.uint8), context, image.shape)
        distance = _distance(solid * ~overlaps, context, image.shape)
    radius = _largest(distance, labels)
    unit = np.maximum(radius, 2.0)[labels]
    size = float(radius[1:].max(initial=2.0))
    along, stalk = _axes(labels, distance, radius, ragged)
    if ragged:
        bunch = np.isin(labels, ragged)
        unit[bunch] = np.maximum(_thickness(distance), 2.0)[bunch]
        size = float(np.percentile(unit[solid > 0], 75)) if solid.any() else size
        stalk[bunch] = smoothstep((unit / size).astype(np.float32), 0.28, 0.14)[bunch]
        along[bunch] = _UNKNOWN
    colours = lab(small)[region > 127]
    if not len(colours):
        colours = np.array([[50, 0, 0]], np.float32)
    light, green_red, blue_yellow = np.median(colours, axis=0)
    return Leaf(
        small=small,
        inside=solid.astype(np.float32),
        inward=np.clip(distance / unit, 0, 1),
        outline=np.clip(outline / unit, 0, 1),
        along=along,
        stalk=stalk,
        size=size,
        chroma=max(6.0, float(np.hypot(green_red, blue_yellow))),
        lightness=max(5.0, float(light)),
    )


def _without_small_holes(solid: Mask) -> Mask:
    """Fill glints and veins that the mask left out: holes below 2 % of the region's area."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(1 - solid, connectivity=4)
    if count < 2:
        return solid
    height, width = solid.shape
    left, top, w, h, area = stats.T
    outer = (left == 0) | (top == 0) | (left + w == width) | (top + h == height)
    fill = ~outer & (area < 0.02 * max(1, int(solid.sum())))
    fill[0] = False
    return cast("Mask", solid | fill[labels].astype(np.uint8))


def _leaves(solid: Mask) -> tuple[Labels, list[int]]:
    """Label the connected components, 1..n; and which are ragged: bunches of leaves that overlap."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)
    big = (i for i in range(1, count) if stats[i, 4] > 0.02 * solid.size)
    return cast("Labels", labels), [i for i in big if _solidity(labels, i, stats[i]) < 0.72]


def _solidity(labels: Labels, index: int, box: NDArray[np.int32]) -> float:
    """Share of its convex hull that a component fills; a single blade, with its stalk, fills most of it."""
    x, y, w, h, area = (int(v) for v in box)
    part = (labels[y : y + h, x : x + w] == index).astype(np.uint8)
    contours, _ = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    hull = cv2.convexHull(np.concatenate(contours))
    return area / max(1.0, cv2.contourArea(hull))


def _overlaps(bunch: Mask, context: Context, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Lines where one leaf of a bunch lies before another: the long contours inside it.

    A midrib may be such a line too; it runs half way between margins and is left out.
    """
    side = float(np.sqrt(bunch.size))
    lines = _contours(context, shape, bunch.shape)
    inner = cv2.erode(bunch, np.ones((2 * int(0.014 * side) + 1,) * 2, np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(lines & (inner * np.uint8(255)), connectivity=8)
    long = [i for i in range(1, len(stats)) if np.hypot(stats[i, 2], stats[i, 3]) > 0.10 * side]
    kept = np.where(np.isin(labels, long), labels, 0)
    for index in long:
        if _runs_half_way(kept, index, bunch):
            kept[kept == index] = 0
    return np.asarray(kept > 0)


def _contours(context: Context, shape: tuple[int, ...], small: tuple[int, ...]) -> Mask:
    """The photo's contours in the part that an operation was given, at its low resolution."""
    lines = regions.contours(context.whole)
    x, y, width, height = context.frame
    across, down = lines.shape[1] / width, lines.shape[0] / height
    rows = slice(int(y * down), max(int(y * down) + 1, round((y + shape[0]) * down)))
    columns = slice(int(x * across), max(int(x * across) + 1, round((x + shape[1]) * across)))
    size = small[1], small[0]
    return cast(
        "Mask", (cv2.resize(lines[rows, columns], size, interpolation=cv2.INTER_AREA) > 60) * np.uint8(255)
    )


_UNKNOWN = 0.74
"""Place between stem and tip that counts for a bunch of leaves: their true tips are mostly hidden."""


def _runs_half_way(lines: Labels, index: int, bunch: Mask) -> bool:
    """Whether one of the lines lies on the ridge of the distance to all other margins."""
    others = bunch * ((lines == 0) | (lines == index)).astype(np.uint8)
    distance = cv2.distanceTransform(others, cv2.DIST_L2, 3)
    there = distance[lines == index]
    reach = max(3, int(np.median(there))) | 1
    highest = cv2.dilate(distance, np.ones((reach, reach), np.uint8))[lines == index]
    return bool(np.median(there / np.maximum(highest, 1)) > 0.8)


def _thickness(distance: Float) -> Float:
    """Radius of the largest disc in the region that covers a pixel (Hildebrand and Rueegsegger, 1997), smoothed."""
    ridge = (distance >= cv2.dilate(distance, np.ones((3, 3), np.uint8)) - 0.3) & (distance > 1.5)
    rows, columns = np.nonzero(ridge)
    out = distance.copy()
    for at in np.argsort(distance[rows, columns]):
        radius = float(distance[rows[at], columns[at]])
        cv2.circle(out, (int(columns[at]), int(rows[at])), round(radius), radius, -1)
    return cast("Float", cv2.GaussianBlur(np.maximum(out, distance), (0, 0), 3))


def _distance(solid: Mask, context: Context, shape: tuple[int, ...]) -> Float:
    """Distance to the margin, in pixels. The photo's own frame is no margin: there the leaf goes on unseen."""
    x, y, whole_width, whole_height = context.frame
    sides = y > 0, y + shape[0] < whole_height, x > 0, x + shape[1] < whole_width
    top, bottom, left, right = (int(s) for s in sides)
    padded = cv2.copyMakeBorder(solid, top, bottom, left, right, cv2.BORDER_CONSTANT, value=0)
    if padded.all():
        return np.full(solid.shape, 1e3, np.float32)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 5)
    return cast("Float", distance[top : top + solid.shape[0], left : left + solid.shape[1]])


def _largest(values: Float, labels: Labels) -> Float:
    """Maximum of `values` in each label, indexed by label; 0 for the background."""
    top = np.zeros(int(labels.max()) + 1, np.float32)
    np.maximum.at(top, labels.ravel(), values.ravel())
    top[0] = 0
    return top


@dataclass(frozen=True, slots=True)
class _Axis:
    """One leaf's pixels along its principal axis: places (n, 2) as x, y, position (n,), distance to the margin.

    low, high: the ends of the blade's core on the axis. radius: of the inscribed circle.
    """

    places: Float
    position: Float
    distance: Float
    low: float
    high: float
    radius: float


def _axes(labels: Labels, distance: Float, radius: Float, ragged: list[int]) -> tuple[Float, Float]:
    """Per leaf, the place between stem (0) and tip (1) along its principal axis; and where its stalk is.

    Of a bunch neither is known: it counts as the middle of a leaf.
    """
    along = np.full(labels.shape, 0.5, np.float32)
    stalk = np.zeros(labels.shape, np.float32)
    order = np.argsort(labels.ravel(), kind="stable")
    ends = np.searchsorted(labels.ravel()[order], np.arange(len(radius) + 1))
    for index in range(1, len(radius)):
        members = order[ends[index] : ends[index + 1]]
        if len(members) < 60 or index in ragged:
            continue
        rows, columns = np.divmod(members, labels.shape[1])
        places = np.stack([columns, rows], axis=1).astype(np.float32)
        axis = _axis(places, distance.ravel()[members], float(radius[index]))
        if not _tip_is_high(axis, labels.shape):
            axis = replace(axis, position=-axis.position, low=-axis.high, high=-axis.low)
        place, tail = _ends(axis)
        along.ravel()[members], stalk.ravel()[members] = place, tail
    return along, stalk


def _axis(places: Float, distance: Float, radius: float) -> _Axis:
    """The principal axis of the blade's core: what lies deep enough inside to be neither stalk nor tooth."""
    core = distance > 0.45 * radius
    centre = places[core].mean(axis=0)
    _, vectors = np.linalg.eigh(np.cov((places[core] - centre).T) + 1e-6 * np.eye(2))
    position = (places - centre) @ vectors[:, 1].astype(np.float32)
    low, high = (float(v) for v in np.percentile(position[core], [0.5, 99.5]))
    return _Axis(places, position, distance, low, high, radius)


def _ends(axis: _Axis) -> tuple[Float, Float]:
    """(along, stalk) of a leaf whose tip is at the high end."""
    # the blade's ends lie beyond its core by about the core's own offset from the margin
    base = axis.low - 0.45 * axis.radius
    tip = max(axis.high + 0.45 * axis.radius, float(np.percentile(axis.position, 99.8)))
    along = np.clip((axis.position - base) / max(1.0, tip - base), 0, 1)
    tail = smoothstep(axis.position - np.float32(base + 0.1 * axis.radius), 0.0, -0.35 * axis.radius)
    thin = 1 - smoothstep(axis.distance / np.float32(max(axis.radius, 1.0)), 0.2, 0.4)
    return along.astype(np.float32), (tail * thin).astype(np.float32)


def _tip_is_high(axis: _Axis, shape: tuple[int, ...]) -> bool:
    """Whether the tip lies at the high end of the axis.

    In order of trust: the stem end is where a long thin tail leaves the blade; where a leaf runs out of the
    picture; the tip is where the blade tapers more, as most blades are widest nearer their base.
    """
    low_tail, high_tail = axis.low - float(axis.position.min()), float(axis.position.max()) - axis.high
    beyond = (axis.position < axis.low - axis.radius) | (axis.position > axis.high + axis.radius)
    thin_tail = bool(beyond.any()) and float(np.median(axis.distance[beyond])) < 0.12 * axis.radius
    if thin_tail and abs(high_tail - low_tail) > 0.6 * axis.radius:
        return low_tail > high_tail
    quarter = 0.25 * (axis.high - axis.low)
    ends = axis.position < axis.low + quarter, axis.position > axis.high - quarter
    height, width = shape
    x, y = axis.places.T
    cut = (x < 2) | (y < 2) | (x > width - 3) | (y > height - 3)
    if cut.sum() > 0.5 * axis.radius:
        return float(axis.position[cut].mean()) < 0.5 * (axis.low + axis.high)
    return float(axis.distance[ends[1]].mean()) < float(axis.distance[ends[0]].mean())


def veins(leaf: Leaf) -> Float:
    """Where the midrib and the larger veins run, 0..1, with the tissue close to them.

    They are the straight, long ridges or grooves of the lightness: the strongest response over direction of a
    line filter (second derivative of a Gaussian across, a long Gaussian along), of either sign.
    """
    # at this size an inscribed radius is 90 pixels and a vein about one or two
    scale = min(1.0, 90 / leaf.size)
    height, width = leaf.inside.shape
    size = max(8, round(width * scale)), max(8, round(height * scale))
    light = lab(cast("Image", cv2.resize(leaf.small, size, interpolation=cv2.INTER_AREA)))[..., 0]
    inward = cv2.resize(leaf.inward, size, interpolation=cv2.INTER_AREA)
    radius = leaf.size * scale
    # level the shading first, or folds and margins outshine every vein
    light = light - cv2.GaussianBlur(light, (0, 0), max(1.5, 0.10 * radius))
    strength = _lines(light, radius) * smoothstep(inward, 0.03, 0.12)
    inner = strength[inward > 0.1]
    if not len(inner) or (level := float(np.percentile(inner, 82))) <= 1e-3:
        return np.zeros_like(leaf.inside)
    weak = (strength > level).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(weak, connectivity=8)
    long = np.hypot(stats[:, 2], stats[:, 3]) > 0.45 * radius
    long[0] = False
    found = long[labels] * np.clip(strength / (1.8 * level), 0, 1).astype(np.float32)
    near = cv2.GaussianBlur(found, (0, 0), max(1.0, 0.030 * radius))
    soft = np.clip(np.maximum(0.9 * found, 1.9 * near), 0, 1).astype(np.float32)
    return cast("Float", cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR))


def _lines(values: Float, radius: float, directions: int = 16) -> Float:
    """Strongest absolute response of an oriented line filter; `radius` sets its length."""
    along, across = max(2.0, 0.085 * radius), max(0.9, 0.016 * radius)
    reach = int(2.5 * along)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    out = np.zeros_like(values)
    for angle in np.arange(directions) * np.pi / directions:
        u = x * np.cos(angle) + y * np.sin(angle)
        v = y * np.cos(angle) - x * np.sin(angle)
        kernel = np.exp(-0.5 * (u / along) ** 2 - 0.5 * (v / across) ** 2) * (1 - (v / across) ** 2)
        kernel -= kernel.mean()
        response = cv2.filter2D(values, cv2.CV_32F, kernel / np.abs(kernel).sum())
        out = np.maximum(out, np.abs(response))
    return out


# colour ---------------------------------------------------------------------------------------------------

Paint = Callable[[Float, Float], None]
"""Changes a Lab band (n, w, 3) in place, given the weight maps (n, w, k) at the same pixels."""


def paint(image: Image, mask: Mask | None, maps: Float, change: Paint) -> Image:
    """Carry low-resolution `maps` (h, w, k <= 4) over to the full picture and change its Lab colours by them.

    Rows and columns without any mask are left alone; they cost nothing.
    """
    low_height, low_width = maps.shape[:2]
    scale_x, scale_y = low_width / image.shape[1], low_height / image.shape[0]

    def work(band: Float, rows: slice) -> Float:
        left, right = 0, band.shape[1]
        if mask is not None:
            used = np.flatnonzero(mask[rows].any(axis=0))
            if not len(used):
                return band
            left, right = int(used[0]), int(used[-1]) + 1
        # pixel centres: low = (full + 0.5) * scale - 0.5
        matrix = np.array(
            [
                [scale_x, 0, (left + 0.5) * scale_x - 0.5],
                [0, scale_y, (rows.start + 0.5) * scale_y - 0.5],
            ]
        )
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        weights = cv2.warpAffine(
            maps, matrix, (right - left, len(band)), flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        colours = cv2.cvtColor(np.ascontiguousarray(band[:, left:right]), cv2.COLOR_RGB2Lab)
        change(colours, weights.reshape(len(band), right - left, -1))
        band[:, left:right] = cv2.cvtColor(colours, cv2.COLOR_Lab2RGB)
        return band

    return bands(image, work)


def glare(colours: Float, leaf: Leaf) -> Float:
    """How much of a pigment shows, (n, w): less where specular light leaves the leaf with little colour."""
    chroma = np.hypot(colours[..., 1], colours[..., 2])
    return np.sqrt(np.clip(chroma * np.float32(1 / leaf.chroma), 0.1, 1.3))


def stain(colours: Float, weight: Float, pigment: Pigment, shine: Float | None = None) -> None:
    """Move Lab colours (n, w, 3) towards a pigment, in place; shading and texture stay. shine: see `glare`."""
    light, a, b = colours[..., 0], colours[..., 1], colours[..., 2]
    share = light * np.float32(0.01)
    target = light * np.float32(pigment.gain) + share * (1 - share) * np.float32(4 * pigment.lift)
    strength = np.minimum(target * np.float32(1 / 55), 1.25) * np.float32(pigment.chroma)
    if shine is not None:
        strength *= shine
    turn = np.deg2rad(pigment.hue)
    light += weight * (target - light)
    a += weight * (strength * np.float32(np.cos(turn)) - a)
    b += weight * (strength * np.float32(np.sin(turn)) - b)


def _cover(leaf: Leaf, *pigments: Pigment) -> Paint:
    """A Paint that lays the pigments one after the other, the k-th weighted by map k."""

    def change(colours: Float, weights: Float) -> None:
        shine = glare(colours, leaf)
        for channel, pigment in enumerate(pigments):
            stain(colours, weights[..., channel], pigment, shine)

    return change


def _stack(*maps: NDArray[np.floating]) -> Float:
    return cast("Float", np.ascontiguousarray(np.dstack(maps), np.float32))


# operations -----------------------------------------------------------------------------------------------


def yellowing(image: Image, op: Op, context: Context) -> Image:
    """General chlorosis: the whole blade yellows, unevenly, the veins last."""
    leaf = read_leaf(image, context)
    patches = fractal(context.rng, leaf.inside.shape, 0.7 * leaf.size)
    weight = np.clip(1.15 * op.amount + 0.10 * patches - 0.30 * (1 - 0.6 * op.amount) * veins(leaf), 0, 1)
    weight *= 1 - 0.5 * leaf.stalk
    deep = weight * smoothstep(weight, 0.35, 0.95)
    return paint(image, context.mask, _stack(weight, deep), _cover(leaf, YELLOW_GREEN, YELLOW))


def margin_chlorosis(image: Image, op: Op, context: Context) -> Image:
    """Yellow from the margins inwards with an irregular front, deeper between the veins and towards the tip."""
    leaf = read_leaf(image, context)
    rough = fractal(context.rng, leaf.inside.shape, 0.55 * leaf.size)
    reach = (0.10 + 0.46 * op.amount) * (0.62 + 0.65 * leaf.along) * np.clip(1 + 0.28 * rough, 0.35, 1.8)
    # the front runs on between the veins and lags along them
    depth = reach * (1.18 - 0.55 * veins(leaf)) - leaf.inward
    weight = smoothstep(depth, -0.16, 0.16) * (0.55 + 0.45 * op.amount) * (1 - leaf.stalk)
    deep = weight * smoothstep(depth, 0.02, 0.26) * min(1.0, 0.35 + op.amount)
    return paint(image, context.mask, _stack(weight, deep), _cover(leaf, YELLOW_GREEN, YELLOW))


def interveinal_chlorosis(image: Image, op: Op, context: Context) -> Image:
    """The tissue between the veins yellows; the veins and a narrow band beside them stay green."""
    leaf = read_leaf(image, context)
    patches = fractal(context.rng, leaf.inside.shape, 0.5 * leaf.size)
    between = smoothstep(veins(leaf), 0.72, 0.12)
    weight = np.clip(between * (0.18 + 0.85 * op.amount + 0.10 * patches), 0, 1) * (1 - leaf.stalk)
    deep = weight * smoothstep(weight, 0.4, 1.0) * 0.85
    return paint(image, context.mask, _stack(weight, deep), _cover(leaf, YELLOW_GREEN, YELLOW))


def tip_burn(image: Image, op: Op, context: Context) -> Image:
    """Dry brown tip and margins: a thin yellow halo, a crisp darker edge, straw-coloured dead tissue."""
    leaf = read_leaf(image, context)
    shape = leaf.inside.shape
    rough = fractal(context.rng, shape, 0.30 * leaf.size, 4)
    patchy = fractal(context.rng, shape, 1.1 * leaf.size, 2)
    width = (0.035 + 0.15 * op.amount) * (0.25 + 1.1 * leaf.along) * (1 + 0.35 * rough)
    margin = width * smoothstep(patchy + 1.6 * (leaf.along - 0.45), -0.9, 0.6) - leaf.outline - 0.012
    # `along` is stretched to the units of `inward`: a leaf is about three inscribed radii long
    tip = 3.0 * (leaf.along - 1 + 0.05 + 0.19 * op.amount) + 0.09 * rough
    level = np.maximum(margin, tip) - 0.5 * leaf.stalk
    return paint(image, context.mask, _stack(level, fractal(context.rng, shape, 7.0, 3)), _necrosis(leaf))


def _necrosis(leaf: Leaf) -> Paint:
    """Paint dead tissue where map 0 (a signed depth, in inscribed radii) is above 0; map 1 is fine noise."""

    def change(colours: Float, weights: Float) -> None:
        # the photo's own texture frays the edge, so that it is crisp at full size
        depth = weights[..., 0] + (colours[..., 0] - np.float32(leaf.lightness)) * np.float32(0.0006)
        grain, shine = weights[..., 1], glare(colours, leaf)
        stain(colours, 0.85 * smoothstep(depth, -0.11, 0.0), YELLOW, shine)
        core = smoothstep(depth, -0.006, 0.014)
        stain(colours, core, NECROSIS, shine)
        dry = core * smoothstep(depth + np.float32(0.05) * grain, 0.04, 0.30)
        stain(colours, np.float32(0.6) * dry, replace(STRAW, gain=1.2), shine)
        edge = core * smoothstep(depth, 0.055, 0.012)
        colours[..., 0] *= 1 - np.float32(0.30) * edge + np.float32(0.05) * core * grain

    return change


def spots(image: Image, op: Op, context: Context) -> Image:
    """Irregular dead spots with a darker rim and a yellow halo; params.color names another colour for them.

    On fruit brown spots are rot, a few soft, sunken patches without rim or halo; white ones are mildew, which lies on
    the tissue as flour does. params.fine: many small specks, as mites leave them.
    """
    leaf = read_leaf(image, context)
    if op.region.name == "fruit" and op.params.get("color", "brown") == "brown":
        return paint(image, context.mask, _patches(leaf, op.amount, context.rng), _rotten(leaf))
    if op.params.get("color") == "white":
        return paint(image, context.mask, _patches(leaf, op.amount, context.rng), _mildewed)
    depth = _spot_depth(leaf, op.amount, context.rng, bool(op.params.get("fine")))
    dead = NECROSIS
    name = op.params.get("color")
    if name:
        light, a, b = lab(np.array([[rgb(str(name))]], np.uint8))[0, 0]
        gain = float(np.clip(light / leaf.lightness, 0.2, 1.9))
        dead = Pigment(hue=float(np.degrees(np.arctan2(b, a))), chroma=float(np.hypot(a, b)), gain=gain)
    grain = fractal(context.rng, leaf.inside.shape, 6.0, 2)
    return paint(image, context.mask, _stack(depth, grain), _spotted(leaf, dead))


def _spotted(leaf: Leaf, dead: Pigment) -> Paint:
    def change(colours: Float, weights: Float) -> None:
        # depth is in units of each spot's radius: 1 at its centre, 0 at its rim, below 0 outside
        depth = weights[..., 0] + (colours[..., 0] - np.float32(leaf.lightness)) * np.float32(0.003)
        stain(colours, 0.8 * smoothstep(depth, -0.75, 0.0), YELLOW, glare(colours, leaf))
        core = smoothstep(depth, -0.03, 0.07)
        stain(colours, core, dead)
        rim = core * smoothstep(depth, 0.34, 0.10)
        middle = smoothstep(depth, 0.45, 0.9)
        colours[..., 0] *= 1 - 0.36 * rim + 0.16 * middle + np.float32(0.05) * core * weights[..., 1]

    return change


def _patches(leaf: Leaf, amount: float, rng: np.random.Generator) -> Float:
    """(h, w, 2): signed depth into the nearest patch, in deviations of smooth noise; and fine noise."""
    patches = fractal(rng, leaf.inside.shape, 1.1 * leaf.size, 4)
    inside = leaf.inside > 0
    level = float(np.quantile(patches[inside], 1 - (0.10 + 0.35 * amount))) if inside.any() else 0.0
    return _stack(patches - np.float32(level), fractal(rng, leaf.inside.shape, 5.0, 2))


def _rotten(leaf: Leaf) -> Paint:
    """Brown, wet tissue where map 0 is above 0, softer at its edge, darkest in the middle."""

    def change(colours: Float, weights: Float) -> None:
        depth = weights[..., 0] + np.float32(0.08) * weights[..., 1]
        shine = glare(colours, leaf)
        stain(colours, 0.75 * smoothstep(depth, -0.30, 0.05), SOAKED, shine)
        stain(colours, 0.9 * smoothstep(depth, 0.0, 0.7), ROT, shine)

    return change


def _mildewed(colours: Float, weights: Float) -> None:
    """A floury white film, thin at the edges of its patches; the leaf's veins show through."""
    depth = weights[..., 0] + np.float32(0.25) * weights[..., 1]
    stain(colours, 0.72 * smoothstep(depth, -0.25, 0.55), MILDEW)


def _spot_depth(leaf: Leaf, amount: float, rng: np.random.Generator, fine: bool = False) -> Float:
    """Signed depth into the nearest spot, in its radii; sizes are log-normal, relative to the leaf."""
    height, width = leaf.inside.shape
    # a tree's crown is not one leaf: keep spots small against the region
    unit = min(leaf.size, 0.35 * float(np.sqrt(leaf.inside.sum() + 1)))
    depth = np.full((height, width), -2.0, np.float32)
    rows, columns = np.nonzero((leaf.inside > 0) & (leaf.stalk < 0.2))
    if not len(rows):
        return depth
    rough = fractal(rng, (height, width), 0.10 * unit, 3)
    wanted = (4 + 24 * amount) * leaf.inside.sum() / (4.5 * unit**2) * (12 if fine else 1)
    for _ in range(int(np.clip(wanted, 3, 900))):
        pick = int(rng.integers(len(rows)))
        radius = (
            unit
            * (0.009 if fine else 0.028 + 0.026 * amount)
            * float(np.clip(rng.lognormal(0, 0.5), 0.4, 2.6))
        )
        reach = int(radius * 3) + 2
        top, left = max(0, rows[pick] - reach), max(0, columns[pick] - reach)
        window = np.s_[top : rows[pick] + reach + 1, left : columns[pick] + reach + 1]
        y, x = np.ogrid[
            top : min(height, rows[pick] + reach + 1), left : min(width, columns[pick] + reach + 1)
        ]
        stretch, turn = rng.uniform(0.75, 1.0), rng.uniform(0, np.pi)
        u = (x - columns[pick]) * np.cos(turn) + (y - rows[pick]) * np.sin(turn)
        v = (y - rows[pick]) * np.cos(turn) - (x - columns[pick]) * np.sin(turn)
        ring = 1 - np.hypot(u, v / stretch) / radius + 0.16 * rough[window]
        depth[window] = np.maximum(depth[window], ring)
    return depth


def wilting(image: Image, op: Op, context: Context) -> Image:
    """The colours of a leaf short of water: dull, darker, olive to brownish, first at the margins."""
    leaf = read_leaf(image, context)
    patches = fractal(context.rng, leaf.inside.shape, 0.8 * leaf.size)
    weight = np.clip(op.amount * (0.85 + 0.10 * patches) + 0.12 * op.amount * (0.5 - leaf.inward), 0, 0.9)
    brown = np.clip(op.amount * 0.75 - leaf.inward + 0.20 * patches, 0, 0.6) * op.amount
    dry = replace(STRAW, gain=0.92, lift=0.0)
    return paint(image, context.mask, _stack(weight, brown), _cover(leaf, OLIVE, dry))


def purpling(image: Image, op: Op, context: Context) -> Image:
    """Anthocyanin: reddish purple that spreads from the margins and along the veins, over a darker blade."""
    leaf = read_leaf(image, context)
    patches = fractal(context.rng, leaf.inside.shape, 0.7 * leaf.size)
    depth = 0.25 + 0.85 * op.amount - 0.62 * leaf.inward + 0.25 * veins(leaf) + 0.14 * patches
    weight = smoothstep(depth, 0.05, 0.62) * (0.45 + 0.47 * op.amount)
    # a straight way from green to purple leads through grey: a dark red on the way keeps the tissue alive
    bridge = smoothstep(depth, -0.10, 0.30) * (0.25 + 0.35 * op.amount)
    return paint(image, context.mask, _stack(bridge, weight), _cover(leaf, BRONZE, PURPLE))


def paling(image: Image, op: Op, context: Context) -> Image:
    """Loss of colour to light green and whitish; the veins keep a little more of it."""
    leaf = read_leaf(image, context)
    patches = fractal(context.rng, leaf.inside.shape, 0.8 * leaf.size)
    weight = np.clip(0.95 * op.amount * (1 + 0.08 * patches - 0.30 * veins(leaf)), 0, 0.95)
    return paint(image, context.mask, _stack(weight), _cover(leaf, PALE))


def browning(image: Image, op: Op, context: Context) -> Image:
    """Brown and dry all over, from dark brown to straw; at small amounts from the margins on."""
    leaf = read_leaf(image, context)
    shape = leaf.inside.shape
    patches = fractal(context.rng, shape, 0.6 * leaf.size, 4)
    weight = smoothstep(1.75 * op.amount - 0.35 - 0.75 * leaf.inward + 0.16 * patches, -0.30, 0.30)
    weight = weight * min(1.0, 0.55 + 0.5 * op.amount)
    straw = weight * smoothstep(fractal(context.rng, shape, 0.5 * leaf.size, 4), -0.6, 1.2) * 0.8
    edge = smoothstep(weight, 0.0, 0.5) * smoothstep(weight, 1.0, 0.5)
    maps = _stack(0.6 * edge, weight, straw)
    return paint(image, context.mask, maps, _cover(leaf, YELLOW, NECROSIS, STRAW))


def greening(image: Image, op: Op, context: Context) -> Image:
    """Healthy green with natural variation; on bare ground, the green of a thin cover of plants."""
    leaf = read_leaf(image, context)
    shape = leaf.inside.shape
    # plants come in clumps of every size, down to tufts
    clumps = fractal(context.rng, shape, 0.06 * max(shape), 5)
    weight = np.clip(op.amount * (0.90 + 0.12 * clumps), 0, 0.95)
    young = weight * smoothstep(fractal(context.rng, shape, 0.10 * max(shape), 5), -0.2, 1.6) * 0.6

    def change(colours: Float, weights: Float) -> None:
        # what is a lively green already needs little
        hue = np.arctan2(colours[..., 2], colours[..., 1])
        lively = smoothstep(np.hypot(colours[..., 1], colours[..., 2]), 15.0, 40.0)
        needed = 1 - 0.8 * lively * smoothstep(np.abs(hue - np.float32(np.deg2rad(126))), 0.30, 0.10)
        stain(colours, weights[..., 0] * needed, HEALTHY)
        stain(colours, weights[..., 1] * needed, YOUNG)

    return paint(image, context.mask, _stack(weight, young), change)


def autumn(image: Image, op: Op, context: Context) -> Image:
    """Autumn colours in clumps, from yellow over orange to red; at small amounts some green is left.

    Grass and ground go straw-yellow, without the red of leaves.
    """
    leaf = read_leaf(image, context)
    shape = leaf.inside.shape
    low = op.region.name in _LOW_PLANTS
    clump = 0.02 * max(shape) if low else min(1.3 * leaf.size, 0.07 * max(shape))
    turned = fractal(context.rng, shape, clump, 5) * (0.6 if low else 1.0) + np.float32(4.2 * op.amount - 1.7)
    tone = (
        fractal(context.rng, shape, 1.3 * clump, 5) + 1.2 * (0.4 - leaf.inward) + np.float32(0.6 * op.amount)
    )
    if low:
        tone = 0.4 * tone - 1.0
    most, faded = np.float32(min(1.0, 0.5 + 0.6 * op.amount)), np.float32(0.35 * op.amount)

    def change(colours: Float, weights: Float) -> None:
        shine = glare(colours, leaf)
        # single leaves and blades turn by themselves: the photo's own texture takes part
        own = (colours[..., 0] - np.float32(leaf.lightness)) * np.float32(0.02)
        # what is still green has lost its freshness
        weight = faded + (most - faded) * smoothstep(weights[..., 0] + own, -1.2, 1.2)
        warm = weights[..., 1] - own
        stain(colours, weight, GOLD, shine)
        stain(colours, np.float32(0.9) * weight * smoothstep(warm, -0.8, 1.2), ORANGE, shine)
        stain(colours, np.float32(0.8) * weight * smoothstep(warm, 0.2, 1.8), RED, shine)

    return paint(image, context.mask, _stack(turned, tone), change)


_LOW_PLANTS = frozenset({"grass", "ground", "meadow", "lawn", "field"})
