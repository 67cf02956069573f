"""Models and adapters from the Hugging Face hub: the files that are read and no others, once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from editor.base import EditorUnavailable, Status

MODEL = {"allow_patterns": ["*.json", "*/*.safetensors", "*.txt", "*.model", "*.jinja"]}
"""Files of a diffusers model. Weights beside its folders are the same once more, as one file for other programs."""
ADAPTER = {"allow_patterns": ["*.safetensors"], "ignore_patterns": ["*/*"]}
"""The file of an adapter that is named by its repository."""
FOLDER_HELPS = "give a folder with --editor-model DIR, or download it"
_SPARE_DISK = 1 << 30
_BUSY = 429
_Answer = tuple[str | None, dict[str, int]]
_answers: ContextVar[dict[tuple[str, str | None], _Answer]] = ContextVar("answers")
"""What the hub said of a repository at a revision, see `asked_once`."""


def snapshot(
    repo: str,
    revision: str | None,
    wanted: dict[str, list[str]],
    offline: str = FOLDER_HELPS,
    status: Status | None = None,
) -> Path:
    """The folder of a repository's wanted files; what is not in the cache is downloaded, which `status` is told of.

    offline: what helps without a network. Raises EditorUnavailable, and what `status` raises.
    """
    from huggingface_hub import hf_hub_download, snapshot_download

    with _errors(repo, offline):
        commit, files = _published(repo, revision, wanted)
        missing = _missing(repo, commit, files)
        _check_disk(repo, sum(missing.values()))
    # one after the other, in this thread: Ctrl-C would wait for the files of the client's own threads
    for words, name in _told(missing):
        if status:
            status(words)
        with _errors(repo, offline):
            hf_hub_download(repo, name, revision=commit)
    with _errors(repo, offline):
        # by the revision as given, so that the cache knows what it meant when there is no network
        return Path(snapshot_download(repo, revision=revision, local_files_only=commit is None, **wanted))


def sizes(repo: str, revision: str | None, wanted: dict[str, list[str]]) -> dict[str, int]:
    """Bytes of a repository's wanted files by name; none when the hub cannot be asked. Raises EditorUnavailable."""
    with _errors(repo, FOLDER_HELPS):
        return _published(repo, revision, wanted)[1]


def file(repo: str, name: str, revision: str | None, offline: str = FOLDER_HELPS) -> Path:
    """One file of a repository, downloaded when it is not in the cache. Raises EditorUnavailable."""
    from huggingface_hub import hf_hub_download

    with _errors(repo, offline):
        commit, files = _published(repo, revision, {})
        if commit is not None and name not in files:
            raise EditorUnavailable(f"{repo} on the hub has no {name}.")
        _check_disk(repo, sum(_missing(repo, commit, {name: files.get(name, 0)}).values()))
        return Path(hf_hub_download(repo, name, revision=revision, local_files_only=commit is None))


def download(repo: str, revision: str) -> str:
    """The line that downloads a model and shows how far it is."""
    # of the patterns, those that every model needs
    return f'hf download {repo} --revision {revision} --include "*/*" --include "*.json"'


def in_cache(repo: str, revision: str, name: str) -> bool:
    """Whether a file of a repository is on this disk at a commit; asks neither the hub nor its client."""
    home = Path(
        os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    )
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub").expanduser()
    return any(_held(cache, repo, revision).glob(name))


def _held(cache: Path, repo: str, commit: str | None) -> Path:
    """Where a cache of the hub's client has the files of a commit."""
    return cache / f"models--{repo.replace('/', '--')}" / "snapshots" / str(commit)


def _published(repo: str, revision: str | None, wanted: dict[str, list[str]]) -> _Answer:
    """The commit that a revision means now, and the bytes of its wanted files by name.

    None and nothing when the hub cannot be asked, or has no time: then the cache must do.
    """
    from huggingface_hub.utils import filter_repo_objects

    answers = _answers.get({})
    if (repo, revision) not in answers:
        answers[repo, revision] = _ask(repo, revision)
    commit, files = answers[repo, revision]
    return commit, {name: files[name] for name in filter_repo_objects(files, **wanted)}


@contextmanager
def asked_once() -> Iterator[None]:
    """Inside, the hub is asked for a repository once: all goes by one answer, and no silence is waited for twice."""
    token = _answers.set({})
    try:
        yield
    finally:
        _answers.reset(token)


def _ask(repo: str, revision: str | None) -> _Answer:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        info = HfApi().model_info(repo, revision=revision, files_metadata=True, timeout=20)
    except HFValidationError:
        raise
    except HfHubHTTPError as error:
        if error.response.status_code < 500 and error.response.status_code != _BUSY:
            raise  # it did answer: no such model, no access
        return None, {}
    except Exception:  # no network, in whatever way the client's own library says so
        return None, {}
    return info.sha, {each.rfilename: each.size or 0 for each in info.siblings or ()}


def _missing(repo: str, commit: str | None, files: dict[str, int]) -> dict[str, int]:
    """Those of a commit's files that are not in the cache, and their bytes."""
    from huggingface_hub import constants

    held = _held(Path(constants.HF_HUB_CACHE), repo, commit)
    return {name: size for name, size in files.items() if not (held / name).exists()}


def _told(missing: dict[str, int]) -> Iterator[tuple[str, str]]:
    """What to say before each file, and the file: the smallest first."""
    done, total = 0, sum(missing.values())
    for name, size in sorted(missing.items(), key=lambda each: each[1]):
        yield f"downloading: {done / 1e9:.1f} of {total / 1e9:.1f} GB", name
        done += size


def _check_disk(repo: str, rest: int) -> None:
    """rest: bytes still to come."""
    from huggingface_hub import constants

    place = Path(constants.HF_HUB_CACHE)
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if rest and rest + _SPARE_DISK > free:
        raise EditorUnavailable(
            f"{repo} takes {rest / 1e9:.0f} GB more and {place} has {free / 1e9:.0f} GB free; set HF_HOME to a "
            "larger disk."
        )


@contextmanager
def _errors(repo: str, offline: str) -> Iterator[None]:
    """What the hub's client raises, as EditorUnavailable with the line that helps. offline: what helps there."""
    from huggingface_hub import errors

    try:
        with _quiet():
            yield
    except EditorUnavailable:
        raise
    except errors.GatedRepoError:
        raise EditorUnavailable(
            f"{repo} is gated: accept its terms at https://huggingface.co/{repo}, then log in with `hf auth login` "
            "or set HF_TOKEN."
        ) from None
    except errors.RevisionNotFoundError:
        raise EditorUnavailable(f"{repo} has no such revision.") from None
    except errors.RepositoryNotFoundError:
        raise EditorUnavailable(
            f"The hub has no model {repo}, or it is private: check the name, or set HF_TOKEN."
        ) from None
    except errors.LocalEntryNotFoundError:
        raise EditorUnavailable(
            f"{repo} is not on this disk and the hub cannot be reached; {offline} where there is a network."
        ) from None
    except errors.HFValidationError:
        raise EditorUnavailable(f"{repo} is no name on the hub; names are written ORG/NAME.") from None
    except errors.HfHubHTTPError as error:
        refused = (
            "; check HF_TOKEN, or log in with `hf auth login`" if error.response.status_code == 401 else ""
        )
        raise EditorUnavailable(f"The hub failed for {repo}: {str(error).splitlines()[0]}{refused}") from None
    except Exception as error:  # a boundary: a connection that ends is told in each client's own way
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise EditorUnavailable(f"{repo} could not be downloaded: {first}; run it again to go on.") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """No bars and no retries of the client's on stderr, which shows the run's own progress or belongs to a script."""
    from huggingface_hub import constants
    from huggingface_hub.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
        logging,
    )

    level, bars = logging.get_verbosity(), not are_progress_bars_disabled()
    mine = bars and constants.HF_HUB_DISABLE_PROGRESS_BARS is None  # else the user has decided
    logging.set_verbosity_error()
    if mine:
        disable_progress_bars()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if mine:
            enable_progress_bars()
