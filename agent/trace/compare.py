"""What differs between two runs: words, numbers and pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from agent.trace.pictures import load
from agent.trace.records import Edited, ImageRef
from agent.trace.view import RoundView, RunView, said

NOT_COMPARED = {"runs", "keep", "previews"}
"""Settings that change where things are kept and how many, not what is made."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs, as text on both sides; "" = not there."""

    what: str
    a: str
    b: str


@dataclass(frozen=True, slots=True)
class PictureComparison:
    """Two pictures of the same round and step. most, mean: difference on the 0..255 scale; None: not comparable."""

    round: int
    step: int
    identical: bool
    most: float | None = None
    mean: float | None = None
    only: str = ""
    """"a" or "b": only this run has the step."""
    scaled: bool = False
    """Compared as kept, scaled down: finer differences would not show."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs side by side."""

    differences: list[Difference]
    pictures: list[PictureComparison]

    @property
    def identical_pixels(self) -> bool:
        """Whether both have the same pictures in the same rounds and steps, and any at all."""
        return bool(self.pictures) and all(picture.identical for picture in self.pictures)

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not self.differences and all(picture.identical for picture in self.pictures)


def compare(a: RunView, b: RunView) -> Comparison:
    """Compare two runs; pictures by their pixels, as far as both runs have them. Times are not compared."""
    told_a, told_b = dict(_told(a)), dict(_told(b))
    names = [*told_a, *(name for name in told_b if name not in told_a)]
    differences = [
        Difference(name, told_a.get(name, ""), told_b.get(name, ""))
        for name in names
        if told_a.get(name, "") != told_b.get(name, "")
        # a setting that only one version of reedit has is no difference
        and not (name.startswith("setting ") and (name not in told_a or name not in told_b))
    ]
    return Comparison(differences, list(_pictures(a, b)))


def _told(run: RunView) -> Iterator[tuple[str, str]]:
    """All that is compared of one run, by name."""
    yield "request", said(run.header, "instruction")
    yield "photo", said(run.header, "input", "sha256")[:16]
    settings = run.header.get("settings")
    if isinstance(settings, dict):
        for name, value in settings.items():
            if name not in NOT_COMPARED:
                yield f"setting {name}", said(value)
    if run.planned:
        for number, step in enumerate(run.planned.plan.steps, 1):
            yield f"plan, step {number}", step
    yield "description", run.described.text if run.described else ""
    for this in run.rounds:
        yield from _round(this)
    yield "status", said(run.result, "status")
    yield "delivered round", _count(run.result, "best")


def _round(this: RoundView) -> Iterator[tuple[str, str]]:
    name = f"round {this.index + 1}"
    for edit in this.edits:
        yield f"{name}, step {edit.step + 1}", edit.instruction
        yield f"{name}, step {edit.step + 1}, seed", str(edit.seed)
        yield f"{name}, step {edit.step + 1}, editor", edit.editor
    if this.scored:
        yield f"{name}, score", f"{this.scored.consistency.score:g}"
    if this.concluded:
        yield f"{name}, verdict", this.concluded.verdict.tag
        yield f"{name}, next", this.concluded.verdict.instruction or ""


def _count(result: Any, key: str) -> str:
    value = (result or {}).get(key)
    return str(value + 1) if isinstance(value, int) else ""


def _pictures(a: RunView, b: RunView) -> Iterator[PictureComparison]:
    edits_a = {(edit.round, edit.step): edit for this in a.rounds for edit in this.edits}
    edits_b = {(edit.round, edit.step): edit for this in b.rounds for edit in this.edits}
    for place in sorted(edits_a.keys() | edits_b.keys()):
        yield _picture(a, b, place, edits_a.get(place), edits_b.get(place))


def _picture(
    a: RunView, b: RunView, place: tuple[int, int], in_a: Edited | None, in_b: Edited | None
) -> PictureComparison:
    if in_a is None or in_b is None:
        return PictureComparison(*place, identical=False, only="b" if in_a is None else "a")
    one, other = in_a.image, in_b.image
    scaled = min(one.scale, other.scale) < 1
    if _size(one) != _size(other):
        return PictureComparison(*place, identical=False, scaled=scaled)
    pixels_a, pixels_b = load(a.run, one), load(b.run, other)
    if pixels_a is None or pixels_b is None or pixels_a.shape != pixels_b.shape:
        return PictureComparison(*place, identical=False, scaled=scaled)
    if pixels_a.dtype != pixels_b.dtype:
        return PictureComparison(*place, identical=False, scaled=scaled)
    most, mean = cv2.norm(pixels_a, pixels_b, cv2.NORM_INF), float(cv2.absdiff(pixels_a, pixels_b).mean())
    unit = np.iinfo(pixels_a.dtype).max / 255
    return PictureComparison(*place, most == 0, round(most / unit, 3), round(mean / unit, 4), scaled=scaled)


def _size(ref: ImageRef) -> tuple[int, int]:
    return ref.width, ref.height
