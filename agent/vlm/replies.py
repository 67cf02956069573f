"""What the VLM may reply: the schemas sent to the server, and the parsers that trust none of it.

Two forms: a JSON object (plan, score, fused reflection, judge) and the tagged conclusion of arXiv 2511.22625,

    <#Think> reasoning, then exactly one of  <#Success>  |  <#Reflection> corrective instruction  |  <#Failed>

A server that supports structured output is made to keep to the form; from any other the parsers take what is
unambiguous (a code fence or words around a JSON object, a missing <#Think>) and refuse the rest with a sentence that
can be quoted to the model.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from agent.types import MAX_STEPS, Consistency, Quality, Verdict

LONGEST_STEP = 300
LONGEST_REASON = 400
LONGEST_DESCRIPTION = 900
LONGEST_THOUGHT = 900
"""Characters. Bounds on what is asked for, and, doubled where only people read it, on what is kept."""

DESCRIPTION_REGEX = rf"[^<]{{1,{LONGEST_DESCRIPTION}}}"
CONCLUSION_REGEX = (
    rf"<#Think>[^<]{{1,{LONGEST_THOUGHT}}}(<#Success>|<#Failed>|<#Reflection>[^<]{{1,{LONGEST_STEP}}})"
)


class Unusable(ValueError):
    """A reply that does not have the form asked for; the message is fit to be quoted to the model."""


# --- text -------------------------------------------------------------------------------------------------------

_SPACE = re.compile(r"\s+")
_THINKING = re.compile(r"<think>.*?</think>", re.DOTALL | re.IGNORECASE)
_OPEN_THINKING = re.compile(r"<think>", re.IGNORECASE)
_LAST_THINKING = re.compile(r"\A.*</think>", re.DOTALL | re.IGNORECASE)


def clean(text: str, longest: int) -> str:
    """One line of plain text of at most `longest` characters, free of controls, surrogates and direction marks."""
    plain = "".join(" " if _unprintable(character) else character for character in text[: 8 * longest])
    plain = _SPACE.sub(" ", plain).strip()
    return plain if len(plain) <= longest else plain[: longest - 1].rstrip() + "…"


def _unprintable(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in _DIRECTION_MARKS


_DIRECTION_MARKS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def without_thinking(text: str) -> str:
    """The reply without the <think> block of a reasoning model. Raises Unusable if the block never ends."""
    text = _THINKING.sub("", text)
    # some chat templates open the block themselves, so that only its end is in the reply
    text = _LAST_THINKING.sub("", text)
    if _OPEN_THINKING.search(text):
        raise Unusable("the <think> block has no end, so there is no answer")
    return text.strip()


# --- the tagged conclusion --------------------------------------------------------------------------------------

_TAG_LIKE = re.compile(r"<\s*#?\s*(success|reflection|failed)\s*>", re.IGNORECASE)
_THINK_TAG = re.compile(r"</?\s*#?\s*think\s*>|</\s*#?\s*(?:success|reflection|failed)\s*>", re.IGNORECASE)
_TAGS: dict[str, Literal["Success", "Reflection", "Failed"]] = {
    "<#Success>": "Success",
    "<#Reflection>": "Reflection",
    "<#Failed>": "Failed",
}


def conclusion(text: str, original: str) -> Verdict:
    """The verdict in a tagged reply. original: the request, which a corrective instruction may not repeat.

    Exactly one tag, spelled exactly, outside of code blocks; anything else raises Unusable, so that no reply becomes
    a Success by accident (a picture may well contain the words).
    """
    text = without_thinking(text)
    found = list(_TAG_LIKE.finditer(text))
    if not found:
        raise Unusable("it has none of the endings <#Success>, <#Reflection>, <#Failed>")
    if len(found) > 1:
        raise Unusable(f"it has {len(found)} endings where exactly one is allowed")
    tag = _TAGS.get(found[0].group())
    if tag is None:
        raise Unusable(f"the ending must be spelled <#{found[0].group(1).capitalize()}>")
    before, after = text[: found[0].start()], text[found[0].end() :]
    if "`" in before or "`" in after:
        raise Unusable("the ending must not stand in a code block, and the reply must have no backquotes")
    reasoning = clean(_THINK_TAG.sub(" ", before), LONGEST_THOUGHT * 2)
    return verdict(tag, reasoning, _THINK_TAG.sub(" ", after), original)


def verdict(
    tag: Literal["Success", "Reflection", "Failed"], reasoning: str, instruction: str, original: str
) -> Verdict:
    """A checked Verdict; with a Reflection the instruction must be there, short, and not the request again."""
    if tag != "Reflection":
        return Verdict(tag=tag, reasoning=reasoning)
    instruction = _bounded(instruction, "the corrective instruction")
    if _same(instruction, original):
        raise Unusable(
            "the corrective instruction repeats the request; say what is still to be done to the result"
        )
    return Verdict(tag="Reflection", reasoning=reasoning, instruction=instruction)


def _bounded(text: str, what: str) -> str:
    text = clean(text, LONGEST_STEP * 4)
    if not any(character.isalnum() for character in text):
        raise Unusable(f"{what} is empty")
    if len(text) > LONGEST_STEP:
        raise Unusable(f"{what} has {len(text)} characters; at most {LONGEST_STEP} are allowed")
    return text


def _same(one: str, other: str) -> bool:
    """Whether two instructions have the same words, whatever their case, spacing and punctuation."""
    return _words(one) == _words(other)


def _words(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


# --- JSON -------------------------------------------------------------------------------------------------------


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _no_truth(value: Any) -> Any:
    """Python takes true for 1, and 1 would be read as a full score."""
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


Count = Annotated[int, Field(ge=0, le=100), BeforeValidator(_no_truth)]
Mark = Annotated[float, Field(ge=0, le=10, allow_inf_nan=False), BeforeValidator(_no_truth)]


class Reply(BaseModel):
    """Base of the JSON replies. Fields that were not asked for are ignored."""

    model_config = ConfigDict(extra="ignore")


class PlanReply(Reply):
    """The reply to think."""

    reasoning: str = Field("", json_schema_extra={"maxLength": LONGEST_REASON})
    steps: list[Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": LONGEST_STEP})]] = Field(
        json_schema_extra={"minItems": 1, "maxItems": MAX_STEPS}
    )

    def checked(self) -> tuple[str, ...]:
        """The steps, cleaned. Raises Unusable when there are none, too many, or one is empty or too long."""
        if not self.steps:
            raise Unusable("the list of steps is empty")
        if len(self.steps) > MAX_STEPS:
            raise Unusable(f"it has {len(self.steps)} steps; at most {MAX_STEPS} are allowed")
        return tuple(_bounded(step, f"step {number}") for number, step in enumerate(self.steps, 1))


class ScoreReply(Reply):
    """The reply to score. reason stands before the number in the schema's order, so that it is thought first."""

    reason: str = Field("", json_schema_extra={"maxLength": LONGEST_REASON})
    meets_instruction: Annotated[Literal["yes", "partial", "no"], BeforeValidator(_lower)]
    major_conflicts: Count
    minor_conflicts: Count
    hallucinations: Count
    omissions: Count
    raw_score: Mark

    def consistency(self) -> Consistency:
        """As the loop knows it. A model that scores from 0 to 1 means a fraction of 10 (as the paper reads it)."""
        raw = 10 * self.raw_score if self.raw_score <= 1 else self.raw_score
        return Consistency(
            meets_instruction=self.meets_instruction,
            major_conflicts=self.major_conflicts,
            minor_conflicts=self.minor_conflicts,
            hallucinations=self.hallucinations,
            omissions=self.omissions,
            raw_score=raw,
            reason=clean(self.reason, LONGEST_REASON * 2),
        )


class ReflectReply(ScoreReply):
    """The reply to the fused question: score and conclusion at once."""

    reasoning: str = Field("", json_schema_extra={"maxLength": LONGEST_REASON})
    tag: Literal["Success", "Reflection", "Failed"]
    instruction: str = Field("", json_schema_extra={"maxLength": LONGEST_STEP})

    def verdict(self, original: str) -> Verdict:
        """As the loop knows it. Raises Unusable like `conclusion`."""
        return verdict(self.tag, clean(self.reasoning, LONGEST_REASON * 2), self.instruction, original)


class JudgeReply(Reply):
    """The reply to judge."""

    reason: str = Field("", json_schema_extra={"maxLength": LONGEST_REASON})
    semantic: Mark
    perceptual: Mark

    def quality(self) -> Quality:
        """As the loop knows it."""
        return Quality(
            semantic=self.semantic, perceptual=self.perceptual, reason=clean(self.reason, LONGEST_REASON * 2)
        )


AnyReply = TypeVar("AnyReply", bound=Reply)


def schema(model: type[Reply]) -> dict[str, Any]:
    """The JSON schema of a reply as servers take it: every field required, no others, no titles or defaults."""
    made = _plain(model.model_json_schema())
    assert isinstance(made, dict)
    return made | {"required": list(made["properties"]), "additionalProperties": False}


def _plain(node: Any, names: bool = False) -> Any:
    """A schema without annotations. names: whether the keys of `node` are properties rather than keywords."""
    if isinstance(node, dict):
        return {
            key: _plain(value, names=key == "properties" and not names)
            for key, value in node.items()
            if names or key not in ("title", "default", "description")
        }
    return [_plain(item) for item in node] if isinstance(node, list) else node


def parse_json(text: str, model: type[AnyReply]) -> AnyReply:
    """The one JSON object in a reply that fits `model`. Raises Unusable when there is none, or several differ."""
    text = without_thinking(text)
    fits: list[AnyReply] = []
    reason = "it has no JSON object"
    for candidate in _objects(text):
        try:
            value = model.model_validate(candidate)
        except ValidationError as error:
            reason = _explain(error)
            continue
        if value not in fits:
            fits.append(value)
    if not fits:
        raise Unusable(reason)
    if len(fits) > 1:
        raise Unusable("it has several JSON objects that differ; reply with exactly one")
    return fits[0]


MOST_OBJECTS = 8
"""A reply holds one; what looks for more gives up here."""


def _objects(text: str) -> list[dict[str, Any]]:
    """The outermost JSON objects in a text, at most MOST_OBJECTS of them."""
    decoder = json.JSONDecoder(parse_constant=_no_constant, strict=False)
    found: list[dict[str, Any]] = []
    at = text.find("{")
    tries = 0
    while at >= 0 and len(found) < MOST_OBJECTS and tries < 10 * MOST_OBJECTS:
        tries += 1
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            found.append(value)
        at = text.find("{", end)
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _explain(error: ValidationError) -> str:
    problems = [
        f"{'.'.join(str(part) for part in problem['loc']) or 'object'}: {problem['msg'].lower()}"
        for problem in error.errors(include_url=False, include_input=False)[:3]
    ]
    return "; ".join(problems)


def description(text: str) -> str:
    """The target description. Raises Unusable when there is none."""
    plain = clean(without_thinking(text).replace("`", ""), LONGEST_DESCRIPTION * 2)
    if not any(character.isalnum() for character in plain):
        raise Unusable("the description is empty")
    return plain
