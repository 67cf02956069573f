"""Skin."""

from __future__ import annotations

import cv2
import numpy as np

from editor.builtin.regions.face import face, skin_colour
from editor.builtin.regions.scene import (
    FOUND,
    Bool,
    Part,
    Scene,
    close,
    drop_small,
    fill_holes,
    label,
    mean,
    opened,
    pixels,
    ramp,
    share,
)
from editor.builtin.regions.sky import sky


def skin(scene: Scene) -> Part:
    """Skin: its colour taken from the face when one is found; without a face only smooth, skin-coloured areas."""
    found = scene.named(face)
    mask = skin_colour(scene)
    if found.confidence >= FOUND:
        sample = scene.smooth_lab[found.mask & mask]
        middle = np.median(sample, axis=0)
        spread = np.maximum(np.abs(sample - middle).mean(0) * 1.48, (8, 3, 3))
        distance = np.sqrt((((scene.smooth_lab - middle) / spread) ** 2 * (0.35, 1, 1)).sum(axis=2))
        mask &= distance < 2.6
    else:
        mask &= (scene.texture < 5) & (scene.hue > 25) & (scene.hue < 70) & (scene.chroma < 34)
        mask &= (scene.lightness > 30) & ~scene.named(sky).mask
    mask = opened(close(mask, scene.size(0.004)), scene.size(0.004))
    mask = fill_holes(drop_small(mask, scene.size(0.02) ** 2), scene.size(0.012) ** 2)
    if found.confidence >= FOUND:
        return Part(_beside(scene, mask, found.mask), found.confidence)
    # bare wood, sand and fur have skin's colour too: without a face, only a large, calm area is believed a little
    calm = ramp(mean(scene.texture, mask, 9), 4, 1.5)
    return Part(mask, round(0.45 * calm * ramp(share(mask), 0.02, 0.1) * ramp(share(mask), 0.7, 0.5), 4))


def _beside(scene: Scene, mask: Bool, faces: Bool) -> Bool:
    """Components large enough to be a face, a neck or a hand of the people whose faces were found."""
    count, labels, stats = label(mask)
    if count < 2:
        return mask
    smallest = pixels(faces) // 25
    keep = stats[:, cv2.CC_STAT_AREA] >= smallest
    keep[0] = False
    return keep[labels]
