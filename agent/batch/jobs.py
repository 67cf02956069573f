"""One job of a batch, and the key that says whether a result on disk is still its result."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from agent import session
from agent.config import Settings

CODE_SCHEMA = 1
"""Part of every key. Raised when the same job would give another picture, so that old results are made again."""
NOT_IN_KEY = frozenset({
    "runs", "keep", "max_megapixels", "vlm_url", "vlm_timeout", "vlm_wait", "editor_url", "editor_timeout", "memory",
    "previews", "device",
})  # fmt: skip
"""Settings that decide where and whether a job runs and what is kept of it, not what comes out."""
JOB_OPTIONS = ("frame", "salvage", "quality")
PER_JOB_SETTINGS = (
    "seed",
    "rounds",
    "steps",
    "preserve",
    "keep",
    "max_megapixels",
    "reflection",
    "vlm_max_pixels",
)
"""Settings that a manifest may give a job. Never a URL, a path, an editor: a manifest may come from anyone."""


@dataclass(frozen=True, slots=True)
class BatchJob:
    """A validated row of a manifest. output: relative to the output folder, with forward slashes."""

    id: str
    image: Path
    instruction: str
    output: str
    mask: Path | None = None
    region: str | None = None
    options: tuple[tuple[str, Any], ...] = ()
    """Of JOB_OPTIONS, as given."""
    overrides: tuple[tuple[str, Any], ...] = ()
    """Of PER_JOB_SETTINGS, as given and validated."""

    def settings(self, base: Settings) -> Settings:
        """The batch's settings with this job's own."""
        return base.model_copy(update=dict(self.overrides)) if self.overrides else base

    def session_job(self, folder: Path, url: str | None = None) -> session.Job:
        """What `session.run` takes. The batch has made sure that the output may be replaced.

        url: where the output goes from the folder.
        """
        return session.Job(
            photo=self.image, instruction=self.instruction, output=folder / self.output, overwrite=True,
            mask=self.mask, region=self.region, delivered_to=url and f"{url}/{self.output}", **dict(self.options),
        )  # fmt: skip

    def settings_digest(self, base: Settings) -> str:
        """sha256 over everything but the request and the pictures that decides the result."""
        own = dict(self.overrides)
        made: dict[str, Any] = {"code": CODE_SCHEMA, "region": self.region, **dict(self.options)}
        made["settings"] = {**_canonical(base), **{k: v for k, v in own.items() if k not in NOT_IN_KEY}}
        return hashlib.sha256(json.dumps(made, sort_keys=True, default=str).encode()).hexdigest()


def job_key(input_sha256: str, instruction: str, mask_sha256: str | None, settings_digest: str) -> str:
    """The key of a job: the same key means the same result."""
    parts = json.dumps([input_sha256, instruction, mask_sha256, settings_digest])
    return hashlib.sha256(parts.encode()).hexdigest()


@lru_cache(maxsize=8)
def _canonical(settings: Settings) -> dict[str, Any]:
    plain = settings.model_dump(mode="json", exclude=set(NOT_IN_KEY))
    if settings.prompts is not None:  # what the templates say matters, not where they lie
        plain["prompts"] = _folder_digest(settings.prompts)
    return plain


def _folder_digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.y*ml")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
