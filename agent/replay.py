"""A run once more, from its trace: with the recorded replies, from a later round on, or with something changed.

Only what shaped the pictures is taken from the trace (TAKEN). Addresses of servers, names of models, folders and
prompt files come from the user's own settings: a trace may be anyone's, and must not decide where a photo is sent or
what is loaded. The photo is read where the trace says only if its sha256 is the recorded one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import editor as editors
from agent import config, session
from agent.errors import ReasonerError, TraceError, UsageError
from agent.loop import Stage
from agent.scripted import ScriptedReasoner
from agent.trace import Run, Trace
from agent.trace.compare import Comparison, compare
from agent.trace.pictures import load
from agent.trace.records import Edited
from agent.trace.view import RunView, dig, said, view
from agent.types import Consistency, Outcome, Plan, Quality, Reasoner, Task, Verdict
from editor.base import Editor, EditRequest, EditResult, Image
from editor.measure import Facts

TAKEN = (
    "reasoner", "editor", "rounds", "seed", "steps", "preserve", "reflection", "editor_steps", "editor_guidance",
    "editor_negative", "editor_strength", "speed", "quantize",
)  # fmt: skip
"""Settings that come from the trace unless the user gives them; names of models, servers and files are not."""
RECORDED = "recorded"


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay made, and what differs from the run it came from. notes: what a reader should know of it."""

    outcome: Outcome
    run: Run
    comparison: Comparison
    notes: list[str]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be different. flags: settings given by the user; photo: where it lies now, if not where it lay.

    from_round: rounds before this one (1 is the first) are taken from the trace; None = all is done anew.
    """

    flags: Mapping[str, Any] = field(default_factory=dict)
    photo: str | None = None
    output: str | None = None
    overwrite: bool = False
    from_round: int | None = None


def replay(run: Run, wish: Wish, notify: Callable[[Stage], None] | None = None) -> Replayed:
    """Run the job of a trace again. Raises ReeditError when that is not possible."""
    shown = view(run)
    first = _first_round(shown, wish)
    settings = _settings(shown, wish)
    job, notes = _job(shown, wish)
    made = editors.configured(settings.editor, settings)
    if first:
        made = RecordedEditor(shown, made, first)
    outcome = session.run(
        job, settings, notify, editor=made, reasoner=_reasoner(shown, settings, wish.from_round),
        header={"replay_of": run.id},
    )  # fmt: skip
    assert outcome.run is not None
    again = Run(outcome.run)
    found = compare(shown, view(again))
    # what was asked to differ, or stands for the same pixels, is no difference
    meant = {"setting reasoner"} if settings.reasoner == RECORDED else set()
    meant |= {"photo"} if job.photo == _kept(shown) else set()
    found = replace(found, differences=[one for one in found.differences if one.what not in meant])
    return Replayed(outcome, again, found, notes)


def recorded_reasoner(shown: RunView) -> ScriptedReasoner:
    """A Reasoner that gives the replies of a trace, round by round; one that is missing is a ReasonerError."""

    def gone(call: str, index: int | None = None) -> ReasonerError:
        place = "" if index is None else f" in round {index + 1}"
        return ReasonerError(f"Run {shown.run.id} has no reply to {call}{place}; choose another --reasoner.")

    rounds = {this.index: this for this in shown.rounds}
    last = max(rounds, default=-1)
    if last > 100:
        raise TraceError(f"Run {shown.run.id} has a round {last + 1}; that is no run of reedit.")
    scores: list[Consistency | Exception] = []
    verdicts: list[Verdict | Exception] = []
    qualities: list[Quality | Exception] = []
    for index in range(last + 2):  # one more than there are: the end of the record
        this = rounds.get(index)
        scores.append(this.scored.consistency if this and this.scored else gone("score", index))
        verdicts.append(this.concluded.verdict if this and this.concluded else gone("conclude", index))
        qualities.append(this.judged.quality if this and this.judged else gone("judge", index))
    return ScriptedReasoner(
        plan=shown.planned.plan if shown.planned else gone("think"), verdicts=verdicts,
        description=shown.described.text if shown.described else gone("describe"), scores=scores,
        qualities=qualities, name=RECORDED,
    )  # fmt: skip


@dataclass(slots=True)
class ResumedReasoner:
    """Recorded replies for the plan, the description and the rounds before `first`, live ones from then on."""

    recorded: ScriptedReasoner
    live: Reasoner
    first: int
    _scored: int = 0
    name: str = ""
    _concluded: int = 0

    def __post_init__(self) -> None:
        self.name = self.live.name

    def think(self, task: Task) -> Plan:
        """The recorded plan."""
        return self.recorded.think(task)

    def describe(self, task: Task) -> str:
        """The recorded description."""
        return self.recorded.describe(task)

    def score(self, task: Task, result: Image, description: str, facts: Facts) -> Consistency:
        """The recorded score before `first`."""
        self._scored += 1
        who = self.recorded if self._scored <= self.first else self.live
        return who.score(task, result, description, facts)

    def conclude(self, task: Task, result: Image, consistency: Consistency, facts: Facts) -> Verdict:
        """The recorded verdict before `first`."""
        self._concluded += 1
        who = self.recorded if self._concluded <= self.first else self.live
        return who.conclude(task, result, consistency, facts)

    def judge(self, task: Task, result: Image, facts: Facts) -> Quality:
        """Always live: candidates are compared with each other, so one judge sees all of them."""
        return self.live.judge(task, result, facts)

    def close(self) -> None:
        """Close the live one."""
        session.release(self.live)


class RecordedEditor:
    """Gives the pictures of the rounds before `first` from the trace; what was kept scaled down is edited again."""

    def __init__(self, shown: RunView, live: Editor, first: int) -> None:
        self.live = live
        self.name = live.name
        self.abilities = live.abilities
        self._run = shown.run
        self._kept = [edit for this in shown.rounds if this.index < first for edit in this.edits]

    def edit(self, request: EditRequest) -> EditResult:
        """The next picture of the record, or a new one when the record has ended."""
        kept = self._kept.pop(0) if self._kept else None
        found = None if kept is None else self._recorded(kept, request)
        return found or self.live.edit(request)

    def _recorded(self, kept: Edited, request: EditRequest) -> EditResult | None:
        image = load(self._run, kept.image) if kept.image.scale == 1 else None
        if image is None or image.ndim != 3 or image.dtype != request.image.dtype:
            return None
        if kept.instruction != request.instruction or kept.source_type not in session.SOURCE_TYPES:
            return None
        mask: Any = None
        if kept.mask is not None:
            mask = load(self._run, kept.mask) if kept.mask.scale == 1 else None
            if mask is None or mask.ndim != 2:
                return None
        return EditResult(image, mask, kept.details, tuple(kept.notes), kept.source_type)


def _first_round(shown: RunView, wish: Wish) -> int:
    """The index of the first round that is done anew."""
    if wish.from_round is None:
        return 0
    most = len(shown.rounds) + 1
    if not 1 <= wish.from_round <= most:
        raise UsageError(f"Run {shown.run.id} has {most - 1} rounds; --from-round takes 1 to {most}.")
    return wish.from_round - 1


def _reasoner(
    shown: RunView, settings: config.Settings, from_round: int | None
) -> Callable[[config.Settings, Trace], Reasoner]:
    if settings.reasoner == RECORDED:
        return lambda _settings, _trace: recorded_reasoner(shown)
    if from_round is None:
        return session.make_reasoner
    return lambda settings, trace: ResumedReasoner(
        recorded_reasoner(shown), session.make_reasoner(settings, trace), from_round - 1
    )


def _settings(shown: RunView, wish: Wish) -> config.Settings:
    """The user's settings, with what shaped the pictures from the trace and the user's own flags on top."""
    taken = {name: dig(shown.header, "settings", name) for name in TAKEN}
    plain = {name: value for name, value in taken.items() if isinstance(value, str | int | float)}
    given = {name: value for name, value in wish.flags.items() if value is not None}
    if plain.get("reasoner") == RECORDED and "reasoner" not in given:
        given["reasoner"] = RECORDED  # a replay of a replay
    return config.load(plain | given)


def _job(shown: RunView, wish: Wish) -> tuple[session.Job, list[str]]:
    photo, notes = _photo(shown, wish)
    region = dig(shown.header, "arguments", "region")
    frame = dig(shown.header, "arguments", "frame")
    mask = None
    if not isinstance(region, str) and shown.started is not None and shown.started.mask is not None:
        if shown.started.mask.scale < 1:
            raise UsageError("The mask was kept scaled down; run it with --keep full to replay it.")
        mask = shown.run.image(shown.started.mask)
    job = session.Job(
        photo=photo, instruction=said(shown.header, "instruction"), output=wish.output, overwrite=wish.overwrite,
        mask=mask, region=region if isinstance(region, str) else None,
        frame=frame if isinstance(frame, int) and photo != _kept(shown) else None,
    )  # fmt: skip
    return job, notes


def _photo(shown: RunView, wish: Wish) -> tuple[Path, list[str]]:
    """The photo of the run: where the user says, where it lay, or as the trace has kept it."""
    digest = said(shown.header, "input", "sha256")
    if wish.photo is not None:
        given = Path(wish.photo)
        same = _sha256(given) == digest
        return given, [] if same else [f"{given} is not the photo of the run: its sha256 differs."]
    told = said(shown.header, "input", "path")
    for place in (Path(told), shown.run.path.parent.parent / told) if told and "\0" not in told else ():
        if _sha256(place) == digest:
            return place, []
    kept = _kept(shown)
    if kept is not None:
        return kept, ["The photo has moved or changed; the picture in the trace is used instead."]
    raise TraceError(
        f"The photo of run {shown.run.id} is not where it was, or has changed; name it with --photo."
    )


def _kept(shown: RunView) -> Path | None:
    """The source in the trace, if it was kept in full."""
    started = shown.started
    if started is None or started.image.scale < 1:
        return None
    path = shown.run.image(started.image)
    return path if path.is_file() else None


def _sha256(path: Path) -> str | None:
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
