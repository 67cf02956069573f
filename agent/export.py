"""Traces as training data, and as the output folders of benchmarks.

The two datasets of ReasonEdit (arXiv 2511.22625): Thinking Pairs (request -> concrete steps) and Reflection Triples
(input, generated and target picture, with the score and the conclusion that lead from one to the next). docs/trace.md
documents every field. Pictures lie beside the JSONL, named by their content; no path of the machine they come from,
and nothing a picture file says besides its pixels, is carried over.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from agent.errors import TraceError, UsageError
from agent.trace import Run
from agent.trace.pictures import read_png
from agent.trace.records import ImageRef
from agent.trace.view import RoundView, RunView, number, said, view
from agent.trace.writer import json_line, write_atomic, write_json
from agent.types import Verdict, language_of

Format = Literal["thinking-pairs", "reflection-triples", "sharegpt"]

THINK = (
    "Rewrite this request for a photo edit as one to three concrete, visible edits, one a line. A request that is "
    "concrete already stays as it is.\nRequest: {instruction}"
)
REFLECT = (
    "The first picture is the photo, the second an attempt to edit it as requested.\nRequest: {instruction}\n"
    "A careful reading scored the attempt {score:g} of 10: {reason}\nReason about it after <#Think>, then end with "
    "<#Success>, with <#Reflection> and a corrective instruction for the attempt, or with <#Failed>."
)
_PATHS = re.compile(
    r"(?:file://)?(?:(?<![\w.])/(?:home|Users|root|mnt|media|private|tmp|var|opt|srv|work|Volumes)(?:/[^\s\"'<>|,;)]*)"
    r"|\b[A-Za-z]:\\[^\s\"'<>|,;)]+|\\\\[\w.$-]+\\[^\s\"'<>|,;)]+|(?<![\w/])~/[^\s\"'<>|,;)]*)"
)
_KEPT_CHUNKS = (b"tRNS",)


@dataclass(slots=True)
class Report:
    """What was exported. skipped: why runs or rounds were left out, with how many."""

    train: int = 0
    test: int = 0
    images: int = 0
    duplicates: int = 0
    skipped: dict[str, int] = field(default_factory=dict)

    def skip(self, why: str) -> None:
        """Count something left out."""
        self.skipped[why] = self.skipped.get(why, 0) + 1


def export(
    runs: list[Run], form: Format, folder: Path, *, test_share: float = 0.1, overwrite: bool = False
) -> Report:
    """Write train.jsonl, test.jsonl, images/ and dataset_info.json below `folder`.

    test_share: share of the photos (0 to 1) whose records go into test.jsonl; a photo is never in both.
    Raises UsageError when the folder is not empty, TraceError when it cannot be written.
    """
    prepare(folder, overwrite)
    made = _Export(folder, test_share)
    makers: dict[Format, tuple[Callable[[RunView], Iterator[dict[str, Any]]], ...]] = {
        "thinking-pairs": (made.pairs,),
        "reflection-triples": (made.triples,),
        "sharegpt": (made.pairs, made.triples),
    }
    shape = _sharegpt if form == "sharegpt" else _conversational
    try:
        for run in runs:
            shown = made.open(run)
            for maker in makers[form] if shown else ():
                for record in maker(shown):  # type: ignore[arg-type]
                    made.add(record, shape(record))
        made.close(form)
    except OSError as error:
        raise TraceError(f"Cannot write the dataset {folder}: {error.strerror or error}") from error
    return made.report


def prepare(folder: Path, overwrite: bool) -> None:
    """The folder of an export: new or empty, unless the user wants it replaced."""
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise UsageError(f"{folder} is not empty; name a new folder, or give --overwrite.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TraceError(f"Cannot make {folder}: {error.strerror or error}") from error


class _Export:
    """Records on their way to disk: pictures stored once, duplicates dropped, photos split."""

    def __init__(self, folder: Path, test_share: float) -> None:
        self.folder = folder
        self.test_share = test_share
        self.report = Report()
        self._seen: set[str] = set()
        self._lines: dict[str, list[bytes]] = {"train": [], "test": []}
        (folder / "images").mkdir(exist_ok=True)

    def open(self, run: Run) -> RunView | None:
        """A run that can be learned from; others are counted."""
        try:
            shown = view(run)
        except TraceError:
            self.report.skip("not readable")
            return None
        if said(shown.result, "status") != "delivered":
            self.report.skip("not delivered")
            return None
        return shown

    def pairs(self, shown: RunView) -> Iterator[dict[str, Any]]:
        """The Thinking Pair of a run."""
        image = self._image(shown, shown.started.image if shown.started else None)
        if image is None or shown.planned is None:
            self.report.skip("no plan or no picture")
            return
        plan, instruction = shown.planned.plan, said(shown.header, "instruction")
        yield {
            "kind": "thinking", "images": [image], "instruction": scrub(instruction),
            "steps": [scrub(step) for step in plan.steps], "rewritten": plan.rewritten,
            "reasoning": scrub(plan.reasoning), "language": language_of(instruction), **_origin(shown),
        }  # fmt: skip

    def triples(self, shown: RunView) -> Iterator[dict[str, Any]]:
        """A Reflection Triple for every round that has a score and a conclusion."""
        source = self._image(shown, shown.started.image if shown.started else None)
        best = shown.best
        success = best is not None and said(shown.result, "tag") == "Success" and best.edits
        target = self._image(shown, best.edits[-1].image) if success and best else None
        for this in shown.rounds:
            generated = self._image(shown, this.edits[-1].image if this.edits else None)
            if source is None or generated is None or not this.scored or not this.concluded:
                self.report.skip("no picture, score or conclusion")
            elif this.tag == "unknown":
                self.report.skip("no valid conclusion")
            else:
                yield self._triple(shown, this, [source, generated], target)

    def _triple(
        self, shown: RunView, this: RoundView, images: list[str], target: str | None
    ) -> dict[str, Any]:
        assert this.scored is not None
        assert this.concluded is not None
        verdict, instruction = this.concluded.verdict, said(shown.header, "instruction")
        consistency = this.scored.consistency.model_dump(mode="json")
        return {
            "kind": "reflection", "images": images, "target_image": target, "round": this.index,
            "instruction": scrub(instruction), "steps": [scrub(edit.instruction) for edit in this.edits],
            "description": scrub(shown.described.text) if shown.described else "",
            "consistency": consistency | {"reason": scrub(consistency["reason"])}, "verdict": verdict.tag,
            "reasoning": scrub(verdict.reasoning),
            "correction": scrub(verdict.instruction) if verdict.instruction else None,
            "language": language_of(instruction), **_origin(shown),
        }  # fmt: skip

    def add(self, record: dict[str, Any], shaped: dict[str, Any]) -> None:
        """Keep a record unless the same has been seen in another run."""
        same = {k: v for k, v in record.items() if k not in ("run", "editor", "reasoner", "tag", "score")}
        digest = hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()
        if digest in self._seen:
            self.report.duplicates += 1
            return
        self._seen.add(digest)
        # by the photo, so that no photo is in both
        share = int(hashlib.sha256(record["images"][0].encode()).hexdigest()[:8], 16) / 2**32
        part = "test" if share < self.test_share else "train"
        self._lines[part].append(json_line({"id": digest[:16], **shaped}))
        setattr(self.report, part, getattr(self.report, part) + 1)

    def close(self, form: Format) -> None:
        """Write the JSONL files and what LLaMA-Factory needs to find them."""
        info: dict[str, Any] = {}
        for part, lines in self._lines.items():
            write_atomic(self.folder / f"{part}.jsonl", b"".join(lines))
            info[f"reedit_{part}"] = {"file_name": f"{part}.jsonl"} | (
                _LLAMA_FACTORY if form == "sharegpt" else {}
            )
        write_json(self.folder / "dataset_info.json", info)

    def _image(self, shown: RunView, ref: ImageRef | None) -> str | None:
        """Store a picture under the hash of its content; its path in the dataset."""
        data = None if ref is None else read_png(shown.run, ref)
        bare = None if data is None else bare_png(data)
        if bare is None:
            return None
        name = f"images/{hashlib.sha256(bare).hexdigest()[:16]}.png"
        if not (self.folder / name).exists():
            write_atomic(self.folder / name, bare)
            self.report.images += 1
        return name


_LLAMA_FACTORY = {"formatting": "sharegpt", "columns": {"messages": "conversations", "images": "images"}}


def _origin(shown: RunView) -> dict[str, Any]:
    """Where a record comes from, without a path."""
    return {
        "run": scrub(shown.run.id), "tag": scrub(said(shown.result, "tag")),
        "score": number((shown.result or {}).get("score")), "editor": scrub(said(shown.header, "settings", "editor")),
        "reasoner": scrub(said(shown.header, "settings", "reasoner")),
    }  # fmt: skip


def _words(record: dict[str, Any]) -> tuple[str, str]:
    """What is asked and what is to be answered."""
    if record["kind"] == "thinking":
        return THINK.format(instruction=record["instruction"]), "\n".join(record["steps"])
    scored = record["consistency"]
    asked = REFLECT.format(instruction=record["instruction"], score=scored["score"], reason=scored["reason"])
    verdict = Verdict(tag=record["verdict"], reasoning=record["reasoning"], instruction=record["correction"])
    answer = f"<#Think> {verdict.reasoning}\n<#{verdict.tag}> {verdict.instruction or ''}"
    return asked, answer.strip()


def _conversational(record: dict[str, Any]) -> dict[str, Any]:
    """TRL's conversational prompt-completion form with images, beside the plain fields."""
    asked, answer = _words(record)
    content: list[dict[str, Any]] = [{"type": "image", "text": None} for _ in record["images"]]
    return record | {
        "prompt": [{"role": "user", "content": [*content, {"type": "text", "text": asked}]}],
        "completion": [{"role": "assistant", "content": [{"type": "text", "text": answer}]}],
    }


def _sharegpt(record: dict[str, Any]) -> dict[str, Any]:
    """ShareGPT as LLaMA-Factory reads it: one <image> for each picture, none from the texts."""
    asked, answer = (text.replace("<image>", "(image)") for text in _words(record))
    return {
        "conversations": [
            {"from": "human", "value": "<image>" * len(record["images"]) + asked},
            {"from": "gpt", "value": answer},
        ],
        "images": record["images"],
        "kind": record["kind"],
    }


def scrub(text: str) -> str:
    """The text without paths of the machine it was written on."""
    return _PATHS.sub("<path>", text)


def bare_png(data: bytes) -> bytes | None:
    """The PNG without what is not pixels (texts, times, profiles); None when its chunks are broken."""
    kept, at = [data[:8]], 8
    while at + 12 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        end = at + 12 + length
        if end > len(data):
            return None
        if kind[:1].isupper() or kind in _KEPT_CHUNKS:
            kept.append(data[at:end])
        if kind == b"IEND":
            return b"".join(kept)
        at = end
    return None
