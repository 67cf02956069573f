"""FLUX.2 klein, and its variant that reuses the reference picture's keys and values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from editor.diffusion import loading, sizing, words
from editor.diffusion.base import Call, DiffusionEditor
from editor.diffusion.speed import UNCACHED, Preset, distilled

GRID = 16
KV = "Flux2KleinKVPipeline"


class Flux2Klein(DiffusionEditor):
    """A small distilled model: four steps."""

    name = "flux2-klein"
    abilities = (
        "A small, fast generative model that follows instructions in English: changes objects, colours, materials, "
        "style, background, light and season, adds and removes things. One plain sentence per step works best. It "
        "repaints about one megapixel; it cannot crop, rotate or resize, and writes long text badly."
    )
    model = "black-forest-labs/FLUX.2-klein-4B"
    revision = "e7b7dc27f91deacad38e78976d1f2b499d76a294"
    pipelines = ("Flux2KleinPipeline", KV, "Flux2KleinInpaintPipeline")
    runs: ClassVar = {"Flux2KleinInpaintPipeline": "Flux2KleinPipeline"}
    inpaints: ClassVar = {"Flux2KleinPipeline": "Flux2KleinInpaintPipeline"}
    presets: ClassVar = distilled(4, 1.0)

    def preset(self, model: loading.Model) -> Preset:
        """The base models of the family are not distilled: their index says so."""
        if (
            loading.index(model.folder).get("is_distilled", False)
            or loading.pipeline_class(model.folder) == KV
        ):
            return super().preset(model)
        exact = Preset(50, 4.0)  # the pipeline's own
        return exact if self.options.speed == "exact" else replace(exact, note=UNCACHED)

    def canvases(self, pipeline: str) -> tuple[sizing.Size, ...]:
        """Any size on its grid; above one megapixel the pipeline would shrink the picture."""
        return sizing.grid_canvases(GRID, self.options.pixels)

    def arguments(self, call: Call) -> dict[str, Any]:
        """Distilled weights take no negative prompt."""
        arguments: dict[str, Any] = {
            "image": call.image, "prompt": call.prompt, "num_inference_steps": call.steps,
            "width": call.canvas[0], "height": call.canvas[1],
        }  # fmt: skip
        if call.pipeline != KV:
            arguments["guidance_scale"] = call.guidance
        if call.mask is not None:
            arguments |= {"mask_image": call.mask, "strength": call.strength}
        return arguments

    def framed(self, tokenizer: Any, text: str) -> str:
        """With the chat template that the pipeline puts around it."""
        return words.chat(tokenizer, text, thinking=False)
