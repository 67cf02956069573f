"""The main subject, and the background behind it."""

from __future__ import annotations

import math

import cv2
import numpy as np

from editor.builtin.regions.face import face
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
    label,
    mean,
    opened,
    pixels,
    ramp,
    share,
    two_kinds,
)
from editor.builtin.regions.sky import sky

_SIDE = 320
"""GrabCut's working size, longest side in pixels."""
_SEED = 20250211
"""OpenCV's generator seeds GrabCut's colour clusters; a fixed seed makes the mask repeatable."""

_DEPTH = 2.0
"""How far apart sharp and blurred must be (see two_kinds) before focus says what the subject is."""

_CLOSE_UP = 1.7
"""How much sharper the middle must be than the frame's sides for the subject to be what is sharp, sides included."""


def subject(scene: Scene) -> Part:
    """The thing the photo is of, by GrabCut (Rother et al. 2004): the border is background, the middle is likely not.

    The confidence says how well the two sides differ in colour and whether an edge lies between them.
    """
    scale = min(1.0, _SIDE / max(scene.width, scene.height))
    size = max(1, round(scene.width * scale)), max(1, round(scene.height * scale))
    if min(size) < 16:
        return Part(np.zeros((scene.height, scene.width), bool), 0.0)
    eight = np.rint(cv2.resize(scene.rgb, size, interpolation=cv2.INTER_AREA) * 255).astype(np.uint8)
    labels = _prior(scene, size)
    likely = (labels & 1) > 0  # GC_FGD and GC_PR_FGD are the odd ones
    if not likely.any() or likely.all():
        return Part(np.zeros((scene.height, scene.width), bool), 0.0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    # the models see Lab: distances as people see them
    cv2.setRNGSeed(_SEED)
    cv2.grabCut(cv2.cvtColor(eight, cv2.COLOR_RGB2Lab), labels, None, *models, 4, cv2.GC_INIT_WITH_MASK)
    front = (labels & 1) * np.uint8(255)
    large = cv2.resize(front, (scene.width, scene.height), interpolation=cv2.INTER_LINEAR) > 127
    mask = _tidy(scene, large)
    return Part(mask, _confidence(scene, mask))


def background(scene: Scene) -> Part:
    """All but the subject."""
    found = scene.named(subject)
    return Part(~found.mask, found.confidence)


def _prior(scene: Scene, size: tuple[int, int]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """GrabCut's first guess: border and sky are background; what is sharp before a blur, or else a central ellipse,
    and any face with its body, are likely the subject."""
    width, height = size
    labels = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
    threshold, apart = two_kinds(scene.focus)
    sharp = opened(close(scene.focus > threshold, scene.size(0.02)), scene.size(0.02))
    close_up = mean(scene.focus, _middle(scene)) > _CLOSE_UP * max(0.01, mean(scene.focus, _frame(scene)))
    if (apart > _DEPTH or close_up) and share(sharp) > 0.01:
        labels[cv2.resize(sharp.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0] = cv2.GC_PR_FGD
    else:
        axes = int(width * 0.4), int(height * 0.42)
        cv2.ellipse(labels, (width // 2, height // 2), axes, 0, 0, 360, int(cv2.GC_PR_FGD), -1)
    _mark_person(scene, labels)
    above = scene.named(sky)
    if above.confidence >= FOUND:
        far = cv2.resize(above.mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        labels[far > 0] = cv2.GC_BGD
    rim = max(2, round(min(size) * 0.02))
    border = np.zeros(labels.shape, bool)
    # the bottom is left open: people, cups and animals stand on it
    border[:rim] = border[: height * 4 // 5, :rim] = border[: height * 4 // 5, -rim:] = True
    if close_up:
        # fur and feathers have the colours of what is behind them: here focus says more than colour
        sure = fill_holes(erode(sharp, scene.size(0.02)), scene.area // 50)
        border &= labels != cv2.GC_PR_FGD
        labels[cv2.resize(sure.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0] = cv2.GC_FGD
    labels[border] = cv2.GC_BGD
    return labels


def _mark_person(scene: Scene, labels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    """A face is the subject for sure; its hair and the body below it are likely."""
    height, width = labels.shape
    person = scene.named(face)
    if person.confidence >= 0.5:
        where = cv2.resize(person.mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
        x, y, w, h = cv2.boundingRect(where)
        cv2.ellipse(
            labels, (x + w // 2, y + h // 2), (int(w * 0.8), int(h * 0.9)), 0, 0, 360, int(cv2.GC_PR_FGD), -1
        )
        body = slice(y + h, height), slice(max(0, x - w), min(width, x + 2 * w))
        labels[body] = cv2.GC_PR_FGD
        labels[where > 0] = cv2.GC_FGD


def _middle(scene: Scene) -> Bool:
    return scene.central > 0.83


def _frame(scene: Scene) -> Bool:
    """A strip along the photo's four sides."""
    strip = np.ones((scene.height, scene.width), bool)
    width = scene.size(0.03)
    strip[width:-width, width:-width] = False
    return strip


def _tidy(scene: Scene, mask: Bool) -> Bool:
    """The main component, its big companions, and no holes but large ones."""
    mask = close(mask, scene.size(0.006))
    mask = drop_small(mask, scene.size(0.02) ** 2)
    count, labels, _ = label(mask)
    if count < 2:
        return mask
    weights = np.bincount(labels.ravel(), weights=scene.central.ravel())
    weights[0] = 0
    keep = weights >= 0.2 * weights.max()
    keep[0] = False
    return fill_holes(keep[labels], scene.area // 50)


def _confidence(scene: Scene, mask: Bool) -> float:
    """Geometric mean of: sides that differ in colour, an edge between them, a plausible size, free of the borders."""
    if not mask.any() or mask.all():
        return 0.0
    reach = scene.size(0.03)
    rim_in, rim_out = mask & ~erode(mask, reach), grow(mask, reach) & ~mask
    line = grow(mask, 1) & ~erode(mask, 1)
    apart = _overlap(scene, mask)
    local = float(np.linalg.norm(scene.smooth_lab[rim_in].mean(0) - scene.smooth_lab[rim_out].mean(0)))
    edge = mean(scene.edges, line) / max(0.5, mean(scene.edges, ~line))
    columns = np.flatnonzero(mask.any(axis=0))
    wide = float(columns[-1] - columns[0]) / scene.width
    # under a sky, what runs from the left border to the right one is landscape, not a subject
    landscape = scene.named(sky).confidence >= FOUND and scene.named(face).confidence < 0.5
    covered = share(mask)
    sharper = mean(scene.focus, mask) / max(0.01, mean(scene.focus, ~mask))
    parts = (
        max(ramp(apart, 0.75, 0.25), ramp(sharper, 1.3, 2.3)),
        ramp(local, 4, 22),
        ramp(edge, 1.0, 3.0),
        min(ramp(covered, 0.004, 0.04), ramp(covered, 0.9, 0.65)),
        ramp(wide, 0.95, 0.75) ** 3 if landscape else 1.0,
    )
    return round(0.95 * math.prod(max(p, 1e-4) for p in parts) ** (1 / len(parts)), 4)


def _overlap(scene: Scene, mask: Bool) -> float:
    """Overlap of the two sides' Lab histograms, 0 (no colour in common) to 1."""
    bins = np.clip((scene.smooth_lab + np.array([0, 128, 128])) / np.array([12.5, 10, 10]), 0, 31).astype(
        np.int32
    )
    code = (bins[..., 0] * 32 + bins[..., 1]) * 32 + bins[..., 2]
    front = np.bincount(code[mask], minlength=32768) / max(1, pixels(mask))
    back = np.bincount(code[~mask], minlength=32768) / max(1, pixels(~mask))
    return float(np.minimum(front, back).sum())
