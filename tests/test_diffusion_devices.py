"""Diffusion editors on a chosen device, and one on each of several in a batch. A CPU is the only real one here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

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
diffusers = pytest.importorskip("diffusers", reason="torch and diffusers are not installed")
tiny = pytest.importorskip("tests.tiny_diffusers")

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils._pytree import tree_leaves  # noqa: E402

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


@pytest.mark.parametrize("name", tiny.BUILDERS)
def test_at_low_no_weight_is_used_while_it_is_elsewhere(name: str) -> None:
    """A layer is on the device during its own forward. On a GPU any other use mixes devices; here it is seen."""
    pipe = tiny.BUILDERS[name](getattr(diffusers, name))
    next(
        family for family in editors.families() if name in (*family.pipelines, *family.runs.values())
    )().prepare(pipe)
    memory.apply(pipe, "low", torch.device("cpu"))
    pipe.set_progress_bar_config(disable=True)
    away: dict[int, str] = {}

    def arrives(weights: dict[int, str]) -> None:
        for storage in weights:
            away.pop(storage, None)

    def leaves(weights: dict[int, str]) -> None:
        away.update(weights)

    for part in filter(lambda part: isinstance(part, torch.nn.Module), pipe.components.values()):
        for path, layer in part.named_modules():
            if hooked(layer) and not list(layer.children()):
                label = f"{type(part).__name__}.{path}"
                mine = {weight.untyped_storage().data_ptr(): label for weight in layer.parameters()}
                away |= mine
                layer.register_forward_pre_hook(lambda *_, mine=mine: arrives(mine))
                layer.register_forward_hook(lambda *_, mine=mine: leaves(mine))
    assert away
    with tiny.small_canvas(), Strays(away) as used:
        pipe(**arguments(name), num_inference_steps=1, generator=torch.Generator("cpu").manual_seed(0))
    assert used.astray == set()


def hooked(layer: Any) -> bool:
    """Whether diffusers moves the layer to the device for its forward, and away after it."""
    return (
        hasattr(layer, "_diffusers_hook") and layer._diffusers_hook.get_hook("group_offloading") is not None
    )


def arguments(name: str) -> dict[str, Any]:
    """What each pipeline needs besides its defaults, for one small picture."""
    sized = {} if name == "LongCatImageEditPipeline" else {"width": 128, "height": 128}
    if name == "FluxKontextPipeline":
        sized |= {"max_area": 128 * 128, "_auto_resize": False}
    return {"image": PILImage.new("RGB", (128, 128), "grey"), "prompt": "make it autumn", **sized}


class Strays(TorchDispatchMode):  # type: ignore[misc]
    """Notes the layers whose weights are read while they are in `away`, a table of storages."""

    def __init__(self, away: dict[int, str]) -> None:
        super().__init__()
        self.away, self.astray = away, set[str]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not func.is_view:  # what is read may be a view
            for tensor in filter(torch.is_tensor, tree_leaves((args, kwargs or {}))):
                if (name := self.away.get(tensor.untyped_storage().data_ptr())) is not None:
                    self.astray.add(f"{name} in {func}")
        return func(*args, **(kwargs or {}))


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
