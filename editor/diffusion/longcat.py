"""LongCat-Image-Edit."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from editor.diffusion import sizing
from editor.diffusion.base import Call, DiffusionEditor
from editor.diffusion.speed import Preset

GRID = 16


class LongCatImageEdit(DiffusionEditor):
    """Follows instructions in English and Chinese; its pipeline takes no size and no mask."""

    name = "longcat-image-edit"
    abilities = (
        "A generative model that follows instructions, in English or Chinese: adds, removes and replaces objects, "
        "changes background, style, material, light and season, and edits text in the picture. One plain "
        "sentence per step works best. It repaints about one megapixel; it cannot crop, rotate or resize."
    )
    model = "meituan-longcat/LongCat-Image-Edit"
    revision = "7b54ef423aa7854be7861600024be5c56ab7875a"
    pipelines = ("LongCatImageEditPipeline",)
    image_processor = "text_processor"
    guided_twice = True
    presets: ClassVar = {
        "exact": Preset(50, 4.5),
        "balanced": Preset(50, 4.5, cache=0.05, lossy="repeated work is skipped by a cache"),
        "fast": Preset(25, 4.5, lossy="half the steps"),
    }

    def canvases(self, pipeline: str) -> tuple[sizing.Size, ...]:
        """Sizes that the pipeline's own rule leaves as they are: it takes none."""
        return sizing.fixed_canvases(_snap, GRID, self.options.pixels)

    def arguments(self, call: Call) -> dict[str, Any]:
        """The empty negative prompt is the one it was trained with."""
        return {
            "image": call.image, "prompt": call.prompt, "negative_prompt": call.negative or "",
            "guidance_scale": call.guidance, "num_inference_steps": call.steps,
        }  # fmt: skip

    def length(self, tokenizer: Any, text: str) -> int:
        """The pipeline encodes what is quoted letter by letter, and (0.42) breaks off where that is too much."""
        from diffusers.pipelines.longcat_image.pipeline_longcat_image_edit import split_quotation

        pieces = (piece for part, quoted in split_quotation(text) for piece in (part if quoted else (part,)))
        return sum(len(tokenizer(piece, add_special_tokens=False).input_ids) for piece in pieces)


def _snap(area: int, aspect: float) -> sizing.Size:
    """The rule of the pipeline's calculate_dimensions (0.42): up to the grid."""
    width = math.sqrt(area * aspect)
    height = width / aspect
    return (
        int(width if width % GRID == 0 else (width // GRID + 1) * GRID),
        int(height if height % GRID == 0 else (height // GRID + 1) * GRID),
    )
