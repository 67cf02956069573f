"""What passes between the parts: the task, the plan, the scores, the verdict, the outcome; and the Reasoner."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, computed_field

from editor.base import Image, Mask, ReeditError
from editor.measure import Facts
from prompts.languages import is_chinese

MAX_STEPS = 3
"""A plan has at most this many steps (arXiv 2511.22625, the thinking stage)."""

Language = Literal["en", "zh"]
Tag = Literal["Success", "Reflection", "Failed", "unknown"]


class Record(BaseModel):
    """Base of the values that go into the trace: immutable; fields of newer versions are ignored on reading."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Plan(Record):
    """The concrete steps that stand for a request, in its own language."""

    steps: tuple[str, ...] = Field(min_length=1, max_length=MAX_STEPS)
    reasoning: str = ""
    rewritten: bool = True
    """False when the request was concrete already and passed through unchanged."""


class Consistency(Record):
    """How far a result matches the description of the target (scale and caps: arXiv 2511.22625).

    raw_score is what the Reasoner said, 0 to 10; score is after the caps.
    """

    meets_instruction: Literal["yes", "partial", "no"]
    major_conflicts: int = Field(0, ge=0)
    minor_conflicts: int = Field(0, ge=0)
    hallucinations: int = Field(0, ge=0)
    omissions: int = Field(0, ge=0)
    raw_score: float = Field(ge=0, le=10)
    reason: str = ""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def caps(self) -> tuple[str, ...]:
        """The caps that apply, each as "why <= limit"."""
        return tuple(f"{why} <= {limit:g}" for why, limit in self._caps())

    @computed_field  # type: ignore[prop-decorator]
    @property
    def score(self) -> float:
        """raw_score after the caps, 0 to 10."""
        return min([self.raw_score, *(limit for _, limit in self._caps())])

    def _caps(self) -> list[tuple[str, float]]:
        caps: list[tuple[str, float]] = []
        if self.meets_instruction == "no":
            caps.append(("instruction not met", 2.0))
        elif self.meets_instruction == "partial":
            caps.append(("instruction partly met", 5.0))
        if self.major_conflicts >= 2:
            caps.append(("two or more major conflicts", 5.0))
        elif self.major_conflicts == 1:
            caps.append(("a major conflict", 8.0))
        if self.hallucinations or self.omissions:
            caps.append(("a hallucination or an omission", 7.0))
        elif self.major_conflicts or self.minor_conflicts:
            # "below 9" as a cap on a score kept to one decimal
            caps.append(("a conflict", 8.9))
        return caps


class Verdict(Record):
    """The conclusion on a round. `instruction` is set only with Reflection: what to do to the RESULT."""

    tag: Tag
    reasoning: str = ""
    instruction: str | None = None
    already: bool = False
    """A Success that was measured on the source itself: what is asked for was there, nothing needed doing."""
    final: bool = False
    """Who says so could not tell of another round either; there is none."""


class Quality(Record):
    """VIEScore-style judgement of one candidate, 0 to 10 each."""

    semantic: float = Field(ge=0, le=10)
    perceptual: float = Field(ge=0, le=10)
    reason: str = ""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def overall(self) -> float:
        """sqrt(SC * PQ), the number by which the best round is chosen."""
        return math.sqrt(self.semantic * self.perceptual)


@dataclass(frozen=True, slots=True)
class Task:
    """One request on one picture, as every Reasoner sees it.

    source: (H, W, 3) uint8 or uint16, sRGB. mask: the user's limit, (H, W) uint8, or None.
    abilities: the editor's own statement of what it can do. alpha: opacity of the source, (H, W) uint8 or uint16, or
    None; what is transparent is not part of the picture that a person sees.
    """

    source: Image
    instruction: str
    abilities: str = ""
    mask: Mask | None = None
    seed: int = 0
    alpha: NDArray[np.uint8] | NDArray[np.uint16] | None = None

    @property
    def language(self) -> Language:
        """The language of the request: Chinese if it has a CJK ideograph outside quotes, else English."""
        return language_of(self.instruction)


def language_of(text: str) -> Language:
    """Chinese if `text` has a CJK ideograph outside of quoted text, else English."""
    return "zh" if is_chinese(text) else "en"


@runtime_checkable
class Reasoner(Protocol):
    """The thinking half. One instance serves one run at a time; `describe` may be called from another thread."""

    name: str

    def think(self, task: Task) -> Plan:
        """Turn the request into one to three steps. Raises Refused when it cannot be done."""
        ...

    def describe(self, task: Task) -> str:
        """Say in a short paragraph what the finished picture shows. Depends on source and request only."""
        ...

    def score(self, task: Task, result: Image, description: str, facts: Facts) -> Consistency:
        """Score the result against the description."""
        ...

    def conclude(self, task: Task, result: Image, consistency: Consistency, facts: Facts) -> Verdict:
        """Success, Reflection with a corrective instruction for the result, Failed, or unknown."""
        ...

    def judge(self, task: Task, result: Image, facts: Facts) -> Quality:
        """Rate one candidate; asked only when there is more than one."""
        ...


@dataclass(slots=True)
class StepResult:
    """One step of one round, carried out."""

    instruction: str
    seed: int
    image: Image
    mask: Mask | None
    details: dict[str, Any]
    notes: tuple[str, ...]
    source_type: str
    seconds: float


@dataclass(slots=True)
class Round:
    """One edit and what was thought of it. index 0 is the first edit, 1 and 2 the reflection rounds."""

    index: int
    start: Literal["source", "result"]
    steps: list[StepResult]
    facts: Facts
    consistency: Consistency | None = None
    verdict: Verdict = field(default_factory=lambda: Verdict(tag="unknown"))
    quality: Quality | None = None

    @property
    def image(self) -> Image:
        """The picture this round ended with."""
        return self.steps[-1].image


@dataclass(slots=True)
class LoopResult:
    """What the loop made: all rounds, and the index of the best one. notes: on the run as a whole, for people."""

    plan: Plan
    description: str
    rounds: list[Round]
    best: int
    seconds: float
    notes: list[str] = field(default_factory=list)

    @property
    def round(self) -> Round:
        """The best round."""
        return self.rounds[self.best]


@dataclass(slots=True)
class Outcome:
    """What `reedit.apply` returns.

    image: the delivered picture, (H, W, 3) sRGB. output: the file it was written to (None if not asked for).
    tag: the verdict on the delivered round. ok: delivered and judged a Success. trace_error: why the run folder could
    not be completed, if so; the photo is delivered all the same.
    """

    image: Image
    output: Path | None
    run: Path | None
    tag: Tag
    reasoning: str
    plan: Plan
    rounds: list[Round]
    best: int
    seconds: float
    notes: list[str] = field(default_factory=list)
    trace_error: ReeditError | None = None

    @property
    def ok(self) -> bool:
        """Whether the delivered picture was judged a Success."""
        return self.tag == "Success"

    @property
    def exit_code(self) -> int:
        """0 = a Success, 3 = delivered but not judged a Success."""
        return 0 if self.ok else 3
