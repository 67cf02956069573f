"""Results, for people on stderr and for programs on stdout."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from agent.cli import boundary
from agent.session import Reflection
from agent.types import Outcome, Plan, Round
from editor.photo import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

Line = tuple[tuple[str, str], ...]
"""Pieces of a line, each with its style."""
TAG_STYLE = {
    "Success": "bold green",
    "Reflection": "bold yellow",
    "Failed": "bold red",
    "unknown": "bold magenta",
}


def console() -> Console:
    """For people. Markup is off: instructions and replies may contain brackets."""
    from rich.console import Console

    return Console(stderr=True, markup=False, highlight=False, emoji=False)


def page() -> Console:
    """For what is asked for, on stdout. A pipe gets whole lines: 200 columns rather than a guess of 80."""
    from rich.console import Console

    columns = os.environ.get("COLUMNS", "")
    width = None if sys.stdout.isatty() else int(columns) if columns.isdecimal() else 200
    return Console(markup=False, highlight=False, emoji=False, width=width)


def tell(lines: Iterator[Line]) -> None:
    """Lines for people on stderr: styled and wrapped on a terminal; elsewhere whole and plain, and without rich."""
    if sys.stderr.isatty():
        from rich.text import Text

        out = console()
        for line in lines:
            out.print(Text.assemble(*line))
        return
    for line in lines:
        boundary.tell("".join(words for words, _ in line))


def print_json(value: Any) -> None:
    """One JSON value on stdout. ASCII, so that any stdout encoding and odd file names are fine."""
    print(json.dumps(value, indent=2, default=str))


def print_json_line(value: Any) -> None:
    """One JSON value on a line of stdout, flushed: a script reads while the work goes on."""
    print(json.dumps(value, default=str), flush=True)


def plan(value: Plan, *, as_json: bool) -> None:
    """The steps, one a line on stdout, and why on stderr."""
    if as_json:
        print_json({"ok": True, **value.model_dump(mode="json")})
        return
    for number, step in enumerate(value.steps, 1):
        print(f"{number}. {printable(step)}")
    if value.reasoning:
        tell(iter([((printable(value.reasoning), "dim"),)]))


def reflection(value: Reflection, *, as_json: bool) -> None:
    """A verdict on an existing edit."""
    if as_json:
        print_json({
            "tag": value.verdict.tag, "ok": value.verdict.tag == "Success",
            "reasoning": value.verdict.reasoning, "instruction": value.verdict.instruction,
            "description": value.description, "consistency": value.consistency.model_dump(mode="json"),
            "facts": value.facts.model_dump(mode="json"),
        })  # fmt: skip
        return
    tell(_reflection_lines(value))


def _reflection_lines(value: Reflection) -> Iterator[Line]:
    yield _tag(value.verdict.tag), (f" score {value.consistency.score:g} of 10", "")
    yield ((printable(value.verdict.reasoning), ""),)
    if value.verdict.instruction:
        yield ((f"next: {printable(value.verdict.instruction)}", "yellow"),)


def outcome(value: Outcome, *, as_json: bool, quiet: bool, verbose: bool) -> None:
    """What `reedit apply` made."""
    if as_json:
        print_json(outcome_record(value))
        return
    if not quiet:
        tell(_outcome_lines(value, verbose))


def _outcome_lines(value: Outcome, verbose: bool) -> Iterator[Line]:
    height, width = value.image.shape[:2]
    rest = f"  {width}x{height}  {_count(len(value.rounds), 'round')}  {value.seconds:.1f} s"
    yield (printable(value.output or "(not written)"), "bold"), ("  ", ""), _tag(value.tag), (rest, "")
    for number, step in enumerate(value.plan.steps, 1):
        yield ((f"  {number}. {printable(step)}", ""),)
    for this in value.rounds:
        if verbose or len(value.rounds) > 1:
            yield from _round_lines(this, value.best, verbose)
    yield ((f"  {printable(value.reasoning)}", "dim"),)
    for note in value.notes:
        yield ((f"  note: {printable(note)}", "yellow"),)
    if value.run:
        yield ((f"  trace: {printable(value.run)}", "dim"),)


def _round_lines(this: Round, best: int, verbose: bool) -> Iterator[Line]:
    mark = "  ← delivered" if this.index == best else ""
    yield (f"  round {this.index + 1}: ", ""), _tag(this.verdict.tag), (mark, "")
    if this.verdict.instruction:
        yield ((f"    next: {printable(this.verdict.instruction)}", ""),)
    if not verbose:
        return
    for step in this.steps:
        yield ((f"    {printable(step.instruction)}  ({step.seconds:.2f} s)", ""),)
        if route := step.details.get("route"):
            yield ((f"      by {printable(route['editor'])}: {printable(route['why'])}", "dim"),)
        for operation in step.details.get("operations", []):
            yield ((f"      {printable(json.dumps(operation, ensure_ascii=False, default=str))}", "dim"),)
    for sentence in this.facts.sentences():
        yield ((f"    {sentence}", "dim"),)


def outcome_record(value: Outcome) -> dict[str, Any]:
    """The --json object of `reedit apply`."""
    height, width = value.image.shape[:2]
    return {
        "ok": value.ok,
        "exit_code": value.exit_code,
        "tag": value.tag,
        "output": None if value.output is None else os.fspath(value.output),  # to be opened, so as it is
        "width": width,
        "height": height,
        "run": None if value.run is None else os.fspath(value.run),
        "plan": value.plan.model_dump(mode="json"),
        "reasoning": value.reasoning,
        "best": value.best,
        "rounds": [_round_record(this) for this in value.rounds],
        "notes": value.notes,
        "seconds": round(value.seconds, 3),
    }


def _round_record(this: Round) -> dict[str, Any]:
    return {
        "round": this.index,
        "start": this.start,
        "steps": [
            {"instruction": s.instruction, "seed": s.seed, "seconds": s.seconds, **s.details}
            for s in this.steps
        ],
        "facts": this.facts.model_dump(mode="json"),
        "consistency": None if this.consistency is None else this.consistency.model_dump(mode="json"),
        "verdict": this.verdict.model_dump(mode="json"),
        "quality": None if this.quality is None else this.quality.model_dump(mode="json"),
    }


def tag_text(tag: str) -> Text:
    """A tag in its colour."""
    from rich.text import Text

    return Text(*_tag(tag))


def _tag(tag: str) -> tuple[str, str]:
    return f"<#{tag}>" if tag else "-", TAG_STYLE.get(tag, "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
