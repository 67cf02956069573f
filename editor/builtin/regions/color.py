"""A colour with or without a noun: "the reds", "the red bowl"."""

from __future__ import annotations

import math
from typing import cast

import cv2
import numpy as np

from editor.builtin.colors import ALIASES, NAMES, rgb
from editor.builtin.pixels import Float
from editor.builtin.regions.scene import (
    Bool,
    Part,
    Scene,
    close,
    drop_small,
    fill_holes,
    label,
    mean,
    pixels,
    ramp,
    share,
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
    if noun:
        mask = _object(scene, mask, belongs, several=_plural(noun))
    quality = ramp(mean(belongs, mask), 0.5, 0.95)
    size = ramp(math.log10(max(share(mask), 1e-6)), -3.2, -2.0)
    return Part(mask, round((0.35 + 0.6 * quality) * size, 4))


def _belonging(scene: Scene, name: str) -> Float:
    """0..1 per pixel: how much its colour is what people call `name`."""
    low_h, high_h, low_l, high_l, low_c, high_c = _range(name)
    middle = (low_h + ((high_h - low_h) % 360) / 2) % 360
    half = 180.0 if high_h - low_h == 360 else ((high_h - low_h) % 360) / 2
    away = np.abs((scene.hue - middle + 180) % 360 - 180)
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
    """The component that is most likely meant, with what is as good; pieces close together are one object."""
    joined = close(mask, scene.size(0.015))
    count, labels, _ = label(joined)
    labels = np.where(mask, labels, 0)
    scores = np.zeros(count)
    for index in range(1, count):
        piece = labels == index
        area = pixels(piece) / scene.area
        vivid = 0.3 + min(1.0, mean(scene.chroma, piece) / 60)
        clear = 0.3 + mean(scene.focus, piece)
        scores[index] = area * vivid * clear * mean(scene.central, piece) * mean(belongs, piece)
    keep = scores >= (0.15 if several else 0.6) * scores.max()
    keep[0] = False
    best = _same_hue(scene, keep[labels])
    return fill_holes(best, pixels(best) // 25)


def _same_hue(scene: Scene, mask: Bool) -> Bool:
    """Without what touches the object but is of another shade: pixels whose hue is far from its most vivid half's."""
    chroma = scene.chroma[mask]
    if float(np.median(chroma)) < 15:
        return mask
    vivid = mask & (scene.chroma >= np.median(chroma))
    middle = np.radians(scene.hue[vivid])
    centre = math.degrees(math.atan2(float(np.sin(middle).mean()), float(np.cos(middle).mean())))
    away = np.abs((scene.hue - centre + 180) % 360 - 180)
    limit = max(9.0, 2.5 * float(np.median(away[vivid])))
    trimmed = drop_small(mask & (away <= limit), pixels(mask) // 12)
    return close(trimmed, scene.size(0.004)) & mask
