"""Objects of an object store (s3://, gs://) through fsspec: whole puts and gets, retried, with errors in one line.

Only what every object store has is used: a put makes an object whole or not at all; there is no append, no rename and
no lock.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from agent.batch.records import Stat
from agent.errors import ReeditError, UsageError
from editor.photo.files import printable

SCHEMES = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}
"""scheme -> the extra of this package that has what it needs."""
PAUSES = (0.5, 3.0)
"""Seconds before the second and third attempt of a request; the libraries below try several times in each."""
TRANSFERS = 16
"""Requests at the same time, in each process."""
_FINAL = (FileNotFoundError, FileExistsError, PermissionError, ImportError)
_NO_CREDENTIALS = re.compile(r"credential|anonymous caller", re.IGNORECASE)
_NOT_CONDITIONAL = re.compile(r"not.?implemented|If-None-Match", re.IGNORECASE)

Value = TypeVar("Value")
Item = TypeVar("Item")


class StoreError(ReeditError):
    """The object store cannot be reached, or refuses; the message says which and why."""


def check_url(text: str) -> str:
    """The URL without a slash at the end. Raises UsageError for what is not a place in an object store."""
    scheme, _, rest = text.partition("://")
    if scheme.lower() not in SCHEMES:
        raise UsageError(
            f"{printable(text)}: results go to a folder, or to {' or '.join(('s3://', 'gs://'))}."
        )
    rest = rest.strip("/")
    parts = rest.split("/")
    if not rest or not rest.isprintable() or "::" in rest or any(part in ("", ".", "..") for part in parts):
        raise UsageError(
            f"{printable(text)}: not a place in an object store; write {scheme}://BUCKET/PREFIX."
        )
    return f"{scheme.lower()}://{rest}"


@dataclass(frozen=True, slots=True)
class Objects:
    """The objects below a URL, by their names relative to it. Safe between threads; pickles as its URL.

    Every method raises StoreError for what remains after retries.
    """

    url: str

    def get(self, name: str, most: int | None = None, *, first: bool = False) -> bytes | None:
        """The bytes of an object, `most` of them; None when there is none. With `most` it is one request.

        first: it is the first that the store is asked; not tried again, so that a wrong address is soon told.
        """

        def read(fs: Any, path: str) -> bytes | None:
            try:
                return bytes(fs.cat_file(path) if most is None else fs.cat_file(path, start=0, end=most))
            except FileNotFoundError:
                return None

        return self._try(name, read, again=not first)

    def put(self, name: str, data: bytes) -> None:
        """Make an object, or replace it."""
        self._try(name, lambda fs, path: fs.pipe_file(path, data))

    def create(self, name: str, data: bytes) -> bool:
        """Make an object unless there is one; False when there is. Stores without conditional puts replace it."""

        def write(fs: Any, path: str) -> bool:
            try:
                fs.pipe_file(path, data, mode="create")
            except FileExistsError:
                return False
            except NotImplementedError:
                fs.pipe_file(path, data)
            except OSError as error:
                if not _NOT_CONDITIONAL.search(str(error)):
                    raise
                fs.pipe_file(path, data)
            return True

        return self._try(name, write)

    def put_file(self, name: str, source: Path) -> None:
        """Make an object of a file, or replace it."""
        self._try(name, lambda fs, path: fs.put_file(str(source), path))

    def stat(self, name: str) -> Stat | None:
        """Size and version of an object; None when there is none."""

        def look(fs: Any, path: str) -> Stat | None:
            try:
                info = fs.info(path)
            except FileNotFoundError:
                return None
            return _stat(info) if info["type"] == "file" else None

        return self._try(name, look)

    def list(self, folder: str) -> dict[str, Stat]:
        """The objects directly below a prefix, by name relative to it; {} when there are none."""

        def look(fs: Any, path: str) -> dict[str, Stat]:
            try:
                found = fs.ls(path, detail=True)
            except FileNotFoundError:
                return {}
            return {
                str(info["name"]).rsplit("/", 1)[1]: _stat(info) for info in found if info["type"] == "file"
            }

        return self._try(folder, look)

    def digest(self, name: str) -> str | None:
        """sha256 of an object, read in pieces; None when there is none."""

        def read(fs: Any, path: str) -> str | None:
            try:
                with fs.open(path, "rb") as file:
                    digest = hashlib.sha256()
                    while piece := file.read(1 << 22):
                        digest.update(piece)
                    return digest.hexdigest()
            except FileNotFoundError:
                return None

        return self._try(name, read)

    def delete(self, name: str) -> None:
        """Remove an object; nothing happens when there is none."""

        def remove(fs: Any, path: str) -> None:
            try:
                fs.rm_file(path)
            except FileNotFoundError:
                return

        self._try(name, remove)

    def check_bucket(self) -> None:
        """Raises StoreError when there is no such bucket; one that may not be looked at is taken to be there."""

        def look(fs: Any, path: str) -> None:
            with suppress(PermissionError):
                fs.info(path.partition("/")[0])

        self._try("", look)

    def _try(self, name: str, request: Callable[[Any, str], Value], *, again: bool = True) -> Value:
        fs, root = _file_system(self.url)
        path = f"{root}/{name}" if name else root
        for pause in (*(PAUSES if again else ()), None):
            try:
                return request(fs, path)
            except Exception as error:  # every library has errors of its own; here they become ours
                if pause is None or isinstance(error, _FINAL) or _NO_CREDENTIALS.search(str(error)):
                    raise StoreError(f"{self.url}: {_why(error)}") from error
            time.sleep(pause)
        raise AssertionError("unreachable")


def _why(error: Exception) -> str:
    """What the store said, as half a sentence."""
    said = " ".join(printable(str(error)).split())[:300].rstrip(".") or type(error).__name__
    if isinstance(error, FileNotFoundError):
        return f"there is no such bucket ({said})"
    if _NO_CREDENTIALS.search(said):
        return f"no credentials ({said})"
    if isinstance(error, PermissionError):
        return f"access denied ({said})"
    if isinstance(error, TimeoutError):
        return f"no answer in time ({said})"
    return said


def _stat(info: Mapping[str, Any]) -> Stat:
    """Size and a number that differs between versions of an object, from what an fsspec file system tells of it."""
    names = ("ETag", "etag", "generation", "LastModified", "updated", "created")
    version = next((str(info[name]).strip('"') for name in names if info.get(name)), "")
    return int(info["size"]), int.from_bytes(hashlib.sha256(version.encode()).digest()[:7]), 0


_LOCK = threading.Lock()


def _file_system(url: str) -> tuple[Any, str]:
    with _LOCK:  # so that threads do not each make one
        return _make_file_system(url)


@lru_cache(maxsize=16)
def _make_file_system(url: str) -> tuple[Any, str]:
    extra = SCHEMES.get(url.partition("://")[0], "s3")
    try:
        import fsspec

        for name in ("gcsfs", "s3fs"):  # what goes wrong comes back as an error; no more than that is said
            logging.getLogger(name).setLevel(logging.ERROR)
        fs, root = fsspec.url_to_fs(url, use_listings_cache=False)
    except ImportError:
        raise UsageError(f'{url} needs one more package: pip install "reedit[{extra}]"') from None
    except Exception as error:
        raise StoreError(f"{url}: {_why(error)}") from error
    return fs, str(root).rstrip("/")


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(TRANSFERS, thread_name_prefix="reedit-store")


def at_once(work: Callable[[Item], Value], items: Iterable[Item]) -> list[Value]:
    """The results of several requests at the same time, in order. When all have ended, raises what one raised."""
    futures = [_pool().submit(work, item) for item in items]
    wait(futures)
    return [future.result() for future in futures]
