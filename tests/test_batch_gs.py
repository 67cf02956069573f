"""`reedit batch -o gs://...` as a process, against gcp-storage-emulator."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image as PILImage

from agent.trace import list_runs
from tests.conftest import ROOT, scene

pytestmark = pytest.mark.cloud
pytest.importorskip("gcsfs", reason='needs gcsfs: pip install "reedit[gs]"')
if importlib.util.find_spec("gcp_storage_emulator") is None:
    pytest.skip("needs a server: pip install gcp-storage-emulator", allow_module_level=True)

SERVER = """
import sys
from gcp_storage_emulator.server import create_server
create_server("127.0.0.1", int(sys.argv[1]), in_memory=True, default_bucket="bucket").run()
"""


@pytest.fixture
def endpoint() -> Iterator[str]:
    """A server with one bucket, in a process of its own: it cannot be ended while a connection is open."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-c", SERVER, str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            for _ in range(300):
                if server.poll() is not None:
                    pytest.skip("gcp-storage-emulator does not start here: it needs setuptools")
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.kill()


def test_the_same_results_and_resume(endpoint: str, tmp_path: Path) -> None:
    for n in range(3):
        PILImage.fromarray(scene(96, 64, n)).save(tmp_path / f"{n}.jpg")
    lines = ["image,instruction", *(f"{n}.jpg,increase the contrast" for n in range(3))]
    (tmp_path / "jobs.csv").write_text("\n".join(lines))
    (tmp_path / "tmp").mkdir()
    environment = {
        name: value for name, value in os.environ.items()
        if "proxy" not in name.lower() and (not name.startswith("REEDIT_") or name.startswith("REEDIT_TEST_"))
    } | {
        "PYTHONPATH": str(ROOT), "COLUMNS": "200", "TMPDIR": str(tmp_path / "tmp"),
        "STORAGE_EMULATOR_HOST": endpoint,
    }  # fmt: skip

    def run(out: str, *args: str) -> subprocess.CompletedProcess[str]:
        words = ["batch", "jobs.csv", "-o", out, "--jobs-in-flight", "2", *args]
        return subprocess.run(
            [sys.executable, "-m", "reedit", *words], cwd=tmp_path, env=environment, capture_output=True,
            text=True, timeout=120,
        )  # fmt: skip

    said = run("gs://bucket/out", "-q")
    assert (said.returncode, said.stderr) == (0, "")
    said = run("gs://bucket/out", "--verify")
    assert "3 jobs, 0 in this run (3 kept)" in said.stderr
    said = run("gs://no-such-bucket/out")
    assert (said.returncode, said.stderr.count("\n")) == (1, 1), said.stderr
    assert "there is no such bucket" in said.stderr

    copy = "import gcsfs, sys; gcsfs.GCSFileSystem().get('bucket/out', 'copy', recursive=True)"
    subprocess.run([sys.executable, "-c", copy], cwd=tmp_path, env=environment, check=True, timeout=60)
    out = tmp_path / "copy"
    results = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert [line["status"] for line in results] == ["delivered"] * 3
    for line in results:
        assert hashlib.sha256((out / line["output"]).read_bytes()).hexdigest() == line["sha256"]
    assert {run.status for run in list_runs(out / "runs")} == {"delivered"}
    assert not (out / ".reedit" / "lease.json").exists()
