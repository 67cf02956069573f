"""What can be measured about an edit. Each metric is a signed number about one view of the pair.

NaN means that it cannot be measured here: the picture gives no room for it (a grey photo has no hue), or pixels would
have to be compared that do not show the same thing. ALREADY means that what is asked for was there
before and still is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from editor.base import Image
from editor.builtin.effects.expectation import Effect
from editor.builtin.effects.pair import Patch, View
from editor.builtin.perception import light_colour
from editor.measure import NOTICEABLE
from editor.pixels import Float, full, gradient, lab

NAN = math.nan
ALREADY = math.inf
_FAR_OUT = 8.0, 40.0
"""Mean a* or b* beyond which a picture is far out already, to the negative and the positive side."""
_LITTLE_COLOUR = 4.0
"""Mean chroma across the main hue below which other hues hardly show."""
GREY = 1.5
"""Below this mean chroma a picture has no colour to speak of."""
_ONE_COLOUR = 6.0
"""CIE76 distance within which two neighbouring plain areas look the same."""
_FULL_SPAN = 0.9
"""Share of the range that a picture spans whose levels were set, noise and a few lights apart."""
_SHADOWS = 60.0
"""Mean L of the darker half above which a picture has no shadows."""
_NO_BLACKS = 45.0
"""L of the darkest tenth above which a picture has no blacks: a veil, a high key, a print that has faded."""
_NEUTRAL = 3.0
"""Degrees from grey within which a light has no colour to speak of."""
FULL, EMPTY = 98.5, 1.5
"""L beyond which tones have no room left."""


# tone -------------------------------------------------------------------------------------------------------


def _lightness(view: View, effect: Effect) -> float:
    before, after = float(view.before[:, 0].mean()), float(view.after[:, 0].mean())
    return _with_room(before, after, effect)


def _contrast(view: View, effect: Effect) -> float:
    before, after = float(view.before[:, 0].std()), float(view.after[:, 0].std())
    return NAN if before < 0.5 else after / before - 1.0


def _tones(low: float, high: float) -> Callable[[View, Effect], float]:
    """Change of the mean L between two quantiles of each picture."""

    def metric(view: View, effect: Effect) -> float:
        means = []
        for ordered in view.sorted_lightness:
            first, last = int(low * len(ordered)), max(int(low * len(ordered)) + 1, int(high * len(ordered)))
            means.append(float(ordered[first:last].mean()))
        return _with_room(means[0], means[1], effect)

    return metric


def _blacks(view: View, effect: Effect) -> float:
    """Change of the mean L of the darkest tenth; where that is light already there are no blacks to lift."""
    before, after = (float(tones[: max(1, len(tones) // 10)].mean()) for tones in view.sorted_lightness)
    lifted = effect.at_least > 0 and min(before, after) > _NO_BLACKS
    return ALREADY if lifted else _with_room(before, after, effect)


def _with_room(before: float, after: float, effect: Effect) -> float:
    if (effect.at_least > 0 and before > FULL) or (effect.at_least < 0 and before < EMPTY):
        return NAN
    return after - before


def _relative_lightness(view: View, effect: Effect) -> float:
    """log of the ratio of mean L, so that a difference of two areas compares their ratio."""
    before, after = float(view.before[:, 0].mean()), float(view.after[:, 0].mean())
    return math.log((after + 1.0) / (before + 1.0))


def _clipped(view: View, effect: Effect) -> float:
    low, high = (0.5, 99.5)
    shares = [
        float(np.mean((tones[:, 0] < low) | (tones[:, 0] > high))) for tones in (view.before, view.after)
    ]
    return shares[1] - shares[0]


def _range(view: View, effect: Effect) -> float:
    """Change of the distance in L between the 0.5 and the 99.5 per cent quantiles."""
    before, after = (
        float(tones[int(0.995 * (len(tones) - 1))] - tones[int(0.005 * len(tones))])
        for tones in view.sorted_lightness
    )
    full_already = min(_span(view, view.pair.small), _span(view, view.pair.small_result)) > _FULL_SPAN
    return ALREADY if full_already else after - before


def _span(view: View, picture: Image) -> float:
    """From the darkest tones to the lightest channel, 0..1: a saturated red is as full as it gets, but not light."""
    red, green, blue = cv2.split(picture)
    lights = view.of(cv2.max(cv2.max(red, green), blue))
    darks = view.of(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))
    return float(np.quantile(lights, 0.995) - np.quantile(darks, 0.005)) / full(picture)


def _haze(view: View, effect: Effect) -> float:
    """Change of the mean dark channel, 0..100 (He, Sun and Tang, CVPR 2009): the veil over dark parts."""
    means = []
    for picture in (view.pair.small, view.pair.small_result):
        red, green, blue = cv2.split(picture)
        dark = cv2.erode(cv2.min(cv2.min(red, green), blue), np.ones((15, 15), np.uint8))
        means.append(float(view.of(dark).mean()) * 100 / full(picture))
    # below 8 there is no haze to speak of
    return ALREADY if effect.at_least < 0 and max(means) < 8.0 else means[1] - means[0]


def _paper(view: View, effect: Effect) -> float:
    """Share of the way to white that the median went: most of a drawing is paper."""
    before, after = (float(tones[len(tones) // 2]) for tones in view.sorted_lightness)
    return ALREADY if min(before, after) > 90.0 else (after - before) / max(1.0, 100.0 - before)


def _negative(view: View, effect: Effect) -> float:
    """(1 - r) / 2 of the correlation r between L before and after: 0 the same, 1 a perfect negative."""
    before, after = view.before[:, 0], view.after[:, 0]
    if not view.pair.aligned or before.std() < 0.5 or after.std() < 0.5:
        return NAN
    return float(1.0 - np.corrcoef(before, after)[0, 1]) / 2


# colour -----------------------------------------------------------------------------------------------------


def _chroma(view: View, effect: Effect) -> float:
    """Relative change of the mean chroma against the mean lightness: light alone brings out colour, too."""
    before, after = (float(chroma.mean()) for chroma in view.chroma)
    if before < GREY or (effect.at_least < 0 and before < _LITTLE_COLOUR < after):
        return NAN  # a tint on what is almost grey is no failure to mute it
    light, now = (max(1.0, float(side[:, 0].mean())) for side in (view.before, view.after))
    return after / before * light / now - 1.0


def _garish(view: View, effect: Effect) -> float:
    """Share of very strong colours (C* above 85) that was not there before."""
    before, after = view.chroma
    return float(np.mean(after > 85.0) - np.mean(before > 85.0))


def _vibrance(view: View, effect: Effect) -> float:
    """Relative change of chroma of the muted half."""
    before, after = view.chroma
    muted = (before <= np.median(before)) & (before > 1.0)
    if not view.pair.aligned or np.count_nonzero(muted) < 50:
        return NAN
    return float(after[muted].mean() / before[muted].mean()) - 1.0


def _axis(column: int) -> Callable[[View, Effect], float]:
    def metric(view: View, effect: Effect) -> float:
        before, after = float(view.before[:, column].mean()), float(view.after[:, column].mean())
        wanted = math.copysign(1.0, effect.at_least)
        # blue light at dusk, a pile of lemons: there is little further to go, and less light has less colour
        light = float(view.after[:, 0].mean()) / max(1.0, float(view.before[:, 0].mean()))
        moved = after * wanted > before * wanted * min(1.0, light) + 0.15
        if not effect.is_limit and before * wanted > _FAR_OUT[wanted > 0] and moved:
            return ALREADY
        return after - before

    return metric


def _hue(view: View, effect: Effect) -> float:
    """Mean rotation of the hues in degrees, weighted by chroma, in the turn that is nearest to what is expected."""
    if not view.pair.aligned or float(view.chroma[0].mean()) < GREY:
        return NAN
    before = view.before[:, 1] + 1j * view.before[:, 2]
    after = view.after[:, 1] + 1j * view.after[:, 2]
    turned = complex((after * before.conj()).sum())
    turn = math.degrees(math.atan2(turned.imag, turned.real))
    # near half a turn both directions are the same
    return math.copysign(turn, effect.at_least) if abs(effect.at_least) > 60 and abs(turn) > 90 else turn


def _toward_color(view: View, effect: Effect) -> float:
    """Share of the way to the target that the mean a*, b* went, or the hues, whichever is more.

    A dark or a pale part cannot take the full chroma of the target, but its hue.
    """
    goal = _target(effect)[1:]
    before, after = _distance(view.before, goal), _distance(view.after, goal)
    if max(before, after) < 8.0:
        return ALREADY
    way = (before - after) / before
    likeness, now = _likeness(view.before, goal), _likeness(view.after, goal)
    # where the hue fits already only the mean colour can tell
    return way if likeness > 0.8 else max(way, (now - likeness) / (1.0 - likeness))


def _toward_hue(view: View, effect: Effect) -> float:
    """Degrees by which the area's mean hue came nearer to the target's."""
    if float(view.chroma[0].mean()) < 4.0:
        return NAN
    goal = math.degrees(math.atan2(_target(effect)[2], _target(effect)[1]))
    before, after = (abs(_wrap(_mean_hue(samples) - goal)) for samples in (view.before, view.after))
    return ALREADY if max(before, after) < 10.0 else before - after


def _push(view: View, effect: Effect) -> float:
    """Change of the mean a*, b* in the direction of the target's, in units of chroma."""
    goal = _target(effect)[1:]
    change = (view.after - view.before)[:, 1:].mean(axis=0)
    return float(change @ (goal / max(1.0, float(np.hypot(*goal)))))


def _teal_orange(view: View, effect: Effect) -> float:
    """By how much the lights turned to orange against the darks, in units of chroma.

    A picture without shadows has none to turn teal: there, also by how much colours beside orange and teal gave way.
    """
    orange = _target(effect)[1:] / max(1.0, float(np.hypot(*_target(effect)[1:])))
    lightness = view.before[:, 0]
    light = lightness > np.median(lightness)
    if light.all() or not light.any():
        return NAN
    turned = (view.after - view.before)[:, 1:] @ orange
    value = float(turned[light].mean() - turned[~light].mean())
    if float(lightness[~light].mean()) < _SHADOWS:
        return value
    across = np.array([-orange[1], orange[0]], np.float32)
    before, after = (float(np.abs(side[:, 1:] @ across).mean()) for side in (view.before, view.after))
    return max(value, before - after)


def _cast(view: View, effect: Effect) -> float:
    """Relative change of the angle between the light's colour and grey."""
    before, after = (
        _from_grey(light_colour(picture, view.mask)) for picture in (view.pair.small, view.pair.small_result)
    )
    return ALREADY if max(before, after) < _NEUTRAL else after / max(before, 0.3) - 1.0


def _from_grey(light: NDArray[np.float64]) -> float:
    """Degrees between a light's colour, linear RGB, and grey: the field's angular error."""
    return float(np.degrees(np.arccos(min(1.0, light.sum() / (np.linalg.norm(light) * 3**0.5)))))


def _greyness(view: View, effect: Effect) -> float:
    """Share of the chroma that is gone; a picture that had none counts as grey."""
    before, after = (float(chroma.mean()) for chroma in view.chroma)
    return 1.0 - after / max(before, 4.0)


def _plain(view: View, effect: Effect) -> float:
    """Share of the pixels that have one colour, the target's, where a person sees no difference any more."""
    goal = _target(effect)
    return float((np.linalg.norm(view.after - goal, axis=1) < _ONE_COLOUR).mean())


def _one_hue(view: View, effect: Effect) -> float:
    """Share of the chroma across the result's main hue that is gone: 1 for a monochrome of one hue."""
    main = view.after[:, 1:].mean(axis=0)
    length = float(np.hypot(*main))
    if length < 1.0:
        return 0.0
    across = np.array([-main[1], main[0]], np.float32) / length
    before, after = (
        float(np.sqrt(np.mean(np.square(side[:, 1:] @ across)))) for side in (view.before, view.after)
    )
    if before < _LITTLE_COLOUR:
        # almost grey before, as product photos on white are: what counts is how much the one hue outweighs the rest
        return max(1.0 - after / length, 1.0 - after / max(before, 1e-3))
    return 1.0 - after / before


def _share_of(test: Callable[[Float, Float, Float], NDArray[np.bool_]]) -> Callable[[View, Effect], float]:
    """Change of the share of pixels whose (L, chroma, hue in degrees) pass the test."""

    def metric(view: View, effect: Effect) -> float:
        shares = []
        for side, chroma in zip((view.before, view.after), view.chroma, strict=True):
            hue = np.degrees(np.arctan2(side[:, 2], side[:, 1])).astype(np.float32)
            shares.append(float(np.mean(test(side[:, 0], chroma, hue))))
        return shares[1] - shares[0]

    return metric


def _is_brown(lightness: Float, chroma: Float, hue: Float) -> NDArray[np.bool_]:
    return (hue > 20) & (hue < 88) & (chroma > 6) & (lightness > 8) & (lightness < 72)


def _target(effect: Effect) -> NDArray[np.float32]:
    if effect.target is None:
        raise ValueError(f"{effect.metric} needs a target colour")
    return np.asarray(effect.target, np.float32)


def _likeness(samples: Float, goal: NDArray[np.float32]) -> float:
    """1 when all colour has the goal's hue, 0 when it is 60 degrees away; weighted by chroma, grey counts as off."""
    chroma = np.hypot(samples[:, 1], samples[:, 2])
    off = np.degrees(np.arctan2(samples[:, 2], samples[:, 1])) - math.degrees(math.atan2(goal[1], goal[0]))
    near = np.clip(1.0 - np.abs((off + 180.0) % 360.0 - 180.0) / 60.0, 0.0, 1.0)
    return float((near * chroma).sum() / max(1.0, float(np.maximum(chroma, 10.0).sum())))


def _distance(samples: Float, goal: NDArray[np.float32]) -> float:
    return float(np.hypot(*(samples[:, 1:].mean(axis=0) - goal)))


def _mean_hue(samples: Float) -> float:
    a, b = (float(value) for value in samples[:, 1:].mean(axis=0))
    return math.degrees(math.atan2(b, a))


def _wrap(degrees: float) -> float:
    return (degrees + 180.0) % 360.0 - 180.0


# texture, at full size --------------------------------------------------------------------------------------


def _detail(view: View, effect: Effect) -> float:
    """Relative change of the mean gradient of L."""
    before, after = _over_patches(view, _gradient)
    return NAN if before < 0.02 else after / before - 1.0


def _noise(view: View, effect: Effect) -> float:
    before, after = _over_patches(view, _noise_level)
    return after - before


def _noise_share(view: View, effect: Effect) -> float:
    before, after = _over_patches(view, _noise_level)
    # a photo with less noise than this has none to remove
    return ALREADY if max(before, after) < 0.3 else after / before - 1.0


def _flat(view: View, effect: Effect) -> float:
    """Change of the share of neighbours that differ by less than 0.3 L."""
    before, after = _over_patches(view, _flatness)
    return NAN if before > 0.7 else after - before


def _entropy(view: View, effect: Effect) -> float:
    """Bits of the tone histogram that are gone (Shannon entropy of each channel, mean)."""
    patches = view.patches
    if not patches:
        return NAN
    return float(_bits([p.before for p in patches]) - _bits([p.after for p in patches]))


def _over_patches(view: View, measure: Callable[[Float], float]) -> tuple[float, float]:
    patches: list[Patch] = view.patches
    if not patches:
        return NAN, NAN
    before = float(np.mean([measure(patch.l_before) for patch in patches]))
    return before, float(np.mean([measure(patch.l_after) for patch in patches]))


def _gradient(lightness: Float) -> float:
    return float(gradient(lightness).mean())


_LAPLACIANS = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


def _noise_level(lightness: Float) -> float:
    """Standard deviation of the noise in L: J. Immerkaer, CVIU 64(2), 1996, with the median for robustness."""
    filtered = np.abs(cv2.filter2D(lightness, cv2.CV_32F, _LAPLACIANS))
    return float(np.median(filtered)) / 0.6745 / 6.0


def _flatness(lightness: Float) -> float:
    steps = np.concatenate([np.diff(lightness, axis=axis).ravel() for axis in (0, 1)])
    return float(np.mean(np.abs(steps) < 0.3)) if steps.size else 1.0


def _bits(samples: list[Image]) -> float:
    shift = 0 if full(samples[0]) == 255 else 8
    total = 0.0
    for channel in range(3):
        values = np.concatenate([(sample[..., channel] >> shift).ravel() for sample in samples])
        counts = np.bincount(values, minlength=256)
        shares = counts[counts > 0] / counts.sum()
        total -= float((shares * np.log2(shares)).sum())
    return total / 3


# structure, on the small pictures ---------------------------------------------------------------------------


def _local_contrast(view: View, effect: Effect) -> float:
    """Relative change of the spread of L about its surroundings (a fortieth of the picture)."""
    sigma = max(view.pair.before.shape[:2]) / 40
    spreads = []
    for picture in (view.pair.before, view.pair.after):
        lightness = picture[..., 0].copy()
        spreads.append(float(view.of(lightness - cv2.GaussianBlur(lightness, (0, 0), sigma)).std()))
    return NAN if spreads[0] < 0.2 else spreads[1] / spreads[0] - 1.0


def _smoothness(view: View, effect: Effect) -> float:
    """Relative change of the median gradient: surfaces grow flatter while edges may stay."""
    before, after = (float(np.median(view.of(_steps(side)))) for side in (view.pair.before, view.pair.after))
    return NAN if before < 0.05 else after / before - 1.0


def _specks(dark: bool) -> Callable[[View, Effect], float]:
    """Change of the share of small spots that are darker or lighter than what is around them by 6 L."""
    operation = cv2.MORPH_BLACKHAT if dark else cv2.MORPH_TOPHAT

    def metric(view: View, effect: Effect) -> float:
        side = max(5, round(max(view.pair.before.shape[:2]) * (0.05 if dark else 0.015)) | 1)
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        shares = []
        for picture in (view.pair.before, view.pair.after):
            hat = cv2.morphologyEx(picture[..., 0].copy(), operation, kernel)
            shares.append(float(np.mean(view.of(hat) > 6.0)))
        return shares[1] - shares[0]

    return metric


def _streaks(view: View, effect: Effect) -> float:
    """Growth of the gradient across upright lines beyond the growth of the gradient along them, in L per pixel."""
    growth = []
    for dx, dy in ((1, 0), (0, 1)):
        sides = [
            float(
                view.of(np.abs(cv2.Sobel(side[..., 0].copy(), cv2.CV_32F, dx, dy, ksize=1, scale=0.5))).mean()
            )
            for side in (view.pair.before, view.pair.after)
        ]
        growth.append(sides[1] - sides[0])
    return growth[0] - growth[1]


def _change(view: View, effect: Effect) -> float:
    return float(np.mean(view.change > NOTICEABLE))


def _seam(view: View, effect: Effect) -> float:
    """How much steeper the result is along the area's edge than within it, relative."""
    if view.mask is None:
        return NAN
    mask = view.mask.astype(np.uint8)
    rim = cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    around = (cv2.dilate(mask, np.ones((25, 25), np.uint8)) > 0) & ~rim
    steps = _steps(view.pair.after)
    if not rim.any() or not around.any():
        return NAN
    return float(steps[rim].mean() / max(0.3, steps[around].mean())) - 1.0


def _steps(picture: Float) -> Float:
    return gradient(picture[..., 0].copy())


# geometry ---------------------------------------------------------------------------------------------------


def _size(view: View, effect: Effect) -> float:
    """Worst ratio of the result's sides to the expected ones, 1 = as expected."""
    wanted, there = view.pair.source.shape[:2], view.pair.result.shape[:2]
    return float(min(min(a / b, b / a) for a, b in zip(wanted, there, strict=True)))


def _placement(view: View, effect: Effect) -> float:
    """How far the content went to where it should be: 0 as before, 1 all the way.

    NaN when the picture before and the expected one can hardly be told apart.
    """
    pair = view.pair
    if pair.origin is None:
        return NAN
    size = (96, max(8, round(96 * pair.source.shape[0] / pair.source.shape[1])))
    origin, wanted, there = (
        _thumbnail(picture, size) for picture in (pair.origin, pair.small, pair.small_result)
    )
    if _apart(origin, wanted) < 0.15:
        return NAN
    left, missing = _apart(origin, there), _apart(wanted, there)
    return left / max(1e-6, left + missing)


def _thumbnail(image: Image, size: tuple[int, int]) -> Float:
    """Lightness at a few pixels, with mean 0 and spread 1, so that an edit of tone does not count."""
    lightness = lab(cv2.resize(image, size, interpolation=cv2.INTER_AREA))[..., 0]
    return cast("Float", (lightness - lightness.mean()) / max(0.5, float(lightness.std())))


def _apart(first: Float, second: Float) -> float:
    return float(np.sqrt(np.mean(np.square(first - second))))


# the table --------------------------------------------------------------------------------------------------

Family = Literal["tone", "colour", "texture", "structure", "falloff", "size"]


@dataclass(frozen=True, slots=True)
class Metric:
    """How a number is found and said. names: (English, Chinese). unit "%" says a share; state: not a change."""

    measure: Callable[[View, Effect], float]
    family: Family
    names: tuple[str, str]
    unit: str = ""
    state: bool = False


METRICS: dict[str, Metric] = {
    "lightness": Metric(_lightness, "tone", ("mean lightness L", "平均明度 L")),
    "relative_lightness": Metric(_relative_lightness, "falloff", ("lightness", "明度"), "%"),
    "contrast": Metric(_contrast, "tone", ("contrast of L", "L 的对比度"), "%"),
    "shadows": Metric(_tones(0, 0.25), "tone", ("L of the darkest quarter", "最暗四分之一的 L")),
    "highlights": Metric(_tones(0.75, 1), "tone", ("L of the lightest quarter", "最亮四分之一的 L")),
    "blacks": Metric(_blacks, "tone", ("L of the darkest tenth", "最暗十分之一的 L")),
    "whites": Metric(_tones(0.9, 1), "tone", ("L of the lightest tenth", "最亮十分之一的 L")),
    "clipped": Metric(_clipped, "tone", ("share of clipped pixels", "纯黑或纯白像素的比例"), "%"),
    "range": Metric(_range, "tone", ("range of L", "L 的范围")),
    "haze": Metric(_haze, "tone", ("veil of haze (dark channel)", "雾霾遮罩（暗通道）")),
    "paper": Metric(_paper, "tone", ("way to white paper", "向白纸靠近的程度"), "%", state=True),
    "negative": Metric(_negative, "tone", ("reversal of the tones", "明暗反转度"), "%", state=True),
    "chroma": Metric(_chroma, "colour", ("chroma against lightness", "彩度相对于明度"), "%"),
    "garish": Metric(_garish, "colour", ("share of garish colours", "刺眼色彩的比例"), "%"),
    "vibrance": Metric(_vibrance, "colour", ("chroma of the muted half", "较淡一半的彩度"), "%"),
    "warmth": Metric(_axis(2), "colour", ("mean b* (blue to yellow)", "平均 b*（由蓝到黄）")),
    "tint": Metric(_axis(1), "colour", ("mean a* (green to magenta)", "平均 a*（由绿到品红）")),
    "hue": Metric(_hue, "colour", ("mean hue", "平均色相"), "°"),
    "toward_color": Metric(
        _toward_color, "colour", ("way to the target colour", "向目标颜色靠近的程度"), "%", state=True
    ),
    "toward_hue": Metric(
        _toward_hue, "colour", ("approach to the target hue", "向目标色相靠近的角度"), "°", state=True
    ),
    "push": Metric(_push, "colour", ("colour in the wanted direction", "目标方向上的色彩")),
    "teal_orange": Metric(
        _teal_orange,
        "colour",
        ("orange in the lights against teal in the darks", "亮部的橙色相对于暗部的青色"),
    ),
    "cast": Metric(_cast, "colour", ("colour cast", "色偏"), "%"),
    "greyness": Metric(
        _greyness, "colour", ("share of the colour that is gone", "已去除的色彩比例"), "%", state=True
    ),
    "plain": Metric(_plain, "colour", ("share in the plain colour", "纯色所占比例"), "%", state=True),
    "one_hue": Metric(
        _one_hue, "colour", ("share of other hues that is gone", "已去除的其他色相比例"), "%", state=True
    ),
    "brown": Metric(_share_of(_is_brown), "colour", ("share of brown", "褐色的比例"), "%"),
    "detail": Metric(_detail, "texture", ("fine detail (gradient of L)", "细节（L 的梯度）"), "%"),
    "noise": Metric(_noise, "texture", ("noise in L", "L 的噪点")),
    "noise_share": Metric(_noise_share, "texture", ("noise in L", "L 的噪点"), "%"),
    "flat": Metric(_flat, "texture", ("share of flat neighbours", "平坦像素的比例"), "%"),
    "entropy": Metric(
        _entropy, "texture", ("tone information removed, in bits", "减少的色调信息（比特）"), state=True
    ),
    "local_contrast": Metric(_local_contrast, "structure", ("local contrast", "局部对比度"), "%"),
    "smoothness": Metric(_smoothness, "structure", ("texture of surfaces", "表面纹理"), "%"),
    "dark_specks": Metric(_specks(True), "structure", ("share of dark spots", "暗斑的比例"), "%"),
    "bright_specks": Metric(_specks(False), "structure", ("share of bright specks", "亮点的比例"), "%"),
    "streaks": Metric(_streaks, "structure", ("upright streaks", "竖直条纹")),
    "change": Metric(
        _change, "structure", ("share of visibly changed pixels", "有可见变化的像素比例"), "%", state=True
    ),
    "size": Metric(_size, "size", ("agreement of the size", "尺寸吻合度"), "%", state=True),
    "placement": Metric(
        _placement, "size", ("way of the content to its place", "内容到位的程度"), "%", state=True
    ),
    "seam": Metric(_seam, "structure", ("steepness of the seam", "接缝的明显程度"), "%", state=True),
}
"""name -> how it is measured and said."""
