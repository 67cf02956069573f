"""One denoising step of each diffusion family at its real size, with random weights: seconds, TFLOP/s, memory.

    python -m benchmarks.dit --list                                    sizes and counted work; needs no GPU
    python -m benchmarks.dit --family qwen-image-edit --preset exact   on a GPU
    python -m benchmarks.dit --tiny --device cpu                       that it runs; the numbers mean nothing

A step is the transformer's forward passes at 1024 x 1024 with one reference picture: two with classifier-free
guidance, one without. Encoders, autoencoder, scheduler and adapters are left out. Work is counted by torch's
FlopCounterMode, a multiply and an add as two; the machine's rate is that of an 8192 x 8192 matrix product in the same
run. A cache skips work by what is in the picture, which random weights cannot show: `balanced` is not measured here.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

import editor as editors
from editor.diffusion import speed

LATENT = 64
"""Side of the packed latent at 1024 x 1024: 16 pixels a token."""
MATRIX = 8192
PRESETS = ("plain", "exact", "fast")

GUIDED = ("qwen-image-edit", "longcat-image-edit")
"""Families whose guidance takes a second pass; Kontext's is a number given to the model."""

Inputs = Callable[[Any, int, Any, Any], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Family:
    """A transformer class of diffusers with its real and its tiny size. text: tokens of a usual step."""

    transformer: str
    real: dict[str, Any]
    tiny: dict[str, Any]
    text: int
    inputs: Inputs


def _noise(device: Any, dtype: Any) -> Callable[..., Any]:
    return lambda *shape: torch.randn(*shape, device=device, dtype=dtype)


def _qwen(config: Any, text: int, device: Any, dtype: Any) -> dict[str, Any]:
    noise = _noise(device, dtype)
    return {
        "hidden_states": noise(1, 2 * LATENT**2, config.in_channels), "timestep": noise(1).abs(),
        "encoder_hidden_states": noise(1, text, config.joint_attention_dim), "encoder_hidden_states_mask": None,
        "img_shapes": [[(1, LATENT, LATENT)] * 2],
    }  # fmt: skip


def _flux(config: Any, text: int, device: Any, dtype: Any) -> dict[str, Any]:
    noise = _noise(device, dtype)
    return {
        "hidden_states": noise(1, 2 * LATENT**2, config.in_channels), "timestep": noise(1).abs(),
        "guidance": noise(1).abs(), "pooled_projections": noise(1, config.pooled_projection_dim),
        "encoder_hidden_states": noise(1, text, config.joint_attention_dim),
        "txt_ids": torch.zeros(text, 3, device=device), "img_ids": torch.zeros(2 * LATENT**2, 3, device=device),
    }  # fmt: skip


def _flux2(config: Any, text: int, device: Any, dtype: Any) -> dict[str, Any]:
    noise = _noise(device, dtype)
    return {
        "hidden_states": noise(1, 2 * LATENT**2, config.in_channels), "timestep": noise(1).abs(), "guidance": None,
        "encoder_hidden_states": noise(1, text, config.joint_attention_dim),
        "txt_ids": torch.zeros(1, text, 4, device=device), "img_ids": torch.zeros(1, 2 * LATENT**2, 4, device=device),
    }  # fmt: skip


def _zimage(config: Any, text: int, device: Any, dtype: Any) -> dict[str, Any]:
    noise = _noise(device, dtype)
    return {
        "x": [noise(config.in_channels, 1, 2 * LATENT, 2 * LATENT)], "t": noise(1).abs(),
        "cap_feats": [noise(text, config.cap_feat_dim)],
    }  # fmt: skip


def _longcat(config: Any, text: int, device: Any, dtype: Any) -> dict[str, Any]:
    inputs = _flux(config, text, device, dtype)
    del inputs["pooled_projections"]
    return inputs | {"guidance": None}


# Real sizes: transformer/config.json of the published models, which are the classes' defaults where nothing is given.
FAMILIES = {
    "qwen-image-edit": Family(
        "QwenImageTransformer2DModel",
        {},
        {"num_layers": 2, "attention_head_dim": 16, "num_attention_heads": 2, "joint_attention_dim": 32,
         "axes_dims_rope": (8, 4, 4)},
        256, _qwen,
    ),
    "flux-kontext": Family(
        "FluxTransformer2DModel",
        {"guidance_embeds": True},
        {"num_layers": 1, "num_single_layers": 1, "attention_head_dim": 16, "num_attention_heads": 2,
         "joint_attention_dim": 32, "pooled_projection_dim": 32, "guidance_embeds": True,
         "axes_dims_rope": (4, 4, 8)},
        512, _flux,
    ),
    "flux2-klein": Family(
        "Flux2Transformer2DModel",
        {"num_layers": 5, "num_single_layers": 20, "num_attention_heads": 24, "joint_attention_dim": 7680,
         "guidance_embeds": False},
        {"num_layers": 1, "num_single_layers": 1, "attention_head_dim": 16, "num_attention_heads": 2,
         "joint_attention_dim": 48, "timestep_guidance_channels": 32, "guidance_embeds": False,
         "axes_dims_rope": (4, 4, 4, 4)},
        512, _flux2,
    ),
    "z-image": Family(
        "ZImageTransformer2DModel",
        {},
        {"dim": 32, "n_layers": 2, "n_refiner_layers": 1, "n_heads": 2, "n_kv_heads": 2, "cap_feat_dim": 16,
         "axes_dims": [8, 4, 4], "axes_lens": [1024, 128, 128]},
        128, _zimage,
    ),
    "longcat-image-edit": Family(
        "LongCatImageTransformer2DModel",
        {"num_layers": 10, "num_single_layers": 20},
        {"num_layers": 1, "num_single_layers": 1, "attention_head_dim": 16, "num_attention_heads": 2,
         "joint_attention_dim": 32, "pooled_projection_dim": 32, "axes_dims_rope": [4, 4, 8]},
        512, _longcat,
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one family and preset. seconds: of one step; edit: of all its steps."""

    family: str
    preset: str
    seconds: float
    edit: float
    tflops: float
    share: float
    peak: float | None

    def __str__(self) -> str:
        peak = "-" if self.peak is None else f"{self.peak:.1f} GiB"
        return (
            f"{self.family:20}{self.preset:8}{self.seconds:9.4f} s/step{self.edit:9.2f} s/edit"
            f"{self.tflops:9.1f} TFLOP/s{self.share:7.0%} of matmul  peak {peak}"
        )


def build(family: Family, *, tiny: bool, device: Any, dtype: Any) -> Any:
    """The transformer with random weights, made on the device itself."""
    import diffusers

    with torch.device(device):
        torch.manual_seed(0)
        before = torch.get_default_dtype()
        torch.set_default_dtype(dtype)
        try:
            return getattr(diffusers, family.transformer)(**(family.tiny if tiny else family.real)).eval()
        finally:
            torch.set_default_dtype(before)


def forward(transformer: Any, family: Family, device: Any, dtype: Any) -> Callable[[], Any]:
    """One forward pass, ready to be called."""
    inputs = family.inputs(transformer.config, family.text, device, dtype)
    return lambda: transformer(**inputs, return_dict=False)


def count(run: Callable[[], Any]) -> int:
    """Floating point operations of one call."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())


def seconds(run: Callable[[], Any], device: Any, repeats: int) -> float:
    """The median of several calls, after two that compile and warm up."""
    times = []
    with torch.no_grad():
        for _ in range(repeats + 2):
            _wait(device)
            began = time.perf_counter()
            run()
            _wait(device)
            times.append(time.perf_counter() - began)
    return sorted(times[2:])[repeats // 2]


def matmul_rate(device: Any, dtype: Any, size: int) -> float:
    """FLOP/s of a square matrix product on this machine."""
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / seconds(lambda: a @ b, device, 10)


def measure(name: str, preset: str, *, tiny: bool, device: Any, dtype: Any, rate: float, repeats: int) -> Row:
    """Build, speed up as the preset says, and time one family."""
    family = FAMILIES[name]
    presets = presets_of(name)
    chosen = presets["exact" if preset == "plain" else preset]
    transformer = build(family, tiny=tiny, device=device, dtype=dtype)
    run = forward(transformer, family, device, dtype)
    work = count(run)
    if preset != "plain" and device.type == "cuda":
        speed.accelerate(transformer, device, compiled=True)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    passes = 2 if chosen.guidance > 1 and name in GUIDED else 1
    step = passes * seconds(run, device, repeats)
    peak = torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else None
    achieved = passes * work / step
    return Row(name, preset, step, step * chosen.steps, achieved / 1e12, achieved / rate, peak)


def presets_of(name: str) -> Any:
    """The presets of a family, as the editor itself has them."""
    return next(family.presets for family in editors.families() if family.name == name)


def listing(names: Iterable[str]) -> None:
    """Parameters and work of every family at its real size, counted without weights."""
    for name in names:
        family = FAMILIES[name]
        transformer = build(family, tiny=False, device="meta", dtype=torch.bfloat16)
        parameters = sum(p.numel() for p in transformer.parameters())
        presets = presets_of(name)
        tera = count(forward(transformer, family, "meta", torch.bfloat16)) / 1e12
        print(
            f"{name:20}{parameters / 1e9:6.1f} B parameters{tera:8.1f} TFLOP a pass   presets {', '.join(presets)}"
        )


def _wait(device: Any) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--list", action="store_true", help="sizes and counted work of every family")
    parser.add_argument("--family", choices=FAMILIES, action="append", help="only these; repeat for several")
    parser.add_argument("--preset", choices=PRESETS, action="append", help="only these; repeat for several")
    parser.add_argument("--tiny", action="store_true", help="tiny models, to see that it runs")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args(arguments)
    if options.list:
        listing(options.family or FAMILIES)
        return 0
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("There is no GPU here. --list counts the work; --tiny --device cpu shows that it runs.")
        return 1
    dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    rate = matmul_rate(device, dtype, 256 if options.tiny else MATRIX)
    print(f"torch {torch.__version__}, {device}, {dtype}: matrix product {rate / 1e12:.1f} TFLOP/s")
    for name in options.family or FAMILIES:
        for preset in options.preset or PRESETS:
            if preset != "plain" and preset not in presets_of(name):
                continue
            row = measure(
                name,
                preset,
                tiny=options.tiny,
                device=device,
                dtype=dtype,
                rate=rate,
                repeats=options.repeats,
            )
            print(row, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
