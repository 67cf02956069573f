"""Qwen-Image-Edit: the first, 2509 and 2511; Lightning's 4 or 8 distilled steps as `--speed fast`."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from editor.diffusion import loading, sizing, still
from editor.diffusion.base import Call, DiffusionEditor
from editor.diffusion.speed import Preset

GRID = 32
LIGHTNING = {
    "2511": "lightx2v/Qwen-Image-Edit-2511-Lightning@d74eba145674fd7e31b949324e148e21e7118abd/"
    "Qwen-Image-Edit-2511-Lightning",
    "2509": "lightx2v/Qwen-Image-Lightning@e74da8d4e71a54b341de86aa9f8d2509165aa513/"
    "Qwen-Image-Edit-2509/Qwen-Image-Edit-2509-Lightning",
    "first": "lightx2v/Qwen-Image-Lightning@e74da8d4e71a54b341de86aa9f8d2509165aa513/Qwen-Image-Edit-Lightning",
}
"""Version of Qwen-Image-Edit -> its distilled adapters on the hub, short of their steps."""
DISTILLED_FOR = (4, 8)
"""Steps that there are adapters for."""


def _lightning(version: str, steps: int) -> Preset:
    return Preset(
        steps,
        1.0,
        lora=f"{LIGHTNING[version]}-{steps}steps-V1.0-bf16.safetensors",
        # as published with the adapters (ModelTC/Qwen-Image-Lightning)
        scheduler={
            "base_shift": math.log(3),
            "max_shift": math.log(3),
            "max_image_seq_len": 8192,
            "shift_terminal": None,
        },
        lossy=f"Lightning for {version}, distilled to {steps} steps instead of 40",
    )


def _version(model: loading.Model) -> str:
    """Which of LIGHTNING the weights are: by pipeline class, and by what 2511 added to the transformer.

    Since 2511 the reference picture's tokens are always at timestep 0; the first has a pipeline of its own. Both are
    written in the folder, so that copies and fine-tuned models get what fits them.
    """
    if loading.config(model.folder / "transformer").get("zero_cond_t"):
        return "2511"
    return "2509" if loading.pipeline_class(model.folder) == "QwenImageEditPlusPipeline" else "first"


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
    guided_twice = True
    presets: ClassVar = {
        "exact": Preset(40, 4.0),
        "balanced": Preset(40, 4.0, cache=0.05, lossy="repeated work is skipped by a cache"),
        "fast": _lightning("2511", min(DISTILLED_FOR)),
    }

    def preset(self, model: loading.Model) -> Preset:
        """`fast` takes the adapter made for these weights, and for as many steps as asked for or for fewer."""
        if self.options.speed != "fast":
            return super().preset(model)
        asked = self.options.steps or min(DISTILLED_FOR)
        steps = max((made for made in DISTILLED_FOR if made <= asked), default=min(DISTILLED_FOR))
        return _lightning(_version(model), steps)

    def canvases(self, pipeline: str) -> tuple[sizing.Size, ...]:
        """All three pipelines bring the picture to this area on a grid of 32."""
        return sizing.fixed_canvases(_snap, GRID, self.options.pixels)

    def prepare(self, pipe: Any) -> None:
        """Its autoencoder is one for video."""
        still.use_stills(pipe.vae)

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
