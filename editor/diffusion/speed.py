"""Presets of speed: what a family does differently at `exact`, `balanced` and `fast`, and how it is switched on."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from editor.diffusion import caches, memory, rotary

Speed = Literal["exact", "balanced", "fast"]
HOPPER = (9, 0)
"""Compute capability from which cuDNN's attention is the fastest that ships with torch."""

UNCACHED = "no cache here knows this model; it is the same as exact"
COMPILED = "compiled blocks"


@dataclass(frozen=True, slots=True)
class Preset:
    """How an edit runs. Values of 0 or below 1 mean: not used.

    steps: denoising steps. guidance: strength of classifier-free guidance. cache: threshold of FirstBlockCache, 0 =
    none; larger skips more. lora: a distilled adapter, as `lora.parse` takes it. scheduler: values that replace the
    scheduler's own. lossy: what changes against `exact`, for people; empty = nothing. note: what else to say of it.
    """

    steps: int
    guidance: float
    cache: float = 0.0
    lora: str = ""
    scheduler: dict[str, Any] = field(default_factory=dict, hash=False)
    lossy: str = ""
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For the trace."""
        names = ("cache", "lora", "lossy")
        return {name: getattr(self, name) for name in names if getattr(self, name)}


def distilled(steps: int, guidance: float) -> dict[Speed, Preset]:
    """The presets of weights that need few steps already: one."""
    only = Preset(steps, guidance)
    same = replace(only, note="these weights are distilled to few steps already; it is the same as exact")
    return {"exact": only, "balanced": same, "fast": same}


def apply(pipe: Any, preset: Preset, device: Any, *, compiled: bool, padded: bool = False) -> list[str]:
    """Switch a preset on and say what was done: attention backend, compiled blocks, cache, scheduler.

    To be done before the weights are moved: whatever moves them wraps what is here, and can be exchanged later.
    """
    done = []
    if preset.scheduler:
        pipe.scheduler = type(pipe.scheduler).from_config({**pipe.scheduler.config, **preset.scheduler})
        done.append("scheduler of the distilled model")
    if device.type == "cuda":
        done += accelerate(pipe.transformer, device, compiled=compiled, padded=padded)
    if preset.cache:  # after compilation: what a cache decides is no part of a graph
        done.append(caches.enable(pipe.transformer, preset.cache))
    return done


def accelerate(transformer: Any, device: Any, *, compiled: bool, padded: bool = False) -> list[str]:
    """Attention and compilation, which change results by rounding only.

    padded: passes may carry a mask, which cuDNN's attention is not known to take.
    """
    import torch
    from torch.utils._triton import has_triton

    done = []
    if compiled and has_triton():
        if rotary.use_real(transformer):
            done.append("rotary embedding in real numbers")
        compile_blocks(transformer)
        done.append(COMPILED)
    half = transformer.dtype in (torch.bfloat16, torch.float16)
    hopper = torch.cuda.get_device_capability(device) >= HOPPER
    rotary.spare_copies()
    cudnn = half and hopper and not padded and attends("_native_cudnn", device, transformer.dtype)
    # a backend holds for the whole process and is not undone by a new model: it is set every time
    backend = "_native_cudnn" if cudnn else "native"
    transformer.set_attention_backend(backend)
    return [f"attention {backend}", *done]


def attends(backend: str, device: Any, dtype: Any) -> bool:
    """Whether an attention backend works here, seen by trying it: a build of torch may lack it, or its library."""
    import torch
    from diffusers.models.attention_dispatch import dispatch_attention_fn

    small = torch.ones(1, 64, 2, 128, device=device, dtype=dtype)
    try:
        dispatch_attention_fn(small, small, small, backend=backend)
    except RuntimeError as error:
        if memory.out_of_memory(error) or memory.lost(error):
            raise
        return False
    return True


@dataclass(slots=True)
class _Compilation:
    """Whether a transformer's compiled blocks are in use. fault: why they cannot be, if so."""

    on: bool = True
    fault: str = ""


def compile_blocks(transformer: Any) -> None:
    """Compile the blocks that a transformer repeats: once, for any length of words and any size of picture.

    A block's forward is compiled rather than the block, so that a cache, whose choices cannot be, may wrap it. Where
    compilation fails, most often for want of a C compiler, all blocks run as they are.
    """
    import torch

    transformer.compilation = compilation = _Compilation()
    for module in transformer.modules():
        if type(module).__name__ in transformer._repeated_blocks:
            fast = torch.compile(module.forward, fullgraph=True, dynamic=True)
            module.forward = _either(fast, module.forward, compilation)


def _either(
    fast: Callable[..., Any], plain: Callable[..., Any], compilation: _Compilation
) -> Callable[..., Any]:
    from torch import Tensor
    from torch.utils._pytree import tree_map_only

    @functools.wraps(plain)
    def forward(*args: Any, **kwargs: Any) -> Any:
        fault = ""
        if compilation.on:
            try:
                # a graph is bound to what its inputs are views of as well: one more would be made for the first block
                args, kwargs = tree_map_only(Tensor, Tensor.detach, (args, kwargs))
                return fast(*args, **kwargs)
            except Exception as error:
                # of dynamo, inductor, triton or a compiler; anything else, plain raises too
                if memory.out_of_memory(error) or memory.lost(error):
                    raise
                fault = next(iter(str(error).splitlines()), type(error).__name__)
        made = plain(*args, **kwargs)
        if fault:
            compilation.on, compilation.fault = False, fault
        return made

    return forward


def compilation_fault(transformer: Any) -> str:
    """Why a transformer's blocks could not be compiled; "" where they could, or never were to be."""
    return str(transformer.compilation.fault) if hasattr(transformer, "compilation") else ""


def in_use(done: Iterable[str], transformer: Any) -> list[str]:
    """What of `apply`'s or `accelerate`'s answer holds still."""
    compiled = hasattr(transformer, "compilation") and transformer.compilation.on
    return [what for what in done if what != COMPILED or compiled]


def uncompile(transformer: Any) -> None:
    """Run the blocks as they are again: compiled as whole graphs they cannot be fetched layer by layer."""
    if hasattr(transformer, "compilation"):
        transformer.compilation.on = False


@contextmanager
def caching(pipe: Any, preset: Preset, steps: int, *, guided: bool) -> Iterator[None]:
    """Around one call of a pipeline: a cache's state begins and ends empty, also when the call is stopped.

    guided: whether each step takes a second pass, for guidance.
    """
    if not preset.cache:
        yield
        return
    with caches.running(pipe.transformer, steps, guided=guided):
        yield
