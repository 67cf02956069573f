"""The events of a run, one small typed record each, joined by the literal `event`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from agent.types import Consistency, Plan, Quality, Verdict
from editor.measure import Facts

SCHEMA = "reedit.run/1"
"""Name and major version of the run folder. A reader refuses a higher major version, and ignores unknown fields."""

Call = Literal["think", "describe", "score", "conclude", "judge", "reflect"]


class ImageRef(BaseModel):
    """A picture of the run. `path` is relative to the run folder; width and height are the picture's own size."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    path: str
    width: int
    height: int
    scale: float = 1.0
    """Size of the kept PNG over the picture's own: below 1 when it was kept scaled down."""


class Base(BaseModel):
    """What every event has."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    seq: int
    """Number of the event in its run, from 0."""
    at: float
    """Seconds from the start of the run to the end of what the event tells of."""


class Timed(Base):
    """An event that tells of work: it ran from `at - seconds` to `at`."""

    seconds: float = 0.0


class Started(Base):
    """The source as the loop sees it."""

    event: Literal["started"] = "started"
    image: ImageRef
    mask: ImageRef | None = None


class Planned(Timed):
    """The Reasoner's plan."""

    event: Literal["plan"] = "plan"
    plan: Plan


class Described(Timed):
    """The target description."""

    event: Literal["description"] = "description"
    text: str


class Called(Timed):
    """One exchange with a model server: the prompt as sent, the reply as received, and what was made of it."""

    event: Literal["call"] = "call"
    call: Call
    model: str = ""
    template: str = ""
    template_sha256: str = ""
    prompt: list[dict[str, Any]] = Field(default_factory=list)
    raw: str | None = None
    parsed: Any = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    finish_reason: str | None = None
    attempts: int = 1
    error: str | None = None


class Previewed(Base):
    """What a denoising step of an edit was heading for, in small; recorded while the edit runs, if asked for."""

    event: Literal["preview"] = "preview"
    round: int
    step: int
    done: int
    """Number of the denoising step, from 1."""
    total: int
    image: ImageRef


class Edited(Timed):
    """One step of one round, carried out by the editor."""

    event: Literal["edit"] = "edit"
    round: int
    step: int
    instruction: str
    seed: int
    start: Literal["source", "result"]
    image: ImageRef
    mask: ImageRef | None = None
    editor: str = ""
    details: dict[str, Any] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)
    source_type: str = ""


class Measured(Timed):
    """Facts about source and result of a round."""

    event: Literal["facts"] = "facts"
    round: int
    facts: Facts


class Scored(Timed):
    """The consistency score of a round, with its caps."""

    event: Literal["score"] = "score"
    round: int
    consistency: Consistency


class Concluded(Timed):
    """The verdict on a round."""

    event: Literal["verdict"] = "verdict"
    round: int
    verdict: Verdict


class Judged(Timed):
    """Quality of one candidate; only when there was a choice to make."""

    event: Literal["quality"] = "quality"
    round: int
    quality: Quality


class Noted(Base):
    """Something a reader should know."""

    event: Literal["note"] = "note"
    text: str
    round: int | None = None


class Erred(Base):
    """Something failed. The run may have gone on with what it had."""

    event: Literal["error"] = "error"
    where: str
    error: str
    message: str
    round: int | None = None


class Delivered(Base):
    """The file handed over."""

    event: Literal["delivered"] = "delivered"
    round: int
    path: str | None
    sha256: str | None = None
    width: int
    height: int


class Unknown(BaseModel):
    """An event of a newer minor version: kept as it is."""

    model_config = ConfigDict(extra="allow", frozen=True)

    seq: int = -1
    at: float = 0.0
    event: str = ""


Known = (
    Started
    | Planned
    | Described
    | Called
    | Previewed
    | Edited
    | Measured
    | Scored
    | Concluded
    | Judged
    | Noted
    | Erred
    | Delivered
)
Event = Known | Unknown
EVENTS: TypeAdapter[Any] = TypeAdapter(Annotated[Known, Field(discriminator="event")])
EVENT_TYPES: dict[str, type[Base]] = {cls.model_fields["event"].default: cls for cls in get_args(Known)}
