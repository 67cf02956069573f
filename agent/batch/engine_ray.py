"""Jobs on a Ray cluster: one actor per editor, with a GPU of its own where the editor needs one.

Ray places the actors, starts one again elsewhere when its node is lost, and carries calls and code to them. Here is
only the feed: a call is made when another has ended, so that a million jobs never wait in Ray's memory, and only to
actors that are up, so that no job waits for a node that may never come back. A job whose actor is lost is reported as
such; the batch tries it once more. The output folder must be one that every node sees at the same path.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from agent.batch.engines import PER_EDITOR
from agent.batch.feed import Feed
from agent.batch.health import Health
from agent.batch.sharing import at_urls, share, where
from agent.batch.state import BatchError, hold_as_worker
from agent.batch.store_upload import make_private
from agent.batch.work import Parts, Report, Work, perform, worker_died
from agent.config import Settings
from agent.errors import UsageError
from editor import devices
from editor.photo.files import printable

LOOK_AROUND = 10.0
"""Seconds between looks at whether the cluster has grown."""
ANSWER = 10.0
"""Seconds in which a cluster's address must take a connection; ray.init itself tries for minutes."""
TOKEN_WANTED = "If it wants a token, copy ~/.ray/auth_token from its head node to this machine."


class EditorActor:
    """Runs in a Ray worker: one editor, several jobs in threads, edits one after another."""

    def __init__(self, settings: Settings, folder: Path, url: str | None, shared: bool) -> None:
        import cv2

        if not shared:
            make_private(folder)
        self._guard = hold_as_worker(folder)
        if where(settings) == "processor":
            cv2.setNumThreads(1)  # Ray gave it one processor
        self._parts = Parts(editor=share(at_urls(settings, (url,) if url else ())))

    def host(self) -> str:
        """The machine it runs on; answers as soon as the actor is up."""
        return socket.gethostname()

    def do(self, work: Work) -> Report:
        """Carry out one job."""
        return perform(work, self._parts)


class RayEngine:
    """Editors as actors. address: of a cluster; None = as RAY_ADDRESS says, or a Ray of this machine.

    editors: how many; None = one per GPU (per processor for an editor without GPU) that the cluster has, also of
    nodes that join later. in_flight: jobs at the same time over all editors that it begins with. editor_urls:
    servers, one editor for each. shared: every node sees the folder; else each has one of its own, from which results
    are sent. Raises UsageError without the extra, BatchError without a cluster.
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
        editor_urls: Sequence[str] = (),
        shared: bool = True,
    ) -> None:
        self._ray = _import_ray()
        self._settings, self._folder, self._shared = settings, folder.absolute(), shared
        self._urls = tuple(editor_urls)
        self._gpu = _needs_gpu(settings)
        self._fixed = editors or (len(self._urls) if where(settings) == "server" else None)
        self._started = _connect(self._ray, address)
        self.warnings: list[str] = []
        self._lanes: list[_Lane] = []
        self._starting: dict[Any, _Lane] = {}
        """Call of `host` -> the actor that will answer it when it is up."""
        self._next: Work | None = None
        try:
            count = self._wanted()
            alone = settings.editor == "builtin" and settings.reasoner == "builtin"
            self._per_editor = -(-in_flight // count) if in_flight else (1 if alone else PER_EDITOR)
            self._actor = self._ray.remote(EditorActor).options(
                num_cpus=1, num_gpus=1 if self._gpu else 0, max_concurrency=self._per_editor, max_restarts=-1,
                max_task_retries=0,
            )  # fmt: skip
            self._grow(count)
        except BaseException:
            self.close()
            raise

    @property
    def editors(self) -> int:
        """How many there are, or will be when Ray has placed them."""
        return len(self._lanes)

    @property
    def in_flight(self) -> int:
        """How many jobs are begun and not finished, at most."""
        return self._per_editor * len(self._lanes)

    @property
    def actors(self) -> list[Any]:
        """Ray's handles of the editors."""
        return [lane.actor for lane in self._lanes]

    def run(self, feed: Feed) -> Generator[Report, None, None]:
        """Carry out the feed."""
        calls: dict[Any, tuple[_Lane, Work]] = {}
        looked, ended = time.monotonic(), False
        try:
            while True:
                self._send(feed, calls)
                if not calls and self._next is None:
                    ended = True
                    return
                left = max(0.0, looked + LOOK_AROUND - time.monotonic())
                found, _ = self._ray.wait([*calls, *self._starting], num_returns=1, timeout=left)
                for call in found:
                    if call in calls:
                        lane, work = calls.pop(call)
                        feed.finished(work)
                        yield self._report(call, lane, work)
                    else:
                        self._is_up(call)
                if time.monotonic() >= looked + LOOK_AROUND:
                    self._grow(self._wanted())
                    looked = time.monotonic()
        finally:
            feed.stop()
            if not ended:
                self.close()

    def close(self) -> None:
        """End the actors, and Ray if it was started here."""
        for actor in self.actors:
            self._ray.kill(actor)
        self._lanes = []
        self._starting = {}
        if self._started:
            self._ray.shutdown()
            self._started = False

    def _wanted(self) -> int:
        """How many editors there should be. Raises BatchError when the cluster has nothing to run one on."""
        if self._fixed is not None:
            return self._fixed
        kind = "GPU" if self._gpu else "CPU"
        found = int(self._ray.cluster_resources().get(kind, 0))
        if not found and not self._lanes:
            if self._gpu and devices.parse(self._settings.device) == ("auto",):
                self._gpu = False  # a small model; a large one says that it wants a GPU
                return self._wanted()
            raise BatchError(
                f"The Ray cluster has no {kind}; if an autoscaler brings some, say --ray-editors N."
            )
        return found

    def _grow(self, count: int) -> None:
        for number in range(len(self._lanes), count):
            url = self._urls[number % len(self._urls)] if self._urls else None
            lane = _Lane(self._actor.remote(self._settings, self._folder, url, self._shared), number)
            self._lanes.append(lane)
            self._await(lane)

    def _await(self, lane: _Lane) -> None:
        """Give it no work until it answers, wherever and whenever Ray has placed it."""
        lane.up = False
        self._starting[lane.actor.host.options(max_task_retries=-1).remote()] = lane

    def _is_up(self, call: Any) -> None:
        """The actor answered, or cannot be made at all, which Ray does not try again."""
        lane = self._starting.pop(call)
        try:
            lane.health.where = f"editor {lane.number} on {self._ray.get(call)}"
            lane.up = True
        except self._ray.exceptions.RayError as error:
            lane.health.left_out = True
            why = _first_line(error)
            self.warnings.append(f"{lane.health.where} could not be made: {why}")
            if all(each.health.left_out for each in self._lanes):
                raise BatchError(f"No editor could be made on the Ray cluster; the last: {why}") from error

    def _send(self, feed: Feed, calls: dict[Any, tuple[_Lane, Work]]) -> None:
        """Call while there is room; the actor with the fewest calls first."""
        while (work := self._next or feed.take()) is not None:
            self._next = work
            free = [lane for lane in self._lanes if lane.has_room(self._per_editor)]
            lane = min(free, key=lambda each: len(each.works), default=None)
            if lane is None or (work.alone and lane.works):
                return
            self._next = None
            lane.works.append(work)
            calls[lane.actor.do.remote(work)] = lane, work

    def _report(self, call: Any, lane: _Lane, work: Work) -> Report:
        lane.works.remove(work)
        try:
            report: Report = self._ray.get(call)
        except self._ray.exceptions.RayActorError as error:
            if lane.up:  # the first of its calls that says so
                lane.health.died(_first_line(error))
                self._await(lane)
            report = worker_died(work, f"Ray: the editor's actor was lost: {_first_line(error)}")
        except self._ray.exceptions.RayError as error:
            report = worker_died(work, f"Ray: {type(error).__name__}: {_first_line(error)}")
        else:
            lane.health.judge(report.record)
        if not lane.works:
            self._look_after(lane)
        return report

    def _look_after(self, lane: _Lane) -> None:
        """An idle actor: replace its process when the GPU is lost to it, leave it out when it only fails."""
        warning = lane.health.leave_out(other.health for other in self._lanes)
        if warning is not None:
            self.warnings.append(warning)
        elif lane.health.broken and lane.up:
            lane.health.broken = False
            self._ray.kill(lane.actor, no_restart=False)
            self._await(lane)


class _Lane:
    """An actor and the work it has."""

    def __init__(self, actor: Any, number: int) -> None:
        self.actor = actor
        self.number = number
        self.health = Health(f"editor {number}")
        self.up = False
        self.works: list[Work] = []

    def has_room(self, capacity: int) -> bool:
        if not self.up or self.health.left_out or (self.health.in_doubt and self.works):
            return False
        return len(self.works) < capacity and not any(work.alone for work in self.works)


def _needs_gpu(settings: Settings) -> bool:
    """Whether each actor asks for a GPU. Raises UsageError for devices that are for Ray to choose."""
    names = devices.parse(settings.device)
    if len(names) > 1 or devices.index(names[0]) is not None:
        raise UsageError(
            "With --engine ray it is Ray that gives each editor its GPU: say --device auto, cuda or cpu."
        )
    return where(settings) == "device" and names[0] in ("auto", "cuda")


def _first_line(error: Exception) -> str:
    """What Ray says, in one line; of an error inside of an actor the one that Python ends with: the reason."""
    said = re.sub(r"\x1b\[[0-9;]*m", "", str(error))  # Ray writes in colours
    lines = [printable(line.strip()) for line in said.splitlines() if line.strip()]
    reasons = [line for line in lines if re.match(r"[\w.]+(Error|Exception|Exit|Unavailable): ", line)]
    line = reasons[-1] if reasons else lines[0] if lines else type(error).__name__
    return line[:400].rstrip(".")


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
    _must_answer(address or os.environ.get("RAY_ADDRESS"))
    try:
        with _handlers_kept():
            ray.init(
                address=address, log_to_driver=False, logging_level="error",
                runtime_env={"py_modules": _our_code()},
            )  # fmt: skip
    except (ConnectionError, RuntimeError, ValueError) as error:
        hint = "" if address is None or _has_token() else f" {TOKEN_WANTED}"
        raise BatchError(
            f"No Ray cluster at {address or 'this machine'}: {_first_line(error).rstrip('.')}.{hint}"
        ) from error
    # what a lost node logged last goes to stdout, whatever the settings, and there is where --json goes
    with suppress(AttributeError):
        ray._private.worker.print_to_stdstream = lambda *_, **__: None
    return True


def _has_token() -> bool:
    """Whether Ray would find a token here, in one of its three places."""
    named = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    return named or os.path.isfile(os.path.expanduser("~/.ray/auth_token"))  # noqa: PTH111, PTH113 - no home: no file


def _must_answer(address: str | None) -> None:
    """Raises BatchError when nothing listens at HOST:PORT; other forms are for Ray to look up."""
    found = re.fullmatch(r"(?:ray://)?\[?([^/\[\]]+?)\]?:(\d{1,5})", address or "")
    if found is None:
        return
    try:
        socket.create_connection((found[1], int(found[2])), timeout=ANSWER).close()
    except (OSError, OverflowError) as error:
        raise BatchError(f"No Ray cluster answers at {printable(address or '')}: {error}.") from error


def _our_code() -> list[str]:
    """What every node must have of this program, in just this version; the packages it needs are theirs to have."""
    import agent
    import editor
    import prompts
    import reedit

    packages = (agent, editor, prompts)
    return [str(Path(str(package.__file__)).parent) for package in packages] + [str(reedit.__file__)]


@contextmanager
def _handlers_kept() -> Generator[None, None, None]:
    """Ray puts in its own SIGTERM handler; the command line's turns it into a clean end."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
