"""ScaNN: partitions, asymmetric hashing, re-ordering."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.ann.adapters.base import Adapter, Matrix, Search


class Scann(Adapter):
    name = "scann"
    distribution = "scann"
    module = "scann"
    source = (
        "https://github.com/google-research/google-research/blob/master/scann/docs/algorithms.md "
        "(sqrt(n) leaves, 2 dimensions a block, re-order) with the threshold of ann-benchmarks' config.yml: "
        "0.2 for dot products, none for l2"
    )
    search_parameter = "(leaves, reorder)"

    def parameters(self) -> dict[str, Any]:
        return {
            "num_leaves": int(math.sqrt(self.rows)),
            "dimensions_per_block": 2,
            "anisotropic_quantization_threshold": None if self.metric == "l2" else 0.2,
        }

    def sweep(self) -> Sequence[list[int]]:
        leaves = self.parameters()["num_leaves"]
        shares = ((0.003, 30), (0.006, 40), (0.01, 50), (0.015, 60), (0.02, 80), (0.03, 100), (0.04, 120))
        wider = ((0.06, 150), (0.08, 200), (0.12, 300), (0.2, 400), (0.35, 600))
        return [[max(1, round(leaves * share)), reorder] for share, reorder in shares + wider]

    def build(self, base: Matrix, threads: int) -> None:
        from scann.scann_ops.py import scann_ops_pybind

        wanted = self.parameters()
        threshold = wanted["anisotropic_quantization_threshold"]
        builder = (
            scann_ops_pybind.builder(base, 10, "squared_l2" if self.metric == "l2" else "dot_product")
            .tree(
                wanted["num_leaves"],
                1,
                training_sample_size=len(base),
                spherical=self.metric == "cosine",
                quantize_centroids=True,
            )
            .score_ah(
                wanted["dimensions_per_block"],
                anisotropic_quantization_threshold=math.nan if threshold is None else threshold,
            )
            .reorder(1)
            .set_n_training_threads(threads)
        )
        self.index = builder.build()

    def save(self, folder: Path) -> None:
        self.index.serialize(str(folder.resolve()), relative_path=True)

    def load(self, folder: Path) -> None:
        from scann.scann_ops.py import scann_ops_pybind

        self.index = scann_ops_pybind.load_searcher(str(folder.resolve()))

    def single(self, k: int, value: Any) -> Search:
        leaves, reorder = value
        search = self.index.search
        reordered = max(k, reorder)
        return lambda query: search(query, k, reordered, leaves)

    def batch(self, k: int, value: Any, threads: int) -> Search:
        leaves, reorder = value
        reordered = max(k, reorder)
        if threads == 1:
            one = self.index.search_batched
            return lambda queries: one(queries, k, reordered, leaves)
        self.index.set_num_threads(threads)
        many = self.index.search_batched_parallel
        return lambda queries: many(queries, k, reordered, leaves)

    def labels(self, found: Any) -> Any:
        return found[0]
