"""A step's words for an encoder: cut by sentence to what it takes, encoded once while they repeat."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from editor.base import EditorUnavailable

KEPT = 8
"""Encoded prompts remembered per pipeline: four steps with their negatives."""
_SENTENCES = re.compile(r".*?(?:[.!?;]+(?:\s+|$)|[。！？；\n]+\s*|$)", re.DOTALL)
"""A mark within a word or a number, as in 1.5, ends no sentence."""


def fit(text: str, longest: int, count: Callable[[str], int]) -> str:
    """The text if it has at most `longest` tokens, else as many of its sentences from the start as fit.

    When not even the first fits, as many of its characters. count: tokens of a text.
    """
    text = text.strip()
    if count(text) <= longest:
        return text
    kept = ""
    for sentence in _SENTENCES.finditer(text):
        upto = text[: sentence.end()].strip()
        if count(upto) > longest:
            break
        kept = upto
    if kept:
        return kept
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if count(text[:middle]) <= longest else (low, middle - 1)
    return text[:low].strip()


def chat(tokenizer: Any, text: str, *, thinking: bool) -> str:
    """The text in a tokenizer's chat template, as pipelines put it around a prompt. Raises EditorUnavailable."""
    if not tokenizer.chat_template:
        raise EditorUnavailable("The model's tokenizer lacks its chat template; download the model again.")
    framed: str = tokenizer.apply_chat_template(
        [{"role": "user", "content": text}],
        tokenize=False,
        add_generation_prompt=True,
        enable_thinking=thinking,
    )
    return framed


def remember(pipe: Any) -> None:
    """Let a pipeline's own encode_prompt answer from memory when words and picture repeat."""
    if "encode_prompt" in vars(pipe):
        return
    encode = pipe.encode_prompt
    kept: OrderedDict[str, Any] = OrderedDict()

    def remembered(*args: Any, **kwargs: Any) -> Any:
        key = hashlib.sha256(
            repr([_digest(value) for value in (*args, *sorted(kwargs.items()))]).encode()
        ).hexdigest()
        if key not in kept:
            kept[key] = encode(*args, **kwargs)
            remembered.encoded += 1  # type: ignore[attr-defined]
            if len(kept) > KEPT:
                kept.popitem(last=False)
        kept.move_to_end(key)
        found = kept[key]
        # lists would be changed in place by the caller
        return tuple(list(part) if isinstance(part, list) else part for part in found)

    remembered.encoded = 0  # type: ignore[attr-defined]
    pipe.encode_prompt = remembered


def encoded(pipe: Any) -> int:
    """How often a pipeline's encoder had to be asked so far."""
    return int(pipe.encode_prompt.encoded)


def _digest(value: Any) -> Any:
    """Something printable that is equal exactly when the value is: pictures and tensors by their bytes."""
    if isinstance(value, (list, tuple)):
        return [_digest(part) for part in value]
    if hasattr(value, "tobytes"):  # two pictures of other proportions may have the same bytes
        return [getattr(value, "shape", None) or value.size, hashlib.sha256(value.tobytes()).hexdigest()]
    if hasattr(value, "detach"):
        numbers = value.detach().float().cpu().numpy()
        return [value.shape, hashlib.sha256(numbers.tobytes()).hexdigest()]
    return repr(value)
