"""Weights in fewer bits: what is lost, what is kept, what it takes, and what it is combined with."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest

from editor.diffusion import quantize

torch = pytest.importorskip("torch", reason="torch and diffusers are not installed")
pytest.importorskip("diffusers", reason="torch and diffusers are not installed")
dit = pytest.importorskip("benchmarks.dit")

pytestmark = [
    pytest.mark.diffusion,
    # the libraries' own, about versions to come
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

CPU = torch.device("cpu")
needs_bitsandbytes = pytest.mark.skipif(
    find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed: reedit[quantize]"
)
METHODS = ["fp8", pytest.param("4bit", marks=needs_bitsandbytes)]
ERROR = {"fp8": 0.04, "4bit": 0.15}
"""Largest relative error of a layer's weights. Rounding to 3 bits of mantissa gives 0.027 for normal ones; NF4 about
0.1, and more the smaller the layer."""


def transformer(name: str, dtype: Any = torch.bfloat16) -> Any:
    return dit.build(dit.FAMILIES[name], tiny=True, device=CPU, dtype=dtype)


def packed(module: Any) -> dict[str, Any]:
    from editor.diffusion.packed import PackedLinear

    return {name: part for name, part in module.named_modules() if isinstance(part, PackedLinear)}


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
        error = (layer.weight.float() - before[key]).norm() / before[key].norm()
        assert 0 < error < ERROR[method]
        # 8 or 4.5 bits a weight instead of 16
        held = layer.packed.nbytes + layer.scale.nbytes
        assert held <= before[key].numel() * (9 if method == "fp8" else 4.6) / 8
    assert module.dtype == torch.bfloat16
    assert not any(".norm_out" in key or key == "proj_out" for key in layers)
