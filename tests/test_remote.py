"""The remote editor against a real server in this process: what it sends, what it makes of replies, every fault."""

from __future__ import annotations

import base64
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PILImage

import editor as editors
from agent import config
from editor import photo as photos
from editor import remote
from editor.base import EditError, EditorUnavailable, EditRequest, UsageError
from editor.http import Fault, NoAccess, Reply, Server
from editor.remote import KEY_VARIABLE, RemoteEditor, _data
from editor.servers import check_url, one_line, pause, retry_after, words
from tests import fake_editor
from tests.conftest import ROOT, scene
from tests.fake_editor import FakeEditor, answer, drip, echoed, half, hang, png, takes_form
from tests.fake_vlm import body, reply, reply_json, reset, status

CANARY = "sk-canary-7f3a"
OPENAI_SIZES = remote.OPENAI_SIZES


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A canvas that takes no time, but in processes of their own."""
    monkeypatch.setattr("editor.remote.PIXELS", 1 << 16)
    monkeypatch.setattr("editor.remote.OPENAI_SIZES", ((256, 256), (384, 256), (256, 384)))


@pytest.fixture
def server() -> Iterator[FakeEditor]:
    with FakeEditor() as fake:
        yield fake


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries without the pause."""
    monkeypatch.setattr("editor.servers.random.uniform", lambda low, high: 0.01)


def request(picture: np.ndarray, **more: Any) -> EditRequest:
    return EditRequest(picture, "make it autumn", **more)


# --- contract -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("api", ["vllm-omni", "openai"])
@pytest.mark.parametrize(("width", "height"), [(333, 251), (4000, 300), (64, 64)])
def test_odd_sizes_come_back_as_they_went(
    monkeypatch: pytest.MonkeyPatch, server: FakeEditor, api: Any, width: int, height: int
) -> None:
    monkeypatch.setattr("editor.remote.PIXELS", 1 << 20)
    monkeypatch.setattr("editor.remote.OPENAI_SIZES", OPENAI_SIZES)
    picture = scene(width, height)
    before = picture.copy()
    steps: list[tuple[int, int]] = []
    result = RemoteEditor(server.url, api=api).edit(request(picture, progress=lambda *at: steps.append(at)))
    assert result.image.shape == picture.shape
    assert result.image.dtype == np.uint8
    assert result.image[..., 0].mean() > picture[..., 0].mean() + 30  # the model's edit is in it
    assert np.array_equal(picture, before)
    assert steps[-1] == (1, 1)
    assert steps[0] == (0, 1)
    wide, high = server.forms[0].size
    assert server.forms[0].image.shape == (high, wide, 3)
    if api == "openai":
        assert (wide, high) == ((1024, 1024) if width == height else (1536, 1024))
    else:
        assert wide % 32 == high % 32 == 0
        assert wide * high <= 1 << 20
    box = result.details["mapping"]["box"]
    assert box[2] / box[3] == pytest.approx(width / height, rel=0.5 / min(box[2:]) + 1e-6)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize(("width", "height"), [(333, 251), (150, 110)])
def test_a_model_that_changes_nothing_gives_the_photo_back(depth: Any, width: int, height: int) -> None:
    picture = scene(width, height).astype(depth)
    if depth == np.uint16:
        picture = picture * np.uint16(257) + np.uint16(31)
    with FakeEditor(echoed) as server:
        result = RemoteEditor(server.url).edit(request(picture))
    assert result.image.dtype == depth
    assert np.array_equal(result.image, picture)


def test_the_seed_decides(server: FakeEditor, picture: np.ndarray) -> None:
    editor = RemoteEditor(server.url)
    one, again, other = (editor.edit(request(picture, seed=seed)).image for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert [form.fields["seed"] for form in server.forms] == ["1", "1", "2"]


@pytest.mark.parametrize(
    ("api", "name"), [("vllm-omni", "mask_image"), ("openai", "mask"), ("sglang", "composited")]
)
def test_a_mask_goes_as_the_server_takes_it_and_holds_bit_for_bit(
    server: FakeEditor, api: Any, name: str
) -> None:
    picture = scene(300, 200)
    mask = np.zeros((200, 300), np.uint8)
    mask[50:150, 100:200] = 255
    result = RemoteEditor(server.url, api=api).edit(request(picture, mask=mask))
    assert np.array_equal(result.image[mask == 0], picture[mask == 0])
    assert (result.image[mask > 0] != picture[mask > 0]).mean() > 0.9
    assert result.mask is mask
    assert result.details["mask"] == name
    files = server.forms[0].files
    assert set(files) == {"image", "mask_image" if api == "vllm-omni" else "mask"} - (
        {"mask"} if api == "sglang" else set()
    )
    if api == "sglang":
        return
    sent = files[name]
    assert sent.shape[:2] == files["image"].shape[:2]
    edit = sent if api == "vllm-omni" else 255 - sent[..., 3]
    if api == "openai":  # by its colour it says the same, the other way round
        assert np.array_equal(sent[..., 0], edit)
    high, wide = edit.shape
    assert edit[high // 2, wide // 2] == 255  # the middle is to be edited
    assert edit[5, 5] == edit[-5, -5] == 0


def test_an_empty_mask_costs_no_request(server: FakeEditor, picture: np.ndarray) -> None:
    with pytest.raises(UsageError, match="mask is empty"):
        RemoteEditor(server.url).edit(request(picture, mask=np.zeros(picture.shape[:2], np.uint8)))
    assert not server.forms
    assert not server.gets


# --- the request ----------------------------------------------------------------------------------------------------


def test_what_is_not_set_is_not_sent(server: FakeEditor, picture: np.ndarray) -> None:
    RemoteEditor(server.url, api="openai").edit(request(picture))
    assert set(server.forms[0].fields) == {"prompt", "n", "size", "output_format"}
    assert "authorization" not in server.forms[0].headers


def test_what_is_set_is_sent(server: FakeEditor, picture: np.ndarray) -> None:
    editor = RemoteEditor(server.url, "m", steps=8, guidance=2.5, negative=" ", key=" k \n")
    editor.edit(EditRequest(picture, "让它变成秋天 “\r\n--x”", seed=7))
    form = server.forms[0]
    assert form.fields == {
        "prompt": "让它变成秋天 “\r\n--x”", "n": "1", "size": form.fields["size"], "seed": "7", "model": "m",
        "num_inference_steps": "8", "guidance_scale": "2.5", "true_cfg_scale": "2.5", "negative_prompt": " ",
        "response_format": "b64_json", "output_format": "png",
    }  # fmt: skip
    assert form.headers["authorization"] == "Bearer k"
    assert form.path == "/v1/images/edits"


@pytest.mark.parametrize(
    ("owner", "api"),
    [("vllm", "vllm-omni"), ("sglang", "sglang"), ("someone", "openai"), (None, "openai")],
)
def test_the_server_says_whose_form_it_takes(owner: str | None, api: str, picture: np.ndarray) -> None:
    with FakeEditor(owner=owner) as server:
        editor = RemoteEditor(server.url)
        assert [editor.edit(request(picture)).details["api"] for _ in range(2)] == [api, api]
        assert len(server.gets) == 1


def test_it_is_made_from_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, CANARY)
    settings = config.load({"editor": "remote", "editor_url": "http://h:1/v1/", "editor_steps": 4})
    made = editors.configured("remote", settings)
    assert isinstance(made, RemoteEditor)
    assert (made.url, made.steps, made.key, made.api) == ("http://h:1/v1", 4, CANARY, "auto")
    assert CANARY not in repr(made)
    with pytest.raises(UsageError, match="--editor-url"):
        editors.configured("remote", config.load({"editor": "remote"}))


@pytest.mark.parametrize(
    ("url", "word"),
    [("ftp://h/v1", "must look like"), ("h:80/v1", "must look like"), ("http://", "must look like"),
     ("http://u:p@h/v1", "REEDIT_EDITOR_API_KEY"), ("http://h/v1?key=1", "before any"), ("http://[", "must look"),
     ("http://h:99999/v1", "must look like")],
)  # fmt: skip
def test_addresses_that_are_none(url: str, word: str) -> None:
    with pytest.raises(UsageError, match=word) as caught:
        check_url(url, "--editor-url", KEY_VARIABLE)
    assert "u:p" not in str(caught.value)


def test_a_key_that_no_header_carries_is_not_told() -> None:
    with pytest.raises(UsageError) as caught:
        RemoteEditor("http://h/v1", key=f"{CANARY}\nX-Other: 1")
    assert CANARY not in str(caught.value)


# --- faults ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [status(429, retry_after="0"), status(503), status(500), status(502), reset, half, body("<html>busy</html>"),
     body("{}"), body('{"data": []}'), body('{"data": [{"b64_json": "not base64"}]}'), body('{"data": [{}]}'),
     body("[" * 100_000)],
    ids=["429", "503", "500", "502", "reset", "half", "html", "empty", "no-data", "no-base64", "no-picture", "deep"],
)  # fmt: skip
def test_what_passes_is_tried_again(fault: Any, picture: np.ndarray, quick: None) -> None:
    with FakeEditor(fault, fake_editor.tinted) as server:
        result = RemoteEditor(server.url, api="sglang").edit(request(picture))
        assert result.details["attempts"] == len(server.forms) == 2


@pytest.mark.parametrize(
    ("fault", "error", "says", "tries"),
    [(status(400, "prompt is too rude"), EditError, "too rude", 1),
     (status(413), EditError, "413", 1),
     (status(422), EditError, "422", 1),
     (status(401), NoAccess, KEY_VARIABLE, 1),
     (status(403), NoAccess, KEY_VARIABLE, 1),
     (status(404), NoAccess, "404", 1),
     (status(307, location="http://127.0.0.1:9/elsewhere"), NoAccess, "redirects", 1),
     (lambda to: reply_json(to, {"error": {"message": "pay first", "code": "insufficient_quota"}}, 429),
      EditorUnavailable, "no more requests .429.: pay first", 1),
     (lambda to: reply(to, b"never", 503, x_should_retry="false"), EditorUnavailable, "no more requests", 1),
     (lambda to: reply_json(to, {"error": {"message": "against the policy"}}), EditError, "200.: against", 1),
     (lambda to: reply_json(to, {"data": [{"error": {"message": "too rude"}}]}), EditError, "200.: too rude", 1),
     (status(500), EditorUnavailable, "after 4 tries", 4),
     (body("<html>\x1b[31mgateway</html>"), EditorUnavailable, "not JSON: <html> \\[31mgateway", 4)],
    ids=lambda value: str(value) if isinstance(value, str | int) else "",
)  # fmt: skip
def test_what_does_not_pass_is_told(
    fault: Any, error: type[Exception], says: str, tries: int, picture: np.ndarray, quick: None
) -> None:
    with FakeEditor(fault) as server:
        with pytest.raises(error, match=says):
            RemoteEditor(server.url, api="sglang").edit(request(picture))
        assert len(server.forms) == tries


@pytest.mark.parametrize("action", [drip, hang, status(429), status(503, retry_after="3600")])
def test_the_deadline_is_for_everything(action: Any, picture: np.ndarray) -> None:
    with FakeEditor(action) as server:
        began = time.monotonic()
        with pytest.raises(EditorUnavailable):
            RemoteEditor(server.url, api="sglang", timeout=0.7).edit(request(picture))
        assert time.monotonic() - began < 1.5
        assert _no_threads()


def test_no_server_is_told_at_once(picture: np.ndarray) -> None:
    with FakeEditor() as server:
        url = server.url
    began = time.monotonic()
    with pytest.raises(EditorUnavailable, match="does not answer"):
        RemoteEditor(url).edit(request(picture))
    assert time.monotonic() - began < 2


def test_replies_are_bounded(
    monkeypatch: pytest.MonkeyPatch, server: FakeEditor, picture: np.ndarray
) -> None:
    monkeypatch.setattr("editor.http.LONGEST_REPLY", 10_000)
    with pytest.raises(EditError, match="more than 10,000 bytes"):
        RemoteEditor(server.url, api="sglang").edit(request(picture))
    assert len(server.forms) == 1


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["data", "b64_json", "url"]), inner),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_any_reply_is_data_or_a_fault(raw: bytes) -> None:
    try:
        found = _data(Reply(200, {}, raw))
    except Fault:
        return
    assert isinstance(found, bytes | str)


# --- the picture that comes back ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "says"),
    [(takes_form(lambda form: np.zeros_like(form.image)), "black"),
     (takes_form(lambda form: np.full_like(form.image, 128)), "blank"),
     (takes_form(lambda form: form.image[:, : form.size[0] // 2]), "cropped or stretched"),
     (takes_form(lambda form: {"data": [{"b64_json": "AAAA"}]}), "no PNG, JPEG or WebP"),
     (takes_form(lambda form: {"data": [{"b64_json": "PHN2Zy8+"}]}), "no PNG, JPEG or WebP")],
    ids=["black", "blank", "other-aspect", "garbage", "svg"],
)  # fmt: skip
def test_pictures_that_are_no_edit_are_refused(made: Any, says: str, picture: np.ndarray) -> None:
    with FakeEditor(made) as server, pytest.raises(EditError, match=says):
        RemoteEditor(server.url).edit(request(picture))


def test_a_bomb_is_refused_before_it_is_decoded(picture: np.ndarray) -> None:
    tiny = png(np.zeros((1, 1, 3), np.uint8))
    head = b"IHDR" + struct.pack(">II", 10_000, 9_500) + tiny[24:29]  # 95 MP: above what Pillow warns of
    bomb = tiny[:12] + head + struct.pack(">I", zlib.crc32(head)) + tiny[33:]
    sent = {"data": [{"b64_json": base64.b64encode(bomb).decode()}]}
    with FakeEditor(sent) as server, pytest.raises(EditError, match="10000x9500 pixels, which is too large"):
        RemoteEditor(server.url).edit(request(picture))


def test_black_photos_may_stay_black() -> None:
    black = np.zeros((40, 60, 3), np.uint8)
    with FakeEditor(echoed) as server:
        assert np.array_equal(RemoteEditor(server.url).edit(request(black)).image, black)


@pytest.mark.parametrize(("change", "notes"), [(0, 0), (4, 1)])
def test_a_size_of_the_servers_own_is_undone_and_told(change: int, notes: int) -> None:
    picture = scene(640, 480)

    @takes_form
    def resized(form: Any) -> np.ndarray:
        wide, high = form.size
        return np.array(PILImage.fromarray(form.image).resize((wide // 2 + change, high // 2)))

    with FakeEditor(resized) as server:
        result = RemoteEditor(server.url).edit(request(picture))
    wide, high = server.forms[0].size
    assert result.details["returned"]["size"] == [wide // 2 + change, high // 2]
    assert len(result.notes) == notes
    assert np.abs(result.image.astype(int) - picture).mean() < 3


def test_transparent_parts_are_laid_on_white_and_told(picture: np.ndarray) -> None:
    @takes_form
    def cut_out(form: Any) -> np.ndarray:
        alpha = np.full(form.image.shape[:2], 255, np.uint8)
        alpha[:, : form.size[0] // 2] = 0
        return np.dstack([form.image, alpha])

    with FakeEditor(cut_out) as server:
        result = RemoteEditor(server.url).edit(request(picture))
    assert "transparent" in result.notes[0]
    assert result.image[:, :20].min() > 240


def test_a_link_of_the_same_server_is_followed(picture: np.ndarray) -> None:
    @takes_form
    def linked(form: Any) -> dict[str, Any]:
        server.pictures["/v1/images/1/content"] = form.image
        return {"data": [{"url": "/v1/images/1/content"}]}

    with FakeEditor(linked) as server:
        result = RemoteEditor(server.url, api="sglang", key="k").edit(request(picture))
        assert server.gets == [("/v1/images/1/content", server.gets[0][1])]
        assert server.gets[0][1]["authorization"] == "Bearer k"
    assert np.array_equal(result.image, picture)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{other}/a.png", "file:///etc/passwd", "http://[", "https://{host}/a"]
)
def test_a_link_to_elsewhere_is_not_followed(url: str, picture: np.ndarray) -> None:
    with FakeEditor() as other, FakeEditor() as server:
        url = url.format(other=other.port, host=f"127.0.0.1:{server.port}")
        server.script = [{"data": [{"url": url}]}]
        with pytest.raises(EditError, match="not followed"):
            RemoteEditor(server.url, api="sglang").edit(request(picture))
        assert not other.gets
        assert not server.gets


def test_a_picture_may_come_as_a_data_url(picture: np.ndarray) -> None:
    @takes_form
    def inline(form: Any) -> dict[str, Any]:
        return {"data": [{"url": f"data:image/png;base64,{answer(form.image)['data'][0]['b64_json']}"}]}

    with FakeEditor(inline) as server:
        assert np.array_equal(RemoteEditor(server.url).edit(request(picture)).image, picture)


# --- cancelling -----------------------------------------------------------------------------------------------------


def _no_threads() -> bool:
    return not any(thread.name == "reedit-http" for thread in threading.enumerate())


@pytest.mark.parametrize("action", [hang, drip, status(429, retry_after="20")])
def test_progress_that_raises_cancels_at_once(action: Any, picture: np.ndarray) -> None:
    class Cancelled(Exception):
        pass

    until = time.monotonic() + 0.5

    def progress(done: int, total: int) -> None:
        if time.monotonic() > until:
            raise Cancelled

    with FakeEditor(action) as server:
        with pytest.raises(Cancelled):
            RemoteEditor(server.url, api="sglang").edit(request(picture, progress=progress))
        assert time.monotonic() < until + 1
        assert _no_threads()


def test_ctrl_c_leaves_nothing(photo: Path, tmp_path: Path) -> None:
    with FakeEditor(hang) as server:
        command = [sys.executable, "-m", "reedit", "apply", photo, "make it autumn", "--editor", "remote",
                   "--editor-url", server.url]  # fmt: skip
        process = subprocess.Popen(
            command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE
        )
        while not server.forms:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=5)
    assert process.returncode == 130
    assert said.decode().splitlines() == ["reedit: interrupted"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo.jpg", "runs"]


# --- end to end -----------------------------------------------------------------------------------------------------


def _run(
    cli: Callable[..., subprocess.CompletedProcess[str]], server: FakeEditor, photo: Path, *more: Any
) -> Any:
    said = cli(
        "apply", photo, "make it autumn", "--editor", "remote", "--editor-url", server.url, "--rounds", "0", "--json",
        *more,
    )  # fmt: skip
    assert said.returncode in (0, 3), said.stderr
    return json.loads(said.stdout)


@pytest.mark.parametrize("kind", ["8-bit", "16-bit", "alpha"])
def test_photos_keep_their_size_and_depth_and_what_the_mask_protects(
    cli: Callable[..., subprocess.CompletedProcess[str]], server: FakeEditor, tmp_path: Path, kind: str
) -> None:
    photo, mask_path, out = tmp_path / "in.png", tmp_path / "mask.png", tmp_path / "out.png"
    picture: np.ndarray = scene(333, 251)
    if kind == "16-bit":
        photo.write_bytes(photos.encode_png(picture * np.uint16(257) + np.uint16(3)))
    elif kind == "alpha":
        PILImage.fromarray(np.dstack([picture, np.tile(np.arange(251, dtype=np.uint8)[:, None], 333)])).save(
            photo
        )
    else:
        PILImage.fromarray(picture).save(photo)
    mask = np.zeros((251, 333), np.uint8)
    mask[60:200, 80:300] = 255
    PILImage.fromarray(mask).save(mask_path)
    _run(cli, server, photo, "--mask", mask_path, "-o", out)
    before, after = photos.load(photo), photos.load(out)
    assert after.image.dtype == before.image.dtype == (np.uint16 if kind == "16-bit" else np.uint8)
    assert after.image.shape == before.image.shape
    assert np.array_equal(after.image[mask == 0], before.image[mask == 0])
    assert not np.array_equal(after.image, before.image)
    if kind == "alpha":
        assert np.array_equal(np.array(PILImage.open(out))[..., 3], np.array(PILImage.open(photo))[..., 3])


@pytest.mark.parametrize(
    "echo",
    [lambda to: reply_json(to, {"error": {"message": f"bad {to.headers['authorization']}"}}, 400),
     lambda to: reply(to, f"<html>{'x' * 280}{to.headers['authorization']}".encode(), 500, retry_after="0"),
     lambda to: reply(to, json.dumps({"error": CANARY}).replace("s", "\\u0073").encode(), 400),
     lambda to: to.connection.sendall(f"HTTP/1.1 {to.headers['authorization']}\r\n\r\n".encode()),
     lambda to: reply_json(to, {"data": [{"error": f"bad {CANARY}"}]})],
    ids=["refusal", "html", "escaped", "status-line", "200"],
)  # fmt: skip
def test_the_key_is_nowhere(
    cli: Callable[..., subprocess.CompletedProcess[str]], photo: Path, tmp_path: Path, echo: Any
) -> None:
    with FakeEditor(echo, owner=None) as server:
        said = cli(
            "apply", photo, "make it autumn", "--editor", "remote", "--editor-url", server.url, "--json",
            "--editor-timeout", "20", env={KEY_VARIABLE: CANARY},
        )  # fmt: skip
        assert server.forms[0].headers["authorization"] == f"Bearer {CANARY}"
    assert said.returncode == 1
    everything = said.stdout + said.stderr
    for path in (tmp_path / "runs").rglob("*"):
        if path.is_file():
            everything += path.read_bytes().decode("latin-1")
    assert "***" in said.stderr
    assert CANARY[:4] not in everything


# --- proxies and small parts ----------------------------------------------------------------------------------------


def test_proxies_are_used_for_others_and_never_for_this_machine(
    monkeypatch: pytest.MonkeyPatch, picture: np.ndarray
) -> None:
    with FakeEditor() as server, FakeEditor() as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        RemoteEditor(server.url, api="sglang").edit(request(picture))
        RemoteEditor("http://editor.invalid/v1", api="sglang").edit(request(picture))
        assert [form.path for form in proxy.forms] == ["http://editor.invalid/v1/images/edits"]


def test_no_server_is_asked_again_at_once() -> None:
    assert all(
        pause(tries, after) >= 0.1 + (after or 0) for tries in range(1, 9) for after in (None, 0.0, 2.5)
    )
    assert max(pause(9, 0.0) for _ in range(50)) > 1  # also one that asks for no wait


def test_retry_after_is_seconds_or_a_date() -> None:
    assert retry_after("2.5") == 2.5
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert retry_after("soon") is retry_after(None) is retry_after("") is None


@pytest.mark.parametrize(
    ("raw", "said"),
    [(b'{"error": {"message": "m"}}', "m"), (b'{"detail": "d"}', "d"), (b'{"error": "e"}', "e"), (b"text", "text"),
     (b"[1]", "[1]"), (b"\xff", "\ufffd")],
)  # fmt: skip
def test_a_servers_own_words(raw: bytes, said: str) -> None:
    assert words(raw) == said


def test_messages_are_one_short_line() -> None:
    assert one_line("a\n\x1b[0m b" + "c" * 5000).startswith("a [0m bccc")
    assert len(one_line("c" * 5000)) == 300


def test_the_key_does_not_show_in_a_servers_repr() -> None:
    assert CANARY not in repr(Server("http://h", "It", "V", CANARY))


# --- doctor --------------------------------------------------------------------------------------------------------


def test_the_doctor_finds_a_server_its_form_and_its_model_and_edits_nothing() -> None:
    with FakeEditor() as server:
        (found,) = remote.checks(server.url, None, None)
        assert found.ok
        assert "vllm-omni" in found.message
        assert [check.ok for check in remote.checks(server.url, "tiny", None)] == [True, True]
        *_, model = remote.checks(server.url, "big", None)
        assert not model.ok
        assert "served: tiny" in model.message
        assert server.forms == []


def test_a_hosted_editor_need_not_list_its_models() -> None:
    with FakeEditor(owner=None) as server:
        (found,) = remote.checks(server.url, "big", None)
        assert found.ok
        assert "takes edits; it lists no models" in found.message
        assert server.forms == []


def test_the_doctor_says_what_is_wrong_with_a_server() -> None:
    with FakeEditor(owner=None) as server:
        (elsewhere,) = remote.checks(server.url.removesuffix("/v1"), None, None)
        assert not elsewhere.ok
        assert "404" in elsewhere.message
        gone = server.url
    (absent,) = remote.checks(gone, None, None)
    assert (absent.ok, absent.fix) == (False, remote.START_LINE)
    (wrong,) = remote.checks("ftp://x", None, None)
    assert "--editor-url must look like" in wrong.message
