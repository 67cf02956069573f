"""One run, or two, told on the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.segment import ControlType
from rich.text import Text

from agent.cli import pictures
from agent.cli.render import page, print_json, tag_text
from agent.errors import TraceError, UsageError
from agent.trace import Run
from agent.trace.compare import Comparison
from agent.trace.pictures import eight_bit, load
from agent.trace.records import Called, Edited, Event, ImageRef, Previewed
from agent.trace.view import RoundView, RunView, dig, said, view
from editor.photo import printable

BAR = 32
"""Cells of the longest bar."""
LONGEST_WORD = 200
LONGEST = 2_000
"""Characters of one text in a story; --raw and --json have all."""


def show_run(run: Run, *, protocol: str | None, as_json: bool) -> None:
    """One run as a story. protocol: how to show pictures; None = what the terminal can, "none" = not at all."""
    shown = view(run)
    if as_json:
        events = [event.model_dump(mode="json") for event in shown.events]
        print_json({
            "path": printable(run.path), "run": shown.header, "events": events, "result": shown.result,
            "seconds_by_stage": shown.seconds_by_stage, "faults": shown.faults,
        })  # fmt: skip
        return
    out = page()
    chosen: Any = protocol or pictures.stdout_protocol(colours=out.color_system in ("256", "truecolor"))
    story = _Story(shown, chosen)
    for part in story.tell():
        out.print(part, soft_wrap=not out.is_terminal)


def show_event(run: Run, number: int) -> None:
    """One event as it is in the trace, as JSON: all of the prompt, all of the reply."""
    events = view(run).events
    found = [event for event in events if event.seq == number]
    if not found:
        raise UsageError(f"Run {run.id} has no event {number}; its events are 0 to {len(events) - 1}.")
    print_json(found[-1].model_dump(mode="json"))


class _Story:
    """Tells a run: header, plan, rounds, bars, ending."""

    def __init__(self, run: RunView, protocol: pictures.Protocol) -> None:
        self.run = run
        self.protocol = protocol

    def tell(self) -> Iterator[RenderableType]:
        """The story, part by part."""
        yield from self._header()
        if self.run.started:
            yield self._picture("\nsource", self.run.started.image)
        yield from self._plan()
        for this in self.run.rounds:
            yield from self._round(this)
        for place in self.run.unfinished:
            yield Text(f"\nround {place[0] + 1}, step {place[1] + 1}: not finished", style="bold")
            yield from _previews(self.run.previews[place])
        for call in self.run.calls:
            yield self._call(call)
        for note in self.run.notes:
            yield _text("note  ", note.text, "yellow")
        for error in self.run.errors:
            yield _text(f"error {_word(error.error)}  ", error.message, "red")
        yield from _bars(self.run.seconds_by_stage)
        yield from self._ending()

    def _header(self) -> Iterator[Text]:
        header = self.run.header
        source = f"{said(header, 'input', 'width')}x{said(header, 'input', 'height')}"
        yield Text(f"run {_word(self.run.run.id)}", style="bold")
        photo = said(header, "input", "path") or "?"
        yield Text(f"  photo     {_word(photo)}  {source} {_word(said(header, 'input', 'format'))}")
        yield _text("  request   ", said(header, "instruction"))
        settings = (f"{name} {_word(said(header, 'settings', name))}" for name in ("editor", "seed"))
        yield Text(f"  reasoner  {_word(said(header, 'settings', 'reasoner'))}   {'   '.join(settings)}")
        for fault in self.run.faults:
            yield _text("  damaged   ", fault, "red")

    def _plan(self) -> Iterator[RenderableType]:
        planned = self.run.planned
        if planned is None:
            return
        name = "plan" if planned.plan.rewritten else "plan (concrete already)"
        yield _stage(f"\n{name}", planned.seconds)
        for number, step in enumerate(planned.plan.steps, 1):
            yield _text(f"  {number}. ", step)
        if planned.plan.reasoning:
            yield _text("  ", planned.plan.reasoning, "dim")
        if self.run.described:
            yield _stage("description", self.run.described.seconds)
            yield _text("  ", self.run.described.text)

    def _round(self, this: RoundView) -> Iterator[RenderableType]:
        best = self.run.best
        delivered = self.run.delivered is not None and best is not None and best.index == this.index
        start = this.edits[0].start if this.edits else "?"
        mark = "  ← delivered" if delivered else ""
        yield Text.assemble((f"\nround {this.index + 1}", "bold"), f"  on the {start}{mark}")
        for edit in this.edits:
            yield self._edit(edit)
        if this.measured:
            yield Text("\n".join(f"  {line}" for line in this.measured.facts.sentences()), style="dim")
        if this.scored:
            consistency = this.scored.consistency
            head = _stage(f"score {consistency.score:g} of 10", this.scored.seconds)
            if consistency.caps:
                head.append(f"  (said {consistency.raw_score:g}; {', '.join(consistency.caps)})")
            yield head
            yield _text("  ", consistency.reason)
        if this.concluded:
            verdict = this.concluded.verdict
            yield Text.assemble(_stage("verdict", this.concluded.seconds), "  ", tag_text(verdict.tag))
            yield _text("  ", verdict.reasoning)
            if verdict.instruction:
                yield _text("  next: ", verdict.instruction, "yellow")
        if this.judged:
            q = this.judged.quality
            numbers = f"  SC {q.semantic:g}  PQ {q.perceptual:g}  overall {q.overall:.2f}"
            yield Group(_stage("quality", this.judged.seconds), Text(numbers))

    def _edit(self, edit: Edited) -> RenderableType:
        head = Text.assemble(
            (f"step {edit.step + 1}", "bold"), f"  by {_word(edit.editor)}  seed {edit.seed}  ",
            (f"{edit.seconds:.2f} s", "cyan"),
        )  # fmt: skip
        parts: list[RenderableType] = [head, _text("  ", edit.instruction)]
        if who := said(edit.details, "route", "editor"):
            parts.append(_text("    ", f"by {who}: {said(edit.details, 'route', 'why')}", "dim"))
        operations = dig(edit.details, "operations")
        for operation in operations if isinstance(operations, list) else []:
            parts.append(_text("    ", _operation(operation), "dim"))
        parts += [_text("  note: ", note, "yellow") for note in edit.notes]
        parts += _previews(self.run.previews_of(edit))
        parts.append(self._picture("  ", edit.image, style="dim"))
        return Group(*parts)

    def _call(self, call: Called) -> RenderableType:
        tokens = f"{call.prompt_tokens} + {call.completion_tokens} tokens" if call.prompt_tokens else ""
        head = _stage(f"call {call.call}  {_word(call.model)}  {tokens}  x{call.attempts}", call.seconds)
        where = Text(f"  all of it: reedit trace show {_word(self.run.run.id)} --raw {call.seq}", "dim")
        reply = call.error or call.raw or ""
        return Group(head, _text("  ", reply[:400], "red" if call.error else "dim"), where)

    def _ending(self) -> Iterator[Text]:
        result = self.run.result
        if result is None:
            yield Text("\ncut off: the process ended before the run did", style="red")
            return
        words = [_word(said(result, "status")) or "?", f"{self.run.seconds:.2f} s"]
        words += [_word(said(result, key)) for key in ("output", "message") if result.get(key)]
        yield Text("\n" + "  ".join(words), style="bold")

    def _picture(self, words: str, ref: ImageRef, style: str = "") -> RenderableType:
        scaled = "" if ref.scale == 1 else f"  (kept at {ref.scale:.0%})"
        line = Text(f"{words}  {_word(ref.path)}  {ref.width}x{ref.height}{scaled}", style=style)
        if self.protocol == "none":
            return line
        pixels = load(self.run.run, ref)
        if pixels is None:
            line.append("  (missing or broken)", style="red")
            return line
        small = eight_bit(pixels)
        if self.protocol == "blocks":
            return Group(line, pictures.blocks(small))
        return Group(line, _Escape(pictures.escape(small, self.protocol)))


def _previews(of_step: list[Previewed]) -> list[Text]:
    """How many there are and where, if there are any."""
    if not of_step:
        return []
    places = " … ".join(dict.fromkeys((of_step[0].image.path, of_step[-1].image.path)))
    return [
        Text(f"  previews of {len(of_step)} of {of_step[-1].total} denoising steps  {_word(places)}", "dim")
    ]


class _Escape:
    """A terminal's own picture sequence, written as it is."""

    def __init__(self, sequence: str) -> None:
        self.sequence = sequence

    def __rich_console__(self, console: Console, options: Any) -> Iterator[Any]:
        from rich.segment import Segment

        # a control segment: rich neither measures nor wraps it
        yield Segment(self.sequence, None, [(ControlType.BELL,)])
        yield Segment.line()


def _operation(operation: Any) -> str:
    if not isinstance(operation, dict):
        return json.dumps(operation, ensure_ascii=False, default=str)
    name = said(operation, "operation")
    return "  ".join([name, *(f"{key} {value}" for key, value in operation.items() if key != "operation")])


def _bars(sums: dict[str, float]) -> Iterator[Text]:
    """Time per stage."""
    longest = max(sums.values(), default=0.0)
    if longest <= 0:
        return
    yield Text("\ntime by stage", style="bold")
    for stage, seconds in sums.items():
        eighths = max(1, round(8 * BAR * seconds / longest))
        bar = "█" * (eighths // 8) + ("", *"▏▎▍▌▋▊▉")[eighths % 8]
        yield Text.assemble(f"  {stage:<9}", (bar.ljust(BAR), "cyan"), f"  {seconds:8.2f} s")


def show_comparison(a: Run, b: Run, found: Comparison, *, as_json: bool) -> None:
    """What differs between two runs."""
    if as_json:
        print_json(comparison_record(a, b, found))
        return
    out = page()
    out.print(Text.assemble(("a  ", "bold"), _word(a.id), ("   b  ", "bold"), _word(b.id)))
    for part in tell_comparison(found):
        out.print(part, soft_wrap=not out.is_terminal)


def tell_comparison(found: Comparison) -> Iterator[Text]:
    """Differences line by line; one line when there are none."""
    for difference in found.differences:
        yield Text(_word(difference.what), style="bold")
        yield _text("  a  ", difference.a or "(not there)", "red")
        yield _text("  b  ", difference.b or "(not there)", "green")
    if found.identical_pixels:
        scaled = any(picture.scaled for picture in found.pictures)
        yield Text(f"identical pixels{', as kept (scaled down)' if scaled else ''}", style="bold green")
        return
    for picture in found.pictures:
        place = f"round {picture.round + 1}, step {picture.step + 1}: "
        if picture.identical:
            yield Text(f"{place}identical pixels")
        elif picture.only:
            yield Text(f"{place}only in {picture.only}")
        elif picture.most is None:
            yield Text(
                f"{place}the pictures cannot be compared: one is missing or broken, or of another size",
                style="yellow",
            )
        else:
            yield Text(
                f"{place}pixels differ by {picture.mean:g} on average, {picture.most:g} at most (of 255)"
            )


def comparison_record(a: Run, b: Run, found: Comparison) -> dict[str, Any]:
    """The --json object of a comparison."""
    from dataclasses import asdict

    return {
        "a": a.id, "b": b.id, "same": found.same, "identical_pixels": found.identical_pixels,
        "differences": [asdict(one) for one in found.differences],
        "pictures": [asdict(one) for one in found.pictures],
    }  # fmt: skip


def raw_number(events: list[Event], name: str) -> int:
    """The number of an event given as a number, or as its type ("plan": the first of that type)."""
    if name.isdecimal():
        return int(name)
    for event in events:
        if getattr(event, "event", None) == name:
            return event.seq
    raise TraceError(f"There is no event {name!r} in this run.")


def _word(text: str) -> str:
    """A name of unknown origin in a line of others."""
    return printable(text if len(text) <= LONGEST_WORD else f"{text[:LONGEST_WORD]}…")


def _stage(name: str, seconds: float) -> Text:
    return Text.assemble((name, "bold"), "  ", (f"{seconds:.2f} s", "cyan"))


def _text(indent: str, text: str, style: str = "") -> Text:
    """A text of unknown origin, line by line, without what a terminal would act on."""
    cut = text[:LONGEST]
    more = f" … {len(text) - LONGEST:,} more characters" if len(text) > LONGEST else ""
    below = " " * cell_len(indent)
    lines = [printable(_expand(line)) for line in cut.splitlines() or [""]]
    return Text(indent + f"\n{below}".join(lines) + more, style=style)


def _expand(line: str) -> str:
    return line.replace("\t", "    ")
