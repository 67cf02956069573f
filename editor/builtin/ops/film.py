"""Film looks: toning, fading, grain, vignette and the darkroom's accidents."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from editor.base import Image
from editor.builtin.core import Context, Op
from editor.builtin.layers import diagonal, frame_grid, gaussian, spread
from editor.builtin.perception import chroma, color_oklab, matrix, oklab_bands, smoothstep
from editor.builtin.pixels import LUMA, Float, bands, by_rows, from_float, full, lookup, luma, planes

_SEPIA_TONES = np.array(
    [[0.06, 0.035, 0.015], [0.345, 0.215, 0.115], [0.705, 0.55, 0.375], [1.0, 0.96, 0.86]]
)
"""Sepia of black, dark grey, mid-grey, white (encoded RGB): brown shadows, cream paper."""
_SEPIA_AT = np.array([0.0, 0.25, 0.6, 1.0])


def sepia(image: Image, op: Op, context: Context) -> Image:
    """Warm brown monochrome, as silver sulphide; a partial amount keeps some of the colour."""
    top = full(image)
    greys = np.linspace(0, 1, top + 1)
    # the cubic through the four points
    tones = np.vander(greys, 4) @ np.linalg.solve(np.vander(_SEPIA_AT, 4), _SEPIA_TONES)
    table = from_float(tones.astype(np.float32), image)

    def work(rows: slice) -> Image:
        part = image[rows]
        grey = cv2.transform(part, np.tile(LUMA, (3, 1)))
        toned = lookup(cast("Image", grey), table)
        return cast("Image", cv2.addWeighted(toned, op.amount, part, 1 - op.amount, 0))

    return by_rows(image, work)


def fade(image: Image, op: Op, context: Context) -> Image:
    """An old print: lifted, slightly blue-green blacks, yellowed whites, muted colours."""
    if not op.amount:
        return image.copy()
    amount = op.amount
    muted = np.eye(3) * (1 - 0.32 * amount) + np.tile(LUMA, (3, 1)) * (0.32 * amount)
    black = np.array([0.115, 0.125, 0.135]) * amount
    white = 1 - np.array([0.035, 0.045, 0.095]) * amount
    x = np.linspace(0, 1, full(image) + 1)[:, None]
    # the toe bends: blacks are lifted, mid-tones stay where they are
    table = black * (1 - x) ** 2.2 + x * (1 - (1 - white) * x)
    return lookup(matrix(image, muted), from_float(table.astype(np.float32), image))


def split_tone(image: Image, op: Op, context: Context) -> Image:
    """Tint shadows and highlights: params "shadows" and "highlights" are colour names (teal and gold if missing)."""
    dark = color_oklab(str(op.params.get("shadows") or "teal"))[1:]
    bright = color_oklab(str(op.params.get("highlights") or "gold"))[1:]
    dark_tint, bright_tint = (_of_chroma(tone, 0.055 * op.amount) for tone in (dark, bright))
    muted = np.float32(1 - 0.15 * op.amount)

    def work(lab: Float, rows: slice) -> Float:
        balance = smoothstep(lab[..., 0], 0.25, 0.85)
        # pure black and white carry no tint
        body = smoothstep(lab[..., 0], 0.0, 0.25) * (1 - smoothstep(lab[..., 0], 0.9, 1.02))
        for axis in (0, 1):
            tint = dark_tint[axis] + (bright_tint[axis] - dark_tint[axis]) * balance
            lab[..., 1 + axis] = lab[..., 1 + axis] * muted + tint * body
        return lab

    return oklab_bands(image, work)


def _of_chroma(tone: Float, wanted: float) -> Float:
    """The (a, b) of that hue with the wanted chroma; a grey tone gives a quarter of it at most."""
    return cast("Float", tone * np.float32(wanted / max(float(np.hypot(*tone)), 0.04)))


def teal_orange(image: Image, op: Op, context: Context) -> Image:
    """Cinema look: warm colours drawn together at orange, cool ones at teal, teal shadows, firmer contrast."""
    if not op.amount:
        return image.copy()
    orange, teal = (np.array([np.cos(h), np.sin(h)], np.float32) for h in np.radians([60.0, 215.0]))
    amount = np.float32(op.amount)

    def work(lab: Float, rows: slice) -> Float:
        light, strength = lab[..., 0], chroma(lab)
        warm = lab[..., 1] * orange[0] + lab[..., 2] * orange[1]
        cool = lab[..., 1] * teal[0] + lab[..., 2] * teal[1]
        # each colour moves to the end of the axis that it is nearer to, greens between move little
        pull = np.float32(0.55) * amount * smoothstep(np.abs(warm - cool), 0.0, 0.08)
        vivid = 1 + np.float32(0.12) * amount
        shade = amount * smoothstep(light, 0.02, 0.2) * (1 - smoothstep(light, 0.2, 0.65))
        glow = amount * smoothstep(light, 0.55, 0.85) * (1 - smoothstep(light, 0.93, 1.0))
        for axis in (0, 1):
            end = np.where(warm > cool, orange[axis], teal[axis]) * strength
            value = lab[..., 1 + axis]
            value += (end - value) * pull
            value *= vivid
            value += teal[axis] * np.float32(0.04) * shade + orange[axis] * np.float32(0.025) * glow
        # an S-curve about the middle
        light += amount * np.float32(0.9) * light * (1 - light) * (light - np.float32(0.5))
        return lab

    return oklab_bands(image, work)


_GRAIN_PER_DIAGONAL = 1 / 3600
"""Size of a grain relative to the diagonal: visible on a print, not at arm's length."""


def grain(image: Image, op: Op, context: Context) -> Image:
    """Monochrome film grain, clumped at the photo's scale, strongest in the mid-tones."""
    if not op.amount:
        return image.copy()
    height, width = image.shape[:2]
    size = max(1.0, _GRAIN_PER_DIAGONAL * diagonal((context.frame[3], context.frame[2])))
    coarse = max(1, round(height / size)), max(1, round(width / size))
    noise = context.rng.standard_normal(coarse, dtype=np.float32)
    noise = gaussian(noise, 0.6)
    noise *= np.float32(0.06 * op.amount / max(float(noise.std()), 1e-3))

    def work(band: Float, rows: slice) -> Float:
        light = luma(band)
        visible = np.float32(0.25) + np.float32(0.75) * np.sqrt(np.clip(4 * light * (1 - light), 0, 1))
        band += planes(spread(noise, rows, image.shape) * visible)
        return band

    return bands(image, work)


def vignette(image: Image, op: Op, context: Context) -> Image:
    """Darken towards the corners of the whole photo (negative: lighten), on an ellipse fitted to the frame."""
    if not op.amount:
        return image.copy()
    radii = np.linspace(0.0, 1.0, 4097, dtype=np.float32)  # squared, 1 = the corner
    profile = np.float32(0.72 * abs(op.amount)) * smoothstep(np.sqrt(radii), 0.3, 1.12)
    lighten = op.amount < 0

    def work(band: Float, rows: slice) -> Float:
        x, y = frame_grid(context.frame, rows, image.shape[1])
        square = (x - np.float32(0.5)) ** 2 * 2 + (y - np.float32(0.5)) ** 2 * 2
        fall = planes(profile[(square * 4096).astype(np.uint16)])
        # multiplying encoded values is an exposure change; lightening is the same on the inverse
        band *= 1 - fall
        if lighten:
            band += fall
        return band

    return bands(image, work)


def cross_process(image: Image, op: Op, context: Context) -> Image:
    """Slide film in negative chemistry: blue shadows, yellow-green highlights, hard, vivid."""
    if not op.amount:
        return image.copy()
    x = np.linspace(0, 1, full(image) + 1)
    bow = x * (1 - x) * (2 * x - 1)
    red = x + 1.25 * bow - 0.03 * np.sin(np.pi * x)
    green = x + 0.85 * bow + 0.035 * np.sin(np.pi * x)
    blue = 0.13 + 0.74 * x - 0.1 * bow
    table = x[:, None] + (np.stack([red, green, blue], axis=-1) - x[:, None]) * op.amount
    vivid = 1 + 0.18 * op.amount
    mixed = matrix(image, np.eye(3) * vivid + np.tile(LUMA, (3, 1)) * (1 - vivid))
    return lookup(mixed, from_float(table.astype(np.float32), image))


def bleach_bypass(image: Image, op: Op, context: Context) -> Image:
    """Silver left in the film: the picture overlaid with its own black and white, pale and hard."""
    if not op.amount:
        return image.copy()
    amount = np.float32(op.amount)

    def work(band: Float, rows: slice) -> Float:
        grey = planes(luma(band))
        pale = grey + (band - grey) * (1 - np.float32(0.55) * amount)
        # soft light (Pegtop): pale^2 + 2 grey pale (1 - pale) for a grey layer
        hard = pale * pale * (1 - 2 * grey) + 2 * grey * pale
        return cast("Float", pale + (hard - pale) * (np.float32(0.85) * amount))

    return bands(image, work)
