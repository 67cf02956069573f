"""Who works in a place of an object store: an object that its holder renews, for there are no locks.

    .reedit/lease.json     who, since when, and a number that changes with every beat

A holder that does not renew it for STALE seconds has lost it. What that guarantees: processes of one user on one
machine exclude each other exactly, by a lock on their scratch folder. Between machines, one that starts while another
is alive is refused; of several that start in the same moment one goes on: exactly so where the store has conditional
puts (S3, GCS) and nobody had the lease, else as far as reading back what was written tells. A holder that was cut off
from the store, or suspended, notices before its next delivery; a put that is under way then may still arrive.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from agent.batch.state import BatchError, now
from agent.batch.store_objects import Objects
from agent.errors import ReeditError

NAME = ".reedit/lease.json"
LONGEST = 4096
"""Bytes of a lease, at most."""
BEAT = 10.0
"""Seconds between renewals."""
STALE = 45.0
"""Seconds without renewal after which a lease is free."""
LONG_AGO = 3600.0
"""Seconds; clocks of machines do not differ that much: such a lease is free without waiting."""
SETTLE = 1.0
"""Seconds between taking over a lease and looking who else did."""


class LeaseLost(ReeditError):
    """Another process has taken over the output place."""


def check(objects: Objects, token: str) -> None:
    """Raises LeaseLost when the lease is not that of `token`."""
    found = read(objects)
    if found is None or found.get("token") != token:
        raise LeaseLost(f"{objects.url} was taken over by {said(found) if found else 'another process'}")


def read(objects: Objects, *, first: bool = False) -> dict[str, Any] | None:
    """The lease as it is now; {} for one that cannot be read. first: as in `Objects.get`."""
    data = objects.get(NAME, LONGEST, first=first)
    if data is None:
        return None
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def said(found: dict[str, Any]) -> str:
    """Who holds it, in words."""
    return f"process {found.get('pid', '?')} on {found.get('host', '?')} since {found.get('since', '?')}"


@dataclass(slots=True)
class Lease:
    """The lease of this process. scratch: the id of its scratch folder, whose lock it holds."""

    objects: Objects
    scratch: str
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    since: str = field(default_factory=now)
    _beats: int = 0

    def take(self, tell: Callable[[str], None]) -> None:
        """Become the holder. Raises BatchError that says who is. tell: is told what is waited for."""
        seen = read(self.objects, first=True)
        if seen is not None and seen.get("scratch") != self.scratch and not _long_ago(seen):
            tell(f"{self.objects.url} was left by {said(seen)}; seeing whether it is still at work")
            self._see_whether_alive(seen)
        if seen is None:
            if not self.objects.create(NAME, self._data()):
                raise self._in_use(read(self.objects) or {})
        else:
            self.objects.put(NAME, self._data())
            if seen.get("scratch") != self.scratch:
                time.sleep(SETTLE)
        found = read(self.objects)
        if found is None or found.get("token") != self.token:
            raise self._in_use(found or {})

    def renew(self) -> None:
        """Show that this process lives. Raises LeaseLost when it is not the holder any more."""
        check(self.objects, self.token)
        self.objects.put(NAME, self._data())

    def release(self) -> None:
        """Give it up, if it is still ours."""
        check(self.objects, self.token)
        self.objects.delete(NAME)

    def _see_whether_alive(self, seen: dict[str, Any]) -> None:
        deadline = time.monotonic() + STALE
        while time.monotonic() < deadline:
            time.sleep(BEAT / 10)
            found = read(self.objects)
            if found is None:
                return  # it has ended
            if found != seen:
                raise self._in_use(found)

    def _in_use(self, found: dict[str, Any]) -> BatchError:
        return BatchError(f"{self.objects.url} is in use by {said(found)}.")

    def _data(self) -> bytes:
        self._beats += 1
        who = {
            "token": self.token, "scratch": self.scratch, "pid": os.getpid(), "host": socket.gethostname(),
            "since": self.since, "seen": now(), "beats": self._beats,
        }  # fmt: skip
        return json.dumps(who).encode()


def _long_ago(found: dict[str, Any]) -> bool:
    try:
        seen = datetime.fromisoformat(str(found["seen"]))
        return abs((datetime.now(UTC) - seen).total_seconds()) > LONG_AGO
    except (KeyError, ValueError, TypeError):
        return not found  # an unreadable one tells nothing that could change
