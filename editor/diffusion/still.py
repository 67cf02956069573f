"""One picture through an autoencoder that is made for video.

Qwen-Image's convolutions also run over time: each sees its frame and the two before it, which for a single picture
are zeros. Two thirds of the products are then products with zero. The same sum without them is a convolution of the
picture with the kernel's last slice: on a CPU it decodes four times as fast and encodes three times as fast.
"""

from __future__ import annotations

from functools import partial
from typing import Any


def use_stills(autoencoder: Any) -> None:
    """Let the causal convolutions of AutoencoderKLQwenImage leave out frames that are not there."""
    for part in autoencoder.modules():
        if type(part).__name__ == "QwenImageCausalConv3d":
            part.forward = partial(_forward, part, part.forward)


def _forward(conv: Any, over_time: Any, x: Any, cache_x: Any = None) -> Any:
    """x: (batch, channels, frames, height, width); over_time: the layer's own, for more than one frame."""
    import torch.nn.functional as functional

    left, _, top, _, before, _ = conv._padding
    frames = x.shape[2]
    alone = frames == 1 and cache_x is None and before == conv.kernel_size[0] - 1 and conv.stride[0] == 1
    if not alone:
        return over_time(x, cache_x)
    kernel = conv.weight[:, :, -1]
    return functional.conv2d(x[:, :, 0], kernel, conv.bias, conv.stride[1:], (top, left)).unsqueeze(2)
