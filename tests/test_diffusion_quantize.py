"""Weights in fewer bits: what is lost, what is kept, what they take, and what they are combined with."""

from __future__ import annotations

import builtins
import importlib.util
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import editor as editors
from agent import config
from agent.cli import doctor
from editor.base import EditorUnavailable, EditRequest
from editor.diffusion import loading, lora, memory, quantize
from editor.diffusion.base import DiffusionEditor, Options
from tests.conftest import scene

torch = pytest.importorskip("torch", reason="torch and diffusers are not installed")
pytest.importorskip("diffusers", reason="torch and diffusers are not installed")
tiny = pytest.importorskip("tests.tiny_diffusers")
dit = pytest.importorskip("benchmarks.dit")

pytestmark = [
    pytest.mark.diffusion,
    # the libraries' own, about versions to come
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

STEP = "make it autumn"
CPU, CUDA = torch.device("cpu"), torch.device("cuda:0")
needs_bitsandbytes = pytest.mark.skipif(
    find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed: reedit[quantize]"
)
METHODS = ["fp8", pytest.param("4bit", marks=needs_bitsandbytes)]
ERROR = {"fp8": 0.04, "4bit": 0.15}
"""Largest relative error of a layer's weights. A mantissa of 3 bits gives 0.027 for normal ones; NF4 about 0.1, and
more in small layers."""
FAMILIES = [
    "QwenImageEditPlusPipeline", "FluxKontextPipeline", "Flux2KleinPipeline", "ZImageImg2ImgPipeline",
    "LongCatImageEditPipeline",
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    with tiny.small_canvas():
        yield


@pytest.fixture(autouse=True)
def _nothing_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_held", {})


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny model by its pipeline class, built when first asked for."""
    root = tmp_path_factory.mktemp("models")
    return lambda name: root / name if (root / name).exists() else tiny.saved(name, root / name)


def make(folder: Path, **options: Any) -> DiffusionEditor:
    made = editors.make(
        str(folder), options=Options(model=str(folder), pixels=tiny.AREA, **{"steps": 2} | options)
    )
    assert isinstance(made, DiffusionEditor)
    return made


def edit(folder: Path, seed: int = 0, **options: Any) -> Any:
    return make(folder, **options).edit(EditRequest(scene(), STEP, seed=seed))


@pytest.fixture(scope="module")
def once(models: Callable[[str], Path]) -> Callable[..., Any]:
    """An edit of which several tests need the result."""
    return cache(lambda name, **options: edit(models(name), **options))


def transformer(name: str, dtype: Any = torch.bfloat16) -> Any:
    return dit.build(dit.FAMILIES[name], tiny=True, device=CPU, dtype=dtype)


def packed(module: Any) -> dict[str, Any]:
    from editor.diffusion.packed import PackedLinear

    return {name: part for name, part in module.named_modules() if isinstance(part, PackedLinear)}


# --- layers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", sorted(dit.FAMILIES))
def test_the_blocks_weights_are_close_and_small(name: str, method: Any) -> None:
    module = transformer(name)
    before = {
        key: part.weight.float() for key, part in module.named_modules() if type(part) is torch.nn.Linear
    }
    quantize.convert(module, method, CPU)
    layers = packed(module)
    assert len(layers) > len(before) / 2
    for key, layer in layers.items():
        assert layer.weight.dtype == torch.bfloat16
        error = (layer.weight.float() - before[key]).norm() / before[key].norm()
        assert 0 < error < ERROR[method]
        # 8 bits a weight and 16 a row, or 4.5 a weight
        held = layer.packed.nbytes + layer.scale.nbytes
        row = 16 * before[key].shape[0] if method == "fp8" else 64
        assert held * 8 <= before[key].numel() * (8 if method == "fp8" else 4.5) + row
    assert module.dtype == torch.bfloat16
    assert not any("norm_out" in key or key == "proj_out" for key in layers)


@pytest.mark.parametrize("method", METHODS)
def test_rows_of_any_size_keep_their_precision(method: Any) -> None:
    """Far below the smallest float8 number, far above the largest, and zero."""
    blocks = torch.nn.ModuleList([torch.nn.Linear(64, 4, dtype=torch.bfloat16)])
    sizes = torch.tensor([[1e-6], [0.0], [1.0], [1e4]])
    weight = torch.randn(4, 64, generator=torch.Generator().manual_seed(0)) * sizes
    blocks[0].weight.data = weight.bfloat16()
    module = torch.nn.Module()
    module.blocks = blocks
    quantize.convert(module, method, CPU)
    made = module.blocks[0].weight.float()
    assert not made[1].any()
    for row in (0, 2, 3):
        assert (made[row] - weight[row]).norm() < ERROR[method] * weight[row].norm()


@pytest.mark.parametrize("method", METHODS)
def test_packed_layers_survive_a_change_of_dtype_and_a_second_packing(method: Any) -> None:
    module = transformer("flux2-klein")
    quantize.convert(module, method, CPU)
    before = {key: layer.weight for key, layer in packed(module).items()}
    module.to(torch.float32).to(torch.bfloat16)
    quantize.convert(module, method, CPU)
    after = packed(module)
    assert all(torch.equal(after[key].weight, weight) for key, weight in before.items())


@pytest.fixture
def products(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPUs have fp8 products too, slower than others: good enough to see that they are right."""
    monkeypatch.setattr(quantize, "_knows_fp8", lambda device: True)


@pytest.mark.usefixtures("products")
def test_fp8_products_are_close() -> None:
    linear = torch.nn.Linear(256, 128, dtype=torch.bfloat16)
    module = torch.nn.Module()
    module.blocks = torch.nn.ModuleList([linear])
    # rows of very different size, one of them nothing
    rows = torch.randn(3, 5, 256, generator=torch.Generator().manual_seed(1)).bfloat16()
    rows *= torch.tensor([0.0, 1e-4, 1.0, 1e4, 3.0], dtype=torch.bfloat16)[:, None]
    expected = linear(rows).float() - linear.bias.float()
    assert quantize.convert(module, "fp8", CPU) == "fp8 weights and matrix products"
    made = module.blocks[0](rows)
    assert made.shape == (3, 5, 128)
    assert made.dtype == torch.bfloat16
    assert torch.equal(made[:, 0], linear.bias.expand(3, 128))
    # two roundings to 3 bits of mantissa, which add up as squares: 0.027 * sqrt(2)
    error = (made.float() - linear.bias.float() - expected)[:, 2:].norm(dim=-1) / expected[:, 2:].norm(dim=-1)
    assert 0.01 < error.max() < 0.06


@pytest.mark.usefixtures("products")
@pytest.mark.parametrize("name", sorted(dit.FAMILIES))
def test_every_transformer_runs_with_fp8_products(name: str) -> None:
    family, module = dit.FAMILIES[name], transformer(name)
    run = dit.forward(module, family, CPU, torch.bfloat16)
    with torch.no_grad():
        plain, _ = _flat(run()), quantize.convert(module, "fp8", CPU)
        made = _flat(run())
        assert torch.equal(_flat(run()), made)
    assert 0 < (made - plain).norm() / plain.norm() < 0.1


def _flat(made: Any) -> Any:
    return (made[0][0] if isinstance(made[0], list) else made[0]).float().flatten()


@pytest.mark.slow
@pytest.mark.usefixtures("products")
@pytest.mark.parametrize(("method", "dtype"), [
    ("fp8", torch.bfloat16), ("fp8", torch.float32), pytest.param("4bit", torch.float32, marks=needs_bitsandbytes)
])  # fmt: skip
def test_packed_layers_compile_as_whole_graphs_and_can_still_be_moved(method: Any, dtype: Any) -> None:
    """As blocks are compiled, see speed.compile_blocks; tensors of a class of their own cannot be moved after it."""
    module = torch.nn.Module()
    module.blocks = torch.nn.ModuleList([torch.nn.Linear(64, 32, dtype=dtype)])
    quantize.convert(module, method, CPU)
    layer, rows = module.blocks[0], torch.randn(7, 64, dtype=dtype)
    fast = torch.compile(layer.forward, fullgraph=True, dynamic=True)
    with torch.no_grad():
        plain = layer(rows)
        for _ in range(2):
            assert torch.allclose(fast(rows), plain, rtol=0.02, atol=1e-3)
            module._apply(lambda tensor: tensor.clone())


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
def test_a_few_rows_are_multiplied_by_what_is_packed(count: int, bias: bool, dtype: Any) -> None:
    """Compiled, the few rows of a block's modulation do without a matrix product and its unpacked weights."""
    module = torch.nn.Module()
    module.blocks = torch.nn.ModuleList([torch.nn.Linear(64, 40, bias=bias, dtype=dtype)])
    module.blocks[0].requires_grad_(False)
    quantize.convert(module, "fp8", CPU)
    layer, graphs = module.blocks[0], []

    def kept(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()
    fast = torch.compile(layer.forward, fullgraph=True, dynamic=True, backend=kept)
    rows = torch.randn(count, 64, generator=torch.Generator().manual_seed(0)).to(dtype)
    assert torch.allclose(fast(rows), layer(rows), rtol=0.02, atol=1e-2 if dtype == torch.bfloat16 else 1e-5)
    assert fast(rows).dtype == dtype
    assert not any("linear" in str(node.target) for node in graphs[0].graph.nodes)


def test_t5_keeps_the_layer_whose_dtype_it_looks_at() -> None:
    encoder, _ = tiny._t5()
    quantize.convert(encoder, "fp8", CPU)
    names = packed(encoder)
    assert any(name.endswith("wi_0") for name in names)
    assert not any(name.endswith("wo") for name in names)


# --- the whole pipeline ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", FAMILIES)
def test_edits_are_close_repeatable_and_say_so(
    models: Callable[[str], Path], once: Callable[..., Any], name: str, method: Any
) -> None:
    plain, other, made = once(name), once(name, seed=1), once(name, quantize=method)
    assert np.array_equal(edit(models(name), quantize=method).image, made.image)
    far, near = (np.abs(each.image.astype(int) - plain.image).mean() for each in (other, made))
    assert 0 < near < far
    assert made.details["quantize"]["method"] == method
    assert made.details["dtype"] == plain.details["dtype"]
    assert any(f"--quantize {method}" in note for note in made.notes)
    assert plain.details["quantize"] == {"method": "none", "done": ""}


def test_large_encoders_are_packed_and_small_ones_are_not(models: Callable[[str], Path]) -> None:
    pipe = make(models("FluxKontextPipeline"), quantize="fp8")._loaded().pipe
    assert packed(pipe.transformer)
    assert packed(pipe.text_encoder_2)
    assert not packed(pipe.vae)
    weights = sum(p.numel() for p in pipe.transformer.parameters())
    clip = sum(p.numel() for p in pipe.text_encoder.parameters())
    assert bool(packed(pipe.text_encoder)) == (clip >= quantize.LARGE * weights)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", FAMILIES)
def test_every_memory_level_gives_the_same_picture(once: Callable[..., Any], name: str, method: Any) -> None:
    full, low = once(name, quantize=method), once(name, quantize=method, memory="low")
    assert np.abs(full.image.astype(int) - low.image.astype(int)).max() <= 1


@pytest.mark.parametrize("method", METHODS)
def test_the_fall_back_keeps_packed_weights(
    models: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, method: Any
) -> None:
    made = make(models("Flux2KleinPipeline"), quantize=method, memory="offload")
    expected = made.edit(EditRequest(scene(), STEP)).image
    module = made._loaded().pipe.transformer
    forward, fails = module.forward, [True]

    def short(*args: Any, **more: Any) -> Any:
        if fails:
            fails.pop()
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(*args, **more)

    monkeypatch.setattr(module, "forward", short)
    result = made.edit(EditRequest(scene(), STEP))
    assert result.details["memory"]["level"] == "low"
    assert packed(module)
    assert np.abs(result.image.astype(int) - expected.astype(int)).max() <= 1


@pytest.mark.parametrize("method", METHODS)
def test_adapters_add_to_packed_weights(models: Callable[[str], Path], tmp_path: Path, method: Any) -> None:
    from safetensors.torch import load_file, save_file

    folder = models("QwenImageEditPlusPipeline")
    weights = {}
    for name, value in load_file(next((folder / "transformer").glob("*.safetensors"))).items():
        if name.endswith("to_q.weight"):
            stem = "transformer." + name.removesuffix(".weight")
            weights[f"{stem}.lora_A.weight"] = torch.randn(2, value.shape[1])
            weights[f"{stem}.lora_B.weight"] = torch.randn(value.shape[0], 2)
    save_file(weights, tmp_path / "a.safetensors")
    none, silent, strong = (
        edit(folder, quantize=method, loras=tuple(lora.parse(text) for text in texts))
        for texts in ((), (f"{tmp_path / 'a.safetensors'}:0",), (str(tmp_path / "a.safetensors"),))
    )
    assert np.array_equal(none.image, silent.image)
    assert not np.array_equal(none.image, strong.image)
    module = make(folder, quantize=method, loras=(lora.parse(str(tmp_path / "a.safetensors")),))._loaded()
    names = packed(module.pipe.transformer)
    assert any(name.endswith("to_q.base_layer") for name in names)
    assert not any("lora_" in name for name in names)


def test_settings_reach_the_editor() -> None:
    made = editors.configured("flux2-klein", config.load({"quantize": "fp8"}))
    assert isinstance(made, DiffusionEditor)
    assert made.options.quantize == "fp8"
    assert config.load({}).quantize == "none"


# --- memory ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_packed_weights_are_weighed_as_they_are(models: Callable[[str], Path], method: Any) -> None:
    plain = memory.weigh(make(models("QwenImageEditPlusPipeline"))._loaded().pipe)
    pipe = make(models("QwenImageEditPlusPipeline"), quantize=method)._loaded().pipe
    saved = sum(
        layer.in_features * layer.out_features * 4 - layer.packed.nbytes - layer.scale.nbytes
        for part in (pipe.transformer, pipe.text_encoder)
        for layer in packed(part).values()
    )
    assert saved > 0
    assert memory.weigh(pipe).total == plain.total - saved


def test_what_decoding_takes_is_what_is_set_aside() -> None:
    """Counted on tensors without values, at the autoencoders' real sizes."""
    blocks: dict[str, Any] = {
        "down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4,
        "block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "latent_channels": 16,
    }  # fmt: skip
    sizes: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
        "AutoencoderKL": (blocks, (1, 16, 128, 128)),
        "AutoencoderKLFlux2": ({}, (1, 32, 128, 128)),
        "AutoencoderKLQwenImage": ({}, (1, 16, 1, 128, 128)),
    }
    assert set(sizes) == set(memory.DECODING)
    for name, (values, latent) in sizes.items():
        assert 1 <= memory.DECODING[name] / _counted(name, values, latent) < 1.15


def _counted(name: str, values: dict[str, Any], latent: tuple[int, ...]) -> float:
    """GiB that live at the same time at most while an autoencoder decodes."""
    import weakref

    import diffusers
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Peak(TorchDispatchMode):  # type: ignore[misc]
        live = peak = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            made = func(*args, **(kwargs or {}))
            for tensor in tree_leaves(made):
                storage = tensor.untyped_storage() if isinstance(tensor, torch.Tensor) else None
                if storage is not None and storage._cdata not in seen:
                    seen.add(storage._cdata)
                    self.live += storage.nbytes()
                    weakref.finalize(storage, self._gone, storage._cdata, storage.nbytes())
            self.peak = max(self.peak, self.live)
            return made

        def _gone(self, key: int, size: int) -> None:
            seen.discard(key)
            self.live -= size

    seen: set[int] = set()
    before = torch.get_default_dtype()
    with FakeTensorMode(), torch.no_grad():
        torch.set_default_dtype(torch.bfloat16)
        try:
            autoencoder = getattr(diffusers, name)(**values)
        finally:
            torch.set_default_dtype(before)
        # what is not decoding: the weights, of which the passes make views
        seen.update(p.untyped_storage()._cdata for p in autoencoder.parameters())
        with Peak() as counted:
            autoencoder.decode(torch.zeros(latent, dtype=torch.bfloat16))
    return counted.peak / (1 << 30)


def test_less_memory_is_asked_for_when_there_is_none(
    models: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    apply, tried = memory.apply, []

    def short(pipe: Any, level: memory.Level, device: Any) -> None:
        tried.append(level)
        if level == "full":
            raise torch.OutOfMemoryError("CUDA out of memory")
        apply(pipe, level, device)

    monkeypatch.setattr(memory, "apply", short)
    result = edit(models("Flux2KleinPipeline"), memory="full")
    assert tried == ["full", "offload"]
    assert result.details["memory"] == {"level": "offload", "why": "out of memory at full"}


def test_no_memory_at_all(models: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def never(pipe: Any, level: memory.Level, device: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(memory, "apply", never)
    with pytest.raises(EditorUnavailable, match="memory is full even for --memory low"):
        edit(models("Flux2KleinPipeline"))


def test_layers_are_pinned_ahead_only_with_room(
    models: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = make(models("Flux2KleinPipeline"))._loaded().pipe
    total = memory.weigh(pipe).total
    assert memory.host_free() > total
    assert memory._streams(pipe, CPU) == {"use_stream": False}
    for free, short in ((2 * total + 65536, False), (total, True)):
        monkeypatch.setattr(memory, "host_free", lambda free=free: free)
        assert memory._streams(pipe, CUDA)["low_cpu_mem_usage"] is short


# --- what is missing ------------------------------------------------------------------------------------------------


def test_what_a_machine_cannot_do_is_said_before_loading(
    models: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantize, "find_spec", lambda name: None)
    monkeypatch.setattr(loading, "load", lambda *args, **more: pytest.fail("loaded"))
    with pytest.raises(EditorUnavailable, match=r'needs bitsandbytes: pip install "reedit\[quantize\]"'):
        edit(models("Flux2KleinPipeline"), quantize="4bit")
    with pytest.raises(EditorUnavailable, match="needs a CUDA GPU or a CPU"):
        quantize.check("fp8", torch.device("mps"))


@pytest.mark.parametrize("installed", [True, False])
def test_the_table_of_editors_has_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], installed: bool
) -> None:
    find = importlib.util.find_spec

    def found(name: str, *args: Any) -> Any:
        return (object() if installed else None) if name == "bitsandbytes" else find(name, *args)

    monkeypatch.setattr(importlib.util, "find_spec", found)
    doctor.show_editors(as_json=False)
    assert ('pip install "reedit[quantize]"' in capsys.readouterr().out) is not installed
    line = next(check for check in doctor.run_checks(config.load({})) if check.name == "extra quantize")
    assert line.ok is installed


def test_a_broken_package_is_one_line(models: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantize, "find_spec", lambda name: object())
    real = builtins.__import__

    def broken(name: str, *args: Any, **more: Any) -> Any:
        if name == "bitsandbytes":
            raise ImportError("libcudart.so is missing\nmore")
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", broken)
    with pytest.raises(EditorUnavailable, match=r"^--quantize 4bit failed: libcudart.so is missing$"):
        edit(models("Flux2KleinPipeline"), quantize="4bit")


@pytest.mark.parametrize(
    ("capability", "products", "compiled"),
    [((9, 0), True, True), ((8, 9), True, True), ((8, 6), False, False), ((7, 5), False, False)],
)
def test_which_gpu_multiplies_in_fp8(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], products: bool, compiled: bool
) -> None:
    from editor.diffusion.packed import Float8Product

    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.nn.Linear, "to", lambda self, device: self)  # there need not be one
    module = transformer("flux-kontext")
    said = quantize.convert(module, "fp8", CUDA)
    assert ("matrix products" in said) is products
    assert quantize.compiles("fp8", CUDA) is compiled
    assert quantize.compiles("4bit", CUDA)
    layers = packed(module)
    assert any("norm" in name for name in layers)
    for name, layer in layers.items():
        assert isinstance(layer, Float8Product) is (products and "norm" not in name)
    assert not any(isinstance(layer, Float8Product) for layer in packed(_encoder_of(CUDA)).values())


def _encoder_of(device: Any) -> Any:
    encoder = tiny._t5()[0].to(torch.bfloat16)
    quantize.convert(encoder, "fp8", device, products=False)
    return encoder
