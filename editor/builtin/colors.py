"""Named colours in English and Chinese, as sRGB, and the hue range by which a region of that colour is found."""

from __future__ import annotations

NAMES: dict[str, str] = {
    "red": "#d22630", "orange": "#f08a24", "yellow": "#f2c81e", "green": "#3c9a3c", "cyan": "#22b8c8",
    "teal": "#0f8b8d", "blue": "#2a5fc4", "navy": "#1b2a5c", "purple": "#7b3fa0", "magenta": "#c8288c",
    "pink": "#f08cb0", "brown": "#7a4a28", "beige": "#dcc8a0", "gold": "#d4a017", "silver": "#b8bcc0",
    "white": "#f4f4f2", "grey": "#888888", "black": "#181818", "turquoise": "#30c8b4", "lime": "#9ad02a",
    "olive": "#7a7a28", "maroon": "#7a1f2c", "violet": "#6a4bc0", "lavender": "#b8a4dc", "cream": "#f2e8cc",
}  # fmt: skip
"""name -> #rrggbb. Plain, photographic colours: a pure #ff0000 looks pasted on."""

ALIASES: dict[str, str] = {
    "gray": "grey", "golden": "gold", "crimson": "red", "scarlet": "red", "azure": "blue", "aqua": "cyan",
    "violet-blue": "violet", "fuchsia": "magenta", "tan": "beige", "amber": "gold", "indigo": "navy",
    "红": "red", "橙": "orange", "橘": "orange", "黄": "yellow", "绿": "green", "青": "cyan", "蓝": "blue",
    "紫": "purple", "粉": "pink", "粉红": "pink", "棕": "brown", "褐": "brown", "金": "gold", "银": "silver",
    "白": "white", "灰": "grey", "黑": "black", "米": "beige", "米白": "cream", "橄榄": "olive", "品红": "magenta",
    "玫红": "magenta", "天蓝": "cyan", "深蓝": "navy", "藏青": "navy", "酒红": "maroon", "青绿": "teal",
    "绿松石": "turquoise", "薰衣草": "lavender", "奶油": "cream",
}  # fmt: skip
"""Other words for them; Chinese ones without the trailing 色, which the grammar strips."""


def rgb(name: str) -> tuple[int, int, int]:
    """sRGB 0..255 of a name, an alias or "#rrggbb". Raises KeyError for an unknown name."""
    value = name if name.startswith("#") else NAMES[ALIASES.get(name, name)]
    return int(value[1:3], 16), int(value[3:5], 16), int(value[5:7], 16)


def plain_hex(name: str) -> str:
    """The colour of a plain backdrop, "#rrggbb": white and black all the way, as shops ask for."""
    pure = {"white": "#ffffff", "black": "#000000"}.get(ALIASES.get(name, name))
    return pure or "#" + bytes(rgb(name)).hex()


def of_sky(name: str) -> str:
    """The colour that is meant of a sky: blue is lighter and less violet there than on a car."""
    return "#5f9fdf" if is_blue(name) else name


def is_blue(name: str) -> bool:
    """Whether a name or alias means plain blue."""
    return ALIASES.get(name, name) == "blue"
