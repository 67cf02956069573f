"""The editor that needs no model: plain-language steps, parsed into classical operations on found regions."""

from __future__ import annotations

from editor.builtin.engine import BuiltinEditor

__all__ = ["BuiltinEditor"]
