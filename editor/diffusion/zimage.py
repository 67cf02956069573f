"""Z-Image: picture-to-picture by partial denoising, until weights that follow editing instructions are out."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from editor.base import EditRequest, EditResult, UsageError
from editor.diffusion import sizing, words
from editor.diffusion.base import Call, DiffusionEditor
from editor.diffusion.speed import distilled

GRID = 16


class ZImage(DiffusionEditor):
    """Describes rather than instructs: the step is read as the picture wanted; strength says how far to go there."""

    name = "z-image"
    abilities = (
        "A generative model that moves the whole picture toward a description, in English or Chinese: restyles, "
        "recolours, changes light, season and weather, and repaints what lies inside a mask. Steps must describe the "
        "picture wanted, not the change. It cannot remove or move one object without a mask, crop, rotate or resize."
    )
    model = "Tongyi-MAI/Z-Image-Turbo"
    revision = "f332072aa78be7aecdf3ee76d5c247082da564a6"
    pipelines = ("ZImagePipeline", "ZImageImg2ImgPipeline", "ZImageInpaintPipeline")
    runs: ClassVar = {
        "ZImagePipeline": "ZImageImg2ImgPipeline",
        "ZImageInpaintPipeline": "ZImageImg2ImgPipeline",
    }
    inpaints: ClassVar = {"ZImageImg2ImgPipeline": "ZImageInpaintPipeline"}
    strengths = (0.6, 1.0)
    padded = True
    presets: ClassVar = distilled(9, 0.0)

    def edit(self, request: EditRequest) -> EditResult:
        """As every family; without a mask a strength of 1 is refused, which leaves nothing of the photo."""
        if request.mask is None and self.options.strength == 1:
            raise UsageError(
                "z-image ignores the photo at --editor-strength 1; 0.4 to 0.7 keeps its structure."
            )
        return super().edit(request)

    def canvases(self, pipeline: str) -> tuple[sizing.Size, ...]:
        """Any size on its grid."""
        return sizing.grid_canvases(GRID, self.options.pixels)

    def arguments(self, call: Call) -> dict[str, Any]:
        """The turbo weights are distilled: no guidance, unless it is asked for."""
        arguments: dict[str, Any] = {
            "image": call.image, "prompt": call.prompt, "guidance_scale": call.guidance,
            "num_inference_steps": call.steps, "strength": call.strength, "negative_prompt": call.negative,
            "width": call.canvas[0], "height": call.canvas[1],
        }  # fmt: skip
        if call.mask is not None:
            return arguments | {"mask_image": call.mask}
        # with fewer steps the first would start at pure noise, and the photo would play no part
        fewest = math.ceil(round(1 / (1 - call.strength), 6))
        return arguments | {"num_inference_steps": max(call.steps, fewest)}

    def framed(self, tokenizer: Any, text: str) -> str:
        """With the chat template that the pipeline puts around it."""
        return words.chat(tokenizer, text, thinking=True)
