"""Linear layers whose weights are held in fewer bits and unpacked for each product. Importing this imports torch.

A packed layer is an nn.Linear whose `weight` is worked out when it is asked for: forward, adapters and whatever else
reads a weight find the one that is computed with. What is stored are plain parameters, so that every way of moving a
module (to, model offload, group offload with streams) moves them too; bits are kept as uint8, which no change of the
module's floating-point dtype touches.
"""

from __future__ import annotations

import torch

BLOCK = 64
"""Weights that share one scale in NF4 (QLoRA, arXiv 2305.14314, section 3)."""
FEW = 2
"""Rows of input up to which compiled layers multiply by what is packed: those of a block's modulation."""
_FP8 = torch.float8_e4m3fn
_FAST = not (torch.version.cuda or "").startswith("12.9")
"""Fast accumulation, as usual for inference; cuBLAS of CUDA 12.9 fails with it for some shapes (pytorch/ao#4582)."""


class PackedLinear(torch.nn.Linear):  # type: ignore[misc]
    """What both formats share. Takes over the bias of the layer that it packs."""

    def __init__(self, linear: torch.nn.Linear) -> None:
        torch.nn.Module.__init__(self)  # nn.Linear's own would make a weight
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.computes_in = linear.weight.dtype
        self.bias = linear.bias

    def _keep(self, name: str, value: torch.Tensor) -> None:
        self.register_parameter(name, torch.nn.Parameter(value, requires_grad=False))


class Float8Linear(PackedLinear):
    """8 bits a weight: float8 e4m3 with a scale for each row.

    The scale is a power of two: a floating-point format loses nothing by it, and the product with it is exact in
    bfloat16 too. Without a scale, weights below 2**-6 would fall among the subnormal numbers.
    """

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__(linear)
        weight = linear.weight.detach().float()
        peak = weight.abs().amax(dim=1, keepdim=True)
        exponent = torch.log2(peak / torch.finfo(_FP8).max).ceil().clamp(min=-100)  # a row of zeros has none
        scale = torch.exp2(exponent)
        self._keep("packed", (weight / scale).to(_FP8).view(torch.uint8))
        self._keep("scale", scale.to(self.computes_in))

    @property
    def weight(self) -> torch.Tensor:
        """(out, in) in the dtype of the computation."""
        return self.packed.view(_FP8).to(self.computes_in) * self.scale.to(self.computes_in)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """(..., in) to (..., out)."""
        if not torch.compiler.is_compiling() or rows.ndim != 2 or rows.shape[0] > FEW:
            return super().forward(rows)
        # one pass over the packed weights, which fuses: a matrix product would first write them out unpacked
        weight = self.packed.view(_FP8).float()
        made = torch.stack([(weight * row.float()).sum(dim=1) for row in rows]) * self.scale.float().t()
        return (made if self.bias is None else made + self.bias).to(rows.dtype)


class Float8Product(Float8Linear):
    """Multiplies in fp8: each row of the input is scaled to the numbers there are, by what is largest in it.

    For bfloat16, sides of a multiple of 16, and devices with fp8 products: CUDA from compute capability 8.9, CPUs.
    """

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__(linear)
        self._keep("scale", self.scale.float())  # as the product takes it

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """(..., in) to (..., out)."""
        flat = rows.reshape(-1, self.in_features)
        peak = flat.abs().amax(dim=1, keepdim=True).float()
        scale = (peak / torch.finfo(_FP8).max).clamp(min=torch.finfo(torch.float32).tiny)
        made = torch._scaled_mm(
            (flat / scale).to(_FP8), self.packed.view(_FP8).t(), scale, self.scale.float().t(),
            bias=self.bias, out_dtype=rows.dtype, use_fast_accum=_FAST,
        )  # fmt: skip
        return made.reshape(*rows.shape[:-1], self.out_features)


class Nf4Linear(PackedLinear):
    """4 bits a weight: the 16 quantiles of a normal distribution, scaled in blocks of BLOCK (bitsandbytes' NF4)."""

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__(linear)
        packed, scale = torch.ops.bitsandbytes.quantize_4bit(
            linear.weight.detach().contiguous(), BLOCK, "nf4", torch.uint8
        )
        self._keep("packed", packed)
        self._keep("scale", scale)

    @property
    def weight(self) -> torch.Tensor:
        """(out, in) in the dtype of the computation."""
        shape = [self.out_features, self.in_features]
        return torch.ops.bitsandbytes.dequantize_4bit(
            self.packed, self.scale, BLOCK, "nf4", shape, self.computes_in
        )
