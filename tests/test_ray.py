"""The same batches on a real Ray of this machine."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PILImage

from agent.batch import (
    BatchError,
    BatchJob,
    BatchOptions,
    Engine,
    Feed,
    Listener,
    Record,
    engine_ray,
    run_batch,
)
from agent.batch.engine_ray import RayEngine
from agent.batch.work import Work
from agent.config import Settings
from agent.errors import UsageError
from agent.trace import list_runs
from tests.conftest import scene

pytestmark = pytest.mark.ray
ray = pytest.importorskip("ray", reason='needs ray: pip install "reedit[ray]"')


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head and two nodes, each a Ray node process of its own with one processor and, as Ray counts, one GPU."""
    from ray.cluster_utils import Cluster

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Ray's own
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        for _ in range(2):
            made.add_node(num_cpus=1, num_gpus=1)
        assert engine_ray._connect(ray, made.address)
        yield made
        ray.shutdown()
        made.shutdown()


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


def run(jobs: list[BatchJob], options: BatchOptions, told: Told, editors: int | None = 2) -> Any:
    return run_batch(
        jobs, options, lambda count: RayEngine(options.folder, options.settings, editors=editors), told
    )


def check(options: BatchOptions) -> None:
    lines = [json.loads(line) for line in (options.folder / "results.jsonl").read_text().splitlines()]
    assert [line["status"] for line in lines] == ["delivered"] * 12
    assert [line["id"] for line in lines] == [f"{n:02}" for n in range(12)]
    runs = list_runs(options.settings.runs)
    assert Counter(r.header["batch"]["id"] for r in runs if r.status == "delivered") == Counter(
        line["id"] for line in lines
    )


def test_an_address_where_nothing_listens_is_told_at_once(tmp_path: Path) -> None:
    if ray.is_initialized():
        pytest.skip("joined a cluster already")
    began = time.monotonic()
    with pytest.raises(BatchError, match=r"No Ray cluster answers at 127.0.0.1:1: .*refused"):
        RayEngine(tmp_path, Settings(), address="127.0.0.1:1")
    assert time.monotonic() - began < 30


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


@pytest.mark.usefixtures("cluster")
def test_a_diffusion_editor_has_a_gpu_of_its_own(batch: tuple[list[BatchJob], BatchOptions]) -> None:
    """Torch need not be here: what is asked is where Ray puts the editors, and that jobs get there."""
    jobs, options = batch
    options = replace(options, settings=options.settings.model_copy(update={"editor": "qwen-image-edit"}))
    (options.folder / ".reedit").mkdir(parents=True)
    with closing(RayEngine(options.folder, options.settings)) as engine:
        assert engine.editors == 2  # as many as there are GPUs
        ray.get([actor.host.remote() for actor in engine.actors])
        assert ray.available_resources().get("GPU", 0) == 0
        reports = list(engine.run(Feed([Work(job, options.settings, options.folder, "b") for job in jobs])))
    assert Counter(report.work.job.id for report in reports) == Counter(job.id for job in jobs)
    if importlib.util.find_spec("torch") is None:
        assert {report.record.error for report in reports} == {"EditorUnavailable"}


def test_a_lost_node_loses_no_job_and_a_new_one_is_used(
    cluster: Any, batch: tuple[list[BatchJob], BatchOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs, options = batch
    jobs = jobs + [replace(job, id=f"more-{job.id}", output=f"more-{job.output}") for job in jobs]
    monkeypatch.setattr(engine_ray, "LOOK_AROUND", 1.0)

    class Fate(Told):
        def job(self, result: Record, again: bool) -> None:
            super().job(result, again)
            if len(self.ids) == 4:
                cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)
            if len(self.ids) == 8:
                for _ in range(2):
                    cluster.add_node(num_cpus=1, num_gpus=1)
            if len(self.ids) == 12:  # time for the new nodes to start, and for the cluster to tell
                deadline = time.monotonic() + 60
                while ray.cluster_resources().get("CPU", 0) < 3 and time.monotonic() < deadline:
                    time.sleep(0.2)
                # not for all: the lost node may have been counted beside the new ones
                up = [actor.host.options(max_task_retries=-1).remote() for actor in self.engine.actors]
                ray.wait(up, num_returns=3, timeout=60)

    told = Fate()
    summary = run(jobs, options, told, None)
    assert (summary.failed, summary.pending, summary.warnings) == (0, 0, [])
    assert summary.editors >= 3  # two to begin with; a node was lost, two came
    runs = [found for found in list_runs(options.settings.runs) if found.status == "delivered"]
    assert Counter(found.header["batch"]["id"] for found in runs) == Counter(job.id for job in jobs)
    assert len({found.header["batch"]["by"]["pid"] for found in runs}) >= 3


@pytest.mark.usefixtures("cluster")
def test_a_folder_that_nodes_do_not_see_is_told(batch: tuple[list[BatchJob], BatchOptions]) -> None:
    jobs, options = batch
    feed = Feed([Work(job, options.settings, options.folder, "b") for job in jobs])
    with (
        closing(RayEngine(options.folder, options.settings, editors=1)) as engine,
        pytest.raises(
            BatchError, match=r"No editor could be made on the Ray cluster; the last: FileNotFoundError"
        ),
    ):
        list(engine.run(feed))


@pytest.mark.parametrize("device", ["cuda:1", "cpu,cpu"])
def test_ray_chooses_the_device(tmp_path: Path, device: str) -> None:
    with pytest.raises(UsageError, match="Ray that gives each editor its GPU"):
        RayEngine(tmp_path, Settings(editor="qwen-image-edit", device=device))
