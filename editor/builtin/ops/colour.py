"""Colour: saturation, white balance, hue, recolouring, black and white."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.base import Image
from editor.builtin import colors
from editor.builtin.core import Context, Op
from editor.builtin.perception import (
    LUMINANCE,
    brighten,
    chroma,
    color_oklab,
    decode,
    encode,
    fit,
    from_oklab,
    light_colour,
    matrix,
    oklab,
    oklab_bands,
    scale_chroma,
    smoothstep,
)
from editor.builtin.pixels import Float, blend, curve, from_float, full, linear_light, lookup, shrink

_SKIN = np.radians(55.0)
"""Hue of human skin in OKLab; all skin tones lie within about 20 degrees of it."""
_MIRED_RANGE = 80.0
"""Shift of the white point, in mired (a million over kelvin), at amount 1: an 80 filter is 131, an 81C 35."""
_GREY_MIX = np.array([0.30, 0.55, 0.15])
"""Channel weights of black and white: a little redder than luma, as film with a light yellow filter."""


def saturation(image: Image, op: Op, context: Context) -> Image:
    """Scale chroma by 1 + amount, at constant lightness and hue; colours that are vivid already gain less."""
    if not op.amount:
        return image.copy()
    amount = np.float32(op.amount)

    def work(lab: Float, rows: slice) -> Float:
        if amount < 0:
            lab[..., 1:] *= 1 + amount
        else:
            square = lab[..., 1] * lab[..., 1] + lab[..., 2] * lab[..., 2]
            scale_chroma(lab, 1 + amount / (1 + square * np.float32(1 / 0.22**2)))
        return lab

    return oklab_bands(image, work)


def vibrance(image: Image, op: Op, context: Context) -> Image:
    """Saturate (or mute) the less saturated colours most, and skin little."""
    if not op.amount:
        return image.copy()
    amount = np.float32(1.3 * op.amount if op.amount > 0 else 0.9 * op.amount)
    toward = np.array([np.cos(_SKIN), np.sin(_SKIN)], np.float32)

    def work(lab: Float, rows: slice) -> Float:
        strength = chroma(lab)
        muted = 1 - smoothstep(strength, 0.04, 0.24)
        along = (lab[..., 1] * toward[0] + lab[..., 2] * toward[1]) / np.maximum(strength, np.float32(1e-4))
        spared = 1 - np.float32(0.75) * smoothstep(along, 0.86, 0.96)
        return scale_chroma(lab, 1 + amount * muted * spared)

    return oklab_bands(image, work)


def temperature(image: Image, op: Op, context: Context) -> Image:
    """Move the white point along the daylight locus; positive is warmer. Luminance of grey is kept."""
    return _gains(image, daylight_gains(op.amount * _MIRED_RANGE)) if op.amount else image.copy()


def tint(image: Image, op: Op, context: Context) -> Image:
    """Move the white point between green (negative) and magenta, luminance of grey kept."""
    gains = np.array([1.0, 2.0 ** (-0.3 * op.amount), 1.0])
    return _gains(image, gains / (gains @ LUMINANCE)) if op.amount else image.copy()


def daylight_gains(mired: float) -> NDArray[np.float64]:
    """Linear sRGB gains (3,), luminance 1, that turn D65 white into light `mired` warmer than it.

    CIE 015:2004, the daylight locus; used a little beyond its 4000 to 25000 K.
    """
    kelvin = 1e6 / max(1e6 / 6504 + mired, 40.0)
    t = 1e3 / kelvin
    if kelvin <= 7000:
        x = 0.244063 + 0.09911 * t + 2.9678 * t**2 - 4.6070 * t**3
    else:
        x = 0.237040 + 0.24748 * t + 1.9018 * t**2 - 2.0064 * t**3
    y = -3.0 * x**2 + 2.870 * x - 0.275
    xyz = np.array([x / y, 1.0, (1 - x - y) / y])
    to_rgb = np.array(
        [
            [3.2404542, -1.5371385, -0.4985314],
            [-0.9692660, 1.8760108, 0.0415560],
            [0.0556434, -0.2040259, 1.0572252],
        ]
    )
    gains = np.maximum(to_rgb @ xyz, 0.02)
    # lamps and low sun lie on the magenta side of the daylight locus; on it, warm whites look greenish
    gains[1] *= 0.95 ** (max(mired, 0.0) / 60)
    return cast("NDArray[np.float64]", gains / (gains @ LUMINANCE))


def _gains(image: Image, gains: NDArray[np.float64]) -> Image:
    """Multiply the channels of linear light; a channel that is raised rolls off to white."""
    light = decode(np.linspace(0, 1, full(image) + 1, dtype=np.float32))
    table = np.stack([encode(brighten(light, float(gain))) for gain in gains], axis=-1)
    return lookup(image, from_float(table, image))


def hue(image: Image, op: Op, context: Context) -> Image:
    """Rotate every hue by amount degrees, lightness and chroma kept (red towards yellow is positive)."""
    if not op.amount % 360:
        return image.copy()
    cos, sin = np.cos(np.radians(op.amount)), np.sin(np.radians(op.amount))
    turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]], np.float32)
    return oklab_bands(image, lambda lab, rows: cast("Float", cv2.transform(lab, turn)))


def white_balance(image: Image, op: Op, context: Context) -> Image:
    """Remove a colour cast, as far as the light's colour can be told."""
    if not op.amount:
        return image.copy()
    light = np.clip(light_colour(context.whole) ** _TRUST, _LARGEST_CAST**-0.5, _LARGEST_CAST**0.5)
    gains = 1 / light**op.amount
    return _gains(image, gains / (gains @ LUMINANCE))


_TRUST = 0.7
"""How far the estimate is followed: all of it overshot on 160 photos, with and without a cast of known colour."""
_LARGEST_CAST = 2.2
"""No channel is assumed to be lit stronger than another by more than this (an incandescent lamp: 2)."""


def recolor(image: Image, op: Op, context: Context) -> Image:
    """Give everything the hue of params["color"]; shading, texture and highlights stay.

    As on a surface of one paint, chroma follows lightness (a, b proportional to L). The lightness itself moves
    towards the target's as far as it must: little from red to blue, much from red to white, black or yellow; the
    sky is a light, not a surface, and darkens less; water keeps a part of what it mirrors.
    params["plain"]: one even colour, as of a studio backdrop.
    """
    if op.params.get("plain"):
        return _plain(image, str(op.params["color"]), op.amount)
    of_sky = op.region.name == "sky"
    target = color_oklab(colors.of_sky(str(op.params["color"])) if of_sky else str(op.params["color"]))
    light, colourful = _typical(image, context)
    if of_sky and colors.is_blue(str(op.params["color"])):
        # a sky that is blue already gets no paler
        target[1:] *= np.clip(colourful * target[0] / float(np.hypot(*target[1:])), 1.0, 1.5)
    apart = float(abs(target[0] - light))
    move = 0.3 + 0.65 * float(np.clip((apart - 0.04) / 0.2, 0, 1))
    if of_sky and target[0] < light:
        move *= 0.5
    wanted = float(np.clip(light + move * (target[0] - light), 0.08, 0.93))
    # black paint shows no shading to brighten: half of the new lightness is even, the old highlights lie on top
    even = 0.55 * float(np.clip((0.35 - light) / 0.2, 0, 1)) * max(0.0, wanted - light)
    # a grey or white source has no chroma whose variation could be kept
    keep = np.float32(np.clip((colourful - 0.12) / 0.15, 0, 1))
    per_light = _paint(target, wanted, even=1 - float(keep))
    repaint = _repaint(light, (wanted - even) / (1 - even), gloss=float(keep))
    # water shows the sky and the light as well as its own colour
    amount = np.float32(op.amount * (0.7 if op.region.name == "water" else 1.0))

    def work(lab: Float, rows: slice) -> Float:
        old = lab[..., 0]
        new = repaint(old)
        new += np.float32(even) * (1 - new)
        # specular highlights are the colour of the light, not of the paint; clouds and walls have none
        paint = 1 - keep * smoothstep(old, 0.93, 1.0)
        if keep:
            relative = cast(
                "Float", chroma(lab) / (np.maximum(old, np.float32(0.05)) * np.float32(colourful))
            )
            paint *= 1 - keep + keep * smoothstep(relative, 0.0, 0.7)
        made = np.dstack([new, new * paint * per_light[0], new * paint * per_light[1]])
        lab += (made - lab) * amount
        return lab

    return oklab_bands(image, work)


def _plain(image: Image, color: str, amount: float) -> Image:
    """Everything in one colour; a partial amount mixes."""
    flat = np.empty_like(image)
    flat[:] = [channel * (full(image) // 255) for channel in colors.rgb(colors.plain_hex(color))]
    return flat if amount >= 1 else cast("Image", cv2.addWeighted(image, 1 - amount, flat, amount, 0))


def _paint(target: Float, wanted: float, even: float) -> Float:
    """(2,) a / L and b / L of the target in OKLab, for a region whose typical L will be `wanted`.

    even (0..1): no more than sRGB can show at that lightness, so that grey clouds do not get more of it than white.
    """
    slope = target[1:] / np.float32(max(float(target[0]), wanted, 0.1))
    full_lab = np.concatenate([[1], slope]).astype(np.float32) * np.float32(wanted)
    shown = oklab(fit(from_oklab(full_lab[None, None])))[0, 0]
    share = float(np.hypot(*shown[1:])) / max(float(np.hypot(*full_lab[1:])), 1e-6)
    return cast("Float", slope * np.float32(1 - even * (1 - min(1.0, share))))


def _repaint(light: float, wanted: float, gloss: float) -> Callable[[Float], Float]:
    """A curve of OKLab L that takes `light` to `wanted` and keeps the shading.

    Paint multiplies light, and L is a root of it: ratios of L stay as they are. White stays white when it is gloss
    (0..1) on a colour; clouds darken with the rest. The noise of something very dark is not multiplied.
    """
    bend = np.float32(np.clip(wanted * (1 - light) / (light * (1 - wanted)), 1 / 20, 20))
    ratio = wanted / light
    straight = np.float32(np.clip((3 - ratio) / 1.2, 0, 1) if ratio > 1 else 1 - gloss)
    knee = np.float32((1 - wanted) / ((1 - light) * ratio))

    def curve(old: Float) -> Float:
        new = old * bend / (1 + (bend - 1) * old)
        if straight:
            over = np.clip((old - np.float32(light)) * np.float32(1 / (1 - light)), 0, 1)
            above = np.float32(wanted) + np.float32(1 - wanted) * over / (over + (1 - over) * knee)
            kept = old * np.float32(ratio)
            new += ((kept if ratio < 1 else np.where(old > light, above, kept)) - new) * straight
        return cast("Float", new)

    return curve


def _typical(image: Image, context: Context) -> tuple[float, float]:
    """Median lightness, and median chroma over lightness, of the region (OKLab)."""
    small = shrink(image, 100_000)
    lab = oklab(linear_light(small))
    if context.mask is not None:
        size = small.shape[1], small.shape[0]
        inside = cv2.resize(context.mask, size, interpolation=cv2.INTER_AREA).reshape(small.shape[:2]) > 127
        if inside.any():
            lab = lab[inside][None]
    lightness = np.maximum(lab[..., 0], 0.05)
    return float(np.clip(np.median(lightness), 0.08, 0.95)), float(np.median(chroma(lab) / lightness))


def color_pop(image: Image, op: Op, context: Context) -> Image:
    """Black and white everywhere but in the region; it blends by the mask itself."""
    if context.mask is None:
        return image.copy()
    return blend(black_and_white(image, op, context), image, context.mask)


def invert(image: Image, op: Op, context: Context) -> Image:
    """The negative; a partial amount mixes."""
    return curve(image, lambda x: x + np.float32(op.amount) * (1 - 2 * x))


def posterize(image: Image, op: Op, context: Context) -> Image:
    """Round every channel to `amount` evenly spaced levels."""
    steps = np.float32(max(2, round(op.amount)) - 1)
    return curve(image, lambda x: np.rint(x * steps) / steps)


def black_and_white(image: Image, op: Op, context: Context) -> Image:
    """Black and white with the weights of panchromatic film behind a light yellow filter."""
    grey = np.tile(_GREY_MIX, (3, 1))
    return matrix(image, grey * op.amount + np.eye(3) * (1 - op.amount))
