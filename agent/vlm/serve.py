"""Start vLLM with the flags that fit the reasoner, wait until it answers, stop it on Ctrl-C."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from agent.errors import ReasonerError, ReasonerUnavailable, UsageError
from agent.vlm.replies import clean
from agent.vlm.wire import KEY_VARIABLE

HOST = "127.0.0.1"
SERVER_MODULE = "vllm.entrypoints.openai.api_server"
STOP_SECONDS = 15.0
POLL_SECONDS = 0.5

Echo = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """How to serve.

    model: a name on the hub or a folder. share: part of the GPU's memory that vLLM may take, 0..1; None leaves vLLM's
    own default, 0.35 leaves room for a diffusion editor. max_model_len: tokens of prompt and reply together; two
    pictures of 627,200 pixels take about 1,600. python: the interpreter that has vLLM, if it is not this one.
    wait: seconds until the server must answer (the first start may download the weights). extra: more flags for vLLM.
    """

    model: str
    port: int = 8000
    name: str | None = None
    share: float | None = None
    max_model_len: int = 8192
    python: str | None = None
    wait: float = 1800.0
    extra: tuple[str, ...] = ()


def command(options: ServeOptions) -> list[str]:
    """The command line that serves. Raises ReasonerUnavailable when there is no vLLM, UsageError for a bad share."""
    if options.share is not None and not 0 < options.share <= 1:
        raise UsageError(f"--share must be above 0 and at most 1, not {options.share:g}.")
    flags = [
        "--host", HOST, "--port", str(options.port),
        "--served-model-name", options.name or options.model,
        "--max-model-len", str(options.max_model_len),
        "--limit-mm-per-prompt", json.dumps({"image": 2}),
        "--enable-prefix-caching",
        # a small model that may write white space between the parts of a JSON object can go on doing so for ever
        "--structured-outputs-config", json.dumps({"backend": "xgrammar", "disable_any_whitespace": True}),
    ]  # fmt: skip
    if options.share is not None:
        flags += ["--gpu-memory-utilization", f"{options.share:g}"]
    return [*_program(options), *flags, *options.extra]


def _program(options: ServeOptions) -> list[str]:
    if options.python is not None:
        return [options.python, "-m", SERVER_MODULE, "--model", options.model]
    if importlib.util.find_spec("vllm") is not None:
        return [sys.executable, "-m", SERVER_MODULE, "--model", options.model]
    if found := shutil.which("vllm"):
        return [found, "serve", options.model]
    raise ReasonerUnavailable(
        'vLLM is not installed: pip install "reedit[vllm]"  (it needs a GPU of 24 GB or more)'
    )


def serve(options: ServeOptions, echo: Echo) -> int:
    """Run the server until it ends or Ctrl-C (which stops it); returns the exit code.

    Its log goes to `echo`, line by line. Raises ReasonerUnavailable when it cannot start, or is not ready in time.
    """
    line = command(options)
    _check_port(options.port)
    echo(f"starting: {shlex.join(line)}")
    last: deque[str] = deque(maxlen=5)
    with _running(line) as process:
        reader = threading.Thread(target=_stream, args=(process, echo, last), daemon=True)
        reader.start()
        _wait_ready(process, options, last)
        name = options.name or options.model
        echo(f"ready: {name} at http://{HOST}:{options.port}/v1   (Ctrl-C stops it)")
        code = process.wait()
        reader.join(POLL_SECONDS)
        if code != 0:
            raise ReasonerError(f"vLLM ended with {code}: {_tail(last)}")
    return code


@contextmanager
def _running(line: list[str]) -> Iterator[subprocess.Popen[str]]:
    """The server in a process group of its own, which is gone afterwards, with all its workers."""
    environment = dict(os.environ)
    if key := environment.pop(KEY_VARIABLE, ""):
        environment["VLLM_API_KEY"] = key  # not a flag: the process list shows those to everyone
    try:
        process = subprocess.Popen(
            line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, encoding="utf-8", errors="replace", env=environment, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise ReasonerUnavailable(f"Cannot run {line[0]}: {error.strerror}") from None
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[str]) -> None:
    """Ask the group to end, then make it; at once when Ctrl-C comes again."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        with suppress(KeyboardInterrupt):
            _wait_until_gone(process)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _wait_until_gone(process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        process.poll()
        if not _group_alive(process.pid):
            break
        time.sleep(0.1)


def _group_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _stream(process: subprocess.Popen[str], echo: Echo, last: deque[str]) -> None:
    assert process.stdout is not None
    try:
        for line in process.stdout:
            text = clean(line, 2_000)
            if text:
                last.append(text)
                echo(text)
    except ValueError:  # closed while it was read: the server was stopped
        return


def _wait_ready(process: subprocess.Popen[str], options: ServeOptions, last: deque[str]) -> None:
    deadline = time.monotonic() + options.wait
    while not _healthy(options.port):
        if process.poll() is not None:
            time.sleep(POLL_SECONDS)  # for the rest of its log
            raise ReasonerUnavailable(
                f"vLLM ended with {process.returncode} before it was ready: {_tail(last)}"
            )
        if time.monotonic() > deadline:
            raise ReasonerUnavailable(f"vLLM was not ready within {options.wait:g} s.")
        time.sleep(POLL_SECONDS)


def _healthy(port: int) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{HOST}:{port}/health", timeout=5) as response:
            return int(response.status) == 200
    except (OSError, urllib.error.URLError):
        return False


def _check_port(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise ReasonerUnavailable(
                f"Port {port} is taken; is a server running already? --port names another."
            ) from None


def _tail(last: deque[str]) -> str:
    return " | ".join(list(last)[-2:]) or "it said nothing"
