"""The Reasoner on a vision-language model behind an OpenAI-compatible server such as vLLM."""

from __future__ import annotations

from agent.vlm.reasoner import VlmReasoner

__all__ = ["VlmReasoner"]
