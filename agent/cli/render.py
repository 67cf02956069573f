"""Results, for people on stderr and for programs on stdout."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console
from rich.text import Text

from agent.session import Reflection
from agent.types import Outcome, Plan, Round
from editor.photo import printable

TAG_STYLE = {
    "Success": "bold green",
    "Reflection": "bold yellow",
    "Failed": "bold red",
    "unknown": "bold magenta",
}


def console() -> Console:
    """For people. Markup is off: instructions and replies may contain brackets."""
    return Console(stderr=True, markup=False, highlight=False, emoji=False)


def print_json(value: Any) -> None:
    """One JSON value on stdout. ASCII, so that any stdout encoding and odd file names are fine."""
    print(json.dumps(value, indent=2, default=str))


def print_json_line(value: Any) -> None:
    """One JSON value on a line of stdout, flushed: a script reads while the work goes on."""
    print(json.dumps(value, default=str), flush=True)


def plan(value: Plan, *, as_json: bool) -> None:
    """The steps, one a line on stdout, and why on stderr."""
    if as_json:
        print_json(value.model_dump(mode="json"))
        return
    for number, step in enumerate(value.steps, 1):
        print(f"{number}. {printable(step)}")
    if value.reasoning:
        console().print(Text(printable(value.reasoning), style="dim"))


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
    out = console()
    out.print(tag_text(value.verdict.tag), Text(f" score {value.consistency.score:g} of 10"), sep="")
    out.print(Text(printable(value.verdict.reasoning)))
    if value.verdict.instruction:
        out.print(Text(f"next: {printable(value.verdict.instruction)}", style="yellow"))


def outcome(value: Outcome, *, as_json: bool, quiet: bool, verbose: bool) -> None:
    """What `reedit apply` made."""
    if as_json:
        print_json(outcome_record(value))
        return
    if quiet:
        return
    out = console()
    height, width = value.image.shape[:2]
    head = Text.assemble(
        (printable(value.output or "(not written)"), "bold"), "  ", tag_text(value.tag),
        f"  {width}x{height}  {_count(len(value.rounds), 'round')}  {value.seconds:.1f} s",
    )  # fmt: skip
    out.print(head, soft_wrap=True)
    for number, step in enumerate(value.plan.steps, 1):
        out.print(Text(f"  {number}. {printable(step)}"))
    for this in value.rounds:
        if verbose or len(value.rounds) > 1:
            _round(out, this, value.best, verbose)
    out.print(Text(f"  {printable(value.reasoning)}", style="dim"))
    for note in value.notes:
        out.print(Text(f"  note: {printable(note)}", style="yellow"))
    if value.run:
        out.print(Text(f"  trace: {printable(value.run)}", style="dim"), soft_wrap=True)


def _round(out: Console, this: Round, best: int, verbose: bool) -> None:
    mark = "  ← delivered" if this.index == best else ""
    out.print(Text.assemble(f"  round {this.index + 1}: ", tag_text(this.verdict.tag), mark))
    if this.verdict.instruction:
        out.print(Text(f"    next: {printable(this.verdict.instruction)}"))
    if not verbose:
        return
    for step in this.steps:
        out.print(Text(f"    {printable(step.instruction)}  ({step.seconds:.2f} s)"))
        for operation in step.details.get("operations", []):
            out.print(
                Text(
                    f"      {printable(json.dumps(operation, ensure_ascii=False, default=str))}", style="dim"
                )
            )
    for sentence in this.facts.sentences():
        out.print(Text(f"    {sentence}", style="dim"))


def outcome_record(value: Outcome) -> dict[str, Any]:
    """The --json object of `reedit apply`."""
    height, width = value.image.shape[:2]
    return {
        "ok": value.ok,
        "exit_code": value.exit_code,
        "tag": value.tag,
        "output": None if value.output is None else printable(value.output),
        "width": width,
        "height": height,
        "run": None if value.run is None else printable(value.run),
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
    return Text(f"<#{tag}>" if tag else "-", style=TAG_STYLE.get(tag, ""))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
