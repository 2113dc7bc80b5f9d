"""Engram for ann-benchmarks: lives in its tree as ann_benchmarks/algorithms/engram/module.py."""

from __future__ import annotations

import numpy as np
from ann_benchmarks.algorithms.base.module import BaseANN

import engram


class Engram(BaseANN):
    """engram.Index with ``M`` links a node, built with ``efConstruction``; ``ef`` is the query argument."""

    def __init__(self, metric, method_param):
        self._metric = {"euclidean": "l2", "angular": "cosine"}[metric]
        self._param = method_param
        self._ef = None
        self.name = f"engram ({method_param})"

    def fit(self, X):
        vectors = np.ascontiguousarray(X, dtype=np.float32)
        self._index = engram.Index(
            vectors.shape[1],
            metric=self._metric,
            M=self._param["M"],
            ef_construction=self._param["efConstruction"],
        )
        self._index.add(np.arange(len(vectors)), vectors)

    def set_query_arguments(self, ef):
        self._ef = ef
        self.name = f"engram ({self._param}, 'ef': {ef})"

    def query(self, q, n):
        return self._index.search(q, n, ef=self._ef, threads=1)[0][0]

    def batch_query(self, X, n):
        self._batch = self._index.search(X, n, ef=self._ef)[0]

    def get_batch_results(self):
        return self._batch

    def done(self):
        self._index = None
