"""Qwen-Image-Edit: the first, 2509 and 2511; Lightning's distilled steps as `--speed fast`."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from editor.diffusion import sizing
from editor.diffusion.base import Call, DiffusionEditor
from editor.diffusion.speed import Preset

GRID = 32


class QwenImageEdit(DiffusionEditor):
    """Follows instructions in English and Chinese; keeps what is not named."""

    name = "qwen-image-edit"
    abilities = (
        "A generative model that follows instructions, in English or Chinese: adds, removes and replaces objects, "
        "changes materials, weather, season, light, style, pose and background, and writes or changes text in the "
        "picture. One plain sentence per step works best. It repaints about one megapixel; it cannot crop, rotate or "
        "resize."
    )
    model = "Qwen/Qwen-Image-Edit-2511"
    revision = "6f3ccc0b56e431dc6a0c2b2039706d7d26f22cb9"
    pipelines = ("QwenImageEditPlusPipeline", "QwenImageEditPipeline", "QwenImageEditInpaintPipeline")
    runs: ClassVar = {"QwenImageEditInpaintPipeline": "QwenImageEditPipeline"}
    inpaints: ClassVar = {
        "QwenImageEditPlusPipeline": "QwenImageEditInpaintPipeline",
        "QwenImageEditPipeline": "QwenImageEditInpaintPipeline",
    }
    image_processor = "processor"
    presets: ClassVar = {
        "exact": Preset(40, 4.0),
        "balanced": Preset(40, 4.0, cache=0.05, lossy="repeated work is skipped by a cache"),
        # scheduler and steps as published with the adapter (lightx2v/Qwen-Image-Edit-2511-Lightning)
        "fast": Preset(
            4,
            1.0,
            lora="lightx2v/Qwen-Image-Edit-2511-Lightning@d74eba145674fd7e31b949324e148e21e7118abd/"
            "Qwen-Image-Edit-2511-Lightning-4steps-V1.0-bf16.safetensors",
            scheduler={
                "base_shift": math.log(3),
                "max_shift": math.log(3),
                "max_image_seq_len": 8192,
                "shift_terminal": None,
            },
            lossy="4 distilled steps (Lightning) instead of 40",
        ),
    }

    def canvases(self, pipeline: str) -> tuple[sizing.Size, ...]:
        """All three pipelines bring the picture to this area on a grid of 32."""
        return sizing.fixed_canvases(_snap, GRID, self.options.pixels)

    def arguments(self, call: Call) -> dict[str, Any]:
        """Classifier-free guidance is silently off without a negative prompt."""
        negative = (call.negative or " ") if call.guidance > 1 else None
        arguments: dict[str, Any] = {
            "image": call.image, "prompt": call.prompt, "negative_prompt": negative,
            "true_cfg_scale": call.guidance, "num_inference_steps": call.steps,
            "width": call.canvas[0], "height": call.canvas[1],
        }  # fmt: skip
        if call.mask is not None:
            arguments |= {"mask_image": call.mask, "strength": call.strength}
        return arguments


def _snap(area: int, aspect: float) -> sizing.Size:
    """The rule of diffusers' calculate_dimensions (0.42)."""
    width = math.sqrt(area * aspect)
    return round(width / GRID) * GRID, round(width / aspect / GRID) * GRID
