"""Tone: exposure, curves, highlights and shadows, levels, haze, local contrast."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import cv2
import numpy as np

from editor.base import Image
from editor.builtin.core import Context, Op
from editor.builtin.layers import along_edges, base_layer, diagonal, gain, sample
from editor.builtin.perception import brighten, decode, encode
from editor.builtin.pixels import Float, bands, curve, highest, lowest, luma, planes, shrink, to_float

_MID_GREY = 0.46
"""18 % grey, sRGB-encoded."""


def exposure(image: Image, op: Op, context: Context) -> Image:
    """Multiply linear light by 2^amount; highlights roll off to white instead of clipping."""
    factor = 2.0**op.amount

    return curve(image, lambda x: encode(brighten(decode(x), factor))) if op.amount else image.copy()


def brightness(image: Image, op: Op, context: Context) -> Image:
    """Bend the tone curve about fixed black and white (Schlick's bias; 0 keeps, 0.2 moves 0.5 to 0.59)."""
    bias = 0.5 + 0.45 * float(np.clip(op.amount, -1, 1))
    return curve(image, lambda x: x / ((1 / bias - 2) * (1 - x) + 1))


def contrast(image: Image, op: Op, context: Context) -> Image:
    """An S-curve about the photo's middle, black and white kept; its slope there is about 1 + amount.

    A negative amount is the inverse curve.
    """
    if not op.amount:
        return image.copy()
    median = float(np.median(luma(to_float(sample(context.whole)))))
    pivot = float(np.clip((median + _MID_GREY) / 2, 0.36, 0.58))
    steep = 2 * (3 * abs(op.amount)) ** 0.5  # tanh(steep / 2 * ...): slope u / tanh(u), about 1 + u^2 / 3
    low, high = np.tanh(-steep * pivot), np.tanh(steep * (1 - pivot))

    def bend(x: Float) -> Float:
        if op.amount > 0:
            return cast("Float", (np.tanh(steep * (x - pivot)) - low) / (high - low))
        return cast("Float", pivot + np.arctanh(low + x * (high - low)) / steep)

    return curve(image, bend)


def gamma(image: Image, op: Op, context: Context) -> Image:
    """Raise encoded values to 1 / amount: above 1 brightens, 1 keeps."""
    return curve(image, lambda x: x ** np.float32(1 / op.amount))


def highlights(image: Image, op: Op, context: Context) -> Image:
    """Brighten or darken the bright areas; their edge-aware base decides what is bright, so there are no halos."""
    amount = np.float32(op.amount)

    def target(base: Float) -> Float:
        lift = base**3 * (1 - base) * np.float32(1.5)
        # recovery also takes the whites down a little; lifting leaves them where they are
        if amount < 0:
            lift += np.float32(0.1) * base**6
        return cast("Float", base + amount * lift)

    return _relight(image, target) if op.amount else image.copy()


def shadows(image: Image, op: Op, context: Context) -> Image:
    """Brighten or darken the dark areas, chosen by their edge-aware base."""
    strength = np.float32(op.amount * (1.6 if op.amount > 0 else 0.75))
    return (
        _relight(image, lambda base: base + strength * base * (1 - base) ** 3) if op.amount else image.copy()
    )


def _relight(image: Image, target: Callable[[Float], Float]) -> Image:
    """Give the base layer new tones; the detail on it and the colours keep their ratio to it."""
    base = base_layer(image)

    def work(band: Float, rows: slice) -> Float:
        level = np.clip(base.rows(luma(band), rows), np.float32(0.004), np.float32(1.0))
        return gain(band, target(level) / level)

    return bands(image, work)


def blacks(image: Image, op: Op, context: Context) -> Image:
    """Lift or deepen the darkest tones."""
    amount = np.float32(op.amount)

    def bend(x: Float) -> Float:
        toe = np.float32(0.85) * x * (1 - x) ** 3
        if amount > 0:
            toe = np.float32(0.1) * (1 - x) ** 4 + toe * np.float32(0.5)
        return cast("Float", x + amount * toe)

    return curve(image, bend)


def whites(image: Image, op: Op, context: Context) -> Image:
    """Lift or lower the lightest tones; white itself is only lowered."""
    amount = np.float32(op.amount)

    def bend(x: Float) -> Float:
        shoulder = np.float32(0.95) * x**3 * (1 - x)
        if amount < 0:
            shoulder = shoulder + np.float32(0.12) * x**4
        return cast("Float", x + amount * shoulder)

    return curve(image, bend)


def auto_levels(image: Image, op: Op, context: Context) -> Image:
    """Stretch the tones to the full range; 0.1 % of the pixels clip at each end, colours keep their balance."""
    small = to_float(sample(context.whole, 250_000))
    low = float(np.percentile(luma(small), 0.1))
    high = float(np.percentile(highest(small), 99.9))
    # a picture without tones (a flat card) is not stretched into noise
    spare = max(0.0, 0.3 - (high - low)) / 2
    low, high = max(0.0, low - spare) * op.amount, 1 - (1 - min(1.0, high + spare)) * op.amount
    return curve(image, lambda x: (x - np.float32(low)) / np.float32(max(high - low, 1e-3)))


_HAZE_KEPT = 0.06
"""Share of the haze that is kept: a landscape without any looks flat (He, Sun and Tang keep 0.05)."""
_THINNEST = 0.3
"""The lowest transmission that is undone: below it there is only noise to amplify."""
_SKY_TOLERANCE = 0.32
"""Encoded distance to the air light below which a pixel may be sky, not haze, and is spared."""


def dehaze(image: Image, op: Op, context: Context) -> Image:
    """Remove haze by the dark channel prior (He, Sun and Tang, 2009); a negative amount adds haze."""
    if not op.amount:
        return image.copy()
    small = to_float(shrink(image, 250_000))
    air = _air_light(to_float(shrink(context.whole, 250_000)))
    if op.amount < 0:
        depth = along_edges(image, 0.45 + 0.55 * _dark_channel(small, air))
        strength = np.float32(-0.75 * op.amount)
        veil_color = np.maximum(air, np.float32(0.75))

        def veil(band: Float, rows: slice) -> Float:
            through = planes(1 - strength * np.clip(depth.rows(luma(band), rows), 0, 1))
            return cast("Float", (band - veil_color) * through + veil_color)

        return bands(image, veil)
    thickness = (1 - _HAZE_KEPT) * op.amount * _dark_channel(small, air)
    far = highest(np.abs(small - air))
    thickness *= np.clip(far / _SKY_TOLERANCE, 0.35, 1.0) ** np.float32(0.7)
    haze = along_edges(image, thickness)
    lift = np.float32(0.6 * thickness.mean())

    def clear(band: Float, rows: slice) -> Float:
        through = planes(np.clip(1 - haze.rows(luma(band), rows), _THINNEST, 1.0))
        band -= air
        band /= through
        band += air
        # haze was light as well: part of what is lost comes back as a lighter middle
        np.clip(band, 0, 1, out=band)
        return cast("Float", band * (1 + lift * (1 - band)))

    return bands(image, clear)


def _dark_channel(small: Float, air: Float) -> Float:
    """The darkest channel around each pixel relative to the air light, 0..1: where haze is thick."""
    side = max(3, round(0.02 * diagonal(small.shape)))
    darkest = cv2.erode(lowest(small / air), np.ones((side, side), np.uint8))
    return cast("Float", np.clip(darkest.reshape(small.shape[:2]), 0, 1).astype(np.float32))


def _air_light(small: Float) -> Float:
    """Colour of the haze, (3,): the mean of the pixels whose surroundings are lightest in every channel."""
    dark = _dark_channel(small, np.ones(3, np.float32)).ravel()
    count = max(1, dark.size // 500)
    hazy = np.argpartition(dark, dark.size - count)[-count:]
    return cast("Float", np.clip(small.reshape(-1, 3)[hazy].mean(axis=0), 0.5, 1.0).astype(np.float32))


def clarity(image: Image, op: Op, context: Context) -> Image:
    """Raise (or soften) the mid-tones' local contrast: the luma's difference from its edge-aware base."""
    if not op.amount:
        return image.copy()
    base = base_layer(image, share=0.02, eps=0.02)
    strength = np.float32(1.1 * op.amount if op.amount > 0 else 0.9 * op.amount)

    def work(band: Float, rows: slice) -> Float:
        light = luma(band)
        weight = 4 * light * (1 - light)
        wanted = light + strength * weight * (light - base.rows(light, rows))
        return gain(band, cast("Float", np.maximum(wanted, 0) / np.maximum(light, np.float32(1e-3))))

    return bands(image, work)
