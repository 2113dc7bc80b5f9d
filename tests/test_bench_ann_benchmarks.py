"""The adapter for ann-benchmarks, in a tree like theirs and driven as their runner drives it."""

from __future__ import annotations

import importlib
import itertools
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from benchmarks.ann.metrics import distances, recall
from benchmarks.ann.synthetic import synthetic

FILES = Path(__file__).parents[1] / "benchmarks" / "ann_benchmarks"
# The interface of their ann_benchmarks/algorithms/base/module.py.
BASE = """
class BaseANN:
    def done(self): pass
    def get_memory_usage(self): return 0.0
    def fit(self, X): pass
    def query(self, q, n): return []
    def batch_query(self, X, n): self.res = [self.query(q, n) for q in X]
    def get_batch_results(self): return self.res
    def get_additional(self): return {}
    def __str__(self): return self.name
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Their folders, with our files where they belong."""
    algorithms = tmp_path / "ann_benchmarks" / "algorithms"
    for name, content in (("base", BASE), ("engram", (FILES / "module.py").read_text())):
        (algorithms / name).mkdir(parents=True)
        (algorithms / name / "module.py").write_text(content)
        (algorithms / name / "__init__.py").touch()
    (algorithms / "__init__.py").touch()
    (tmp_path / "ann_benchmarks" / "__init__.py").touch()
    shutil.copy(FILES / "config.yml", algorithms / "engram")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for module in [name for name in sys.modules if name.split(".")[0] == "ann_benchmarks"]:
        del sys.modules[module]


def definitions(tree: Path, distance: str) -> list[tuple[Any, list[list[Any]]]]:
    """(instance, query arguments) of every run group, as their definitions.py reads the file."""
    config = yaml.safe_load((tree / "ann_benchmarks" / "algorithms" / "engram" / "config.yml").read_text())
    [algorithm] = config["float"]["any"]
    assert {"docker_tag", "module", "constructor", "name", "base_args", "run_groups"} <= algorithm.keys()
    constructor = getattr(importlib.import_module(f"{algorithm['module']}.module"), algorithm["constructor"])
    made = []
    for group in algorithm["run_groups"].values():
        base = [{"@metric": distance}.get(argument, argument) for argument in algorithm["base_args"]]
        queries = [list(values) for values in itertools.product(*group["query_args"])]
        for arguments in itertools.product(*([one] for one in group["arg_groups"])):
            made.append((constructor(*base, *arguments), queries))
    return made


@pytest.mark.parametrize(("distance", "metric"), [("euclidean", "l2"), ("angular", "cosine")])
def test_their_runner_gets_good_neighbours_one_at_a_time_and_in_batches(
    tree: Path, distance: str, metric: str
) -> None:
    train, test = synthetic(2000, 50, dim=24)
    everybody = np.tile(np.arange(len(train)), (len(test), 1))
    truth = np.sort(distances(metric, test, train, everybody), axis=1)
    qualities: list[float] = []

    for algorithm, query_arguments in definitions(tree, distance):
        before = algorithm.get_memory_usage()
        algorithm.fit(train)
        assert algorithm.get_memory_usage() >= before
        for arguments in (query_arguments[0], query_arguments[-1]):
            algorithm.set_query_arguments(*arguments)
            found = np.array([[int(label) for label in algorithm.query(query, 10)] for query in test])
            algorithm.batch_query(test, 10)
            batch = np.array([[int(label) for label in row] for row in algorithm.get_batch_results()])
            assert all(len(set(row)) == 10 for row in found.tolist())
            assert np.array_equal(batch, found)
            qualities.append(recall(found, distances(metric, test, train, found), truth, 10))
            assert "engram" in str(algorithm)
            assert str(arguments[0]) in str(algorithm)
            assert isinstance(algorithm.get_additional(), dict)
        algorithm.done()

    assert max(qualities) > 0.99
    assert min(qualities) > 0.5


def test_the_dockerfile_builds_on_their_image_and_proves_the_import() -> None:
    lines = (FILES / "Dockerfile").read_text().splitlines()

    assert lines[0] == "FROM ann-benchmarks"
    assert "import engram" in lines[-1]
