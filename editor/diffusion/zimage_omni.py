"""Z-Image Omni: the photo itself is the reference, and instructions are followed."""

from __future__ import annotations

from typing import Any, ClassVar

from editor.diffusion import loading, sizing
from editor.diffusion.base import Call, DiffusionEditor
from editor.diffusion.speed import UNCACHED, Preset

GRID = 16


class ZImageOmni(DiffusionEditor):
    """The undistilled model of the family that sees its reference, through an encoder for pictures."""

    name = "z-image-omni"
    abilities = (
        "A generative model that follows instructions, in English or Chinese: changes objects, materials, style, "
        "background, light, season and weather, adds and removes things. One plain sentence per step works best. It "
        "repaints about one megapixel; it cannot crop, rotate or resize."
    )
    model = "Tongyi-MAI/Z-Image-Omni-Base"
    revision = ""
    pipelines = ("ZImageOmniPipeline",)
    padded = True
    presets: ClassVar = {
        "exact": Preset(50, 4.0),
        "balanced": Preset(50, 4.0, note=UNCACHED),
        "fast": Preset(25, 4.0, lossy="half the steps"),
    }

    def canvases(self, pipeline: str) -> tuple[sizing.Size, ...]:
        """Any size on its grid; above one megapixel the pipeline would shrink the picture."""
        return sizing.grid_canvases(GRID, self.options.pixels)

    def arguments(self, call: Call) -> dict[str, Any]:
        """Guidance is on from 0 upward; the negative prompt is empty unless one is given."""
        return {
            "image": call.image, "prompt": call.prompt, "negative_prompt": call.negative,
            "guidance_scale": call.guidance, "num_inference_steps": call.steps,
            "width": call.canvas[0], "height": call.canvas[1],
        }  # fmt: skip

    def prepare(self, pipe: Any) -> None:
        """Its pipeline (0.42) hands the autoencoder bfloat16 whatever the rest is in."""
        import torch

        with loading.quiet():  # of a warning about no modules
            pipe.vae.to(torch.bfloat16)

    def framed(self, tokenizer: Any, text: str) -> str:
        """The part of the pipeline's frame that holds the words."""
        return f"<|vision_end|>{text}<|im_end|>\n<|im_start|>assistant\n<|vision_start|>"
