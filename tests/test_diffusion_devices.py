"""Diffusion editors on a chosen device, and one on each of several in a batch. A CPU is the only real one here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image as PILImage

import editor as editors
from agent.trace import list_runs
from agent.trace.records import Edited
from editor.base import DeviceLost, EditorUnavailable, EditRequest
from editor.diffusion import memory
from editor.diffusion.base import DiffusionEditor, Options
from tests.conftest import ROOT, scene

torch = pytest.importorskip("torch", reason="torch and diffusers are not installed")
pytest.importorskip("diffusers", reason="torch and diffusers are not installed")
tiny = pytest.importorskip("tests.tiny_diffusers")

pytestmark = [
    pytest.mark.diffusion,
    # the libraries' own, about versions to come
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.saved("ZImageImg2ImgPipeline", tmp_path_factory.mktemp("models") / "z")


def edit(model: Path, device: str) -> str:
    made = editors.make(
        str(model), options=Options(model=str(model), device=device, steps=1, pixels=tiny.AREA)
    )
    return str(made.edit(EditRequest(scene(), "make it autumn")).details["device"])


def test_of_several_devices_an_edit_uses_the_first(model: Path) -> None:
    assert edit(model, "cpu,cpu") == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:1", "cuda:0,cuda:1"])
def test_a_gpu_that_is_not_there_is_told(model: Path, device: str) -> None:
    with pytest.raises(EditorUnavailable, match="torch finds no CUDA GPU"):
        edit(model, device)


def test_what_cuda_repeats_from_then_on() -> None:
    assert memory.lost(torch.AcceleratorError("CUDA error: an illegal memory access was encountered"))
    assert memory.lost(RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling cublasGemmEx"))
    assert not memory.lost(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"))
    assert not memory.lost(torch.AcceleratorError("CUDA error: out of memory"))
    assert not memory.lost(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_a_gpu_that_fails_in_a_run_or_in_loading_is_lost_to_the_process(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    with monkeypatch.context() as patch:
        patch.setattr(DiffusionEditor, "_load_on", fails)
        with pytest.raises(DeviceLost, match=r"could not be loaded: CUDA error: an illegal"):
            edit(model, "auto")
    made = editors.make(str(model), options=Options(model=str(model), steps=1, pixels=tiny.AREA))
    monkeypatch.setattr(type(made), "arguments", lambda *_: {"image": None})
    from diffusers import ZImageImg2ImgPipeline

    monkeypatch.setattr(ZImageImg2ImgPipeline, "__call__", fails)
    with pytest.raises(DeviceLost, match=r"cpu failed in z-image: CUDA error: an illegal"):
        made.edit(EditRequest(scene(), "make it autumn"))


@pytest.mark.slow
def test_a_batch_puts_an_editor_on_every_device(model: Path, tmp_path: Path) -> None:
    lines = ["image,instruction"]
    for n in range(4):
        PILImage.fromarray(scene(96, 64, n)).save(tmp_path / f"{n}.png")
        lines.append(f"{n}.png,make it autumn")
    (tmp_path / "jobs.csv").write_text("\n".join(lines) + "\n")
    flags = ["--editor", str(model), "--device", "cpu,cpu", "--rounds", "0", "--editor-steps", "1", "--json"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("REEDIT_")}
    said = subprocess.run(
        [sys.executable, "-m", "reedit", "batch", "jobs.csv", "-o", "out", *flags],
        cwd=tmp_path, env=clean | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert said.returncode in (0, 3), said.stderr
    events = [json.loads(line) for line in said.stdout.splitlines()]
    assert (events[0]["engine"], events[0]["editors"]) == ("devices", 2)
    assert events[-1]["warnings"] == []
    runs = list_runs(tmp_path / "out" / "runs")
    pids = Counter(found.header["batch"]["by"]["pid"] for found in runs)
    assert sorted(pids.values()) == [2, 2]
    edits = [event for found in runs for event in found.events if isinstance(event, Edited)]
    assert {each.details["device"] for each in edits} == {"cpu"}
    assert {each.details["model"] for each in edits} == {str(model)}
