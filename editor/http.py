"""Asking a server over HTTP: a total deadline, one retry layer, bounded replies, and cancelled at once.

The standard library does the wire. Each request runs in a thread of its own, whose socket can be cut from outside: so
a reply that drips byte by byte ends at the deadline, and Ctrl-C ends it at any time.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import secrets
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

from editor.base import EditError, EditorUnavailable
from editor.servers import (
    BUSY,
    CONNECT_SECONDS,
    MOST_FAULTS,
    check_key,
    is_final,
    is_loopback,
    may_pass,
    one_line,
    pause,
    retry_after,
    words,
)

TICK_SECONDS = 0.2
CLOSE_SECONDS = 2.0
LONGEST_REPLY = 128 * 1024 * 1024
"""Bytes; a PNG of 3840 x 2160 noise is 25 MB, 33 MB in base64."""

Value = TypeVar("Value")


class NoAccess(EditorUnavailable):
    """The server answers, but not here, or not to this key: status 3xx, 401, 403 or 404."""


class NotHere(NoAccess):
    """Status 404: no such address, or no such model."""


class Late(Exception):
    """The deadline came first."""


class Fault(Exception):
    """One try failed in a way that another may not.

    said: the server's own words, as they came. busy: the server is there and asks for patience; after: for how many
    seconds. absent: nothing listens at the address. final: no other try is due, for this is a refusal.
    """

    def __init__(
        self,
        why: str,
        said: str = "",
        *,
        busy: bool = False,
        after: float | None = None,
        absent: bool = False,
        final: bool = False,
    ) -> None:
        super().__init__(why)
        self.said = said
        self.busy = busy
        self.after = after
        self.absent = absent
        self.final = final


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(eq=False)
class Server:
    """A server at `url`. who: what messages call it. variable: the environment variable that holds its key.

    key: sent as a bearer token, and cut out of all that the server says. seconds: for a request with all its tries.
    """

    url: str
    who: str
    variable: str
    key: str | None = field(default=None, repr=False)
    seconds: float = 600.0
    _reached: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        self.key = check_key(self.key, self.variable)

    def deadline(self) -> float:
        """When what is begun now must have ended, on time.monotonic's clock."""
        return time.monotonic() + self.seconds

    def ask(
        self,
        path: str,
        read: Callable[[Reply], Value],
        *,
        deadline: float,
        body: bytes | None = None,
        kind: str = "",
        tick: Callable[[], None] = lambda: None,
    ) -> tuple[Value, int]:
        """What `read` makes of the reply to a GET, or (with a body of media type `kind`) a POST; and how many tries.

        path: below the url, or a URL of the same origin. read: may raise Fault, for another try. deadline: from
        `deadline`. tick: called while waiting; what it raises cancels the request. Raises EditorUnavailable when
        there is no server, no access or no answer in time, and EditError when the server refuses.
        """
        headers = ({"Content-Type": kind} if kind else {}) | (
            {"Authorization": f"Bearer {self.key}"} if self.key else {}
        )
        address = self._address(path)
        began, faults, tries, last = time.monotonic(), 0, 0, ""
        while True:
            tries += 1
            try:
                reply = exchange(urllib.request.Request(address, body, headers), deadline, tick)
                self._reached = True
                return read(self._accept(reply)), tries
            except Late:
                raise EditorUnavailable(
                    f"{self.who} at {self.url} gave no whole answer within {deadline - began:.3g} s{last}."
                ) from None
            except Fault as fault:
                if fault.final:
                    raise EditError(
                        f"{self.who} refused the request ({fault}): {self._quote(fault.said)}"
                    ) from None
                faults += not fault.busy
                last = f"; before, {self._quote(str(fault))}"
                self._pause(fault, faults, tries, deadline, tick)

    def _quote(self, said: str) -> str:
        """The server's words for a message: without the key, and only then short."""
        return one_line(said.replace(self.key, "***") if self.key else said)

    def _address(self, path: str) -> str:
        """The full URL. Raises EditError when it leads to another server: reedit fetches from no one else."""
        try:
            address = urljoin(self.url + "/", path)
            if _origin(address) == _origin(self.url):
                return address
            where = _host(address)
        except ValueError:
            where = "malformed"
        raise EditError(
            f"{self.who} answered with a link to elsewhere ({self._quote(where)}), which is not followed; "
            "--editor-api sglang asks it to send the picture itself (b64_json)."
        )

    def _accept(self, reply: Reply) -> Reply:
        """The reply, if it is one of success. Raises Fault, EditError or EditorUnavailable."""
        status = reply.status
        if 200 <= status < 300:
            return reply
        said = self._quote(words(reply.body))
        if status in (401, 403):
            raise NoAccess(
                f"{self.who} at {self.url} denies access ({status}); set {self.variable} to a key it knows."
            )
        if status == 404:
            raise NotHere(
                f"{self.who} has no such model, or {self.url} is not the address above /images/edits (404): {said}"
            )
        if may_pass(status) and is_final(reply.headers, reply.body):
            raise EditorUnavailable(f"{self.who} at {self.url} takes no more requests ({status}): {said}")
        if may_pass(status):
            after = retry_after(reply.headers.get("retry-after"))
            asks = "" if after is None else f", asking to wait {after:g} s"
            raise Fault(f"it answered {status}{asks}", said, busy=status in BUSY, after=after)
        if status < 400:
            raise NoAccess(f"{self.url} redirects elsewhere ({status}); give the address itself.")
        raise EditError(f"{self.who} refused the request ({status}): {said}")

    def _pause(
        self, fault: Fault, faults: int, tries: int, deadline: float, tick: Callable[[], None]
    ) -> None:
        """Wait before the next try. Raises EditorUnavailable when there should be none."""
        if fault.absent and not self._reached:
            raise EditorUnavailable(
                f"{self.who} does not answer at {self.url}: {self._quote(str(fault))}."
            ) from None
        seconds = pause(tries, fault.after)
        if faults >= MOST_FAULTS or time.monotonic() + seconds >= deadline:
            count = f"{tries} {'try' if tries == 1 else 'tries'}"
            said = f": {self._quote(fault.said)}" if fault.said else ""
            raise EditorUnavailable(
                f"{self.who} at {self.url} failed after {count}: {self._quote(str(fault))}{said}."
            ) from None
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            tick()
            time.sleep(min(TICK_SECONDS, left))


# --- one exchange ---------------------------------------------------------------------------------------------------


def exchange(request: urllib.request.Request, deadline: float, tick: Callable[[], None]) -> Reply:
    """One request and its whole reply, whatever its status. deadline: on time.monotonic's clock.

    Raises Late at the deadline, Fault when the connection fails, EditError when the reply is too long; and
    what tick, called meanwhile, raises. In every case nothing is left running.
    """
    line = _Line(deadline)
    future: concurrent.futures.Future[Reply] = concurrent.futures.Future()
    thread = threading.Thread(target=_work, args=(request, line, future), name="reedit-http", daemon=True)
    thread.start()
    try:
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Late
            concurrent.futures.wait([future], timeout=min(TICK_SECONDS, left))
            if future.done():
                return future.result()
            tick()
    finally:
        if not future.done():
            line.cut()
            thread.join(CLOSE_SECONDS)


class _Line:
    """The socket of one exchange, which another thread may cut."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self._socket: socket.socket | None = None
        self._is_cut = False
        self._lock = threading.Lock()

    def hold(self, sock: socket.socket) -> None:
        with self._lock:
            self._socket = sock
            sock.settimeout(
                max(0.0, self.deadline - time.monotonic()) + CLOSE_SECONDS
            )  # after the deadline's own end
            if self._is_cut:
                self._shut(sock)

    def cut(self) -> None:
        with self._lock:
            self._is_cut = True
            if self._socket is not None:
                self._shut(self._socket)

    def _shut(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the plain one: SSLSocket's own is not for another thread
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _work(request: urllib.request.Request, line: _Line, future: concurrent.futures.Future[Reply]) -> None:
    try:
        future.set_result(_exchange(request, line))
    except BaseException as error:
        future.set_exception(error)


def _exchange(request: urllib.request.Request, line: _Line) -> Reply:
    opener = _opener(line, proxies=not is_loopback(request.full_url))
    try:
        timeout = max(0.01, min(CONNECT_SECONDS, line.deadline - time.monotonic()))
        with contextlib.closing(opener.open(request, timeout=timeout)) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Reply(response.status, headers, _read(response))
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        absent = isinstance(reason, ConnectionRefusedError | socket.gaierror | ssl.SSLCertVerificationError)
        why = one_line(str(reason)) or type(reason).__name__
    raise Fault(f"the connection failed ({why})", absent=absent)


def _read(response: http.client.HTTPResponse) -> bytes:
    data = bytearray()
    while chunk := response.read1(1 << 16):
        data += chunk
        if len(data) > LONGEST_REPLY:
            raise EditError(f"The server sent more than {LONGEST_REPLY:,} bytes for one reply.")
    if response.length:  # http.client tells of a missing rest only when it reads all at once
        raise Fault("the connection failed (the reply broke off)")
    return bytes(data)


def _opener(line: _Line, *, proxies: bool) -> urllib.request.OpenerDirector:
    """HTTP and HTTPS, the environment's proxies if wanted, and nothing else: no redirects, no files."""

    class Plain(http.client.HTTPConnection):
        def connect(self) -> None:
            super().connect()
            line.hold(self.sock)

    class Secure(http.client.HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            line.hold(self.sock)

    class Http(urllib.request.HTTPHandler):
        def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Plain, request)

    class Https(urllib.request.HTTPSHandler):
        def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Secure, request, context=ssl.create_default_context())

    opener = urllib.request.OpenerDirector()
    opener.addheaders = [("User-Agent", "reedit")]
    handlers = [urllib.request.UnknownHandler(), Http(), Https()]
    for handler in [urllib.request.ProxyHandler(), *handlers] if proxies else handlers:
        opener.add_handler(handler)
    return opener


# --- addresses and forms --------------------------------------------------------------------------------------------


def multipart(fields: Mapping[str, str], files: Mapping[str, tuple[str, bytes]]) -> tuple[bytes, str]:
    """A multipart/form-data body (RFC 7578) and its media type. files: name -> (media type, data)."""
    boundary = secrets.token_hex(16)

    def parts() -> Iterator[bytes]:
        for name, text in fields.items():
            yield f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
        for name, (kind, data) in files.items():
            head = f'form-data; name="{name}"; filename="{name}.{kind.partition("/")[2]}"'
            yield f"--{boundary}\r\nContent-Disposition: {head}\r\nContent-Type: {kind}\r\n\r\n".encode()
            yield data
            yield b"\r\n"
        yield f"--{boundary}--\r\n".encode()

    return b"".join(parts()), f"multipart/form-data; boundary={boundary}"


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _host(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}"
