"""One photo from file to file: build the parts, run the loop, deliver the best round, close the trace."""

from __future__ import annotations

import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import editor as editors
from agent.config import Settings
from agent.errors import ReeditError, TraceError, UsageError
from agent.instruction import clean_instruction
from agent.loop import Loop, LoopOptions, Stage
from agent.trace import NullTrace, Trace, TraceWriter
from agent.types import Consistency, LoopResult, Outcome, Plan, Reasoner, Task, Verdict
from editor import photo as photos
from editor.base import Editor, Image, Mask
from editor.measure import Facts, measure

REASONERS: dict[str, str] = {
    "builtin": "agent.rules:RulesReasoner",
    "vlm": "agent.vlm:VlmReasoner",
}
"""name -> "module:Class", imported when asked for. A class has from_settings(settings, trace), or takes nothing."""

SOURCE_TYPES = ("algorithmicallyEnhanced", "humanEdits", "compositeWithTrainedAlgorithmicMedia")
"""What a step may be labelled (`EditResult.source_type`), the strongest last."""

_LIBRARIES = ("numpy", "PIL", "cv2", "skimage", "torch", "diffusers")
"""Whose versions a run records, if it has loaded them."""

Value = TypeVar("Value")
AnyPath = str | os.PathLike[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is asked of one run. output "auto" = next to the photo, None = keep the picture in memory.

    delivered_to: what the trace calls the output, when it is taken elsewhere afterwards.
    """

    photo: AnyPath
    instruction: str
    output: AnyPath | None = "auto"
    overwrite: bool = False
    mask: AnyPath | None = None
    region: str | None = None
    frame: int | None = None
    salvage: bool = False
    quality: int | None = None
    delivered_to: str | None = None


def run(
    job: Job,
    settings: Settings,
    notify: Callable[[Stage], None] | None = None,
    *,
    editor: Editor | None = None,
    reasoner: Callable[[Settings, Trace], Reasoner] | None = None,
    header: Mapping[str, Any] | None = None,
) -> Outcome:
    """Run a job. Raises ReeditError when nothing can be delivered; the trace, if one was begun, says why.

    editor: one that is there already, instead of the settings' own. reasoner: makes one, instead of `make_reasoner`.
    header: more for run.json.
    """
    began = time.perf_counter()
    instruction = clean_instruction(job.instruction)
    if job.quality is not None and not 1 <= job.quality <= 100:
        raise UsageError(f"The quality is from 1 to 100, not {job.quality}.")
    output = photos.default_output(job.photo) if job.output == "auto" else job.output
    if output is not None:
        photos.check_output(job.photo, output, job.overwrite)
    loading = _in_background(lambda: load(job, settings))  # decoding and importing overlap
    made = editor or editors.configured(settings.editor, settings)
    trace = TraceWriter(settings.runs, {}, keep_full=settings.keep == "full")
    mind: Reasoner | None = None
    try:
        mind = (reasoner or make_reasoner)(settings, trace)
        photo = loading.result()
        trace.update_header(**_header(job, settings, photo), **(header or {}))
        task = _task(job, settings, photo, instruction, made.abilities)
        options = LoopOptions(settings.rounds, settings.steps, settings.preserve, settings.previews)
        result = Loop(mind, made, trace, options, notify or (lambda stage: None)).run(task)
        return _deliver(photo, output, job, trace, result, began)
    except KeyboardInterrupt:
        trace.close("interrupted")
        raise
    except Exception as error:
        _close_failed(trace, error)
        if isinstance(error, ReeditError) and trace.opened:
            error.run = trace.path
        raise
    finally:
        release(mind)


def _in_background(work: Callable[[], Value]) -> Future[Value]:
    future: Future[Value] = Future()

    def run_it() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    # a daemon: an interrupted run does not wait for a large photo
    threading.Thread(target=run_it, name="reedit-load", daemon=True).start()
    return future


def think(job: Job, settings: Settings) -> Plan:
    """Only the plan."""
    photo = load(job, settings)
    made = editors.configured(settings.editor, settings)
    task = _task(job, settings, photo, clean_instruction(job.instruction), made.abilities)
    with _reasoner(settings) as reasoner:
        return reasoner.think(task)


def _task(job: Job, settings: Settings, photo: photos.Photo, instruction: str, abilities: str) -> Task:
    mask = resolve_mask(job, photo.image)
    return Task(photo.image, instruction, abilities, mask, settings.seed, photo.alpha)


@dataclass(frozen=True, slots=True)
class Reflection:
    """What was thought of an existing edit."""

    facts: Facts
    description: str
    consistency: Consistency
    verdict: Verdict


def reflect(before: Job, after: AnyPath, settings: Settings) -> Reflection:
    """Judge an edit, by whoever made it: before.photo is the source, `after` the result."""
    photo = load(before, settings)
    result = photos.load(after, max_megapixels=settings.max_megapixels, salvage=before.salvage).image
    task = _task(before, settings, photo, clean_instruction(before.instruction), "")
    facts = measure(task.source, result, task.mask)
    with _reasoner(settings) as reasoner:
        description = reasoner.describe(task)
        consistency = reasoner.score(task, result, description, facts)
        verdict = reasoner.conclude(task, result, consistency, facts)
    return Reflection(facts, description, consistency, verdict)


def load(job: Job, settings: Settings) -> photos.Photo:
    """The photo of a job, within the settings' limits."""
    return photos.load(
        job.photo, frame=job.frame, max_megapixels=settings.max_megapixels, salvage=job.salvage
    )


def make_reasoner(settings: Settings, trace: Trace) -> Reasoner:
    """The Reasoner that the settings name. Raises UsageError that lists the choices."""
    target = REASONERS.get(settings.reasoner)
    if target is None:
        raise UsageError(f"No reasoner is called {settings.reasoner!r}. Choices: {', '.join(REASONERS)}.")
    module, _, name = target.partition(":")
    cls: Any = getattr(import_module(module), name)
    reasoner: Reasoner = cls.from_settings(settings, trace) if hasattr(cls, "from_settings") else cls()
    return reasoner


def release(reasoner: Reasoner | None) -> None:
    """Close the connections of a Reasoner that has any."""
    if (close := getattr(reasoner, "close", None)) is not None:
        close()


@contextmanager
def _reasoner(settings: Settings) -> Iterator[Reasoner]:
    reasoner = make_reasoner(settings, NullTrace())
    try:
        yield reasoner
    finally:
        release(reasoner)


def resolve_mask(job: Job, image: Image) -> Mask | None:
    """The user's limit from --mask or --region. Raises UsageError or RegionNotFound."""
    if job.mask is not None and job.region is not None:
        raise UsageError("Give either a mask or a region, not both.")
    height, width = image.shape[:2]
    if job.mask is not None:
        return photos.load_mask(job.mask, (width, height))
    if job.region is None:
        return None
    from editor.builtin import grammar, regions

    return regions.find(image, grammar.parse_region(job.region)).mask


def _deliver(
    photo: photos.Photo,
    output: AnyPath | None,
    job: Job,
    trace: TraceWriter,
    result: LoopResult,
    began: float,
) -> Outcome:
    best = result.round
    of_steps = (note for step in best.steps for note in step.notes)
    notes = list(dict.fromkeys([*photo.notes, *result.notes, *of_steps]))
    digest = None
    if output is not None:
        known = len(photo.notes)
        digest = photos.save(
            photo, best.image, output, overwrite=job.overwrite, source_type=_source_type(result), run_id=trace.id,
            quality=job.quality,
        )  # fmt: skip
        notes += photo.notes[known:]
    path = None if output is None else Path(os.fsdecode(output)).absolute()
    trace_error = None
    try:
        _record_delivery(trace, photo.image, result, job.delivered_to or path, digest, notes)
    except TraceError as error:  # the photo is there: that is not undone
        notes.append(str(error))
        trace_error = error
    return Outcome(
        image=best.image, output=path, run=trace.path, tag=best.verdict.tag, reasoning=best.verdict.reasoning,
        plan=result.plan, rounds=result.rounds, best=result.best, seconds=time.perf_counter() - began, notes=notes,
        trace_error=trace_error,
    )  # fmt: skip


def _record_delivery(
    trace: TraceWriter,
    source: Image,
    result: LoopResult,
    path: AnyPath | None,
    digest: str | None,
    notes: list[str],
) -> None:
    best = result.round
    height, width = best.image.shape[:2]
    shown = None if path is None else photos.printable(path)
    for note in notes:
        trace.event("note", text=note)
    trace.event("delivered", round=best.index, path=shown, sha256=digest, width=width, height=height)
    trace.close(
        "delivered", tag=best.verdict.tag, best=best.index, rounds=len(result.rounds), sha256=digest, output=shown,
        score=None if best.consistency is None else best.consistency.score, pictures=(source, best.image),
    )  # fmt: skip


def _source_type(result: LoopResult) -> str:
    """The strongest IPTC label among the steps that led to the delivered picture."""
    types = {step.source_type for step in result.round.steps}
    index = result.best
    while result.rounds[index].start == "result":  # a reflection round stands on the one before
        index -= 1
        types |= {step.source_type for step in result.rounds[index].steps}
    return max(types, key=SOURCE_TYPES.index)


def _close_failed(trace: TraceWriter, error: Exception) -> None:
    if not trace.opened:
        return
    try:
        trace.event("error", where="session", error=type(error).__name__, message=str(error))
        trace.close("failed", error=type(error).__name__, message=str(error))
    except ReeditError:
        return  # the trace itself is what failed; the first error is the one to tell


def _header(job: Job, settings: Settings, photo: photos.Photo) -> dict[str, Any]:
    from reedit import __version__

    def shown(path: AnyPath | None) -> str | None:
        return None if path is None else photos.printable(path)

    height, width = photo.image.shape[:2]
    return {
        "instruction": job.instruction.strip(),
        "input": {
            "path": shown(job.photo), "sha256": photo.sha256, "format": photo.format,
            "width": width, "height": height, "depth": photo.image.dtype.itemsize * 8,
        },
        "arguments": {
            "output": shown(job.delivered_to or job.output), "mask": shown(job.mask), "region": job.region,
            "frame": job.frame, "overwrite": job.overwrite,
        },
        "settings": settings.model_dump(mode="json"),
        "versions": {"reedit": __version__, "python": platform.python_version(), "platform": sys.platform}
        | {
            name: version
            for name in _LIBRARIES
            # a module that another thread is importing just now has none yet
            if (version := getattr(sys.modules.get(name), "__version__", None)) is not None
        },
    }  # fmt: skip
