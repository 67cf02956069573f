"""An editing server in this process whose every reply, or fault, is scripted. Real sockets."""

from __future__ import annotations

import base64
import email
import email.policy
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from PIL import Image as PILImage

from tests.fake_vlm import reply, reply_json

Action = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Form:
    """A multipart form as received: texts, and files as arrays."""

    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, np.ndarray] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    path: str = ""

    @property
    def image(self) -> np.ndarray:
        return self.files["image"]

    @property
    def size(self) -> tuple[int, int]:
        wide, _, high = self.fields["size"].partition("x")
        return int(wide), int(high)


class FakeEditor:
    """Serves /v1/models and /v1/images/edits.

    script: for each edit in turn a picture (array), a reply (dict), an action, or a callable that takes the Form and
    returns one of these; the last repeats. owner: who owns the model listed; None = no /models.
    """

    def __init__(self, *script: Any, owner: str | None = "vllm") -> None:
        self.script: Sequence[Any] = script or (tinted,)
        self.owner = owner
        self.forms: list[Form] = []
        self.gets: list[tuple[str, dict[str, str]]] = []
        self.pictures: dict[str, np.ndarray] = {}
        """path -> what a GET of it brings"""
        self._connections: list[socket.socket] = []
        self._server = _server(self)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def answer(self, to: BaseHTTPRequestHandler, form: Form) -> None:
        self.forms.append(form)
        step = self.script[min(len(self.forms) - 1, len(self.script) - 1)]
        if getattr(step, "takes_form", False):
            step = step(form)
        if callable(step):
            step(to)
        else:
            reply_json(to, step if isinstance(step, dict) else answer(step))

    def __enter__(self) -> FakeEditor:
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        self._thread.join()


def _server(fake: FakeEditor) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            fake.gets.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            if self.path.endswith("/models") and fake.owner is not None:
                reply_json(self, {"data": [{"id": "tiny", "owned_by": fake.owner}]})
            elif self.path == "/v1/images/edits":
                reply_json(self, {"error": {"message": "not allowed"}}, 405)
            elif self.path in fake.pictures:
                reply(self, png(fake.pictures[self.path]), content_type="image/png")
            else:
                reply_json(self, {"error": {"message": "not found"}}, 404)

        def do_POST(self) -> None:
            fake.answer(self, _form(self))

        def log_message(self, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def process_request(self, request: Any, client_address: Any) -> None:
            fake._connections.append(request)
            super().process_request(request, client_address)

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # clients that hang up are part of the tests

    return Server(("127.0.0.1", 0), Handler)


def _form(request: BaseHTTPRequestHandler) -> Form:
    data = request.rfile.read(int(request.headers["content-length"]))
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    form = Form(headers={k.lower(): v for k, v in request.headers.items()}, path=request.path)
    for part in email.message_from_bytes(head + data, policy=email.policy.HTTP).iter_parts():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if part.get_filename():
            form.files[name] = np.array(PILImage.open(io.BytesIO(payload)))
        else:
            form.fields[name] = payload.decode()
    return form


def takes_form(function: Callable[[Form], Any]) -> Callable[[Form], Any]:
    function.takes_form = True  # type: ignore[attr-defined]
    return function


@takes_form
def tinted(form: Form) -> np.ndarray:
    """What a model might do: redder everywhere, a little different with each seed."""
    rng = np.random.default_rng(int(form.fields.get("seed", 0)))
    noise = rng.integers(0, 12, (*form.image.shape[:2], 1))
    return np.clip(form.image[..., :3] + np.array([60, -20, -20]) + noise, 0, 255).astype(np.uint8)


@takes_form
def echoed(form: Form) -> np.ndarray:
    return form.image[..., :3]


def png(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    PILImage.fromarray(picture).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def answer(picture: np.ndarray) -> dict[str, Any]:
    return {"created": 1, "data": [{"b64_json": base64.b64encode(png(picture)).decode()}]}


def hang(to: BaseHTTPRequestHandler) -> None:
    """No answer for a long time."""
    time.sleep(30)


def drip(to: BaseHTTPRequestHandler) -> None:
    """A whole answer, a byte every 50 ms: no single read is ever slow."""
    data = json.dumps({"data": [{"b64_json": "A" * 4000}]}).encode()
    to.send_response(200)
    to.send_header("content-length", str(len(data)))
    to.end_headers()
    for byte in data:
        to.wfile.write(bytes([byte]))
        to.wfile.flush()
        time.sleep(0.05)


def half(to: BaseHTTPRequestHandler) -> None:
    """Half a body, then the end."""
    to.send_response(200)
    to.send_header("content-length", "1000")
    to.end_headers()
    to.wfile.write(b'{"data": [')
    to.close_connection = True
