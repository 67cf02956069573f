"""A colour with or without a noun: "the reds", "the red bowl"."""

from __future__ import annotations

import math
from typing import cast

import cv2
import numpy as np

from editor.builtin.colors import ALIASES, NAMES, rgb
from editor.builtin.pixels import Float, highest, lowest
from editor.builtin.regions.plants import flower
from editor.builtin.regions.scene import (
    FOUND,
    Bool,
    Labels,
    Part,
    Scene,
    close,
    disc,
    drop_small,
    fill_holes,
    grow,
    label,
    mean,
    opened,
    pixels,
    ramp,
    share,
    touching,
)

_INF = 999.0
# name -> hue from, to (CIE h, degrees), lightness from, to, chroma from, to. A colour's range is wider than its
# sample in NAMES: what people call by that word in a photo, light and shadow included.
_RANGES: dict[str, tuple[float, float, float, float, float, float]] = {
    "red": (4, 46, 12, 68, 30, _INF),
    "orange": (42, 78, 38, 86, 34, _INF),
    "yellow": (78, 108, 52, 100, 30, _INF),
    "green": (104, 178, 12, 95, 14, _INF),
    "cyan": (178, 248, 45, 96, 14, _INF),
    "teal": (170, 225, 18, 65, 10, _INF),
    "blue": (235, 310, 8, 85, 16, _INF),
    "navy": (255, 310, 3, 34, 8, _INF),
    "purple": (300, 342, 12, 80, 16, _INF),
    "magenta": (335, 10, 25, 75, 34, _INF),
    "pink": (335, 22, 46, 95, 13, _INF),
    "brown": (35, 85, 14, 56, 10, 52),
    "beige": (55, 100, 62, 94, 7, 34),
    "gold": (68, 98, 42, 88, 32, _INF),
    "silver": (0, 360, 48, 94, 0, 9),
    "white": (0, 360, 80, 101, 0, 14),
    "grey": (0, 360, 25, 80, 0, 9),
    "black": (0, 360, -1, 24, 0, 12),
    "turquoise": (165, 215, 40, 92, 16, _INF),
    "lime": (102, 132, 50, 98, 35, _INF),
    "olive": (92, 120, 22, 62, 14, 55),
    "maroon": (350, 42, 8, 42, 16, 55),
    "violet": (290, 325, 15, 75, 20, _INF),
    "lavender": (290, 335, 55, 92, 7, 48),
    "cream": (60, 108, 78, 98, 6, 30),
}
_COLOURFUL = 15
"""Median CIE chroma above which a colour region is told from its surroundings by hue."""
_HUE_RANGE = 24
"""Degrees of OKLab hue to either side of its most frequent one that a paint can have at most."""
_FLOWERS = {"flower", "flowers", "blossom", "blossoms", "petal", "petals", "花", "花朵", "花瓣", "鲜花"}
_CANDIDATES = 16
"""Components looked at, the largest first."""
_BLACK = 9.0
"""CIE L below which a shaded pixel's hue says nothing."""
_SOFT_HUE, _SOFT_L, _SOFT_C = 10.0, 8.0, 6.0


def color(scene: Scene, name: str, noun: str = "") -> Part:
    """Where a colour is: all of it without a noun, the best object of that colour with one.

    name: a key or alias of colors.NAMES, or "#rrggbb".
    """
    belongs = _belonging(scene, name)
    mask = close(drop_small(belongs > 0.5, scene.size(0.006) ** 2), scene.size(0.004))
    mask = fill_holes(mask, scene.size(0.02) ** 2)
    if not mask.any():
        return Part(mask, float(belongs.max()) * 0.1)
    shown = mask
    if noun:
        mask = _object(scene, mask, belongs, several=_plural(noun))
        if noun.lower() in _FLOWERS:
            mask = _whole_flower(scene, mask)
        shown = mask & shown
    quality = ramp(mean(belongs, shown), 0.5, 0.95)
    size = ramp(math.log10(max(share(mask), 1e-6)), -3.2, -2.0)
    return Part(mask, round((0.35 + 0.6 * quality) * size, 4))


def _whole_flower(scene: Scene, mask: Bool) -> Bool:
    """The flower that shows the colour, pale petals included; the mask itself when no flower is found there."""
    found = scene.named(flower)
    if found.confidence < FOUND or share(mask, within=found.mask) < 0.05:
        return mask
    return touching(found.mask, mask) | mask if share(found.mask, within=mask) > 0.5 else mask


def _belonging(scene: Scene, name: str) -> Float:
    """0..1 per pixel: how much its colour is what people call `name`."""
    low_h, high_h, low_l, high_l, low_c, high_c = _range(name)
    middle = (low_h + ((high_h - low_h) % 360) / 2) % 360
    half = 180.0 if high_h - low_h == 360 else ((high_h - low_h) % 360) / 2
    away = _apart(scene.hue, middle)
    hue = np.clip(1 - (away - half) / _SOFT_HUE, 0, 1)
    return cast(
        "Float",
        hue
        * _within(scene.lightness, low_l, high_l, _SOFT_L)
        * _within(scene.chroma, low_c, high_c, _SOFT_C),
    )


def _within(values: Float, low: float, high: float, soft: float) -> Float:
    """1 between low and high, falling to 0 over `soft` on either side."""
    return cast("Float", np.clip(1 - np.maximum(low - values, values - high) / soft, 0, 1))


def _range(name: str) -> tuple[float, float, float, float, float, float]:
    plain = ALIASES.get(name, name)
    if plain in NAMES:
        return _RANGES[plain]
    sample = np.array([[rgb(plain)]], np.float32) / 255
    light, a, b = (float(v) for v in cv2.cvtColor(sample, cv2.COLOR_RGB2Lab)[0, 0])
    chroma, hue = math.hypot(a, b), math.degrees(math.atan2(b, a)) % 360
    if chroma < 8:
        return 0, 360, light - 15, light + 15, 0, 10
    return (hue - 18) % 360, (hue + 18) % 360, light - 30, light + 30, chroma * 0.5, chroma * 1.6


def _plural(noun: str) -> bool:
    return noun.isascii() and noun.endswith("s") and not noun.endswith("ss")


def _object(scene: Scene, mask: Bool, belongs: Float, several: bool) -> Bool:
    """What is most likely meant among all that has the colour, its shaded and its shining parts included."""
    vivid = float(np.median(scene.chroma[mask])) >= _COLOURFUL
    core = _one_paint(scene, mask, belongs) if vivid else mask
    best = _best(scene, core, belongs, several)
    if vivid:
        best = _shaded(scene, best)
    return _completed(scene, best)


def _one_paint(scene: Scene, mask: Bool, belongs: Float) -> Bool:
    """The pixels of the one hue that is most there: vivid, smooth, central. Wood beside a red cup is another."""
    weight = (scene.chroma * scene.central * belongs / (2 + scene.texture))[mask]
    hue = _paint_hue(scene)
    counts = np.bincount(hue[mask].astype(np.intp) % 360, weights=weight, minlength=360)
    # a circle of degrees: the ends meet
    smooth = cv2.GaussianBlur(np.tile(counts, 3)[None].astype(np.float32), (0, 0), 2.0)[0, 360:720]
    peak = int(smooth.argmax())
    low, high = (
        _slope(np.roll(smooth[::step], -(step * peak) if step > 0 else peak + 1)) for step in (-1, 1)
    )
    turned = (hue - peak + 180) % 360 - 180
    one = mask & (turned >= -low) & (turned < high + 1)
    return opened(close(one, scene.size(0.004)) & mask, 1)


def _slope(counts: Float) -> int:
    """Degrees from a histogram's peak, counts[0], to where it has run out or rises to another peak."""
    least = counts[0]
    for away in range(1, _HUE_RANGE):
        if counts[away] < 0.1 * counts[0] or (counts[away] > 1.5 * least and least < 0.6 * counts[0]):
            return away
        least = min(least, counts[away])
    return _HUE_RANGE


def _best(scene: Scene, core: Bool, belongs: Float, several: bool) -> Bool:
    """The components that are most likely meant; pieces close together count as one."""
    joined = close(core, scene.size(0.006))
    count, labels, _ = label(joined)
    labels = np.where(core, labels, 0)
    area = np.bincount(labels.ravel(), minlength=count)
    area[0] = 0
    scores = np.zeros(count)
    for index in np.argsort(-area, kind="stable")[:_CANDIDATES]:
        if not area[index]:
            break
        piece = labels == index
        scores[index] = area[index] * _likely(scene, piece) * mean(belongs, piece)
    keep = np.asarray(scores >= (0.15 if several else 0.5) * scores.max())
    if not several:
        keep |= (scores >= 0.005 * scores.max()) & _beside(scene, labels, int(scores.argmax()))
    keep[0] = False
    return keep[labels]


def _beside(scene: Scene, labels: Labels, index: int) -> Bool:
    """Which labels are near to one and of its paint: a sleeve cut off by a strap is a part of the suit."""
    count = int(labels.max()) + 1
    area = np.maximum(np.bincount(labels.ravel(), minlength=count), 1)
    paint = np.stack(
        [
            np.bincount(labels.ravel(), weights=scene.paint[..., i].ravel(), minlength=count) / area
            for i in (0, 1)
        ]
    )
    apart = np.linalg.norm(paint - paint[:, index : index + 1], axis=0)
    near = np.zeros(count, bool)
    near[np.unique(labels[grow(labels == index, scene.size(0.06))])] = True
    return cast("Bool", near & (apart < 0.15 * float(np.linalg.norm(paint[:, index]))))


def _likely(scene: Scene, piece: Bool) -> float:
    """Whether a component looks like an object: vivid, in focus, central, compact and not a coarse texture."""
    outline = cv2.findContours(piece.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
    hull = cv2.convexHull(np.concatenate(outline))
    solid = min(1.0, pixels(piece) / max(1.0, cv2.contourArea(hull)))
    vivid = 0.3 + min(1.0, mean(scene.chroma, piece) / 60)
    clear = 0.3 + mean(scene.focus, piece)
    even = 0.5 + 0.5 * ramp(float(np.median(scene.texture[piece])), 9, 2)
    return vivid * clear * even * (0.4 + solid) * mean(scene.central, piece)


def _shaded(scene: Scene, core: Bool) -> Bool:
    """The object with its shade and its pale sheen: what touches it and has its hue, at any lightness.

    Shade multiplies light, so a paint keeps its hue and its a / L and b / L in OKLab; sheen adds white and keeps
    only the hue. Hysteresis: the core is sure, the rest must be connected to it.
    """
    if not core.any():
        return core
    hue, strength = _paint_hue(scene), np.linalg.norm(scene.paint, axis=2)
    middle, typical = _mean_hue(hue[core], strength[core]), float(np.median(strength[core]))
    turned = (hue - np.float32(middle) + 180) % 360 - 180
    low, high = (float(v) for v in np.percentile(turned[core], (10, 90)))
    # a level or two of noise turns the hue of what is nearly grey or nearly black
    levels = 255 * (highest(scene.calm) - lowest(scene.calm))
    slack = np.where(scene.lightness > np.median(scene.lightness[core]), 5, 3)
    slack = slack + np.degrees(2 / np.maximum(levels, 4))
    # a paint so vivid that channels are clipped drifts in hue; its shade drifts further
    slack = slack + 0.25 * max(0.0, high - low - 10)
    like = (turned >= low - slack) & (turned <= high + slack)
    # shade is no paler than the paint; what is darker and paler is the shadow on something beside it
    dark = scene.lightness < np.percentile(scene.lightness[core], 30)
    core = core & ~opened(dark & (strength < 0.85 * typical), scene.size(0.004))
    pale = np.where(dark, 0.95 * float(np.percentile(strength[core], 10)), 0.4 * typical)
    grown = touching(opened(like & (strength > pale), scene.size(0.003)) | core, core)
    # folds of cloth light each other and turn redder or bluer: only what the object surrounds is believed
    folds = dark & (np.abs(turned) < _HUE_RANGE) & (strength > 0.7 * typical) & ~grown
    grown |= _surrounded(folds, grown)
    return drop_small(grown, pixels(grown) // 50)


def whole_paint(scene: Scene, core: Bool) -> Bool:
    """What has the paint of `core` and hangs together with it: with its shade, its gleam and its small specks."""
    return _completed(scene, _shaded(scene, core) | core)


def _completed(scene: Scene, mask: Bool) -> Bool:
    """With what lies within the object and shows no colour: specks, gleams lighter than it, black shade."""
    if not mask.any():
        return mask
    filled = fill_holes(mask, pixels(mask) // 200)
    black = opened(~filled & (scene.lightness < _BLACK), 1)
    black &= ~opened(black, scene.size(0.06))
    filled |= _surrounded(black, filled)
    gleam = ~filled & (scene.lightness > float(np.percentile(scene.lightness[mask], 75)))
    return filled | (fill_holes(filled, pixels(mask) // 25) & gleam)


def _surrounded(parts: Bool, mask: Bool) -> Bool:
    """The components of `parts` whose outline lies mostly on the mask; the photo's edge is no part of the mask."""
    inner, outer = (np.pad(values, 2) for values in (parts, mask))
    count, labels, _ = label(inner)
    spread = cv2.dilate(labels.astype(np.float32), disc(2)).astype(np.intp)
    ring = (spread > 0) & ~inner
    length = np.maximum(np.bincount(spread[ring], minlength=count), 1)
    keep = np.asarray(np.bincount(spread[ring & outer], minlength=count) / length > 0.6)
    keep[0] = False
    return keep[labels[2:-2, 2:-2]]


def _paint_hue(scene: Scene) -> Float:
    """OKLab hue in degrees, 0..360."""
    return cast("Float", np.degrees(np.arctan2(scene.paint[..., 1], scene.paint[..., 0])) % 360)


def _mean_hue(hue: Float, weight: Float) -> float:
    """Weighted circular mean, degrees."""
    turn = np.radians(hue)
    return math.degrees(
        math.atan2(float((np.sin(turn) * weight).sum()), float((np.cos(turn) * weight).sum()))
    )


def _apart(hue: Float, centre: float) -> Float:
    """Distance of hues from one, degrees 0..180."""
    return cast("Float", np.abs((hue - np.float32(centre) + 180) % 360 - 180))
