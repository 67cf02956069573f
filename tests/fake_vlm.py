"""A VLM server in this process whose every reply, or fault, is scripted. Real sockets."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

Action = Callable[[BaseHTTPRequestHandler], None]

PLAN = '{"reasoning": "r", "steps": ["Increase the contrast"]}'
SCORE = json.dumps({
    "reason": "fine", "meets_instruction": "yes", "major_conflicts": 0, "minor_conflicts": 0,
    "hallucinations": 0, "omissions": 0, "raw_score": 9.5,
})  # fmt: skip
QUALITY = '{"reason": "clean", "semantic": 8, "perceptual": 7.5}'
SUCCESS = "<#Think>It is there.<#Success>"


class FakeVlm:
    """Serves /health, /v1/models and /v1/chat/completions.

    script: for each chat request in turn a text (the reply), a completion (dict), or an action; the last repeats.
    A callable taking the request's body and returning one of these may stand for the whole script.
    """

    def __init__(self, script: Sequence[Any] | Callable[[dict[str, Any]], Any], port: int = 0) -> None:
        self.script = script
        self.models = ["tiny"]
        self.health = 200
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self._connections: list[socket.socket] = []
        self._lock = threading.Lock()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # head and body are two writes: else each reply takes 40 ms more

            def do_GET(self) -> None:
                if self.path == "/health":
                    reply(self, b"", fake.health)
                elif self.path == "/v1/models" and fake.models:
                    reply_json(self, {"data": [{"id": name} for name in fake.models]})
                else:
                    reply_json(self, {"error": {"message": "not found"}}, 404)

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with fake._lock:
                    fake.bodies.append(body)
                    fake.headers.append({name.lower(): value for name, value in self.headers.items()})
                    index = len(fake.bodies) - 1
                script = fake.script
                step = script(body) if callable(script) else script[min(index, len(script) - 1)]
                if callable(step):
                    step(self)
                else:
                    reply_json(self, step if isinstance(step, dict) else completion(step))

            def log_message(self, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def process_request(self, request: Any, client_address: Any) -> None:
                fake._connections.append(request)
                super().process_request(request, client_address)

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # clients that hang up are part of the tests

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def stop(self) -> None:
        self._server.shutdown()
        for connection in self._connections:  # a process that dies takes the kept-alive ones along
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> FakeVlm:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def completion(text: str | None, finish: str = "stop", **message: Any) -> dict[str, Any]:
    return {
        "id": "1", "object": "chat.completion", "created": 0, "model": "tiny",
        "choices": [{"index": 0, "finish_reason": finish,
                     "message": {"role": "assistant", "content": text} | message}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    }  # fmt: skip


def reply(to: BaseHTTPRequestHandler, data: bytes, status: int = 200, **headers: str) -> None:
    to.send_response(status)
    for name, value in (
        {"content_type": "application/json", "content_length": str(len(data))} | headers
    ).items():
        to.send_header(name.replace("_", "-"), value)
    to.end_headers()
    to.wfile.write(data)


def reply_json(to: BaseHTTPRequestHandler, value: Any, status: int = 200, **headers: str) -> None:
    reply(to, json.dumps(value).encode(), status, **headers)


def status(code: int, message: str = "scripted", **headers: str) -> Action:
    return lambda to: reply_json(to, {"error": {"message": message, "code": code}}, code, **headers)


def body(text: str, content_type: str = "text/html") -> Action:
    return lambda to: reply(to, text.encode(), content_type=content_type)


def reset(to: BaseHTTPRequestHandler) -> None:
    """Close with RST instead of an answer."""
    to.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    to.close_connection = True
    to.connection.close()


def half(to: BaseHTTPRequestHandler) -> None:
    """Half a body, then the end."""
    data = json.dumps(completion(PLAN)).encode()
    to.send_response(200)
    to.send_header("content-length", str(len(data)))
    to.end_headers()
    to.wfile.write(data[: len(data) // 2])
    to.close_connection = True


def drip(to: BaseHTTPRequestHandler) -> None:
    """A whole answer, a byte every 50 ms: no single read is ever slow."""
    data = json.dumps(completion(PLAN)).encode()
    to.send_response(200)
    to.send_header("content-length", str(len(data)))
    to.end_headers()
    for byte in data:
        to.wfile.write(bytes([byte]))
        to.wfile.flush()
        time.sleep(0.05)


def answer_by_call(**replies: Any) -> Callable[[dict[str, Any]], Any]:
    """A script that knows which question is asked; a list is used up, its last reply repeats."""
    taken: dict[str, int] = {}
    lock = threading.Lock()
    defaults = {"think": PLAN, "describe": "A photo with more contrast.", "score": SCORE, "conclude": SUCCESS,
                "judge": QUALITY}  # fmt: skip

    def script(request: dict[str, Any]) -> Any:
        call = which_call(request)
        choices = replies.get(call, defaults.get(call))
        if not isinstance(choices, list):
            choices = [choices]
        with lock:
            index = taken.get(call, 0)
            taken[call] = index + 1
        return choices[min(index, len(choices) - 1)]

    return script


def which_call(request: dict[str, Any]) -> str:
    """Which question a request is, by its (shipped, English or Chinese) text."""
    text = request["messages"][1]["content"][-1]["text"]
    marks = {
        '"steps"': "think",
        '"tag"': "reflect",
        '"semantic"': "judge",
        '"raw_score"': "score",
        "<#Success>": "conclude",
    }
    return next((call for mark, call in marks.items() if mark in text), "describe")
