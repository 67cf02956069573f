"""Caches that skip repeated work between denoising steps: cache-dit where it is installed, else FirstBlockCache.

Both are lossy, and both keep state between the steps of one edit: `running` begins and ends it, also when the edit is
stopped.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

WARM_UP = 8
"""Steps before cache-dit skips anything, and blocks whose change it looks at: its own defaults. They are less, a
quarter, where there are few."""

THRESHOLD = 0.08
"""Relative change below which cache-dit skips: its own default."""


def enable(transformer: Any, threshold: float) -> str:
    """Switch a cache on; says which. threshold: of FirstBlockCache; cache-dit has its own."""
    if find_spec("cache_dit") is not None:
        return _enable_cache_dit(transformer)
    from diffusers import FirstBlockCacheConfig

    _name_blocks(transformer)
    transformer.enable_cache(FirstBlockCacheConfig(threshold=threshold))
    return f"first block cache, threshold {threshold:g}"


def _enable_cache_dit(transformer: Any) -> str:
    import cache_dit

    for handler in logging.getLogger("CACHE_DIT").handlers:
        handler.setLevel(logging.ERROR)  # it announces itself on stdout
    # not the pipeline: that would change the pipeline's class for the whole process
    cache_dit.enable_cache(transformer, cache_config=_settings(transformer, WARM_UP, guided=False))
    return f"cache-dit {cache_dit.__version__}, threshold {THRESHOLD:g}"


def _settings(transformer: Any, steps: int, *, guided: bool) -> Any:
    from cache_dit import DBCacheConfig
    from torch.nn import ModuleList

    blocks = min(len(part) for part in transformer.children() if isinstance(part, ModuleList) and len(part))
    return DBCacheConfig(
        Fn_compute_blocks=max(1, min(WARM_UP, blocks // 4)),
        residual_diff_threshold=THRESHOLD,
        max_warmup_steps=min(WARM_UP, steps // 4),
        num_inference_steps=steps,
        enable_separate_cfg=guided,
    )


@contextmanager
def running(transformer: Any, steps: int, *, guided: bool) -> Iterator[None]:
    """Around one edit of `steps` denoising steps. guided: whether each takes a second pass, for guidance."""
    if hasattr(transformer, "_context_manager"):  # cache-dit's mark
        import cache_dit

        # a fresh start each time; what a stopped edit left is not looked at
        cache_dit.refresh_context(transformer, cache_config=_settings(transformer, steps, guided=guided))
        yield
        return
    try:
        with transformer.cache_context("cond"):  # pipelines that know of contexts enter their own inside
            yield
    finally:
        transformer._reset_stateful_cache()


def _name_blocks(transformer: Any) -> None:
    """Tell FirstBlockCache what LongCat's blocks return, which diffusers (0.42) leaves out: as Flux's do."""
    from diffusers.hooks._helpers import TransformerBlockMetadata, TransformerBlockRegistry

    for block in {type(module) for module in transformer.modules()}:
        if block.__name__ in ("LongCatImageTransformerBlock", "LongCatImageSingleTransformerBlock"):
            TransformerBlockRegistry.register(
                block,
                TransformerBlockMetadata(return_hidden_states_index=1, return_encoder_hidden_states_index=0),
            )
