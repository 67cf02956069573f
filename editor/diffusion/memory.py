"""How the weights are held so that they fit the card: full, offload or low.

full      everything on the device
offload   one whole component at a time on the device (accelerate's model offload)
low       the transformer and the encoders go through the device block by block, and the autoencoder works in tiles
None of them changes what is computed, apart from the autoencoder's tiles, whose seams are blended. Weights in fewer
bits, which do, are in quantize.py; all levels hold those too.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from editor.base import EditorUnavailable

Level = Literal["full", "offload", "low"]
LEVELS: tuple[Level, ...] = ("full", "offload", "low")
DECODING = {"AutoencoderKL": 1.6, "AutoencoderKLFlux2": 1.6, "AutoencoderKLQwenImage": 3.4}
"""Autoencoder -> GiB that it takes beside its weights to decode 1 MP in bfloat16, counted on fake tensors; a
transformer's pass takes 0.4 to 1.1. Another autoencoder is taken for the largest."""
WORKSPACE = 2.5
"""GiB for what cannot be counted beforehand, such as cuDNN's workspace and the allocator's gaps: an estimate, which
the fall-back corrects."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Bytes of a pipeline's weights: of all components, and of the largest one. working: what else an edit takes."""

    total: int
    largest: int
    working: int


def weigh(pipe: Any) -> Weights:
    """Count the weights of a loaded pipeline as they are held, packed or not."""
    sizes = [sum(map(_held, tensors)) for tensors in _tensors(pipe)]
    decoding = DECODING.get(type(pipe.vae).__name__, max(DECODING.values()))
    return Weights(sum(sizes), max(sizes, default=0), int((decoding + WORKSPACE) * (1 << 30)))


def _tensors(pipe: Any) -> list[list[Any]]:
    """Parameters and buffers of each component."""
    parts = [part for part in pipe.components.values() if hasattr(part, "parameters")]
    return [[*part.parameters(), *part.buffers()] for part in parts]


def _held(tensor: Any) -> int:
    return int(tensor.numel() * tensor.element_size())


def choose(asked: str, weights: Weights, free: int | None) -> tuple[Level, str]:
    """The level and why. free: bytes of the accelerator's own memory, None where it has none: it holds everything."""
    for level in LEVELS:
        if asked == level:
            return level, "asked for"
    if free is None:
        return "full", "no memory of a GPU's own"
    facts = f"{_gb(weights.total)} of weights, {_gb(free)} free"
    if weights.total + weights.working <= free:
        return "full", facts
    if weights.largest + weights.working <= free:
        return "offload", facts
    return "low", facts


def lower(level: Level) -> Level | None:
    """The level to fall to when memory runs out; None after the last."""
    position = LEVELS.index(level) + 1
    return LEVELS[position] if position < len(LEVELS) else None


def settle(pipe: Any, level: Level, device: Any) -> Level:
    """Bring a pipeline to a level, or to the first below it that there is memory for; returns the level it is at.

    Raises EditorUnavailable when there is none.
    """
    tried: Level | None = level
    while tried is not None:
        try:
            apply(pipe, tried, device)
            return tried
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
        tried = lower(tried)
    raise EditorUnavailable("The GPU's memory is full even for --memory low; another program may hold it.")


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
    # T5 has its embedding twice; the one that is never run is warned of as a danger, which it is not
    logging.getLogger("diffusers.hooks.group_offloading").setLevel(logging.ERROR)
    # hooks hang on a layer's forward; what is used otherwise stays on the device: the autoencoder's encode and decode
    # are none, and Z-Image Omni's encoder of pictures reads the weights of its layers from outside
    stays = ["vae", "siglip"]
    pipe.enable_group_offload(
        onload_device=device, offload_type="leaf_level", exclude_modules=stays, **_streams(pipe, device)
    )


def _streams(pipe: Any, device: Any) -> dict[str, bool]:
    """Whether layers are fetched ahead on a stream of their own, from pinned memory if the machine has enough."""
    if device.type != "cuda":
        return {"use_stream": False}
    # pinned blocks are rounded up to powers of two; without room each layer is pinned only for its transfer
    pinned = sum(
        1 << max(_held(tensor) - 1, 0).bit_length() for tensors in _tensors(pipe) for tensor in tensors
    )
    # recorded tensors need no wait for the device after every layer
    return {"use_stream": True, "record_stream": True, "low_cpu_mem_usage": pinned > host_free()}


def host_free() -> int:
    """Bytes of main memory that can still be taken, by a container's limit too where there is one."""
    import psutil

    free = int(psutil.virtual_memory().available)
    group = Path("/sys/fs/cgroup")
    try:
        limit, used = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
        facts = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no container, or "max": no limit
        return free
    return min(free, limit - used + int(facts.get("file", 0)))  # cached files make way


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
