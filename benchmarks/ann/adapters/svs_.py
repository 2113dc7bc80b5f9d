"""Intel's Scalable Vector Search (scalable-vs): Vamana on float32 and, on Intel processors, on LVQ codes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.ann.adapters.base import GRAPH_SWEEP, Adapter, Matrix, Search
from benchmarks.common.installed import UnavailableError
from benchmarks.common.machine import is_intel


class Svs(Adapter):
    name = "svs-vamana"
    distribution = "scalable-vs"
    module = "svs"
    source = (
        "https://intel.github.io/ScalableVectorSearch/howtos.html (alpha 1.2 for l2, 0.95 for products; "
        "window_size 200, the default; graph_max_degree 32 or 64: 32, as the others' 2 x M)"
    )
    search_parameter = "search_window_size"

    def parameters(self) -> dict[str, Any]:
        alpha = 1.2 if self.metric == "l2" else 0.95
        return {"graph_max_degree": 32, "window_size": 200, "alpha": alpha}

    def sweep(self) -> Sequence[int]:
        return GRAPH_SWEEP

    def _distance(self) -> Any:
        import svs

        return svs.L2 if self.metric == "l2" else svs.MIP

    def build(self, base: Matrix, threads: int) -> None:
        import svs

        parameters = svs.VamanaBuildParameters(**self.parameters())
        self.index = svs.Vamana.build(parameters, base, self._distance(), num_threads=threads)

    def save(self, folder: Path) -> None:
        self.index.save(*(str(folder / part) for part in ("config", "graph", "data")))

    def _loader(self, folder: Path) -> Any:
        import svs

        return svs.VectorDataLoader(str(folder / "data"), svs.DataType.float32, dims=self.dim)

    def load(self, folder: Path) -> None:
        import svs

        self.index = svs.Vamana(
            str(folder / "config"),
            svs.GraphLoader(str(folder / "graph")),
            self._loader(folder),
            self._distance(),
            num_threads=1,
        )

    def single(self, k: int, value: Any) -> Search:
        return self.batch(k, value, 1)

    def batch(self, k: int, value: Any, threads: int) -> Search:
        if self.index.num_threads != threads:
            self.index.num_threads = threads
        self.index.search_window_size = max(k, value)
        search = self.index.search
        return lambda queries: search(queries, k)

    def labels(self, found: Any) -> Any:
        return found[0]


class SvsLvq8(Svs):
    name = "svs-lvq8"
    source = Svs.source + "; LVQ-8 for dimensions below 200, LVQ-4x8 above"

    @classmethod
    def version(cls) -> str:
        if not is_intel():
            raise UnavailableError("LVQ codes of scalable-vs run on Intel processors alone")
        return super().version()

    def _bits(self) -> dict[str, int]:
        return {"primary": 8} if self.dim < 200 else {"primary": 4, "residual": 8}

    def parameters(self) -> dict[str, Any]:
        return {**super().parameters(), "lvq": self._bits()}

    def build(self, base: Matrix, threads: int) -> None:
        import tempfile

        import svs

        parameters = svs.VamanaBuildParameters(**super().parameters())
        with tempfile.TemporaryDirectory() as scratch:
            svs.write_vecs(base, str(Path(scratch) / "base.fvecs"))
            svs.convert_vecs_to_svs(str(Path(scratch) / "base.fvecs"), str(Path(scratch) / "base.svs"))
            plain = svs.VectorDataLoader(str(Path(scratch) / "base.svs"), svs.DataType.float32, dims=self.dim)
            loader = svs.LVQLoader(plain, padding=32, **self._bits())
            self.index = svs.Vamana.build(parameters, loader, self._distance(), num_threads=threads)

    def _loader(self, folder: Path) -> Any:
        import svs

        return svs.LVQLoader(str(folder / "data"), padding=32)
