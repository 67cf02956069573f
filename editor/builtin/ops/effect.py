"""Effects: mosaic, glow, pencil, painting."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import cv2
import numpy as np

from editor.base import Image, UsageError
from editor.builtin.core import Context, Op
from editor.builtin.layers import diagonal, gaussian, spread
from editor.builtin.perception import smoothstep
from editor.builtin.pixels import Float, bands, luma, planes, shrink, to_float

_WORK_PIXELS = 3_000_000
"""Brush strokes and pencil lines are made at no more than this size: they are as wide at any resolution."""


def pixelate(image: Image, op: Op, context: Context) -> Image:
    """Mosaic of square tiles, aligned to the whole photo; amount 1 is 16 tiles along its short side."""
    if not op.amount:
        return image.copy()
    left, top, width, height = context.frame
    tile = max(2, round(min(width, height) / 16 * op.amount**1.5))
    rows, columns = (
        _tiles(first, size, tile) for first, size in ((top, image.shape[0]), (left, image.shape[1]))
    )
    starts, out, row = [0, *np.cumsum(columns)[:-1]], np.empty_like(image), 0
    for count in rows:
        sums = np.add.reduceat(image[row : row + count].sum(axis=0, dtype=np.int64), starts, axis=0)
        means = np.rint(sums / (np.array(columns)[:, None] * count)).astype(image.dtype)
        out[row : row + count] = np.repeat(means, columns, axis=0)
        row += count
    return out


def _tiles(first: int, size: int, tile: int) -> list[int]:
    """Lengths of the tiles that cover `size` pixels from `first` of a grid that starts at 0."""
    edges = [0, *range(tile - first % tile, size, tile), size]
    return [b - a for a, b in pairwise(edges)]


def glow(image: Image, op: Op, context: Context) -> Image:
    """Orton's sandwich: the sharp picture with a lighter, blurred one screened over it; highlights bloom most."""
    if not op.amount:
        return image.copy()
    small = to_float(shrink(image, 250_000))
    light = luma(small)
    bright = small * (np.float32(0.35) + np.float32(0.65) * smoothstep(light, 0.35, 0.85))[..., None]
    size = diagonal(light.shape)
    halo = np.float32(0.65) * gaussian(bright, 0.010 * size) + np.float32(0.45) * gaussian(
        bright, 0.03 * size
    )
    amount = np.float32(0.95 * op.amount)

    def work(band: Float, rows: slice) -> Float:
        soft = spread(halo, rows, image.shape)
        screened = 1 - (1 - band) * (1 - soft)
        # the sandwich is dense: multiplied by itself a little, so that shadows stay deep
        screened *= np.float32(0.7) + np.float32(0.3) * screened
        band += (screened - band) * amount
        return band

    return bands(image, work)


def pencil(image: Image, op: Op, context: Context) -> Image:
    """Pencil drawing on paper; params["color"] true keeps faint colours, as coloured pencils do."""
    if not op.amount:
        return image.copy()
    small = shrink(image, _WORK_PIXELS)
    light = luma(to_float(small))
    size = diagonal(light.shape)
    fine, broad = (_dodge(light, max(0.8, share * size)) for share in (0.0012, 0.005))
    drawn = fine**1.6 * broad**0.8
    shade = np.float32(0.25) * (1 - smoothstep(gaussian(light, 0.002 * size), 0.05, 0.75))
    drawn -= shade * (np.float32(0.75) + np.float32(0.5) * _strokes(light.shape, context.rng))
    drawn = np.clip(drawn, 0.08, 1) * np.float32(0.97)
    colored, amount = bool(op.params.get("color")), np.float32(op.amount)

    def work(band: Float, rows: slice) -> Float:
        line = planes(spread(drawn, rows, image.shape))
        if colored:
            grey = planes(luma(band))
            # pigment over paper: the colour lightened, darkened by the lines
            made = (1 - (1 - band) * np.float32(0.5) + (band - grey) * np.float32(0.3)) * line
        else:
            made = line * np.array([1.0, 0.995, 0.985], np.float32)
        return cast("Float", band + (made - band) * amount)

    return bands(image, work)


def _dodge(light: Float, sigma: float) -> Float:
    """Colour dodge with its own blurred negative: white, but for lines where the picture is darker than around."""
    return cast("Float", np.clip((light + 0.04) / (gaussian(light, sigma) + 0.04), 0, 1).astype(np.float32))


def _strokes(shape: tuple[int, ...], rng: np.random.Generator) -> Float:
    """Hatching at 45 degrees, mean 0, about -1..1, at low resolution."""
    noise = rng.standard_normal(shape[:2], dtype=np.float32)
    length = max(3, round(diagonal(shape) / 90))
    kernel = np.fliplr(np.eye(length, dtype=np.float32)) / length
    hatched = cv2.filter2D(noise, -1, kernel).reshape(shape[:2])
    return cast("Float", np.clip(hatched / max(float(hatched.std()) * 2, 1e-3), -1, 1))


def stylize(image: Image, op: Op, context: Context) -> Image:
    """Painting-like; params["style"] is oil (the default), watercolor or cartoon. Raises UsageError for another."""
    styles = {"oil": _oil, "watercolor": _watercolor, "cartoon": _cartoon}
    style = str(op.params.get("style") or "oil")
    if style not in styles:
        raise UsageError(f"Unknown painting style {style!r}; there are: {', '.join(styles)}.")
    if not op.amount:
        return image.copy()
    painted = styles[style](to_float(shrink(image, _WORK_PIXELS)), op.amount, context.rng)
    mix = np.float32(min(1.0, 0.5 + op.amount))

    def work(band: Float, rows: slice) -> Float:
        return cast("Float", band + (spread(painted, rows, image.shape) - band) * mix)

    return bands(image, work)


def _oil(small: Float, amount: float, rng: np.random.Generator) -> Float:
    """Kuwahara's filter with eight soft sectors (after Papari, Petkov and Campisi, 2007), and bristle relief."""
    radius = max(1, round(diagonal(small.shape) * (0.0015 + 0.0055 * amount)))
    painted = _kuwahara(small, radius)
    bristles = gaussian(_strokes(small.shape, rng), 0.7)
    vivid = luma(painted)[..., None]
    painted = vivid + (painted - vivid) * np.float32(1 + 0.15 * amount)
    return cast("Float", painted * (1 + np.float32(0.05 * amount) * bristles[..., None]))


def _kuwahara(picture: Float, radius: int) -> Float:
    """Each pixel becomes the mean of the calmest sectors around it: flat strokes, edges kept."""
    light = luma(picture)
    total = np.zeros_like(picture)
    weights = np.zeros_like(light)
    for kernel in _sectors(radius):
        mean = cv2.filter2D(light, -1, kernel, borderType=cv2.BORDER_REPLICATE).reshape(light.shape)
        square = cv2.filter2D(light * light, -1, kernel, borderType=cv2.BORDER_REPLICATE).reshape(light.shape)
        calm = 1 / (np.float32(2e-4) + np.maximum(square - mean * mean, 0)) ** 4
        color = cv2.filter2D(picture, -1, kernel, borderType=cv2.BORDER_REPLICATE).reshape(picture.shape)
        total += color * planes(calm)
        weights += calm
    return cast("Float", total / weights[..., None])


def _sectors(radius: int) -> list[Float]:
    """Eight Gaussian-weighted sectors of a disc, each summing to 1."""
    axis = np.arange(-radius, radius + 1, dtype=np.float32)
    x, y = axis[None, :], axis[:, None]
    disc = np.exp(-(x * x + y * y) / np.float32(2 * (radius / 1.8) ** 2)) * (
        x * x + y * y <= radius * radius + 1
    )
    angle = np.arctan2(y, x)
    made = []
    for number in range(8):
        apart = np.abs(np.angle(np.exp(1j * (angle - number * np.pi / 4))))
        kernel = disc * np.clip(1.2 - apart / (np.pi / 4), 0, 1)
        kernel[radius, radius] = 1 / 8
        made.append((kernel / kernel.sum()).astype(np.float32))
    return made


def _watercolor(small: Float, amount: float, rng: np.random.Generator) -> Float:
    """Washes with darker rims where the pigment dries, pale and granular on white paper."""
    size = diagonal(small.shape)
    wash = _kuwahara(small, max(1, round(size * (0.0015 + 0.003 * amount))))
    light = luma(wash)
    rim = np.clip(np.abs(light - gaussian(light, 0.003 * size)) * 2.5, 0, 0.22)
    grain = gaussian(rng.standard_normal(light.shape, dtype=np.float32), 1.2)
    grain *= np.float32(0.015) / max(float(grain.std()), 1e-3)
    blooms = gaussian(rng.standard_normal(light.shape, dtype=np.float32), 0.02 * size)
    blooms *= np.float32(0.02) / max(float(blooms.std()), 1e-6)
    paper = 1 - (1 - wash) * np.float32(0.86)
    tone = 1 - rim + (grain + blooms) * (1 - light) * 2
    pale = smoothstep(light, 0.7, 1.0)[..., None] * np.float32(0.6)
    return cast("Float", np.clip((paper + (1 - paper) * pale) * tone[..., None], 0, 1))


def _cartoon(small: Float, amount: float, rng: np.random.Generator) -> Float:
    """Flat colours in soft steps with dark contours."""
    size = diagonal(small.shape)
    flat = small
    for _ in range(3):
        flat = cv2.bilateralFilter(flat, 9, 0.09 + 0.06 * amount, max(1.5, 0.002 * size)).reshape(small.shape)
    light = luma(flat)
    steps = np.float32(8)
    # soft quantization (Winnemöller, Olsen and Gooch, 2006): a tanh across each step instead of a jump
    nearest = np.rint(light * steps)
    stepped = (
        nearest + np.float32(0.5) * np.tanh((light * steps - nearest) * 3) / np.tanh(np.float32(1.5))
    ) / steps
    made = flat * (stepped / np.maximum(light, np.float32(0.02)))[..., None]
    grey = luma(made)[..., None]
    made = grey + (made - grey) * np.float32(1.25)
    sigma = max(0.8, 0.0007 * size)
    contour = gaussian(luma(flat), sigma) - np.float32(0.98) * gaussian(luma(flat), 1.6 * sigma)
    ink = smoothstep(contour, -0.012, 0.004)
    return cast("Float", np.clip(made, 0, 1) * (np.float32(0.12) + np.float32(0.88) * ink)[..., None])
