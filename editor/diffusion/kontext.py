"""FLUX.1 Kontext."""

from __future__ import annotations

from typing import Any, ClassVar

from editor.diffusion import sizing
from editor.diffusion.base import AREA, Call, DiffusionEditor
from editor.diffusion.speed import Preset

GRID = 16
TRAINED = (
    (672, 1568), (688, 1504), (720, 1456), (752, 1392), (800, 1328), (832, 1248), (880, 1184), (944, 1104),
    (1024, 1024),
)  # fmt: skip
"""Width and height it was trained at (diffusers 0.42, PREFERRED_KONTEXT_RESOLUTIONS), and the same on their side."""


class FluxKontext(DiffusionEditor):
    """Follows instructions in English; strong at keeping a person or an object the same."""

    name = "flux-kontext"
    abilities = (
        "A generative model that follows instructions in English: changes objects, clothes, style, background, light "
        "and season, removes things, replaces text in the picture, and keeps a person's identity. One plain "
        "sentence per step works best. It repaints about one megapixel; it cannot crop, rotate or resize."
    )
    model = "black-forest-labs/FLUX.1-Kontext-dev"
    revision = "24e9dedc4ef646698dc8eb4e18ae2cec3c9fea0d"
    pipelines = ("FluxKontextPipeline", "FluxKontextInpaintPipeline")
    runs: ClassVar = {"FluxKontextInpaintPipeline": "FluxKontextPipeline"}
    inpaints: ClassVar = {"FluxKontextPipeline": "FluxKontextInpaintPipeline"}
    tokenizer = "tokenizer_2"
    presets: ClassVar = {
        "exact": Preset(28, 2.5),
        "balanced": Preset(28, 2.5, cache=0.05, lossy="repeated work is skipped by a cache"),
        "fast": Preset(14, 2.5, cache=0.1, lossy="half the steps, and repeated work is skipped by a cache"),
    }

    def canvases(self, pipeline: str) -> tuple[sizing.Size, ...]:
        """The sizes it was trained at; with another area, any on its grid."""
        if self.options.pixels != AREA:
            return sizing.grid_canvases(GRID, self.options.pixels)
        return (*TRAINED, *((height, width) for width, height in TRAINED[:-1]))

    def arguments(self, call: Call) -> dict[str, Any]:
        """max_area and _auto_resize: without them the pipeline picks a size of its own and stretches the picture."""
        width, height = call.canvas
        arguments: dict[str, Any] = {
            "image": call.image, "prompt": call.prompt, "guidance_scale": call.guidance,
            "num_inference_steps": call.steps, "width": width, "height": height, "max_area": width * height,
            "_auto_resize": False,
        }  # fmt: skip
        if call.mask is not None:
            arguments |= {"mask_image": call.mask, "strength": call.strength}
        return arguments
