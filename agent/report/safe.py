"""What keeps a trace from becoming more than text: escaping, a content security policy, names of files.

Jinja2 escapes every value; `visible` runs before it on each of them. Scripts and styles are our own files, allowed by
their hash; no style attribute and no event attribute is used, so the policy can forbid both.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

LONGEST = 200_000
"""Characters of one text on a page; the rest is in events.jsonl."""
_PLAIN_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,63}")
_CONTROL = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\n\t"}
_CONTROL |= {0x7F: "\u2421"} | dict.fromkeys(range(0x80, 0xA0), "\ufffd")
_CONTROL |= dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
# embedding and override of direction: they can make a text read as another; right-to-left scripts need none of them
_CONTROL |= dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], "\ufffd")


def visible(value: Any) -> Any:
    """Text as a page can hold it: control characters become their pictures; surrogates and overrides U+FFFD."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    text = value.translate(_CONTROL)
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}\n… {len(text) - LONGEST:,} more characters in events.jsonl"


def script_json(value: Any) -> Markup:
    """JSON that cannot end the script element it stands in, nor be read as anything but data."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def file_name(run_id: str) -> str:
    """A name for the files of a run: its id if that is a plain one, else a hash of it."""
    if _PLAIN_NAME.fullmatch(run_id):
        return run_id
    return "run-" + hashlib.sha256(run_id.encode(errors="surrogatepass")).hexdigest()[:16]


@cache
def asset(name: str) -> Markup:
    """A style sheet or script of this package."""
    return Markup(files("agent.report").joinpath("templates", name).read_text("utf-8"))


@cache
def policy(
    styles: tuple[str, ...], scripts: tuple[str, ...], *, local: bool = False, live: bool = False
) -> str:
    """The content security policy of a page. local: pictures lie beside it; live: it asks its own server for news."""
    parts = [
        "default-src 'none'",
        "img-src data:" + (" 'self' file:" if local else "") + (" 'self'" if live and not local else ""),
        f"style-src {' '.join(_hash(name) for name in styles)}",
        f"script-src {' '.join(_hash(name) for name in scripts)}",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    if live:
        parts.append("connect-src 'self'")
    return "; ".join(parts)


def _hash(name: str) -> str:
    digest = hashlib.sha256(asset(name).encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@cache
def environment() -> Environment:
    """Templates with escaping on, nothing undefined allowed, and every value made visible first."""
    made = Environment(
        loader=PackageLoader("agent.report"), autoescape=True, undefined=StrictUndefined, finalize=visible,
        trim_blocks=True, lstrip_blocks=True, auto_reload=False,
    )  # fmt: skip
    made.globals |= {"asset": asset, "policy": policy}
    return made
