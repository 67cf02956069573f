"""URLs where a folder of runs is meant: what lies in an object store is copied before it is read."""

from __future__ import annotations

import re

from agent.errors import UsageError

_COPY = {
    "s3": "aws s3 sync {} runs", "s3a": "aws s3 sync {} runs", "gs": "gcloud storage rsync -r {} runs",
    "gcs": "gcloud storage rsync -r {} runs",
}  # fmt: skip


def is_url(text: str) -> bool:
    """Whether this names an object store or a server rather than a folder."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text) is not None


def copy_line(text: str) -> str | None:
    """The command that copies run folders from an object store into runs/; None for anything else."""
    scheme, _, rest = text.partition("://")
    command = _COPY.get(scheme.lower()) if is_url(text) else None
    tool = "gs" if scheme.lower().startswith("g") else "s3"
    return command and command.format(f"{tool}://{rest}")


def refuse_url(text: str) -> None:
    """Raises UsageError for a URL, with the command that brings what is there here."""
    if is_url(text):
        copy = copy_line(text)
        advice = f"copy it first: {copy}" if copy else "give a folder"
        raise UsageError(f"{text}: run folders are read and written in a folder of this machine; {advice}")
