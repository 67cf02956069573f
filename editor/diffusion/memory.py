"""How the weights are held so that they fit the card: full, offload or low.

full      everything on the device
offload   one whole component at a time on the device (accelerate's model offload)
low       the transformer and the encoders go through the device block by block, and the autoencoder works in tiles
None of them changes what is computed, apart from the autoencoder's tiles, whose seams are blended.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["full", "offload", "low"]
LEVELS: tuple[Level, ...] = ("full", "offload", "low")
ACTIVATIONS = 6 << 30
"""Bytes left free for everything that is not weights, at about 1 MP: an estimate, corrected by the fall-back."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Bytes of a pipeline's weights: of all components, and of the largest one."""

    total: int
    largest: int


def weigh(pipe: Any) -> Weights:
    """Count the weights of a loaded pipeline."""
    sizes = [
        sum(p.numel() * p.element_size() for p in (*part.parameters(), *part.buffers()))
        for part in pipe.components.values()
        if hasattr(part, "parameters")
    ]
    return Weights(sum(sizes), max(sizes, default=0))


def choose(asked: str, weights: Weights, free: int | None) -> tuple[Level, str]:
    """The level and why. free: bytes on the accelerator, None for a CPU, which always holds everything."""
    for level in LEVELS:
        if asked == level:
            return level, "asked for"
    if free is None:
        return "full", "on a CPU"
    facts = f"{_gb(weights.total)} of weights, {_gb(free)} free"
    if weights.total + ACTIVATIONS <= free:
        return "full", facts
    if weights.largest + ACTIVATIONS <= free:
        return "offload", facts
    return "low", facts


def lower(level: Level) -> Level | None:
    """The level to fall to when memory runs out; None after the last."""
    position = LEVELS.index(level) + 1
    return LEVELS[position] if position < len(LEVELS) else None


def apply(pipe: Any, level: Level, device: Any) -> None:
    """Bring a pipeline to a level, from none or from a higher one."""
    pipe.remove_all_hooks()
    if level == "full":
        pipe.to(device)
        return
    if device.type == "cpu" and level == "offload":
        return  # all is in main memory already
    pipe.to("cpu")
    release(device)
    if level == "offload":
        pipe.enable_model_cpu_offload(device=device)
        return
    pipe.vae.enable_tiling()
    # prefetching the next block needs streams, which a CPU has not
    pipe.enable_group_offload(
        onload_device=device,
        offload_type="leaf_level",
        use_stream=device.type == "cuda",
        exclude_modules=["vae"],
    )
    pipe.vae.to(device)


def current(device: Any) -> AbstractContextManager[Any]:
    """Make it this thread's own device: what names none runs there, as the kernels of compiled blocks do."""
    import torch

    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def release(device: Any) -> None:
    """Give cached blocks back to the device."""
    import gc

    import torch

    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def free_bytes(device: Any) -> int | None:
    """Free memory of an accelerator; None where it cannot be told apart from the machine's own."""
    import torch

    if device.type != "cuda":
        return None
    free: int = torch.cuda.mem_get_info(device)[0]
    return free


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the device's memory is used up."""
    import torch

    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "out of memory" in str(error).lower()
    )


def lost(error: BaseException) -> bool:
    """Whether an error is one of those that CUDA repeats from then on, whatever this process asks of the device."""
    import torch

    if out_of_memory(error):
        return False
    return isinstance(error, torch.AcceleratorError) or (
        isinstance(error, RuntimeError) and "CUDA error" in str(error)
    )


def _gb(count: int) -> str:
    return f"{count / (1 << 30):.1f} GiB"
