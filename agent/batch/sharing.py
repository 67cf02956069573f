"""Editors that each own a device or a server, shared by the jobs in flight: who asked first is served first."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, cast

import editor as editors_by_name
from agent.config import Settings
from editor.auto import AutoEditor
from editor.base import Editor, EditorUnavailable, EditRequest, EditResult, Progress

TICK_SECONDS = 0.2
REST = 5.0
"""Seconds that an editor which cannot be had is left alone while there are others."""


def where(settings: Settings) -> Literal["processor", "server", "device"]:
    """What the editor of these settings keeps busy: the processor, a server, or a device of this machine."""
    if settings.editor == "remote" or (settings.editor == "auto" and settings.editor_url):
        return "server"
    alone = settings.editor == "auto" and not settings.editor_model
    return "processor" if settings.editor == "builtin" or alone else "device"


def at_urls(settings: Settings, urls: Sequence[str]) -> list[Editor]:
    """The settings' editor, once for each server; without any, for the one that the settings name."""
    each = [settings.model_copy(update={"editor_url": url}) for url in urls] or [settings]
    return [editors_by_name.configured(settings.editor, one) for one in each]


def share(editors: Sequence[Editor]) -> Editor:
    """One editor over several of a kind. What `auto` does by itself needs no device, and waits for none."""
    others = [each.other for each in editors if isinstance(each, AutoEditor) and each.other is not None]
    if len(others) < len(editors):
        return SharedEditor(editors)
    return cast("Editor", AutoEditor(SharedEditor(others)))  # whose abilities are a property


class SharedEditor:
    """An Editor over several, one per device, each with one request at a time. First come, first served:

    threading's own locks wake waiting threads in no promised order, so a job could wait for ever behind others.
    `details["waited"]` has the seconds that a request waited for its turn.
    """

    def __init__(self, editors: Sequence[Editor]) -> None:
        self.name = editors[0].name
        self.abilities = editors[0].abilities
        self._count = len(editors)
        self._free = deque(editors)
        self._waiting: deque[_Ticket] = deque()
        self._resting: dict[int, tuple[Editor, threading.Timer]] = {}
        self._lock = threading.Lock()

    def edit(self, request: EditRequest) -> EditResult:
        """Wait for a free editor, then edit; one that cannot be had is passed over while there are others.

        Raises what the editor raises; EditorUnavailable when as many as there are have raised it.
        """
        began = time.perf_counter()
        for _ in range(self._count - 1):
            try:
                return self._edit(request, began)
            except EditorUnavailable:
                continue  # a server that has gone refuses at once: it would draw all jobs to itself
        return self._edit(request, began)

    def _edit(self, request: EditRequest, began: float) -> EditResult:
        editor = self._take(request.progress)
        waited = round(time.perf_counter() - began, 4)
        back = self._give_back
        try:
            result = editor.edit(request)
        except EditorUnavailable:
            back = self._rest
            raise
        finally:
            back(editor)
        return replace(result, details={**result.details, "waited": waited})

    def _take(self, progress: Progress | None) -> Editor:
        """The next free editor. progress is called while waiting; when it raises, others go before."""
        with self._lock:
            if self._free:
                return self._free.popleft()
            ticket = _Ticket()
            self._waiting.append(ticket)
        try:
            while not ticket.served.wait(TICK_SECONDS):
                if progress is not None:
                    progress(0, 0)
        except BaseException:
            self._withdraw(ticket)
            raise
        assert ticket.editor is not None
        return ticket.editor

    def _withdraw(self, ticket: _Ticket) -> None:
        with self._lock, contextlib.suppress(ValueError):
            self._waiting.remove(ticket)
        if ticket.editor is not None:
            self._give_back(ticket.editor)

    def _rest(self, editor: Editor) -> None:
        """Give it back later; at once when all have failed, as there is none to prefer."""
        timer = threading.Timer(REST, self._rested, (id(editor),))
        timer.daemon = True
        with self._lock:
            self._resting[id(editor)] = editor, timer
            all_rest = len(self._resting) == self._count
            resting = list(self._resting) if all_rest else []
        if not all_rest:
            timer.start()
        for each in resting:
            self._rested(each)

    def _rested(self, key: int) -> None:
        with self._lock:
            editor, timer = self._resting.pop(key, (None, None))
        if editor is not None and timer is not None:
            timer.cancel()
            self._give_back(editor)

    def _give_back(self, editor: Editor) -> None:
        with self._lock:
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
