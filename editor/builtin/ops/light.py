"""Light: graduated sky, golden hour, day to night."""

from __future__ import annotations

import cv2
import numpy as np

from editor.base import Image
from editor.builtin.core import Context, Op
from editor.builtin.layers import base_layer, diagonal, frame_grid, gaussian, spread
from editor.builtin.ops.colour import daylight_gains
from editor.builtin.perception import (
    LUMINANCE,
    chroma,
    color_oklab,
    encode,
    linear_bands,
    oklab_bands,
    scale_chroma,
    smoothstep,
)
from editor.builtin.pixels import Float, linear_light, luma, planes, shrink


def gradient_sky(image: Image, op: Op, context: Context) -> Image:
    """A graduated filter: full at the top of the region, nothing at its lower end.

    Without params["color"] it deepens what is there; with it, it also tints.
    """
    if not op.amount:
        return image.copy()
    first, last = _vertical_extent(image, context)
    color = color_oklab(str(op.params["color"])) if op.params.get("color") else None
    amount = np.float32(op.amount)

    def work(lab: Float, rows: slice) -> Float:
        y = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None]
        density = amount * (1 - smoothstep(y, first, last))
        if color is not None:
            strength = density * np.float32(0.75)
            # clouds take less of the tint: they stay clouds
            cloud = smoothstep(lab[..., 0], 0.8, 1.0) * (1 - smoothstep(chroma(lab), 0.02, 0.06))
            strength = strength * (1 - np.float32(0.45) * cloud)
            for axis in (1, 2):
                lab[..., axis] += (color[axis] - lab[..., axis]) * strength
            lab[..., 0] += np.minimum(color[0] - lab[..., 0], 0) * strength * np.float32(0.6)
        else:
            scale_chroma(lab, np.broadcast_to(1 + np.float32(0.35) * density, lab.shape[:2]))
        # L of OKLab goes with the cube root of light: 0.77 is 1.1 stops
        lab *= planes(np.ascontiguousarray(np.broadcast_to(1 - np.float32(0.23) * density, lab.shape[:2])))
        return lab

    return oklab_bands(image, work)


def _vertical_extent(image: Image, context: Context) -> tuple[float, float]:
    """First and last row of the region in the given pixels; at least two rows apart."""
    height = image.shape[0]
    if context.mask is None:
        return 0.0, float(max(2, height))
    lines = np.flatnonzero(context.mask.max(axis=1) > 127)
    if not lines.size:
        return 0.0, float(max(2, height))
    return float(lines[0]), float(max(lines[-1], lines[0] + 2))


def golden_hour(image: Image, op: Op, context: Context) -> Image:
    """Low sun: warm light from the brighter side, gold highlights, rosy shadows, a soft bloom, lower sky light."""
    if not op.amount:
        return image.copy()
    amount = np.float32(op.amount)
    warm = daylight_gains(78.0 * op.amount).astype(np.float32)
    sun = np.array([1.0, 0.62, 0.24], np.float32)
    violet = np.array([0.02, -0.06, 0.10], np.float32)
    gold = np.array([0.30, 0.08, -0.28], np.float32)
    sun_x, sun_y = _brightest_place(context.whole)
    bloom = _bloom(image)
    base = base_layer(image)

    def work(light: Float, rows: slice) -> Float:
        level = np.clip(base.rows(encode(light @ LUMINANCE), rows), 0, 1)
        x, y = frame_grid(context.frame, rows, image.shape[1])
        near = np.exp(-(((x - sun_x) / 0.75) ** 2) - ((y - sun_y) / 0.85) ** 2).astype(np.float32)
        # away from the sun the day is half a stop darker; open shade turns a little violet
        dim = 1 - amount * np.float32(0.45) * (1 - near)
        shade = amount * (1 - smoothstep(level, 0.1, 0.5))
        lit = amount * near * smoothstep(level, 0.3, 0.8)
        haze = amount * (np.float32(0.045) * near + np.float32(0.20) * spread(bloom, rows, image.shape))
        for c in range(3):
            plane = light[..., c]
            plane *= dim * (1 + shade * violet[c]) * (1 + lit * gold[c]) * warm[c]
            # light scattered towards the camera is screened over, so nothing clips
            np.clip(plane, 0, 1, out=plane)
            light[..., c] = 1 - (1 - plane) * (1 - haze * sun[c])
        return light

    return linear_bands(image, work)


def _brightest_place(photo: Image) -> tuple[float, float]:
    """Where the light comes from, as shares of width and height: the centre of the lightest 3 % of a blurred copy."""
    small = gaussian(luma(linear_light(shrink(photo, 20_000))), 4.0)
    height, width = small.shape
    y, x = np.nonzero(small >= np.percentile(small, 97))
    # never in the middle: light from the side or from above models a scene
    across = float(x.mean() + 0.5) / width
    side = across + (0.35 if across >= 0.5 else -0.35)
    return float(np.clip(side, -0.05, 1.05)), float(min((y.mean() + 0.5) / height, 0.45))


def _bloom(image: Image) -> Float:
    """Blurred bright light at low resolution, 0..1."""
    light = luma(linear_light(shrink(image, 100_000)))
    return gaussian(light * smoothstep(light, 0.25, 0.9), 0.02 * diagonal(light.shape))


def day_to_night(image: Image, op: Op, context: Context) -> Image:
    """Moonlit night: about four stops darker, blue and muted, bright areas compressed, the sky dark overhead.

    Rods see blue-green and no colour (the Purkinje shift), so red darkens and turns grey first.
    """
    if not op.amount:
        return image.copy()
    amount = np.float32(op.amount)
    base = base_layer(image, eps=0.004)
    rods = np.array([0.08, 0.52, 0.40], np.float32)
    moon = np.array([0.42, 0.84, 2.1], np.float32)
    moon /= moon @ LUMINANCE

    def work(light: Float, rows: slice) -> Float:
        level = np.clip(base.rows(encode(light @ LUMINANCE), rows), 0, 1)
        _, y = frame_grid(context.frame, rows, image.shape[1])
        seen = light @ rods
        light += (cv2.transform(planes(seen), np.diag(moon)) - light) * (amount * np.float32(0.8))
        # a monotone curve of the base: the sky may not turn darker than what stands against it
        stops = np.float32(2.5) + np.float32(2.2) * (1 - smoothstep(level, 0.0, 0.5))
        stops = stops + np.float32(1.2) * smoothstep(level, 0.45, 0.8) * (1 - smoothstep(y, 0.0, 0.5))
        light *= planes(np.exp2(-amount * stops) / (1 + amount * np.float32(1.5) * level * level))
        return light

    return linear_bands(image, work)
