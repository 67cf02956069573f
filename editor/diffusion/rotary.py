"""Attention written so that a compiler can fuse what is around it, and nothing is copied for it.

The transformers of Qwen-Image and Z-Image rotate queries and keys as complex numbers. Inductor generates no code for
complex numbers (torch 2.13): in each compiled block the rotation then splits the kernel around it in four and goes
through memory in float32. (a + bi)(c + di) = (ac - bd) + (ad + bc)i gives the same bits and fuses.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any


def rotate(x: Any, turns: Any) -> Any:
    """Rotate pairs of neighbours of x (batch, tokens, heads, 2n) by complex turns ([batch,] tokens, n)."""
    import torch

    cosine, sine = torch.view_as_real(turns).unsqueeze(-3).repeat_interleave(2, -2).unbind(-1)
    numbers = x.float()
    real, imaginary = numbers.unflatten(-1, (-1, 2)).unbind(-1)
    # as one sum over all numbers: what is stacked before it fuses, what is stacked after it is written out in float32
    crossed = torch.stack((-imaginary, real), -1).flatten(-2)
    return (numbers * cosine + crossed * sine).type_as(x)


class _Attention:
    """What both have in common. _attention_backend: set by the model's set_attention_backend."""

    _attention_backend: Any = None
    _parallel_config: Any = None

    def attend(self, query: Any, key: Any, value: Any, mask: Any) -> Any:
        """(batch, tokens, heads, n) each -> (batch, tokens, heads * n)."""
        from diffusers.models.attention_dispatch import dispatch_attention_fn

        backend, parallel = self._attention_backend, self._parallel_config
        attended = dispatch_attention_fn(
            query, key, value, attn_mask=mask, backend=backend, parallel_config=parallel
        )
        return attended.flatten(2, 3).type_as(query)


class JointAttention(_Attention):
    """Qwen-Image: words and pictures have projections of their own and attend to each other, words first."""

    def __call__(
        self,
        attn: Any,
        hidden_states: Any,
        encoder_hidden_states: Any,
        encoder_hidden_states_mask: Any = None,
        attention_mask: Any = None,
        image_rotary_emb: Any = None,
    ) -> tuple[Any, Any]:
        """As QwenDoubleStreamAttnProcessor2_0 of diffusers 0.42: the pictures' part and the words'."""
        import torch

        head = attn.inner_dim // attn.heads
        picture_turns, word_turns = image_rotary_emb

        def heads(layer: Any, states: Any, norm: Any = None, turns: Any = None) -> Any:
            made = layer(states).unflatten(-1, (-1, head))
            return made if norm is None else rotate(norm(made), turns)

        words, pictures = encoder_hidden_states, hidden_states
        query = (
            heads(attn.add_q_proj, words, attn.norm_added_q, word_turns),
            heads(attn.to_q, pictures, attn.norm_q, picture_turns),
        )
        key = (
            heads(attn.add_k_proj, words, attn.norm_added_k, word_turns),
            heads(attn.to_k, pictures, attn.norm_k, picture_turns),
        )
        value = heads(attn.add_v_proj, words), heads(attn.to_v, pictures)
        if encoder_hidden_states_mask is not None:
            all_seen = encoder_hidden_states_mask.new_ones(pictures.shape[:2])
            attention_mask = torch.cat([encoder_hidden_states_mask, all_seen], 1)[:, None, None]
        attended = self.attend(torch.cat(query, 1), torch.cat(key, 1), torch.cat(value, 1), attention_mask)
        seen_words, seen_pictures = attended.split([words.shape[1], pictures.shape[1]], 1)
        return attn.to_out[0](seen_pictures.contiguous()), attn.to_add_out(seen_words.contiguous())


class SingleAttention(_Attention):
    """Z-Image: words and pictures are one sequence."""

    def __call__(
        self,
        attn: Any,
        hidden_states: Any,
        encoder_hidden_states: Any = None,
        attention_mask: Any = None,
        freqs_cis: Any = None,
    ) -> Any:
        """As ZSingleStreamAttnProcessor of diffusers 0.42."""
        query, key, value = (
            layer(hidden_states).unflatten(-1, (attn.heads, -1))
            for layer in (attn.to_q, attn.to_k, attn.to_v)
        )
        query, key = rotate(attn.norm_q(query), freqs_cis), rotate(attn.norm_k(key), freqs_cis)
        if attention_mask is not None and attention_mask.ndim == 2:
            attention_mask = attention_mask[:, None, None]
        return attn.to_out[0](self.attend(query, key, value, attention_mask))


REPLACED = {"QwenDoubleStreamAttnProcessor2_0": JointAttention, "ZSingleStreamAttnProcessor": SingleAttention}
"""Processor of diffusers -> the one here that computes the same."""


def use_real(transformer: Any) -> bool:
    """Replace every such processor in a transformer; whether there was one."""
    found = False
    for module in transformer.modules():
        replacement = REPLACED.get(type(getattr(module, "processor", None)).__name__)
        if replacement is not None:
            module.set_processor(replacement())
            found = True
    return found


def spare_copies() -> None:
    """Let diffusers' backend `_native_cudnn` take queries, keys and values as they lie in memory.

    Its own (0.42) first copies each of them to one block per head. cuDNN takes any layout whose last dimension is
    dense, and answers in that of the queries (pytorch/pytorch#138354): neither they nor the result need a copy.
    """
    # a release that keeps its backends elsewhere copies as before
    with suppress(ImportError, AttributeError):
        from diffusers.models.attention_dispatch import AttentionBackendName, _AttentionBackendRegistry

        _AttentionBackendRegistry._backends[AttentionBackendName._NATIVE_CUDNN] = _by_cudnn


def _by_cudnn(
    query: Any, key: Any, value: Any, return_lse: bool = False, _parallel_config: Any = None, **options: Any
) -> Any:
    """(batch, tokens, heads, n) each and of the result. return_lse, _parallel_config: for several GPUs; unused."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    query, key, value = (each.transpose(1, 2) for each in (query, key, value))
    with sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
        made = torch.nn.functional.scaled_dot_product_attention(query, key, value, **options)
    return made.transpose(1, 2)
