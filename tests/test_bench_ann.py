"""The comparison from end to end, with engines that need nothing but numpy; and the data sets it runs on."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from benchmarks.ann import datasets, report
from benchmarks.ann.cli import main
from benchmarks.ann.download import Download, fetch
from benchmarks.ann.groundtruth import cached_exact
from benchmarks.ann.readers import DataError
from benchmarks.ann.runner import Measured, Plan, run
from benchmarks.ann.synthetic import synthetic


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ENGRAM_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ENGRAM_BENCH_RESULTS", str(tmp_path / "results"))
    monkeypatch.delenv("ENGRAM_DATA", raising=False)
    return tmp_path


def run_cli(tmp_path: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    fixed = ["--dataset", "synthetic", "--limit", "600", "--query-count", "40", "--rounds", "1", "--no-plot"]
    code = main([*fixed, "--build-threads", "all", *arguments])
    return code, json.loads((tmp_path / "results" / "ann.json").read_text())


def test_wrong_labels_are_reported_with_recall_near_nothing(own_folders: Path) -> None:
    code, result = run_cli(own_folders, "--engines", "numpy-exact,numpy-shuffled")

    exact, shuffled = result["engines"]
    assert code == 0
    assert exact["points"][0]["recall_10"] == exact["points"][0]["recall_100"] == 1.0
    assert shuffled["missing"] is None
    assert shuffled["points"][0]["recall_10"] < 0.1
    assert shuffled["at_recall"]["0.90"] is None


def test_the_json_says_what_was_measured_and_on_what(own_folders: Path) -> None:
    _, result = run_cli(own_folders, "--engines", "numpy-exact", "--build-threads", "1,all")

    [engine] = result["engines"]
    assert {"cpu", "cpu_flags", "git_revision", "python", "cores"} <= result["machine"].keys()
    assert result["dataset"]["rows"] == 600
    assert engine["version"] == np.__version__
    assert set(engine["builds"]) == {"1", "all"}
    assert engine["disk_bytes"] > 600 * 128 * 4
    assert engine["memory_bytes"] > 0
    assert {"qps", "p50_us", "p95_us", "p99_us", "batch_1_qps", "batch_all_qps"} <= engine["points"][0].keys()
    assert engine["at_recall"]["0.95"]["qps"] > 0
    assert result["options"]["rounds"] == 1
    assert result["options"]["point_seconds"] == 20.0  # the default, which the command does not show


def test_an_engine_that_is_not_there_is_named_and_the_others_are_measured(
    own_folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, result = run_cli(own_folders, "--engines", "glass,numpy-exact")

    glass, exact = result["engines"]
    assert code == 0
    assert "not installed" in glass["missing"]
    assert exact["missing"] is None
    assert "missing glass: not installed" in capsys.readouterr().out


def test_the_check_fails_where_engram_was_not_measured(
    own_folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _ = run_cli(own_folders, "--engines", "numpy-exact", "--check")

    assert code == 1
    assert "check failed: engram was not measured" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--engines", "nobody"], "unknown engine nobody"),
        (["--dataset", "gone"], "there is no data set 'gone'"),
        (["--ratio", "x"], "is not a ratio"),
        (["--build-threads", "many"], "--build-threads takes numbers"),
        (["--base", "x.npy"], "--base and --queries go together"),
        (["--base", "x.npy", "--queries", "y.npy"], "--dataset synthetic and --base are two data sets"),
        (["--groundtruth", "x.npy"], "--groundtruth belongs to --base and --queries"),
        (["--metric", "cosine"], "synthetic is for l2, not cosine: leave --metric out"),
    ],
)
def test_bad_arguments_are_said_in_a_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--dataset", "synthetic", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_an_index_is_built_once_for_the_same_data_and_again_for_other_data(own_folders: Path) -> None:
    plan = Plan(["numpy-exact"], rounds=1, target_rounds=0, build_threads=(0,))
    data = datasets.load("synthetic", limit=300, queries=10)
    log = own_folders / "log"
    first = run(plan, data, log)[0].builds
    described = list((own_folders / "cache" / "indexes").glob("*.json"))

    again = run(plan, data, log)[0].builds
    other = run(plan, replace(data, base=data.base + 1, neighbours=data.neighbours), log)[0].builds

    assert again == first  # the very seconds of the first build: it was not built again
    assert len(described) == 1
    assert len(list((own_folders / "cache" / "indexes").glob("*.json"))) == 2
    assert other != first


def test_a_slow_setting_is_measured_and_judged_with_fewer_queries(own_folders: Path) -> None:
    plan = Plan(["numpy-exact"], rounds=2, target_rounds=3, build_threads=(0,), point_seconds=0.0)

    [measured] = run(plan, datasets.load("synthetic", limit=300, queries=10), own_folders / "log")

    [point] = measured.points
    assert point["queries"] == 1
    assert point["recall_10"] == point["batch_recall_10"] == point["recall_100"] == 1.0
    assert len(point["qps_rounds"]) == 2 + 3  # the only one there is decides


def save_set(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    base, queries = synthetic(400, 20, dim=8)
    (folder / name).mkdir(parents=True)
    np.save(folder / name / "base_f16.npy", base.astype(np.float16))
    np.save(folder / name / "query_f16.npy", queries.astype(np.float16))
    return base, queries


def test_a_batch_that_finds_less_than_single_queries_is_judged_by_what_it_finds() -> None:
    point = dict.fromkeys(("qps", "batch_1_qps", "batch_all_qps", "p50_us", "p95_us", "p99_us"), 100.0)
    measured = Measured("liar", points=[{**point, "recall_10": 0.99, "batch_recall_10": 0.1}])
    data = datasets.load("synthetic", limit=100, queries=2)

    [engine] = report.result(data, [measured], {})["engines"]

    assert engine["at_recall"]["0.95"]["qps"] == 100.0
    assert engine["at_recall"]["0.95"]["batch_1_qps"] is None
    assert "batch_1_qps" not in engine["at_recall"]["0.95"]["bounds"]


def test_each_figure_says_for_itself_whether_its_curve_begins_above_the_target() -> None:
    fast = {"recall_10": 0.92, "batch_recall_10": 0.95, "batch_1_qps": 900.0, "batch_all_qps": 900.0}
    slow = {"recall_10": 0.80, "batch_recall_10": 0.80, "batch_1_qps": 800.0, "batch_all_qps": 1000.0}
    rest = {"qps": 500.0, "p50_us": 1.0, "p95_us": 1.0, "p99_us": 1.0}
    measured = Measured("any", points=[{**rest, **slow, "qps": 700.0}, {**rest, **fast}])
    data = datasets.load("synthetic", limit=100, queries=2)

    [engine] = report.result(data, [measured], {})["engines"]

    bounds = engine["at_recall"]["0.90"]["bounds"]
    assert "qps" not in bounds  # it crosses
    assert "batch_all_qps" not in bounds
    assert "batch_1_qps" in bounds  # its slower point with less recall is no part of its curve


def test_every_number_of_threads_that_built_has_a_column() -> None:
    point = dict.fromkeys(("qps", "batch_1_qps", "batch_all_qps", "p50_us", "p95_us", "p99_us"), 100.0)
    points = [{**point, "recall_10": 1.0, "batch_recall_10": 1.0}]
    measured = [
        Measured("first", points=points, builds={"all": 1.25, "12": 2.5, "2": 7.5}),
        Measured("second", points=points, builds={"all": 3.5}),
    ]
    data = datasets.load("synthetic", limit=100, queries=2)

    sheet = report.sheets(report.result(data, measured, {}))[1]

    builds = ["build, 1 thread s", "build, 2 threads s", "build, 12 threads s", "build, all s"]
    assert sheet.headings[1:5] == builds
    assert [row[1:5] for row in sheet.rows] == [["-", "7.5", "2.5", "1.2"], ["-", "-", "-", "3.5"]]


def test_an_index_that_another_number_of_threads_built_is_not_taken_for_it(own_folders: Path) -> None:
    data = datasets.load("synthetic", limit=300, queries=10)
    for threads in (0, 1, 0):
        plan = Plan(["numpy-exact"], rounds=1, target_rounds=0, build_threads=(threads,))
        run(plan, data, own_folders / "log")

    assert len(list((own_folders / "cache" / "indexes").glob("*.json"))) == 2


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--limit", "5"], "at least 10 vectors"),
        (["--limit", "0"], "'0': give a whole number of at least 1"),
        (["--rounds", "x"], "'x': give a whole number of at least 1"),
        (["--query-count", "-1"], "'-1': give a whole number of at least 1"),
        (["--ratio", "numpy-exact=nan"], "'numpy-exact=nan' is not a ratio"),
        (["--ratio", "hnswlib=1"], "hnswlib, which is not among the engines of this run"),
        (["--ratio", "numpy-exact=1"], "--ratio is judged with --check alone: add --check"),
        (["--ratio", "numpy-exact=inf"], "'numpy-exact=inf' is not a ratio"),
        (["--compare", "/nowhere.json"], "/nowhere.json"),
        (["--compare", __file__], "is no result of benchmarks.ann"),
        (["--reference", "numpy-exact"], "--reference is for the ratios of --compare alone: add --compare"),
        (["--reference", "x", "--compare", __file__], "x, which is not among the engines of this run"),
    ],
)
def test_what_cannot_be_measured_is_said_before_anything_is(
    arguments: list[str], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: object = main(["--dataset", "synthetic", "--engines", "numpy-exact", *arguments])
    except SystemExit as end:
        code = end.code

    assert code == 2
    assert what in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["gone", "file"])
def test_an_environment_that_names_no_folder_is_not_passed_over(
    kind: str, own_folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (own_folders / "file").touch()
    monkeypatch.setenv("ENGRAM_DATA", str(own_folders / kind))

    assert main(["--engines", "numpy-exact"]) == 2
    assert f"ENGRAM_DATA is {own_folders / kind}, which is no folder" in capsys.readouterr().err
    assert len(datasets.load("synthetic", limit=50, queries=2).base) == 50  # asks no folder


def test_a_run_that_measured_nothing_leaves_the_earlier_result(own_folders: Path) -> None:
    (own_folders / "results").mkdir()
    earlier = own_folders / "results" / "ann.json"
    earlier.write_text("{}")

    code = main(["--dataset", "synthetic", "--limit", "50", "--query-count", "2", "--engines", "glass"])

    assert code == 2
    assert earlier.read_text() == "{}"


def test_npy_vectors_in_a_folder_called_sift1m_are_never_called_sift1m(own_folders: Path) -> None:
    save_set(own_folders / "data", "sift1m")

    assert datasets.load("auto", own_folders / "data").name == "sift-photos-1m"


def test_missing_ground_truth_is_computed_and_kept(own_folders: Path) -> None:
    save_set(own_folders / "data", "mine")

    computed = datasets.load("mine", own_folders / "data")
    kept = datasets.load("mine", own_folders / "data")

    assert computed.neighbours.shape == (20, 100)
    assert np.array_equal(computed.neighbours, kept.neighbours)
    assert len(list((own_folders / "cache" / "groundtruth").glob("*.npy"))) == 1


def test_ground_truth_of_other_vectors_is_refused(own_folders: Path) -> None:
    save_set(own_folders / "data", "mine")
    right = datasets.load("mine", own_folders / "data").neighbours
    np.save(own_folders / "data" / "mine" / "gt100_i32.npy", (right + 1) % 400)

    with pytest.raises(DataError, match="this ground truth is not that of these vectors under l2"):
        datasets.load("mine", own_folders / "data")


@pytest.mark.parametrize("suffix", [".npy", ".fvecs", ".bvecs", ".ivecs"])
def test_a_file_of_vectors_alone_is_no_data_set(own_folders: Path, suffix: str) -> None:
    file = own_folders / f"vectors{suffix}"

    with pytest.raises(DataError) as refused:
        datasets.load(str(file))

    assert f"{file} is one matrix" in str(refused.value)
    assert f"benchmarks.ann --base {file} --queries FILE" in str(refused.value)
    assert "all take a folder with base.npy and queries.npy as --dataset" in str(refused.value)


@pytest.mark.parametrize("truth", [np.empty((0, 0), np.int64), np.full((4, 10), 0.5)])
def test_ground_truth_that_is_none_is_refused(own_folders: Path, truth: np.ndarray[Any, Any]) -> None:
    for name, array in (("base", np.eye(20, 8)), ("queries", np.eye(4, 8)), ("truth", truth)):
        np.save(own_folders / f"{name}.npy", array)
    base, queries, given = (own_folders / f"{name}.npy" for name in ("base", "queries", "truth"))

    with pytest.raises(DataError, match=r"truth.npy: ground truth"):
        datasets.from_files(base, queries, given, "l2")


def spoil(file: Path, value: float) -> None:
    rows = np.load(file).astype(np.float64)
    rows[[3, 5]] = 0.0
    rows[3, 2] = rows[5, 0] = value
    np.save(file, rows)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize("part", ["base", "query"])
def test_vectors_that_are_not_finite_are_refused_by_file_and_row(
    own_folders: Path, part: str, value: str
) -> None:
    save_set(own_folders / "data", "mine")
    file = own_folders / "data" / "mine" / f"{part}_f16.npy"
    spoil(file, float(value))

    said = f"{file}: row 3 holds {value} in column 2, and 1 more row is like it; leave such rows out"
    with pytest.raises(DataError, match=re.escape(said)):
        datasets.load("mine", own_folders / "data")


def test_vectors_too_large_for_float32_are_refused_as_such(own_folders: Path) -> None:
    save_set(own_folders / "data", "mine")
    file = own_folders / "data" / "mine" / "base_f16.npy"
    spoil(file, 1e300)

    with pytest.raises(
        DataError, match=r"base_f16.npy: row 3 holds 1e\+300 in column 2, .* scale the vectors"
    ):
        datasets.load("mine", own_folders / "data")


def test_rows_of_an_hdf5_file_are_counted_part_by_part_and_of_queries_within_the_base_by_the_file(
    own_folders: Path,
) -> None:
    base, queries = synthetic(50, 10, dim=8)
    queries[4, 1] = np.nan
    with h5py.File(own_folders / "set.hdf5", "w") as file:
        file["train"], file["test"] = base, queries
    (own_folders / "data" / "mine").mkdir(parents=True)
    np.save(own_folders / "data" / "mine" / "base.npy", np.concatenate([base, queries]))
    np.save(own_folders / "data" / "mine" / "indist_gt.npy", np.zeros((10, 10), np.int32))

    with pytest.raises(DataError, match=r"set.hdf5: test: row 4 holds nan in column 1; leave"):
        datasets.load(str(own_folders / "set.hdf5"))
    with pytest.raises(DataError, match=r"base.npy: row 54 holds nan in column 1; leave"):
        datasets.load("mine-indist", own_folders / "data")


def test_ground_truth_of_all_vectors_is_refused_for_a_sample_of_them(own_folders: Path) -> None:
    base, queries = save_set(own_folders, "mine")
    np.save(own_folders / "truth.npy", cached_exact("l2", base, queries))
    base_file, query_file = (own_folders / "mine" / f"{part}_f16.npy" for part in ("base", "query"))

    with pytest.raises(
        DataError, match=r"truth.npy is of all 400 vectors: leave it out, or the limit of 100"
    ):
        datasets.from_files(base_file, query_file, own_folders / "truth.npy", "l2", limit=100)


def test_a_metric_is_taken_where_the_data_name_none_and_refused_where_they_name_another(
    own_folders: Path,
) -> None:
    for name in ("silent", "angular"):
        with h5py.File(own_folders / f"{name}.hdf5", "w") as file:
            file["train"], file["test"] = synthetic(50, 10, dim=8)
    with h5py.File(own_folders / "angular.hdf5", "a") as file:
        file.attrs["distance"] = "angular"
    save_set(own_folders / "data", "mine")
    silent, angular = (str(own_folders / f"{name}.hdf5") for name in ("silent", "angular"))

    assert datasets.load("mine", own_folders / "data", metric="ip").metric == "ip"
    assert datasets.load(silent).metric == "l2"
    assert datasets.load(silent, metric="cosine").metric == "cosine"
    assert datasets.load(angular, metric="cosine").metric == "cosine"
    with pytest.raises(DataError, match=r"angular.hdf5 is for cosine, not l2"):
        datasets.load(angular, metric="l2")


@pytest.mark.parametrize("name", ["auto", "sift1m"])
def test_a_metric_that_is_not_sift1m_s_is_refused_before_it_is_fetched(
    name: str, own_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "fetch", lambda *_: pytest.fail("fetched"))

    with pytest.raises(DataError, match="is for l2, not cosine"):
        datasets.load(name, own_folders, metric="cosine")


def test_auto_takes_a_metric_to_vectors_that_name_none(own_folders: Path) -> None:
    save_set(own_folders / "data", "sift1m")

    assert datasets.load("auto", own_folders / "data", metric="cosine").metric == "cosine"


def test_the_published_sift1m_is_found_in_its_vecs_form(own_folders: Path) -> None:
    base, queries = synthetic(300, 5, dim=16)
    folder = own_folders / "data" / "sift"
    folder.mkdir(parents=True)
    truth = cached_exact("l2", base, queries).astype("<i4")
    for name, rows, kind in (("base", base, "f"), ("query", queries, "f"), ("groundtruth", truth, "i")):
        content = b"".join(np.int32(rows.shape[1]).tobytes() + row.tobytes() for row in rows)
        (folder / f"sift_{name}.{kind}vecs").write_bytes(content)

    found = datasets.load("sift1m", own_folders / "data")

    assert found.name == "sift1m"
    assert np.array_equal(found.base, base)
    assert np.array_equal(found.neighbours, truth)
    for name in ("auto", "sift1m"):
        with pytest.raises(DataError, match="sift1m is for l2, not ip"):
            datasets.load(name, own_folders / "data", metric="ip")


def test_a_sample_is_the_same_every_time_and_has_its_own_truth(own_folders: Path) -> None:
    save_set(own_folders / "data", "mine")

    first = datasets.load("mine", own_folders / "data", limit=150, queries=7)
    second = datasets.load("mine", own_folders / "data", limit=150, queries=7)

    assert first.base.shape == (150, 8)
    assert first.neighbours.shape == (7, 100)
    assert first.neighbours.max() < 150
    assert first.checksum == second.checksum
    assert first.name == "mine, 150 sampled"


def test_a_download_that_is_not_the_published_file_is_thrown_away(own_folders: Path) -> None:
    source = own_folders / "source.bin"
    source.write_bytes(b"not what was published")

    with pytest.raises(DataError, match="not the published file"):
        fetch(Download(source.as_uri(), "set.hdf5", "0" * 64), own_folders / "downloads")
    assert list((own_folders / "downloads").iterdir()) == []

    kept = fetch(Download(source.as_uri(), "set.hdf5"), own_folders / "downloads")
    assert kept.read_bytes() == b"not what was published"


def test_a_download_without_network_says_what_to_do_instead(own_folders: Path) -> None:
    with pytest.raises(DataError, match="--dataset synthetic"):
        fetch(Download((own_folders / "gone").as_uri(), "set.hdf5"), own_folders / "downloads")
