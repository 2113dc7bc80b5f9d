"""What a store tells about itself: it is what happened."""

from __future__ import annotations

import gc
import logging
import shutil
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engram
from engram import metrics
from engram._prober import Prober

DIM = 8


@pytest.fixture
def used(folder: Path, rng: np.random.Generator) -> Any:
    """A store that 30 memories were stored in, one of them forgotten, and 20 cues recalled from."""
    vectors = rng.standard_normal((30, DIM)).astype(np.float32)
    with engram.open(folder, DIM, metric="l2") as store:
        for row in range(10):
            store.store(str(row), vectors[row])
        store.store_many([str(row) for row in range(10, 30)], vectors[10:])
        store.forget("3")
        assert store.wait_indexed(timeout=30)
        for row in range(20):
            store.recall(vectors[row])
        yield store


def test_every_call_is_counted_and_timed(used: engram.MemoryStore) -> None:
    latency = used.stats()["latency"]

    assert latency["store"]["count"] == 12  # store_many wrote one piece
    assert latency["recall_pending"]["count"] == latency["recall"]["count"] >= 20
    assert latency["index_lag"]["count"] == 31  # memories, and what forgot one
    assert latency["log_sync"]["count"] == used.stats()["log"]["syncs"] >= 12
    for figures in latency.values():
        assert (
            0 < figures["p50_us"] <= figures["p95_us"] <= figures["p99_us"] <= figures["max_us"] * (1 + 1e-9)
        )
        assert 0 < figures["mean_us"] <= figures["max_us"]


def test_the_recall_of_the_store_itself_is_measured(folder: Path, rng: np.random.Generator) -> None:
    vectors = rng.standard_normal((3000, 32)).astype(np.float32)
    with engram.open(folder, 32, metric="l2", fsync="never", config=engram.Config(recall_probe=1.0)) as store:
        store.store_many([str(row) for row in range(3000)], vectors)
        assert store.stats()["recall_at_10"]["recall"] is None
        cues = rng.standard_normal((1000, 32)).astype(np.float32)
        for number in range(10**6):
            store.recall(cues[number % 1000], k=10)
            measured = store.stats()["recall_at_10"]
            if measured["cues"] >= 8:
                break
        truth = [_recall(store, vectors, cue) for cue in cues[:200]]

    assert measured["cues"] >= 8
    assert 0 <= measured["low"] <= measured["recall"] <= measured["high"] <= 1
    assert measured["seconds"] > 0
    assert abs(measured["recall"] - np.mean(truth)) < 0.1


def _recall(store: engram.MemoryStore, vectors: Any, cue: Any) -> float:
    nearest = np.argsort(((vectors - cue) ** 2).sum(axis=1))[:10]
    return len({str(row) for row in nearest} & set(store.recall(cue, k=10).ids)) / 10


def test_the_probe_can_be_turned_off(folder: Path, rng: np.random.Generator) -> None:
    with engram.open(folder, DIM, config=engram.Config(recall_probe=0)) as store:
        store.store("a", np.ones(DIM))
        for _ in range(100):
            store.recall(np.ones(DIM))
        assert store.stats()["recall_at_10"]["cues"] == 0
        assert store._parts.prober._thread is None


@pytest.mark.parametrize("error", [MemoryError, SystemExit, KeyboardInterrupt])
def test_a_probe_that_fails_is_followed_by_the_next(error: type[BaseException]) -> None:
    probed = threading.Event()

    class Failing:
        """A native store whose first probe fails."""

        def __init__(self) -> None:
            self.probes = 0

        def probe(self, timeout: float) -> float | None:
            self.probes += 1
            if self.probes == 1:
                raise error("no probe")
            probed.set()
            return None

        def stop_probing(self) -> None:
            pass

    native: Any = Failing()
    prober = Prober(native, 1.0)
    prober.start()
    assert probed.wait(30)
    prober.stop()


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), "all", None])
def test_a_share_that_is_none_is_refused(share: Any) -> None:
    with pytest.raises(engram.InvalidInput, match="recall_probe"):
        engram.Config(recall_probe=share)


def test_prometheus_is_told_what_stats_tells(used: engram.MemoryStore) -> None:
    prometheus_client = pytest.importorskip("prometheus_client")
    registry = prometheus_client.CollectorRegistry()
    collector = metrics.prometheus(used, registry, labels={"store": "notes"})

    def value(name: str, **labels: str) -> float | None:
        found: float | None = registry.get_sample_value(f"engram_{name}", {"store": "notes", **labels})
        return found

    assert value("memories") == 29
    assert value("log_records_total") == 12
    assert value("queue_capacity_memories") == 65_536
    assert value("store_seconds_count") == 12
    assert value("store_seconds_bucket", le="+Inf") == 12
    text = prometheus_client.generate_latest(registry).decode()
    assert 'engram_recall_seconds_bucket{le="' in text
    registry.unregister(collector)
    assert value("memories") is None


def test_a_closed_store_has_nothing_to_tell_and_is_not_kept_alive(folder: Path) -> None:
    prometheus_client = pytest.importorskip("prometheus_client")
    registry = prometheus_client.CollectorRegistry()
    store = engram.open(folder, DIM)
    metrics.prometheus(store, registry)
    named = {"store": str(folder)}
    assert registry.get_sample_value("engram_memories", named) == 0

    store.close()
    assert registry.get_sample_value("engram_memories", named) is None
    with engram.open(folder) as again:  # under the same name
        metrics.prometheus(again, registry)
        assert registry.get_sample_value("engram_memories", named) == 0
    kept = weakref.ref(store)
    del store
    gc.collect()
    assert kept() is None
    assert prometheus_client.generate_latest(registry) == b""


def test_stores_of_one_registry_share_each_metric_and_are_told_apart(tmp_path: Path) -> None:
    prometheus_client = pytest.importorskip("prometheus_client")
    registry = prometheus_client.CollectorRegistry()
    with engram.open(tmp_path / "a", DIM) as one, engram.open(tmp_path / "b", DIM) as other:
        one.store("m", np.ones(DIM))
        collector = metrics.prometheus(one, registry)
        assert metrics.prometheus(other, registry, labels={"tenant": "x"}) is collector
        assert metrics.prometheus(one, registry) is collector  # is told of already

        text = prometheus_client.generate_latest(registry).decode()
        of_one = {"store": str(tmp_path / "a"), "tenant": ""}
        of_other = {"store": str(tmp_path / "b"), "tenant": "x"}
        assert registry.get_sample_value("engram_memories", of_one) == 1
        assert registry.get_sample_value("engram_memories", of_other) == 0
        assert registry.get_sample_value("engram_store_seconds_count", of_one) == 1

        collector.remove(one)
        assert registry.get_sample_value("engram_memories", {**of_one}) is None
        assert registry.get_sample_value("engram_memories", of_other) == 0
        registry.unregister(collector)
        assert prometheus_client.generate_latest(registry) == b""

    described = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert sorted(described) == sorted(set(described))
    samples = [line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    assert sorted(samples) == sorted(set(samples))


def test_stores_that_could_not_be_told_apart_are_refused() -> None:
    prometheus_client = pytest.importorskip("prometheus_client")
    registry = prometheus_client.CollectorRegistry()
    with engram.open(None, DIM) as one, engram.open(None, DIM) as other:
        metrics.prometheus(one, registry)
        with pytest.raises(engram.InvalidInput, match="same labels"):
            metrics.prometheus(other, registry)
        with pytest.raises(engram.InvalidInput, match="already, under the labels"):
            metrics.prometheus(one, registry, labels={"tenant": "x"})
        metrics.prometheus(other, registry, labels={"store": "second"})
        for name in ("le", "__x", "a b", ""):
            with pytest.raises(engram.InvalidInput, match="label"):
                metrics.prometheus(other, registry, labels={name: "x"})
        assert registry.get_sample_value("engram_memories", {"store": "in RAM"}) == 0
        assert registry.get_sample_value("engram_memories", {"store": "second"}) == 0


def test_the_measured_recall_is_told_with_its_interval(folder: Path, rng: np.random.Generator) -> None:
    prometheus_client = pytest.importorskip("prometheus_client")
    registry = prometheus_client.CollectorRegistry()
    vectors = rng.standard_normal((100, DIM)).astype(np.float32)
    with engram.open(folder, DIM, fsync="never", config=engram.Config(recall_probe=1.0)) as store:
        store.store_many([str(row) for row in range(100)], vectors)
        metrics.prometheus(store, registry, labels={"store": "s"})
        assert registry.get_sample_value("engram_recall_at_10", {"store": "s"}) is None
        deadline = time.monotonic() + 60
        while not store.stats()["recall_at_10"]["cues"]:
            assert time.monotonic() < deadline
            store.recall(vectors[0])
        store._parts.prober.stop()
        told = store.stats()["recall_at_10"]
        for key, name in (("recall", ""), ("low", "_low"), ("high", "_high"), ("cues", "_cues")):
            assert registry.get_sample_value(f"engram_recall_at_10{name}", {"store": "s"}) == told[key]


def observed(reader: Any, name: str) -> dict[str, float]:
    """The values of an instrument, by store."""
    data = reader.get_metrics_data()
    return {
        point.attributes["store"]: point.value
        for resource in (data.resource_metrics if data is not None else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == name
        for point in metric.data.data_points
    }


def test_opentelemetry_observes_every_store_of_a_meter_and_one_that_was_reopened(
    used: engram.MemoryStore, tmp_path: Path
) -> None:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    meter = provider.get_meter("test")
    observer = metrics.opentelemetry(used, meter, attributes={"store": "used"})
    other = tmp_path / "other"
    for memories in (1, 2):
        with engram.open(other, DIM) as store:
            store.store(str(memories), np.ones(DIM))
            assert metrics.opentelemetry(store, meter, attributes={"store": "other"}) is observer
            assert observed(reader, "engram.memories") == {"used": 29, "other": memories}
            with pytest.raises(engram.InvalidInput, match="already"):
                metrics.opentelemetry(used, meter, attributes={"store": "other"})
    assert observed(reader, "engram.memories") == {"used": 29}
    observer.remove(used)
    assert observed(reader, "engram.memories") == {}
    provider.shutdown()


@pytest.mark.parametrize("tell", [metrics.prometheus, metrics.opentelemetry])
def test_metrics_of_what_is_no_store_are_refused(tell: Any) -> None:
    pytest.importorskip("prometheus_client")
    pytest.importorskip("opentelemetry.metrics")
    with (
        engram.open(None, DIM) as store,
        pytest.raises(engram.InvalidInput, match=r"AsyncMemoryStore.*\.sync"),
    ):
        tell(engram.AsyncMemoryStore(store))


def test_a_log_that_failed_is_told_once_and_in_the_figures(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with engram.open(folder, DIM) as store:
        store.store("a", np.ones(DIM))
        assert store.stats()["log"]["failed"] == 0
        shutil.rmtree(folder / "wal")
        with caplog.at_level(logging.ERROR, logger="engram"):
            for _ in range(3):
                with pytest.raises(engram.DurabilityError):
                    store.store("b", np.ones(DIM))

        assert store.stats()["log"]["failed"] == 1
        assert [record.__dict__["event"] for record in caplog.records] == ["log.failed"]
        store.close(drain=False)


def test_opentelemetry_observes_what_stats_tells(used: engram.MemoryStore) -> None:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    metrics.opentelemetry(used, provider.get_meter("test"), attributes={"store": "notes"})

    points = {
        (metric.name, point.attributes.get("quantile", "")): point
        for resource in reader.get_metrics_data().resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    }
    assert points["engram.memories", ""].value == 29
    assert points["engram.memories", ""].attributes["store"] == "notes"
    assert points["engram.store.count", ""].value == 12
    assert points["engram.store.seconds", "0.99"].value > 0
    provider.shutdown()


def test_nothing_is_said_unless_a_program_listens(
    folder: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="engram"), engram.open(folder, DIM) as store:
        store.store("a", np.ones(DIM))
        store.checkpoint()

    assert capfd.readouterr() == ("", "")
    for record in caplog.records:
        assert isinstance(record.__dict__["event"], str)
        assert isinstance(record.__dict__["fields"], dict)
    assert {"store.opened", "checkpoint.taken", "store.closed"} <= {
        record.__dict__["event"] for record in caplog.records
    }
