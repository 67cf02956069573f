"""`reedit serve`, with a stand-in for vLLM: flags, readiness, log, and that nothing is left running."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.errors import ReasonerError, ReasonerUnavailable, UsageError
from agent.vlm import serve as module
from agent.vlm.serve import ServeOptions, command, serve
from tests.conftest import ROOT

SERVER = """#!{python}
import http.server, os, subprocess, sys
port = int(sys.argv[sys.argv.index("--port") + 1])
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("worker", worker.pid, flush=True)
print("loading \\x1b[31mweights", os.environ.get("VLLM_API_KEY"), os.environ.get("REEDIT_VLM_API_KEY"), flush=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *args): pass
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def program(folder: Path, text: str) -> str:
    path = folder / "python"
    path.write_text(text.format(python=sys.executable))
    path.chmod(0o755)
    return str(path)


def test_the_flags() -> None:
    line = command(ServeOptions("M", 8123, "name", 0.35, 4096, "/env/python", extra=("--dtype", "half")))
    assert line[:5] == ["/env/python", "-m", "vllm.entrypoints.openai.api_server", "--model", "M"]
    flags = dict(itertools.pairwise(line))
    assert flags["--host"] == "127.0.0.1"
    assert flags["--port"] == "8123"
    assert flags["--served-model-name"] == "name"
    assert flags["--gpu-memory-utilization"] == "0.35"
    assert flags["--max-model-len"] == "4096"
    assert json.loads(flags["--limit-mm-per-prompt"]) == {"image": 2}
    assert line[-2:] == ["--dtype", "half"]
    assert "--gpu-memory-utilization" not in command(ServeOptions("M", python="p"))


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(UsageError, match="--share"):
        command(ServeOptions("M", share=share, python="p"))


def test_without_vllm_the_install_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    with pytest.raises(ReasonerUnavailable, match=r'pip install "reedit\[vllm\]"'):
        command(ServeOptions("M"))
    monkeypatch.setattr(module.shutil, "which", lambda name: "/usr/bin/vllm")
    assert command(ServeOptions("M"))[:3] == ["/usr/bin/vllm", "serve", "M"]


def test_it_serves_until_interrupted_and_leaves_nothing(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REEDIT_VLM_API_KEY", "sk-canary")
    said: list[str] = []

    def echo(line: str) -> None:
        said.append(line)
        if line.startswith("ready:"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        serve(ServeOptions("M", port, python=program(tmp_path, SERVER)), echo)
    assert said[-1].startswith(f"ready: M at http://127.0.0.1:{port}/v1")
    assert "loading [31mweights sk-canary None" in said  # handed on by the environment, and not in the flags:
    assert "sk-canary" not in said[0]
    worker = next(int(line.split()[1]) for line in said if line.startswith("worker"))
    deadline = time.monotonic() + 5
    while alive(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(worker)


def test_a_second_ctrl_c_ends_one_that_does_not_end_by_itself(tmp_path: Path, port: int) -> None:
    deaf = (
        "#!{python}\nimport signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        + SERVER.partition("\n")[2]
    )
    run = f"""
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the shell has it ignored
from agent.vlm.serve import ServeOptions, serve
serve(ServeOptions("M", {port}, python={program(tmp_path, deaf)!r}), lambda line: print(line, flush=True))
"""
    server = subprocess.Popen(
        [sys.executable, "-c", run], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert server.stdout is not None
    with server, server.stdout:
        lines = iter(server.stdout.readline, "")
        worker = next(int(line.split()[1]) for line in lines if line.startswith("worker"))
        assert any(line.startswith("ready") for line in lines)
        group = os.getpgid(worker)
        server.send_signal(signal.SIGINT)
        time.sleep(1.0)
        assert server.poll() is None  # it waits for the server
        server.send_signal(signal.SIGINT)
        server.wait(10)  # less than the 15 s that a server gets
    assert not alive(group)
    assert not alive(worker)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_server_that_dies_at_once_is_told_with_its_last_words(tmp_path: Path, port: int) -> None:
    dies = program(tmp_path, "#!/bin/sh\necho starting\necho 'CUDA out of memory'\nexit 7\n")
    with pytest.raises(ReasonerUnavailable, match=r"ended with 7 before it was ready: .*CUDA out of memory"):
        serve(ServeOptions("M", port, python=dies), lambda line: None)


def test_a_server_that_dies_later_is_told(tmp_path: Path, port: int) -> None:
    text = SERVER.replace("self.end_headers()", "self.end_headers(); worker.kill(); os._exit(9)")
    with pytest.raises(ReasonerError, match="ended with 9"):
        serve(ServeOptions("M", port, python=program(tmp_path, text)), lambda line: None)


def test_a_server_that_is_never_ready_is_stopped(tmp_path: Path, port: int) -> None:
    sleeps = program(tmp_path, f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 600\n")
    with pytest.raises(ReasonerUnavailable, match="not ready within"):
        serve(ServeOptions("M", port, python=sleeps, wait=0.6), lambda line: None)
    assert not alive(int((tmp_path / "pid").read_text()))


def test_a_taken_port_is_told_before_anything_starts(port: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(ReasonerUnavailable, match=f"Port {port} is taken"):
            serve(ServeOptions("M", port, python=os.devnull), lambda line: None)


def test_a_missing_interpreter_is_told(port: int) -> None:
    with pytest.raises(ReasonerUnavailable, match="Cannot run /no/such/python"):
        serve(ServeOptions("M", port, python="/no/such/python"), lambda line: None)
