"""A run put in order for people: rounds, calls, time spans. Made from whatever can still be read of it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from agent.errors import TraceError
from agent.trace.reader import Run
from agent.trace.records import (
    Base,
    Called,
    Concluded,
    Delivered,
    Described,
    Edited,
    Erred,
    Event,
    ImageRef,
    Judged,
    Measured,
    Noted,
    Planned,
    Previewed,
    Scored,
    Started,
    Timed,
)

Some = TypeVar("Some", bound=Base)

STAGES: dict[type[Base], str] = {
    Planned: "think",
    Described: "describe",
    Edited: "edit",
    Measured: "measure",
    Scored: "score",
    Concluded: "conclude",
    Judged: "judge",
}
"""The stages of the loop, in its order, by the event that ends them."""


@dataclass(frozen=True, slots=True)
class Span:
    """Something that took time, in seconds from the start of the run. round and step are None outside of rounds."""

    stage: str
    label: str
    began: float
    ended: float
    round: int | None = None

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began


@dataclass(slots=True)
class RoundView:
    """One round as far as the trace has it. index 0 is the first edit."""

    index: int
    edits: list[Edited] = field(default_factory=list)
    measured: Measured | None = None
    scored: Scored | None = None
    concluded: Concluded | None = None
    judged: Judged | None = None

    @property
    def tag(self) -> str:
        """Its verdict, or "" when there is none."""
        return self.concluded.verdict.tag if self.concluded else ""

    @property
    def score(self) -> float | None:
        """Its consistency score after the caps."""
        return self.scored.consistency.score if self.scored else None


@dataclass(frozen=True)
class RunView:
    """Everything a page or a story about a run needs. `faults` says what could not be read."""

    run: Run
    header: dict[str, Any]
    result: dict[str, Any] | None
    events: list[Event]
    faults: list[str]

    @cached_property
    def rounds(self) -> list[RoundView]:
        """The rounds by index; of two events that tell the same, the later one counts."""
        found: dict[int, RoundView] = {}
        for event in self.events:
            if isinstance(event, Edited | Measured | Scored | Concluded | Judged):
                _place(found.setdefault(event.round, RoundView(event.round)), event)
        for this in found.values():
            this.edits.sort(key=lambda edit: edit.step)
        return [found[index] for index in sorted(found)]

    @cached_property
    def previews(self) -> dict[tuple[int, int], list[Previewed]]:
        """Previews by round and step, in the order of the denoising steps, also of an edit that was not finished.

        Of an edit that was begun again, for want of memory, only the last go counts.
        """
        found: dict[tuple[int, int], list[Previewed]] = {}
        for event in self.events:
            if isinstance(event, Previewed):
                of_step = found.setdefault((event.round, event.step), [])
                if of_step and event.done <= of_step[-1].done:
                    of_step.clear()
                of_step.append(event)
        return found

    def previews_of(self, edit: Edited) -> list[Previewed]:
        """The previews of an edit."""
        return self.previews.get((edit.round, edit.step), [])

    @property
    def unfinished(self) -> list[tuple[int, int]]:
        """Round and step of edits that have previews but never came to an end."""
        ended = {(edit.round, edit.step) for this in self.rounds for edit in this.edits}
        return [place for place in self.previews if place not in ended]

    @property
    def started(self) -> Started | None:
        """The source and the mask."""
        return _last(self.events, Started)

    @property
    def planned(self) -> Planned | None:
        """The plan."""
        return _last(self.events, Planned)

    @property
    def described(self) -> Described | None:
        """The target description."""
        return _last(self.events, Described)

    @property
    def delivered(self) -> Delivered | None:
        """The file handed over."""
        return _last(self.events, Delivered)

    @property
    def calls(self) -> list[Called]:
        """Exchanges with a model server."""
        return [event for event in self.events if isinstance(event, Called)]

    @property
    def notes(self) -> list[Noted]:
        """What the run says a reader should know."""
        return [event for event in self.events if isinstance(event, Noted)]

    @property
    def errors(self) -> list[Erred]:
        """What failed."""
        return [event for event in self.events if isinstance(event, Erred)]

    @property
    def pictures(self) -> list[ImageRef]:
        """The source and what every step made of it; neither masks nor previews."""
        source = [self.started.image] if self.started else []
        return source + [edit.image for this in self.rounds for edit in this.edits]

    @property
    def best(self) -> RoundView | None:
        """The delivered round, or the last one when nothing was delivered."""
        wanted = (self.result or {}).get("best")
        chosen = [this for this in self.rounds if this.index == wanted] or self.rounds
        return chosen[-1] if chosen else None

    @cached_property
    def spans(self) -> list[Span]:
        """All that took time, by its beginning: stages of the loop, and calls to a model server."""
        found = [span for event in self.events if (span := _span(event)) is not None]
        return sorted(found, key=lambda span: (span.began, span.ended))

    @property
    def seconds(self) -> float:
        """Length of the run; of one that was cut off, until its last event."""
        told = number((self.result or {}).get("seconds"))
        ends = [event.at for event in self.events if math.isfinite(event.at)]
        return told if told is not None else max(ends, default=0.0)

    @property
    def seconds_by_stage(self) -> dict[str, float]:
        """Seconds spent in each stage. What overlapped counts in both, so the sum can exceed `seconds`."""
        sums = dict.fromkeys(STAGES.values(), 0.0)
        for span in self.spans:
            if span.stage in sums:
                sums[span.stage] += span.seconds
        return {stage: seconds for stage, seconds in sums.items() if seconds > 0}


def view(run: Run) -> RunView:
    """Read a run, damaged or not. Raises TraceError only when it is no run folder, or of a newer major version."""
    header = run.header
    events, faults = run.salvage()
    try:
        result = run.result
    except TraceError as error:
        result = None
        faults.append(str(error))
    return RunView(run, header, result, events, faults)


def number(value: Any) -> float | None:
    """A finite number, or None: traces are untrusted, and a result.json may say anything."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        as_float = float(value)
    except OverflowError:
        return None
    return as_float if math.isfinite(as_float) else None


def dig(value: Any, *keys: str) -> Any:
    """value[key][key]..., or None where there is no such thing."""
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def said(value: Any, *keys: str) -> str:
    """What lies at `keys` as text; "" for nothing."""
    found = dig(value, *keys)
    return "" if found is None else str(found)


def _place(this: RoundView, event: Edited | Measured | Scored | Concluded | Judged) -> None:
    match event:
        case Edited():
            this.edits = [edit for edit in this.edits if edit.step != event.step] + [event]
        case Measured():
            this.measured = event
        case Scored():
            this.scored = event
        case Concluded():
            this.concluded = event
        case Judged():
            this.judged = event


def _last(events: Iterable[Event], kind: type[Some]) -> Some | None:
    found = None
    for event in events:
        if isinstance(event, kind):
            found = event
    return found


def _span(event: Event) -> Span | None:
    if not isinstance(event, Timed) or not (math.isfinite(event.at) and math.isfinite(event.seconds)):
        return None
    stage = "call" if isinstance(event, Called) else STAGES.get(type(event), "")
    label = f"call {event.call}" if isinstance(event, Called) else stage
    if isinstance(event, Edited):
        label = f"edit {event.round + 1}.{event.step + 1}"
    index = getattr(event, "round", None)
    ended = max(0.0, event.at)
    return Span(stage, label, max(0.0, ended - max(0.0, event.seconds)), ended, index)
