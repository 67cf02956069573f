"""The loop over a scripted Reasoner and small editors written here."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from agent.errors import EditError, ReasonerError, Refused
from agent.loop import Loop, LoopOptions, Stage, step_seed
from agent.scripted import ScriptedReasoner
from agent.trace import NullTrace, Run, TraceWriter
from agent.types import Consistency, Quality, Task, Verdict
from editor.base import EditRequest, EditResult
from tests.conftest import scene


@dataclass
class Adder:
    """Adds 1 to every sample and remembers what it was asked."""

    name: str = "adder"
    abilities: str = "adds one"
    seconds: float = 0.0
    fail_at: int | None = None
    requests: list[EditRequest] = field(default_factory=list)

    def edit(self, request: EditRequest) -> EditResult:
        self.requests.append(request)
        if self.fail_at == len(self.requests):
            raise EditError("it broke")
        time.sleep(self.seconds)
        return EditResult(request.image + 1)


def task(instruction: str = "add one", **kwargs: object) -> Task:
    return Task(np.full((32, 48, 3), 100, np.uint8), instruction, **kwargs)  # type: ignore[arg-type]


def run(reasoner: ScriptedReasoner, editor: Adder | None = None, **options: object):
    return Loop(reasoner, editor or Adder(), NullTrace(), LoopOptions(**options)).run(task())  # type: ignore[arg-type]


def test_success_ends_the_loop_after_one_round() -> None:
    result = run(ScriptedReasoner(["a", "b"]))
    assert [r.verdict.tag for r in result.rounds] == ["Success"]
    assert result.round.image[0, 0, 0] == 102, "two steps, each on the result of the one before"
    assert result.description == "The finished picture."


def test_reflection_edits_the_result_with_the_corrective_instruction_only() -> None:
    editor = Adder()
    result = run(ScriptedReasoner(["a", "b"], verdicts=["more of it", "Success"]), editor)
    assert [r.instruction for r in editor.requests] == ["a", "b", "more of it"]
    assert editor.requests[2].image[0, 0, 0] == 102
    assert [r.start for r in result.rounds] == ["source", "result"]
    assert result.best == 1
    assert result.round.image[0, 0, 0] == 103


def test_failed_starts_again_from_the_source_with_new_seeds() -> None:
    editor = Adder()
    result = run(ScriptedReasoner(["a"], verdicts=["Failed", "Success"]), editor)
    assert [r.start for r in result.rounds] == ["source", "source"]
    assert editor.requests[1].image[0, 0, 0] == 100
    assert editor.requests[0].seed != editor.requests[1].seed


@pytest.mark.parametrize("rounds", [0, 1, 2])
def test_rounds_bound_the_edits(rounds: int) -> None:
    result = run(ScriptedReasoner(["a"], verdicts=["x", "y", "z", "w"]), rounds=rounds)
    assert len(result.rounds) == rounds + 1


def test_the_best_round_is_delivered_not_the_last() -> None:
    qualities = [
        Quality(semantic=4, perceptual=9),
        Quality(semantic=9, perceptual=9),
        Quality(semantic=8, perceptual=8),
    ]
    reasoner = ScriptedReasoner(["a"], verdicts=["x", "y", "z"], qualities=qualities)
    result = run(reasoner)
    assert result.best == 1


def test_no_judging_when_there_is_nothing_to_choose() -> None:
    reasoner = ScriptedReasoner(["a"], verdicts=["x", "Success"])
    run(reasoner)
    assert "judge" not in [call for call, _ in reasoner.calls]
    alone = ScriptedReasoner(["a"], verdicts=["x"])
    run(alone, rounds=0)
    assert "judge" not in [call for call, _ in alone.calls]


def test_unknown_is_never_a_success_and_starts_again() -> None:
    class Other(Adder):
        def edit(self, request: EditRequest) -> EditResult:
            self.requests.append(request)
            return EditResult(request.image + len(self.requests))

    result = run(ScriptedReasoner(["a"], verdicts=["unknown"]), Other())
    assert [r.verdict.tag for r in result.rounds] == ["unknown"] * 3
    assert {r.start for r in result.rounds} == {"source"}


@pytest.mark.parametrize("tag", ["unknown", "Failed"])
def test_an_editor_that_makes_the_same_picture_again_is_not_asked_a_third_time(tag: str) -> None:
    result = run(ScriptedReasoner(["a"], verdicts=[tag]))
    assert [r.verdict.tag for r in result.rounds] == [tag] * 2
    assert result.best == 0


@pytest.mark.parametrize("instruction", ["add one", " ADD ONE ", "a", "", None])
def test_a_corrective_instruction_that_repeats_is_unknown(instruction: str | None) -> None:
    verdict = Verdict(tag="Reflection", instruction=instruction)
    result = run(ScriptedReasoner(["a"], verdicts=[verdict]), rounds=0)
    assert result.round.verdict.tag == "unknown"


def test_a_success_of_nothing_done_is_not_believed() -> None:
    class Idle(Adder):
        def edit(self, request: EditRequest) -> EditResult:
            return EditResult(request.image)

    result = run(ScriptedReasoner(["a"], verdicts=["Success"] * 3), Idle())
    assert [r.verdict.tag for r in result.rounds] == ["unknown"] * 2
    assert "bit for bit" in result.round.verdict.reasoning


def test_a_photo_that_was_so_already_is_done_at_once() -> None:
    class Idle(Adder):
        def edit(self, request: EditRequest) -> EditResult:
            return EditResult(request.image)

    verdict = Verdict(tag="Success", reasoning="measured", already=True)
    result = run(ScriptedReasoner(["a"], verdicts=[verdict]), Idle())
    assert [r.verdict for r in result.rounds] == [verdict]


def test_what_is_not_believed_is_told_in_the_language_of_the_request() -> None:
    class Idle(Adder):
        def edit(self, request: EditRequest) -> EditResult:
            return EditResult(request.image)

    loop = Loop(ScriptedReasoner(["调亮"], verdicts=["Success"]), Idle(), NullTrace(), LoopOptions(rounds=0))
    result = loop.run(task("调亮"))
    assert result.round.verdict.reasoning.endswith("［结果与原图逐位相同］")


def test_the_description_is_made_once_while_the_editor_works() -> None:
    reasoner = ScriptedReasoner(["a"], verdicts=["x", "Success"], latency=0.15)
    began = time.perf_counter()
    run(reasoner, Adder(seconds=0.15))
    seconds = time.perf_counter() - began
    calls = [call for call, _ in reasoner.calls]
    assert calls.count("describe") == 1
    # think + 2 x (edit + score + conclude) = 1.05 s; a serial description would make it 1.2 s
    assert calls == ["think", "describe", "score", "conclude", "score", "conclude"]
    assert seconds < 1.18


def test_an_editor_that_fails_at_first_raises_and_later_keeps_the_best() -> None:
    with pytest.raises(EditError):
        run(ScriptedReasoner(["a"]), Adder(fail_at=1))
    result = run(ScriptedReasoner(["a"], verdicts=["x", "y"]), Adder(fail_at=2))
    assert len(result.rounds) == 1
    assert result.round.image[0, 0, 0] == 101


def test_a_reasoner_that_dies_after_the_edit_does_not_lose_the_picture() -> None:
    result = run(ScriptedReasoner(["a"], scores=[ReasonerError("gone")]))
    assert result.round.verdict.tag == "unknown"
    assert result.round.image[0, 0, 0] == 101
    result = run(ScriptedReasoner(["a"], description=ReasonerError("gone")))
    assert result.round.image[0, 0, 0] == 101


def test_composite_gives_all_steps_as_one_instruction() -> None:
    editor = Adder()
    run(ScriptedReasoner(["a", "b"]), editor, steps="composite")
    assert [r.instruction for r in editor.requests] == ["a; b"]


def test_a_mask_is_a_hard_limit_whatever_the_editor_does() -> None:
    mask = np.zeros((32, 48), np.uint8)
    mask[:, :10] = 255
    result = Loop(ScriptedReasoner(["a"]), Adder(), NullTrace()).run(task(mask=mask))
    assert (result.round.image[:, :10] == 101).all()
    assert (result.round.image[:, 10:] == 100).all()
    assert result.round.facts.outside_changed == 0
    free = Loop(ScriptedReasoner(["a"]), Adder(), NullTrace(), LoopOptions(preserve="off")).run(
        task(mask=mask)
    )
    assert (free.round.image == 101).all()


def test_seeds_differ_by_step_and_round_and_are_stable() -> None:
    seeds = {step_seed(7, r, s) for r in range(3) for s in range(3)}
    assert len(seeds) == 9
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert step_seed(7, 1, 2) == step_seed(7, 1, 2)
    assert step_seed(7, 0, 0) != step_seed(8, 0, 0)


def test_progress_names_every_stage() -> None:
    stages: list[Stage] = []
    reasoner = ScriptedReasoner(["a", "b"], verdicts=["x", "y"])
    Loop(reasoner, Adder(), NullTrace(), LoopOptions(rounds=1), stages.append).run(task())
    assert [s.name for s in stages] == [
        "think", "edit", "edit", "reflect", "edit", "reflect", "judge", "judge",
    ]  # fmt: skip
    assert [(s.step, s.steps) for s in stages if s.name == "edit"] == [(0, 2), (1, 2), (0, 1)]


def test_progress_says_what_an_editor_does_before_its_own_steps() -> None:
    class Preparing(Adder):
        def edit(self, request: EditRequest) -> EditResult:
            assert request.status is not None
            request.status("loading the model")
            return super().edit(request)

    stages: list[Stage] = []
    Loop(ScriptedReasoner(["a", "b"]), Preparing(), NullTrace(), LoopOptions(rounds=0), stages.append).run(
        task()
    )
    shown = [(s.step, s.text, s.doing) for s in stages if s.name == "edit"]
    assert shown == [
        (0, "a", ""), (0, "a", "loading the model"), (1, "b", ""), (1, "b", "loading the model"),
    ]  # fmt: skip


def test_a_refusal_leaves_no_run_folder(tmp_path: Path) -> None:
    trace = TraceWriter(tmp_path / "runs", {})
    with pytest.raises(Refused):
        Loop(ScriptedReasoner(Refused("no")), Adder(), trace).run(task())
    trace.close("failed")
    assert not (tmp_path / "runs").exists()


def test_the_trace_tells_the_whole_run(tmp_path: Path) -> None:
    scores = [
        Consistency(meets_instruction="partial", raw_score=9, omissions=1),
        Consistency(meets_instruction="yes", raw_score=9),
    ]
    trace = TraceWriter(tmp_path, {"instruction": "add one"})
    result = Loop(
        ScriptedReasoner(["a"], verdicts=["x", "y"], scores=scores), Adder(), trace, LoopOptions(rounds=1)
    ).run(Task(scene(), "add one"))
    trace.close("delivered", tag=result.round.verdict.tag)
    run_ = Run(trace.path)
    kinds = [event.event for event in run_.events if event.event != "description"]
    assert (
        kinds
        == ["started", "plan", "edit", "facts", "score", "verdict", "edit", "facts", "score", "verdict"]
        + ["quality"] * 2
    )
    assert sum(event.event == "description" for event in run_.events) == 1
    assert [event.seq for event in run_.events] == list(range(len(run_.events)))
    edits = [event for event in run_.events if event.event == "edit"]
    assert all(run_.image(event.image).is_file() for event in edits)
    assert edits[1].start == "result"
    score = next(event for event in run_.events if event.event == "score")
    assert score.consistency.score == 5


def test_an_interrupt_in_the_editor_reaches_the_caller_while_a_slow_description_runs() -> None:
    class Interrupting(Adder):
        def edit(self, request: EditRequest) -> EditResult:
            raise KeyboardInterrupt

    began = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        Loop(ScriptedReasoner(["a"], latency=0.5), Interrupting(), NullTrace()).run(task())
    assert time.perf_counter() - began < 0.9
    assert threading.main_thread().is_alive()
