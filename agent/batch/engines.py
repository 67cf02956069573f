"""Which engine suits an editor on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agent.batch.feed import Engine
from agent.batch.sharing import at_urls, where
from agent.batch.workers import cpus
from agent.config import Settings

PER_EDITOR = 6
"""Jobs in flight that hide a VLM which takes five times as long as the editor; more only hold photos in memory."""


def local(
    folder: Path,
    settings: Settings,
    jobs: int,
    *,
    in_flight: int | None = None,
    editor_urls: Sequence[str] = (),
    waits: bool = False,
) -> Engine:
    """The engine of this machine for so many jobs.

    in_flight: jobs at the same time. editor_urls: servers, one editor for each. waits: for more than its processor,
    as when results are sent elsewhere. Raises UsageError or EditorUnavailable when the editor cannot be had.
    """
    kind = where(settings)
    if kind == "processor":
        from agent.batch.engine_processes import ProcessEngine

        default = 2 * cpus() if waits or settings.reasoner != "builtin" else cpus()
        return ProcessEngine(folder, min(in_flight or default, jobs))
    made = at_urls(settings, editor_urls)  # also in time to tell what is wrong with the settings
    if kind == "server":
        from agent.batch.engine_threads import ThreadEngine

        return ThreadEngine(made, min(in_flight or PER_EDITOR * len(made), jobs))
    from agent.batch.engine_devices import DeviceEngine
    from editor import devices

    names = devices.every(settings.device)[:jobs]
    return DeviceEngine(folder, settings, names, min(in_flight or PER_EDITOR * len(names), jobs))
