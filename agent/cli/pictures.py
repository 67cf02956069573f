"""Pictures in a terminal: the kitty, iTerm2 and sixel protocols where the terminal has one, else half blocks.

kitty:  https://sw.kovidgoyal.net/kitty/graphics-protocol/
iTerm2: https://iterm2.com/documentation-images.html
sixel:  VT330/VT340 Programmer Reference Manual, chapter 14; asked for by primary device attributes (attribute 4)
"""

from __future__ import annotations

import base64
import io
import os
import sys
import time
from collections.abc import Mapping
from typing import Any, Literal

from rich.text import Text

Protocol = Literal["kitty", "iterm2", "sixel", "blocks", "none"]

COLUMNS = 40
"""Width of a picture in cells."""
_WIDTH = 400
"""Width in pixels of what is sent to a terminal that shows real pictures."""
_ASK_SECONDS = 0.15
"""A terminal that does not answer within this has no sixel; over a slow line half blocks are shown."""
_SIXEL_COLOURS = 64


def detect(environ: Mapping[str, str], *, tty: bool, colours: bool) -> Protocol:
    """What the terminal can show, from its environment and, failing that, by asking it. Never waits long."""
    if not tty:
        return "none"
    term, program = environ.get("TERM", ""), environ.get("TERM_PROGRAM", "")
    multiplexed = "TMUX" in environ or term.startswith(("screen", "tmux"))
    if not multiplexed:
        if "KITTY_WINDOW_ID" in environ or term in ("xterm-kitty", "xterm-ghostty") or program == "ghostty":
            return "kitty"
        if program in ("iTerm.app", "WezTerm") or environ.get("LC_TERMINAL") == "iTerm2":
            return "iterm2"
        if term != "dumb" and "4" in _device_attributes():
            return "sixel"
    return "blocks" if colours else "none"


def _device_attributes() -> set[str]:
    """The terminal's answer to DA1, or nothing when it gives none in time or is not ours to ask."""
    try:
        import select
        import termios
        import tty
    except ImportError:  # Windows
        return set()
    try:
        fd = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return set()
    try:
        if os.tcgetpgrp(fd) != os.getpgrp():  # in the background: asking would stop the process
            return set()
        saved = termios.tcgetattr(fd)
        try:
            tty.setcbreak(fd, termios.TCSANOW)
            os.write(fd, b"\x1b[c")
            answer, deadline = b"", time.monotonic() + _ASK_SECONDS
            while not answer.endswith(b"c") and (left := deadline - time.monotonic()) > 0:
                if select.select([fd], [], [], left)[0]:
                    answer += os.read(fd, 64)
        finally:
            termios.tcsetattr(fd, termios.TCSANOW, saved)
    except OSError:
        return set()
    finally:
        os.close(fd)
    begin = answer.rfind(b"\x1b[?")
    return set(answer[begin + 3 : -1].decode("ascii", "replace").split(";")) if begin >= 0 else set()


def escape(pixels: Any, protocol: Protocol) -> str:
    """A picture ((H, W, 3) uint8) as the escape sequence of a protocol that shows real pictures."""
    from PIL import Image

    picture = Image.fromarray(pixels)
    width = min(_WIDTH, picture.width)
    size = width, max(1, round(picture.height * width / picture.width))
    small = picture.resize(size, Image.Resampling.BOX)
    if protocol == "sixel":
        return sixel(small)
    buffer = io.BytesIO()
    small.save(buffer, "PNG")
    payload = base64.standard_b64encode(buffer.getvalue()).decode()
    if protocol == "iterm2":
        return f"\x1b]1337;File=inline=1;width={COLUMNS};preserveAspectRatio=1:{payload}\x07"
    return _kitty(payload)


def _kitty(payload: str) -> str:
    """In chunks of at most 4096 bytes; q=2 keeps the terminal from answering."""
    parts = [payload[at : at + 4096] for at in range(0, len(payload), 4096)]
    lines = []
    for number, part in enumerate(parts):
        first = f"a=T,f=100,q=2,c={COLUMNS}," if number == 0 else ""
        lines.append(f"\x1b_G{first}m={int(number < len(parts) - 1)};{part}\x1b\\")
    return "".join(lines)


def sixel(picture: Any) -> str:
    """A PIL picture in sixels: bands of six rows, one pass per colour that occurs in the band, runs compressed."""
    import numpy as np

    indexed = picture.convert("RGB").quantize(_SIXEL_COLOURS)
    palette, pixels = indexed.getpalette() or [], np.asarray(indexed)
    height, width = pixels.shape
    out = [f'\x1bPq"1;1;{width};{height}']
    for colour in range(len(palette) // 3):
        red, green, blue = (round(value * 100 / 255) for value in palette[3 * colour : 3 * colour + 3])
        out.append(f"#{colour};2;{red};{green};{blue}")
    for top in range(0, height, 6):
        band = pixels[top : top + 6]
        weights = (1 << np.arange(len(band)))[:, None]
        passes = [
            f"#{colour}{_run_lengths(((band == colour) * weights).sum(axis=0))}" for colour in np.unique(band)
        ]
        out.append("$".join(passes) + "-")
    return "".join(out) + "\x1b\\"


def _run_lengths(bits: Any) -> str:
    import numpy as np

    edges = np.flatnonzero(np.diff(bits)) + 1
    begins = [0, *edges.tolist()]
    ends = [*edges.tolist(), len(bits)]
    out = []
    for begin, end in zip(begins, ends, strict=True):
        char, count = chr(63 + int(bits[begin])), end - begin
        out.append(f"!{count}{char}" if count > 3 else char * count)
    return "".join(out)


def blocks(pixels: Any) -> Text:
    """A picture ((H, W, 3) uint8) in half blocks, two pixels a cell."""
    from PIL import Image

    picture = Image.fromarray(pixels)
    columns = min(COLUMNS, picture.width)
    rows = max(2, round(picture.height * columns / picture.width) // 2 * 2)
    small = picture.resize((columns, rows), Image.Resampling.BOX).tobytes()
    text = Text()
    for y in range(0, rows, 2):
        text.append("  ")
        for x in range(columns):
            at, below = 3 * (y * columns + x), 3 * ((y + 1) * columns + x)
            upper, lower = tuple(small[at : at + 3]), tuple(small[below : below + 3])
            text.append("▀", style=f"rgb({_triple(upper)}) on rgb({_triple(lower)})")
        text.append("\n")
    text.rstrip()
    return text


def _triple(pixel: tuple[int, ...]) -> str:
    return ",".join(str(value) for value in pixel)


def stdout_protocol(*, colours: bool) -> Protocol:
    """What the terminal at stdout can show."""
    return detect(os.environ, tty=sys.stdout.isatty(), colours=colours)
