"""Foliage, the leaf, grass and flowers."""

from __future__ import annotations

import math

import cv2
import numpy as np

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
    watershed,
)
from editor.builtin.regions.sky import sky


def _green(scene: Scene) -> Bool:
    """Chlorophyll: yellow-green to bluish green, dark foliage included; paint is more vivid than leaves are."""
    light = scene.lightness
    enough = np.where(light < 30, 5.0, 8.0)
    vivid = np.where(scene.hue < 112, 72.0, 66.0)
    return (
        (scene.hue > 100)
        & (scene.hue < 172)
        & (scene.chroma > enough)
        & (scene.chroma < vivid)
        & (light > 4)
        & (light < 90)
    )


def _olive(scene: Scene) -> Bool:
    """Dry or sunlit vegetation between yellow and green; not pale things in warm light."""
    enough = 0.3 * scene.lightness + 2
    return (
        (scene.hue > 82)
        & (scene.hue <= 100)
        & (scene.chroma > enough)
        & (scene.chroma < 60)
        & (scene.lightness < 66)
    )


def _autumn(scene: Scene) -> Bool:
    """Turned leaves: rough, from yellow to rust."""
    rough: Bool = cv2.GaussianBlur(scene.texture, (0, 0), scene.size(0.01)) > 1.6
    # straw and seed heads in warm light are yellow too, but paler for their lightness
    enough = np.maximum(17, scene.lightness * np.interp(scene.hue, (65, 78), (0.34, 0.62)))
    return rough & (scene.hue > 38) & (scene.hue < 100) & (scene.chroma > enough) & (scene.lightness < 82)


def foliage(scene: Scene) -> Part:
    """All vegetation: leaves, trees, bushes and grass; outdoors also trees in autumn colours."""
    above = scene.named(sky)
    green = _green(scene)
    if above.confidence >= FOUND:
        green |= _olive(scene) & (scene.texture > 1.2)
        mask = green | _autumn(scene) if share(green) > 0.05 else green
        mask &= ~above.mask
    else:
        mask = green | (_olive(scene) & grow(green, scene.size(0.03)))
    mask = opened(close(mask, scene.size(0.005)), scene.size(0.003))
    mask = fill_holes(drop_small(mask, scene.size(0.02) ** 2), scene.size(0.012) ** 2)
    return Part(mask, _foliage_confidence(scene, mask, green))


def _foliage_confidence(scene: Scene, mask: Bool, green: Bool) -> float:
    if not mask.any():
        return 0.0
    leafy = green & mask
    # leaves differ among themselves; a painted thing is one colour
    varied = ramp(float(scene.hue[leafy].std()) if leafy.any() else 0.0, 2, 7)
    natural = ramp(float(np.percentile(scene.chroma[mask], 75)), 68, 45)
    rough = ramp(mean(scene.texture, mask), 0.6, 2.5)
    parts = (
        ramp(_largest(mask) / scene.area, 0.005, 0.05),
        0.5 + 0.5 * varied,
        natural,
        0.4 + 0.6 * rough,
        ramp(share(leafy, mask), 0.1, 0.4),
    )
    return round(math.prod(parts) ** 0.7, 4)


def _largest(mask: Bool) -> int:
    """Pixels of the largest component."""
    return int(label(mask)[2][1:, cv2.CC_STAT_AREA].max(initial=0))


def leaf(scene: Scene) -> Part:
    """The main leaf (or leaves that hang together) in focus: green by hue, holes filled, no green blur behind it."""
    green = close(_green(scene), scene.size(0.003))
    sharp = close((scene.focus > _sharp_from(scene, green)) & green, scene.size(0.02))
    near = opened(fill_holes(sharp, scene.area) & green, scene.size(0.006))
    # the focus map bleeds outwards: the rim between the markers is left to the watershed
    inside = erode(near, scene.size(0.014))
    outside = erode(~grow(green, scene.size(0.004)), 1) | (green & ~grow(near, scene.size(0.006)))
    mask = watershed(scene, inside, outside) & grow(green, scene.size(0.004))
    blade = _main(scene, opened(mask, scene.size(0.012)))
    # back to the teeth and the tip, but not along the stem
    mask = _fill_leaf(scene, mask & grow(blade, scene.size(0.014)))
    return Part(mask, _leaf_confidence(scene, mask, green))


def _sharp_from(scene: Scene, green: Bool) -> float:
    """Focus that parts the leaf from green blur: by Otsu's method where there are two kinds of green, else low."""
    if share(green) < 0.005:
        return 0.3
    values = scene.focus[green]
    threshold, apart = two_kinds(values)
    if apart <= 2.6:
        return 0.3
    # nearer to the blur than Otsu's: the calmest corner of the leaf is still leaf
    soft, sharp = float(values[values <= threshold].mean()), float(values[values > threshold].mean())
    return soft + 0.3 * (sharp - soft)


def _fill_leaf(scene: Scene, mask: Bool) -> Bool:
    """Fill the holes that are spots, veins or glare; a flower or a gap that shows something else stays out."""
    mask = fill_holes(mask, pixels(mask) // 100)
    holes = fill_holes(mask, scene.area) & ~mask
    count, labels, _ = label(holes)
    for index in range(1, count):
        hole = labels == index
        brownish = (scene.hue[hole] > 35) & (scene.hue[hole] < 175) & (scene.lightness[hole] < 75)
        if brownish.mean() > 0.7:
            mask = mask | hole
    return mask


def _main(scene: Scene, mask: Bool) -> Bool:
    """The component with the most pixels in focus near the centre, and any that come close to it."""
    count, labels, _ = label(drop_small(mask, scene.size(0.03) ** 2))
    if count < 2:
        return np.zeros_like(mask)
    weights = np.bincount(labels.ravel(), weights=(scene.central * scene.focus).ravel())
    weights[0] = 0
    keep: Bool = weights >= 0.5 * weights.max()
    keep[0] = False
    return keep[labels]


def _leaf_confidence(scene: Scene, mask: Bool, green: Bool) -> float:
    if not mask.any():
        return 0.0
    natural = ramp(float(np.percentile(scene.chroma[mask], 75)), 70, 50)
    sharper = mean(scene.focus, mask) / max(0.05, mean(scene.focus, ~mask, 0.3))
    clear = ramp(mean(scene.focus, mask), 0.28, 0.48) * (0.5 + 0.5 * ramp(sharper, 0.7, 1.4))
    # a leaf has veins; painted metal and plastic are smooth
    veined = ramp(float(np.median(scene.texture[mask])), 0.7, 1.4)
    parts = (ramp(share(mask), 0.02, 0.1), natural, clear, veined, ramp(share(green, mask), 0.5, 0.8))
    turf = scene.named(grass)
    lawn = 0.25 if turf.confidence >= FOUND and share(turf.mask, mask) > 0.5 else 1.0
    return round(lawn * math.prod(parts) ** 0.7, 4)


def grass(scene: Scene) -> Part:
    """Low vegetation: fine texture, in the lower part, reaching the bottom or wide across the photo."""
    green = _green(scene) | _olive(scene)
    above = scene.named(sky)
    fine = green & (scene.texture > 0.7) & ~above.mask
    mask = opened(close(fine, scene.size(0.006)), scene.size(0.01))
    count, labels, stats = label(drop_small(mask, scene.area // 100))
    _, top, width, height, _ = stats.T
    keep = (width > 0.4 * scene.width) & (top + height > 0.85 * scene.height)
    keep[0] = False
    mask = fill_holes(keep[labels], scene.size(0.012) ** 2) if count > 1 else np.zeros_like(mask)
    if not mask.any() or mean(np.broadcast_to(scene.down, mask.shape), mask) < 0.5:
        return Part(mask, 0.0)
    natural = ramp(float(np.percentile(scene.chroma[mask], 75)), 70, 50)
    # a lawn is rough all over, leaves are smooth with strong edges; without a sky that has to be plain
    low, middle, high = np.percentile(scene.texture[mask], (10, 50, 90))
    even = ramp(float(high / max(0.1, middle)), 2.9, 1.9) * ramp(float(low / max(0.1, middle)), 0.3, 0.5)
    outdoor = 1.0 if above.confidence >= FOUND else even
    parts = (
        ramp(share(mask), 0.03, 0.15),
        natural,
        outdoor,
        0.6 + 0.4 * even,
        ramp(mean(scene.texture, mask), 0.7, 1.8),
    )
    return Part(mask, round(0.95 * math.prod(parts) ** 0.7, 4))


def flower(scene: Scene) -> Part:
    """A vivid or pale thing that is not green, in focus, of moderate size, with foliage around it."""
    plant = (
        _green(scene) | (_olive(scene) & (scene.chroma > 0.6 * scene.lightness)) | scene.named(foliage).mask
    )
    plant &= scene.lightness < 75
    other = ~_green(scene) & (
        ((scene.chroma > 22) & ((scene.hue < 88) | (scene.hue > 280))) | (scene.lightness > 72)
    )
    other &= (scene.lightness > 30) & ~scene.named(sky).mask
    threshold, apart = two_kinds(scene.focus)
    if apart > 2:
        # smooth petals are sharp at their edges only
        other &= fill_holes(close(scene.focus > threshold, scene.size(0.04)), scene.area // 15)
    # the gaps between petals belong to the flower
    other = opened(close(other, scene.size(0.012)), scene.size(0.006))
    return _best_blob(scene, other, plant)


def _best_blob(scene: Scene, candidates: Bool, plant: Bool) -> Part:
    """The candidates that stand in foliage, ranked by size, focus and centrality."""
    count, labels, _ = label(drop_small(candidates, scene.size(0.03) ** 2))
    scores = np.zeros(count)
    trusts = np.zeros(count)
    reach = scene.size(0.03)
    for index in range(1, count):
        piece = labels == index
        size = share(piece)
        ring = grow(piece, reach) & ~grow(piece, scene.size(0.008))
        if size > 0.3 or not ring.any():
            continue
        green = share(plant, ring)
        trust = ramp(green, 0.25, 0.7) * ramp(mean(scene.focus, piece), 0.15, 0.45)
        trust *= ramp(_border(piece), 0.12, 0.0) * ramp(size, 0.001, 0.01)
        trust *= ramp(
            float(np.linalg.norm(scene.smooth_lab[piece].mean(0) - scene.smooth_lab[ring].mean(0))), 15, 35
        )
        trusts[index] = trust
        scores[index] = trust * math.sqrt(size) * mean(scene.central, piece)
    if scores.max(initial=0) <= 0:
        return Part(np.zeros_like(candidates), 0.0)
    keep = scores >= 0.5 * scores.max()
    mask = fill_holes(keep[labels], scene.size(0.02) ** 2)
    return Part(mask, round(0.9 * float(trusts[int(scores.argmax())]), 4))


def _border(mask: Bool) -> float:
    """Share of a mask's outline length that lies on the photo's border (0 = free)."""
    on = mask[0].sum() + mask[-1].sum() + mask[:, 0].sum() + mask[:, -1].sum()
    return float(on) / max(1.0, 4 * math.sqrt(pixels(mask)))
