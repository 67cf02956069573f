"""Whole pipelines at their real size with random weights, made on the device itself; nothing is downloaded.

Each is a tiny pipeline of the tests whose networks are replaced by ones of the published sizes. Its tokenizers are
kept: they take one token for a byte, so a prompt of 60 letters is one of 60 tokens. Random weights say nothing of
quality.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

QWEN_VL = {
    "text_config": {
        "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
        "num_key_value_heads": 4, "max_position_embeddings": 128000, "layer_types": None,
        "rope_parameters": {"mrope_section": [16, 24, 24], "rope_theta": 1000000.0},
    },
    "vision_config": {
        "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "out_hidden_size": 3584,
        "fullatt_block_indexes": [7, 15, 23, 31],
    },
}  # fmt: skip
QWEN3_4B = {
    "hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36, "num_attention_heads": 32,
    "num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 40960, "layer_types": None,
}  # fmt: skip
CLIP_L = {
    "hidden_size": 768, "intermediate_size": 3072, "projection_dim": 768, "num_hidden_layers": 12,
    "num_attention_heads": 12,
}  # fmt: skip
T5_XXL = {"d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24, "num_heads": 64}
FLUX_VAE = {
    "down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4,
    "block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "latent_channels": 16,
    "use_quant_conv": False, "use_post_quant_conv": False, "scaling_factor": 0.3611, "shift_factor": 0.1159,
}  # fmt: skip
PARTS: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
    "qwen-image-edit": ("QwenImageEditPlusPipeline", {"text_encoder": QWEN_VL, "vae": {}}),
    "flux-kontext": (
        "FluxKontextPipeline", {"text_encoder": CLIP_L, "text_encoder_2": T5_XXL, "vae": FLUX_VAE}
    ),
    "flux2-klein": ("Flux2KleinPipeline", {"text_encoder": QWEN3_4B, "vae": {}}),
    "z-image": ("ZImageImg2ImgPipeline", {"text_encoder": QWEN3_4B, "vae": FLUX_VAE}),
    "longcat-image-edit": ("LongCatImageEditPipeline", {"text_encoder": QWEN_VL, "vae": FLUX_VAE}),
}  # fmt: skip
"""Family -> its pipeline, and the published size of each network beside the transformer; empty: the class's own."""


@contextmanager
def born_on(device: Any, dtype: Any) -> Iterator[None]:
    """What is made inside is made on the device and in the dtype, with the same random weights each time."""
    before = torch.get_default_dtype()
    with torch.device(device):
        torch.manual_seed(0)
        torch.set_default_dtype(dtype)
        try:
            yield
        finally:
            torch.set_default_dtype(before)


def pipeline(name: str, transformer: Any, *, tiny: bool, device: Any, dtype: Any) -> Any:
    """The pipeline of a family around a transformer. tiny: with the other networks of the tests."""
    import diffusers

    from tests import tiny_diffusers

    cls, sizes = PARTS[name]
    torch.manual_seed(0)
    small = tiny_diffusers.BUILDERS[cls](getattr(diffusers, cls))
    small.set_progress_bar_config(disable=True)
    if tiny:
        small.register_modules(transformer=transformer)
        return small.to(device, dtype)
    parts = dict(small.components)
    settings = {key: small.config[key] for key in ("is_distilled",) if key in small.config}
    for part, size in sizes.items():
        parts[part] = grown(parts[part], size, device, dtype)
    if "processor" in parts or "text_processor" in parts:
        key = "processor" if "processor" in parts else "text_processor"
        parts[key] = _full_sight(parts[key])
    whole = type(small)(**parts | {"transformer": transformer}, **settings)
    whole.set_progress_bar_config(disable=True)
    return whole


def grown(part: Any, size: dict[str, Any], device: Any, dtype: Any) -> Any:
    """A network of the same class in another size."""
    with born_on(device, dtype):
        if hasattr(part, "from_config"):  # diffusers
            made = type(part)(**size)
        else:
            made = type(part)(type(part.config)(**_merged(part.config.to_dict(), size)))
    return made.eval()


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    both = {key: _merged(old[key], value) for key, value in new.items() if isinstance(value, dict)}
    return old | new | both


def _full_sight(processor: Any) -> Any:
    """The processor with the published limits of a picture's area."""
    from transformers import Qwen2VLImageProcessorPil

    pictures = Qwen2VLImageProcessorPil(
        min_pixels=56 * 56, max_pixels=12845056, patch_size=14, temporal_patch_size=2, merge_size=2
    )
    return type(processor)(pictures, processor.tokenizer)
