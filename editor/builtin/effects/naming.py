"""What a region is called in a sentence, in English and Chinese."""

from __future__ import annotations

import re

from editor.builtin.core import Region

_NAMED_ZH = {
    "subject": "主体", "background": "背景", "sky": "天空", "foliage": "植被", "leaf": "叶子", "grass": "草地",
    "skin": "皮肤", "face": "脸部", "water": "水面", "ground": "地面", "fruit": "果实", "flower": "花",
}  # fmt: skip


_SAYS_BUT = re.compile(r"\b(?:except|but|outside)\b|除|以外|之外", re.IGNORECASE)


def region_words(region: Region, *, chinese: bool) -> str:
    """What a region is called in a sentence: "the sky", "天空"; "" for the whole photo and for a bare mask."""
    if region.kind == "whole" or (region.kind == "mask" and not (region.text or region.noun)):
        return ""
    text = region.text or region.noun
    written_in_chinese = any("\u3400" <= char <= "\u9fff" for char in text)
    if not text or written_in_chinese != chinese:
        text = _NAMED_ZH.get(region.name, region.name) if chinese else region.name
    if _SAYS_BUT.search(text):  # "everything except face"
        return text
    if chinese:
        return f"除{text}以外" if region.invert else text
    named = text if text.lower().startswith(("the ", "a ", "everything", "all ")) else f"the {text}"
    return f"all but {named}" if region.invert else named
