"""think -> edit -> reflect, over an injected Reasoner, Editor and Trace."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal, cast

import numpy as np

from agent.errors import EditError, ReeditError
from agent.trace import Trace
from agent.types import LoopResult, Plan, Reasoner, Round, StepResult, Task, Verdict
from editor import fidelity
from editor.base import Editor, EditRequest, EditResult, Image, Mask, Preview
from editor.measure import measure

Preserve = Literal["auto", "strict", "off"]
Start = Literal["source", "result"]


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """How the loop runs. rounds: reflection rounds after the first edit, so rounds + 1 edits at most."""

    rounds: int = 2
    steps: Literal["sequential", "composite"] = "sequential"
    preserve: Preserve = "auto"
    previews: bool = False
    """Whether the trace gets a small picture of every denoising step."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the loop is, for a progress display.

    done of total counts the editor's own inner steps; doing: what it does before the first of them.
    """

    name: Literal["think", "edit", "reflect", "judge"]
    round: int = 0
    step: int = 0
    steps: int = 0
    done: int = 0
    total: int = 0
    text: str = ""
    doing: str = ""


def step_seed(seed: int, round_index: int, step: int) -> int:
    """A seed of its own for every step of every round: reusing one on a model's own output leaves halos."""
    digest = hashlib.sha256(f"{seed}:{round_index}:{step}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


@dataclass(slots=True)
class Loop:
    """One run of the loop. Errors before the first picture are raised; later ones end it with the best so far."""

    reasoner: Reasoner
    editor: Editor
    trace: Trace
    options: LoopOptions = LoopOptions()
    notify: Callable[[Stage], None] = lambda stage: None

    def run(self, task: Task) -> LoopResult:
        """Think, then edit and reflect until Success, or until rounds are used up or alike; choose the best round."""
        began = time.perf_counter()
        plan = self._think(task)
        description = self._describe_meanwhile(task)
        rounds: list[Round] = []
        start: Start = "source"
        steps = plan.steps
        try:
            for index in range(self.options.rounds + 1):
                image = task.source if start == "source" else rounds[-1].image
                rounds.append(self._edit(task, image, start, steps, index))
                self._reflect(task, rounds[-1], description, tried=steps)
                verdict = rounds[-1].verdict
                if verdict.tag == "Success" or verdict.final or _same_again(rounds):
                    break
                if verdict.tag == "Reflection" and verdict.instruction:
                    start, steps = "result", (verdict.instruction,)
                else:
                    start, steps = "source", plan.steps
        except ReeditError as error:
            if not rounds:
                raise
            self._record_fault(error, len(rounds) - 1)
        best = self._choose(task, rounds)
        text = description.result() if description.done() and not description.exception() else ""
        return LoopResult(plan, text, rounds, best, time.perf_counter() - began, self._notes(rounds))

    def _think(self, task: Task) -> Plan:
        self.notify(Stage("think", text=task.instruction))
        with _timer() as seconds:
            plan = self.reasoner.think(task)
        mask = None if task.mask is None else self.trace.image(task.mask)
        self.trace.event("started", image=self.trace.image(task.source), mask=mask)
        self.trace.event("plan", plan=plan, seconds=seconds())
        return plan

    def _describe_meanwhile(self, task: Task) -> Future[str]:
        """The description depends only on source and request, so it is made while the editor works."""
        future: Future[str] = Future()

        def work() -> None:
            try:
                with _timer() as seconds:
                    text = self.reasoner.describe(task)
                self.trace.event("description", text=text, seconds=seconds())
                future.set_result(text)
            except BaseException as error:
                future.set_exception(error)

        # a daemon: an interrupted run does not wait for a slow server
        threading.Thread(target=work, name="reedit-describe", daemon=True).start()
        return future

    def _edit(self, task: Task, image: Image, start: Start, steps: tuple[str, ...], index: int) -> Round:
        if self.options.steps == "composite" and len(steps) > 1:
            steps = (("；" if task.language == "zh" else "; ").join(steps),)
        results: list[StepResult] = []
        for number, instruction in enumerate(steps):
            stage = Stage("edit", index, number, len(steps), text=instruction)
            results.append(self._step(task, image, instruction, stage, start if number == 0 else "result"))
            image = results[-1].image
        with _timer() as seconds:
            mask = task.mask if task.mask is not None else _meant(results)
            facts = measure(task.source, image, mask)
        self.trace.event("facts", round=index, facts=facts, seconds=seconds())
        return Round(index=index, start=start, steps=results, facts=facts)

    def _step(self, task: Task, image: Image, instruction: str, stage: Stage, start: Start) -> StepResult:
        def progress(done: int, total: int) -> None:
            self.notify(Stage("edit", stage.round, stage.step, stage.steps, done, total, instruction))

        def status(words: str) -> None:
            self.notify(replace(stage, doing=words))

        self.notify(stage)
        seed = step_seed(task.seed, stage.round, stage.step)
        mask = task.mask if task.mask is not None and task.mask.shape == image.shape[:2] else None
        with _timer() as seconds:
            made = self.editor.edit(
                EditRequest(image, instruction, mask, seed, progress, self._preview(stage), status)
            )
            edited = self._preserve(image, made, mask)
        spent = seconds()
        self.trace.event(
            "edit", round=stage.round, step=stage.step, instruction=instruction, seed=seed, start=start,
            image=self.trace.image(edited), mask=None if made.mask is None else self.trace.image(made.mask),
            editor=self.editor.name, details=made.details, notes=list(made.notes),
            source_type=made.source_type, seconds=spent,
        )  # fmt: skip
        return StepResult(
            instruction, seed, edited, made.mask, made.details, made.notes, made.source_type, spent
        )

    def _preview(self, stage: Stage) -> Preview | None:
        if not self.options.previews:
            return None

        def record(picture: Image, done: int, total: int) -> None:
            kept = self.trace.image(picture)
            self.trace.event(
                "preview", round=stage.round, step=stage.step, done=done, total=total, image=kept
            )

        return record

    def _notes(self, rounds: list[Round]) -> list[str]:
        """On the run as a whole."""
        previewed = any("previews" in step.details for this in rounds for step in this.steps)
        if self.options.previews and not previewed:
            return ["There are no previews: no step was carried out by a diffusion model in this process."]
        return []

    def _preserve(self, before: Image, made: EditResult, mask: Mask | None) -> Image:
        """What must not change is put back from the picture before, whatever the editor did to it."""
        if self.options.preserve == "off":
            return made.image
        if mask is not None:
            if made.image.shape != before.shape:
                raise EditError(
                    "The step changes the size of the photo; it cannot be limited to a mask or region."
                )
            return fidelity.restore_outside(before, made.image, mask)
        if self.options.preserve == "strict" and made.image.shape == before.shape:
            return fidelity.keep_unchanged(before, made.image)
        return made.image

    def _reflect(self, task: Task, this: Round, description: Future[str], tried: tuple[str, ...]) -> None:
        self.notify(Stage("reflect", this.index))
        text = description.result()
        with _timer() as seconds:
            this.consistency = self.reasoner.score(task, this.image, text, this.facts)
        self.trace.event("score", round=this.index, consistency=this.consistency, seconds=seconds())
        with _timer() as seconds:
            verdict = self.reasoner.conclude(task, this.image, this.consistency, this.facts)
        this.verdict = _checked(verdict, task, this.image, tried)
        self.trace.event("verdict", round=this.index, verdict=this.verdict, seconds=seconds())

    def _choose(self, task: Task, rounds: list[Round]) -> int:
        """Success first; else the highest sqrt(SC * PQ), asked for only when there is a choice."""
        for this in rounds:
            if this.verdict.tag == "Success":
                return this.index
        if len(rounds) == 1:
            return 0
        for this in rounds:
            self.notify(Stage("judge", this.index))
            try:
                with _timer() as seconds:
                    this.quality = self.reasoner.judge(task, this.image, this.facts)
            except ReeditError as error:
                self._record_fault(error, this.index)
                continue
            self.trace.event("quality", round=this.index, quality=this.quality, seconds=seconds())
        return max(rounds, key=_rank).index

    def _record_fault(self, error: ReeditError, index: int) -> None:
        self.trace.event("error", where="loop", error=type(error).__name__, message=str(error), round=index)


def _same_again(rounds: list[Round]) -> bool:
    """Whether starting from the source made the same picture twice: a deterministic editor has no other to give."""
    *earlier, last = rounds
    return last.start == "source" and any(
        this.start == "source" and np.array_equal(this.image, last.image) for this in earlier
    )


def _rank(this: Round) -> tuple[float, float, int]:
    """Rounds that could not be judged come last; between equals the higher score, then the earlier one."""
    quality = this.quality.overall if this.quality else -1.0
    return quality, this.consistency.score if this.consistency else -1.0, -this.index


def _checked(verdict: Verdict, task: Task, image: Image, tried: tuple[str, ...]) -> Verdict:
    """What no Reasoner is believed: a Success of nothing done, unless measured; a Reflection that repeats a round."""
    why = None
    if verdict.tag == "Success" and not verdict.already and np.array_equal(image, task.source):
        why = "the result is the source, bit for bit", "结果与原图逐位相同"
    elif verdict.tag == "Reflection":
        new = (verdict.instruction or "").strip().casefold()
        if not new:
            why = "the corrective instruction is missing", "缺少修正指令"
        elif any(new == old.strip().casefold() for old in (task.instruction, *tried)):
            why = "the corrective instruction repeats what was tried", "修正指令与已尝试过的相同"
    if why is None:
        return verdict
    told = f"［{why[1]}］" if task.language == "zh" else f" [{why[0]}]"
    return Verdict(tag="unknown", reasoning=f"{verdict.reasoning}{told}".strip())


def _meant(results: list[StepResult]) -> Mask | None:
    """Union of the parts the steps meant to change; None when one of them meant everything, or sizes differ."""
    masks = [step.mask for step in results if step.mask is not None]
    if len(masks) < len(results) or len({mask.shape for mask in masks}) != 1:
        return None
    return cast("Mask", np.maximum.reduce(masks))


@contextmanager
def _timer() -> Iterator[Callable[[], float]]:
    began = time.perf_counter()
    yield lambda: round(time.perf_counter() - began, 4)
