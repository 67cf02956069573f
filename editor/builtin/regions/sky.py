"""The sky."""

from __future__ import annotations

import math

import numpy as np

from editor.builtin.regions.face import face
from editor.builtin.regions.horizon import level_line
from editor.builtin.regions.scene import (
    Bool,
    Part,
    Scene,
    close,
    drop_small,
    erode,
    fill_holes,
    grow,
    mean,
    ramp,
    settle,
    share,
    touching,
    watershed,
)

_ALIKE = 5.0
"""CIE76 within which two calm places are taken for one surface."""


def sky(scene: Scene) -> Part:
    """What reaches the top, is smooth, and is blue, white, grey or has the colours of a sunset.

    Doubtful when it is dark, warm, or not brighter than what lies below it.
    """
    colour = _blue(scene) | _pale(scene) | _warm(scene)
    smooth = colour & (scene.texture < 2.6) & (scene.edges < 2.2)
    top = np.broadcast_to(scene.down < 0.04, smooth.shape)
    core = touching(erode(smooth, scene.size(0.004)), top)
    if share(core) < 0.01:
        return Part(core, 0.0)
    # clouds are textured, but bright and held by the blue around them
    cloud = (
        (_blue(scene) | _pale(scene))
        & (scene.texture < 9)
        & (scene.lightness > mean(scene.lightness, core) - 12)
    )
    held = touching(core | (cloud & (scene.down < lowest(core))), core)
    other = erode(~grow(colour & (scene.texture < 9), scene.size(0.006)), 1)
    other |= np.broadcast_to(scene.down > 0.97, other.shape) & ~core
    mask = watershed(scene, core | erode(held, scene.size(0.008)), other & ~core)
    # closing fills thin wires in the sky, and the peaks that reach into it: the latter are given back
    mask = touching(settle(scene, close(mask, scene.size(0.004)), scene.size(0.006)), top)
    mask = fill_holes(drop_small(mask, scene.area // 500), scene.size(0.03) ** 2)
    mask = _above_the_sea(scene, mask)
    return Part(mask, _sky_confidence(scene, mask))


def _above_the_sea(scene: Scene, mask: Bool) -> Bool:
    """Without the sea, which may have the sky's colour: rougher and darker, below a level line."""
    row = level_line(scene, mask)
    if row is None:
        return mask
    high, low = mask.copy(), mask.copy()
    high[row:], low[:row] = False, False
    darker = mean(scene.lightness, high) - mean(scene.lightness, low)
    rougher = mean(scene.texture, low) / max(0.3, mean(scene.texture, high))
    return high if high.any() and darker > 8 and rougher > 2 else mask


def _blue(scene: Scene) -> Bool:
    enough = np.where(scene.lightness < 20, 8.0, 5.0)
    return (scene.hue > 205) & (scene.hue < 308) & (scene.chroma > enough) & (scene.lightness > 4)


def _pale(scene: Scene) -> Bool:
    return (scene.chroma < 11) & (scene.lightness > 58)


def _warm(scene: Scene) -> Bool:
    """Dawn and dusk: pink to yellow, lit, and without grain."""
    return ((scene.hue > 320) | (scene.hue < 100)) & (scene.lightness > 45) & (scene.texture < 1.6)


def lowest(mask: Bool) -> float:
    """How far down a mask reaches, 0..1, but for its lowest twentieth."""
    rows = np.nonzero(mask)[0]
    return float(np.percentile(rows, 95)) / mask.shape[0] if rows.size else 0.0


def _sky_confidence(scene: Scene, mask: Bool) -> float:
    covered = share(mask)
    if covered < 0.005:
        return 0.0
    width = float(mask[: max(1, scene.height // 25)].any(axis=0).mean())
    above, below = mean(scene.lightness, mask), mean(scene.lightness, ~mask, 50)
    blue = share(_blue(scene), mask)
    # white painted walls are warmer than clouds; only a sun is as bright
    tint = max(ramp(mean(scene.smooth_lab[..., 2], mask), 4.5, 1.5), ramp(above, 92, 97))
    pale = ramp(above, 68, 84) * ramp(above - below, -5, 25) * (0.15 + 0.85 * tint)
    dusk = ramp(above - below, 12, 34) * ramp(mean(scene.chroma, mask), 10, 22)
    # a clear blue top is sky almost for certain; the others must be much brighter than what is below them
    kind = max(blue * ramp(above, 12, 45), 0.8 * pale, 0.5 * dusk)
    # a backdrop: it reaches the bottom, or a face is before it
    smooth = ramp(mean(scene.texture, mask), 5, 1.5)
    indoors = 0.45 if blue < 0.4 and scene.named(face).confidence > 0.5 else 1.0
    parts = (
        kind,
        0.4 + 0.6 * smooth,
        ramp(width, 0.1, 0.5),
        ramp(covered, 0.01, 0.06),
        ramp(_at_the_bottom(scene, mask), 0.4, 0.05),
    )
    return round(indoors * math.prod(parts) ** 0.6, 4)


def _at_the_bottom(scene: Scene, mask: Bool) -> float:
    """Share of the photo's lower edge that is the mask or looks like it: a studio's backdrop goes on below."""
    strip = slice(-1 - scene.height // 50, None)
    typical = np.median(scene.smooth_lab[mask], axis=0)
    alike = np.linalg.norm(scene.smooth_lab[strip] - typical, axis=2) < _ALIKE
    return float((mask[strip] | (alike & (scene.texture[strip] < 1.2))).mean())
