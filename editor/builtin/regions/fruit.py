"""Fruit: round, smooth bodies of a fruit's colour, one or many."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.builtin.regions.color import whole_paint
from editor.builtin.regions.face import face
from editor.builtin.regions.scene import (
    FOUND,
    Bool,
    Labels,
    Part,
    Scene,
    close,
    disc,
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
)
from editor.builtin.regions.sky import sky
from editor.builtin.regions.subject import subject

_SKINS = ((350, 42, 30), (38, 76, 36), (70, 104, 34), (98, 132, 26), (300, 352, 12))
"""CIE hue from, to (degrees) and least chroma of red, orange, yellow, green and purple fruit."""
_GREEN = _SKINS[3]
"""Leaves have this colour too: what is found by it is less sure."""
_LEAST = 500
"""A body covers at least one part in so many of the photo."""


@dataclass(frozen=True, slots=True)
class _Body:
    """One candidate: its pixels, how much it looks like a fruit (0..1), and how much counts for it."""

    mask: Bool
    likely: float
    weight: float


def fruit(scene: Scene) -> Part:
    """The round bodies of one colour that are most there, shade and gleam included; else a vivid subject.

    Sure when the bodies make up what has their paint: a sleeve of an orange suit is round, the suit is not.
    """
    best, trust, rank = np.zeros((scene.height, scene.width), bool), 0.0, 0.0
    for skin in _SKINS:
        bodies = _bodies(scene, skin)
        if not bodies:
            continue
        area = np.array([pixels(b.mask) for b in bodies])
        quality = float(sum(b.likely * a for b, a in zip(bodies, area, strict=True)) / area.sum())
        mass = sum(b.weight for b in bodies) / scene.area
        score = quality * ramp(mass, 0.001, 0.012) * (0.85 if skin == _GREEN else 1.0)
        if score * math.sqrt(mass) > rank:
            best, trust, rank = np.logical_or.reduce([b.mask for b in bodies]), score, score * math.sqrt(mass)
    if trust < 0.45:
        other = _vivid_subject(scene)
        if other.confidence > 0.8 * trust:
            return other
    whole = whole_paint(scene, best)
    covered = pixels(best) / max(1, pixels(whole))
    # where little else has the paint, it is the fruit's own; else leaves or a table may have it
    near = grow(best, scene.size(0.12 if covered > 0.5 else 0.03))
    mask = fill_holes((whole | _shade(scene, best)) & near, scene.area // 200)
    # sleeves and balloons: with people in the picture a round, vivid thing is less surely a fruit
    alone = 0.55 if scene.named(face).confidence >= 0.5 else 1.0
    return Part(mask, round(0.8 * alone * trust * ramp(covered, 0.25, 0.65), 4))


def _shade(scene: Scene, bodies: Bool) -> Bool:
    """The dark sides of the bodies, where the light of their neighbours turns the hue: of lemons to orange."""
    if not bodies.any():
        return bodies
    turn = np.radians(scene.hue)
    middle = np.degrees(np.arctan2(np.sin(turn[bodies]).mean(), np.cos(turn[bodies]).mean()))
    away = np.abs((scene.hue - np.float32(middle) + 180) % 360 - 180)
    dark = scene.lightness < float(np.median(scene.lightness[bodies]))
    mask: Bool = dark & (away < 32) & (scene.chroma > 0.5 * float(np.median(scene.chroma[bodies])))
    return mask


def _coloured(scene: Scene, skin: tuple[int, int, int]) -> Bool:
    low, high, least = skin
    half = ((high - low) % 360) / 2
    away = np.abs((scene.hue - (low + half) % 360 + 180) % 360 - 180)
    mask: Bool = (away <= half) & (scene.chroma > least) & (scene.lightness > 8)
    return mask


def _bodies(scene: Scene, skin: tuple[int, int, int]) -> list[_Body]:
    """The bodies of one colour that look like fruit; the smallest beside the main one are left out."""
    mask = _coloured(scene, skin)
    above = scene.named(sky)
    if above.confidence >= FOUND:
        mask &= ~above.mask
    mask = drop_small(opened(close(mask, scene.size(0.004)), scene.size(0.008)), scene.area // 400)
    found = []
    for piece in _pieces(scene, mask):
        rim = grow(piece, scene.size(0.01)) & ~erode(piece, scene.size(0.01))
        vivid = ramp(mean(scene.chroma, piece), skin[2], skin[2] + 22)
        calm = ramp(float(np.median(scene.texture[piece])), 9, 4)
        clear = ramp(mean(scene.focus, rim), 0.12, 0.35)
        likely = _roundness(piece) * (0.4 + 0.6 * vivid) * (0.3 + 0.7 * calm) * clear
        found.append(_Body(piece, likely, pixels(piece) * likely * mean(scene.central, piece)))
    most = max((b.weight for b in found), default=0.0)
    return [b for b in found if b.likely > 0.2 and b.weight >= 0.05 * most]


def _pieces(scene: Scene, mask: Bool) -> Iterator[Bool]:
    """The components; those that are not round are split where fruit touch."""
    count, labels, stats = label(mask)
    for index in range(1, count):
        if stats[index, cv2.CC_STAT_AREA] < scene.area // _LEAST:
            continue
        part = labels == index
        whole = fill_holes(part, int(stats[index, cv2.CC_STAT_AREA]) // 8)
        if _roundness(whole) > 0.6:
            yield whole
            continue
        split = _split(scene, part)
        for number in range(1, int(split.max()) + 1):
            piece = split == number
            area = pixels(piece)
            if area >= scene.area // _LEAST:
                piece = opened(fill_holes(piece, area // 8), scene.size(0.006))
                if piece.any():
                    yield piece


def _split(scene: Scene, mask: Bool) -> Labels:
    """Watershed of the distance to the margin and to the strongest edges inside."""
    from skimage.segmentation import watershed

    edges = scene.edges > max(3.0, float(np.percentile(scene.edges[mask], 88)))
    distance = cv2.distanceTransform((mask & ~edges).astype(np.uint8), cv2.DIST_L2, 5)
    distance = cv2.GaussianBlur(distance, (0, 0), max(1.0, scene.size(0.008)))
    peaks = (distance >= cv2.dilate(distance, disc(scene.size(0.03)))) & (distance > scene.size(0.008))
    _, seeds = cv2.connectedComponents(peaks.astype(np.uint8), connectivity=8)
    return np.asarray(watershed(-distance, seeds, mask=mask), np.int32)


def _roundness(mask: Bool) -> float:
    """0..1 by the isoperimetric quotient of the hull (a disc has 1), how full it is, and how little like a box."""
    hull = _hull(mask)
    area, around = cv2.contourArea(hull), cv2.arcLength(hull, True)
    quotient = 4 * math.pi * area / max(1.0, around * around)
    return ramp(quotient, 0.6, 0.82) * ramp(pixels(mask) / max(1.0, area), 0.78, 0.93) * _no_box(hull)


def _hull(mask: Bool) -> NDArray[np.int32]:
    """The convex hull of the largest component, as OpenCV's points."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cast("NDArray[np.int32]", cv2.convexHull(max(contours, key=cv2.contourArea)))


def _no_box(hull: NDArray[np.int32]) -> float:
    """0 for a rectangle, 1 for what leaves the corners of one free."""
    width, height = cv2.minAreaRect(hull)[1]
    return ramp(cv2.contourArea(hull) / max(1.0, width * height), 0.95, 0.86)


def _vivid_subject(scene: Scene) -> Part:
    """The subject, where it has a fruit's colour: bananas and pineapples are not round."""
    main = scene.named(subject)
    vivid = np.logical_or.reduce([_coloured(scene, skin) for skin in _SKINS]) & main.mask
    if main.confidence < FOUND or not vivid.any() or scene.named(face).confidence >= FOUND:
        return Part(vivid, 0.0)
    trust = ramp(share(vivid, main.mask), 0.5, 0.8) * ramp(share(vivid), 0.005, 0.03) * _no_box(_hull(vivid))
    return Part(vivid, round(0.55 * main.confidence * trust, 4))
