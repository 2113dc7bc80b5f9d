"""engram.Index against brute force."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import engram

METRICS = ("l2", "ip", "cosine")


def distances(queries: NDArray[Any], base: NDArray[Any], metric: str) -> NDArray[np.float64]:
    """Every distance, in float64."""
    q, b = queries.astype(np.float64), base.astype(np.float64)
    if metric == "l2":
        return np.stack([((b - row) ** 2).sum(axis=1) for row in q])
    if metric == "cosine":
        q = q / np.linalg.norm(q, axis=1, keepdims=True)
        b = b / np.linalg.norm(b, axis=1, keepdims=True)
    return np.asarray(1 - q @ b.T)


def tolerance(queries: NDArray[Any], base: NDArray[Any], metric: str) -> float:
    """1e-6 times the scale for what is a difference of large terms; l2 is held relatively."""
    if metric == "ip":
        return 1e-6 * float(np.linalg.norm(queries, axis=1).max() * np.linalg.norm(base, axis=1).max())
    return 1e-6


def built(base: NDArray[Any], metric: Any = "l2", **options: Any) -> engram.Index:
    index = engram.Index(base.shape[1], metric=metric, **options)
    index.add(np.arange(len(base)), base, threads=1)
    return index


def recall(index: engram.Index, base: NDArray[Any], queries: NDArray[Any], k: int, ef: int) -> float:
    true = np.sort(distances(queries, base, index.metric), axis=1)[:, k - 1 : k]
    labels, _ = index.search(queries, k, ef=ef)
    found = np.take_along_axis(distances(queries, base, index.metric), labels, axis=1)
    return float((found <= true + 1e-9).mean())


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dim", [1, 2, 3, 16, 100, 768, 4096])
def test_distances_are_those_of_numpy_sorted_and_without_repeats(metric: str, dim: int) -> None:
    rng = np.random.default_rng(dim)
    base = rng.normal(size=(1500 if dim < 1000 else 300, dim)).astype(np.float32)
    queries = rng.normal(size=(20, dim)).astype(np.float32)
    index = built(base, metric)

    labels, found = index.search(queries, k=30, ef=100)

    true = np.take_along_axis(distances(queries, base, metric), labels, axis=1)
    assert labels.dtype == np.int64 and found.dtype == np.float32
    assert all(len(set(row)) == 30 for row in labels.tolist())
    assert (np.diff(found, axis=1) >= 0).all()
    np.testing.assert_allclose(
        found, true, rtol=1e-5 if metric == "l2" else 0, atol=tolerance(queries, base, metric)
    )


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("n", [1, 2, 50, 999, 3000])
def test_asking_for_as_many_as_there_are_gives_all(metric: str, n: int) -> None:
    base = np.random.default_rng(n).normal(size=(n, 12)).astype(np.float32)
    index = built(base, metric)

    labels, found = index.search(base[:3], k=n)

    assert [sorted(row) for row in labels.tolist()] == [list(range(n))] * len(labels)
    assert np.isfinite(found).all()


def test_where_fewer_are_there_the_rest_is_minus_one_and_infinity() -> None:
    index = built(np.eye(3, dtype=np.float32))

    labels, found = index.search(np.eye(3, dtype=np.float32)[0], k=5)

    assert labels.shape == (1, 5)
    assert labels[0, 0] == 0 and set(labels[0, :3].tolist()) == {0, 1, 2}
    assert labels[0, 3:].tolist() == [-1, -1] and np.isinf(found[0, 3:]).all()


def test_an_empty_index_finds_nothing() -> None:
    labels, found = engram.Index(4).search(np.zeros((2, 4)), k=3)
    assert (labels == -1).all() and np.isinf(found).all()
    assert engram.Index(4).search(np.zeros((0, 4)), k=3)[0].shape == (0, 3)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", ["f32", "bf16", "f16"])
def test_the_walk_finds_nearly_all_of_the_nearest(metric: str, dtype: str) -> None:
    rng = np.random.default_rng(5)
    base = rng.normal(size=(6000, 24)).astype(np.float32)
    queries = rng.normal(size=(100, 24)).astype(np.float32)
    index = built(base, metric, dtype=dtype)
    assert recall(index, base, queries, k=10, ef=100) > (0.97 if dtype == "f32" else 0.9)


@pytest.mark.parametrize("dim", [24, 768])
def test_a_breadth_below_k_finds_as_many_of_which_fewer_are_the_nearest(dim: int) -> None:
    rng = np.random.default_rng(23)
    base = rng.normal(size=(3000, dim)).astype(np.float32)
    queries = rng.normal(size=(50, dim)).astype(np.float32)
    index = built(base)
    found = {}
    for ef in (1, 5, 60):
        labels, away = index.search(queries, 60, ef=ef)
        assert all(len(set(row)) == 60 and min(row) >= 0 for row in labels.tolist())
        assert np.all(np.diff(away, axis=1) >= 0)
        np.testing.assert_allclose(
            away, np.take_along_axis(distances(queries, base, "l2"), labels, 1), rtol=1e-4
        )
        found[ef] = recall(index, base, queries, k=60, ef=ef)
    assert 0.05 < found[1] < found[5] < found[60]


def test_k_come_back_while_other_threads_replace_labels() -> None:
    rng = np.random.default_rng(29)
    base = rng.normal(size=(3000, 16)).astype(np.float32)
    index = built(base)
    done = threading.Event()

    def replace(first: int) -> None:
        while not done.is_set():
            labels = np.arange(first, first + 40)
            index.add(labels, base[labels] + np.float32(0.01), threads=1)

    threads = [threading.Thread(target=replace, args=(first,)) for first in (0, 1000)]
    for thread in threads:
        thread.start()
    try:
        for number in range(600):
            found = index.search(base[number % 40], k=300, ef=300)[0][0]
            assert len(set(found.tolist())) == 300 and found.min() >= 0
    finally:
        done.set()
        for thread in threads:
            thread.join()


def test_inner_products_of_vectors_of_all_lengths_are_walked_to() -> None:
    rng = np.random.default_rng(17)
    base = (rng.normal(size=(8000, 24)) * np.exp(rng.normal(size=(8000, 1)))).astype(np.float32)
    queries = rng.normal(size=(100, 24)).astype(np.float32)
    assert recall(built(base, "ip", M=8, ef_construction=100), base, queries, k=10, ef=32) > 0.95


def test_every_vector_is_found_by_itself() -> None:
    base = np.random.default_rng(6).normal(size=(5000, 16)).astype(np.float32)
    index = built(base)
    index.remove(np.arange(0, 5000, 3))

    labels, found = index.search(base, k=1)

    kept = np.arange(5000) % 3 != 0
    assert (labels[kept, 0] == np.arange(5000)[kept]).all()
    assert (labels[~kept, 0] % 3 != 0).all()
    assert (found[kept] == 0).all()


@pytest.mark.parametrize("metric", METRICS)
def test_equal_vectors_by_the_thousand_hide_nobody(metric: str) -> None:
    rng = np.random.default_rng(7)
    base = np.concatenate([np.full((3000, 8), 0.5), rng.normal(size=(2000, 8))]).astype(np.float32)
    index = built(base, metric)

    assert set(index.search(base[0], k=3000)[0][0].tolist()) >= set(range(3000)) or metric != "l2"
    assert recall(index, base, base[3000:3200], k=10, ef=100) > 0.95


def test_all_equal_vectors_are_all_found() -> None:
    index = built(np.full((2500, 5), -2.25, np.float32))
    labels, found = index.search(np.full(5, -2.25), k=100)
    assert len(set(labels[0].tolist())) == 100 and (found == 0).all()


def test_constant_dimensions_and_large_offsets_cost_no_recall() -> None:
    rng = np.random.default_rng(8)
    base = (1000 + rng.normal(size=(3000, 16))).astype(np.float32)
    base[:, 5] = 1001.0
    assert recall(built(base), base, base[:50] + np.float32(0.01), k=10, ef=100) > 0.95


def test_a_label_added_again_stands_for_the_new_vector() -> None:
    rng = np.random.default_rng(9)
    base = rng.normal(size=(2000, 8)).astype(np.float32)
    index = built(base)
    other = rng.normal(size=(2000, 8)).astype(np.float32)

    index.add(np.arange(1000), other[:1000])

    assert len(index) == 2000
    labels, found = index.search(other[:1000], k=1)
    assert (labels[:, 0] == np.arange(1000)).all() and (found == 0).all()
    assert (index.search(base[:1000], k=1)[1] > 0).all()


def test_of_repeated_labels_the_last_wins() -> None:
    index = engram.Index(2)
    index.add([5, 6, 5], [[1, 0], [2, 0], [3, 0]])
    assert len(index) == 2
    assert index.search([3, 0], k=1)[0].tolist() == [[5]]
    assert index.search([1, 0], k=1)[0].tolist() == [[6]]


def test_remove_tells_how_many_were_there() -> None:
    index = built(np.eye(4, dtype=np.float32))
    assert index.remove([1, 1, 3, 77]) == 2
    assert index.remove(2) == 1
    assert len(index) == 1
    assert index.search(np.eye(4)[1], k=4)[0].tolist() == [[0, -1, -1, -1]]


def test_labels_may_be_any_64_bit_integers_but_minus_one() -> None:
    labels = [0, -2, 2**63 - 1, -(2**63), 2**40]
    index = engram.Index(1)
    index.add(labels, np.arange(5).reshape(5, 1))
    assert index.search(np.arange(5).reshape(5, 1), k=1)[0][:, 0].tolist() == labels
    with pytest.raises(engram.InvalidInput, match="-1"):
        index.add([-1], [[1.0]])


def test_one_seed_and_one_thread_give_one_index() -> None:
    base = np.random.default_rng(10).normal(size=(3000, 16)).astype(np.float32)
    queries = np.random.default_rng(11).normal(size=(50, 16)).astype(np.float32)
    one, two = built(base, seed=3), built(base, seed=3)
    for a, b in zip(one.search(queries, 20, ef=20), two.search(queries, 20, ef=20), strict=True):
        np.testing.assert_array_equal(a, b)


def test_many_threads_build_as_good_an_index_as_one() -> None:
    rng = np.random.default_rng(12)
    base = rng.normal(size=(6000, 20)).astype(np.float32)
    queries = rng.normal(size=(200, 20)).astype(np.float32)
    many = engram.Index(20)
    many.add(np.arange(6000), base, threads=4)
    assert abs(recall(many, base, queries, 10, 40) - recall(built(base), base, queries, 10, 40)) < 0.03
    np.testing.assert_array_equal(
        many.search(queries, 10, threads=1)[0], many.search(queries, 10, threads=4)[0]
    )


@pytest.mark.parametrize("share", [0.0005, 0.01, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("kind", ["mask", "labels"])
def test_a_filter_gives_k_hits_whenever_k_match(share: float, kind: str) -> None:
    rng = np.random.default_rng(13)
    base = rng.normal(size=(6000, 10)).astype(np.float32)
    queries = rng.normal(size=(30, 10)).astype(np.float32)
    mask = rng.random(6000) < share
    index = built(base)

    labels, _ = index.search(queries, k=10, ef=50, filter=mask if kind == "mask" else np.flatnonzero(mask))

    assert ((labels >= 0).sum(axis=1) == min(10, mask.sum())).all()
    assert mask[labels[labels >= 0]].all()
    true = np.sort(distances(queries, base[mask], "l2"), axis=1)[:, : labels.shape[1]]
    found = np.where(labels >= 0, np.take_along_axis(distances(queries, base, "l2"), labels, axis=1), np.nan)
    assert (found[:, : true.shape[1]] <= true[:, -1:] + 1e-9).mean() > 0.9


def test_a_filter_may_name_labels_that_are_not_there() -> None:
    index = built(np.eye(4, dtype=np.float32))
    assert index.search(np.eye(4)[0], k=2, filter=[3, 99, -5])[0].tolist() == [[3, -1]]
    assert index.search(np.eye(4)[0], k=2, filter=[])[0].tolist() == [[-1, -1]]
    assert index.search(np.eye(4)[0], k=2, filter=np.zeros(0, bool))[0].tolist() == [[-1, -1]]


def test_vectors_of_other_number_types_and_layouts_are_taken() -> None:
    base = np.random.default_rng(14).integers(-50, 50, size=(200, 6))
    for array in (
        base,
        base.astype(np.float64),
        base.astype(np.int8),
        np.asfortranarray(base),
        base.tolist(),
    ):
        assert index_of(array).search(base[7], k=1)[0].tolist() == [[7]]
    assert index_of(np.repeat(base, 2, axis=1)[:, ::2]).search(base[7], k=1)[0].tolist() == [[7]]


def index_of(base: Any) -> engram.Index:
    index = engram.Index(6)
    index.add(np.arange(200), base)
    return index


def test_it_is_small_when_it_holds_little() -> None:
    index = built(np.random.default_rng(15).normal(size=(1000, 128)).astype(np.float32))
    assert 1000 * 128 * 4 < index.memory_bytes < 2_000_000


def test_adds_searches_and_removals_may_run_at_once() -> None:
    rng = np.random.default_rng(16)
    base = rng.normal(size=(6000, 16)).astype(np.float32)
    index = engram.Index(16, ef_construction=40)
    index.add(np.arange(1000), base[:1000])
    failures: list[BaseException] = []
    done = threading.Event()

    def guarded(work: Any) -> Any:
        def run() -> None:
            try:
                work()
            except BaseException as error:
                failures.append(error)

        return run

    def search() -> None:
        while not done.is_set():
            labels, found = index.search(base[:50], k=10, threads=1)
            for row, row_distances in zip(labels.tolist(), found, strict=True):
                real = [label for label in row if label >= 0]
                assert len(set(real)) == len(real)
                assert (np.diff(row_distances[: len(real)]) >= 0).all()

    def add(part: int) -> None:
        for begin in range(1000 + part, 6000, 200):
            rows = np.arange(begin, min(begin + 100, 6000))
            index.add(rows, base[rows], threads=1)
            index.remove(rows[::4])

    readers = [threading.Thread(target=guarded(search)) for _ in range(2)]
    writers = [threading.Thread(target=guarded(lambda part=part: add(part))) for part in (0, 100)]
    for thread in readers + writers:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in readers:
        thread.join()

    assert not failures
    labels, _ = index.search(base, k=1, ef=300)
    held = np.ones(6000, bool)
    for begin in range(1000, 6000, 100):
        held[np.arange(begin, begin + 100)[::4]] = False
    assert len(index) == held.sum()
    assert (labels[held, 0] == np.arange(6000)[held]).all()


def clustered(name: str) -> tuple[NDArray[np.float32], Any]:
    """Data whose neighbours are nearer to each other than 8-bit codes can tell, and its metric."""
    rng = np.random.default_rng(6)
    if name == "near duplicates":
        base = rng.normal(size=(3, 64))[np.arange(3000) % 3] + rng.normal(size=(3000, 64)) * 0.01
        return base.astype(np.float32), "cosine"
    if name == "far clusters":
        base = (rng.normal(size=(20, 32)) * 10)[rng.integers(0, 20, 4000)] + rng.normal(
            size=(4000, 32)
        ) * 0.01
        return base.astype(np.float32), "l2"
    places = np.column_stack([48 + rng.normal(size=4000) * 0.05, 2 + rng.normal(size=4000) * 0.05])
    places[:20] = [-33, 151]
    return places.astype(np.float32), "l2"


@pytest.mark.parametrize("name", ["near duplicates", "far clusters", "places on earth"])
def test_neighbours_nearer_than_the_codes_can_tell_are_found(name: str) -> None:
    base, metric = clustered(name)
    index = engram.Index(base.shape[1], metric=metric)
    index.add(np.arange(len(base)), base)
    queries = base[20:220]
    true = np.argsort(distances(queries, base, metric), axis=1)[:, :10]

    labels, _ = index.search(queries, 10)

    found = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(labels.tolist(), true.tolist(), strict=True)])
    assert found >= 0.95


def test_replacing_copies_over_and_over_loses_none() -> None:
    rng = np.random.default_rng(3)
    index = engram.Index(4)
    for _ in range(6):
        base = (rng.integers(-3, 4, size=(4000, 4)) + 0.5).astype(np.float32)
        for part in np.array_split(rng.permutation(4000), 20):
            index.add(part, base[part], threads=1)
    assert (index.search(base, 1)[1][:, 0] > 1e-5).sum() <= 4


@pytest.mark.parametrize("metric", METRICS)
def test_optimize_changes_no_answer_and_gives_back_what_removed_vectors_held(metric: str) -> None:
    rng = np.random.default_rng(31)
    base = rng.normal(size=(4000, 20)).astype(np.float32)
    base[3000:] = base[:1000]
    queries = rng.normal(size=(50, 20)).astype(np.float32)
    index = built(base, metric)
    index.remove(np.arange(1, 4000, 2))
    labels, found = index.search(queries, k=10, ef=200)
    before = index.memory_bytes

    index.optimize()

    assert index.memory_bytes < 0.6 * before
    assert len(index) == 2000
    same_labels, same_found = index.search(queries, k=10, ef=200)
    assert np.mean(labels == same_labels) > 0.99  # of copies either may come
    np.testing.assert_allclose(found, same_found, rtol=1e-6)
    index.add([1], [base[1]])
    assert len(index) == 2001
    assert index.search(base[1], k=3)[1][0, 0] == pytest.approx(
        distances(base[1:2], base[1:2], metric)[0, 0], abs=1e-5
    )


def test_optimize_runs_beside_adds_searches_and_removals() -> None:
    rng = np.random.default_rng(32)
    base = rng.normal(size=(1500, 12)).astype(np.float32)
    index = built(base[:500])
    done = threading.Event()
    wrong: list[str] = []

    def look() -> None:
        while not done.is_set():
            labels, found = index.search(base[:8], k=5)
            if (labels < 0).any() or (np.diff(found, axis=1) < 0).any():
                wrong.append(str(labels))

    def change() -> None:
        for at in range(500, 1500, 50):
            index.add(np.arange(at, at + 50), base[at : at + 50], threads=1)
            index.remove(np.arange(at - 480, at - 450))

    readers = [threading.Thread(target=look) for _ in range(2)]
    writer = threading.Thread(target=change)
    for thread in [*readers, writer]:
        thread.start()
    for _ in range(10):
        index.optimize()
    writer.join()
    done.set()
    for thread in readers:
        thread.join()

    assert not wrong
    index.optimize()
    gone = {label for at in range(500, 1500, 50) for label in range(at - 480, at - 450)}
    kept = np.array([label for label in range(1500) if label not in gone])
    assert len(index) == len(kept)
    labels, _ = index.search(base[kept], k=1, ef=200)
    assert (labels[:, 0] == kept).all()
