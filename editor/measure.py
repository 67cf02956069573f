"""Facts about a pair of pictures, measured and not guessed: evidence for the Reasoner and for the trace."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Facts(BaseModel):
    """What changed between a source and a result.

    Shares are 0..1 of the pixels; positions are 0..1 of width and height; L is CIE lightness 0..100, chroma is CIE C*.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

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
