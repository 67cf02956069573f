"""What every client of a server here keeps to: addresses, keys, when to try again, and how to quote what it says."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import random
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from editor.base import UsageError

BUSY = (429, 503)
"""The statuses with which a server that is there asks for patience."""
USED_UP = ("insufficient_quota", "billing_hard_limit_reached")
"""OpenAI's codes, sent with 429, for an account that has to be paid first."""
LONGEST_ERROR = 20_000
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


def pause(tries: int, after: float | None) -> float:
    """Seconds until the next try: what the server asks for, and on top a share that doubles with each try.

    It is random, for many clients must not come back at once.
    """
    return (after or 0.0) + random.uniform(0.1, min(8.0, 0.5 * 2 ** min(tries, 6)))


def is_final(headers: Mapping[str, str], body: bytes) -> bool:
    """Whether a status that may pass will not: the server says so (as OpenAI does), or the account is used up."""
    said = _error(body)
    return headers.get("x-should-retry") == "false" or (
        isinstance(said, dict) and said.get("code") in USED_UP
    )


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
    said = _error(body)
    found = said.get("message", said.get("detail")) if isinstance(said, dict) else said
    return str(found or body[:LONGEST_ERROR].decode("utf-8", "replace"))


def _error(body: bytes) -> Any:
    """What stands under "error" in a reply, or else the whole of it; None when it is not JSON."""
    try:
        value: Any = json.loads(body[:LONGEST_ERROR])
    except (ValueError, RecursionError):
        return None
    return value.get("error", value) if isinstance(value, dict) else value


def one_line(text: str) -> str:
    """One line, at most 300 characters, for a message."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[:4000]).split())
    return line if len(line) <= 300 else line[:299] + "…"
