"""What each operation is expected to do to a picture, as data.

The thresholds are about what a person would call "done", not about how the built-in operations do it: the same
table judges a diffusion model's edit and an edit by hand. They are for the plain level of an operation and grow and
shrink with its amount.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from editor.builtin import colors
from editor.builtin.catalog import OPERATIONS
from editor.builtin.core import Op
from editor.builtin.effects.areas import Area

Target = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Effect:
    """One expected effect.

    metric: a key of metrics.METRICS. at_least: the signed change that counts as done; 0 for a limit, which can only
    be broken. at_most: the size beyond which it is overdone, of the same sign (None = no such size). area: where it
    is measured. target: Lab of the colour it is about. why: what it says about the picture.
    """

    metric: str
    at_least: float
    at_most: float | None
    area: Area
    why: str
    target: Target | None = None

    @property
    def is_limit(self) -> bool:
        """Whether this is a limit that must not be broken, rather than something to be seen."""
        return self.at_least == 0.0


@dataclass(frozen=True, slots=True)
class _Row:
    """An effect at the plain level and in its positive direction. fixed: does not grow with the amount."""

    metric: str
    at_least: float
    at_most: float | None
    why: str
    area: Area = "region"
    target: str | Target | None = None
    fixed: bool = False


CLIPPED = 0.08
"""More newly clipped pixels than this look blown out or blocked up."""
GARISH = 0.15
"""More newly garish pixels (C* above 85) than this look overdone."""
_CLIPPED = _Row("clipped", 0, CLIPPED, "no large part turns pure black or white")
_GARISH = _Row("garish", 0, GARISH, "the colours stay natural")
_YELLOW: Target = (75.0, -2.0, 60.0)
_BROWN: Target = (42.0, 14.0, 30.0)
_GREEN: Target = (50.0, -30.0, 38.0)
_PURPLE: Target = (35.0, 34.0, -8.0)
_ORANGE: Target = (65.0, 24.0, 45.0)
_SEPIA: Target = (50.0, 8.0, 20.0)

_ROWS: dict[str, tuple[_Row, ...]] = {
    # tone
    "exposure": (_Row("lightness", 3.0, 32, "the whole gets lighter"), _CLIPPED),
    "brightness": (_Row("lightness", 2.5, 30, "the whole gets lighter"), _CLIPPED),
    "contrast": (_Row("contrast", 0.035, 0.7, "the tones spread"), _CLIPPED),
    "gamma": (_Row("lightness", 2.0, 28, "the mid-tones get lighter"), _CLIPPED),
    "highlights": (_Row("highlights", 0.7, 25, "the light parts get lighter"), _CLIPPED),
    "shadows": (_Row("shadows", 1.0, 30, "the dark parts get lighter"), _CLIPPED),
    "blacks": (
        _Row("blacks", 0.5, 25, "the darkest tones are lifted"),
        _Row("clipped", 0, 0.15, "not blocked up"),
    ),
    "whites": (_Row("whites", 0.5, 25, "the lightest tones rise"), _Row("clipped", 0, 0.15, "not blown out")),
    "auto_levels": (_Row("range", 1.0, None, "the tones fill the range"), _CLIPPED),
    "dehaze": (
        _Row("haze", -1.0, -40, "the veil over the dark parts lifts"),
        _CLIPPED,
    ),
    "clarity": (_Row("local_contrast", 0.04, 0.9, "the mid-tones get local contrast"), _CLIPPED),
    # colour
    "saturation": (_Row("chroma", 0.08, 0.9, "the colours get stronger"), _GARISH),
    "vibrance": (_Row("vibrance", 0.05, 1.2, "the muted colours get stronger"), _GARISH),
    "temperature": (_Row("warmth", 2.0, 22, "the picture gets warmer"), _CLIPPED),
    "tint": (_Row("tint", 1.0, 24, "the picture shifts to magenta"), _CLIPPED),
    "color_pop": (
        _Row("greyness", 0.6, None, "everything else is grey", "outside", fixed=True),
        _Row("chroma", 0, 0.4, "the kept part keeps its colour"),
    ),
    "invert": (_Row("negative", 0.8, None, "light is dark and dark is light", fixed=True),),
    "black_and_white": (_Row("greyness", 0.45, None, "the colour is gone", fixed=True),),
    # film
    "sepia": (
        _Row("one_hue", 0.4, None, "all hues give way to one"),
        _Row("push", 0, 25, "brown is not orange", target=_SEPIA),
    ),
    "fade": (
        _Row("blacks", 1.5, 30, "the blacks are lifted"),
        _Row("chroma", -0.03, -0.8, "the colours fade"),
    ),
    "grain": (_Row("noise", 0.3, 9, "there is grain"),),
    "vignette": (_Row("relative_lightness", -0.05, -1.6, "the corners are darker", "corners_vs_centre"),),
    "cross_process": (_Row("change", 0.3, None, "the colours cross over", fixed=True), _GARISH),
    "teal_orange": (
        _Row("teal_orange", 0.9, 40, "the lights turn orange and the shadows teal", target=_ORANGE),
    ),
    "bleach_bypass": (
        _Row("chroma", -0.08, -0.8, "the colours are pale"),
        _Row("contrast", 0.03, 0.9, "the tones are hard"),
    ),
    # light and weather
    "gradient_sky": (_Row("lightness", -1.5, -45, "the top of the sky is deeper", "top_vs_bottom"),),
    "golden_hour": (_Row("warmth", 2.5, 40, "the light is golden"), _CLIPPED),
    "day_to_night": (
        _Row("lightness", -10, None, "it is dark"),
        _Row("warmth", -1.0, None, "the light is blue"),
    ),
    "snow": (_Row("bright_specks", 0.004, 0.3, "flakes are falling"),),
    "fog": (
        _Row("haze", 1.5, 60, "a veil lies over the dark parts"),
        _Row("chroma", -0.06, -0.95, "the colours pale"),
    ),
    "rain": (_Row("streaks", 0.05, 4, "there are streaks of rain"),),
    # detail and effect
    "blur": (_Row("detail", -0.15, None, "the detail is soft"),),
    "depth_blur": (_Row("detail", -0.12, None, "the background is soft"),),
    "smooth": (_Row("smoothness", -0.06, None, "skin is even; its features may stay"),),
    "sharpen": (_Row("detail", 0.08, 1.8, "the edges are crisper"),),
    "denoise": (
        _Row("noise_share", -0.05, None, "the noise is less"),
        _Row("detail", 0, 0.9, "the detail stays"),
    ),
    "pixelate": (_Row("flat", 0.25, None, "the picture is made of flat blocks", fixed=True),),
    "glow": (_Row("highlights", 0.8, 25, "the lights glow"), _Row("clipped", 0, 0.15, "not blown out")),
    "pencil": (_Row("paper", 0.2, None, "lines on white paper"),),
    "stylize": (_Row("smoothness", -0.08, None, "surfaces are flat strokes"),),
    # retouch and text
    "inpaint": (
        _Row("change", 0.15, None, "something else is there", fixed=True),
        _Row("seam", 0, 2.0, "no seam shows", fixed=True),
    ),
    "text": (_Row("change", 0.0008, 0.5, "the words are there", fixed=True),),
    "watermark": (_Row("change", 0.0008, 0.7, "the words are there", fixed=True),),
    # plants
    "yellowing": (_Row("toward_hue", 6.0, None, "the leaf turns to yellow", target=_YELLOW), _GARISH),
    "margin_chlorosis": (
        _Row("toward_hue", 2.0, None, "the leaf gets more yellow", target=_YELLOW),
        _Row("toward_hue", 4.0, None, "the margin is more yellow than the middle", "margin_vs_core", _YELLOW),
    ),
    "interveinal_chlorosis": (
        _Row("toward_hue", 3.0, None, "between the veins it is more yellow", "between_vs_veins", _YELLOW),
    ),
    "tip_burn": (_Row("brown", 0.018, None, "the tips and margins are brown", "tips"),),
    "spots": (_Row("dark_specks", 0.008, 0.5, "there are dark spots"),),
    "wilting": (
        _Row("chroma", -0.08, -0.85, "the colours are dull"),
        _Row("lightness", -0.8, -35, "it is darker"),
    ),
    "purpling": (_Row("push", 4.0, 55, "the leaf turns purple", target=_PURPLE),),
    "paling": (_Row("lightness", 2.5, 45, "the leaf is paler"), _Row("chroma", -0.04, -0.95, "less colour")),
    "browning": (_Row("toward_hue", 10.0, None, "the leaf turns to brown", target=_BROWN),),
    "greening": (_Row("toward_hue", 3.0, None, "the leaves are greener", target=_GREEN), _GARISH),
    "autumn": (_Row("push", 3.0, 60, "yellow to red leaves", target=_ORANGE),),
}


def strength(op: Op) -> float:
    """The amount relative to the operation's plain level: 1 = plain; never negative."""
    plain = OPERATIONS[op.name].levels[1]
    if op.name == "gamma":
        return abs(math.log(max(op.amount, 1e-3))) / math.log(plain)
    return abs(op.amount) / plain if plain else 1.0


def expected(op: Op) -> tuple[Effect, ...]:
    """The effects of an operation at its amount. Raises KeyError for an operation that is not in the catalog."""
    special = _SPECIAL.get(op.name)
    rows = _ROWS[op.name] if special is None else special(op)
    factor = min(3.0, max(0.2, strength(op)))
    sign = -1.0 if (op.amount < 0 and OPERATIONS[op.name].limits[0] < 0) else 1.0
    if op.name == "gamma" and op.amount < 1:
        sign = -1.0
    return tuple(_scaled(row, factor, sign) for row in rows)


def _scaled(row: _Row, factor: float, sign: float) -> Effect:
    target = lab_of(row.target) if isinstance(row.target, str) else row.target
    if row.at_least == 0.0 or row.fixed:
        return Effect(row.metric, row.at_least, row.at_most, row.area, row.why, target)
    # a step down of a relative measure cannot exceed 1, and "too much" is a matter of taste at small amounts
    at_most = None if row.at_most is None else sign * row.at_most * max(0.6, factor)
    return Effect(row.metric, sign * row.at_least * factor, at_most, row.area, row.why, target)


def lab_of(name: str) -> Target:
    """Lab of a colour name or "#rrggbb". Raises KeyError for an unknown name."""
    sample = np.array([[colors.rgb(name)]], np.float32) / np.float32(255)
    lightness, a, b = (float(value) for value in cv2.cvtColor(sample, cv2.COLOR_RGB2Lab)[0, 0])
    return lightness, a, b


def _recolor(op: Op) -> tuple[_Row, ...]:
    if op.params.get("plain"):
        goal = lab_of(colors.plain_hex(str(op.params["color"])))
        share = 0.8 if op.amount >= 1 else 0.0
        return (_Row("plain", share, None, "the part is one colour", target=goal, fixed=True),)
    color = str(op.params["color"])
    target = lab_of(colors.of_sky(color) if op.region.name == "sky" else color)
    grey = math.hypot(target[1], target[2]) < 12
    # a tinge is seen before it is half way
    share = (0.55 if op.amount >= 1 else 0.45) * min(1.0, abs(op.amount))
    if not grey:
        return (_Row("toward_color", share, None, "the part has the colour", target=target, fixed=True),)
    rows = [_Row("greyness", share, None, "the part has no colour of its own", fixed=True)]
    if target[0] < 30:
        rows.append(_Row("lightness", -5.0 * share, None, "the part is dark", fixed=True))
    elif target[0] > 85:
        rows.append(_Row("lightness", 5.0 * share, None, "the part is light", fixed=True))
    return tuple(rows)


def _hue(op: Op) -> tuple[_Row, ...]:
    most = None if abs(op.amount) > 90 else op.amount * 2.0 + math.copysign(15, op.amount)
    return (_Row("hue", 0.4 * op.amount, most, "the hues turn", fixed=True),)


def _split_tone(op: Op) -> tuple[_Row, ...]:
    rows = []
    halves: tuple[tuple[str, Area], ...] = (("shadows", "dark_half"), ("highlights", "light_half"))
    for name, area in halves:
        color = op.params.get(name)
        if color and color != "grey":  # a zone that is to stay as it is
            rows.append(_Row("push", 0.7, 30, f"the {name} take the colour", area, str(color)))
    return tuple(rows)


def _posterize(op: Op) -> tuple[_Row, ...]:
    # a photo has about 7 bits of tone in each channel, n levels at most log2 n; half the way is plain to see
    bits = 0.4 * max(0.5, 7.0 - math.log2(max(2.0, op.amount)))
    return (_Row("entropy", bits, None, "few tone levels are left", fixed=True),)


def _white_balance(op: Op) -> tuple[_Row, ...]:
    return (_Row("cast", -0.1 * min(1.0, abs(op.amount)), None, "the colour cast is weaker", fixed=True),)


def _gradient_sky(op: Op) -> tuple[_Row, ...]:
    rows = _ROWS["gradient_sky"]
    color = op.params.get("color")
    if not color:
        return rows
    return (_Row("push", 1.5, 50, "the top of the sky takes the colour", "top_vs_bottom", str(color)),)


def _spots(op: Op) -> tuple[_Row, ...]:
    color = op.params.get("color")
    if color and lab_of(str(color))[0] > 70:
        return (_Row("bright_specks", 0.003, 0.5, "there are light spots"),)
    return _ROWS["spots"]


def _wilting(op: Op) -> tuple[_Row, ...]:
    # a pale petal has no green to lose: it turns to a dull cream, which has more colour than white
    return _ROWS["wilting"][1:] if op.region.name == "flower" else _ROWS["wilting"]


def _geometry(op: Op) -> tuple[_Row, ...]:
    size = _Row("size", 0.999, None, "the size is as asked", "whole", fixed=True)
    place = _Row("placement", 0.55, None, "everything lies where it should", "whole", fixed=True)
    return (size,) if op.name in ("resize", "border") else (size, place)


_SPECIAL: dict[str, Callable[[Op], tuple[_Row, ...]]] = {
    "recolor": _recolor,
    "hue": _hue,
    "split_tone": _split_tone,
    "posterize": _posterize,
    "white_balance": _white_balance,
    "gradient_sky": _gradient_sky,
    "spots": _spots,
    "wilting": _wilting,
    **{name: _geometry for name, row in OPERATIONS.items() if row.kind == "geometry"},
}
