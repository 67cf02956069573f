"""The Reasoner without a model: a knowledge base thinks, measurements reflect."""

from __future__ import annotations

from agent.rules.reasoner import RulesReasoner

__all__ = ["RulesReasoner"]
