"""Facts about a pair of pictures, measured and not guessed: evidence for the Reasoner and for the trace."""

from __future__ import annotations

from functools import partial
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from editor.base import Image, Mask
from editor.pixels import Float, full, gradient, in_depth, lab, once, side_by_side, small_lab

CLIPPED_PIXELS = 200_000
"""Pixels that are looked at for pure black and white."""
NOTICEABLE = 2.3
"""One just noticeable difference in CIE76 (Mahy, Van Eycken and Oosterlinck, 1994)."""
BAND_PIXELS = 1 << 20
"""Pixels compared at once outside of a mask: a few MB of temporaries for each core."""
ALIGN_SIDE = 256
"""Longest side at which the global shift is looked for."""
ALIGN_RESPONSE = 0.1
"""Phase correlation peaks below this are chance."""
TILES = 4
TILE_SIDE = 96
"""Sharpness is read from TILES x TILES squares at full size: a shrunk photo has lost what it is about."""


class Facts(BaseModel):
    """What changed between a source and a result.

    Shares are 0..1 of the pixels; positions are 0..1 of width and height; L is CIE lightness 0..100,
    chroma is CIE C*.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    size_before: tuple[int, int]
    size_after: tuple[int, int]
    changed_share: float
    """Share of pixels that a person would see as changed (CIE76 distance above 2.3, one just noticeable)."""
    changed_box: tuple[float, float, float, float] | None = None
    """Where they lie: left, top, right, bottom."""
    mean_change: float = 0.0
    """Mean CIE76 distance over the picture."""
    outside_changed: float | None = None
    """With a mask: share of the pixels outside it whose value differs at all. None without a mask."""
    outside_max: int | None = None
    """With a mask: the largest difference outside it, on the 0..255 scale."""
    shift: tuple[float, float] = (0.0, 0.0)
    """Global shift of the content, in pixels of the source (right, down)."""
    lightness: tuple[float, float] = (0.0, 0.0)
    """Mean L before and after."""
    contrast: tuple[float, float] = (0.0, 0.0)
    """Standard deviation of L before and after."""
    chroma: tuple[float, float] = (0.0, 0.0)
    """Mean chroma before and after."""
    warmth: tuple[float, float] = (0.0, 0.0)
    """Mean b* (blue to yellow) before and after."""
    clipped: tuple[float, float] = (0.0, 0.0)
    """Share of pixels at pure black or white, before and after."""
    detail: tuple[float, float] = (0.0, 0.0)
    """Mean gradient of L before and after, a measure of sharpness."""

    def sentences(self, language: Literal["en", "zh"] = "en") -> list[str]:
        """The facts as plain sentences with rounded numbers, for prompts and traces."""
        return [template[language == "zh"].format(**values) for template, values in self._statements()]

    def _statements(self) -> list[tuple[tuple[str, str], dict[str, str]]]:
        found: list[tuple[tuple[str, str], dict[str, str]]] = []
        if self.size_before != self.size_after:
            sizes = {"a": "{}x{}".format(*self.size_before), "b": "{}x{}".format(*self.size_after)}
            found.append((_SIZE, sizes))
        if self.changed_box is None:
            found.append((_SAME, {}))
        else:
            left, top, right, bottom = (f"{edge:.0%}" for edge in self.changed_box)
            place = {"left": left, "top": top, "right": right, "bottom": bottom}
            share = _percent(self.changed_share)
            found.append((_CHANGED, {"share": share, "mean": f"{self.mean_change:.1f}", **place}))
        if self.outside_changed is not None:
            if self.outside_changed == 0:
                found.append((_OUTSIDE_SAME, {}))
            else:
                values = {"share": _percent(self.outside_changed), "most": str(self.outside_max)}
                found.append((_OUTSIDE, values))
        if self.shift != (0.0, 0.0):
            found.append((_SHIFT, {"x": f"{self.shift[0]:+.1f}", "y": f"{self.shift[1]:+.1f}"}))
        for template, (before, after), digits in (
            (_LIGHTNESS, self.lightness, 1),
            (_CONTRAST, self.contrast, 1),
            (_CHROMA, self.chroma, 1),
            (_WARMTH, self.warmth, 1),
            (_DETAIL, self.detail, 2),
        ):
            found.append((template, {"a": f"{before:.{digits}f}", "b": f"{after:.{digits}f}"}))
        found.append((_CLIPPED, {"a": _percent(self.clipped[0]), "b": _percent(self.clipped[1])}))
        return found


_SIZE = ("The size changed from {a} to {b} pixels.", "尺寸从 {a} 变为 {b} 像素。")
_SAME = ("No visible change anywhere.", "没有任何可见的变化。")
_CHANGED = (
    "{share} of the pixels visibly changed (mean colour distance {mean}), "
    "between {left} and {right} of the width and {top} and {bottom} of the height.",
    "{share} 的像素有可见变化（平均色差 {mean}），"
    "位于宽度的 {left} 至 {right}、高度的 {top} 至 {bottom} 之间。",
)
_OUTSIDE_SAME = ("Outside the mask nothing changed.", "蒙版之外没有任何变化。")
_OUTSIDE = (
    "Outside the mask {share} of the pixels differ, by at most {most} of 255.",
    "蒙版之外 {share} 的像素不同，最大相差 {most}（满值 255）。",
)
_SHIFT = (
    "The content moved by {x} px right and {y} px down.",
    "内容整体向右移动 {x} 像素、向下移动 {y} 像素。",
)
_LIGHTNESS = ("Mean lightness L went from {a} to {b}.", "平均明度 L 从 {a} 变为 {b}。")
_CONTRAST = ("Contrast (spread of L) went from {a} to {b}.", "对比度（L 的标准差）从 {a} 变为 {b}。")
_CHROMA = ("Mean chroma went from {a} to {b}.", "平均彩度从 {a} 变为 {b}。")
_WARMTH = (
    "Warmth (mean b*, blue to yellow) went from {a} to {b}.",
    "色温倾向（平均 b*，由蓝到黄）从 {a} 变为 {b}。",
)
_CLIPPED = ("Pure black or white pixels went from {a} to {b}.", "纯黑或纯白的像素从 {a} 变为 {b}。")
_DETAIL = ("Fine detail (mean gradient of L) went from {a} to {b}.", "细节（L 的平均梯度）从 {a} 变为 {b}。")


def _percent(share: float) -> str:
    """A share in percent, with as many digits as it takes to tell it from none."""
    return f"{share:.0%}" if share == 0 or share >= 0.1 else f"{max(share, 0.0001):.2%}"


def measure(source: Image, result: Image, mask: Mask | None = None) -> Facts:
    """Compare a source and a result, both (H, W, 3) uint8 or uint16 sRGB.

    Colours are compared at no more than SMALL_PIXELS pixels. With a mask ((H, W) uint8, the source's size; 0 is
    outside) the pixels outside are compared exactly, at full size. When the sizes differ the result is resized
    to the source's for the shares, and nothing is said of the outside or of a shift. Raises ValueError for a mask
    of another size than the source.
    """
    if mask is not None and mask.shape != source.shape[:2]:
        raise ValueError(f"mask of shape {mask.shape} for a picture of shape {source.shape[:2]}")
    height, width = source.shape[:2]
    same_size = result.shape == source.shape
    before = small_lab(source)
    after = small_lab(result, (before.shape[1], before.shape[0]))
    difference = cv2.subtract(after, before)
    # not by a matrix product: its threads would stay awake and wait for more
    distance = cv2.sqrt(cv2.transform(cv2.multiply(difference, difference), np.ones((1, 3), np.float32)))
    changed = distance > NOTICEABLE
    outside = outside_difference(source, result, mask) if same_size and mask is not None else (None, None)
    was, is_now = _tones(source), _tones(result)
    return Facts(
        size_before=(width, height),
        size_after=(result.shape[1], result.shape[0]),
        changed_share=float(changed.mean()),
        changed_box=_box(changed),
        mean_change=float(distance.mean()),
        outside_changed=outside[0],
        outside_max=outside[1],
        shift=_shift(before, after, width / before.shape[1]) if same_size else (0.0, 0.0),
        lightness=(was.lightness, is_now.lightness),
        contrast=(was.contrast, is_now.contrast),
        chroma=(was.chroma, is_now.chroma),
        warmth=(was.warmth, is_now.warmth),
        clipped=(clipped_share(source), clipped_share(result)),
        detail=(_detail(source), _detail(result)),
    )


class _Tones(NamedTuple):
    """Of one picture, see Facts."""

    lightness: float
    contrast: float
    chroma: float
    warmth: float


def _tones(image: Image) -> _Tones:
    return once(image, "tones", lambda: _tones_of(small_lab(image)))


def _tones_of(picture: Float) -> _Tones:
    mean, spread = cv2.meanStdDev(picture)
    chroma = cv2.magnitude(picture[..., 1], picture[..., 2]).mean()
    return _Tones(float(mean[0, 0]), float(spread[0, 0]), float(chroma), float(mean[2, 0]))


def outside_difference(source: Image, result: Image, mask: Mask) -> tuple[float, int]:
    """What changed where the mask is 0: the share of those pixels that differ at all, and the most by which.

    Exact, at full size, in bands on all cores. The most is on the 0..255 scale, rounded up, so that any
    difference at 16 bits counts. Pictures of unlike depth are compared at 8 bits.
    """
    if source.dtype != result.dtype:
        source, result = in_depth(source, np.uint8), in_depth(result, np.uint8)
    height, width = mask.shape
    step = max(1, BAND_PIXELS // max(1, width))

    def work(top: int) -> tuple[int, int, int]:
        rows = slice(top, min(height, top + step))
        outside = (mask[rows] == 0).view(np.uint8)
        count = cv2.countNonZero(outside)
        if count == 0 or np.array_equal(source[rows], result[rows]):
            return count, 0, 0
        red, green, blue = cv2.split(cv2.absdiff(source[rows], result[rows]))
        most = cv2.max(cv2.max(red, green), blue)
        most = cv2.bitwise_and(most, most, mask=outside)
        return count, int(np.count_nonzero(most)), int(most.max())

    counts = side_by_side(work, range(0, height, step))
    total = sum(count for count, _, _ in counts)
    differ = sum(count for _, count, _ in counts)
    most = max(largest for _, _, largest in counts)
    return differ / max(1, total), -(-most * 255 // full(source))


def clipped_share(image: Image) -> float:
    """Share of pixels at pure black or pure white, on an even sample of about CLIPPED_PIXELS of the picture's own."""
    return once(image, "clipped", lambda: _clipped_share(image))


def _clipped_share(image: Image) -> float:
    height, width = image.shape[:2]
    step = max(1, int((height * width / CLIPPED_PIXELS) ** 0.5))
    sample = np.ascontiguousarray(image[::step, ::step])
    red, green, blue = cv2.split(sample)
    most, least = cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue)
    clipped = np.count_nonzero(most == 0) + np.count_nonzero(least == full(image))
    return float(clipped / most.size)


def _box(changed: NDArray[np.bool_]) -> tuple[float, float, float, float] | None:
    left, top, width, height = cv2.boundingRect(changed.view(np.uint8))
    if width == 0:
        return None
    rows, columns = changed.shape
    return left / columns, top / rows, (left + width) / columns, (top + height) / rows


def _shift(before: Float, after: Float, pixels: float) -> tuple[float, float]:
    """Global shift of the content in pixels of the source; `pixels` of the source make one of `before`, in CIE Lab.

    Phase correlation of the gradient, so that an edit of tone or colour is not taken for a movement.
    """
    edges = [once(picture, "edges", partial(_edges, picture)) for picture in (before, after)]
    height, width = edges[0].shape
    if min(height, width) < 16 or min(float(edge.std()) for edge in edges) < 1e-3:
        return 0.0, 0.0
    window = cv2.createHanningWindow((width, height), cv2.CV_64F)
    (right, down), response = cv2.phaseCorrelate(edges[0], edges[1], window)
    if response < ALIGN_RESPONSE or max(abs(right), abs(down)) < 0.25:
        return 0.0, 0.0
    scale = max(height, width) / max(before.shape[:2])
    # a Fourier transform's last digits depend on where its input lies in memory
    return round(right * pixels / scale, 3), round(down * pixels / scale, 3)


def _edges(picture: Float) -> NDArray[np.float64]:
    """Gradient of L, at no more than ALIGN_SIDE pixels a side."""
    lightness = cv2.extractChannel(picture, 0)
    height, width = lightness.shape
    scale = min(1.0, ALIGN_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return gradient(cv2.resize(lightness, size, interpolation=cv2.INTER_AREA)).astype(np.float64)


def _detail(image: Image) -> float:
    return once(image, "detail", lambda: _sharpness(image))


def _sharpness(image: Image) -> float:
    """Mean gradient of L over TILES x TILES squares of the picture at full size, in L per pixel."""
    height, width = image.shape[:2]
    if height * width <= (TILES * TILE_SIDE) ** 2 or width < 3:
        return float(gradient(lab(image)[..., 0].copy()).mean())
    tops = np.linspace(0, max(0, height - TILE_SIDE), TILES).astype(int)
    lefts = np.linspace(0, max(0, width - TILE_SIDE), TILES).astype(int)
    means = []
    for top in tops:
        row = np.concatenate([image[top : top + TILE_SIDE, x : x + TILE_SIDE] for x in lefts], axis=1)
        # the seams between the squares of a row are not detail
        steps = gradient(lab(row)[..., 0].copy())
        inner = steps.reshape(len(steps), TILES, -1)[:, :, 1:-1]
        means.append(float(inner.mean()))
    return float(np.mean(means))
