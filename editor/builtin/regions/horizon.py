"""A level line inside a region: where a sea meets the sky or the far shore."""

from __future__ import annotations

import numpy as np

from editor.builtin.regions.scene import Bool, Scene

_LEAST_STEP = 3.0
"""CIE76 over four rows, averaged along the line: waves and clouds average out."""
_PROMINENT = 3.0
"""How many times the median row's step it must have."""
_LEAST_WIDTH = 0.5
"""Share of the region's columns that it crosses."""


def level_line(scene: Scene, mask: Bool) -> int | None:
    """Row of the uppermost level line that crosses a region, or None.

    Along a horizon the step of colour has one sign; hills, waves and clouds have both and cancel out.
    """
    height = scene.height
    columns = int(mask.any(axis=0).sum())
    if columns < 8 or height < 24:
        return None
    lab, both = scene.smooth_lab, mask[4:] & mask[:-4]
    step = np.where(both[..., None], lab[4:] - lab[:-4], 0).sum(axis=1)
    crossed = both.sum(axis=1)
    strength = np.linalg.norm(step, axis=1) / np.maximum(crossed, _LEAST_WIDTH * columns)
    strength[crossed < _LEAST_WIDTH * columns] = 0
    inside = strength[strength > 0]
    if not inside.size:
        return None
    least = max(_LEAST_STEP, _PROMINENT * float(np.median(inside)), 0.6 * float(inside.max()))
    rows = np.flatnonzero(strength >= least)
    return int(rows[0]) + 2 if rows.size else None
