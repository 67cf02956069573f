"""Water and ground: what lies below the horizon."""

from __future__ import annotations

import math

import numpy as np

from editor.builtin.regions import plants
from editor.builtin.regions.horizon import level_line
from editor.builtin.regions.scene import (
    FOUND,
    Bool,
    Part,
    Scene,
    close,
    drop_small,
    erode,
    fill_holes,
    grow,
    mean,
    pixels,
    ramp,
    share,
    touching,
)
from editor.builtin.regions.sky import lowest, sky

_GROUND_FROM = 0.45
"""The ground is looked for below this share of the height, and below the sky."""


def water(scene: Scene) -> Part:
    """Blue or sky-coloured, flat or rippled sideways, and below the horizon; seldom certain."""
    above = scene.named(sky)
    has_sky = above.confidence >= FOUND
    below = (scene.down > (lowest(above.mask) * 0.7 if has_sky else 0.2)) & ~grow(
        above.mask, scene.size(0.01)
    )
    colour = (scene.hue > 165) & (scene.hue < 300) & (scene.chroma > 7)
    if has_sky and (above.mask & (scene.lightness > 0)).any():
        like = np.median(scene.smooth_lab[above.mask], axis=0)
        colour |= np.linalg.norm((scene.smooth_lab - like) * (0.4, 1, 1), axis=2) < 7
    flat = below & colour & (scene.texture < 9)
    mask = fill_holes(drop_small(close(flat, scene.size(0.006)), scene.area // 100), scene.size(0.02) ** 2)
    mask = _below_the_shore(scene, mask)
    if not mask.any():
        return Part(mask, 0.0)
    wide = float(mask.any(axis=0).mean())
    blue = share(colour & (scene.hue > 165) & (scene.hue < 300), mask)
    parts = (
        0.1 + 0.9 * _sideways(scene, mask),
        ramp(share(mask), 0.02, 0.12),
        ramp(wide, 0.3, 0.8),
        ramp(blue, 0.3, 0.9),
        1.0 if has_sky else 0.4,
        ramp(_shoreline(mask), 0.12, 0.03),
    )
    return Part(mask, round(0.9 * math.prod(parts) ** 0.6, 4))


def _below_the_shore(scene: Scene, mask: Bool) -> Bool:
    """Without the blue hills behind a lake: of another colour than most of it, above a level line."""
    row = level_line(scene, mask)
    if row is None:
        return mask
    high, low = mask.copy(), mask.copy()
    high[row:], low[:row] = False, False
    if not high.any() or pixels(high) > 0.4 * pixels(mask):
        return mask
    apart = float(np.linalg.norm(scene.smooth_lab[high].mean(0) - scene.smooth_lab[low].mean(0)))
    return low if apart > 5 else mask


def _shoreline(mask: Bool) -> float:
    """How far the upper edge of a mask is from level: its spread over the columns, as a share of the height."""
    columns = mask.any(axis=0)
    return float(mask[:, columns].argmax(axis=0).std() / mask.shape[0])


def _sideways(scene: Scene, mask: Bool) -> float:
    """0..1: how much more the lightness changes downwards than sideways, as waves seen at a slant do."""
    light = scene.lab[..., 0]
    inner = erode(mask, scene.size(0.006))
    across, along = np.abs(np.diff(light, axis=0))[:, :-1], np.abs(np.diff(light, axis=1))[:-1]
    where = inner[:-1, :-1]
    return ramp(mean(across, where) / max(0.05, mean(along, where, 1.0)), 1.0, 1.6)


def ground(scene: Scene) -> Part:
    """What lies below the horizon, reaches the bottom, and is neither vegetation, water nor sky."""
    above = scene.named(sky)
    if above.confidence < FOUND:
        return Part(np.zeros_like(above.mask), 0.1)
    wet = scene.named(water)
    green = scene.named(plants.foliage).mask | scene.named(plants.grass).mask
    pale = (scene.lightness > 80) & (scene.chroma < 12)
    horizon = max(_GROUND_FROM, lowest(above.mask))
    rest = ~above.mask & ~green & ~pale & (scene.down > horizon)
    if wet.confidence >= FOUND:
        rest &= ~wet.mask
    rest = drop_small(close(erode(rest, 1), scene.size(0.006)), scene.area // 400)
    bottom = np.broadcast_to(scene.down > 0.96, rest.shape)
    mask = fill_holes(touching(rest, bottom), scene.size(0.02) ** 2)
    trust = ramp(share(mask), 0.01, 0.08)
    if horizon == _GROUND_FROM:
        trust *= ramp(_begun(mask, round(horizon * scene.height)), 0.5, 0.15)
    return Part(mask, round(0.8 * above.confidence * trust, 4))


def _begun(mask: Bool, row: int) -> float:
    """Share of a mask's columns that begin at `row`, where nothing but the rule says that it begins."""
    columns = mask.any(axis=0)
    tops = mask[:, columns].argmax(axis=0)
    return float((tops <= row + 2).mean()) if tops.size else 0.0
