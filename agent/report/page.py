"""One run as a page."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.report.images import Picture, change_map, data_url, mask_overlay
from agent.report.safe import environment
from agent.trace.reader import Run
from agent.trace.records import Edited, ImageRef, Previewed
from agent.trace.view import RoundView, RunView, dig, number, said, view
from agent.trace.writer import write_atomic
from editor.photo import printable

_TAGS = {"Success": "success", "Reflection": "reflection", "Failed": "failed", "unknown": "unknown"}
_FLAGS = {
    "reasoner": "--reasoner", "editor": "--editor", "rounds": "--rounds", "seed": "--seed", "steps": "--steps",
    "preserve": "--preserve",
}  # fmt: skip
"""Settings that decide what is made, and the options of `reedit apply` that set them."""


@dataclass(slots=True)
class Album:
    """The pictures of a page, each included once: `urls` by key, decoded pixels for overlays.

    folder: where the pictures lie as seen from the page; None = they go into the page itself.
    """

    run: Run
    exact: bool = False
    folder: str | None = None
    overlays: bool = True
    _pictures: dict[str, Picture] = field(default_factory=dict)
    _urls: dict[str, str | None] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def warm(self, refs: Iterable[ImageRef]) -> None:
        """Decode and encode pictures on all cores; those that lie beside the page need neither."""
        if self.folder is None:
            with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
                list(pool.map(self.url, {ref.path: ref for ref in refs}.values()))

    def picture(self, ref: ImageRef) -> Picture:
        """The picture behind a reference."""
        if ref.path not in self._pictures:
            self._pictures[ref.path] = Picture(self.run, ref)
        return self._pictures[ref.path]

    def url(self, ref: ImageRef, *, preview: bool = False) -> str | None:
        """Its address for an img element; None when it is missing or broken."""
        if ref.path not in self._urls:
            picture = self.picture(ref)
            if self.folder is None:
                self._urls[ref.path] = data_url(picture, exact=self.exact, preview=preview)
            else:
                self._urls[ref.path] = None if picture.data is None else f"{self.folder}/{key(ref)}"
        return self._urls[ref.path]

    def first(self, name: str) -> bool:
        """Whether a picture is asked for by its key for the first time; a script copies it to the other places."""
        if self.folder is None and name in self._seen:
            return False
        self._seen.add(name)
        return True

    def entry(self, ref: ImageRef | None, name: str, *, preview: bool = False) -> dict[str, Any] | None:
        """What a template needs of a picture."""
        url = None if ref is None else self.url(ref, preview=preview)
        if ref is None or url is None:
            return None
        return {
            "key": key(ref), "url": url, "name": name, "scale": ref.scale, "width": max(1, ref.width),
            "height": max(1, ref.height),
        }  # fmt: skip


def key(ref: ImageRef) -> str:
    """A safe name for a picture of a trace; the writer's own names stay as they are."""
    name = ref.path.removeprefix("images/")
    if re.fullmatch(r"[0-9a-f]{16}\.png", name):
        return name
    return hashlib.sha256(ref.path.encode(errors="surrogatepass")).hexdigest()[:16] + ".png"


def write_page(run: Run, target: Path, *, exact: bool = False) -> None:
    """Write one self-contained file. Raises TraceError or OSError. exact: pictures bit for bit as in the trace."""
    html = render(view(run), Album(run, exact=exact))
    write_atomic(target, html.encode())


def render(shown: RunView, album: Album, *, back: str | None = None) -> str:
    """The page of a run. back: address of the gallery it belongs to."""
    best = shown.best
    album.warm(shown.pictures)
    source = album.entry(shown.started.image if shown.started else None, "The photo as given")
    rounds = [_round(album, shown, this, source) for this in shown.rounds]
    return environment().get_template("run.html.j2").render(
        run=shown, header=_header(shown), source=source, rounds=rounds, back=back, local=album.folder is not None,
        hero=next((r for r in rounds if best is not None and r["index"] == best.index and r["image"]), None),
        first=album.first, spans=list(_spans(shown)), stages=_stages(shown), command=command(shown),
        calls=shown.calls,
        unfinished=[
            {"round": place[0] + 1, "step": place[1] + 1, "previews": _previews(album, shown.previews[place])}
            for place in shown.unfinished
        ],
        mask=album.entry(shown.started.mask if shown.started else None, "The user's mask"),
    )  # fmt: skip


def _header(shown: RunView) -> dict[str, Any]:
    header, result = shown.header, shown.result
    tag = said(result, "tag")
    status = said(result, "status") or "cut off"
    return {
        "id": shown.run.id, "request": said(header, "instruction"), "photo": Path(said(header, "input", "path")).name,
        "size": f"{said(header, 'input', 'width')} × {said(header, 'input', 'height')}",
        "format": said(header, "input", "format"), "sha256": said(header, "input", "sha256"), "status": status,
        "tag": tag, "tag_class": _TAGS.get(tag, "unknown"), "score": number(dig(result, "score")),
        "started": said(header, "started"), "seconds": shown.seconds, "message": said(result, "message"),
        "reasoner": said(header, "settings", "reasoner"), "editor": said(header, "settings", "editor"),
        "seed": said(header, "settings", "seed"), "versions": header.get("versions"),
        "output": said(result, "output"),
    }  # fmt: skip


def _round(album: Album, shown: RunView, this: RoundView, source: dict[str, Any] | None) -> dict[str, Any]:
    last = this.edits[-1] if this.edits else None
    image = album.entry(last.image if last else None, f"After round {this.index + 1}")
    best = shown.best
    consistency = this.scored.consistency if this.scored else None
    return {
        "index": this.index, "view": this, "image": image, "tag": this.tag,
        "tag_class": _TAGS.get(this.tag, "unknown"),
        "delivered": shown.delivered is not None and best is not None and best.index == this.index,
        "steps": [
            _step(album, shown, edit, before) for edit, before in zip(this.edits, _befores(shown, this), strict=True)
        ],
        "map": _change_map(album, shown, this) if source and image else None,
        "facts": this.measured.facts.sentences() if this.measured else [],
        "consistency": consistency, "caps": consistency.caps if consistency else (),
        "verdict": this.concluded.verdict if this.concluded else None,
        "quality": this.judged.quality if this.judged else None,
    }  # fmt: skip


def _befores(shown: RunView, this: RoundView) -> list[str | None]:
    """The key of the picture that each step of a round began with; None where it is not known."""
    earlier = [other for other in shown.rounds if other.index == this.index - 1 and other.edits]
    found: list[str | None] = []
    for position, edit in enumerate(this.edits):
        if position:
            found.append(key(this.edits[position - 1].image))
        elif edit.start == "result":
            found.append(key(earlier[0].edits[-1].image) if earlier else None)
        else:
            found.append(key(shown.started.image) if shown.started else None)
    return found


def _step(album: Album, shown: RunView, edit: Edited, before: str | None) -> dict[str, Any]:
    operations = dig(edit.details, "operations")
    known = [one for one in operations if isinstance(one, dict)] if isinstance(operations, list) else []
    who, why = said(edit.details, "route", "editor"), said(edit.details, "route", "why")
    rest = {k: v for k, v in edit.details.items() if k != "operations" and not (who and k == "route")}
    mask = None
    if album.overlays and edit.mask is not None:
        pixels = album.picture(edit.mask).pixels
        mask = None if pixels is None else {"key": f"mask-{key(edit.mask)}", "url": mask_overlay(pixels)}
    return {
        "number": edit.step + 1, "instruction": edit.instruction, "seed": edit.seed, "seconds": edit.seconds,
        "editor": edit.editor, "route": f"by {who}: {why}" if who else "", "notes": edit.notes, "mask": mask,
        "before": before,
        "image": album.entry(edit.image, f"After step {edit.step + 1} of round {edit.round + 1}"),
        "previews": _previews(album, shown.previews_of(edit)),
        "operations": [{str(k): str(v) for k, v in one.items()} for one in known],
        "details": {str(k): v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for k, v in rest.items()},
    }  # fmt: skip


def _previews(album: Album, of_step: list[Previewed]) -> list[dict[str, Any]]:
    """Those that are there, with the number of the denoising step."""
    found = []
    for one in of_step:
        picture = album.entry(
            one.image, f"Preview after denoising step {one.done} of {one.total}", preview=True
        )
        if picture is not None:
            found.append({"number": one.done, "image": picture})
    return found


def _change_map(album: Album, shown: RunView, this: RoundView) -> dict[str, str] | None:
    if not album.overlays or shown.started is None:
        return None
    before = album.picture(shown.started.image).pixels
    after = album.picture(this.edits[-1].image).pixels
    if before is None or after is None:
        return None
    return {"key": f"map-{this.index}", "url": change_map(before, after)}


def _spans(shown: RunView) -> Iterator[dict[str, Any]]:
    """The timeline: each span on a scale of 0 to 1000."""
    spans = shown.spans
    length = max([shown.seconds, *(span.ended for span in spans)], default=0.0) or 1.0
    for span in spans:
        busy = [other for other in spans if other is not span and _overlap(span, other)]
        yield {
            "label": span.label, "stage": span.stage, "began": span.began, "seconds": span.seconds,
            "x": round(1000 * span.began / length, 2), "width": max(2.0, round(1000 * span.seconds / length, 2)),
            "beside": sorted({other.label for other in busy}) if span.stage in ("describe", "call") else [],
        }  # fmt: skip


def _overlap(one: Any, other: Any) -> bool:
    """By more than a rounding error."""
    return bool(min(one.ended, other.ended) - max(one.began, other.began) > 0.002)


def _stages(shown: RunView) -> list[dict[str, Any]]:
    sums = shown.seconds_by_stage
    longest = max(sums.values(), default=1.0)
    return [
        {"stage": stage, "seconds": seconds, "width": max(4.0, round(1000 * seconds / longest, 1))}
        for stage, seconds in sums.items()
    ]


def command(shown: RunView) -> str | None:
    """A line for a POSIX shell that runs the same job again; None when it cannot be given safely.

    Every word is quoted. A value with characters that a terminal would act on, or not show, gives no line at all.
    """
    header = shown.header
    if dig(header, "settings", "reasoner") == "recorded":  # `reedit apply` has no such replies
        return None
    photo, request = said(header, "input", "path"), said(header, "instruction")
    words = ["reedit", "apply"]
    for name, flag in _FLAGS.items():
        value = dig(header, "settings", name)
        if isinstance(value, str | int) and not isinstance(value, bool):
            words += [flag, str(value)]
    for name in ("mask", "region", "frame"):
        value = dig(header, "arguments", name)
        if isinstance(value, str | int) and not isinstance(value, bool):
            words += [f"--{name}", str(value)]
    words += ["--", photo, request]
    safe = photo and request and all(printable(word) == word and "\n" not in word for word in words)
    return shlex.join(words) if safe and len(request) <= 2_000 else None
