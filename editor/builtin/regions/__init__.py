"""From words to pixels: a Region becomes a soft-edged mask with a confidence, or a refusal.

Finders work on a small copy of the photo (`scene`), the mask is brought to full size along real edges (`refine`).
One file per kind: `sky`, `land` (water, ground), `plants` (foliage, leaf, grass, flower), `fruit`,
`skin`, `face`, `subject` (subject, background), `color`, `place` (places, rectangles). `contours` and
`horizon` find lines.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import cast

import cv2
import numpy as np

from editor.base import Image, Mask, RegionNotFound, UsageError
from editor.builtin.core import Region
from editor.builtin.regions import color, land, place, plants, refine, subject
from editor.builtin.regions.contours import contours as find_contours
from editor.builtin.regions.face import face
from editor.builtin.regions.fruit import fruit
from editor.builtin.regions.place import PLACES
from editor.builtin.regions.scene import FOUND, Part, Scene, pixels, small
from editor.builtin.regions.skin import skin
from editor.builtin.regions.sky import sky

__all__ = ["FOUND", "NAMED", "PLACES", "SURE", "Found", "find", "inherit"]

SURE = 0.6
"""Below this confidence the editor asks the user to check the region."""

NAMED: dict[str, Callable[[Scene], Part]] = {
    "subject": subject.subject,
    "background": subject.background,
    "sky": sky,
    "water": land.water,
    "ground": land.ground,
    "foliage": plants.foliage,
    "leaf": plants.leaf,
    "grass": plants.grass,
    "flower": plants.flower,
    "fruit": fruit,
    "skin": skin,
    "face": face,
}
"""The parts that can be found by name."""

_SCENES = 8
_scenes: OrderedDict[bytes, Scene] = OrderedDict()
_lock = threading.Lock()
_CJK = re.compile(r"[\u3400-\u9fff]")
_MESSAGES = {
    "unknown": (
        "The built-in editor does not know what “{}” looks like; mark it with --mask MASK.png or --region X,Y,W,H. "
        "It finds the subject, background, sky, water, ground, foliage, leaf, grass, flower, fruit, skin, face, "
        "places (“the left half”), and things by their colour (“the red car”).",
        "内置编辑器不认识“{}”；请用 --mask MASK.png 或 --region X,Y,W,H 标出它。"
        "它能自己找到的有：主体、背景、天空、水面、地面、植物、叶子、草地、花、果实、皮肤、脸、方位（“左半边”），以及用颜色说明的东西（“红色的车”）。",
    ),
    "absent": (
        "Could not find “{}” in this photo (confidence {} %); mark it with --mask MASK.png or --region X,Y,W,H.",
        "在这张照片里没有找到“{}”（置信度 {} %）；请用 --mask MASK.png 或 --region X,Y,W,H 标出它。",
    ),
    "unclear": (
        "“{}” cannot be told apart with certainty in this photo ({} %); "
        "mark it with --mask MASK.png or --region X,Y,W,H.",
        "在这张照片里无法可靠地分辨“{}”（置信度 {} %）；请用 --mask MASK.png 或 --region X,Y,W,H 标出它。",
    ),
    "nothing": (
        "Nothing is left of the photo for “{}”; change --mask or --region.",
        "照片里没有留给“{}”的部分；请修改 --mask 或 --region。",
    ),
}
"""English and Chinese."""
_CUTS = ("subject", "background")
_REMAINS = 0.25
"""Where less than this share of a part would be left, what is only implied to lie outside of it is that part."""
_INSIDE = 0.02
"""A named part that covers less than this share of the user's own mask is not what the mask shows."""


@dataclass(frozen=True, slots=True)
class Found:
    """A region: (H, W) uint8 soft mask, or None for the whole photo; confidence 0..1; the user's words."""

    mask: Mask | None
    confidence: float
    text: str


def find(image: Image, region: Region, limit: Mask | None = None) -> Found:
    """The mask of `region` in `image`, inside the user's `limit` (None = no limit).

    When a limit is given and the region is not found inside it, the limit itself is the region: the user said
    where it is, and the confidence is 1. Raises RegionNotFound when there is no such part (or nothing is left of
    it), UsageError for a rectangle outside the photo or a limit that does not fit it.
    """
    text = _text(region)
    _check(image, limit)
    if region.kind == "whole" and not region.invert:
        return Found(limit, 1.0, text)
    if region.kind == "mask" and limit is None:
        raise RegionNotFound(_say("unknown", text))
    mask, confidence = _locate(image, region, limit)
    if mask is None:
        return Found(limit, 1.0, text)
    if region.invert:
        mask = 255 - mask
    if region.minus is not None:
        mask = _without(mask, _spared(image, region.minus), implied=not region.minus.text)
    if limit is not None:
        mask = cast("Mask", np.minimum(mask, limit))
    # all but the user's own mask, inside that mask, is nothing, whatever its soft edge would leave
    if not mask.any() or (region.kind == "mask" and region.invert):
        raise RegionNotFound(_say("nothing", text))
    return Found(mask, confidence, text)


def _without(mask: Mask, spared: Mask, implied: bool) -> Mask:
    left = cast("Mask", np.minimum(mask, 255 - spared))
    return mask if implied and left.sum() < _REMAINS * mask.sum() else left


def _spared(image: Image, region: Region) -> Mask:
    """The mask of what is to be left out; nothing where the photo does not show it."""
    try:
        mask = find(image, region).mask
    except RegionNotFound:
        mask = None
    return np.zeros(image.shape[:2], np.uint8) if mask is None else mask


def inherit(before: Image, after: Image) -> None:
    """What was found in `before` holds in `after`, an edit of it: a leaf that was turned yellow is still the leaf.

    So the steps of a plan, and a corrective step on their result, mean the parts that the source shows.
    """
    if before.shape == after.shape:
        _scene(after).adopt(_scene(before), FOUND)


def contours(image: Image) -> Mask:
    """Lines where surfaces meet, (h, w) uint8 on the small copy; of an edited photo, those of its source."""
    scene = _scene(image)
    lines = scene.part("contours", lambda: Part(find_contours(scene), 1.0)).mask
    return cast("Mask", lines.astype(np.uint8) * np.uint8(255))


def _locate(image: Image, region: Region, limit: Mask | None) -> tuple[Mask | None, float]:
    """The mask before inversion and limit, and its confidence; None when the limit stands for it."""
    if region.kind == "whole":
        return np.full(image.shape[:2], 255, np.uint8), 1.0
    if region.kind == "mask":
        return limit, 1.0
    if region.kind == "rect":
        return place.rectangle(image, region.rect), 1.0
    if region.kind == "place":
        return place.place(image, region.name), 1.0
    mask, confidence = _find_part(image, region, limit)
    if mask is not None and region.within:
        mask = cast("Mask", np.minimum(mask, place.place(image, region.within)))
    return mask, confidence


def _find_part(image: Image, region: Region, limit: Mask | None) -> tuple[Mask | None, float]:
    """The mask of a named or coloured part, and its confidence; None when the limit stands for it."""
    scene = _scene(image)
    part = _part(scene, region)
    if limit is None:
        if part.confidence < FOUND or not part.mask.any():
            percent = round(100 * part.confidence)
            message = "unclear" if region.name in _CUTS else "absent"
            raise RegionNotFound(_say(message, _text(region), percent))
        return _full(scene, part, image), part.confidence
    seen = cv2.resize(limit, (scene.width, scene.height), interpolation=cv2.INTER_AREA) > 0
    inside = pixels(part.mask & seen)
    # where a cut is in doubt, the user's mask is the better one; of a thing it may be a rough frame
    least = SURE if region.name in _CUTS else FOUND
    if part.confidence < least or inside <= _INSIDE * pixels(seen):
        return None, 1.0
    return _full(scene, part, image), 1.0


def _part(scene: Scene, region: Region) -> Part:
    """The finder's answer on the small copy, computed once per scene."""
    if region.kind == "named":
        if region.name not in NAMED:
            raise UsageError(f"No region is called “{region.name}”; there are: {', '.join(NAMED)}.")
        return scene.named(NAMED[region.name])
    key = ("color", region.name, region.noun)
    return scene.part(key, lambda: color.color(scene, region.name, region.noun))


def _full(scene: Scene, part: Part, image: Image) -> Mask:
    return refine.to_photo(part.mask, scene.rgb, image)


def _scene(image: Image) -> Scene:
    """The scene of an image: the editor, its next operation and the critic ask about the same picture."""
    little = small(image)
    digest = blake2b(little.tobytes(), digest_size=16, person=str(little.shape).encode()[:16]).digest()
    with _lock:
        scene = _scenes.get(digest)
        if scene is None:
            scene = _scenes[digest] = Scene(little)
        _scenes.move_to_end(digest)
        while len(_scenes) > _SCENES:
            _scenes.popitem(last=False)
        return scene


def _check(image: Image, limit: Mask | None) -> None:
    if limit is None:
        return
    if limit.shape != image.shape[:2]:
        raise UsageError(
            f"The mask is {limit.shape[1]}x{limit.shape[0]}, the photo {image.shape[1]}x{image.shape[0]} pixels."
        )
    if not limit.any():
        raise UsageError("The mask is empty: nothing in it is white.")


def _text(region: Region) -> str:
    noun = f"{region.name} {region.noun}".strip() if region.kind == "color" else region.noun or region.name
    return region.text or noun or "the whole photo"


def _say(message: str, text: str, percent: int = 0) -> str:
    """One of the messages, in the language of the user's words for the region."""
    return _MESSAGES[message][_CJK.search(text) is not None].format(text, percent)
