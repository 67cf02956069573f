"""The language of the built-in editor: regions, operations, and one parsed step.

The grammar turns words into `Op`s, `regions` turns a `Region` into a mask, the functions in `ops/` turn a
picture into a picture, and `catalog` is the table of what there is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from editor.base import Image, Mask

RegionKind = Literal["whole", "named", "color", "place", "rect", "mask"]


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a photo, as words name it.

    kind "whole"; "named" (name is a key of regions.NAMED: subject, background, sky, foliage, leaf, grass, skin,
    face, water, ground, fruit, flower); "color" (name is a colour of colors.NAMES, noun what it was said of, if
    anything: "the red bowl"); "place" (name: left, right, top, bottom, center, corners, edges, top-left ...);
    "rect" (rect = x, y, width, height in pixels); "mask" (the mask the user gave; noun is what the user calls it).
    within: a place that a named or coloured part is cut down to ("the sky in the top left"), or "".
    invert: everything but this part. minus: what is taken out of it where they overlap ("the foliage, not the
    grass"); without words of its own it is only implied (trees are not the lawn below them), and yields where
    little else would be left. text: the user's own words, for messages.
    """

    kind: RegionKind = "whole"
    name: str = ""
    noun: str = ""
    rect: tuple[int, int, int, int] | None = None
    invert: bool = False
    text: str = ""
    within: str = ""
    minus: Region | None = None

    def __str__(self) -> str:
        """What people call it."""
        name = self.text or self.noun or self.name or "whole"
        return f"everything except {name}" if self.invert else name


WHOLE = Region()


@dataclass(frozen=True, slots=True)
class Op:
    """One operation of a step. amount is in the operation's own unit (see the catalog); params are its extras."""

    name: str
    amount: float
    region: Region = WHOLE
    params: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""

    @property
    def about(self) -> Region:
        """The part of the photo that must be found: what a crop keeps, or the region."""
        kept = self.params.get("to")
        return kept if isinstance(kept, Region) else self.region

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, for the trace."""
        region = str(self.region)
        params = {
            key: str(value) if isinstance(value, Region) else value for key, value in self.params.items()
        }
        return {"operation": self.name, "amount": round(self.amount, 4), "region": region, **params}


@dataclass(slots=True)
class Context:
    """What an operation may use besides the pixels it is given.

    mask: (h, w) uint8 of the pixels it is given, or None for all; the engine blends by it afterwards, the
    operation needs it only when it depends on the region's shape. rng: seeded per step. frame: (x, y, width,
    height): where the given pixels lie (x, y) in a photo of width x height. whole: the whole photo, for
    statistics. noun: what the region was called.
    """

    mask: Mask | None
    rng: np.random.Generator
    frame: tuple[int, int, int, int]
    whole: Image


Kind = Literal[
    "tone", "colour", "film", "light", "weather", "detail", "effect", "geometry", "retouch", "text", "plant"
]
OpFunction = Callable[[Image, Op, Context], Image]


@dataclass(frozen=True, slots=True)
class Operation:
    """A row of the catalog.

    function: "module:function" below editor.builtin.ops, resolved when first used.
    unit: of the amount. levels: the amounts of "slightly", plain, "strongly" (magnitudes). limits: allowed amounts.
    region: the part meant when none is named. scope: "region" when the engine may hand over only the region's
    bounding box; "photo" when the operation needs the whole picture or changes its size.
    exact: it does all that its words ask for, losslessly in intent (tone, colour, crop ...), so `--editor auto`
    sends it here rather than to a diffusion model.
    """

    name: str
    kind: Kind
    function: str
    summary: str
    unit: str = "strength 0..1"
    levels: tuple[float, float, float] = (0.3, 0.6, 1.0)
    limits: tuple[float, float] = (0.0, 1.0)
    region: Region = WHOLE
    scope: Literal["region", "photo"] = "region"
    exact: bool = False
    params: str = ""
