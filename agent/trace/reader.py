"""Reading run folders, also those of a run that died or of another version."""

from __future__ import annotations

import errno
import json
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from agent.errors import TraceError
from agent.trace.places import refuse_url
from agent.trace.records import EVENT_TYPES, EVENTS, SCHEMA, Event, ImageRef, Unknown

_MAJOR = int(SCHEMA.rpartition("/")[2])


@dataclass(frozen=True)
class Run:
    """A run folder, read lazily. A torn last line is left out; unknown events come as `Unknown`."""

    path: Path

    @property
    def id(self) -> str:
        """Name of the folder."""
        return self.path.name

    @cached_property
    def header(self) -> dict[str, Any]:
        """run.json. Raises TraceError when it is missing, broken or of a newer major version."""
        header = _read_json(self.path / "run.json")
        if header is None:
            raise TraceError(f"{self.path} is not a run folder: it has no run.json.")
        _check_version(header, self.path)
        return header

    @cached_property
    def result(self) -> dict[str, Any] | None:
        """result.json, or None when the run was cut off before its end."""
        return _read_json(self.path / "result.json")

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """All whole events, in order."""
        return tuple(self._read_events())

    def image(self, ref: ImageRef) -> Path:
        """Where a picture lies. Raises TraceError if the name points out of the run folder."""
        try:
            target = (self.path / ref.path).resolve()
        except (OSError, ValueError, RuntimeError) as error:  # a NUL, a lone surrogate, links in a circle
            raise TraceError(f"{self.path}: an event names a picture that cannot be: {error}") from error
        if not target.is_relative_to(self.path.resolve()):
            raise TraceError(f"{self.path}: an event names a picture outside of the run folder.")
        return target

    @property
    def status(self) -> str:
        """delivered, failed, interrupted, or "cut off" when the process died."""
        return str(self.result.get("status", "?")) if self.result else "cut off"

    @property
    def tag(self) -> str:
        """The verdict on what was delivered, or "" when nothing was."""
        return str((self.result or {}).get("tag") or "")

    def salvage(self) -> tuple[list[Event], list[str]]:
        """All events that can be read, in the order of their numbers, and what is wrong with the rest.

        For showing a run that was damaged: nothing is raised for a broken line or a missing file.
        """
        found: list[Event] = []
        faults: list[str] = []
        try:
            for number, event in self._lines():
                if isinstance(event, Exception):
                    faults.append(f"events.jsonl line {number} is broken: {_reason(event)}")
                else:
                    found.append(event)
        except TraceError as error:
            faults.append(str(error))
        ordered = sorted(found, key=lambda event: event.seq)
        if ordered != found:
            faults.append("the events are not in the order of their numbers")
        return ordered, faults

    def _read_events(self) -> Iterator[Event]:
        for number, event in self._lines():
            if isinstance(event, Exception):
                message = f"{self.path}/events.jsonl line {number} is broken: {_reason(event)}"
                raise TraceError(message) from event
            yield event

    def _lines(self) -> Iterator[tuple[int, Event | Exception]]:
        """Every whole line with its number from 1, as an event or as what is wrong with it."""
        try:
            data = read_regular(self.path / "events.jsonl")
        except OSError as error:
            raise TraceError(f"Cannot read the events of {self.path}: {error.strerror}") from error
        whole, _, _torn = data.rpartition(b"\n")
        for number, line in enumerate(whole.split(b"\n"), 1):
            if not line.strip():
                continue
            try:
                yield number, _parse(json.loads(line))
            except (ValueError, RecursionError) as error:  # pydantic's ValidationError is a ValueError
                yield number, error


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _parse(record: Any) -> Event:
    kind = record.get("event") if isinstance(record, dict) else None
    if isinstance(kind, str) and kind in EVENT_TYPES:
        event: Event = EVENTS.validate_python(record)
        return event
    return Unknown.model_validate(record)


def _check_version(header: dict[str, Any], path: Path) -> None:
    name, _, version = str(header.get("schema", "")).rpartition("/")
    if name != SCHEMA.rpartition("/")[0] or not version.split(".")[0].isdigit():
        raise TraceError(f"{path} is not a run of reedit: its schema is {header.get('schema')!r}.")
    if int(version.split(".")[0]) > _MAJOR:
        raise TraceError(
            f"{path} was written by a newer reedit ({header['schema']}); this one reads {SCHEMA}."
        )


def read_regular(path: Path) -> bytes:
    """All of a file. Raises OSError, also for a pipe, which would be waited for, and for a device."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    return path.read_bytes()


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(read_regular(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TraceError(f"Cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise TraceError(f"{path} is broken: {error}") from error
    if not isinstance(value, dict):
        raise TraceError(f"{path} is broken: not a JSON object")
    return value


def list_runs(root: Path) -> list[Run]:
    """The run folders below `root`, oldest first (ids begin with the time)."""
    if not root.is_dir():
        return []
    return [Run(path) for path in sorted(root.iterdir()) if (path / "run.json").is_file()]


def find_run(root: Path, name: str) -> Run:
    """The run called `name`: "last", an id, the unambiguous beginning or end of one, or a path to a folder.

    Raises TraceError when there is none or more than one, UsageError for a URL.
    """
    refuse_url(name)
    as_path = Path(name)
    if (as_path / "run.json").is_file():
        return Run(as_path)
    runs = list_runs(root)
    if not runs:
        raise TraceError(
            f"There are no runs in {root}. Runs appear there after reedit apply; --runs names another place."
        )
    if name == "last":
        return runs[-1]
    exact = [run for run in runs if run.id == name]
    close = exact or [run for run in runs if run.id.startswith(name) or run.id.endswith(name)]
    if not close:
        raise TraceError(f"No run in {root} is called {name!r}; reedit trace list shows them.")
    if len(close) > 1:
        raise TraceError(
            f"{name!r} fits {len(close)} runs in {root}: {', '.join(run.id for run in close[:5])}."
        )
    return close[0]
