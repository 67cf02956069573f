"""Weather: snow, fog and rain, over the whole photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.base import Image, Mask
from editor.builtin.core import Context, Op
from editor.builtin.layers import EdgeAware, along_edges, diagonal, gaussian, spread
from editor.builtin.perception import smoothstep
from editor.builtin.pixels import Float, bands, lowest, luma, planes, shrink, to_float

_SHIFT = 4
"""Fractional bits of the coordinates given to OpenCV's drawing functions."""


def _distance(image: Image) -> EdgeAware:
    """How far away things seem, 0..1, along the photo's edges: higher in the frame and hazier is farther."""
    small = to_float(shrink(image, 120_000))
    side = max(3, round(0.02 * diagonal(small.shape)))
    dark = cv2.erode(lowest(small), np.ones((side, side), np.uint8)).reshape(small.shape[:2])
    height = 1 - (np.arange(small.shape[0], dtype=np.float32)[:, None] + 0.5) / small.shape[0]
    depth = np.float32(0.62) * smoothstep(height, 0.0, 0.75) + np.float32(0.38) * smoothstep(dark, 0.05, 0.6)
    return along_edges(image, gaussian(depth, 0.008 * diagonal(small.shape)), share=0.015)


def _clouds(rng: np.random.Generator, shape: tuple[int, ...], octaves: int = 4) -> Float:
    """Soft, wide noise of mean 0 and deviation 1 at low resolution: drifts of fog, gusts of snow."""
    height, width = (max(8, round(side * 160 / max(shape[:2]))) for side in shape[:2])
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        cells = max(2, 3 * 2**octave * height // width), 2 + 2 * 2**octave
        noise = rng.standard_normal(cells, dtype=np.float32)
        total += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC) * np.float32(0.55**octave)
    return cast("Float", (total - total.mean()) / max(float(total.std()), 1e-3))


def fog(image: Image, op: Op, context: Context) -> Image:
    """Fog that thickens with distance and drifts in banks; light scatters, so what it hides turns soft and pale."""
    if not op.amount:
        return image.copy()
    amount = op.amount
    distance = _distance(image)
    drift = _clouds(context.rng, image.shape)
    air = _overcast(context.whole)

    def work(band: Float, rows: slice) -> Float:
        far = np.clip(distance.rows(luma(band), rows), 0, 1)
        banks = 1 + np.float32(0.16) * spread(drift, rows, image.shape)
        thickness = np.float32(amount) * (np.float32(0.28) + np.float32(2.9) * far * far) * banks
        through = planes(np.exp(-np.maximum(thickness, 0)))
        grey = planes(luma(band))
        band = grey + (band - grey) * (1 - np.float32(0.35 * amount))
        return cast("Float", air + (band - air) * through)

    return bands(image, work)


def _overcast(photo: Image) -> Float:
    """Colour (3,) of light scattered by fog in this photo: pale grey-blue, darker when the photo is dark."""
    bright = float(np.percentile(luma(to_float(shrink(photo, 60_000))), 90))
    level = np.clip(0.45 + 0.45 * bright, 0.35, 0.86)
    return np.array([0.972, 0.99, 1.015], np.float32) * np.float32(level)


@dataclass(frozen=True, slots=True)
class _Flakes:
    """One layer of snow: sizes are relative to the diagonal."""

    count: int
    radius: float
    opacity: float
    blur: float


_SNOW = (
    _Flakes(2600, 0.00055, 0.55, 0.4),
    _Flakes(900, 0.0012, 0.75, 0.5),
    _Flakes(210, 0.0026, 0.80, 0.7),
    _Flakes(26, 0.0062, 0.60, 1.1),
)
"""From far to near: many small and sharp flakes, few large ones out of focus."""


def snow(image: Image, op: Op, context: Context) -> Image:
    """Falling flakes in layers of depth, a veil in the distance, cool flat light, and snow caught on upward faces."""
    if not op.amount:
        return image.copy()
    amount = np.float32(op.amount)
    falling = _fall(image.shape, op.amount, context.rng)
    distance = _distance(image)
    settled = _upward(image)
    air = _overcast(context.whole) * np.float32(1.03)

    def work(band: Float, rows: slice) -> Float:
        light = luma(band)
        far = np.clip(distance.rows(light, rows), 0, 1)
        cover = amount * np.clip(spread(settled, rows, image.shape), 0, 1) * smoothstep(light, 0.12, 0.55)
        band = planes(light) + (band - planes(light)) * (1 - np.float32(0.58) * amount)
        band *= np.array([0.975, 0.995, 1.03], np.float32) ** amount
        white = np.array([0.90, 0.93, 0.97], np.float32)
        band += (white - band) * planes(np.float32(0.75) * cover)
        veil = amount * (np.float32(0.07) + np.float32(0.55) * far * far)
        band += (air - band) * planes(veil)
        flakes = falling[rows].astype(np.float32) * np.float32(0.97 / 255)
        band += (np.float32(0.985) - band) * planes(flakes)
        return band

    return bands(image, work)


def _upward(image: Image) -> Float:
    """Where snow would lie, 0..1 at low resolution: textured ground whose light falls off downwards."""
    light = luma(to_float(shrink(image, 400_000)))
    size = diagonal(light.shape)
    fine = gaussian(light, max(0.6, size / 900))
    # lighter than what is below: an upward face, its shadow under it
    step = max(1, round(size / 250))
    below = np.concatenate([fine[step:], np.repeat(fine[-1:], step, axis=0)])[: len(fine)]
    faces = smoothstep(fine - below, 0.0, 0.10)
    texture = smoothstep(gaussian(np.abs(light - fine), size / 120), 0.004, 0.02)
    lower = smoothstep(np.linspace(0, 1, len(light), dtype=np.float32)[:, None], 0.15, 0.6)
    return gaussian(faces * texture * (np.float32(0.35) + np.float32(0.65) * lower), max(0.5, size / 1200))


def _fall(shape: tuple[int, ...], amount: float, rng: np.random.Generator) -> Mask:
    """Opacity of all flakes, (H, W) uint8; each is a soft ellipse along the wind."""
    height, width = shape[:2]
    size = diagonal(shape)
    total = np.zeros((height, width), np.uint8)
    wind = float(rng.uniform(-25, 25))
    gusts = _clouds(rng, shape, 2)
    for layer in _SNOW:
        sheet = np.zeros((height, width), np.uint8)
        count = round(layer.count * (0.35 + 0.9 * amount))
        places = rng.random((count, 2)) * (width, height)
        scales = np.exp(rng.normal(0, 0.28, count)) * layer.radius * size
        for (x, y), scale, turn in zip(places, scales, rng.normal(wind, 12, count), strict=True):
            cell = int(y * gusts.shape[0] / height), int(x * gusts.shape[1] / width)
            opacity = layer.opacity * float(np.clip(0.85 + 0.25 * gusts[cell], 0.4, 1.0))
            _flake(sheet, (x, y), max(scale, 0.55), 90 + turn, round(255 * opacity))
        blur = max(0.45, layer.blur * layer.radius * size)
        sheet = _soften(sheet, blur)
        total = cast("Mask", cv2.max(total, sheet))
    return total


def _flake(sheet: Mask, at: tuple[float, float], radius: float, angle: float, value: int) -> None:
    one = 1 << _SHIFT
    center = round(at[0] * one), round(at[1] * one)
    axes = round(radius * 1.35 * one), round(radius * 0.9 * one)
    cv2.ellipse(sheet, center, axes, angle, 0, 360, value, cv2.FILLED, cv2.LINE_AA, _SHIFT)


def _soften(sheet: Mask, sigma: float) -> Mask:
    blurred = cv2.GaussianBlur(sheet, (0, 0), sigma)
    return cast("Mask", blurred.reshape(sheet.shape))


@dataclass(frozen=True, slots=True)
class _Streaks:
    """One layer of rain: length and width relative to the diagonal."""

    count: int
    length: float
    width: float
    opacity: float


_RAIN = (
    _Streaks(2600, 0.011, 0.0003, 0.30),
    _Streaks(1000, 0.021, 0.0005, 0.34),
    _Streaks(240, 0.042, 0.0009, 0.30),
)


def rain(image: Image, op: Op, context: Context) -> Image:
    """Thin slanted streaks in layers, grey cool light, wet dark ground, the distance lost in spray."""
    if not op.amount:
        return image.copy()
    amount = np.float32(op.amount)
    drops = _streaks(image.shape, op.amount, context.rng)
    distance = _distance(image)
    air = _overcast(context.whole) * np.float32(0.88)

    def work(band: Float, rows: slice) -> Float:
        light = luma(band)
        far = np.clip(distance.rows(light, rows), 0, 1)
        band = planes(light) + (band - planes(light)) * (1 - np.float32(0.5) * amount)
        # a wet surface scatters less: darker in the mid-tones, the highlights stay
        band *= planes(1 - amount * (np.float32(0.26) * (1 - light * light)))
        band *= np.array([0.965, 0.995, 1.03], np.float32) ** amount
        veil = amount * (np.float32(0.05) + np.float32(0.6) * far * far)
        band += (air - band) * planes(veil)
        streak = drops[rows].astype(np.float32) * np.float32(1 / 255)
        band += (np.float32(0.9) - band) * planes(streak) * np.float32(1.15)
        return band

    return bands(image, work)


def _streaks(shape: tuple[int, ...], amount: float, rng: np.random.Generator) -> Mask:
    """Opacity of all rain streaks, (H, W) uint8."""
    height, width = shape[:2]
    size = diagonal(shape)
    slant = np.radians(float(rng.choice([-1, 1])) * float(rng.uniform(6, 16)))
    total = np.zeros((height, width), np.uint8)
    for layer in _RAIN:
        sheet = np.zeros((height, width), np.uint8)
        count = round(layer.count * (0.3 + 0.9 * amount))
        start = rng.random((count, 2)) * (width * 1.2, height * 1.2) - (width * 0.1, height * 0.15)
        angle = slant + rng.normal(0, 0.015, count)
        length = layer.length * size * np.exp(rng.normal(0, 0.3, count))
        end = start + np.stack([np.sin(angle), np.cos(angle)], axis=-1) * length[:, None]
        values = rng.uniform(0.45, 1.0, count) * layer.opacity * 255
        thick = max(1, round(layer.width * size))
        lines: NDArray[Any] = np.round(np.stack([start, end], axis=1) * (1 << _SHIFT)).astype(int)
        for (first, last), value in zip(lines.tolist(), values, strict=True):
            cv2.line(sheet, first, last, round(value), thick, cv2.LINE_AA, _SHIFT)
        total = cast("Mask", cv2.max(total, _soften(sheet, max(0.4, 0.5 * layer.width * size))))
    return total
