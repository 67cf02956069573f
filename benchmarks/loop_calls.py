"""The critical path of a run with two reflections: our order of calls beside the public pipeline's.

    python -m benchmarks.loop_calls

A scripted server answers every call after 0.75 s and an editor takes 1.6 s an edit; both are slept for at a tenth of
that, through the real client, loop and trace. The public order makes five calls one after another in every round
(description, score, conclusion, SC, PQ); its one call to think is left out, to its advantage.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from agent.loop import Loop, LoopOptions
from agent.trace import TraceWriter
from agent.types import Task
from agent.vlm import VlmReasoner
from editor.base import EditRequest, EditResult
from editor.measure import measure
from tests import fake_vlm as fake

CALL, EDIT = 0.75, 1.6
"""Seconds."""
SCALE = 0.1
REFLECTIONS = 2
GOAL = 0.8

Reflection = Literal["cascade", "fused"]
Row = tuple[str, str, str, str]


class SlowEditor:
    name = abilities = "slow"

    def edit(self, request: EditRequest) -> EditResult:
        time.sleep(EDIT * SCALE)
        return EditResult(255 - request.image)


def script(succeeds: bool) -> Any:
    """A server that reflects twice and then concludes Success, or Failed."""
    last = fake.SUCCESS if succeeds else "<#Think>no<#Failed>"
    again = [f"<#Think>nearly<#Reflection>Darken part {n}" for n in range(REFLECTIONS)]
    fused = fake.SCORE[:-1] + ', "reasoning": "r", "tag": "%s", "instruction": "%s"}'
    answer = fake.answer_by_call(
        conclude=[*again, last],
        reflect=[*(fused % ("Reflection", f"Darken part {n}") for n in range(REFLECTIONS)),
                 fused % ("Success" if succeeds else "Failed", "")],
    )  # fmt: skip

    def late(request: dict[str, Any]) -> Any:
        time.sleep(CALL * SCALE)
        return answer(request)

    return late


def ours(task: Task, reflection: Reflection, succeeds: bool) -> tuple[float, int]:
    """Seconds at full scale, and calls."""
    with fake.FakeVlm(script(succeeds)) as server, tempfile.TemporaryDirectory() as folder:
        trace = TraceWriter(Path(folder), {})
        reasoner = VlmReasoner(url=server.url, trace=trace, model="tiny", reflection=reflection)
        reasoner.judge(task, task.source, measure(task.source, task.source))  # connections and imports
        server.bodies.clear()
        result = Loop(reasoner, SlowEditor(), trace, LoopOptions(REFLECTIONS)).run(task)
        reasoner.close()
        trace.close("delivered")
        assert len(result.rounds) == REFLECTIONS + 1
        return result.seconds / SCALE, len(server.bodies)


def public(task: Task) -> tuple[float, int]:
    """Seconds at full scale, and calls: everything one after another, the description in every round."""
    with fake.FakeVlm(script(True)) as server, tempfile.TemporaryDirectory() as folder:
        trace = TraceWriter(Path(folder), {})
        reasoner = VlmReasoner(url=server.url, trace=trace, model="tiny")
        facts = measure(task.source, task.source)
        reasoner.judge(task, task.source, facts)
        server.bodies.clear()
        editor = SlowEditor()
        began = time.perf_counter()
        for _ in range(REFLECTIONS + 1):
            result = editor.edit(EditRequest(task.source, "")).image
            description = reasoner.describe(task)
            consistency = reasoner.score(task, result, description, facts)
            reasoner.conclude(task, result, consistency, facts)
            reasoner.judge(task, result, facts)
            reasoner.judge(task, result, facts)
        taken = (time.perf_counter() - began) / SCALE
        reasoner.close()
        trace.close("delivered")
        return taken, len(server.bodies)


def calls() -> Iterator[Row]:
    """The order of calls to the VLM, at 0.75 s a call and 1.6 s an edit, two reflections."""
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    task = Task(noise, "make it dramatic", "tone")
    yard, count = public(task)
    yield f"public order, {count} calls", f"{yard:.1f} s", "1.00", ""
    ways: tuple[Reflection, ...] = ("cascade", "fused")
    for reflection in ways:
        for succeeds, label in ((True, "ends in Success"), (False, "no Success: judged")):
            taken, count = ours(task, reflection, succeeds)
            yield (
                f"ours, {reflection}, {label}, {count} calls",
                f"{taken:.1f} s",
                f"{taken / yard:.2f} x public",
                f"at most {GOAL}",
            )


def main() -> None:
    print("| two reflections, 0.75 s a call, 1.6 s an edit | critical path | ratio | goal |")
    print("|---|---|---|---|")
    for row in calls():
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
