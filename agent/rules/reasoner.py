"""The built-in Reasoner: plans by the knowledge base, judges by measuring. No model, nothing to download."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import cast

import numpy as np

from agent.errors import Refused
from agent.rules import critic, planner, wording
from agent.rules.refusals import no_colour
from agent.types import Consistency, Language, Plan, Quality, Task, Verdict
from editor.auto import EXACT
from editor.base import EditError, Image, UsageError
from editor.builtin import grammar
from editor.builtin.core import Op
from editor.builtin.effects import GREY, Reading, assess
from editor.builtin.engine import ABILITIES
from editor.measure import Facts
from editor.pixels import lab

_PASSED_ON: dict[Language, str] = {
    "en": "Not in the knowledge base; the editor is given the request as it stands, and its result is not measured.",
    "zh": "知识库中没有这一请求；原样交给编辑器，结果无法测量。",
}


@dataclass(frozen=True, slots=True)
class _Request:
    """What an instruction comes to: the operations of its plan; none where it has no plan here."""

    ops: tuple[Op, ...]

    @property
    def only_strengthens_colour(self) -> bool:
        """Whether nothing can come of it in a photo without colour."""
        return bool(self.ops) and all(
            op.name == "hue" or (op.name in ("saturation", "vibrance") and op.amount > 0) for op in self.ops
        )


class RulesReasoner:
    """Reasoner over the step grammar: what it planned, or what an instruction plans to, is what it measures."""

    name = "builtin"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: dict[tuple[str, bool], _Request] = {}
        self._last: tuple[Task, Image, list[Reading]] | None = None

    def think(self, task: Task) -> Plan:
        """The steps of the request. Raises Refused for what cannot be done, UsageError for an empty request.

        An editor that can do more than the built-in one is given as it stands what only it can do; one that does
        exact steps by itself is given them apart.
        """
        try:
            plan = planner.plan(task.instruction, masked=task.mask is not None)
            if self._remember(task, plan).only_strengthens_colour and _is_grey(task.source):
                raise no_colour(task.instruction, task.language)
        except Refused:
            if task.abilities in ("", ABILITIES):
                raise
            masked = task.mask is not None
            apart = task.abilities.startswith(EXACT)
            steps = planner.divided(task.instruction, masked=masked) if apart else (task.instruction,)
            plan = Plan(steps=steps, reasoning=_PASSED_ON[task.language], rewritten=False)
        self._remember(task, plan)
        return plan

    def describe(self, task: Task) -> str:
        """What the finished picture shows, told from the effects of the plan; "" for a request that has no plan."""
        ops = self._request(task).ops
        return wording.description(ops, chinese=task.language == "zh") if ops else ""

    def score(self, task: Task, result: Image, description: str, facts: Facts) -> Consistency:
        """Measure each expected effect of the plan; see critic.consistency for the formula."""
        request = self._request(task)
        if not request.ops:
            return Consistency(meets_instruction="partial", raw_score=5, reason=_cannot(task))
        return critic.consistency(self._readings(task, request.ops, result), facts, task.language)

    def conclude(self, task: Task, result: Image, consistency: Consistency, facts: Facts) -> Verdict:
        """Success, Reflection with a step for what is missing or overdone, Failed, or unknown; numbers included."""
        request = self._request(task)
        if not request.ops:
            return Verdict(tag="unknown", reasoning=_cannot(task), final=True)
        return critic.conclude(task, request.ops, result, self._readings(task, request.ops, result), facts)

    def judge(self, task: Task, result: Image, facts: Facts) -> Quality:
        """Semantic from the readings, perceptual from the facts; see critic.quality for the formula."""
        request = self._request(task)
        score = self.score(task, result, "", facts).score
        return critic.quality(score, request.ops, result, facts)

    def _remember(self, task: Task, plan: Plan) -> _Request:
        masked = task.mask is not None
        try:
            request = _Request(tuple(op for step in plan.steps for op in grammar.parse(step, masked=masked)))
        except (EditError, UsageError):
            request = _Request(())
        with self._lock:
            self._requests[task.instruction, masked] = request
        return request

    def _request(self, task: Task) -> _Request:
        """The operations of the task; planned here when `think` was not asked before."""
        with self._lock:
            known = self._requests.get((task.instruction, task.mask is not None))
        if known is not None:
            return known
        try:
            return self._remember(task, planner.plan(task.instruction, masked=task.mask is not None))
        except (Refused, EditError, UsageError):
            return _Request(())

    def _readings(self, task: Task, ops: tuple[Op, ...], result: Image) -> list[Reading]:
        """Measured once for score, conclude and judge of the same pair."""
        with self._lock:
            last = self._last
        if last is not None and last[0] is task and last[1] is result:
            return last[2]
        readings = assess(ops, task.source, result, task.mask)
        with self._lock:
            self._last = task, result, readings
        return readings


def _is_grey(image: Image) -> bool:
    """Whether a photo, (H, W, 3), has no colour to speak of; on every n-th pixel."""
    step = max(1, int((image.shape[0] * image.shape[1] / 200_000) ** 0.5))
    colours = lab(cast("Image", np.ascontiguousarray(image[::step, ::step])))
    return float(np.hypot(colours[..., 1], colours[..., 2]).mean()) < GREY


def _cannot(task: Task) -> str:
    if task.language == "zh":
        return "内置的评审无法测量这一请求；--reasoner vlm 会看图评判。"
    return "The built-in critic cannot measure this request; --reasoner vlm looks at the pictures."
