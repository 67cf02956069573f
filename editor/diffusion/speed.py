"""Presets of speed: what a family does differently at `exact`, `balanced` and `fast`, and how it is switched on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

HOPPER = (9, 0)
"""Compute capability from which cuDNN's attention is the fastest that ships with torch."""


@dataclass(frozen=True, slots=True)
class Preset:
    """How an edit runs. Values of 0 or below 1 mean: not used.

    steps: denoising steps. guidance: strength of classifier-free guidance. cache: threshold of FirstBlockCache, 0 =
    none; larger skips more. lora: a distilled adapter, as `lora.parse` takes it. scheduler: values that replace the
    scheduler's own. lossy: what changes against `exact`, for people; empty = nothing.
    """

    steps: int
    guidance: float
    cache: float = 0.0
    lora: str = ""
    scheduler: dict[str, Any] = field(default_factory=dict, hash=False)
    lossy: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For the trace."""
        names = ("cache", "lora", "lossy")
        return {name: getattr(self, name) for name in names if getattr(self, name)}


def apply(pipe: Any, preset: Preset, device: Any, *, compiled: bool) -> list[str]:
    """Switch a preset on and say what was done: attention backend, compiled blocks, cache, scheduler."""
    done = []
    if preset.scheduler:
        pipe.scheduler = type(pipe.scheduler).from_config({**pipe.scheduler.config, **preset.scheduler})
        done.append("scheduler of the distilled model")
    if preset.cache:
        from diffusers import FirstBlockCacheConfig

        pipe.transformer.enable_cache(FirstBlockCacheConfig(threshold=preset.cache))
        done.append(f"first block cache, threshold {preset.cache:g}")
    if device.type == "cuda":
        done += accelerate(pipe.transformer, device, compiled=compiled and not preset.cache)
    return done


def accelerate(transformer: Any, device: Any, *, compiled: bool) -> list[str]:
    """Attention and compilation, which change results by rounding only."""
    import torch
    from torch.utils._triton import has_triton

    done = []
    half = transformer.dtype in (torch.bfloat16, torch.float16)
    # a backend holds for the whole process and is not undone by a new model: it is set every time
    backend = "_native_cudnn" if half and torch.cuda.get_device_capability(device) >= HOPPER else "native"
    transformer.set_attention_backend(backend)
    done.append(f"attention {backend}")
    if compiled and has_triton():
        transformer.compile_repeated_blocks(fullgraph=True)
        done.append("compiled blocks")
    return done


def uncompile(transformer: Any) -> None:
    """Run the blocks as they are again: compiled as whole graphs they cannot be fetched layer by layer."""
    for module in transformer.modules():
        module._compiled_call_impl = None


@contextmanager
def caching(pipe: Any, preset: Preset) -> Iterator[None]:
    """Around one call of a pipeline: a cache's state begins and ends empty, also when the call is stopped."""
    if not preset.cache:
        yield
        return
    try:
        with pipe.transformer.cache_context("cond"):  # pipelines that know of contexts enter their own inside
            yield
    finally:
        pipe.transformer._reset_stateful_cache()
