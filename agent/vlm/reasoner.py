"""think, describe, score, conclude and judge, asked of a VLM.

Every question that sees the source begins with the same bytes: system prompt, then the source picture. A server that
caches prefixes reads the picture once per run.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from agent.errors import BadReply, ConfigError, Refused
from agent.trace import Trace
from agent.types import MAX_STEPS, Consistency, Plan, Quality, Task, Verdict
from agent.vlm import replies
from agent.vlm.asking import Asking, Form, Question
from agent.vlm.images import Encoder
from agent.vlm.wire import KEY_VARIABLE, Wire
from editor.base import Image
from editor.measure import Facts
from prompts.templates import TemplateError, load_templates

if TYPE_CHECKING:
    from agent.config import Settings


Call = Literal["think", "describe", "score", "conclude", "reflect", "judge"]


@dataclass(slots=True)
class _Fused:
    """A conclusion that came with its score, kept for the question that follows."""

    result: Image
    consistency: Consistency
    verdict: Verdict


class VlmReasoner:
    """The Reasoner over any OpenAI-compatible server with a vision-language model.

    url: ends in /v1. model: None takes the first that the server names. max_pixels: larger pictures are scaled down
    before they are sent. timeout: seconds one call may take in all; wait: seconds, besides, for a server that went
    away. reflection: "fused" asks for score and conclusion in one call. prompts_dir: templates that replace the
    shipped ones. Raises ConfigError for a bad URL or template, ReasonerUnavailable when the extra is missing.
    """

    name = "vlm"

    def __init__(
        self,
        *,
        url: str,
        trace: Trace,
        model: str | None = None,
        max_pixels: int = 627_200,
        timeout: float = 120.0,
        wait: float = 120.0,
        reflection: Literal["cascade", "fused"] = "cascade",
        prompts_dir: Path | None = None,
        api_key: str | None = None,
    ) -> None:
        self._wire = Wire(url, api_key, timeout, wait)
        try:
            self._templates = load_templates(prompts_dir)
        except TemplateError as error:
            raise ConfigError(str(error)) from None
        self._asking = Asking(self._wire, trace, model, self._templates["reask"])
        self._encode = Encoder(max_pixels)
        self._reflection = reflection
        self._fused: _Fused | None = None

    @classmethod
    def from_settings(cls, settings: Settings, trace: Trace) -> VlmReasoner:
        """As the settings say; the key comes from REEDIT_VLM_API_KEY only."""
        return cls(
            url=settings.vlm_url,
            trace=trace,
            model=settings.vlm_model,
            max_pixels=settings.vlm_max_pixels,
            timeout=settings.vlm_timeout,
            wait=settings.vlm_wait,
            reflection=settings.reflection,
            prompts_dir=settings.prompts,
            api_key=os.environ.get(KEY_VARIABLE),
        )

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    def think(self, task: Task) -> Plan:
        """One to three steps. Raises Refused or BadReply when the model gives none."""

        def parse(text: str) -> Plan:
            reply = replies.parse_json(text, replies.PlanReply)
            steps = reply.checked()
            rewritten = [step.strip() for step in steps] != [" ".join(task.instruction.split())]
            return Plan(
                steps=steps,
                reasoning=replies.clean(reply.reasoning, replies.LONGEST_REASON * 2),
                rewritten=rewritten,
            )

        question = self._question(
            "think", task, ("source",), None, Form.json("plan", replies.PlanReply),
            abilities=task.abilities, max_steps=MAX_STEPS,
        )  # fmt: skip
        return self._asking.ask(question, parse)

    def describe(self, task: Task) -> str:
        """The target description: one paragraph, at most LONGEST_DESCRIPTION characters or so."""
        question = self._question("describe", task, ("source",), None, Form.regex(replies.DESCRIPTION_REGEX))
        return self._asking.ask(question, replies.description)

    def score(self, task: Task, result: Image, description: str, facts: Facts) -> Consistency:
        """The consistency score; with fused reflection the conclusion comes along and is kept."""
        evidence = {"description": description, "facts": facts.sentences(task.language)}
        if self._reflection == "fused":
            return self._reflect(task, result, evidence)
        form = Form.json("score", replies.ScoreReply)
        question = self._question("score", task, ("result",), result, form, **evidence)
        return self._asking.ask(
            question, lambda text: replies.parse_json(text, replies.ScoreReply).consistency()
        )

    def conclude(self, task: Task, result: Image, consistency: Consistency, facts: Facts) -> Verdict:
        """The verdict. A reply that is none, even when asked again, and a refusal are "unknown", never a Success."""
        fused, self._fused = self._fused, None
        if fused is not None and fused.result is result and fused.consistency is consistency:
            return fused.verdict
        question = self._question(
            "conclude", task, ("source", "result"), result, Form.regex(replies.CONCLUSION_REGEX),
            facts=facts.sentences(task.language), consistency=consistency,
        )  # fmt: skip
        try:
            return self._asking.ask(question, lambda text: replies.conclusion(text, task.instruction))
        except (BadReply, Refused) as error:
            return Verdict(tag="unknown", reasoning=str(error))

    def judge(self, task: Task, result: Image, facts: Facts) -> Quality:
        """SC and PQ of one candidate."""
        form = Form.json("quality", replies.JudgeReply)
        question = self._question(
            "judge", task, ("source", "result"), result, form, facts=facts.sentences(task.language)
        )
        return self._asking.ask(question, lambda text: replies.parse_json(text, replies.JudgeReply).quality())

    def _reflect(self, task: Task, result: Image, evidence: dict[str, Any]) -> Consistency:
        scored: list[Consistency] = []

        def parse(text: str) -> Verdict:
            reply = replies.parse_json(text, replies.ReflectReply)
            scored.append(reply.consistency())
            return reply.verdict(task.instruction)

        question = self._question(
            "reflect",
            task,
            ("source", "result"),
            result,
            Form.json("reflection", replies.ReflectReply),
            **evidence,
        )
        try:
            verdict = self._asking.ask(question, parse)
        except BadReply as error:
            if not scored:
                raise
            # the score is sound and only the conclusion is not: that is an unknown verdict, as in the cascade
            verdict = Verdict(tag="unknown", reasoning=str(error))
        self._fused = _Fused(result, scored[-1], verdict)
        return scored[-1]

    def _question(
        self,
        call: Call,
        task: Task,
        roles: tuple[str, ...],
        result: Image | None,
        form: Form,
        **variables: Any,
    ) -> Question:
        pictures = {"source": task.source, "result": result}
        template = self._templates[call]
        try:
            text = template.render(task.language, instruction=task.instruction, **variables)
            system = self._templates["system"].render(task.language)
        except TemplateError as error:
            raise ConfigError(str(error)) from None
        images = [
            (role, self._encode(picture, task.alpha))
            for role in roles
            if (picture := pictures[role]) is not None
        ]
        return Question(call, template, task.language, system, images, text, form, task.seed)
