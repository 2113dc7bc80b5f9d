"""What the comparison computes from raw answers: recall with ties, and where a curve crosses a target."""

from __future__ import annotations

import math

import numpy as np
import pytest
from benchmarks.ann.groundtruth import exact
from benchmarks.ann.metrics import Point, around_targets, at_recall, distances, pareto, recall, spread
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

Labels = list[list[int]]


def measure(found: Labels, near: list[list[float]], true: list[list[float]], k: int) -> float:
    return recall(np.array(found), np.array(near), np.array(true), k)


def test_all_right_is_one_and_all_wrong_is_nothing() -> None:
    assert measure([[4, 2, 9]], [[1.0, 2.0, 3.0]], [[1.0, 2.0, 3.0]], 3) == 1.0
    assert measure([[5, 6, 7]], [[8.0, 8.0, 9.0]], [[1.0, 2.0, 3.0]], 3) == 0.0


def test_a_tie_at_the_kth_distance_counts_as_found() -> None:
    # Row 7 is as near as the true third neighbour, though the ground truth names another.
    assert measure([[4, 2, 7]], [[1.0, 2.0, 3.0]], [[1.0, 2.0, 3.0, 3.0]], 3) == 1.0


def test_a_tie_needs_equality_and_not_mere_nearness() -> None:
    assert measure([[4, 2, 7]], [[1.0, 2.0, 3.0001]], [[1.0, 2.0, 3.0]], 3) == pytest.approx(2 / 3)


def test_a_repeated_label_counts_once_and_a_missing_one_not_at_all() -> None:
    assert measure([[4, 4, 4]], [[1.0, 1.0, 1.0]], [[1.0, 2.0, 3.0]], 3) == pytest.approx(1 / 3)
    assert measure([[4, -1, -1]], [[1.0, math.inf, math.inf]], [[1.0, 2.0, 3.0]], 3) == pytest.approx(1 / 3)


def test_recall_at_1_looks_at_the_first_answer_alone() -> None:
    assert measure([[2, 4]], [[2.0, 1.0]], [[1.0, 2.0]], 1) == 0.0


@pytest.mark.parametrize("metric", ["l2", "cosine", "ip"])
def test_distances_are_the_true_ones_and_infinite_for_labels_of_nothing(metric: str) -> None:
    random = np.random.default_rng(3)
    base, query = random.normal(size=(20, 5)).astype("f4"), random.normal(size=(1, 5)).astype("f4")
    labels = np.array([[3, 19, -1, 20]])

    found = distances(metric, query, base, labels)

    cue = query[0].astype("f8")
    for at, label in enumerate((3, 19)):
        vector = base[label].astype("f8")
        expected = {
            "l2": float(((vector - cue) ** 2).sum()),
            "cosine": 1 - float(vector @ cue) / math.sqrt(float(vector @ vector) * float(cue @ cue)),
            "ip": 1 - float(vector @ cue),
        }[metric]
        assert found[0, at] == pytest.approx(expected, rel=1e-12)
    assert np.isinf(found[0, 2:]).all()


@pytest.mark.parametrize("metric", ["l2", "cosine", "ip"])
def test_exact_neighbours_are_those_of_a_full_sort(metric: str) -> None:
    random = np.random.default_rng(5)
    base, queries = random.normal(size=(500, 8)).astype("f4"), random.normal(size=(7, 8)).astype("f4")
    everybody = np.tile(np.arange(500), (7, 1))

    found = exact(metric, base, queries, 40)

    expected = np.sort(distances(metric, queries, base, everybody), axis=1)[:, :40]
    assert np.allclose(distances(metric, queries, base, found), expected, rtol=1e-12)


@given(hnp.arrays(np.int8, st.tuples(st.integers(20, 60), st.integers(1, 4)), elements=st.integers(0, 3)))
def test_exact_neighbours_find_everything_however_many_ties_there_are(rows: np.ndarray) -> None:
    base = rows.astype("f4")

    found = exact("l2", base, base[:3], 5)

    true = np.sort(distances("l2", base[:3], base, np.tile(np.arange(len(base)), (3, 1))), axis=1)
    assert recall(found, distances("l2", base[:3], base, found), true, 5) == 1.0


def points(*pairs: tuple[float, float]) -> list[Point]:
    return [Point(recall, {"qps": qps}) for recall, qps in pairs]


def test_the_crossing_lies_on_the_line_between_its_neighbours_in_the_logarithm() -> None:
    curve = points((0.8, 1000.0), (0.9, 100.0), (0.99, 10.0))

    found = at_recall(curve, 0.85, "qps", more_is_better=True)

    assert found is not None
    assert not found.bound
    assert found.value == pytest.approx(math.sqrt(1000.0 * 100.0))


def test_a_point_on_the_target_is_the_crossing_itself() -> None:
    found = at_recall(points((0.8, 1000.0), (0.9, 100.0)), 0.9, "qps", more_is_better=True)

    assert found is not None
    assert not found.bound
    assert found.value == pytest.approx(100.0)


def test_a_curve_that_starts_above_the_target_gives_its_first_point_as_a_bound() -> None:
    found = at_recall(points((0.97, 500.0), (0.99, 50.0)), 0.95, "qps", more_is_better=True)

    assert found is not None
    assert (found.value, found.bound) == (500.0, True)


def test_a_curve_that_never_gets_there_has_no_crossing() -> None:
    assert at_recall(points((0.5, 500.0), (0.89, 50.0)), 0.9, "qps", more_is_better=True) is None
    assert at_recall([], 0.9, "qps", more_is_better=True) is None


def test_a_setting_that_another_beats_in_both_does_not_bend_the_curve() -> None:
    curve = points((0.8, 1000.0), (0.85, 20.0), (0.9, 100.0))

    assert [point.recall for point in pareto(curve, "qps", more_is_better=True)] == [0.8, 0.9]


def test_for_latencies_less_is_better() -> None:
    curve = [Point(0.9, {"p50_us": 10.0}), Point(0.9, {"p50_us": 12.0}), Point(0.99, {"p50_us": 40.0})]

    found = at_recall(curve, 0.9, "p50_us", more_is_better=False)

    assert found is not None
    assert found.value == pytest.approx(10.0)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(1e-3, 1e6)), min_size=1, max_size=12),
    st.floats(0.01, 1),
)
def test_a_crossing_never_promises_more_than_was_measured(
    pairs: list[tuple[float, float]], target: float
) -> None:
    found = at_recall(points(*pairs), target, "qps", more_is_better=True)

    if found is not None:
        below = [qps for recall, qps in pairs if recall >= target]
        slowest_above, fastest = max(below), max(qps for _, qps in pairs)
        assert slowest_above * (1 - 1e-9) <= found.value <= fastest * (1 + 1e-9)


def test_spread_is_how_far_rounds_lie_apart() -> None:
    assert spread([9.0, 10.0, 11.0]) == pytest.approx(0.2)


def test_the_points_on_either_side_of_each_target_decide() -> None:
    assert around_targets([0.80, 0.89, 0.91, 0.94, 0.951, 0.97, 0.985, 0.992, 0.999]) == [1, 2, 3, 4, 6, 7]
    assert around_targets([0.93, 0.96]) == [
        0,
        1,
    ]  # begins above one, misses one
    assert around_targets([0.5, 0.6]) == []
