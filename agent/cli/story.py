"""Run folders, told on the terminal."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from agent.cli.render import print_json, tag_text
from agent.errors import TraceError
from agent.trace import Run, list_runs
from agent.trace.records import (
    Called,
    Concluded,
    Delivered,
    Described,
    Edited,
    Erred,
    ImageRef,
    Judged,
    Measured,
    Noted,
    Planned,
    Scored,
    Started,
    Unknown,
)
from editor.photo import printable

THUMBNAIL_COLUMNS = 40


def show_list(root: Path, *, as_json: bool) -> None:
    """All runs of a folder, oldest first; a broken one is listed as such."""
    rows = [_summary(run) for run in list_runs(root)]
    if as_json:
        print_json(rows)
        return
    out = _console()
    if not rows:
        out.print(Text(f"No runs in {printable(root)} yet."))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("run", "status", "tag", "score", "rounds", "seconds", "photo", "instruction"):
        table.add_column(name, no_wrap=name not in ("instruction", "photo"), overflow="ellipsis")
    for row in rows:
        table.add_row(
            row["id"], row["status"], tag_text(row["tag"]), _number(row["score"]), str(row["rounds"] or ""),
            _number(row["seconds"]), Text(printable(Path(row["photo"]).name)), Text(printable(row["instruction"])),
        )  # fmt: skip
    out.print(table)


def _summary(run: Run) -> dict[str, Any]:
    try:
        header, result = run.header, run.result or {}
    except TraceError as error:
        return {
            "id": run.id, "status": "broken", "tag": "", "score": None, "rounds": None, "seconds": None, "photo": "",
            "instruction": str(error),
        }  # fmt: skip
    return {
        "id": run.id,
        "status": run.status,
        "tag": run.tag,
        "score": result.get("score"),
        "rounds": result.get("rounds"),
        "seconds": result.get("seconds"),
        "photo": str(header.get("input", {}).get("path", "")),
        "instruction": str(header.get("instruction", "")),
    }


def show_run(run: Run, *, pictures: bool, as_json: bool) -> None:
    """One run, event by event."""
    if as_json:
        events = [event.model_dump(mode="json") for event in run.events]
        print_json({"path": printable(run.path), "run": run.header, "events": events, "result": run.result})
        return
    out = _console()
    show_pictures = pictures and out.is_terminal and out.color_system in ("256", "truecolor")
    for part in _header(run):
        out.print(part)
    for event in run.events:
        told = _tell(run, event, show_pictures)
        if told is not None:
            out.print(told)
    out.print(_ending(run))


def _header(run: Run) -> list[RenderableType]:
    header, source = run.header, run.header.get("input", {})
    size = f"{source.get('width')}x{source.get('height')} {source.get('format')}"
    photo = f"{printable(source.get('path', '?'))}  {size}"
    settings = header.get("settings", {})
    return [
        Text(f"run {run.id}", style="bold"),
        Text(f"  photo     {photo}"),
        Text(f"  request   {printable(header.get('instruction', ''))}"),
        Text(
            f"  reasoner  {settings.get('reasoner')}   editor {settings.get('editor')}   seed {settings.get('seed')}"
        ),
    ]


def _tell(run: Run, event: Any, pictures: bool) -> RenderableType | None:
    """One event as text, or None for those the ending tells."""
    match event:
        case Started():
            return _with_picture(run, Text(f"\nsource  {_picture(event.image)}"), event.image, pictures)
        case Planned():
            lines = [f"  {n}. {printable(step)}" for n, step in enumerate(event.plan.steps, 1)]
            name = "plan" if event.plan.rewritten else "plan (concrete already)"
            why = [Text(f"  {printable(event.plan.reasoning)}", style="dim")] if event.plan.reasoning else []
            return Group(_stage(name, event.seconds), Text("\n".join(lines)), *why)
        case Described():
            return Group(_stage("description", event.seconds), Text(f"  {printable(event.text)}"))
        case Called():
            tokens = (
                f"{event.prompt_tokens} + {event.completion_tokens} tokens" if event.prompt_tokens else ""
            )
            reply = event.error or event.raw or ""
            head = _stage(f"call {event.call}  {event.model}  {tokens}  x{event.attempts}", event.seconds)
            return Group(head, Text(f"  {printable(reply)[:400]}", style="red" if event.error else "dim"))
        case Edited():
            return _edit(run, event, pictures)
        case Measured():
            return Text("\n".join(f"  {sentence}" for sentence in event.facts.sentences()), style="dim")
        case Scored():
            caps = f"  (said {event.consistency.raw_score:g}; {', '.join(event.consistency.caps)})"
            head = _stage(f"score {event.consistency.score:g} of 10", event.seconds)
            head.append(caps if event.consistency.caps else "")
            return Group(head, Text(f"  {printable(event.consistency.reason)}"))
        case Concluded():
            parts: list[RenderableType] = [
                Text.assemble(_stage("verdict", event.seconds), "  ", tag_text(event.verdict.tag)),
                Text(f"  {printable(event.verdict.reasoning)}"),
            ]
            if event.verdict.instruction:
                parts.append(Text(f"  next: {printable(event.verdict.instruction)}", style="yellow"))
            return Group(*parts)
        case Judged():
            q = event.quality
            numbers = f"SC {q.semantic:g}  PQ {q.perceptual:g}  overall {q.overall:.2f}"
            return Group(_stage("quality", event.seconds), Text(f"  round {event.round + 1}: {numbers}"))
        case Noted():
            return Text(f"note  {printable(event.text)}", style="yellow")
        case Erred():
            return Text(f"error  {event.error}: {printable(event.message)}", style="red")
        case Delivered() | Unknown():
            return None
    return None


def _edit(run: Run, event: Edited, pictures: bool) -> RenderableType:
    head = Text.assemble(
        (f"\nround {event.round + 1}  step {event.step + 1}", "bold"),
        f"  on the {event.start}  by {event.editor}  seed {event.seed}  ", (f"{event.seconds:.2f} s", "cyan"),
    )  # fmt: skip
    lines: list[RenderableType] = [head, Text(f"  {printable(event.instruction)}")]
    for operation in event.details.get("operations", []):
        words = "  ".join(
            f"{key} {printable(str(value))}" for key, value in operation.items() if key != "operation"
        )
        lines.append(Text(f"    {operation.get('operation')}  {words}", style="dim"))
    lines.extend(Text(f"  note: {printable(note)}", style="yellow") for note in event.notes)
    lines.append(Text(f"  {_picture(event.image)}", style="dim"))
    return _with_picture(run, Group(*lines), event.image, pictures)


def _ending(run: Run) -> RenderableType:
    result = run.result
    if result is None:
        return Text("\ncut off: the process ended before the run did", style="red")
    words = [f"\n{run.status}", f"{result.get('seconds', 0):.2f} s"]
    if result.get("output"):
        words.append(printable(result["output"]))
    if result.get("message"):
        words.append(printable(result["message"]))
    return Text("  ".join(words), style="bold")


def _stage(name: str, seconds: float) -> Text:
    return Text.assemble((name, "bold"), "  ", (f"{seconds:.2f} s", "cyan"))


def _picture(ref: ImageRef) -> str:
    scaled = "" if ref.scale == 1 else f"  (kept at {ref.scale:.0%})"
    return f"{ref.path}  {ref.width}x{ref.height}{scaled}"


def _with_picture(run: Run, text: RenderableType, ref: ImageRef, pictures: bool) -> RenderableType:
    if not pictures:
        return text
    thumbnail = _thumbnail(run.image(ref))
    return text if thumbnail is None else Group(text, thumbnail)


def _thumbnail(path: Path) -> Text | None:
    """The picture in half blocks, two pixels a cell; None when it cannot be read."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            rgb = picture.convert("RGB")
    except (OSError, ValueError, SyntaxError):
        return None
    columns = min(THUMBNAIL_COLUMNS, rgb.width)
    rows = max(2, round(rgb.height * columns / rgb.width) // 2 * 2)
    small = rgb.resize((columns, rows), Image.Resampling.BOX).load()
    if small is None:
        return None
    text = Text()
    for y in range(0, rows, 2):
        text.append("  ")
        for x in range(columns):
            upper, lower = small[x, y], small[x, y + 1]
            text.append("▀", style=f"rgb{_triple(upper)} on rgb{_triple(lower)}")
        text.append("\n")
    text.rstrip()
    return text


def _triple(pixel: Any) -> str:
    return "({},{},{})".format(*pixel)


def _number(value: Any) -> str:
    return f"{value:.1f}" if isinstance(value, int | float) else ""


def _console() -> Console:
    # a pipe gets whole lines: 200 columns rather than a guess of 80
    width = None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", "200"))
    return Console(markup=False, highlight=False, emoji=False, width=width)
