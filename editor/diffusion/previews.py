"""A small picture of where each denoising step is heading, for the trace.

In flow matching a noisy sample is x = (1 - s) x0 + s n, and the model predicts v = n - x0 (Liu, Gong and Liu, 2023;
Lipman et al., 2023). So every step has an estimate of the clean picture, x0 = x - s v, which shows the edit while the
sample itself is still noise.

Decoding all of it would cost up to a fifth of a step. Within one picture, pixels are nearly linear in the latents of
their cell: so tiles from all over it are decoded together, the linear map that fits them best (least squares) is
found, and all cells are read through it. That needs no constants of a model, and follows its colours everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from inspect import unwrap
from typing import Any, cast

import cv2
import numpy as np

from editor import fidelity
from editor.base import Image, Mask
from editor.diffusion import sizing

SIDE = 256
"""Pixels of the longer side of a preview's canvas, at most."""
PART = 2
"""Pixels of a preview along each side of a latent's cell."""
TILES, TILE = 4, 8
"""Tiles decoded along each side of the canvas, and latents along each side of a tile: a sixteenth of 1 MP."""


@dataclass(slots=True)
class Previews:
    """The previews of one run of a pipeline. canvas: what it edits; mask: (H, W), the user's own, of the photo."""

    pipe: Any
    where: sizing.Layout
    canvas: Image
    mask: Mask | None
    made: int = 0
    """Steps of the run that have one."""
    fault: str = ""
    """Why there are no more of them, for people. A preview that cannot be made does not stop the edit."""
    _kept: tuple[Image, Mask] | None = field(default=None, init=False)

    def after(self, done: int, velocity: Any, sample: Any) -> Image | None:
        """What step number `done`, just taken, is heading for, of the photo's aspect; None after a fault.

        velocity, sample: what the scheduler's step was given. Outside of a mask the photo shows, as in the result.
        """
        if self.fault:
            return None
        try:
            picture = self._cut(self._read(_clean(self.pipe.scheduler, velocity, sample)))
        except Exception as error:
            # a mistake of ours too: it is told in the notes, and the edit goes on
            reason = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"[:200]
            self.fault = f"The previews ended after {self.made} of them: {reason.rstrip('.')}."
            return None
        self.made = done
        return picture

    def _read(self, packed: Any) -> Image:
        """The canvas in small, (h, w, 3) uint8."""
        import torch

        latents = _latents(self.pipe.vae, packed, self.where.canvas)
        height, width = latents.shape[2:]
        if not latents.isfinite().all():  # the edit will fail; the trace shows from which step on
            return np.zeros((height * PART, width * PART, 3), np.uint8)
        rows, inner_rows = _spread(height)
        columns, inner_columns = _spread(width)
        tiles = latents[:, :, rows][..., columns]
        inner = torch.tensor(inner_rows)[:, None] & torch.tensor(inner_columns)
        known, wanted = _cells(tiles).cpu().double()[inner], self._parts(tiles).double()[inner]
        # by singular values: also of a picture so plain that its latents have less than full rank
        solved = torch.linalg.lstsq(known, wanted, driver="gelsd").solution
        levels = (_cells(latents) @ solved.to(latents) * 127.5 + 127.5).clamp(0, 255).round().to(torch.uint8)
        grid = levels.unflatten(2, (3, PART, PART)).permute(0, 3, 1, 4, 2)
        return cast("Image", grid.reshape(height * PART, width * PART, 3).cpu().numpy())

    def _parts(self, latents: Any) -> Any:
        """What the autoencoder makes of latents, -1 to 1: (h, w, 3 * PART * PART), one row of pixels a cell."""
        import torch

        vae = self.pipe.vae
        height, width = latents.shape[2:]
        weight = next(vae.parameters())
        latents = latents.to(weight.device, weight.dtype)
        # as it lies in memory now: the hook before `decode` would first move the transformer out
        decode = unwrap(type(vae).decode)
        if _of_videos(vae):  # a picture is one frame
            made = decode(vae, latents.unsqueeze(2), return_dict=False)[0][:, :, 0]
        else:
            made = decode(vae, latents, return_dict=False)[0]
        small = torch.nn.functional.adaptive_avg_pool2d(made.float().cpu(), (height * PART, width * PART))
        return small.reshape(3, height, PART, width, PART).permute(1, 3, 0, 2, 4).flatten(2)

    def _cut(self, small: Image) -> Image:
        """The photo's part of the canvas, no longer than SIDE; outside of the mask the photo's own pixels."""
        scale = min(1.0, SIDE / max(self.where.canvas), max(small.shape) / max(self.where.canvas))
        small = _resized(small, [round(side * scale) for side in self.where.canvas])
        left, top, width, height = (round(side * scale) for side in self.where.box)
        part = small[top : top + max(1, height), left : left + max(1, width)]
        if self.mask is None:
            return part.copy()
        if self._kept is None:
            left, top, width, height = self.where.box
            photo = self.canvas[top : top + height, left : left + width]
            size = part.shape[1::-1]
            self._kept = _resized(photo, size), cast("Mask", _resized(self.mask, size))
        return fidelity.restore_outside(self._kept[0], part, self._kept[1])


def _resized(picture: Image, size: Sequence[int]) -> Image:
    """size: width, height."""
    return cast("Image", cv2.resize(picture, tuple(size), interpolation=cv2.INTER_AREA))


def _spread(length: int) -> tuple[list[int], list[bool]]:
    """The latents along a side that are decoded: all of a short one, else TILES runs of TILE.

    And for each, whether its neighbours are its own: beside the edge of a tile, a decoder sees another one.
    """
    if length <= TILES * TILE:
        return list(range(length)), [True] * length
    starts = (round(k * (length - TILE) / (TILES - 1)) for k in range(TILES))
    return [start + k for start in starts for k in range(TILE)], [
        0 < k < TILE - 1 for k in range(TILE)
    ] * TILES


def _cells(latents: Any) -> Any:
    """(1, C, h, w) as (h, w, C + 1), with a one for the constant of a linear map."""
    import torch

    return torch.nn.functional.pad(latents[0].permute(1, 2, 0), (0, 1), value=1.0)


def _clean(scheduler: Any, velocity: Any, sample: Any) -> Any:
    """The estimate of the clean latents from the step that the scheduler has just taken."""
    sigma = scheduler.sigmas[scheduler.step_index - 1]
    return sample.float() - sigma.to(sample.device) * velocity.float()


def _latents(vae: Any, packed: Any, canvas: sizing.Size) -> Any:
    """Latents as the autoencoder encodes and decodes them, (1, C, h, w), from those that the transformer works on.

    packed: (1, C, h, w), or squares of four to a token, (1, h/2 * w/2, 4C). The scale is the autoencoder's own: a
    batch norm of packed channels (FLUX.2), mean and deviation per channel (Qwen-Image), or one factor and shift.
    """
    norm = getattr(vae, "bn", None)
    if packed.ndim == 3:
        if norm is not None:
            deviation = (norm.running_var + vae.config.batch_norm_eps).sqrt()
            packed = packed * deviation.to(packed) + norm.running_mean.to(packed)
        count, channels = packed.shape[1:]
        across = round(math.sqrt(count * canvas[0] / canvas[1]))
        grid = packed.reshape(1, count // across, across, channels // 4, 2, 2)
        packed = grid.permute(0, 3, 1, 4, 2, 5).reshape(1, channels // 4, 2 * (count // across), 2 * across)
    if norm is not None:
        return packed
    if _of_videos(vae):
        of_channels = (vae.config.latents_mean, vae.config.latents_std)
        mean, deviation = (packed.new_tensor(each).view(1, -1, 1, 1) for each in of_channels)
        return packed * deviation + mean
    return packed / vae.config.scaling_factor + vae.config.shift_factor


def _of_videos(vae: Any) -> bool:
    """Whether it is Qwen-Image's autoencoder, which was made for videos and has a mean for each channel."""
    return getattr(vae.config, "latents_mean", None) is not None
