"""Tiny editing pipelines with random weights: real classes, arguments, sizes and files; the pictures are noise.

Import it only where torch and diffusers are installed. `saved(name, folder)` writes one as a diffusers model folder.
Random weights say nothing about quality; what is tested with them is everything around the model.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from tokenizers import pre_tokenizers

torch.set_num_threads(1)  # two that wait for each other on a busy machine take ten times as long

AREA = 256 * 256
"""Pixels of the canvas in tests: a sixteenth of the real one."""

_SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
_CHAT = (
    "{% for m in messages %}<|im_start|>{{m.role}}\n{{m.content}}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())


def _bytes_tokenizer() -> Any:
    vocabulary = {token: number for number, token in enumerate([*_BYTES, *_SPECIAL])}
    tokenizer = transformers.Qwen2Tokenizer(
        vocab=vocabulary, merges=[], eos_token="<|im_end|>", pad_token="<|endoftext|>",
        additional_special_tokens=list(_SPECIAL), model_max_length=4096,
    )  # fmt: skip
    tokenizer.chat_template = _CHAT
    return tokenizer


def _clip() -> tuple[Any, Any]:
    tokens = [*_BYTES, *(byte + "</w>" for byte in _BYTES), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = transformers.CLIPTokenizer(
        vocab={token: number for number, token in enumerate(tokens)}, merges=[], model_max_length=77
    )
    config = transformers.CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=32, projection_dim=32, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=77, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    return transformers.CLIPTextModel(config).eval(), tokenizer


def _t5() -> tuple[Any, Any]:
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(chr(code), -3.0) for code in range(33, 127)]
    tokenizer = transformers.T5TokenizerFast(vocab=pieces, extra_ids=0, model_max_length=512)
    config = transformers.T5Config(
        vocab_size=len(tokenizer),
        d_model=32,
        d_kv=8,
        d_ff=32,
        num_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
    )
    return transformers.T5EncoderModel(config).eval(), tokenizer


def _vision_language() -> tuple[Any, Any, Any]:
    """Encoder, tokenizer and processor of Qwen2.5-VL; the processor does without torchvision."""
    tokenizer = _bytes_tokenizer()
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in _SPECIAL}
    text = {
        "vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 8192,
        "rope_scaling": {"type": "mrope", "rope_type": "default", "mrope_section": [2, 3, 3]},
        "bos_token_id": ids["<|endoftext|>"], "eos_token_id": ids["<|im_end|>"],
        "pad_token_id": ids["<|endoftext|>"], "tie_word_embeddings": False,
    }  # fmt: skip
    vision = {
        "depth": 2, "hidden_size": 32, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 32,
        "fullatt_block_indexes": [1], "window_size": 112, "patch_size": 14, "spatial_merge_size": 2,
        "temporal_patch_size": 2,
    }  # fmt: skip
    config = transformers.Qwen2_5_VLConfig(
        text_config=text, vision_config=vision, image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"], vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"], vision_token_id=ids["<|vision_pad|>"],
    )  # fmt: skip
    from editor.diffusion.loading import plain_processor_class

    pictures = transformers.Qwen2VLImageProcessorPil(
        min_pixels=56 * 56, max_pixels=224 * 224, patch_size=14, temporal_patch_size=2, merge_size=2
    )
    processor = plain_processor_class()(pictures, tokenizer)
    return transformers.Qwen2_5_VLForConditionalGeneration(config).eval(), tokenizer, processor


def _qwen3(kind: Any, layers: int) -> tuple[Any, Any]:
    tokenizer = _bytes_tokenizer()
    config = transformers.Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=layers,
        num_attention_heads=2, num_key_value_heads=1, head_dim=8, max_position_embeddings=1024,
        tie_word_embeddings=False,
    )  # fmt: skip
    return kind(config).eval(), tokenizer


def _autoencoder(kind: Any, latent: int, **more: Any) -> Any:
    return kind(
        in_channels=3, out_channels=3, down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, block_out_channels=(8, 8, 8, 8), layers_per_block=1,
        latent_channels=latent, norm_num_groups=4, use_quant_conv=False, use_post_quant_conv=False,
        sample_size=1024, **more,
    ).eval()  # fmt: skip


def _kl() -> Any:
    return _autoencoder(diffusers.AutoencoderKL, 16, scaling_factor=0.3611, shift_factor=0.1159)


def _scheduler(dynamic: bool = True) -> Any:
    return diffusers.FlowMatchEulerDiscreteScheduler(shift=1.0, use_dynamic_shifting=dynamic)


def _qwen(cls: Any) -> Any:
    encoder, tokenizer, processor = _vision_language()
    vae = diffusers.AutoencoderKLQwenImage(
        base_dim=4, z_dim=16, dim_mult=[1] * 4, num_res_blocks=1, temperal_downsample=[False, True, True]
    )
    transformer = diffusers.QwenImageTransformer2DModel(
        patch_size=2, in_channels=64, out_channels=16, num_layers=2, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=32, guidance_embeds=False, axes_dims_rope=(8, 4, 4),
    )  # fmt: skip
    return cls(
        scheduler=_scheduler(), vae=vae.eval(), text_encoder=encoder, tokenizer=tokenizer, processor=processor,
        transformer=transformer.eval(),
    )  # fmt: skip


def _kontext(cls: Any) -> Any:
    (clip, clip_tokenizer), (t5, t5_tokenizer) = _clip(), _t5()
    transformer = diffusers.FluxTransformer2DModel(
        patch_size=1, in_channels=64, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=32, pooled_projection_dim=32, guidance_embeds=True, axes_dims_rope=(4, 4, 8),
    )  # fmt: skip
    return cls(
        scheduler=_scheduler(), vae=_kl(), text_encoder=clip, tokenizer=clip_tokenizer, text_encoder_2=t5,
        tokenizer_2=t5_tokenizer, transformer=transformer.eval(),
    )  # fmt: skip


def _klein(cls: Any) -> Any:
    encoder, tokenizer = _qwen3(transformers.Qwen3ForCausalLM, 28)  # the pipeline reads layers 9, 18 and 27
    transformer = diffusers.Flux2Transformer2DModel(
        patch_size=1, in_channels=128, num_layers=1, num_single_layers=1, attention_head_dim=16,
        num_attention_heads=2, joint_attention_dim=48, timestep_guidance_channels=32, guidance_embeds=False,
        axes_dims_rope=(4, 4, 4, 4),
    )  # fmt: skip
    return cls(
        scheduler=_scheduler(), vae=_autoencoder(diffusers.AutoencoderKLFlux2, 32), text_encoder=encoder,
        tokenizer=tokenizer, transformer=transformer.eval(), is_distilled=True,
    )  # fmt: skip


def _zimage(cls: Any) -> Any:
    encoder, tokenizer = _qwen3(transformers.Qwen3Model, 2)
    transformer = diffusers.ZImageTransformer2DModel(
        all_patch_size=(2,), all_f_patch_size=(1,), in_channels=16, dim=32, n_layers=2, n_refiner_layers=1, n_heads=2,
        n_kv_heads=2, cap_feat_dim=16, axes_dims=[8, 4, 4], axes_lens=[1024, 128, 128],
    )  # fmt: skip
    return cls(
        scheduler=_scheduler(dynamic=False), vae=_kl(), text_encoder=encoder, tokenizer=tokenizer,
        transformer=transformer.eval(),
    )  # fmt: skip


def _omni(cls: Any) -> Any:
    encoder, tokenizer = _qwen3(transformers.Qwen3Model, 2)
    transformer = diffusers.ZImageTransformer2DModel(
        all_patch_size=(2,), all_f_patch_size=(1,), in_channels=16, dim=32, n_layers=2, n_refiner_layers=1, n_heads=2,
        n_kv_heads=2, cap_feat_dim=16, siglip_feat_dim=32, axes_dims=[8, 4, 4], axes_lens=[1024, 128, 128],
    )  # fmt: skip
    vision = transformers.Siglip2VisionConfig(
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        patch_size=16,
        num_patches=64,
    )
    return cls(
        scheduler=_scheduler(dynamic=False), vae=_kl(), text_encoder=encoder, tokenizer=tokenizer,
        transformer=transformer.eval(), siglip=transformers.Siglip2VisionModel(vision).eval(),
        siglip_processor=transformers.Siglip2ImageProcessorPil(patch_size=16, max_num_patches=64),
    )  # fmt: skip


def _longcat(cls: Any) -> Any:
    encoder, tokenizer, processor = _vision_language()
    transformer = diffusers.LongCatImageTransformer2DModel(
        patch_size=1, in_channels=64, num_layers=1, num_single_layers=2, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=32, pooled_projection_dim=32, axes_dims_rope=[4, 4, 8],
    )  # fmt: skip
    return cls(
        scheduler=_scheduler(), vae=_kl(), text_encoder=encoder, tokenizer=tokenizer, text_processor=processor,
        transformer=transformer.eval(),
    )  # fmt: skip


BUILDERS: dict[str, Callable[[Any], Any]] = {
    "QwenImageEditPlusPipeline": _qwen,
    "QwenImageEditPipeline": _qwen,
    "FluxKontextPipeline": _kontext,
    "Flux2KleinPipeline": _klein,
    "Flux2KleinKVPipeline": _klein,
    "ZImageImg2ImgPipeline": _zimage,
    "ZImageOmniPipeline": _omni,
    "LongCatImageEditPipeline": _longcat,
}
"""Pipeline class -> what builds one."""


def saved(name: str, folder: Path) -> Path:
    """Build the pipeline class `name` with fixed random weights and save it as a diffusers folder."""
    torch.manual_seed(0)
    BUILDERS[name](getattr(diffusers, name)).save_pretrained(folder, safe_serialization=True)
    index = json.loads((folder / "model_index.json").read_text())
    for part in index:
        if part in ("processor", "text_processor"):  # as published models name it
            index[part] = ["transformers", "Qwen2VLProcessor"]
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def adapter(folder: Path, target: Path, seed: int = 0) -> Path:
    """A LoRA for the attention of a saved model, as trainers save it: a file in the folder `target`."""
    from safetensors.torch import load_file, save_file

    torch.manual_seed(seed)
    weights = {}
    for name, value in load_file(next((folder / "transformer").glob("*.safetensors"))).items():
        if name.endswith("to_q.weight"):
            stem = "transformer." + name.removesuffix(".weight")
            weights[f"{stem}.lora_A.weight"] = torch.randn(2, value.shape[1])
            weights[f"{stem}.lora_B.weight"] = torch.randn(value.shape[0], 2)
    path = target / f"adapter{seed}.safetensors"
    save_file(weights, path)
    return path


@contextlib.contextmanager
def small_canvas() -> Iterator[None]:
    """Qwen and LongCat bring every picture to 1 MP by constants of their modules: to AREA for the time of a test."""
    from diffusers.pipelines.longcat_image import pipeline_longcat_image_edit as longcat
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit as edit
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_inpaint as inpaint
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus as plus

    kept = plus.VAE_IMAGE_SIZE
    rules = {module: module.calculate_dimensions for module in (longcat, edit, inpaint)}
    plus.VAE_IMAGE_SIZE = AREA
    for module, rule in rules.items():
        module.calculate_dimensions = lambda area, ratio, rule=rule: rule(AREA, ratio)
    try:
        yield
    finally:
        plus.VAE_IMAGE_SIZE = kept
        for module, rule in rules.items():
            module.calculate_dimensions = rule
