"""What every client of a server here keeps to: addresses, keys, when to try again, and how to quote what it says."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import random
import time
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from editor.base import UsageError

BUSY = (429, 503)
"""The statuses with which a server that is there asks for patience."""
MOST_FAULTS = 4
"""Tries at a request whose connection or reply breaks. A busy server is asked until the deadline."""
CONNECT_SECONDS = 10.0


def check_url(url: str, option: str, variable: str) -> str:
    """The URL without a trailing slash. Raises UsageError when it is not http(s), or carries a password."""
    with contextlib.suppress(ValueError):
        parts = urlsplit(url.strip())
        if parts.username is not None or parts.password is not None:
            raise UsageError(f"{option} must not carry a name or password; give the key as {variable}.")
        if parts.query or parts.fragment:
            raise UsageError(f"{option} must end before any “?” or “#”.")
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return url.strip().rstrip("/")
    raise UsageError(f"{option} must look like http://127.0.0.1:8000/v1, not {one_line(url)!r}.")


def check_key(key: str | None, variable: str) -> str | None:
    """The key, trimmed; None when empty. Raises UsageError (which does not tell it) when no header can carry it."""
    key = (key or "").strip()
    if not (key.isascii() and key.isprintable()):
        raise UsageError(f"{variable} holds characters that no key has; set it again.")
    return key or None


def is_loopback(url: str) -> bool:
    """Whether the URL names this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def may_pass(status: int) -> bool:
    """Whether a request that got this status may get another when it is made again."""
    return status in (408, 409, 425, 429) or status >= 500


def jitter(tries: int) -> float:
    """Seconds until the next try; doubling, and random, for many clients must not come back at once."""
    return random.uniform(0.1, min(8.0, 0.5 * 2 ** min(tries, 6)))


def retry_after(value: str | None) -> float | None:
    """Seconds from a retry-after header: a number, or an HTTP date."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def words(body: bytes) -> str:
    """A server's own message in an error reply: OpenAI's form, FastAPI's, or the text as it is."""
    text = body[:20_000].decode("utf-8", "replace")
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return text
    inner = value.get("error", value) if isinstance(value, dict) else value
    found = inner.get("message", inner.get("detail")) if isinstance(inner, dict) else inner
    return str(found or text)


def one_line(text: str) -> str:
    """One line, at most 300 characters, for a message."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[:4000]).split())
    return line if len(line) <= 300 else line[:299] + "…"
