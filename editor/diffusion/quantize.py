"""Weights in fewer bits, which is lossy and off unless asked for: `--quantize fp8` and `--quantize 4bit`.

fp8    8 bits a weight, scaled by row. On a GPU of compute capability 8.9 (Ada, Hopper) or later the transformer's
       matrix products are done in fp8 as well; elsewhere weights are unpacked layer by layer and the products stay
       as they were (layerwise casting, with a scale).
4bit   NF4 of bitsandbytes: 4.5 bits a weight, unpacked layer by layer.

Only linear layers inside of the repeated blocks are packed, of the transformer and of encoders that are large beside
it: embeddings, the last projection and the autoencoder take little memory and lose the most.

torchao's weights are not used: tensors of a class of their own cannot be moved once a compiled graph has seen them
("Cannot swap t1 because it has weakref", torchao 0.18, torch 2.13), and offload and the fall-back move them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any, Literal

from editor.base import EditorUnavailable
from editor.diffusion import loading

Method = Literal["none", "fp8", "4bit"]
INSTALL = 'pip install "reedit[quantize]"'
ADA = (8, 9)
"""Compute capability from which matrix products and Triton know fp8 (e4m3)."""
LARGE = 0.1
"""Encoders of at least this share of the transformer's weights are packed too."""
_MODULATION = re.compile(r"(^|\.)(norm\w*|adaLN\w*|\w*_mod)\.")
"""Layers that turn the timestep into scales and shifts: one row of numbers, nothing to gain by an fp8 product."""


def check(method: Method, device: Any) -> None:
    """Raises EditorUnavailable when this machine cannot do it; before weights are loaded."""
    if method == "none":
        return
    if device.type not in ("cuda", "cpu"):
        raise EditorUnavailable(f"--quantize {method} needs a CUDA GPU or a CPU; --quantize none runs here.")
    if method == "4bit" and find_spec("bitsandbytes") is None:
        raise EditorUnavailable(f"--quantize 4bit needs bitsandbytes: {INSTALL}")


def apply(pipe: Any, method: Method, device: Any) -> str:
    """Pack a loaded pipeline's transformer and its large encoders where they are; says how, "" for none.

    Raises EditorUnavailable.
    """
    if method == "none":
        return ""
    enough = LARGE * _count(pipe.transformer)
    encoders = [
        part
        for name, part in pipe.components.items()
        if name.startswith("text_encoder") and part is not None and _count(part) >= enough
    ]
    try:
        done = convert(pipe.transformer, method, device)
        for encoder in encoders:
            convert(encoder, method, device, products=False)
    except (RuntimeError, AttributeError, ImportError, AssertionError) as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise EditorUnavailable(f"--quantize {method} failed: {first}") from error
    return done


def convert(module: Any, method: Method, device: Any, *, products: bool = True) -> str:
    """Pack the linear layers of a module's repeated blocks in place; says how.

    Each layer is brought to `device` by itself, packed there, and put back where it was: beyond the module only one
    layer takes memory. products: whether fp8 products may be used. Adapters that are loaded keep their precision.
    Raises EditorUnavailable, see `check`.
    """
    check(method, device)
    if method == "none":
        return ""
    fast = method == "fp8" and products and _knows_fp8(device)
    for parent, child, name in list(_linears(module)):
        linear = getattr(parent, child)
        home = linear.weight.device
        linear = _pack(linear.to(device), method, product=fast and _takes_product(linear, name))
        setattr(parent, child, linear.to(home))
    if method == "4bit":
        return "NF4 weights (bitsandbytes)"
    return "fp8 weights and matrix products" if fast else "fp8 weights"


def compiles(method: Method, device: Any) -> bool:
    """Whether packed blocks can be compiled: Triton has no e4m3 before Ada."""
    return method != "fp8" or device.type != "cuda" or _knows_fp8(device)


def _linears(module: Any) -> Iterator[tuple[Any, str, str]]:
    """Parent, attribute and full name of each linear layer to be packed."""
    import torch

    kept = tuple(getattr(module, "_keep_in_fp32_modules", None) or ())
    blocks = [name for name, part in module.named_modules() if isinstance(part, torch.nn.ModuleList)]
    for name, part in module.named_modules():
        # exactly Linear: what is packed already stays
        if type(part) is not torch.nn.Linear or not any(name.startswith(f"{block}.") for block in blocks):
            continue
        parts = name.split(".")
        if any(word.startswith("lora_") or word in kept for word in parts):
            continue
        yield module.get_submodule(".".join(parts[:-1])), parts[-1], name


def _pack(linear: Any, method: Method, *, product: bool) -> Any:
    from editor.diffusion.packed import Float8Linear, Float8Product, Nf4Linear

    if method == "fp8":
        return Float8Product(linear) if product else Float8Linear(linear)
    with loading.quiet_imports():
        import bitsandbytes  # noqa: F401  (registers the operators of Nf4Linear)
    return Nf4Linear(linear)


def _knows_fp8(device: Any) -> bool:
    import torch

    return device.type == "cuda" and bool(torch.cuda.get_device_capability(device) >= ADA)


def _takes_product(linear: Any, name: str) -> bool:
    """Whether the matrix units take it: sides of a multiple of 16, bfloat16, more than one row of input."""
    import torch

    fits = linear.in_features % 16 == 0 and linear.out_features % 16 == 0
    return fits and linear.weight.dtype == torch.bfloat16 and _MODULATION.search(name) is None


def _count(module: Any) -> int:
    return sum(p.numel() for p in module.parameters())
