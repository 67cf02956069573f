"""Reading a manifest: CSV, JSONL, YAML, a folder of photos, or JSONL on stdin; checked whole before any edit."""

from __future__ import annotations

import csv
import difflib
import io
import json
import string
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from pydantic import TypeAdapter, ValidationError

from agent.batch import naming
from agent.batch.jobs import JOB_OPTIONS, PER_JOB_SETTINGS, BatchJob
from agent.config import Settings
from agent.errors import ReeditError, UsageError
from agent.instruction import clean_instruction
from agent.trace.places import is_url
from editor.photo.files import FORMATS, printable

COLUMNS = ("image", "instruction", "id", "output", "mask", "region", *JOB_OPTIONS, *PER_JOB_SETTINGS)
LARGEST_LINE = 1 << 20
Row: TypeAlias = tuple[int, dict[str, Any]]
"""A line number, from 1, and what stands there by column."""


class ManifestError(UsageError):
    """A manifest is wrong. `faults`: one sentence for each thing, with its line."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(slots=True)
class _Reading:
    """What is known while a manifest is read."""

    where: Path
    """Relative paths start here."""
    out: Path
    settings: Settings
    template: string.Template
    faults: list[tuple[int, str]] = field(default_factory=list)
    jobs: list[tuple[int, dict[str, Any]]] = field(default_factory=list)

    def fault(self, line: int, words: str) -> None:
        self.faults.append((line, printable(words)))

    def told(self) -> list[str]:
        """The faults in the order of the lines; a folder has none."""
        ordered = sorted(self.faults, key=lambda fault: fault[0])
        return [f"line {line}: {words}" if line else words for line, words in ordered]


def read(
    source: str, out: Path, settings: Settings, *, instruction: str | None = None, template: str | None = None
) -> list[BatchJob]:
    """The jobs of a manifest, in its order.

    source: a file (.csv .tsv .jsonl .ndjson .yaml .yml), a folder of photos, or "-" for JSONL on stdin. instruction:
    for rows without one; a folder needs it. template: of the outputs' names, for rows without one (default "$id").
    Raises ManifestError with every fault, UsageError when there is no manifest at all.
    """
    where = Path.cwd() if source == "-" else (Path(source) if Path(source).is_dir() else Path(source).parent)
    reading = _Reading(where, out, settings, _template(template))
    if instruction is not None:
        instruction = clean_instruction(instruction)
    elif source != "-" and Path(source).is_dir():
        raise UsageError("A folder of photos needs --instruction: what to do with each of them.")
    try:
        for line, row in _rows(source):
            _check_row(reading, line, row, instruction)
    except _Broken as broken:
        reading.fault(*broken.args)
    jobs = _named(reading)
    if reading.faults:
        raise ManifestError(reading.told())
    if not jobs:
        raise ManifestError(["there are no jobs in it."])
    return jobs


class _Broken(Exception):
    """The manifest cannot be read beyond this point: line, why."""


def _template(text: str | None) -> string.Template:
    try:
        return naming.check_template(text or "$id")
    except ValueError as error:
        raise UsageError(f"--template: {error}.") from None


# rows ---------------------------------------------------------------------------------------------------


def _rows(source: str) -> Iterator[Row]:
    if source == "-":
        yield from _jsonl(_text(source, _stdin))
        return
    path = Path(source)
    if path.is_dir():
        yield from _folder(path)
        return
    readers = {
        ".csv": _csv, ".tsv": _tsv, ".jsonl": _jsonl, ".ndjson": _jsonl, ".yaml": _yaml, ".yml": _yaml,
    }  # fmt: skip
    reader = readers.get(path.suffix.lower())
    name = printable(source)
    if not path.exists():
        raise UsageError(f"{name}: no such file or folder")
    if reader is None:
        raise UsageError(f"{name}: a manifest is a folder, or ends in {' '.join(readers)}.")
    yield from reader(_text(name, lambda: path.read_text(encoding="utf-8-sig")))


def _text(name: str, read: Callable[[], str]) -> str:
    """What `read` reads. Raises UsageError when it cannot."""
    try:
        return read()
    except OSError as error:
        raise UsageError(f"{name}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: not UTF-8 text ({error.reason} at byte {error.start:,}).") from None


def _stdin() -> str:
    if isinstance(sys.stdin, io.TextIOWrapper):  # a manifest is UTF-8, whatever the locale is
        sys.stdin.reconfigure(encoding="utf-8-sig", errors="strict")
    return sys.stdin.read()


def _folder(path: Path) -> Iterator[Row]:
    names = sorted(p.name for p in path.iterdir() if p.suffix.lower() in FORMATS and p.is_file())
    for name in names:
        yield 0, {"image": name}


def _csv(text: str, delimiter: str = ",") -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if not any(header):
            raise _Broken(1, "the first line must name the columns")
        for name in header:
            if header.count(name) > 1:
                raise _Broken(1, f"the column {name!r} is there twice")
        unknown = [_unknown(name) for name in header if name not in COLUMNS]
        if unknown:
            raise _Broken(1, "; ".join(unknown))
        before = reader.line_num
        for cells in reader:
            line, before = before + 1, reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(header):
                yield (
                    line,
                    {"\0": f"{len(cells)} cells under {len(header)} columns; quote cells with a comma"},
                )
                continue
            yield line, {k: v.strip() for k, v in zip(header, cells, strict=False) if v.strip()}
    except csv.Error as error:
        raise _Broken(reader.line_num, f"not valid CSV: {error}") from None


def _tsv(text: str) -> Iterator[Row]:
    return _csv(text, "\t")


def _jsonl(text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            if len(line) > LARGEST_LINE:
                raise ValueError("the line is too long")
            row = json.loads(line, object_pairs_hook=_unique)
        except (ValueError, RecursionError) as error:
            yield number, {"\0": f"not valid JSON: {error}"}
            continue
        yield number, row if isinstance(row, dict) else {"\0": "not a JSON object"}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise ValueError("a column is there twice")
    return row


def _yaml(text: str) -> Iterator[Row]:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise _Broken(line, f"not valid YAML: {getattr(error, 'problem', error)}") from None
    if not isinstance(root, yaml.SequenceNode):
        raise _Broken(1, "a YAML manifest is a list of jobs, each with image and instruction")
    loader = yaml.SafeLoader("")
    for node in root.value:
        line = node.start_mark.line + 1
        if not isinstance(node, yaml.MappingNode):
            yield line, {"\0": "not a job: name its image and instruction"}
            continue
        names = [key.value for key, _ in node.value]
        if any(not isinstance(value, yaml.ScalarNode) for pair in node.value for value in pair):
            yield line, {"\0": "a job has plain values only"}
        elif len(set(names)) < len(names):
            yield line, {"\0": "a column is there twice"}
        else:
            try:
                row = {key.value: loader.construct_object(value) for key, value in node.value}
            except (yaml.YAMLError, ValueError) as error:  # a tag of Python's; the 13th month
                row = {"\0": f"not valid YAML: {getattr(error, 'problem', error)}"}
            yield line, row


# checking -----------------------------------------------------------------------------------------------


def _unknown(name: str) -> str:
    if name in Settings.model_fields:
        return f"{name!r} is set for the whole batch, with an option, not by a manifest"
    near = difflib.get_close_matches(name, COLUMNS, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"columns are {', '.join(COLUMNS)}"
    return f"unknown column {name!r}; {hint}"


def _check_row(reading: _Reading, line: int, row: dict[str, Any], instruction: str | None) -> None:
    """Validate one row into reading.jobs; every fault it has goes to reading.faults."""
    if "\0" in row:
        reading.fault(line, row["\0"])
        return
    faults = [_unknown(str(name)) for name in row if name not in COLUMNS]
    made: dict[str, Any] = {}
    given = {name: row[name] for name in COLUMNS if row.get(name) not in (None, "")}
    if instruction is not None:
        given.setdefault("instruction", instruction)
    for name in ("image", "instruction"):
        if name not in given:
            faults.append(f"{name} is missing")
    for name, value in given.items():
        try:
            made[name] = _value(reading, name, value)
        except (ValueError, ReeditError) as error:
            faults.append(f"{name}: {error}")
    if "mask" in made and "region" in made:
        faults.append("give either a mask or a region, not both")
    for words in faults:
        reading.fault(line, words)
    if not faults:
        reading.jobs.append((line, made))


_OPTIONS: dict[str, TypeAdapter[Any]] = {
    "frame": TypeAdapter(int), "salvage": TypeAdapter(bool), "quality": TypeAdapter(int),
}  # fmt: skip


def _value(reading: _Reading, name: str, value: Any) -> Any:
    """One cell. Raises ValueError or UsageError with a sentence."""
    if name in PER_JOB_SETTINGS:
        try:
            return getattr(Settings.model_validate(reading.settings.model_dump() | {name: value}), name)
        except ValidationError as error:
            raise ValueError(_first(error)) from None
    if name in JOB_OPTIONS:
        try:
            made = _OPTIONS[name].validate_python(value)
        except ValidationError as error:
            raise ValueError(_first(error)) from None
        if (name == "frame" and made < 0) or (name == "quality" and not 1 <= made <= 100):
            raise ValueError(f"{made} is out of range")
        return made
    if name == "id" and isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError("must be text")
    if name in ("image", "mask"):
        return _file(reading.where, value)
    if name == "instruction":
        return clean_instruction(value)
    if name == "id":
        return naming.check_id(value)
    if name == "output":
        return naming.check_output(value, reading.out)
    from editor.builtin.grammar import parse_region

    parse_region(value)
    return value


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{first['msg']} (got {first['input']!r})"


def _file(where: Path, text: str) -> Path:
    if "\0" in text:
        raise ValueError("not a possible file name")
    if is_url(text):
        raise ValueError("a manifest names files, not URLs; mount the bucket, or copy them")
    try:
        path = (where / text).absolute()
        if not path.is_file():
            raise ValueError(f"{path} is a folder" if path.is_dir() else f"there is no file {path}")
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    return path


def _named(reading: _Reading) -> list[BatchJob]:
    """Ids and outputs for all; the same one twice is a fault."""
    ids: dict[str, int] = {}
    outputs: dict[str, int] = {}
    inputs = {path.resolve() for _, row in reading.jobs for path in (row["image"], row.get("mask")) if path}
    given = {row["id"] for _, row in reading.jobs if "id" in row}
    made = naming.default_ids([row["image"] for _, row in reading.jobs if "id" not in row], given)
    jobs = []
    for line, row in reading.jobs:
        job_id = row.get("id") or next(made)
        output = row.get("output") or naming.fill(reading.template, job_id, row["image"], row["instruction"])
        try:
            output = naming.check_output(output, reading.out)
            if (reading.out / output).resolve() in inputs:
                raise ValueError(f"{output} is an input; choose another output folder")
            _once(ids, naming.folded(job_id), line, f"the id {job_id!r}")
            _once(outputs, naming.folded(output), line, f"the output {output!r}")
        except ValueError as error:
            reading.fault(line, f"{printable(row['image'].name)}: {error}")
        jobs.append(
            BatchJob(
                job_id, row["image"], row["instruction"], output, row.get("mask"), row.get("region"),
                tuple((name, row[name]) for name in JOB_OPTIONS if name in row),
                tuple((name, row[name]) for name in PER_JOB_SETTINGS if name in row),
            )
        )  # fmt: skip
    return jobs


def _once(seen: dict[str, int], key: str, line: int, what: str) -> None:
    if key in seen:
        before = f" in line {seen[key]}" if seen[key] else ""
        raise ValueError(f"{what} is taken{before}")
    seen[key] = line
