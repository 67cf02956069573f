"""Jobs on a Ray cluster: one actor per editor, with a GPU of its own where the cluster has GPUs.

Ray places the actors, queues their calls, restarts an actor that is lost with its node elsewhere, and calls it again.
Here is only the feed: a call is made when another has ended, so that a million jobs never wait in Ray's memory.
The output folder must be one that every node sees at the same path.
"""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.batch.feed import Feed
from agent.batch.sharing import SharedEditor
from agent.batch.state import BatchError, hold_as_worker
from agent.batch.work import Parts, Report, Work, perform, worker_died
from agent.config import Settings
from agent.errors import UsageError
from editor.photo.files import printable

PER_EDITOR = 6
"""Jobs in flight per editor, so that it works while other jobs think and are judged."""
WITHOUT_GPU = frozenset({"builtin", "remote"})
RETRIES = 2
"""How often Ray calls again when the actor was lost in the middle of a job."""


class EditorActor:
    """Runs in a Ray worker: one editor, several jobs in threads, edits one after another."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        import cv2

        import editor as editors

        self._guard = hold_as_worker(folder)
        if settings.editor == "builtin":
            cv2.setNumThreads(1)  # Ray gave it one processor
        self._parts = Parts(editor=SharedEditor([editors.configured(settings.editor, settings)]))

    def do(self, work: Work) -> Report:
        """Carry out one job."""
        return perform(work, self._parts)


class RayEngine:
    """Editors as actors. address: of a cluster; None = as RAY_ADDRESS says, or a Ray of this machine.

    editors: how many; None = one per GPU (per processor for an editor without GPU) that the cluster has now.
    in_flight: jobs at the same time over all editors. Raises UsageError without the extra, BatchError without a
    cluster.
    """

    name = "ray"

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        *,
        address: str | None = None,
        editors: int | None = None,
        in_flight: int | None = None,
    ) -> None:
        self._ray = _import_ray()
        self._started = _connect(self._ray, address)
        resources = self._ray.cluster_resources()
        elsewhere = settings.editor == "auto" and (settings.editor_url or not settings.editor_model)
        gpus = 0 if elsewhere or settings.editor in WITHOUT_GPU else int(resources.get("GPU", 0))
        self.editors = editors or gpus or max(1, int(resources.get("CPU", 1)))
        alone = settings.editor == "builtin" and settings.reasoner == "builtin"
        per_editor = -(-in_flight // self.editors) if in_flight else (1 if alone else PER_EDITOR)
        actor = self._ray.remote(EditorActor).options(
            num_cpus=1, num_gpus=1 if gpus else 0, max_concurrency=per_editor, max_restarts=-1,
            max_task_retries=RETRIES,
        )  # fmt: skip
        self.actors = [actor.remote(settings, folder.absolute()) for _ in range(self.editors)]
        self._per_editor = per_editor

    def run(self, feed: Feed) -> Generator[Report, None, None]:
        """Carry out the feed."""
        free = deque(self.actors * self._per_editor)
        calls: dict[Any, tuple[Work, Any]] = {}
        try:
            while True:
                while free and (work := feed.take()) is not None:
                    actor = free.popleft()
                    calls[actor.do.remote(work)] = (work, actor)
                if not calls:
                    return
                ended, _ = self._ray.wait(list(calls), num_returns=1)
                for call in ended:
                    work, actor = calls.pop(call)
                    free.append(actor)
                    feed.finished(work)
                    yield self._report(call, work)
        finally:
            feed.stop()
            if calls:
                self.close()

    def close(self) -> None:
        """End the actors, and Ray if it was started here."""
        for actor in self.actors:
            self._ray.kill(actor)
        self.actors = []
        if self._started:
            self._ray.shutdown()
            self._started = False

    def _report(self, call: Any, work: Work) -> Report:
        try:
            report: Report = self._ray.get(call)
        except self._ray.exceptions.RayError as error:
            lines = [line for line in printable(str(error)).splitlines() if line.strip()]
            return worker_died(work, f"Ray: {type(error).__name__}: {lines[0] if lines else ''}"[:400])
        return report


def _import_ray() -> Any:
    try:
        import ray
    except ImportError:
        raise UsageError('--engine ray needs one more package: pip install "reedit[ray]"') from None
    return ray


def _connect(ray: Any, address: str | None) -> bool:
    """Join the cluster, or start one of this machine; True when this process did and has to leave it."""
    if ray.is_initialized():
        return False
    try:
        with _handlers_kept():
            ray.init(address=address, log_to_driver=False, logging_level="error")
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise BatchError(f"No Ray cluster at {address or 'this machine'}: {error}") from error
    return True


@contextmanager
def _handlers_kept() -> Generator[None, None, None]:
    """Ray puts in its own SIGTERM handler; the command line's turns it into a clean end."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
