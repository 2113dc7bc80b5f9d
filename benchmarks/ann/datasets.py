"""Data sets by name or path, each with exact neighbours.

`sift1m` is the published SIFT1M and nothing else, whichever of its two forms is found; a folder of .npy files
goes by the name of its folder, but one called sift1m is other vectors and is labelled sift-photos-1m.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.ann import readers
from benchmarks.ann.download import Download, fetch
from benchmarks.ann.groundtruth import DEPTH, cached_exact, check_given, checksum
from benchmarks.ann.readers import DataError, finite
from benchmarks.ann.synthetic import synthetic
from benchmarks.common.paths import cache_folder
from benchmarks.common.progress import say

# Checksum as TensorFlow Datasets records it (nearest_neighbors/sift1m/checksums.tsv).
SIFT1M = Download(
    "http://ann-benchmarks.com/sift-128-euclidean.hdf5",
    "sift-128-euclidean.hdf5",
    "dd6f0a6ed6b7ebb8934680f861a33ed01ff33991eaee4fd60914d854a0ca5984",
)
# None: the file does not say.
_HDF5_METRICS = {"euclidean": "l2", "angular": "cosine", "dot": "ip", "ip": "ip", None: None}
_SYNTHETIC_ROWS = 100_000
_LEAST_ROWS = 10
_SAMPLE_SEED = 20_260_101


@dataclass(frozen=True)
class Dataset:
    """Vectors and the truth about them. Under cosine all vectors have length 1."""

    name: str
    metric: str
    base: NDArray[np.float32]
    queries: NDArray[np.float32]
    neighbours: NDArray[np.int64]
    note: str = ""

    @property
    def checksum(self) -> str:
        return checksum(self.base)

    def about(self) -> dict[str, Any]:
        """What a result says of the data it is on."""
        return {
            "name": self.name,
            "metric": self.metric,
            "rows": len(self.base),
            "queries": len(self.queries),
            "dim": self.base.shape[1],
            "checksum": self.checksum,
        }

    def files(self) -> tuple[Path, Path]:
        """(base, queries) as .npy files for the workers to read, written once."""
        folder = cache_folder() / "vectors"
        folder.mkdir(exist_ok=True)
        paths = []
        for kind, array in (("base", self.base), ("queries", self.queries)):
            file = folder / f"{kind}-{checksum(array)}.npy"
            if not file.exists():
                partial = file.with_name(f".{file.name}.npy")
                np.save(partial, array)
                partial.replace(file)
            paths.append(file)
        return paths[0], paths[1]


def load(
    name: str,
    data: Path | None = None,
    *,
    limit: int | None = None,
    queries: int | None = None,
    metric: str | None = None,
) -> Dataset:
    """A data set by name ("auto", "sift1m", "sift-photos-1m", "minilm", "synthetic"), folder or HDF5 file.

    Parameters
    ----------
    data : folder to look in (default: what ENGRAM_DATA names)
    limit : take a random sample of so many base vectors (the same one every time)
    queries : take the first so many queries
    metric : "l2", "cosine" or "ip"; for data that do not say (default: l2)
    """
    environment = None if name == "synthetic" else _environment()
    folders = [folder for folder in (data, environment, cache_folder() / "data") if folder is not None]
    return _sampled(_find(name, folders, limit, queries, metric), limit, queries)


def from_files(
    base: Path,
    queries: Path,
    truth: Path | None,
    metric: str,
    *,
    limit: int | None = None,
    queries_limit: int | None = None,
) -> Dataset:
    """Any matrices: .npy or *vecs; exact neighbours are computed when there are none."""
    vectors = finite(readers.read_matrix(base), base)
    if truth is not None and limit is not None and limit < len(vectors):
        raise DataError(
            f"{truth} is of all {len(vectors)} vectors: leave it out, or the limit of {limit} (a sample has "
            "other neighbours, which are computed)"
        )
    found = _assemble(
        base.stem,
        metric,
        vectors,
        finite(readers.read_matrix(queries), queries),
        None if truth is None else readers.read_matrix(truth),
        truth or base,
    )
    return _sampled(found, limit, queries_limit)


def _find(
    name: str, folders: list[Path], limit: int | None, queries: int | None, metric: str | None
) -> Dataset:
    if name == "synthetic":
        rows = limit or _SYNTHETIC_ROWS
        base, cues = synthetic(rows, queries or 1000)
        return _assemble(f"synthetic-{rows}", _settled("l2", metric, name), base, cues, None, Path(name))
    if name == "auto":
        return _automatic(folders, limit, queries, metric)
    if name == "sift1m":
        return _published(folders, metric) or _downloaded(metric)
    if name in ("sift-photos-1m", "sift-photos"):
        return _npy_set("sift1m", folders, metric)
    path = Path(name)
    if path.suffix in (".hdf5", ".h5"):
        return _hdf5(path, path.stem, metric)
    if path.is_dir():
        return _npy_folder(path, metric)
    if path.suffix in readers.MATRICES:
        raise DataError(
            f"{path} is one matrix, not a data set: python -m benchmarks.ann --base {path} --queries FILE "
            "takes it, and all take a folder with base.npy and queries.npy as --dataset"
        )
    return _npy_set(name, folders, metric)


def _automatic(folders: list[Path], limit: int | None, queries: int | None, metric: str | None) -> Dataset:
    """The best there is: published SIFT1M, then other SIFT vectors, then the network, then synthetic ones."""
    published = _published(folders, metric)
    if published is not None:
        return published
    for folder in folders:
        if list((folder / "sift1m").glob("base*.npy")):
            return _npy_folder(folder / "sift1m", metric)
    _settled("l2", metric, "what is left for auto, SIFT1M or synthetic vectors,")
    try:
        return _downloaded(metric)
    except DataError as error:
        say(f"SIFT1M is not here: {error}\nGoing on with synthetic vectors.")
    return _find("synthetic", folders, limit, queries, metric)


def _published(folders: list[Path], metric: str | None) -> Dataset | None:
    """SIFT1M in one of its published forms."""
    for folder in folders:
        for place in (folder, folder / "sift", folder / "sift1m"):
            if (place / SIFT1M.name).exists():
                return _hdf5(place / SIFT1M.name, "sift1m", metric)
            base, queries, truth = (
                place / f"sift_{part}" for part in ("base.fvecs", "query.fvecs", "groundtruth.ivecs")
            )
            if base.exists():
                metric = _settled("l2", metric, "sift1m")
                vectors, cues = (finite(readers.read_vecs(file), file) for file in (base, queries))
                return _assemble("sift1m", metric, vectors, cues, readers.read_vecs(truth), truth)
    return None


def _downloaded(metric: str | None) -> Dataset:
    metric = _settled("l2", metric, "sift1m")  # said before so much is fetched
    return _hdf5(fetch(SIFT1M, cache_folder() / "data"), "sift1m", metric)


def _hdf5(path: Path, name: str, metric: str | None) -> Dataset:
    base, queries, neighbours, distance = readers.read_hdf5(path)
    if distance not in _HDF5_METRICS:
        raise DataError(
            f"{path} is for the distance {distance!r}; euclidean, angular and dot can be measured"
        )
    metric = _settled(_HDF5_METRICS[distance], metric, path)
    vectors, cues = finite(base, f"{path}: train"), finite(queries, f"{path}: test")
    return _assemble(name, metric, vectors, cues, neighbours, path)


def _settled(said: str | None, wanted: str | None, source: Path | str) -> str:
    """The metric that the data name, else the one asked for, else l2; asking for another is an error."""
    if said is not None and wanted not in (None, said):
        raise DataError(
            f"{source} is for {said}, not {wanted}: leave --metric out, or give matrices with --base and "
            "--queries"
        )
    return said or wanted or "l2"


def _npy_set(name: str, folders: list[Path], metric: str | None) -> Dataset:
    variant = "indist" if name.endswith("-indist") else ""
    folder_name = name.removesuffix("-indist")
    for folder in folders:
        if (folder / folder_name).is_dir():
            return _npy_folder(folder / folder_name, metric, variant)
    looked = ", ".join(str(folder) for folder in folders)
    raise DataError(
        f"there is no data set {name!r}: looked for a folder {folder_name} in {looked}; name another folder "
        "with --data or ENGRAM_DATA, or use --dataset synthetic"
    )


def _npy_folder(folder: Path, metric: str | None, variant: str = "") -> Dataset:
    """base*.npy, query*.npy and perhaps gt*.npy. The variant "indist": the last base rows are the queries of
    indist_gt*.npy and the rows before them its base."""
    base_file = _one(folder, "base*.npy")
    base = finite(readers.read_npy(base_file), base_file)
    name = "sift-photos-1m" if folder.name == "sift1m" else folder.name
    metric = metric or ("cosine" if folder.name == "minilm" else "l2")
    if variant == "indist":
        truth = _one(folder, "indist_gt*.npy")
        neighbours = readers.read_npy(truth)
        split = len(base) - len(neighbours)
        return _assemble(f"{name}-indist", metric, base[:split], base[split:], neighbours, truth)
    query_file = _one(folder, "query*.npy", "queries*.npy")
    queries = finite(readers.read_npy(query_file), query_file)
    truths = sorted(folder.glob("gt*.npy"))
    given = readers.read_npy(truths[0]) if truths else None
    return _assemble(name, metric, base, queries, given, truths[0] if truths else folder)


def _assemble(
    name: str,
    metric: str,
    vectors: NDArray[np.float32],
    cues: NDArray[np.float32],
    given: NDArray[np.generic] | None,
    source: Path,
) -> Dataset:
    if vectors.shape[1] != cues.shape[1]:
        raise DataError(
            f"{source}: the base has {vectors.shape[1]} dimensions, the queries have {cues.shape[1]}"
        )
    if metric == "cosine":
        vectors, cues = _unit(vectors), _unit(cues)
    if given is None:
        neighbours = np.empty((0, 0), np.int64)
    else:
        if given.dtype.kind == "f":
            raise DataError(f"{source}: ground truth is row numbers, not {given.dtype}")
        neighbours = np.ascontiguousarray(given, dtype=np.int64)
        check_given(metric, vectors, cues, neighbours, source)
    return Dataset(name, metric, vectors, cues, neighbours)


def _sampled(dataset: Dataset, limit: int | None, queries: int | None) -> Dataset:
    """The sample asked for, with the truth about that sample."""
    base, cues, neighbours, name = dataset.base, dataset.queries, dataset.neighbours, dataset.name
    if limit is not None and limit < len(base):
        rows = np.sort(np.random.default_rng(_SAMPLE_SEED).choice(len(base), limit, replace=False))
        base, neighbours, name = base[rows], np.empty((0, 0), np.int64), f"{name}, {limit:,} sampled"
    if queries is not None and queries < len(cues):
        cues, neighbours = cues[:queries], neighbours[:queries]
    if len(base) < _LEAST_ROWS or len(cues) == 0 or base.shape[1] == 0:
        raise DataError(
            f"{name} has {len(base)} vectors of {base.shape[1]} dimensions and {len(cues)} queries; "
            f"recall@10 needs at least {_LEAST_ROWS} vectors, 1 dimension and 1 query"
        )
    if neighbours.shape[1] < min(DEPTH, len(base)):
        neighbours = cached_exact(dataset.metric, base, cues)
    return replace(dataset, name=name, base=base, queries=cues, neighbours=neighbours[:, :DEPTH])


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (vectors / np.where(lengths == 0, 1.0, lengths)).astype(np.float32)
    return unit


def _one(folder: Path, *patterns: str) -> Path:
    found = sorted(path for pattern in patterns for path in folder.glob(pattern))
    if not found:
        raise DataError(f"{folder} holds no {' or '.join(patterns)}")
    return found[0]


def _environment() -> Path | None:
    named = os.environ.get("ENGRAM_DATA")
    if not named:
        return None
    if not Path(named).is_dir():
        raise DataError(f"ENGRAM_DATA is {named}, which is no folder: name one that is there, or unset it")
    return Path(named)
