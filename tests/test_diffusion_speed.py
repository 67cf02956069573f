"""Presets of the diffusion editors: distilled adapters, caches, compiled blocks and what replaces parts of them."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import editor as editors
from editor.base import EditorUnavailable, EditRequest, UsageError
from editor.diffusion import caches, loading, lora, rotary, sizing, speed, still, words
from editor.diffusion.base import DiffusionEditor, Options
from tests.conftest import scene

torch = pytest.importorskip("torch", reason="torch and diffusers are not installed")
diffusers = pytest.importorskip("diffusers", reason="torch and diffusers are not installed")
tiny = pytest.importorskip("tests.tiny_diffusers")

pytestmark = [
    pytest.mark.diffusion,
    # the libraries' own, about versions to come
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

STEP = "make it autumn"
CACHED = ("QwenImageEditPlusPipeline", "FluxKontextPipeline", "LongCatImageEditPipeline")


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    with tiny.small_canvas():
        yield


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny model by its pipeline class, built when first asked for."""
    root = tmp_path_factory.mktemp("models")
    return lambda name: root / name if (root / name).exists() else tiny.saved(name, root / name)


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_held", {})


def make(folder: Path, **options: Any) -> DiffusionEditor:
    made = editors.make(
        str(folder), options=Options(model=str(folder), pixels=tiny.AREA, **{"steps": 2} | options)
    )
    assert isinstance(made, DiffusionEditor)
    return made


def changed(folder: Path, target: Path, file: str, **values: Any) -> Path:
    """A copy of a model whose JSON `file` says `values` too."""
    copy = Path(shutil.copytree(folder, target))
    path = copy / file
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return copy


# --- presets --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", editors.families(), ids=lambda family: family.name)
@pytest.mark.parametrize("name", ["exact", "balanced", "fast"])
def test_every_family_takes_every_preset_and_says_what_it_costs(family: Any, name: Any) -> None:
    preset = family.presets[name]
    exact = family.presets["exact"]
    assert family(Options(speed=name)).options.speed == name
    assert exact == speed.Preset(exact.steps, exact.guidance)
    if name != "exact":
        cheaper = preset.cache > 0 or preset.steps < exact.steps
        assert bool(preset.lossy) == cheaper
        assert bool(preset.note) != cheaper


def test_no_other_preset_is_taken() -> None:
    with pytest.raises(UsageError, match="z-image has no speed 'warp'; it has exact, balanced, fast"):
        editors.make("z-image", options=Options(speed="warp"))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["balanced", "fast"])
def test_distilled_weights_run_as_exact_and_say_so(models: Callable[[str], Path], name: Any) -> None:
    folder = models("Flux2KleinPipeline")
    exact, other = (
        make(folder, speed=s, steps=None).edit(EditRequest(scene(), STEP)) for s in ("exact", name)
    )
    assert np.array_equal(exact.image, other.image)
    assert other.details["steps"] == 4
    assert any(f"--speed {name}" in note and "distilled" in note for note in other.notes)
    assert not any("--speed" in note for note in exact.notes)


def test_klein_base_is_not_taken_for_distilled(models: Callable[[str], Path], tmp_path: Path) -> None:
    folder = changed(models("Flux2KleinPipeline"), tmp_path / "base", "model_index.json", is_distilled=False)
    made = make(folder, steps=None)
    assert made.preset(loading.Model("base", folder)) == speed.Preset(50, 4.0)


@pytest.mark.parametrize(
    ("pipeline", "zero", "file"),
    [
        ("QwenImageEditPlusPipeline", True, "/Qwen-Image-Edit-2511-Lightning"),
        ("QwenImageEditPlusPipeline", False, "/Qwen-Image-Edit-2509/Qwen-Image-Edit-2509-Lightning"),
        ("QwenImageEditPipeline", False, "/Qwen-Image-Edit-Lightning"),
    ],
)
@pytest.mark.parametrize(("steps", "made_for"), [(None, 4), (2, 4), (6, 4), (8, 8), (12, 8)])
def test_fast_takes_the_adapter_made_for_these_weights_and_steps(
    models: Callable[[str], Path],
    tmp_path: Path,
    pipeline: str,
    zero: bool,
    file: str,
    steps: Any,
    made_for: int,
) -> None:
    folder = changed(models(pipeline), tmp_path / "any-name", "transformer/config.json", zero_cond_t=zero)
    preset = make(folder, speed="fast", steps=steps).preset(loading.Model("any", folder))
    assert preset.lora.endswith(f"{file}-{made_for}steps-V1.0-bf16.safetensors")
    assert f"distilled to {made_for} steps" in preset.lossy


@pytest.mark.usefixtures("fresh")
def test_fast_merges_the_adapter_and_takes_its_schedule(
    models: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = models("QwenImageEditPlusPipeline")
    adapter = tiny.adapter(folder, tmp_path)
    asked: list[str] = []

    def find(source: str) -> Path:
        asked.append(source)
        return adapter

    monkeypatch.setattr(lora, "find", find)
    made = make(folder, speed="fast", steps=None)
    result = made.edit(EditRequest(scene(), STEP))
    assert ["Lightning" in source for source in asked] == [True]
    assert (result.details["steps"], result.details["guidance"]) == (4, 1.0)
    pipe = made._loaded().pipe
    assert pipe.scheduler.config.max_image_seq_len == 8192
    assert not getattr(pipe.transformer, "peft_config", {})
    assert any("Lightning" in note for note in result.notes)
    beside = make(folder, steps=4, guidance=1.0, loras=(lora.Lora(str(adapter)),))._loaded().pipe
    beside.scheduler = pipe.scheduler
    call = {
        "image": [Image.fromarray(scene(width=256, height=256))], "prompt": STEP, "num_inference_steps": 4,
        "true_cfg_scale": 1.0, "output_type": "np", "width": 256, "height": 256,
    }  # fmt: skip
    one, other = (
        each(**call, generator=torch.Generator().manual_seed(0)).images[0] for each in (pipe, beside)
    )
    assert np.abs(one - other).max() < 1e-3


@pytest.mark.usefixtures("fresh")
def test_an_adapter_that_cannot_be_had_is_named_with_the_line_for_it(
    models: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    made = make(models("QwenImageEditPlusPipeline"), speed="fast", steps=None)
    with pytest.raises(
        EditorUnavailable, match=r"Lightning.*hf download lightx2v/Qwen-Image-Lightning Qwen.*4steps"
    ):
        made.edit(EditRequest(scene(), STEP))


def test_eight_steps_load_another_adapter_than_four(
    models: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = models("QwenImageEditPlusPipeline")
    adapter, asked = tiny.adapter(folder, tmp_path), []
    monkeypatch.setattr(lora, "find", lambda source: asked.append(source) or adapter)
    for steps in (None, 8, 4):
        made = make(folder, speed="fast", steps=steps).edit(EditRequest(scene(), STEP))
        assert made.details["steps"] == (steps or 4)
        assert f"-{steps or 4}steps-" in made.details["speed"]["lora"]
    assert ["-8steps-" in source for source in asked] == [False, True, False]


# --- caches ---------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["first block cache", "cache-dit"])
def cache(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, fresh: None) -> str:
    """One of the caches, so loose that tiny random weights are skipped too."""
    if request.param == "cache-dit":
        pytest.importorskip("cache_dit", reason="cache-dit is not installed")
        monkeypatch.setattr(caches, "THRESHOLD", 9.0)
    else:
        monkeypatch.setattr(caches, "find_spec", lambda name: None)
    for family in editors.families():
        loose = replace(family.presets["balanced"], cache=9.0)
        if family.presets["balanced"].cache:
            monkeypatch.setitem(family.presets, "balanced", loose)
    return str(request.param)


@pytest.mark.parametrize("name", CACHED)
def test_a_cache_is_lossy_named_and_leaves_nothing_behind(
    models: Callable[[str], Path], cache: str, name: str
) -> None:
    def stop(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    made = make(models(name), speed="balanced", steps=8)
    first = made.edit(EditRequest(scene(), STEP, seed=1))
    other = made.edit(EditRequest(scene(seed=3), STEP, seed=2))
    with pytest.raises(KeyboardInterrupt):
        made.edit(EditRequest(scene(seed=4), STEP, progress=stop))
    assert np.array_equal(made.edit(EditRequest(scene(), STEP, seed=1)).image, first.image)
    assert np.array_equal(made.edit(EditRequest(scene(seed=3), STEP, seed=2)).image, other.image)
    exact = make(models(name), steps=8).edit(EditRequest(scene(), STEP, seed=1))
    assert not np.array_equal(exact.image, first.image)
    assert any(done.startswith(cache) for done in first.details["speed"]["done"])
    assert any("--speed balanced" in note for note in first.notes)


@pytest.mark.parametrize("name", CACHED)
def test_a_cache_skips_late_blocks(models: Callable[[str], Path], cache: str, name: str) -> None:
    made = make(models(name), speed="balanced", steps=8, guidance=1.0)
    passes = []
    transformer = made._loaded().pipe.transformer
    last = getattr(transformer, "single_transformer_blocks", transformer.transformer_blocks)[-1]
    linear = next(part for part in last.modules() if isinstance(part, torch.nn.Linear))
    linear.register_forward_hook(lambda *args: passes.append(1))
    made.edit(EditRequest(scene(), STEP))
    assert 1 <= len(passes) < 8


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_a_cache_keeps_the_two_passes_of_guidance_apart(
    models: Callable[[str], Path], cache: str, guidance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caches, "THRESHOLD", 0.0)
    family = next(family for family in editors.families() if family.name == "qwen-image-edit")
    monkeypatch.setitem(family.presets, "balanced", replace(family.presets["balanced"], cache=1e-9))
    folder = models("QwenImageEditPlusPipeline")
    cached, exact = (
        make(folder, speed=name, steps=6, guidance=guidance).edit(EditRequest(scene(), STEP)).image
        for name in ("balanced", "exact")
    )
    assert np.array_equal(cached, exact)


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("FluxKontextPipeline", "offload"),
        ("FluxKontextPipeline", "low"),
        ("QwenImageEditPlusPipeline", "low"),
    ],
)
def test_a_cache_works_at_every_level_of_memory(
    models: Callable[[str], Path], cache: str, name: str, level: Any
) -> None:
    full, held = (
        make(models(name), speed="balanced", steps=8, memory=memory).edit(EditRequest(scene(), STEP)).image
        for memory in ("full", level)
    )
    assert np.abs(full.astype(int) - held.astype(int)).max() <= 1


# --- attention and compilation --------------------------------------------------------------------------------------


def qwen(masked: bool = False, zero: bool = False, layers: int = 2) -> tuple[Any, Callable[..., Any]]:
    """A transformer with weights of a usual size, and a call of it for some words and a canvas."""
    torch.manual_seed(0)
    transformer = diffusers.QwenImageTransformer2DModel(
        patch_size=2, in_channels=64, out_channels=16, num_layers=layers, attention_head_dim=16,
        num_attention_heads=2, joint_attention_dim=32, axes_dims_rope=(8, 4, 4), zero_cond_t=zero,
    ).eval()  # fmt: skip

    def call(words: int = 20, side: int = 8) -> Any:
        torch.manual_seed(words * side)
        noise = (torch.randn(shape).to(transformer.dtype) for shape in ((1, 2 * side**2, 64), (1, words, 32)))
        with torch.no_grad(), transformer.cache_context("cond"):
            return transformer(
                hidden_states=next(noise), encoder_hidden_states=next(noise), timestep=torch.tensor([0.5]),
                encoder_hidden_states_mask=torch.tensor([[1] * 12 + [0] * (words - 12)]) if masked else None,
                img_shapes=[[(1, side, side)] * 2], return_dict=False,
            )[0]  # fmt: skip

    return transformer, call


def zimage() -> tuple[Any, Callable[..., Any]]:
    torch.manual_seed(0)
    transformer = diffusers.ZImageTransformer2DModel(
        all_patch_size=(2,), all_f_patch_size=(1,), in_channels=16, dim=32, n_layers=2, n_refiner_layers=1, n_heads=2,
        n_kv_heads=2, cap_feat_dim=16, axes_dims=[8, 4, 4], axes_lens=[1024, 128, 128],
    ).eval()  # fmt: skip

    def call() -> Any:
        torch.manual_seed(1)
        pictures = [torch.randn(16, 1, 16, 16).to(transformer.dtype) for _ in range(2)]
        words = [
            torch.randn(length, 16).to(transformer.dtype) for length in (7, 40)
        ]  # two lengths: with a mask
        with torch.no_grad():
            made = transformer(x=pictures, t=torch.tensor([0.5] * 2), cap_feats=words, return_dict=False)[0]
        return torch.stack(made)

    return transformer, call


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(
    "build", [qwen, lambda: qwen(masked=True), lambda: qwen(zero=True), zimage],
    ids=["qwen", "qwen with a mask", "qwen 2511", "z-image"],
)  # fmt: skip
def test_rotation_in_real_numbers_gives_the_same_bits(build: Callable[[], Any], dtype: Any) -> None:
    transformer, call = build()
    transformer.to(dtype)
    complex_numbers = call()
    assert rotary.use_real(transformer)
    transformer.set_attention_backend("native")
    assert torch.equal(call(), complex_numbers)
    assert complex_numbers.std() > 0


def test_only_transformers_that_rotate_complex_numbers_are_changed() -> None:
    torch.manual_seed(0)
    pipe = tiny.BUILDERS["FluxKontextPipeline"](diffusers.FluxKontextPipeline)
    assert not rotary.use_real(pipe.transformer)


@pytest.mark.parametrize("frames", [1, 5])
def test_a_still_picture_through_the_video_autoencoder(frames: int) -> None:
    torch.manual_seed(0)
    vae = diffusers.AutoencoderKLQwenImage(
        base_dim=4, z_dim=16, dim_mult=[1] * 4, num_res_blocks=1, temperal_downsample=[False, True, True]
    ).eval()
    video = torch.randn(1, 3, frames, 32, 48)

    def through() -> Any:
        with torch.no_grad():
            latent = vae.encode(video).latent_dist.mode()
            return latent, vae.decode(latent).sample

    expected = through()
    still.use_stills(vae)
    for made, as_before in zip(through(), expected, strict=True):
        assert made.shape == as_before.shape
        assert torch.allclose(made, as_before, atol=1e-5)
        assert as_before.std() > 0.01


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler on a CPU")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_blocks_compile_once_for_any_words_and_canvas_also_inside_a_cache() -> None:
    from torch._dynamo.utils import counters

    _, reference = qwen(zero=True, layers=3)
    sizes = ((20, 8), (24, 8), (33, 12), (26, 6))
    expected = [reference(*size) for size in sizes]
    torch._dynamo.reset()
    counters.clear()
    transformer, call = qwen(zero=True, layers=3)
    rotary.use_real(transformer)
    speed.compile_blocks(transformer)
    transformer.enable_cache(diffusers.FirstBlockCacheConfig(threshold=1e-9))
    made = [call(*sizes[0])]
    assert counters["stats"]["unique_graphs"] == 1
    for size in sizes[1:]:
        transformer._reset_stateful_cache()
        made.append(call(*size))
    assert counters["stats"]["unique_graphs"] == 1
    for one, other in zip(made, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    speed.uncompile(transformer)
    transformer._reset_stateful_cache()
    assert torch.equal(call(*sizes[0]), expected[0])


@pytest.mark.usefixtures("fresh")
def test_falling_to_low_undoes_compilation(
    models: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(*args: Any, **more: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    made = make(models("Flux2KleinPipeline"), memory="offload")
    monkeypatch.setattr(torch, "compile", lambda forward, **more: short)
    speed.compile_blocks(made._loaded().pipe.transformer)
    result = made.edit(EditRequest(scene(), STEP))
    assert result.details["memory"]["level"] == "low"


@pytest.mark.usefixtures("fresh")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_without_a_compiler_blocks_run_as_they_are_and_it_is_said(
    models: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch._inductor import config

    folder = models("Flux2KleinPipeline")
    expected = make(folder).edit(EditRequest(scene(), STEP, seed=3)).image
    monkeypatch.setattr(loading, "_held", {})
    monkeypatch.setattr(config.cpp, "cxx", (None, "/no/compiler"))
    monkeypatch.setattr(config, "force_disable_caches", True)
    torch._dynamo.reset()
    made = make(folder)
    loaded = made._loaded()
    speed.compile_blocks(loaded.pipe.transformer)
    loaded.done.append(speed.COMPILED)
    assert speed.in_use(loaded.done, loaded.pipe.transformer) == [speed.COMPILED]
    for _ in range(2):
        result = made.edit(EditRequest(scene(), STEP, seed=3))
        assert np.array_equal(result.image, expected)
        assert result.details["speed"]["done"] == []
        assert [note for note in result.notes if "could not be compiled" in note and "/no/compiler" in note]


@pytest.mark.usefixtures("fresh")
def test_the_first_edit_says_what_it_waits_for(
    models: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", lambda forward, **more: forward)
    said: list[str] = []
    made = make(models("Flux2KleinPipeline"))
    speed.compile_blocks(made._loaded(said.append).pipe.transformer)
    for _ in range(2):
        made.edit(EditRequest(scene(), STEP, status=said.append))
    assert said == ["loading the model", "compiling the model"]


@pytest.mark.usefixtures("fresh")
def test_what_fails_uncompiled_too_is_no_fault_of_compilation(models: Callable[[str], Path]) -> None:
    transformer = make(models("Flux2KleinPipeline"))._loaded().pipe.transformer
    speed.compile_blocks(transformer)
    with pytest.raises(TypeError):
        transformer.transformer_blocks[0](nonsense=1)
    assert not speed.compilation_fault(transformer)


def test_cudnn_is_given_what_lies_in_memory_and_attends_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a GPU: that no head is copied, by the layout, and that the arguments mean the same, by the bits."""
    from diffusers.models import attention_dispatch as dispatch

    monkeypatch.setattr(
        dispatch._AttentionBackendRegistry, "_backends", {**dispatch._AttentionBackendRegistry._backends}
    )
    rotary.spare_copies()
    given: list[Any] = []
    attention = torch.nn.functional.scaled_dot_product_attention

    def only(backend: Any) -> Any:
        given.append(backend)
        return contextlib.nullcontext()

    monkeypatch.setattr(torch.nn.attention, "sdpa_kernel", only)

    def noted(*args: Any, **options: Any) -> Any:
        given.extend(each.data_ptr() for each in args)
        return attention(*args, **options)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", noted)
    states = [torch.randn(2, tokens, 3, 16) for tokens in (5, 7, 7)]
    made, expected = (
        dispatch.dispatch_attention_fn(*states, scale=0.3, backend=name)
        for name in ("_native_cudnn", "native")
    )
    assert given[:4] == [torch.nn.attention.SDPBackend.CUDNN_ATTENTION, *(each.data_ptr() for each in states)]
    assert torch.equal(made, expected)


def test_an_attention_backend_is_tried_before_it_is_used() -> None:
    cpu = torch.device("cpu")
    assert speed.attends("native", cpu, torch.bfloat16)
    assert not speed.attends("_native_cudnn", cpu, torch.bfloat16)


@pytest.mark.parametrize(
    ("capability", "padded", "works", "backend"),
    [
        ((9, 0), False, True, "_native_cudnn"),
        ((9, 0), False, False, "native"),
        ((9, 0), True, True, "native"),
        ((8, 6), False, True, "native"),
    ],
)
def test_attention_is_chosen_by_the_gpu(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], padded: bool, works: bool, backend: str
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(speed, "attends", lambda *args: works)
    transformer, _ = qwen()
    chosen: list[str] = []
    monkeypatch.setattr(transformer, "set_attention_backend", chosen.append)
    transformer.to(torch.bfloat16)
    done = speed.accelerate(transformer, torch.device("cuda"), compiled=False, padded=padded)
    assert chosen == [backend]
    assert done == [f"attention {backend}"]


def test_on_a_cpu_nothing_is_switched_on(models: Callable[[str], Path]) -> None:
    pipe = make(models("Flux2KleinPipeline"))._loaded().pipe
    assert speed.apply(pipe, speed.Preset(4, 1.0), torch.device("cpu"), compiled=True) == []


# --- what the GPU does not wait for ---------------------------------------------------------------------------------


def test_a_photo_is_put_back_while_the_next_is_denoised(
    models: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(models("Flux2KleinPipeline"))
    made.edit(EditRequest(scene(), STEP))
    putting_back, next_runs = threading.Event(), threading.Event()
    give_back, met = sizing.give_back, []

    def slow(*args: Any) -> Any:
        if not putting_back.is_set():  # the first of the two
            putting_back.set()
            met.append(next_runs.wait(timeout=30))
        return give_back(*args)

    monkeypatch.setattr(sizing, "give_back", slow)
    first = threading.Thread(target=made.edit, args=(EditRequest(scene(), STEP),))
    first.start()
    assert putting_back.wait(timeout=30)
    made.edit(EditRequest(scene(seed=2), STEP, progress=lambda done, total: next_runs.set()))
    first.join()
    assert met == [True]


def test_words_count_as_reused_only_when_nothing_was_encoded(models: Callable[[str], Path]) -> None:
    made = make(models("QwenImageEditPlusPipeline"), guidance=4.0)
    steps = ("make it winter", "make it winter", "make it spring")  # the last shares the negative prompt
    reused = [made.edit(EditRequest(scene(), step)).details["prompt_reused"] for step in steps]
    assert reused == [False, True, False]


def test_a_picture_of_other_proportions_is_another_even_with_the_same_bytes() -> None:
    class Pipe:
        def encode_prompt(self, prompt: str, image: Any) -> tuple[Any]:
            return (image.size,)

    pipe = Pipe()
    words.remember(pipe)
    wide, tall = (Image.new("RGB", size, "white") for size in ((6, 4), (4, 6)))
    assert pipe.encode_prompt("x", image=wide) == ((6, 4),)
    assert pipe.encode_prompt("x", image=tall) == ((4, 6),)
    assert pipe.encode_prompt("x", image=wide.copy()) == ((6, 4),)
    assert words.encoded(pipe) == 2
