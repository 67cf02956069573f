"""Whether an editor of several should go on getting work: what its reports and its worker's deaths tell."""

from __future__ import annotations

from collections.abc import Iterable

from agent.batch.records import Record

GIVE_UP = 3
"""An editor that failed so often in a row is left out, if others work."""
_OF_THE_EDITOR = frozenset({"DeviceLost", "EditorUnavailable"})
"""Errors that say nothing about the job."""


class Health:
    """Of one editor. where: its device or machine, for people."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.delivered = 0
        self.left_out = False
        self.broken = False
        """Its process cannot use the device any more, and has to be replaced before it gets more work."""
        self._failures = 0
        """In a row."""
        self._why = ""

    def judge(self, record: Record) -> None:
        """Take note of a job's end."""
        if record.status == "delivered":
            self.delivered += 1
            self._failures = 0
        elif record.error in _OF_THE_EDITOR:
            self._failed(record.message or "")
        self.broken = self.broken or record.error == "DeviceLost"

    def died(self, how: str) -> None:
        """Take note that the process has ended."""
        self.broken = False
        self._failed(how)

    def _failed(self, why: str) -> None:
        self._failures += 1
        self._why = why

    @property
    def in_doubt(self) -> bool:
        """Nothing more should be begun before what is under way has ended."""
        return self.broken or self._failures >= GIVE_UP

    def leave_out(self, others: Iterable[Health]) -> str | None:
        """Leave it out if it fails and another one works; returns a sentence for people when that was done.

        While none works, nobody could say that it is this one's fault.
        """
        works = any(other.delivered for other in others if other is not self and not other.left_out)
        if self._failures < GIVE_UP or not works:
            return None
        self.left_out = True
        return f"{self.where} was left out after {self._failures} failures in a row; the last: {self._why}"
