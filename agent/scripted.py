"""A Reasoner that replays given replies: for tests, for demonstrations and for trace replay."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from agent.errors import ReasonerError
from agent.types import Consistency, Plan, Quality, Task, Verdict
from editor.base import Image
from editor.measure import Facts

Value = TypeVar("Value")
Reply: TypeAlias = Value | Exception
"""A value to return, or an exception to raise."""

FINE = Consistency(meets_instruction="yes", raw_score=9.0, reason="as scripted")
GOOD = Quality(semantic=8.0, perceptual=8.0, reason="as scripted")


@dataclass(slots=True)
class ScriptedReasoner:
    """Replies from lists, in order; the last one of a list is repeated.

    A string in `verdicts` is read as a tagged conclusion: "Success", "Failed", "unknown", or a corrective
    instruction (which makes a Reflection). latency: seconds every call takes. calls: what was asked, in order,
    as (call, seconds since the first call).
    """

    plan: Reply[Plan] | Sequence[str]
    verdicts: Sequence[Reply[Verdict] | str] = ("Success",)
    description: Reply[str] = "The finished picture."
    scores: Sequence[Reply[Consistency]] = (FINE,)
    qualities: Sequence[Reply[Quality]] = (GOOD,)
    latency: float = 0.0
    name: str = "scripted"
    calls: list[tuple[str, float]] = field(default_factory=list)
    _taken: dict[str, int] = field(default_factory=dict)
    _began: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def think(self, task: Task) -> Plan:
        """The scripted plan; a sequence of strings is made into one."""
        plan = self.plan
        if not isinstance(plan, Plan | Exception):
            plan = Plan(steps=tuple(plan))
        return self._reply("think", [plan])

    def describe(self, task: Task) -> str:
        """The scripted description."""
        return self._reply("describe", [self.description])

    def score(self, task: Task, result: Image, description: str, facts: Facts) -> Consistency:
        """The next scripted score."""
        return self._reply("score", self.scores)

    def conclude(self, task: Task, result: Image, consistency: Consistency, facts: Facts) -> Verdict:
        """The next scripted verdict."""
        return self._reply("conclude", [_verdict(v) if isinstance(v, str) else v for v in self.verdicts])

    def judge(self, task: Task, result: Image, facts: Facts) -> Quality:
        """The next scripted quality."""
        return self._reply("judge", self.qualities)

    def _reply(self, call: str, replies: Iterable[Reply[Value]]) -> Value:
        choices = list(replies)
        with self._lock:
            now = time.perf_counter()
            if self._began is None:
                self._began = now
            self.calls.append((call, now - self._began))
            index = self._taken.get(call, 0)
            self._taken[call] = index + 1
        if self.latency:
            time.sleep(self.latency)
        if not choices:
            raise ReasonerError(f"The script has no reply to {call}.")
        reply = choices[min(index, len(choices) - 1)]
        if isinstance(reply, Exception):
            raise reply
        return reply


def _verdict(text: str) -> Verdict:
    if text in ("Success", "Failed", "unknown"):
        return Verdict.model_validate({"tag": text, "reasoning": "as scripted"})
    return Verdict(tag="Reflection", reasoning="as scripted", instruction=text)
