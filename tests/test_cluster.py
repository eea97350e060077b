"""Run tasks on a Dask cluster of two local workers: the same results, whatever happens to a worker."""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

distributed = pytest.importorskip("distributed")

from msgspec.structs import replace  # noqa: E402

from parity import report  # noqa: E402
from parity.__main__ import main  # noqa: E402
from parity.checks.runner import Runner  # noqa: E402
from parity.cluster import performing, pool  # noqa: E402
from parity.cluster.performing import described  # noqa: E402
from parity.cluster.pool import Cluster  # noqa: E402
from parity.errors import InputError  # noqa: E402
from parity.frameworks import CPU, DeviceSettings, effects, loading  # noqa: E402
from tests.full_runs import full_run  # noqa: E402
from tests.tasks import acts  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of Dask and what it is built on: they are not ours


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """Start a scheduler and two workers, each a process, on free ports.

    A local cluster gives up a worker that starts anew at the moment of this timeout after it died once before.
    """
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": 50}
    patient = {"distributed.deploy.lost-worker-timeout": "1 hour"}
    with distributed.dask.config.set(patient), distributed.LocalCluster(**options) as cluster:
        yield cluster.scheduler_address


def run(tasks: list[Any], scheduler: str, **options: Any) -> dict[Any, list[Any]]:
    runner = Runner(tasks, pool=Cluster(scheduler, **options))
    try:
        return dict(runner)
    finally:
        runner.close()


def test_results_are_those_of_the_pool_of_this_machine(scheduler: str) -> None:
    actions = ("fine", "raises", "exits", "interrupts", "cannot be sent", "where")
    tasks = [*acts(*actions), *acts(*actions, batch="another")]
    found = run(tasks, scheduler)
    assert found == dict(Runner(tasks, jobs=2))
    assert [found[task] for task in tasks if task.action == "where"] == [["in a worker"]] * 2


def test_short_tasks_travel_together(scheduler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    submit = Cluster.submit
    monkeypatch.setattr(
        Cluster, "submit", lambda self, *one, address: sent.append(1) or submit(self, *one, address=address)
    )
    tasks = [*acts(*["fine"] * 100), *acts("fine", batch="another")]
    assert run(tasks, scheduler) == {task: ["fine"] for task in tasks}
    assert len(sent) == 3


def test_a_task_that_takes_long_is_reported_before_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(performing, "SHARE", 0.0)
    monkeypatch.setattr(performing, "limit_threads", lambda _: None)
    monkeypatch.setattr(effects, "UNWATCHED", set())
    tasks = [pickle.dumps(task) for task in acts("fine", "fine")]
    (answer,) = performing.perform(tasks, ("batch",), CPU)
    assert pickle.loads(answer)[0] == ["fine"]


def test_frameworks_have_the_one_core_of_their_worker(scheduler: str) -> None:
    """Check the limit in the workers: by default TensorFlow takes all cores of a machine."""
    run([*acts("fine"), *acts("fine", batch="another")], scheduler)
    with distributed.Client(scheduler, set_as_default=False) as client:
        assert set(client.run(lambda: loading.LIMITS.threads).values()) == {1}


@pytest.mark.parametrize("death", ["dies", "is killed"])
def test_a_worker_that_dies_costs_one_task(death: str, scheduler: str) -> None:
    tasks = [*acts("fine", death, "fine", "fine"), *acts("fine", "fine", batch="another")]
    found = run(tasks, scheduler)
    lost = [task for task in tasks if found[task] != ["fine"]]
    assert [task.action for task in lost] == [death]
    assert found[lost[0]] == ["the worker left the cluster before it was done"]


def test_a_task_that_never_ends_is_stopped_and_the_next_one_runs(scheduler: str) -> None:
    tasks = acts("hangs", "fine")
    found = run(tasks, scheduler, timeout=2.0)
    assert [found[task] for task in tasks] == [["stopped after 2 seconds, the limit of --timeout"], ["fine"]]


def test_without_a_worker_tasks_fail_and_nobody_waits_for_ever(scheduler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "WAITING", 1.0)
    cluster = Cluster(scheduler)
    monkeypatch.setattr(cluster, "_information", dict)
    cluster._seen = 0.0
    tasks = acts("fine", "fine")
    assert dict(Runner(tasks, pool=cluster)) == {task: ["no worker is left"] for task in tasks}


def test_a_gpu_is_asked_for_where_it_is_needed(scheduler: str) -> None:
    with pytest.raises(InputError, match="without a worker with the resource GPU=1, expected one with workers"):
        Cluster(scheduler, DeviceSettings("cuda", False))
    options = {"n_workers": 1, "dashboard_address": None, "resources": {"GPU": 1}, "silence_logs": 50}
    with distributed.LocalCluster(**options, threads_per_worker=1) as cluster:
        (task,) = acts("fine")
        assert run([task], cluster.scheduler_address, device=DeviceSettings("cuda", False)) == {task: ["fine"]}


def test_another_version_is_refused(scheduler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking() -> dict[str, str]:
        raise ModuleNotFoundError("No module named 'parity'")

    monkeypatch.setattr(pool, "described", lacking)
    with pytest.raises(InputError, match=r"^scheduler: got a worker that cannot run this package: ModuleNotFoundError"):
        Cluster(scheduler)
    monkeypatch.setattr(pool, "described", described)
    monkeypatch.setattr(Cluster, "_described", lambda *_: {"tcp://a:1": {**described(), "source of parity": "0"}})
    with pytest.raises(InputError, match=r"^scheduler: got source of parity 0 at tcp://a:1, expected [0-9a-f]{12}, as"):
        Cluster(scheduler)


@pytest.mark.parametrize("address", ["nowhere", "tcp://127.0.0.1:1", ""])
def test_an_address_without_a_scheduler_is_named(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "REACHING", 0.5)
    with pytest.raises(InputError, match=r"^scheduler: got .*, expected the address of a Dask scheduler that runs"):
        Cluster(address)


def test_dask_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(InputError, match=r'without Dask, expected Dask, which pip install "padding-parity\[cluster\]"'):
        Cluster("tcp://127.0.0.1:1")


def test_a_cluster_and_jobs_are_one_too_many(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--operation", "pooling.mean", "--jobs", "2", "--scheduler", "tcp://127.0.0.1:1"]) == 2
    assert "jobs: got 2 with --scheduler, expected one of both" in capsys.readouterr().err


@full_run
def test_the_report_is_that_of_this_machine(scheduler: str, pytorch: str, tmp_path: Path) -> None:
    options = ["check", "--operation", "pooling.mean", "--framework", pytorch, "--dtype", "float32"]
    for name, more in {"here": ["--jobs", "1"], "cluster": ["--scheduler", scheduler]}.items():
        assert main([*options, *more, "--output", str(tmp_path / name)]) == 0
    here, cluster = (report.read(tmp_path / name) for name in ("here", "cluster"))
    assert replace(cluster.summary, seconds=0.0) == replace(here.summary, seconds=0.0)
    assert cluster.results == here.results
    assert cluster.environment.versions == here.environment.versions
    assert cluster.environment.frameworks.keys() >= {pytorch}


def test_threads_of_dask_may_draw_from_pythons_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check that what a worker's other threads draw is no effect of a run, and what a run does to NumPy is."""
    monkeypatch.setattr(effects, "UNWATCHED", {effects.PYTHONS_GENERATOR})
    watch = effects.Watch({})
    with watch():
        random.random()
        np.random.random()
    assert watch.changed == ["random state of NumPy"]
