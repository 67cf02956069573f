"""Words on a picture: captions and watermarks, in any script for which a font is installed."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from editor.base import CannotDo, Image, Mask
from editor.builtin.colors import rgb
from editor.builtin.core import Context, Op
from editor.builtin.grammar.messages import say
from editor.builtin.pixels import blend, full, luma, shrink, to_float

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

MARGIN = 0.045
"""Free space between text and the frame, as a share of the short side."""
_WATERMARK_HEIGHT = 0.028
_TILED_HEIGHT = 0.030

# Preferred font files, by stem, best first.
_LATIN = (
    "NotoSans-Medium", "NotoSans-Regular", "OpenSans-Regular", "DejaVuSans", "LiberationSans-Regular", "FreeSans",
    "HelveticaNeue", "Helvetica", "segoeui", "Arial",
)  # fmt: skip
_CJK = (
    "NotoSansCJK-Medium", "NotoSansCJK-Regular", "NotoSansCJKsc-Regular", "NotoSansSC-Regular", "NotoSansSC-VF",
    "SourceHanSansSC-Regular", "SourceHanSansCN-Regular", "SourceHanSans", "wqy-microhei", "wqy-zenhei",
    "DroidSansFallbackFull", "DroidSansFallback", "PingFang", "Hiragino Sans GB", "STHeiti Light", "msyh", "simhei",
    "simsun",
)  # fmt: skip
_WIDE = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003134f]")
_WORDS = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003134f]|[^\s\u2e80-\u9fff]+|\s+")


@dataclass(frozen=True, slots=True)
class _Print:
    """Text laid out: coverage of the glyphs and of the glyphs with their outline, (h, w) uint8 each."""

    glyphs: Mask
    outline: Mask


def text(image: Image, op: Op, context: Context) -> Image:
    """Write params.text at params.position; capitals are op.amount of the picture's height, less if need be.

    The position is one of the user's mask, where there is one. Long lines wrap, then shrink until they fit. Without
    params.color, white or near-black, whichever reads better; an outline is added where the ground is too close or
    too busy, or when params.outline is true.
    """
    position = str(op.params.get("position") or "bottom")
    out = image.copy()
    part = out[_room(context, image)]
    laid = _lay_out(_words(op), part.shape, op.amount * image.shape[0], position)
    window = _window(laid.outline.shape, part.shape, position)
    ground = luma(to_float(shrink(part[window], 40_000)))
    ink = _ink(op, float(ground.mean()))
    tone = _tone(ink)
    close = float((np.abs(ground - tone) < 0.35).mean()) > 0.05
    if op.params.get("outline") or close:
        part[window] = _print(part[window], laid.outline, _opposite(tone))
    part[window] = _print(part[window], laid.glyphs, ink)
    return out


def watermark(image: Image, op: Op, context: Context) -> Image:
    """Translucent params.text of opacity op.amount, at a position or, when that is "tiled", all over on a slant.

    A fainter outline of the opposite tone keeps it visible on bright and dark parts.
    """
    words, position = _words(op), str(op.params.get("position") or "bottom-right")
    part = out = image.copy()
    if position == "tiled":
        laid, window = _tiled(words, image.shape), (slice(None), slice(None))
    else:
        part = out[_room(context, image)]
        laid = _lay_out(words, part.shape, _WATERMARK_HEIGHT * image.shape[0], position)
        window = _window(laid.outline.shape, part.shape, position)
    ink = _ink(op, float(luma(to_float(shrink(part[window], 40_000))).mean()))
    edge = cv2.convertScaleAbs(laid.outline, alpha=0.4 * op.amount)
    part[window] = _print(part[window], edge, _opposite(_tone(ink)))
    part[window] = _print(part[window], cv2.convertScaleAbs(laid.glyphs, alpha=op.amount), ink)
    return out


def _room(context: Context, image: Image) -> tuple[slice, slice]:
    """The rows and columns to write in: of what the user marked, else of the whole picture."""
    if context.mask is None:
        return slice(0, image.shape[0]), slice(0, image.shape[1])
    x, y, width, height = cv2.boundingRect(context.mask)
    return slice(y, y + height), slice(x, x + width)


def _tone(ink: tuple[int, int, int]) -> float:
    return float(luma(np.array(ink, np.float32) / np.float32(255)))


def _opposite(tone: float) -> tuple[int, int, int]:
    return (18, 18, 18) if tone > 0.4 else (245, 245, 242)


def _words(op: Op) -> str:
    words = str(op.params.get("text") or "").strip()
    if not words:
        raise CannotDo(say("There are no words to write; put them in quotation marks."))
    return words


def _ink(op: Op, ground: float) -> tuple[int, int, int]:
    name = op.params.get("color")
    if name:
        return rgb(str(name))
    return (255, 255, 255) if ground < 0.62 else (24, 24, 24)


def _print(ground: Image, coverage: Mask, ink: tuple[int, int, int]) -> Image:
    """Lay a colour (sRGB 0..255) over the pixels that `coverage` touches."""
    colour = (np.array(ink, np.uint16) * (full(ground) // 255)).astype(ground.dtype)
    return blend(ground, cast("Image", np.broadcast_to(colour, ground.shape)), coverage)


# layout ---------------------------------------------------------------------------------------------------


def _lay_out(words: str, shape: tuple[int, ...], size: float, position: str) -> _Print:
    """Wrap and, if that is not enough, shrink until the block fits between the margins. size: of capitals, pixels."""
    height, width = shape[:2]
    margin = round(MARGIN * min(height, width))
    room_width, room_height = width - 2 * margin, height - 2 * margin
    name, index = font_for(words)
    align = "left" if "left" in position else "right" if "right" in position else "center"
    while True:
        font = _load(name, index, size, words)
        lines = _wrap(words, font, room_width)
        laid = _draw(lines, font, align, size)
        fits = laid.outline.shape[1] <= room_width and laid.outline.shape[0] <= room_height
        # a caption that would be broken into many lines reads better smaller
        if fits and len(lines) <= max(3, words.count("\n") + 1):
            return laid
        if size < 5:
            raise CannotDo(say("The text is too long for a photo of {}x{} pixels.", width, height))
        size *= 0.9


def _wrap(words: str, font: FreeTypeFont, room: int) -> list[str]:
    """Break lines at spaces, and anywhere between Chinese characters."""
    lines: list[str] = []
    for paragraph in words.splitlines():
        line = ""
        for piece in _WORDS.findall(paragraph):
            if line and font.getlength((line + piece).rstrip()) > room:
                lines.append(line.rstrip())
                line = piece.lstrip()
            else:
                line += piece
        lines.append(line.rstrip())
    return lines


def _draw(lines: list[str], font: FreeTypeFont, align: str, size: float) -> _Print:
    """Render the lines as 8-bit coverage, cropped to the outline's bounding box."""
    from PIL import Image as Pillow
    from PIL import ImageDraw

    stroke, leading = max(1, round(0.09 * size)), round(1.75 * size)
    widths = [font.getlength(line) for line in lines]
    slack = {"left": 0.0, "center": 0.5, "right": 1.0}[align]
    # one pen position per line, so that glyphs and outline agree to the pixel
    pens = [(round(slack * (max(widths) - w)), i * leading) for i, w in enumerate(widths)]
    boxes = [font.getbbox(line, anchor="ls", stroke_width=stroke) if line else (0, 0, 0, 0) for line in lines]
    left = int(np.floor(min(x + box[0] for (x, _), box in zip(pens, boxes, strict=True))))
    top = int(np.floor(min(y + box[1] for (_, y), box in zip(pens, boxes, strict=True))))
    right = int(np.ceil(max(x + box[2] for (x, _), box in zip(pens, boxes, strict=True))))
    bottom = int(np.ceil(max(y + box[3] for (_, y), box in zip(pens, boxes, strict=True))))
    layers = []
    for width in (0, stroke):
        canvas = Pillow.new("L", (max(1, right - left), max(1, bottom - top)))
        brush = ImageDraw.Draw(canvas)
        for line, (x, y) in zip(lines, pens, strict=True):
            brush.text((x - left, y - top), line, fill=255, font=font, anchor="ls", stroke_width=width)
        layers.append(np.asarray(canvas))
    return _Print(layers[0], layers[1])


def _window(block: tuple[int, ...], shape: tuple[int, ...], position: str) -> tuple[slice, slice]:
    """Where a block lies at "top", "bottom-left", "center" ... of a picture: its rows and columns."""
    margin = round(MARGIN * min(shape[:2]))
    spare_down, spare_right = max(0, shape[0] - block[0]), max(0, shape[1] - block[1])
    margin_down, margin_right = min(margin, spare_down // 2), min(margin, spare_right // 2)
    top, left = spare_down // 2, spare_right // 2
    if "top" in position:
        top = margin_down
    elif "bottom" in position:
        top = spare_down - margin_down
    if "left" in position:
        left = margin_right
    elif "right" in position:
        left = spare_right - margin_right
    return slice(top, top + block[0]), slice(left, left + block[1])


def _tiled(words: str, shape: tuple[int, ...]) -> _Print:
    """The text repeated over the whole picture, rising by 30 degrees, every other row shifted."""
    height, width = shape[:2]
    laid = _lay_out(
        " ".join(words.split()), (min(height, width), width), _TILED_HEIGHT * min(height, width), "center"
    )
    down, right = 3 * laid.outline.shape[0] // 2, max(laid.outline.shape[1] // 6, laid.outline.shape[0])
    cell = np.pad(np.dstack([laid.glyphs, laid.outline]), ((down, down), (right, right), (0, 0)))
    tile = np.vstack([cell, np.roll(cell, cell.shape[1] // 2, axis=1)])
    turn = cv2.getRotationMatrix2D((0, 0), 30, 1.0)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    matrix = cv2.invertAffineTransform(turn)
    both = cv2.warpAffine(tile, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_WRAP)
    return _Print(np.ascontiguousarray(both[..., 0]), np.ascontiguousarray(both[..., 1]))


# fonts ----------------------------------------------------------------------------------------------------


def _font_folders() -> list[Path]:
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - there may be no home
    return [
        Path("/usr/share/fonts"),
        Path("/usr/local/share/fonts"),
        home / ".local/share/fonts",
        home / ".fonts",
        Path("/System/Library/Fonts"),
        Path("/Library/Fonts"),
        home / "Library/Fonts",
        Path(os.environ.get("WINDIR", "C:/Windows")) / "Fonts",
    ]


@lru_cache(maxsize=1)
def _installed() -> dict[str, str]:
    """Font files on this machine: lower-case stem to path."""
    found: dict[str, str] = {}
    for folder in _font_folders():
        if folder.is_dir():
            for path in sorted(folder.rglob("*")):
                if path.suffix.lower() in (".ttf", ".otf", ".ttc"):
                    found.setdefault(path.stem.lower(), str(path))
    return found


@lru_cache(maxsize=64)
def font_for(words: str) -> tuple[str, int]:
    """The best font file (and face in it) that has every glyph of `words`; "" is the font bundled with Pillow.

    Raises CannotDo that names a package to install when no font has them all.
    """
    fonts = _installed()
    preferred = (*_CJK, *_LATIN) if _WIDE.search(words) else (*_LATIN, *_CJK)
    ordered = [fonts[stem.lower()] for stem in preferred if stem.lower() in fonts]
    for path in ordered:
        if _covers(path, 0, words):
            return path, _face(path)
    if _covers("", 0, words):
        return "", 0
    for path in fonts.values():
        if path not in ordered and _covers(path, 0, words):
            return path, _face(path)
    package = "fonts-noto-cjk" if _WIDE.search(words) else "fonts-noto"
    raise CannotDo(
        say("No font on this machine has all the characters of “{}”; install one, for example the package {}.",
            words[:40], package)
    )  # fmt: skip


def _face(path: str) -> int:
    """The face for simplified Chinese in a collection that has several, else the first."""
    if not path.lower().endswith(".ttc"):
        return 0
    from PIL import ImageFont

    for index in range(12):
        try:
            family = ImageFont.truetype(path, 12, index=index).getname()[0] or ""
        except OSError:
            break
        if family.endswith((" SC", " CN", "GB")):
            return index
    return 0


def _open(path: str, index: int, size: float) -> FreeTypeFont:
    from PIL import ImageFont

    if path:
        return ImageFont.truetype(path, size, index=index)
    return cast("FreeTypeFont", ImageFont.load_default(size))


def _covers(path: str, index: int, words: str) -> bool:
    """Whether the font draws every character as something else than its "missing" glyph."""
    try:
        font = _open(path, index, 24)
        # U+FFFF is a noncharacter: every font answers it with .notdef
        missing = _glyph(font, "\uffff")
        return all(_glyph(font, c) != missing for c in set(words) if not c.isspace())
    except (OSError, ValueError):
        return False


def _glyph(font: FreeTypeFont, character: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)


def _load(path: str, index: int, size: float, words: str) -> FreeTypeFont:
    """The font at the size at which a capital, or a Chinese character, is `size` pixels high."""
    probe = _open(path, index, 200)
    _, top, _, bottom = probe.getbbox("国" if _WIDE.search(words) else "H")
    return _open(path, index, max(1.0, size * 200 / max(1.0, bottom - top)))
