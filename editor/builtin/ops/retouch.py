"""Filling a marked object from its surroundings.

Thin marks (wires, scratches) are diffused from their sides. Larger holes are synthesised from patches of the
surroundings: the PatchMatch search (Barnes et al., SIGGRAPH 2009) inside the coarse-to-fine completion of Wexler,
Shechtman and Irani (PAMI 2007). That happens at a bounded size; the full picture then gets the smooth part of the
result enlarged, and the fine detail copied from where the patches came from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.base import CannotDo, Image, Mask
from editor.builtin.core import Context, Op
from editor.builtin.grammar.messages import say
from editor.builtin.pixels import Float, from_float, full, to_float

PATCH = 7
THIN = 3.5
"""Holes no deeper than this many pixels are diffused rather than synthesised."""
HOLE_PIXELS = 9_000
"""Size of a hole at which patches are searched; larger holes are worked on at reduced size."""
SCENE_PIXELS = 130_000
"""Size of the hole's surroundings at which patches are searched."""
MAX_HOLES = 12
_HALF = PATCH // 2
Index = NDArray[np.int64]


def inpaint(image: Image, op: Op, context: Context) -> Image:
    """Fill context.mask from what lies around it; pixels outside of the mask stay. Raises CannotDo without one."""
    if context.mask is None:
        raise CannotDo(say("To remove something, show where it is: --mask MASK.png or --region X,Y,W,H."))
    hole = (context.mask > 0).astype(np.uint8)
    if not hole.any():
        return image.copy()
    if hole.mean() > 0.75:
        raise CannotDo(say("The mark covers almost the whole photo; there is nothing left to fill it from."))
    out = image.copy()
    for part in _parts(hole):
        _fill(out, hole, part, context.rng)
    return out


def _parts(hole: Mask) -> list[Mask]:
    """The holes one by one, those close together as one, the largest first; very many are taken as a single one."""
    reach = max(3, round(0.01 * max(hole.shape))) | 1
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        cv2.dilate(hole, np.ones((reach, reach), np.uint8)), connectivity=8
    )
    if count - 1 > MAX_HOLES:
        return [hole]
    order = sorted(range(1, count), key=lambda i: -int(stats[i, cv2.CC_STAT_AREA]))
    return [hole * (labels == i).astype(np.uint8) for i in order]


def _fill(out: Image, hole: Mask, part: Mask, rng: np.random.Generator) -> None:
    """Fill one part of the hole, in place."""
    depth = float(cv2.distanceTransform(np.pad(part, 1), cv2.DIST_L2, 5).max())
    x, y, w, h = cv2.boundingRect(part)
    thin = depth <= THIN
    margin = 12 if thin else max(40, round(0.9 * max(w, h)))
    top, left = max(0, y - margin), max(0, x - margin)
    window = np.s_[top : y + h + margin, left : x + w + margin]
    scene, wanted, unknown = out[window], part[window] > 0, hole[window] > 0
    filled = _diffuse(scene, wanted) if thin else _synthesise(scene, wanted, unknown, rng)
    scene[wanted] = filled[wanted]


def _diffuse(scene: Image, wanted: NDArray[np.bool_]) -> Image:
    """Navier-Stokes inpainting (OpenCV), channel by channel so that 16 bits work too."""
    mask = wanted.astype(np.uint8)
    planes = [cv2.inpaint(np.ascontiguousarray(scene[..., c]), mask, 3, cv2.INPAINT_NS) for c in range(3)]
    return cast("Image", np.dstack(planes))


# patches --------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Level:
    """One size of the pyramid. picture: (h, w, 3) float32; the hole's pixels change while it is worked on.

    targets: flat indices of the patch centres that touch the hole. sources: (h, w), where a patch may come from.
    match: flat index of the source chosen for every target. cost: its mean squared difference.
    """

    picture: Float
    hole: NDArray[np.bool_]
    sources: NDArray[np.bool_]
    targets: Index
    match: Index
    cost: Float


def _synthesise(
    scene: Image, wanted: NDArray[np.bool_], unknown: NDArray[np.bool_], rng: np.random.Generator
) -> Image:
    area = scene.shape[0] * scene.shape[1]
    scale = min(1.0, (HOLE_PIXELS / wanted.sum()) ** 0.5, (SCENE_PIXELS / area) ** 0.5)
    size = max(2 * PATCH, round(scene.shape[1] * scale)), max(2 * PATCH, round(scene.shape[0] * scale))
    small = to_float(cast("Image", cv2.resize(scene, size, interpolation=cv2.INTER_AREA)))
    # a working pixel that the object touches at all is unknown
    gone = cv2.resize((wanted | unknown).astype(np.float32), size, interpolation=cv2.INTER_AREA) > 1e-3
    level = _complete(small, gone, rng)
    if scale == 1.0:
        return from_float(level.picture, scene)
    return _enlarge(scene, wanted, small, level)


def _complete(small: Float, gone: NDArray[np.bool_], rng: np.random.Generator) -> _Level:
    """Coarse to fine: search matches, vote for colours, and hand the matches on to the next size."""
    depth = float(cv2.distanceTransform(gone.astype(np.uint8), cv2.DIST_L2, 5).max())
    # the coarsest size has a hole a few pixels deep, and still room around it for patches to come from
    room = max(1.0, min(gone.shape) / (5 * PATCH))
    steps = int(np.floor(min(np.log2(max(1.0, depth / 2.5)), np.log2(room))))
    level: _Level | None = None
    for step in range(steps, -1, -1):
        size = tuple(max(2 * PATCH, round(n / 2**step)) for n in gone.shape)
        level = _start(small, gone, (size[0], size[1]), level, rng)
        for _ in range(7 if step else 4):
            _search(level, rng)
            _vote(level)
    assert level is not None
    return level


def _start(
    small: Float,
    gone: NDArray[np.bool_],
    size: tuple[int, int],
    coarser: _Level | None,
    rng: np.random.Generator,
) -> _Level:
    """A level of `size` (rows, columns): the known pixels, and in the hole the coarser result or a diffusion."""
    height, width = size
    hole = cv2.resize(gone.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA) > 1e-3
    picture = cv2.resize(small, (width, height), interpolation=cv2.INTER_AREA)
    if coarser is None:
        first = cv2.inpaint(
            from_float(picture, np.zeros(1, np.uint8)), hole.astype(np.uint8), 3, cv2.INPAINT_TELEA
        )
        guess = first.astype(np.float32) / 255
    else:
        guess = cv2.resize(coarser.picture, (width, height), interpolation=cv2.INTER_LINEAR)
    picture = np.where(hole[..., None], guess, picture).astype(np.float32)
    square = np.ones((PATCH, PATCH), np.uint8)
    touched = cv2.dilate(hole.astype(np.uint8), square) > 0
    inner = np.zeros(size, bool)
    inner[_HALF : height - _HALF, _HALF : width - _HALF] = True
    sources = inner & ~touched
    if not sources.any():
        raise CannotDo(
            say("There is too little around the mark to fill it from; mark less, or give a larger photo.")
        )
    targets = np.flatnonzero(touched & inner)
    match = _handed_on(targets, size, coarser) if coarser else np.zeros(len(targets), np.int64)
    wrong = ~sources.ravel()[match]
    match[wrong] = rng.choice(np.flatnonzero(sources), int(wrong.sum()))
    return _Level(picture, hole, sources, targets, match, np.full(len(targets), np.inf, np.float32))


def _handed_on(targets: Index, size: tuple[int, int], coarser: _Level) -> Index:
    """Matches of the coarser level, as the same displacement at this size."""
    field = np.full(coarser.hole.size, -1, np.int64)
    field[coarser.targets] = coarser.match
    (low_height, low_width), (height, width) = coarser.hole.shape, size
    rows, columns = np.divmod(targets, width)
    low_rows = np.clip(rows * low_height // height, 0, low_height - 1)
    low_columns = np.clip(columns * low_width // width, 0, low_width - 1)
    from_rows, from_columns = np.divmod(field[low_rows * low_width + low_columns], low_width)
    to_rows = rows + np.rint((from_rows - low_rows) * (height / low_height)).astype(np.int64)
    to_columns = columns + np.rint((from_columns - low_columns) * (width / low_width)).astype(np.int64)
    inside = (to_rows >= 0) & (to_rows < height) & (to_columns >= 0) & (to_columns < width)
    known = inside & (field[low_rows * low_width + low_columns] >= 0)
    # index 0 is never a source: the caller draws those anew
    return np.where(known, to_rows * width + to_columns, 0)


def _patches(picture: Float, centres: Index) -> Float:
    """The patches about flat `centres`, (n, PATCH * PATCH * 3)."""
    rows, columns = np.divmod(centres, picture.shape[1])
    windows = np.lib.stride_tricks.sliding_window_view(picture, (PATCH, PATCH), axis=(0, 1))
    return cast("Float", windows[rows - _HALF, columns - _HALF].reshape(len(centres), -1))


def _search(level: _Level, rng: np.random.Generator) -> None:
    """Improve every match: what the neighbours found (shifted alike), then random places ever closer."""
    height, width = level.hole.shape
    wanted = _patches(level.picture, level.targets)
    level.cost = ((wanted - _patches(level.picture, level.match)) ** 2).mean(axis=1)
    place = np.full(height * width, -1, np.int64)
    place[level.targets] = np.arange(len(level.targets))
    for reach in (8, 2, 1):
        for shift in (reach, -reach, reach * width, -reach * width):
            near = np.clip(level.targets + shift, 0, height * width - 1)
            found = place[near]
            _offer(level, wanted, np.where(found >= 0, level.match[found] - shift, -1))
    radius = max(height, width) // 2
    while radius >= 1:
        rows, columns = np.divmod(level.match, width)
        jump = rng.integers(-radius, radius + 1, (2, len(rows)))
        rows, columns = np.clip(rows + jump[0], 0, height - 1), np.clip(columns + jump[1], 0, width - 1)
        _offer(level, wanted, rows * width + columns)
        radius //= 3


def _offer(level: _Level, wanted: Float, candidates: Index) -> None:
    """Take a candidate source wherever it is allowed and fits better."""
    allowed = (candidates >= 0) & (candidates < level.sources.size)
    allowed &= level.sources.ravel()[np.where(allowed, candidates, 0)]
    index = np.flatnonzero(allowed & (candidates != level.match))
    if not len(index):
        return
    cost = ((wanted[index] - _patches(level.picture, candidates[index])) ** 2).mean(axis=1)
    better = cost < level.cost[index]
    level.match[index[better]] = candidates[index[better]]
    level.cost[index[better]] = cost[better]


def _vote(level: _Level) -> None:
    """Every pixel of the hole becomes the mean of what the patches over it say, good and outer ones first."""
    width = level.hole.shape[1]
    # Wexler's weights: patches near the known pixels are more certain
    depth = cv2.distanceTransform(level.hole.astype(np.uint8), cv2.DIST_L2, 5).ravel()[level.targets]
    spread = float(np.percentile(level.cost, 60)) + 1e-6
    weight = (np.exp(-level.cost / (2 * spread)) * 1.25 ** -np.minimum(depth, 60)).astype(np.float32)
    flat = level.picture.reshape(-1, 3)
    total = np.zeros_like(flat)
    share = np.zeros(len(flat), np.float32)
    for dy in range(-_HALF, _HALF + 1):
        for dx in range(-_HALF, _HALF + 1):
            shift = dy * width + dx
            # targets are distinct, so no pixel is met twice within one shift
            total[level.targets + shift] += weight[:, None] * flat[level.match + shift]
            share[level.targets + shift] += weight
    known = level.hole.ravel() & (share > 0)
    flat[known] = total[known] / share[known, None]


def _enlarge(scene: Image, wanted: NDArray[np.bool_], small: Float, level: _Level) -> Image:
    """The completion at the scene's size: its smooth part enlarged, and detail copied from the matched places."""
    height, width = scene.shape[:2]
    low_height, low_width = level.hole.shape
    field = np.full(level.hole.size, -1, np.int64)
    field[level.targets] = level.match
    rows, columns = np.nonzero(wanted)
    low_rows, low_columns = rows * low_height // height, columns * low_width // width
    source = field[low_rows * low_width + low_columns]
    source_rows, source_columns = np.divmod(source, low_width)
    from_rows = np.clip(
        rows + np.rint((source_rows - low_rows) * (height / low_height)).astype(np.int64), 0, height - 1
    )
    from_columns = np.clip(
        columns + np.rint((source_columns - low_columns) * (width / low_width)).astype(np.int64), 0, width - 1
    )
    smooth = cv2.resize(level.picture, (width, height), interpolation=cv2.INTER_CUBIC)
    known = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    detail = scene[from_rows, from_columns].astype(np.float32) / full(scene) - known[from_rows, from_columns]
    usable = (source >= 0) & ~wanted[from_rows, from_columns]
    out = scene.copy()
    out[rows, columns] = from_float(smooth[rows, columns] + detail * usable[:, None], scene)
    return out
