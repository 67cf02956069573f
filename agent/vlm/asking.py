"""One question to the VLM, from prompt to parsed value: structured output, fallbacks, one re-ask, the trace."""

from __future__ import annotations

import difflib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from agent.errors import BadReply, ReasonerError, ReasonerUnavailable, Refused
from agent.trace import Trace
from agent.vlm.images import Encoded
from agent.vlm.replies import Reply, Unusable, clean, schema
from agent.vlm.wire import Answer, NotFound, Rejected, Tally, Wire
from prompts.templates import Template

LONGEST_QUOTE = 4_000
"""Characters of a bad reply that are shown to the model again."""
MOST_NAMES = 10
"""Models that a message lists."""

Value = TypeVar("Value")
Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Form:
    """How a server is made to keep to the form of a reply; servers differ in what they know."""

    kind: Literal["json", "regex"]
    fields: dict[str, Any]

    @staticmethod
    def json(name: str, model: type[Reply]) -> Form:
        """By JSON schema, the way of the OpenAI API."""
        return Form("json", {"response_format": {
            "type": "json_schema", "json_schema": {"name": name, "schema": schema(model), "strict": True},
        }})  # fmt: skip

    @staticmethod
    def regex(pattern: str) -> Form:
        """By regular expression, an extension of vLLM."""
        return Form("regex", {"extra_body": {"structured_outputs": {"regex": pattern}}})


@dataclass(frozen=True, slots=True)
class Question:
    """One question: system prompt, pictures, text, in this order."""

    call: str
    template: Template
    language: Literal["en", "zh"]
    system: str
    images: list[tuple[str, Encoded]]
    text: str
    form: Form
    seed: int

    def messages(self) -> list[Message]:
        """As sent."""
        parts = [image.part() for _, image in self.images]
        return self._chat([*parts, {"type": "text", "text": self.text}])

    def shown(self) -> list[Message]:
        """As kept in the trace: references in place of the pictures' bytes."""
        parts = [image.reference(role) for role, image in self.images]
        return self._chat([*parts, {"type": "text", "text": self.text}])

    def _chat(self, parts: list[dict[str, Any]]) -> list[Message]:
        return [{"role": "system", "content": self.system}, {"role": "user", "content": parts}]


# what is left away, level by level, when a server rejects a request: a server that does not know the form of a reply
# keeps to it by the prompt alone; one that fixes the sampling (reasoning models) gets neither
_LEVELS = (("form", "sampling"), ("sampling",), ())


@dataclass(slots=True)
class _Exchange:
    """One request and its reply, for the trace."""

    question: Question
    model: str
    follow_up: list[Message]
    budget: int
    answer: Answer | None = None
    tally: Tally = field(default_factory=Tally)
    began: float = field(default_factory=time.perf_counter)

    def body(self, level: int) -> dict[str, Any]:
        """Arguments of the openai client."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [*self.question.messages(), *self.follow_up],
            "max_completion_tokens": self.budget,
        }
        if "sampling" in _LEVELS[level]:
            body |= {"temperature": 0.0, "seed": self.question.seed}
        return body | (self.question.form.fields if "form" in _LEVELS[level] else {})

    def record(self, trace: Trace, *, parsed: Any = None, error: object = None) -> None:
        """One event in the trace."""
        answer = self.answer
        trace.event(
            "call",
            call=self.question.call,
            model=self.model,
            template=self.question.template.label,
            template_sha256=self.question.template.sha256,
            prompt=[*self.question.shown(), *self.follow_up],
            raw=None if answer is None else answer.refusal or answer.text,
            parsed=parsed,
            prompt_tokens=None if answer is None else answer.prompt_tokens,
            completion_tokens=None if answer is None else answer.completion_tokens,
            finish_reason=None if answer is None else answer.finish_reason,
            attempts=max(1, self.tally.attempts),
            seconds=round(time.perf_counter() - self.began, 4),
            error=None if error is None else str(error),
        )


@dataclass(slots=True)
class Asking:
    """Asks questions of one model over one wire. Thread-safe."""

    wire: Wire
    trace: Trace
    model: str | None
    reask: Template
    _level: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, question: Question, parse: Callable[[str], Value]) -> Value:
        """The parsed reply. parse raises Unusable; then the model is asked once more with the reason quoted.

        Raises Refused, BadReply, ReasonerUnavailable, or Rejected.
        """
        exchange = self._send(question, [])
        try:
            return self._parse(exchange, parse)
        except Unusable as error:
            again = _again(exchange, self.reask.render(question.language, error=str(error)))
        exchange = self._send(question, again)
        try:
            return self._parse(exchange, parse)
        except Unusable as error:
            said = clean(exchange.answer.text if exchange.answer else "", 120)
            raise BadReply(
                f"The VLM's reply to {question.call} is unusable: {error}."
                + (f" It said: {said!r}" if said else "")
            ) from None

    def _send(self, question: Question, follow_up: list[Message]) -> _Exchange:
        """Ask, and once more with twice the budget when the reply was cut off. Raises BadReply if it still is."""
        budget = question.template.max_tokens
        for limit in (budget, 2 * budget):
            exchange = self._send_once(question, follow_up, limit)
            if exchange.answer is None or exchange.answer.finish_reason != "length":
                return exchange
            exchange.record(self.trace, error=f"cut off at {limit} tokens")
        raise BadReply(f"The VLM's reply to {question.call} was cut off, even at {2 * budget} tokens.")

    def _send_once(self, question: Question, follow_up: list[Message], budget: int) -> _Exchange:
        """Ask in the strictest form that the server takes; what it rejects is left away for the rest of the run."""
        kind = question.form.kind
        level = self._level.get(kind, 0)
        while True:
            exchange = _Exchange(question, self.model or "", follow_up, budget)
            try:
                exchange.model = self._resolve_model()
                exchange.answer = self.wire.chat(exchange.body(level), exchange.tally)
            except Rejected as error:
                exchange.record(self.trace, error=error)
                level += 1
                if level == len(_LEVELS):
                    raise
            except NotFound as error:
                better = self._unknown_model(exchange.model, error)
                exchange.record(self.trace, error=better)
                raise better from None
            except ReasonerError as error:
                exchange.record(self.trace, error=error)
                raise
            else:
                self._level[kind] = level
                return exchange

    def _parse(self, exchange: _Exchange, parse: Callable[[str], Value]) -> Value:
        assert exchange.answer is not None
        try:
            value = parse(_usable(exchange.answer))
        except (Unusable, Refused) as error:
            exchange.record(self.trace, error=error)
            raise
        exchange.record(self.trace, parsed=value)
        return value

    def _resolve_model(self) -> str:
        with self._lock:
            if self.model is None:
                names = self.wire.models()
                if not names:
                    raise ReasonerUnavailable(f"The VLM server at {self.wire.url} serves no model.")
                self.model = names[0]
            return self.model

    def _unknown_model(self, model: str, error: NotFound) -> ReasonerError:
        """A 404: the model, if the server can list others; else the address."""
        try:
            names = self.wire.models()
        except ReasonerError:
            return error
        if not names or model in names:
            return error
        near = difflib.get_close_matches(model, names, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        listed = ", ".join(names[:MOST_NAMES]) + (", ..." if len(names) > MOST_NAMES else "")
        return ReasonerUnavailable(
            f"The VLM server at {self.wire.url} does not serve {model!r}; --vlm-model can be: {listed}.{hint}"
        )


def _usable(answer: Answer) -> str:
    if answer.refusal or answer.finish_reason == "content_filter":
        raise Refused(f"The VLM refused to answer: {clean(answer.refusal or 'filtered by the server', 300)}")
    if not answer.text.strip():
        raise Unusable("it is empty")
    return answer.text


def _again(exchange: _Exchange, complaint: str) -> list[Message]:
    """The turns that follow an unusable reply. Some chat templates insist that the turns alternate."""
    said = exchange.answer.text[:LONGEST_QUOTE].strip() if exchange.answer else ""
    return [{"role": "assistant", "content": said or "..."}, {"role": "user", "content": complaint}]
