"""Faces, and the colour of skin."""

from __future__ import annotations

import cv2
import numpy as np

from editor.builtin.pixels import Float
from editor.builtin.regions.scene import (
    FOUND,
    Bool,
    Part,
    Scene,
    ramp,
)

_SIDE = 420
"""The cascade's working size, longest side in pixels."""


def face(scene: Scene) -> Part:
    """Frontal faces, as ellipses: scikit-image's LBP cascade, kept where skin and darker eyes are."""
    mask = np.zeros((scene.height, scene.width), np.uint8)
    best = 0.0
    for x, y, w, h in _detect(scene):
        box = slice(max(0, y), y + h), slice(max(0, x), x + w)
        trust = _face_like(scene, box)
        if trust >= FOUND:
            # the cascade's box is the inner face; hair line to chin is taller
            centre = x + w // 2, round(y + h * 0.53)
            cv2.ellipse(mask, centre, (round(w * 0.42), round(h * 0.56)), 0, 0, 360, 1, -1)
        best = max(best, trust)
    return Part(mask > 0, round(best, 4))


def _detect(scene: Scene) -> list[tuple[int, int, int, int]]:
    """Boxes x, y, w, h on the scene that the cascade takes for faces."""
    from skimage.data import lbp_frontal_face_cascade_filename
    from skimage.feature import Cascade

    scale = min(1.0, _SIDE / max(scene.width, scene.height))
    size = max(1, round(scene.width * scale)), max(1, round(scene.height * scale))
    if min(size) < 48:
        return []
    grey = cv2.resize(scene.rgb, size, interpolation=cv2.INTER_AREA)
    found = Cascade(lbp_frontal_face_cascade_filename()).detect_multi_scale(
        img=grey.astype(np.float64),
        scale_factor=1.2,
        step_ratio=1.0,
        min_size=(24, 24),
        max_size=(min(size), min(size)),
    )
    boxes = [[round(f[side] / scale) for side in ("c", "r", "width", "height")] for f in found]
    return [(x, y, w, h) for x, y, w, h in boxes]


def _face_like(scene: Scene, box: tuple[slice, slice]) -> float:
    """0..1: enough skin in the middle of the box, eyes darker than it, and two sides that are alike."""
    skinny = skin_colour(scene)[box]
    height, width = skinny.shape
    middle = skinny[height // 6 : height - height // 8, width // 6 : width - width // 6]
    if middle.size < 64:
        return 0.0
    amount = float(middle.mean())
    light = scene.lab[..., 0][box]
    tone = float(np.median(light[skinny])) if skinny.any() else 0.0
    eyes = float((light[height // 5 : height // 2] < tone - 12).mean())
    return ramp(amount, 0.25, 0.7) * ramp(eyes, 0.005, 0.06) * ramp(_symmetry(light), 0.15, 0.4)


def _symmetry(light: Float) -> float:
    """Correlation of a patch's left half with its right half, mirrored; texture that looks like a face has none."""
    small = cv2.resize(light, (24, 24), interpolation=cv2.INTER_AREA)
    # light from one side is no part of the face
    across = np.arange(24, dtype=np.float32) - 11.5
    small = small - across * float((small.mean(axis=0) * across).sum() / (across * across).sum())
    left, right = small[:, :12].ravel(), small[:, :11:-1].ravel()
    if left.std() < 1e-3 or right.std() < 1e-3:
        return 0.0
    return float(np.corrcoef(left, right)[0, 1])


def skin_colour(scene: Scene) -> Bool:
    """Pixels of skin colour: the YCrCb box of Chai and Ngan (1999), narrowed in CIE hue and chroma."""
    eight = np.rint(scene.rgb * 255).astype(np.uint8)
    cr, cb = cv2.split(cv2.cvtColor(cv2.medianBlur(eight, 5), cv2.COLOR_RGB2YCrCb))[1:]
    box: Bool = (cr >= 133) & (cr <= 176) & (cb >= 77) & (cb <= 128)
    return (
        box
        & (scene.hue > 18)
        & (scene.hue < 78)
        & (scene.chroma > 7)
        & (scene.chroma < 46)
        & (scene.lightness > 18)
    )
