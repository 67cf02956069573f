"""The reasoner against a real vLLM on the CPU, serving a tiny model with random weights (tests/tiny_vlm.py).

REEDIT_TEST_VLLM_PYTHON names the interpreter that has vLLM, if it is not the one that runs the tests.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage

from agent.trace import Run, find_run
from agent.trace.records import Called, Concluded
from agent.types import MAX_STEPS
from editor import EDITORS
from editor.base import EditRequest, EditResult
from tests import tiny_vlm
from tests.conftest import ROOT, scene

pytest.importorskip("openai")
pytest.importorskip("jinja2")

from typer.testing import CliRunner

from agent.cli.app import app
from agent.vlm.checks import checks

pytestmark = [pytest.mark.vllm, pytest.mark.slow]

KEY = "sk-canary-real-91ab37"
START_SECONDS = 240.0
QUESTIONS = {"think": ("source",), "describe": ("source",), "score": ("result",), "conclude": ("source", "result"),
             "judge": ("source", "result"), "reflect": ("source", "result")}  # fmt: skip


class Brighten:
    """An editor that understands everything: it adds 10. `during` is called in every edit."""

    name = "brighten"
    abilities = "It makes photos brighter."
    during: Callable[[], None] = staticmethod(lambda: None)

    def edit(self, request: EditRequest) -> EditResult:
        type(self).during()
        return EditResult(np.minimum(request.image, 245) + np.uint8(10))


class Served:
    """`reedit serve` in a process of its own."""

    def __init__(self, model: Path, shim: Path, python: str, log: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._log = log
        self._line = [
            sys.executable, "-m", "reedit", "serve", "--model", str(model), "--name", "tiny",
            "--port", str(self.port), "--python", python, "--wait", str(START_SECONDS), "--", "--enforce-eager",
        ]  # fmt: skip
        self._environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(shim), str(ROOT)]), "VLLM_CPU_KVCACHE_SPACE": "1",
            "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "REEDIT_VLM_API_KEY": KEY,
        }  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it says that it is ready."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._line, env=self._environment, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while "ready: tiny" not in self.log():
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"vLLM did not start:\n{self.log()[-3000:]}")
            time.sleep(0.3)

    def kill(self) -> None:
        """SIGKILL to vLLM and its workers, as the kernel does when memory runs out."""
        assert self._process is not None
        found = subprocess.run(
            ["pgrep", "-P", str(self._process.pid)], capture_output=True, text=True, check=True
        )
        os.killpg(int(found.stdout.split()[0]), signal.SIGKILL)
        assert self._process.wait(30) == 1

    def stop(self) -> None:
        """SIGTERM to `reedit serve`, which takes vLLM along."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            assert self._process.wait(60) == 130

    def log(self) -> str:
        return self._log.read_text(errors="replace")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    python = os.environ.get("REEDIT_TEST_VLLM_PYTHON", sys.executable)
    tried = subprocess.run([python, "-c", "import vllm"], capture_output=True, text=True)
    if tried.returncode != 0:
        pytest.skip(f"{python} has no vLLM ({tried.stderr.strip().splitlines()[-1:]}); see docs/vlm.md")
    folder = tmp_path_factory.mktemp("vllm")
    tiny_vlm.write_shim(folder / "shim")
    build = [python, str(ROOT / "tests" / "tiny_vlm.py"), "build", str(folder / "model")]
    environment = os.environ | {"PYTHONPATH": str(folder / "shim"), "HF_HUB_OFFLINE": "1"}
    subprocess.run(build, check=True, env=environment, capture_output=True)
    made = Served(folder / "model", folder / "shim", python, folder / "serve.log")
    made.start()
    yield made
    made.stop()
    with socket.socket() as probe:  # nothing of it is left
        assert probe.connect_ex(("127.0.0.1", made.port)) != 0
    assert KEY not in made.log()


@pytest.fixture(autouse=True)
def _brighten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(EDITORS, "brighten", "tests.test_vlm_real:Brighten")
    monkeypatch.setattr(Brighten, "during", staticmethod(lambda: None))
    monkeypatch.setenv("REEDIT_VLM_API_KEY", KEY)
    terminate = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, terminate)


def apply(server: Served, tmp_path: Path, words: str, *flags: str) -> tuple[int, Run]:
    """`reedit apply --reasoner vlm` on a photo of 400 x 300; the exit code and the run."""
    photo = tmp_path / "photo.jpg"
    PILImage.fromarray(scene(400, 300)).save(photo, quality=95)
    result = CliRunner().invoke(app, [
        "apply", str(photo), words, "--reasoner", "vlm", "--editor", "brighten", "--vlm-url", server.url,
        "--runs", str(tmp_path / "runs"), "--quiet", *flags,
    ])  # fmt: skip
    assert result.exit_code in (0, 3), result.output
    assert (tmp_path / "photo.reedit.jpg").is_file()
    return result.exit_code, find_run(tmp_path / "runs", "last")


def check(run: Run, rounds: int) -> list[Called]:
    """What holds for every run, whatever the model said."""
    calls = [event for event in run.events if isinstance(event, Called)]
    verdicts = [event.verdict for event in run.events if isinstance(event, Concluded)]
    good = [call for call in calls if call.error is None]
    assert 1 <= len(verdicts) <= rounds + 1
    assert all(verdict.tag in ("Success", "Reflection", "Failed", "unknown") for verdict in verdicts)
    plan = next(event.plan for event in run.events if event.event == "plan")
    assert 1 <= len(plan.steps) <= MAX_STEPS
    assert {"think", "describe"} <= {call.call for call in good}
    for call in good:
        pictures = [part for part in call.prompt[1]["content"] if part["type"] == "image"]
        assert tuple(picture["image"] for picture in pictures) == QUESTIONS[call.call]
        # 400 x 300 is 11 x 14 merged patches of 28 pixels, and the server counted them
        assert (call.prompt_tokens or 0) > 150 * len(pictures)
        assert call.completion_tokens
        assert call.raw
        assert call.parsed is not None
        assert (call.finish_reason, call.model) == ("stop", "tiny")
    assert not any(KEY in path.read_text(errors="replace") for path in run.path.rglob("*.json*"))
    assert run.status == "delivered"
    return calls


@pytest.mark.parametrize("reflection", ["cascade", "fused"])
@pytest.mark.parametrize("words", ["make it more dramatic", "更有戏剧感"])
def test_the_whole_loop(server: Served, tmp_path: Path, words: str, reflection: str) -> None:
    code, run = apply(server, tmp_path, words, "--reflection", reflection)
    calls = check(run, rounds=2)
    assert code == (0 if run.tag == "Success" else 3)
    names = [call.call for call in calls if call.error is None]
    assert names.count("describe") == 1
    assert ("reflect" in names) == (reflection == "fused")
    assert ("score" in names) == (reflection == "cascade")


def test_a_wrong_model_name_lists_those_served(server: Served, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    PILImage.fromarray(scene()).save(photo)
    result = CliRunner().invoke(app, [
        "plan", str(photo), "make it dramatic", "--reasoner", "vlm", "--vlm-url", server.url, "--vlm-model", "tinny",
    ])  # fmt: skip
    assert result.exit_code == 1
    assert "--vlm-model can be: tiny" in " ".join(result.output.split())


def test_the_doctor_finds_structure_but_no_eyes(server: Served) -> None:
    found = {check.name: check for check in checks(server.url, None, KEY)}
    assert found["VLM model"].message == "tiny"
    assert found["VLM JSON schema"].ok
    assert found["VLM regular expression"].ok
    assert "takes pictures" in found["VLM vision"].message
    (denied,) = checks(server.url, None, "sk-wrong")
    assert "REEDIT_VLM_API_KEY" in denied.message


def test_killing_and_restarting_the_server_is_survived(
    server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restarts: list[threading.Thread] = []

    def crash() -> None:
        if not restarts:
            server.kill()
            restarts.append(threading.Thread(target=server.start))
            restarts[0].start()

    monkeypatch.setattr(Brighten, "during", staticmethod(crash))
    _, run = apply(server, tmp_path, "make it more dramatic", "--vlm-wait", str(START_SECONDS))
    restarts[0].join()
    calls = check(run, rounds=2)
    assert max(call.attempts for call in calls) > 1
    assert not any(event.event == "error" for event in run.events)


@pytest.mark.diffusion
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of the libraries
def test_the_complete_stack(server: Served, tmp_path: Path) -> None:
    """A real vLLM thinks and judges, a real diffusers pipeline edits: the whole loop, as a user runs it."""
    pytest.importorskip("torch", reason="torch and diffusers are not installed")
    pytest.importorskip("diffusers", reason="torch and diffusers are not installed")
    from tests import tiny_diffusers

    model = tiny_diffusers.saved("Flux2KleinPipeline", tmp_path / "model")
    flags = ("--editor", str(model), "--editor-steps", "2", "--rounds", "1", "--region", "50,50,200,150")
    _, run = apply(server, tmp_path, "make it autumn", *flags)
    calls = check(run, 1)
    assert {"think", "describe"} <= {call.call for call in calls}
    edits = [event for event in run.events if event.event == "edit"]
    assert edits
    assert {event.editor for event in edits} == {"flux2-klein"}
    assert all(event.details["pipeline"] == "Flux2KleinInpaintPipeline" for event in edits)
    with PILImage.open(tmp_path / "photo.reedit.jpg") as made:
        assert made.size == (400, 300)
