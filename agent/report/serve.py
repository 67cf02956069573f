"""The gallery of a folder that is still growing, on 127.0.0.1 only."""

from __future__ import annotations

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from agent.errors import TraceError, UsageError
from agent.report.gallery import card, gallery_page, make_thumbnail
from agent.report.page import Album, render
from agent.report.safe import file_name
from agent.trace.reader import Run, list_runs
from agent.trace.view import view

HOST = "127.0.0.1"


def serve(root: Path, port: int = 0) -> Server:
    """A server for `root`, bound and ready; call serve_forever. port 0: a free one. Raises UsageError."""
    try:
        return Server(root, port)
    except OSError as error:
        raise UsageError(f"Cannot listen on {HOST}:{port}: {error.strerror or error}.") from error


class Server(ThreadingHTTPServer):
    """Serves the gallery, pages, thumbnails and news. Addresses are looked up, never joined to a path."""

    daemon_threads = True

    def __init__(self, root: Path, port: int) -> None:
        super().__init__((HOST, port), _Handler)
        self.root = root
        self._lock = threading.Lock()
        self._cards: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {}
        self._thumbs: dict[str, tuple[tuple[int, int], bytes | None]] = {}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle of a page is no error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        return f"http://{HOST}:{self.server_address[1]}/"

    def cards(self) -> list[dict[str, Any]]:
        """A card for every run there is now; those that did not change are not read again."""
        with self._lock:
            found = []
            fresh = {}
            for run in list_runs(self.root):
                state = _state(run)
                known = self._cards.get(run.id)
                if known is None or known[0] != state:
                    try:
                        known = (state, card(view(run)) | {"thumb": True})
                    except TraceError:
                        continue
                fresh[run.id] = known
                found.append(known[1])
            self._cards = fresh
            return found

    def run(self, name: str) -> Run | None:
        """The run behind a name that a page was given."""
        if (
            file_name(name) == name and (self.root / name / "run.json").is_file()
        ):  # a plain name: no separators
            return Run(self.root / name)
        return next((run for run in list_runs(self.root) if file_name(run.id) == name), None)

    def thumb(self, run: Run) -> bytes | None:
        """Its thumbnail, made once for each state of the run."""
        state = _state(run)
        known = self._thumbs.get(run.id)
        if known is None or known[0] != state:
            known = self._thumbs[run.id] = (state, make_thumbnail(view(run)))
        return known[1]


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer with a page, a picture or the news."""
        # another site's name that was made to point here (DNS rebinding) is not ours
        host = (self.headers.get("Host") or "").partition(":")[0]  # without a port where that is 80
        if host not in (HOST, "localhost"):
            return self._send(403, "text/plain", b"wrong host")
        path = unquote(self.path.partition("?")[0])
        try:
            found = self._answer(path)
        except (TraceError, OSError):
            found = None
        if found is None:
            return self._send(404, "text/plain; charset=utf-8", b"not found")
        return self._send(200, *found)

    def _answer(self, path: str) -> tuple[str, bytes] | None:
        if path == "/":
            return "text/html; charset=utf-8", gallery_page(self.server.cards(), "", live=True).encode()
        if path == "/cards.json":
            return "application/json", json.dumps(self.server.cards()).encode()
        folder, _, name = path.removeprefix("/").partition("/")
        if folder == "runs" and (run := self.server.run(name.removesuffix(".html"))):
            return "text/html; charset=utf-8", render(view(run), Album(run), back="/").encode()
        if folder == "thumbs" and (run := self.server.run(name.removesuffix(".jpg"))):
            small = self.server.thumb(run)
            return None if small is None else ("image/jpeg", small)
        return None

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing about every request."""


def _state(run: Run) -> tuple[int, int]:
    """Changes with every event and with the end of a run."""
    sizes = []
    for name in ("events.jsonl", "result.json"):
        try:
            sizes.append(os.stat(run.path / name).st_size)  # noqa: PTH116 - ten thousand times
        except OSError:
            sizes.append(-1)
    return sizes[0], sizes[1]
