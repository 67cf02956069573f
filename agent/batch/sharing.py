"""One editor per device, shared by the jobs in flight: who asked first is served first."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence

from editor.base import Editor, EditRequest, EditResult


class SharedEditor:
    """An Editor over several, one per device, each with one request at a time. First come, first served:

    threading's own locks wake waiting threads in no promised order, so a job could wait for ever behind others.
    """

    def __init__(self, editors: Sequence[Editor]) -> None:
        self.name = editors[0].name
        self.abilities = editors[0].abilities
        self.editors = len(editors)
        self.busy_seconds = 0.0
        """Time that editors worked, summed over the devices."""
        self._free = list(editors)
        self._waiting: deque[_Ticket] = deque()
        self._lock = threading.Lock()

    def edit(self, request: EditRequest) -> EditResult:
        """Wait for a free editor, then edit."""
        editor = self._take()
        began = time.perf_counter()
        try:
            return editor.edit(request)
        finally:
            self._give_back(editor, time.perf_counter() - began)

    def _take(self) -> Editor:
        with self._lock:
            if self._free:
                return self._free.pop()
            ticket = _Ticket()
            self._waiting.append(ticket)
        ticket.served.wait()
        assert ticket.editor is not None
        return ticket.editor

    def _give_back(self, editor: Editor, seconds: float) -> None:
        with self._lock:
            self.busy_seconds += seconds
            if self._waiting:
                ticket = self._waiting.popleft()
                ticket.editor = editor
                ticket.served.set()
            else:
                self._free.append(editor)


class _Ticket:
    __slots__ = ("editor", "served")

    def __init__(self) -> None:
        self.served = threading.Event()
        self.editor: Editor | None = None
