"""The schema of the trace, verifying and signing a file, and pruning."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image as PILImage

from agent import provenance
from agent.cli import housekeeping
from agent.errors import UsageError
from agent.trace import Run, TraceWriter, find_run, list_runs
from agent.trace.prune import TRASH, plan, remove
from agent.trace.schema import schema
from agent.trace.view import view
from tests.conftest import ROOT
from tests.run_folders import broken_runs, edit_json, make_run
from tests.test_cli import reedit  # noqa: F401 - a fixture


@pytest.fixture
def ran(reedit, photo: Path, tmp_path: Path) -> Run:  # noqa: F811
    said = reedit("apply", photo, "make it more dramatic with a vintage feel")
    assert said.code in (0, 3), said.err
    return find_run(tmp_path / "runs", "last")


# the schema -----------------------------------------------------------------------------------------


def test_the_schema_in_the_documentation_is_the_one_of_the_records() -> None:
    written = json.loads((ROOT / "docs" / "trace.schema.json").read_text())
    assert written == schema(), "python -m agent.trace.schema > docs/trace.schema.json"
    jsonschema.Draft202012Validator.check_schema(written)


def test_every_event_is_documented() -> None:
    from agent.trace.records import EVENT_TYPES

    text = (ROOT / "docs" / "trace.md").read_text()
    for kind, record in EVENT_TYPES.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{kind}`"))
        own = set(record.model_fields) - {"event", "seq", "at", "seconds"}
        assert not [name for name in own if f"`{name}`" not in row], kind


def test_real_runs_are_valid(reedit, ran: Run) -> None:  # noqa: F811
    check = jsonschema.Draft202012Validator(schema())
    record = reedit("trace", "show", ran.id, "--json").json
    check.validate(record)
    reedit("trace", "replay", ran.id, "--reasoner", "recorded")
    check.validate(reedit("trace", "show", "last", "--json").json)
    for change in ({"events": [{"event": "plan"}]}, {"run": {}}, {"result": {"status": "fine"}}):
        assert not check.is_valid(record | change)
    assert check.is_valid(record | {"events": [{"event": "hologram", "x": 1}], "result": None})


# verify ---------------------------------------------------------------------------------------------


def test_verify_tells_unchanged_rewritten_and_changed_files(reedit, ran: Run, tmp_path: Path) -> None:  # noqa: F811
    output = tmp_path / "photo.reedit.jpg"
    said = reedit("trace", "verify", output)
    assert said.code == 0
    assert ran.id in said.out
    with PILImage.open(output) as picture:
        xmp = picture.info["xmp"]
        picture.save(tmp_path / "again.jpg", quality=92, xmp=xmp)
        picture.point(lambda value: 255 - value).save(tmp_path / "other.jpg", xmp=xmp)
        picture.resize((20, 10)).save(tmp_path / "small.jpg", xmp=xmp)
        picture.save(tmp_path / "bare.jpg")
    for name, state in (
        ("again", "metadata"),
        ("other", "changed"),
        ("small", "changed"),
        ("bare", "unknown"),
    ):
        said = reedit("trace", "verify", f"{name}.jpg", "--json")
        assert said.code == 1
        assert said.json["state"] == state
    edit_json(ran.path / "result.json", sha256="0" * 64)
    assert reedit("trace", "verify", output).code == 1
    assert reedit("trace", "verify", "missing.jpg").code == 1
    assert "not in" in reedit("trace", "verify", output, "--runs", tmp_path / "elsewhere").out


def test_one_changed_byte_is_a_change(reedit, ran: Run, tmp_path: Path) -> None:  # noqa: F811
    output = tmp_path / "photo.reedit.jpg"
    data = bytearray(output.read_bytes())
    data += b"\0"
    output.write_bytes(data)
    assert reedit("trace", "verify", output, "--json").json["state"] == "metadata"


# C2PA -----------------------------------------------------------------------------------------------

EXTENSIONS = """[leaf]
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=emailProtection
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
"""


@pytest.fixture
def signer(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate chain and a key of our own, made by openssl."""
    folder = tmp_path / "pki"
    folder.mkdir()
    (folder / "ext").write_text(EXTENSIONS)
    lines = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /O=t/CN=ca",
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem",
        "req -new -key key.pem -subj /O=t/CN=signer -out leaf.csr",
        "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile ext -extensions leaf -out leaf.pem",
    )
    for line in lines:
        try:
            subprocess.run(
                ["openssl", *line.split()], cwd=folder, check=True, capture_output=True, timeout=60
            )
        except (FileNotFoundError, subprocess.CalledProcessError) as error:
            pytest.skip(f"openssl cannot make certificates here: {error}")
    (folder / "chain.pem").write_bytes((folder / "leaf.pem").read_bytes() + (folder / "ca.pem").read_bytes())
    return folder / "chain.pem", folder / "key.pem"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_signed_copy_tells_what_was_done(reedit, ran: Run, signer, tmp_path: Path) -> None:  # noqa: F811
    c2pa = pytest.importorskip("c2pa", reason='pip install "reedit[c2pa]"')
    chain, key = signer
    args = ("trace", "sign", "photo.reedit.jpg", "--cert", chain, "--key", key, "-o", "signed.jpg")
    assert reedit(*args).code == 0
    with c2pa.Reader(str(tmp_path / "signed.jpg")) as reader:
        record = json.loads(reader.json())
    assert record["validation_state"] in ("Valid", "Trusted")
    active = record["manifests"][record["active_manifest"]]
    assert active["title"] == ran.id
    actions = active["assertions"][0]["data"]["actions"]
    best = view(ran).best
    edits = [edit.instruction for this in view(ran).rounds if this.index <= best.index for edit in this.edits]
    assert [action["description"] for action in actions[1:]] == edits
    assert reedit("trace", "verify", "signed.jpg", "--json").json["state"] == "metadata"
    assert reedit(*args).code == 2  # exists
    (tmp_path / "photo.reedit.jpg").write_bytes((tmp_path / "signed.jpg").read_bytes())
    assert reedit(*args[:-1], "more.jpg").code == 1


def test_signing_needs_usable_certificates(ran: Run, tmp_path: Path) -> None:
    pytest.importorskip("c2pa", reason='pip install "reedit[c2pa]"')
    output = tmp_path / "photo.reedit.jpg"
    (tmp_path / "bad.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(UsageError, match="Cannot sign"):
        provenance.sign(output, tmp_path / "s.jpg", ran, tmp_path / "bad.pem", tmp_path / "bad.pem")
    assert not (tmp_path / "s.jpg").exists()


# prune ----------------------------------------------------------------------------------------------


def test_old_runs_and_other_pictures_go(tmp_path: Path) -> None:
    old, new = make_run(tmp_path), make_run(tmp_path)
    edit_json(old.path / "run.json", started="2020-01-01T00:00:00+00:00")
    found = plan(tmp_path, before=datetime.now(UTC) - timedelta(days=1), best_only=True)
    assert [one.path for one in found if one.whole] == [old.path]
    shown = view(new)
    kept = {shown.started.image.path, shown.best.edits[-1].image.path, shown.best.edits[-1].mask.path}
    kept.add(new.result["thumbnail"])
    assert all(f"images/{one.path.name}" not in kept for one in found if not one.whole)
    assert remove(tmp_path, found) == sum(one.size for one in found)
    assert list_runs(tmp_path) == [new]
    left = {f"images/{path.name}" for path in (new.path / "images").iterdir()}
    assert left == kept
    assert view(Run(new.path)).rounds  # still readable
    assert not list(tmp_path.glob(f"{TRASH}*"))


def test_the_oldest_go_until_the_size_fits(tmp_path: Path) -> None:
    runs = [make_run(tmp_path) for _ in range(4)]
    size = sum(path.stat().st_size for path in runs[0].path.rglob("*"))
    found = plan(tmp_path, max_bytes=int(2.5 * size))
    assert [one.path for one in found] == [runs[0].path, runs[1].path]
    assert plan(tmp_path, max_bytes=10 * size) == []


def test_a_run_being_written_and_what_is_no_run_stay(tmp_path: Path) -> None:
    trace = TraceWriter(tmp_path, {"instruction": "x"})
    trace.event("note", text="x")
    trace.flush()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("x")
    elsewhere = make_run(tmp_path.parent / f"{tmp_path.name}-other")
    (tmp_path / "link").symlink_to(elsewhere.path)
    assert plan(tmp_path, max_bytes=0) == []
    trace.close("failed")
    found = plan(tmp_path, max_bytes=0)
    assert [one.path for one in found] == [trace.path]
    remove(tmp_path, found)
    assert (tmp_path / "mine" / "file").exists()
    assert (elsewhere.path / "run.json").exists()


def test_pictures_behind_links_stay(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    outside = tmp_path.parent / f"{tmp_path.name}.png"
    PILImage.fromarray(np.zeros((2, 2), np.uint8)).save(outside)
    (run.path / "images" / "0000000000000000.png").symlink_to(outside)
    remove(tmp_path, plan(tmp_path, best_only=True))
    assert outside.exists()
    broken_runs(tmp_path)
    remove(tmp_path, plan(tmp_path, best_only=True))
    assert Path("/etc/passwd").exists()


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("12 B", 12), ("1.5k", 1500), ("500MB", 500_000_000), ("10GiB", 10 << 30), ("2Ti", 2 << 40)],
)
def test_sizes_are_powers_of_1000_or_with_an_i_of_1024(text: str, size: int) -> None:
    assert housekeeping._bytes(text) == size


def test_prune_asks_before_it_deletes(reedit, tmp_path: Path, monkeypatch) -> None:  # noqa: F811
    runs = tmp_path / "runs"
    make_run(runs)
    assert reedit("trace", "prune").code == 2
    assert reedit("trace", "prune", "--max-size", "0").code == 2  # no terminal to ask on
    assert reedit("trace", "prune", "--max-size", "lots").code == 2
    assert reedit("trace", "prune", "--max-size", "0", "--dry-run", "--json").json["deleted"] is False
    assert len(list_runs(runs)) == 1
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdin.readline", lambda: "n\n", raising=False)
    assert reedit("trace", "prune", "--max-size", "0").code == 1
    assert len(list_runs(runs)) == 1
    assert reedit("trace", "prune", "--max-size", "0", "--yes").code == 0
    assert list_runs(runs) == []
