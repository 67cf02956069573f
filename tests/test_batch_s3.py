"""`reedit batch -o s3://...` as a process, against the S3 server of moto: killed, refused, slow, two at once."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PILImage

from agent.trace import list_runs
from tests.conftest import ROOT, scene

pytestmark = pytest.mark.cloud
s3fs = pytest.importorskip("s3fs", reason='needs s3fs: pip install "reedit[s3]"')
pytest.importorskip("moto.server", reason='needs an S3 server: pip install "moto[server]"')

PROXIES = {"http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}


class Server:
    """An S3 server on a free port. fail: whether a request (its method and path) gets a 503."""

    def __init__(self) -> None:
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        app = DomainDispatcherApplication(create_backend_app)
        self.fail: Callable[[str, str], bool] = lambda method, path: False

        def answer(environ: dict[str, Any], start_response: Any) -> Any:
            if self.fail(environ["REQUEST_METHOD"], environ["PATH_INFO"]):
                start_response("503 Slow Down", [("Content-Length", "0")])
                return [b""]
            return app(environ, start_response)

        self._server = make_server("127.0.0.1", 0, answer, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Bucket:
    """A manifest, and a bucket that its results go to."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder, self.server = folder, server
        self.name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:20]
        (folder / "tmp").mkdir()
        self.environment = {
            name: value for name, value in os.environ.items()
            if name not in PROXIES and (not name.startswith("REEDIT_") or name.startswith("REEDIT_TEST_"))
        } | {
            "PYTHONPATH": str(ROOT), "COLUMNS": "200", "TMPDIR": str(folder / "tmp"),
            "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": server.url,
        }  # fmt: skip
        self.fs = s3fs.S3FileSystem(
            key="key", secret="secret", endpoint_url=server.url, use_listings_cache=False,
            client_kwargs={"region_name": "us-east-1"},
        )  # fmt: skip
        self.fs.call_s3("create_bucket", Bucket=self.name)
        self.out = f"s3://{self.name}/out"

    def manifest(self, count: int, width: int = 96, height: int = 64) -> None:
        lines = ["image,instruction"]
        for n in range(count):
            PILImage.fromarray(scene(width, height, n)).save(self.folder / f"{n:04}.jpg")
            lines.append(f"{n:04}.jpg,increase the contrast")
        (self.folder / "jobs.csv").write_text("\n".join(lines) + "\n")

    def command(self, *args: str, out: str | None = None) -> list[str]:
        words = ["batch", "jobs.csv", "-o", out or self.out, "--jobs-in-flight", "2", *args]
        return [sys.executable, "-m", "reedit", *words]

    def run(self, *args: str, out: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*args, out=out), cwd=self.folder, env=self.environment | environment, timeout=300,
            capture_output=True, text=True,
        )  # fmt: skip

    def start(self, *args: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*args), cwd=self.folder, env=self.environment, text=True, start_new_session=True,
            stderr=subprocess.PIPE,
        )  # fmt: skip

    def begun(self) -> int:
        """Runs of which something is in the store."""
        path = f"{self.name}/out/runs"
        return len(self.fs.ls(path)) if self.fs.exists(path) else 0

    def results(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.fs.cat_file(f"{self.name}/out/results.jsonl").splitlines()]

    def copied(self) -> Path:
        target = self.folder / "copy"
        self.fs.get(f"{self.name}/out", str(target), recursive=True)
        return target

    def check_all_delivered_once(self, count: int) -> None:
        found, out = self.results(), self.copied()
        assert [line["status"] for line in found] == ["delivered"] * count
        for line in found:
            assert hashlib.sha256((out / line["output"]).read_bytes()).hexdigest() == line["sha256"]
        runs = list_runs(out / "runs")
        delivered = Counter(run.header["batch"]["id"] for run in runs if run.status == "delivered")
        assert delivered == Counter(line["id"] for line in found)
        for run in runs:
            if (run.path / "events.jsonl").exists():
                assert [event.seq for event in run.events] == list(range(len(run.events)))
        assert {path.name for path in out.iterdir()} == {line["output"] for line in found} | {
            ".reedit", "runs", "results.jsonl",
        }  # fmt: skip
        assert {path.name for path in (out / ".reedit").iterdir()} <= {"batch.json", "journal", "begun"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def bucket(tmp_path: Path, server: Server) -> Iterator[Bucket]:
    yield Bucket(tmp_path, server)
    server.fail = lambda method, path: False


def test_the_same_manifest_results_and_resume(bucket: Bucket) -> None:
    bucket.manifest(3)
    (bucket.folder / "0001.jpg").write_bytes(b"no photo")
    said = bucket.run("--json")
    assert (said.returncode, said.stderr) == (1, "")
    events = [json.loads(line) for line in said.stdout.splitlines()]
    assert [event["event"] for event in events] == ["begin", "job", "job", "job", "end"]
    assert events[-1]["results"] == f"{bucket.out}/results.jsonl"
    assert [line["status"] for line in bucket.results()] == ["delivered", "failed", "delivered"]
    said = bucket.run("--status")
    assert (said.returncode, said.stderr) == (0, "")
    assert "2 done, 1 failed for good" in said.stdout
    said = bucket.run("--retry-failed")
    assert "3 jobs, 1 in this run (2 kept)" in said.stderr
    assert f"aws s3 sync {bucket.out}/runs runs; reedit trace report runs" in said.stderr
    PILImage.fromarray(scene(96, 64, 1)).save(bucket.folder / "0001.jpg")
    assert bucket.run("-q", "--verify").returncode == 0
    bucket.check_all_delivered_once(3)


@pytest.mark.slow
def test_sigkills_at_random_moments_lose_nothing(bucket: Bucket) -> None:
    bucket.manifest(24)
    rng, kills = random.Random(7), 0
    while kills < 8:
        process, before = bucket.start("-q"), bucket.begun()
        while process.poll() is None and bucket.begun() < before + rng.randrange(3):
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 0.3))
        if process.poll() is not None:
            break
        (os.killpg if rng.random() < 0.5 else os.kill)(process.pid, signal.SIGKILL)
        process.communicate()
        kills += 1
    assert kills == 8
    said = bucket.run("-q")
    assert (said.returncode, said.stderr) == (0, "")
    bucket.check_all_delivered_once(24)


def test_every_third_put_is_refused(bucket: Bucket) -> None:
    bucket.manifest(3)
    puts = iter(range(1, 10_000))
    bucket.server.fail = lambda method, path: method == "PUT" and next(puts) % 3 == 0
    said = bucket.run("--json")
    assert (said.returncode, said.stderr) == (0, "")
    assert next(puts) > 20
    assert Counter(json.loads(line)["event"] for line in said.stdout.splitlines())["retry"] == 0
    bucket.check_all_delivered_once(3)


@pytest.mark.ray
@pytest.mark.slow
def test_ray_editors_put_their_own_results(bucket: Bucket) -> None:
    if importlib.util.find_spec("ray") is None:
        pytest.skip('needs ray: pip install "reedit[ray]"')
    bucket.manifest(6)
    ray = ("--engine", "ray", "--ray-editors", "2")
    own = {"RAY_ADDRESS": "local", "TMPDIR": tempfile.gettempdir()}  # a path to Ray's sockets has a limit
    said = bucket.run("--json", *ray, **own)
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout.splitlines()[0])["engine"] == "ray"
    assert "(6 kept)" in bucket.run(*ray, **own).stderr
    bucket.check_all_delivered_once(6)


def test_two_at_once_on_one_machine(bucket: Bucket) -> None:
    bucket.manifest(20)
    first = bucket.start("-q")
    while first.poll() is None and not bucket.begun():
        time.sleep(0.02)
    first.send_signal(signal.SIGSTOP)
    second, looked = bucket.run(), bucket.run("--status")
    first.send_signal(signal.SIGCONT)
    first.send_signal(signal.SIGTERM)
    _, said = first.communicate(timeout=60)
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert f"{bucket.out} is in use by process {first.pid} on " in second.stderr
    assert f"running now: process {first.pid}" in looked.stdout
    assert (first.returncode, said.strip()) == (130, "reedit: interrupted")


def test_what_is_wrong_with_the_store_is_one_line(bucket: Bucket) -> None:
    bucket.manifest(1)
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}
    nobody |= {"AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere"}
    for out, environment, words in (
        ("s3://no-such-bucket/out", {}, "there is no such bucket"),
        (bucket.out, nobody, "no credentials"),
    ):
        said = bucket.run(out=out, **environment)
        assert (said.returncode, said.stderr.count("\n")) == (1, 1), said.stderr
        assert words in said.stderr
        looked = bucket.run("--status", out=out, **environment)
        assert (looked.returncode, looked.stdout) == (1, ""), looked.stdout
        assert words in looked.stderr
    assert "1 to run: not run yet" in bucket.run("--status").stdout  # an empty bucket is one
