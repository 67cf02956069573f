"""Numbers in words and figures, with their units: "30 %", "+1 EV", "half a stop", "百分之三十", "1920x1080"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Unit = Literal["", "%", "EV", "deg", "px", "x", "levels", "K", "size", "ratio", "rect", "hex", "of", "f"]


@dataclass(frozen=True, slots=True)
class Number:
    """value in unit; parts: the numbers of a size, ratio or rectangle; signed: written with + or -."""

    value: float
    unit: Unit = ""
    signed: bool = False
    parts: tuple[int, ...] = ()
    name: str = ""


_D = r"\d{1,6}(?:\.\d{1,6})?"
_ZH = r"[零〇一二两三四五六七八九十百]{1,5}(?:点[一二三四五六七八九零]{1,3})?"
_EN = (
    "a|an|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|forty[- ]five|"
    "fifty|sixty|seventy|eighty|ninety|one hundred|a hundred"
)
_UNITS = {
    "%": r"%|percent\b|per cent\b|pct\b|個百分點|个百分点|个百分比",
    "EV": r"ev\b|f?-?stops?\b|档",
    "deg": r"°|º|degrees?\b|deg\b|度",
    "px": r"px\b|pixels?\b|像素|个像素",
    "x": r"x\b(?!\s*\d)|×(?!\s*\d)|times\b|倍",
    "levels": r"(?:tone |tonal |color |colour )?levels\b|colors\b|colours\b|tones\b|steps\b"
    r"|级色阶|个色阶|阶|级|种颜色|个颜色|色(?=$|[\s，。,])",
    "K": r"k\b|kelvin\b|开尔文",
}
_UNIT = "|".join(f"(?:{pattern})" for pattern in _UNITS.values())
NUMBER = re.compile(
    rf"(?P<hex>#[0-9a-f]{{6}}\b)"
    rf"|(?P<rect>(?<!\d)\d{{1,6}}\s*,\s*\d{{1,6}}\s*,\s*\d{{1,6}}\s*,\s*\d{{1,6}}(?!\d))"
    rf"|(?P<ratio>(?<![\d.a-z])\d{{1,3}}\s*(?::|：|比|to(?=\s*\d{{1,2}}\b(?!\s*(?:%|px|pixel|ev|stop|deg))))\s*\d{{1,3}}(?!\d))"
    r"|(?P<idphoto>(?<![\da-z])(?:[12一二两]\s?寸|(?:1|2|one|two)[ -]inch\b))"
    r"|(?P<print>(?<![\d.a-z])\d(?:[x×]|\s[x×]\s)\d{1,2}(?![\d.])(?:\s?(?:inch(?:es)?\b|英寸|寸))?)"
    rf"|(?P<zhratio>{_ZH}比{_ZH})"
    rf"|(?P<size>(?<!\d)\d{{2,6}}\s*(?:px|pixels)?\s*(?:x|×|\*|by|乘|乘以)\s*\d{{2,6}}(?!\d)\s*(?:px\b|pixels?\b|像素)?)"
    r"|(?P<fnumber>(?<![a-z])f\s?/\s?\d{1,2}(?:\.\d)?(?![\d/]))"
    rf"|(?P<halfstop>\b(?:half (?:a |an )?|a half |one half )(?:stop|ev)\b|半档)"
    rf"|(?P<andhalf>\b(?P<whole>{_EN}) and a half (?:f-?)?(?P<what>stops?|ev|times|degrees)\b)"
    rf"|(?P<fraction>[+\-−]?\s?\d/\d\s*(?:of an? )?)(?P<fractionunit>ev\b|f?-?stops?\b|档)"
    rf"|(?P<thirdstop>\b(?:a third|one third) (?:of a |of an )?(?:stop|ev)\b|三分之一\s*档)"
    rf"|(?P<twothird>\b(?:two thirds) (?:of a |of an )?(?:stop|ev)\b|三分之二\s*档)"
    r"|(?P<zhfraction>[二三四五六七八九十]分之[一二三四五六七八九])"
    rf"|百分之(?P<hundredth>{_ZH}|{_D})"
    rf"|(?P<cheng>{_ZH}|\d)成(?![黑白红黄蓝绿橙紫粉灰])"
    rf"|(?P<zhhalf>[一二两三四五六七八九])(?P<zhhalfunit>档半|倍半)"
    rf"|(?P<num>(?:[+\-−±]\s?)?{_D})\s*(?P<unit>{_UNIT})"
    rf"|(?<![\da-z_])(?P<signed>[+\-−]\s?{_D})(?![\w])"
    rf"|(?P<plain>(?<![\d.a-z_]){_D}(?![\d\w.]*[a-z_]))"
    rf"|\b(?P<en>{_EN})[ -](?P<enunit>percent|per cent|stops?|f-?stops?|evs?|degrees?|times|pixels?|levels)\b"
    rf"|(?P<zh>{_ZH})(?P<zhunit>%|档|度|个像素|像素|倍|级色阶|个色阶|级|阶)"
)
"""Finds every number; all alternatives are of bounded length, so that matching is linear."""

_ENGLISH = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40,
    "forty five": 45, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90, "one hundred": 100,
    "a hundred": 100,
}  # fmt: skip
_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}


def chinese(text: str) -> float:
    """The value of Chinese numerals up to 999, with an optional fraction: "三十五", "一百二", "一点五"."""
    whole, _, fraction = text.partition("点")
    total = digit = 0
    for char in whole:
        if char in "十百":
            total += (digit or 1) * (10 if char == "十" else 100)
            digit = 0
        else:
            digit = digit * 10 + _DIGITS[char]
    if whole[-2:-1] == "百":  # 一百二 is 120, 一百零二 102
        digit *= 10
    decimals = "".join(str(_DIGITS[c]) for c in fraction)
    return float(f"{total + digit}.{decimals or 0}")


def number(match: re.Match[str]) -> Number:
    """The number that a match of NUMBER stands for."""
    text = match.group()
    found = {name: value for name, value in match.groupdict().items() if value is not None}
    if "hex" in found:
        return Number(0, "hex", name=text)
    for unit in ("rect", "ratio", "size"):
        if unit in found:
            return Number(0, unit, parts=tuple(int(n) for n in re.findall(r"\d+", text)))
    if "idphoto" in found:  # 25 x 35 mm and 35 x 49 mm
        return Number(0, "ratio", parts=(5, 7))
    if "print" in found:
        return Number(0, "ratio", parts=tuple(int(n) for n in re.findall(r"\d+", text)[:2]), name="print")
    if "fnumber" in found:
        return Number(float(text.partition("/")[2]), "f")
    if "zhratio" in found:
        return Number(0, "ratio", parts=tuple(int(chinese(n)) for n in text.split("比")))
    for name, value in (("halfstop", 0.5), ("thirdstop", 1 / 3), ("twothird", 2 / 3)):
        if name in found:
            return Number(value, "EV")
    if "fraction" in found:
        return _fraction(found["fraction"])
    if "andhalf" in found:
        return Number(_english(found["whole"]) + 0.5, _unit(found["what"]))
    if "hundredth" in found:
        return Number(_value(found["hundredth"]), "%")
    if "cheng" in found:
        return Number(_value(found["cheng"]) * 10, "%")
    if "zhfraction" in found:
        below, _, above = text.partition("分之")
        return Number(chinese(above) / chinese(below), "x")
    if "zhhalf" in found:
        return Number(chinese(found["zhhalf"]) + 0.5, "EV" if "档" in text else "x")
    if "en" in found:
        return Number(_english(found["en"]), _unit(found["enunit"]))
    if "zh" in found:
        return Number(chinese(found["zh"]), _unit(found["zhunit"]))
    figure = found.get("num") or found.get("signed") or found["plain"]
    figure = figure.replace("−", "-").replace(" ", "").replace("±", "")
    return Number(float(figure), _unit(found.get("unit", "")), signed=figure[0] in "+-")


def _fraction(text: str) -> Number:
    """ "1/3 stop", "-2/3 EV"."""
    above, below = (int(n) for n in re.findall(r"\d", text)[:2])
    signed = text.lstrip()[0] in "+-−"
    value = above / below if below else 0.0
    return Number(-value if signed and text.lstrip()[0] != "+" else value, "EV", signed=signed)


def _english(word: str) -> float:
    return float(_ENGLISH[word.replace("-", " ")])


def _value(text: str) -> float:
    return float(text) if text[0].isdigit() else chinese(text)


def _unit(text: str) -> Unit:
    for unit, pattern in _UNITS.items():
        if text and re.match(rf"(?:{pattern})", text):
            return unit  # type: ignore[return-value]
    return ""
