"""What a region is called in a sentence, in English and Chinese."""

from __future__ import annotations

from editor.builtin.core import Region

_NAMED_ZH = {
    "subject": "主体", "background": "背景", "sky": "天空", "foliage": "植被", "leaf": "叶子", "grass": "草地",
    "skin": "皮肤", "face": "脸部", "water": "水面", "ground": "地面", "fruit": "果实", "flower": "花",
}  # fmt: skip


def region_words(region: Region, *, chinese: bool) -> str:
    """What a region is called in a sentence: "the sky", "天空"; "" for the whole photo and for a bare mask."""
    if region.kind == "whole" or (region.kind == "mask" and not (region.text or region.noun)):
        return ""
    text = region.text or region.noun
    written_in_chinese = any("\u3400" <= char <= "\u9fff" for char in text)
    if not text or written_in_chinese != chinese:
        text = _NAMED_ZH.get(region.name, region.name) if chinese else region.name
    if chinese or text.lower().startswith(("the ", "a ", "everything", "all ")):
        return text
    return f"the {text}"
