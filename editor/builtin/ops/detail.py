"""Detail: blur, blur by distance, smooth skin, sharpening, noise."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from editor.base import Image, Mask
from editor.builtin.core import Context, Op
from editor.builtin.layers import EdgeAware, diagonal, gaussian, guided, spread
from editor.builtin.perception import decode, encode, samples, smoothstep
from editor.builtin.pixels import Float, bands, by_rows, full, lookup, luma, planes, shrink, strips, to_float

_BLUR_AT_ONE = 0.014
"""Sigma of blur at amount 1, relative to the diagonal."""


def blur(image: Image, op: Op, context: Context) -> Image:
    """Blur in linear light, as a lens does. With a mask, what lies outside it does not bleed in."""
    if not op.amount:
        return image.copy()
    sigma = _BLUR_AT_ONE * op.amount**1.3 * diagonal(image.shape)
    if sigma < 6:
        return _small_blur(image, sigma, context.mask)
    low = _low_blur(image, sigma, context.mask)
    return by_rows(image, lambda rows: samples(spread(low, rows, image.shape), image))


def _small_blur(image: Image, sigma: float, mask: Mask | None) -> Image:
    """Blur of a few pixels at full resolution."""

    def work(band: Float, rows: slice) -> Float:
        weight = None if mask is None else cast("Float", mask[rows] * np.float32(1 / 255))
        return encode(_inside_blur(decode(band), weight, sigma))

    return strips(image, int(4 * sigma) + 2, work)


def _low_blur(image: Image, sigma: float, mask: Mask | None) -> Float:
    """The blurred picture, linear light, at a resolution at which sigma is about 2.5 pixels."""
    height, width = image.shape[:2]
    factor = max(1.0, sigma / 2.5)
    size = max(1, round(width / factor)), max(1, round(height / factor))
    weight = None
    # what is averaged is light: bright points must not fade because they are small
    table = np.rint(decode(np.linspace(0, 1, full(image) + 1, dtype=np.float32)) * 65535).astype(np.uint16)
    light = lookup(image, table)
    if mask is not None:
        # of the pixels inside only: the outside must not bleed in by the resizing either
        light = cast("Image", cv2.copyTo(light, mask))
    small = to_float(cast("Image", cv2.resize(light, size, interpolation=cv2.INTER_AREA)))
    if mask is not None:
        weight = to_float(cv2.resize(mask, size, interpolation=cv2.INTER_AREA).reshape(size[::-1]))
        share = cv2.resize((mask > 0).astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA)
        small = small * (255 / np.maximum(share.reshape(size[::-1]).astype(np.float32), 1))[..., None]
    return _inside_blur(np.clip(small, 0, 1), weight, sigma / factor)


def _inside_blur(light: Float, weight: Float | None, sigma: float) -> Float:
    """Gaussian blur of the pixels that count (normalized convolution, Knutsson and Westin 1993)."""
    if weight is None:
        return gaussian(light, sigma)
    total = gaussian(weight, sigma)
    inside = gaussian(light * weight[..., None], sigma) / np.maximum(total, np.float32(1e-4))[..., None]
    # far from the region there is nothing to average, and nobody looks
    return cast("Float", np.where((total > 1e-3)[..., None], inside, light))


_FOCUS_STEPS = (0.0, 0.25, 0.5, 1.0)
"""Blur levels that are mixed, relative to the strongest."""


def depth_blur(image: Image, op: Op, context: Context) -> Image:
    """Blur that grows with the distance: from the kept subject outwards, and upwards in the frame."""
    if not op.amount:
        return image.copy()
    sigma = 1.1 * _BLUR_AT_ONE * op.amount**1.2 * diagonal(image.shape)
    layers = [_low_blur(image, max(0.6, step * sigma), context.mask) for step in _FOCUS_STEPS[1:]]
    depth = _depth(image, context.mask)

    def work(band: Float, rows: slice) -> Float:
        far = planes(np.clip(spread(depth, rows, image.shape), 0, 1))
        sharp = decode(band)
        for near_step, far_step, layer in zip(_FOCUS_STEPS[:-1], _FOCUS_STEPS[1:], layers, strict=True):
            share = np.clip((far - near_step) / (far_step - near_step), 0, 1)
            sharp += (spread(layer, rows, image.shape) - sharp) * share
        return encode(sharp)

    return bands(image, work)


def _depth(image: Image, mask: Mask | None) -> Float:
    """0 = in focus, 1 = farthest, at low resolution.

    Without a mask the bottom of the frame is near. With one, what is kept is in focus: its surroundings are
    out of focus already, more with distance from it and above the ground it stands on.
    """
    height, width = shrink(image, 60_000).shape[:2]
    y = ((np.arange(height, dtype=np.float32) + 0.5) / height)[:, None]
    up = np.broadcast_to(1 - y, (height, width)).astype(np.float32)
    if mask is None:
        return smoothstep(up, 0.12, 0.85)
    low = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA).reshape(height, width)
    kept = np.flatnonzero((low < 128).any(axis=1))
    if not kept.size:
        return smoothstep(up, 0.12, 0.85)
    away = cv2.distanceTransform((low >= 128).astype(np.uint8), cv2.DIST_L2, 5).reshape(height, width)
    away = smoothstep(away / np.float32(0.35 * diagonal((height, width))), 0.0, 1.0)
    behind = smoothstep(kept[-1] / height - y, -0.05, 0.45)
    depth = np.float32(0.3) + np.float32(0.3) * away + np.float32(0.4) * behind
    return gaussian(np.broadcast_to(depth, (height, width)).astype(np.float32), 2.0)


_PORE = 0.006
"""Sigma of the finest texture of skin, relative to the side of the region."""
_BLEMISH = 0.045
"""Radius up to which unevenness of skin is smoothed, relative to the side of the region."""
_FEATURE = 0.055
"""Standard deviation of luma above which a window holds an eye, a lip or a hair line rather than skin."""


def smooth(image: Image, op: Op, context: Context) -> Image:
    """Even out skin: spots and blotches go, features stay, and so does much of the finest texture.

    Frequency separation as retouchers do it: a guided filter (He, Sun and Tang, 2010) splits luma into a base, which
    follows the features, and detail; the detail coarser than pores is taken away.
    """
    if not op.amount:
        return image.copy()
    area = image.shape[0] * image.shape[1] if context.mask is None else np.count_nonzero(context.mask > 127)
    side = max(8.0, float(area) ** 0.5)
    small = luma(to_float(shrink(image, 400_000)))
    scale = small.shape[1] / image.shape[1]
    radius = max(1, round(_BLEMISH * side * scale))
    base = EdgeAware(*guided(small, small, radius, (_FEATURE * (0.6 + 1.2 * op.amount)) ** 2), image.shape)
    sigma = max(0.6, _PORE * side)
    # in a small picture pores are not resolved: its finest texture is noise and compression
    seen = float(np.clip(_PORE * side - 0.25, 0, 1))
    strength, kept = np.float32(min(1.0, 1.4 * op.amount)), np.float32(seen * (0.65 - 0.35 * op.amount))

    def work(band: Float, rows: slice) -> Float:
        light = luma(band)
        pores = light - gaussian(light, sigma)
        detail = light - base.rows(light, rows)
        # a hair or a lash within the window is not skin, however alone it stands
        skin = 1 - smoothstep(np.abs(gaussian(detail, sigma)), 0.06, 0.16)
        band -= planes(strength * skin * (detail - kept * pores))
        return band

    return strips(image, int(4 * sigma) + 2, work)


def sharpen(image: Image, op: Op, context: Context) -> Image:
    """Unsharp mask on luma; differences within the photo's noise are left alone, overshoot is held back."""
    if not op.amount:
        return image.copy()
    sigma = float(np.clip(diagonal((context.frame[3], context.frame[2])) / 3800, 0.8, 1.8))
    quiet = max(3 * noise_level(image), 0.006)
    strength = np.float32(2.4 * op.amount)

    def work(band: Float, rows: slice) -> Float:
        light = luma(band)
        edge = light - gaussian(light, sigma)
        size = np.abs(edge)
        # soft threshold: nothing below the noise, all of it well above
        edge *= smoothstep(size, 0.0, quiet)
        # tanh holds halos at 12 % however hard the edge
        band += planes(np.float32(0.12) * np.tanh(strength * edge / np.float32(0.12)))
        return band

    return strips(image, int(4 * sigma) + 2, work)


def noise_level(image: Image) -> float:
    """Standard deviation of the luma's noise, 0..1.

    Median of the finest diagonal Haar detail (Donoho and Johnstone, 1994) over four windows of the photo.
    """
    height, width = image.shape[:2]
    if height < 4 or width < 4:
        return 0.0
    side_y, side_x = min(height, 512), min(width, 512)
    spread_out = []
    for top in {0, height - side_y}:
        for left in {0, width - side_x}:
            light = luma(to_float(image[top : top + side_y, left : left + side_x]))
            light = light[: side_y // 2 * 2, : side_x // 2 * 2]
            detail = light[::2, ::2] - light[1::2, ::2] - light[::2, 1::2] + light[1::2, 1::2]
            spread_out.append(float(np.median(np.abs(detail))) / 2 / 0.6745)
    return float(np.median(spread_out))


def denoise(image: Image, op: Op, context: Context) -> Image:
    """Remove noise as far as it is there: a bilateral filter on luma, a stronger one on half-size chroma.

    The strength follows the measured noise; a clean photo hardly changes.
    """
    if not op.amount:
        return image.copy()
    noise = max(noise_level(image), 0.003)
    amount = np.float32(op.amount)
    light_range, colour_range = 2.6 * noise * op.amount**0.5, 5.0 * noise

    def work(band: Float, rows: slice) -> Float:
        parts = cv2.cvtColor(band, cv2.COLOR_RGB2YCrCb)
        height, width = parts.shape[:2]
        light = np.ascontiguousarray(parts[..., 0])
        smooth = cv2.bilateralFilter(light, 7, light_range, 2.2).reshape(light.shape)
        # a second pass on the smoother picture reaches the isolated pixels that the first one kept
        smooth = cv2.bilateralFilter(smooth, 5, light_range, 1.5).reshape(light.shape)
        parts[..., 0] += (smooth - light) * min(amount * np.float32(1.3), np.float32(1.0))
        half = max(1, (width + 1) // 2), max(1, (height + 1) // 2)
        small = cv2.bilateralFilter(
            cv2.resize(parts, half, interpolation=cv2.INTER_AREA), 9, colour_range, 3.0
        )
        chroma = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR).reshape(parts.shape)
        parts[..., 1:] += (chroma[..., 1:] - parts[..., 1:]) * amount
        return cast("Float", cv2.cvtColor(parts, cv2.COLOR_YCrCb2RGB))

    return strips(image, 24, work)
