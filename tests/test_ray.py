"""The same batches on a real Ray of this machine."""

from __future__ import annotations

import json
import os
import signal
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PILImage

from agent.batch import BatchJob, BatchOptions, Engine, Listener, Record, run_batch
from agent.config import Settings
from agent.trace import list_runs
from tests.conftest import ROOT, scene

pytestmark = pytest.mark.ray
ray = pytest.importorskip("ray", reason='needs ray: pip install "reedit[ray]"')


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Ray with two processors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Ray's own
        ray.init(
            num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error",
            runtime_env={"env_vars": {"PYTHONPATH": str(ROOT)}},
        )  # fmt: skip
        yield
        ray.shutdown()


@pytest.fixture
def batch(tmp_path: Path) -> tuple[list[BatchJob], BatchOptions]:
    jobs = []
    for n in range(12):
        path = tmp_path / f"{n}.jpg"
        PILImage.fromarray(scene(300, 200, n)).save(path)
        jobs.append(BatchJob(f"{n:02}", path, "increase the contrast", f"{n}.jpg"))
    out = tmp_path / "out"
    return jobs, BatchOptions(out, Settings(runs=out / "runs"), pauses=(0.0, 0.0))


class Told(Listener):
    def __init__(self) -> None:
        self.engine: Any = None
        self.ids: list[str] = []

    def begin(self, jobs: int, standings: object, engine: Engine) -> None:
        self.engine = engine

    def job(self, result: Record, again: bool) -> None:
        self.ids.append(result.id)


def run(jobs: list[BatchJob], options: BatchOptions, told: Told) -> Any:
    from agent.batch.engine_ray import RayEngine

    return run_batch(
        jobs, options, lambda count: RayEngine(options.folder, options.settings, editors=2), told
    )


def check(options: BatchOptions) -> None:
    lines = [json.loads(line) for line in (options.folder / "results.jsonl").read_text().splitlines()]
    assert [line["status"] for line in lines] == ["delivered"] * 12
    assert [line["id"] for line in lines] == [f"{n:02}" for n in range(12)]
    runs = list_runs(options.settings.runs)
    assert Counter(r.header["batch"]["id"] for r in runs if r.status == "delivered") == Counter(
        line["id"] for line in lines
    )


@pytest.mark.usefixtures("cluster")
def test_the_same_manifest_results_and_resume(batch: tuple[list[BatchJob], BatchOptions]) -> None:
    jobs, options = batch
    told = Told()
    summary = run(jobs, options, told)
    assert (summary.ok, summary.exit_code, summary.editors) == (12, 0, 2)
    check(options)
    again = Told()
    assert run(jobs, options, again).kept == 12
    assert again.engine is None  # nothing to do: no actor was started


@pytest.mark.usefixtures("cluster")
def test_a_lost_actor_loses_nothing(batch: tuple[list[BatchJob], BatchOptions]) -> None:
    jobs, options = batch

    class Killer(Told):
        def job(self, result: Record, again: bool) -> None:
            super().job(result, again)
            if len(self.ids) == 3:
                ray.kill(self.engine.actors[0], no_restart=False)

    assert run(jobs, options, Killer()).exit_code == 0
    check(options)


@pytest.mark.usefixtures("cluster")
def test_ctrl_c_ends_the_actors(batch: tuple[list[BatchJob], BatchOptions]) -> None:
    jobs, options = batch

    class Impatient(Told):
        def job(self, result: Record, again: bool) -> None:
            super().job(result, again)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(jobs, options, Impatient())
    assert run(jobs, options, Told()).exit_code == 0  # waits until the actors have let go of the folder
    check(options)
