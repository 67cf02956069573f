"""Models and adapters from the hub, over real sockets: what is downloaded, what is asked, and what can go wrong."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import editor as editors
from editor.base import EditorUnavailable, EditRequest
from editor.diffusion import base, hub, loading, lora
from tests.conftest import scene

pytest.importorskip("diffusers", reason="torch and diffusers are not installed")
constants = pytest.importorskip("huggingface_hub.constants")
pytestmark = pytest.mark.diffusion

COMMIT = "c0ffee" + "0" * 34


def tensors(*names: str) -> bytes:
    """A whole safetensors file of one byte a tensor."""
    entries = {
        name: {"dtype": "U8", "shape": [1], "data_offsets": [at, at + 1]} for at, name in enumerate(names)
    }
    header = json.dumps(entries).encode()
    return struct.pack("<Q", len(header)) + header + bytes(len(names))


class Hub(ThreadingHTTPServer):
    """A hub with one repository, ORG/NAME, at one commit. refuses: status and headers instead of any answer."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = {
            "model_index.json": b'{"_class_name": "ZImagePipeline"}',
            "vae/config.json": b"{}",
            "vae/model.safetensors": tensors("a"),
            "single-file.safetensors": tensors("a"),
            "vae/old.bin": b"pickle",
        }
        self.sizes: dict[str, int] = {}
        """What the hub says of a file's size, where that is not its size."""
        self.refuses: tuple[int, dict[str, str]] | None = None
        self.cuts = False
        """Whether it hangs up in the middle of weights."""
        self.sent: list[str] = []
        self.listed = 0
        """How often it was asked what the repository holds, with sizes."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *args: Any) -> None:
        """Not on stderr."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        files = self.server.files
        if self.server.refuses:
            self._send(self.server.refuses[0], b"{}", self.server.refuses[1])
        elif path.startswith("/api/models/org/name/tree/"):
            listed = [
                {"type": "file", "path": name, "oid": _digest(body), "size": len(body)}
                for name, body in files.items()
            ]
            self._send(200, json.dumps(listed).encode())
        elif path.startswith("/api/models/org/name"):
            self.server.listed += "blobs=" in self.path
            siblings = [
                {"rfilename": name, "size": self.server.sizes.get(name, len(body)), "blobId": _digest(body)}
                for name, body in files.items()
            ]
            self._send(200, json.dumps({"id": "org/name", "sha": COMMIT, "siblings": siblings}).encode())
        elif (name := path.removeprefix("/org/name/resolve/").partition("/")[2]) in files:
            self._file(name, files[name])
        else:
            self._send(404, b"{}", {"X-Error-Code": "EntryNotFound"})

    def _file(self, name: str, body: bytes) -> None:
        tags = {"ETag": f'"{_digest(body)}"', "X-Repo-Commit": COMMIT}
        if self.command == "GET":
            self.server.sent.append(name)
        if self.server.cuts and self.command == "GET" and name.endswith(".safetensors"):
            self._send(200, body, tags, shown=len(body) // 2)
            self.close_connection = True
        else:
            self._send(200, body, tags)

    def _send(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, shown: int | None = None
    ) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:shown])


def _digest(body: bytes) -> str:
    return hashlib.sha1(body).hexdigest()


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache of the hub's client, which finds no network."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


@pytest.fixture
def served(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with Hub() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(
            constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            server.url + "/{repo_id}/resolve/{revision}/{filename}",
        )
        yield server
        server.shutdown()


def test_only_the_files_of_a_diffusers_model_are_downloaded(served: Hub) -> None:
    model = loading.locate("org/name")
    assert model.revision == COMMIT
    assert sorted(served.sent) == ["model_index.json", "vae/config.json", "vae/model.safetensors"]
    assert loading.class_of("org/name@main") == "ZImagePipeline"


def test_a_download_is_told_of_and_can_be_stopped_between_two_files(served: Hub) -> None:
    class Stop(Exception):
        pass

    said: list[str] = []

    def status(words: str) -> None:
        said.append(words)
        if len(said) == 2:
            raise Stop

    served.files["vae/model.safetensors"] = tensors(*map(str, range(5000)))
    with pytest.raises(Stop):
        loading.locate("org/name", status)
    assert served.sent == ["vae/config.json"]
    assert loading.locate("org/name", said.append).revision == COMMIT
    assert [name for name in served.sent if name == "vae/config.json"] == ["vae/config.json"]
    assert all(words.startswith("downloading: 0.0 of 0.0 GB") for words in said)
    told = len(said)
    loading.locate("org/name", said.append)
    assert len(said) == told


def test_what_a_repository_holds_is_asked_once(served: Hub) -> None:
    with hub.asked_once():
        loading.class_of("org/name")
        assert loading.weights_size("org/name") == len(served.files["vae/model.safetensors"])
        loading.locate("org/name")
    assert served.listed == 1
    loading.locate("org/name")
    assert served.listed == 2


@pytest.mark.parametrize("asked", ["org/name", "org/name@main", f"org/name@{COMMIT}"])
@pytest.mark.parametrize("without", ["network", "time"])
def test_a_model_in_the_cache_needs_no_hub(
    served: Hub, monkeypatch: pytest.MonkeyPatch, asked: str, without: str
) -> None:
    folder = loading.locate(asked).folder
    if without == "network":
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    else:
        served.refuses = 503, {}
    assert loading.locate(asked).folder == folder
    assert loading.class_of(asked) == "ZImagePipeline"


@pytest.mark.usefixtures("cache")
def test_without_a_network_the_client_says_nothing_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    for ask in (loading.class_of, loading.locate, lora.find):
        with pytest.raises(EditorUnavailable, match="the hub cannot be reached"):
            ask("org/name")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (403, "GatedRepo", "accept its terms"),
        (404, "RepoNotFound", "has no model"),
        (404, "RevisionNotFound", "no such revision"),
        (401, "", "check HF_TOKEN"),
        (429, "", "the hub cannot be reached"),
        (503, "", "the hub cannot be reached"),
    ],
)
def test_what_the_hub_answers(served: Hub, status: int, code: str, says: str) -> None:
    served.refuses = status, {"X-Error-Code": code} if code else {}
    for ask in (loading.class_of, loading.locate):
        with pytest.raises(EditorUnavailable, match=says):
            ask("org/name")


@pytest.mark.parametrize("name", ["a--b/c", "org/..", "-x/y", "org/x.git"])
def test_names_that_the_hub_does_not_know(served: Hub, name: str) -> None:
    for ask in (loading.class_of, loading.locate, lora.find):
        with pytest.raises(EditorUnavailable, match="no name on the hub"):
            ask(name)


def test_a_connection_that_ends_is_no_traceback(served: Hub, capfd: pytest.CaptureFixture[str]) -> None:
    served.cuts = True
    with pytest.raises(EditorUnavailable, match="could not be downloaded"):
        loading.locate("org/name")
    assert capfd.readouterr().err == ""
    served.cuts = False
    assert (loading.locate("org/name").folder / "vae" / "model.safetensors").read_bytes() == tensors("a")


def test_too_little_disk_counts_what_is_still_missing(served: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    served.sizes["vae/model.safetensors"] = 9 * 10**15
    assert loading.class_of("org/name") == "ZImagePipeline"  # small, and begins the folder in the cache
    with pytest.raises(EditorUnavailable, match=r"takes 9000000 GB more.*HF_HOME"):
        loading.locate("org/name")
    served.sizes.clear()
    loading.locate("org/name")
    full = shutil.disk_usage(Path.cwd())._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: full)
    assert loading.locate("org/name").revision == COMMIT  # nothing is missing


def test_another_familys_model_is_not_downloaded(served: Hub) -> None:
    with pytest.raises(EditorUnavailable, match="org/name is a ZImagePipeline; flux2-klein runs"):
        editors.make("flux2-klein", options=base.Options(model="org/name")).edit(EditRequest(scene(), "dusk"))
    assert served.sent == ["model_index.json"]


def test_a_large_model_is_not_downloaded_where_it_cannot_run(served: Hub) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        pytest.skip("this machine has a GPU")
    served.sizes["vae/model.safetensors"] = 2 * base.SMALL_MODEL
    with pytest.raises(EditorUnavailable, match=r"No GPU was found.*--device cpu.*--editor builtin"):
        editors.make("z-image", options=base.Options(model="org/name")).edit(
            EditRequest(scene(), "make it dusk")
        )
    assert served.sent == ["model_index.json"]
    assert served.listed == 1  # for its family and its size


def test_a_repository_that_is_no_model(served: Hub) -> None:
    del served.files["model_index.json"]
    with pytest.raises(EditorUnavailable, match=r"org/name on the hub has no model_index\.json"):
        loading.class_of("org/name")


@pytest.mark.parametrize("source", ["org/name", f"org/name@{COMMIT}", "org/name/style.safetensors"])
def test_an_adapter_comes_from_the_hub_and_then_from_the_cache(
    served: Hub, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    served.files = {
        "style.safetensors": tensors("b"),
        "sample/big.safetensors": tensors("c"),
        "a.json": b"{}",
    }
    path = lora.find(source)
    assert path.read_bytes() == tensors("b")
    assert served.sent == ["style.safetensors"]
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert lora.find(source) == path


def test_one_of_several_adapters_is_to_be_named_before_any_is_downloaded(served: Hub) -> None:
    served.files |= {"other.safetensors": tensors("b")}
    with pytest.raises(EditorUnavailable, match=r"several adapters.*org/name/FILE\.safetensors"):
        lora.find("org/name")
    with pytest.raises(EditorUnavailable, match=r"on the hub has no nope\.safetensors"):
        lora.find("org/name/nope.safetensors")
    assert served.sent == []
    assert lora.find("org/name/vae/model.safetensors").read_bytes() == tensors("a")


@pytest.mark.parametrize(("at", "revision"), [("@c0ffee", "c0ffee"), ("", None)])
def test_an_adapter_on_the_hub_may_be_pinned(
    monkeypatch: pytest.MonkeyPatch, at: str, revision: str | None
) -> None:
    asked: list[Any] = []

    def download(repo: str, name: str, revision: str | None, offline: str) -> Path:
        asked.append((repo, name, revision))
        raise EditorUnavailable(offline)

    monkeypatch.setattr(hub, "file", download)
    with pytest.raises(EditorUnavailable, match=r"hf download a/b sub/x\.safetensors"):
        lora.find(f"a/b{at}/sub/x.safetensors")
    assert asked == [("a/b", "sub/x.safetensors", revision)]


def test_a_model_counts_as_held_at_its_commit_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    folder = tmp_path / "models--a--b" / "snapshots" / "c0ffee"
    folder.mkdir(parents=True)
    (folder / "model_index.json").write_text("{}")
    assert hub.in_cache("a/b", "c0ffee", "model_index.json")
    assert not hub.in_cache("a/b", "decade", "model_index.json")


def test_the_clients_own_settings_are_left_as_they_were(served: Hub) -> None:
    from huggingface_hub.utils import are_progress_bars_disabled, enable_progress_bars

    enable_progress_bars()  # another library may have switched them off
    log = logging.getLogger("huggingface_hub")
    log.setLevel(logging.INFO)
    try:
        loading.locate("org/name")
        assert log.level == logging.INFO
        assert not are_progress_bars_disabled()
    finally:
        log.setLevel(logging.WARNING)
