"""What is taken as an instruction, whoever gives it: the command line, the library or a manifest."""

from __future__ import annotations

import re

from agent.errors import UsageError

LONGEST = 2_000
"""Characters. The longest of the field's benchmarks (KRIS-Bench, GEdit, ImgEdit) have a few hundred, and every
model's context is finite."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def clean_instruction(text: str) -> str:
    """The instruction, trimmed. Raises UsageError when it says nothing, is too long, or holds control characters."""
    text = text.strip()
    if len(text) > LONGEST:
        raise UsageError(f"The instruction has {len(text):,} characters; at most {LONGEST:,} are taken.")
    if _CONTROL.search(text):
        raise UsageError("The instruction contains control characters; give plain text.")
    if not any(character.isalnum() for character in text):
        raise UsageError("The instruction is empty; say what to do, for example “increase the contrast”.")
    return text
