"""Engines and stores of one's own: named on the command line, measured beside the others, kept in no list."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from benchmarks.ann import cli as ann
from benchmarks.ann import datasets
from benchmarks.ann.adapters import ADAPTERS, Adapter
from benchmarks.ann.runner import Plan, run
from benchmarks.common.own import own
from benchmarks.durable import cli as durable
from benchmarks.durable.adapters import STORES

MODULE = """
from benchmarks.ann.adapters.base import Adapter
from benchmarks.ann.adapters.toy import Exact
from benchmarks.durable.adapters.toy import Toy

class Mine(Exact):
    name = "mine"

class MyStore(Toy):
    name = "my-store"

class Half(Adapter):
    name = "half"
    distribution = module = source = search_parameter = "numpy"
    parameters = sweep = build = save = load = batch = labels = None

class Nameless(Exact):
    pass

class Slashed(Exact):
    name = "my/engine"

class Listed(Exact):
    name = "my,engine"

class Mute(Adapter):
    name = "mute"
    parameters = sweep = build = save = load = single = batch = labels = None

number = 7
"""
SMALL = ["--dataset", "synthetic", "--limit", "300", "--query-count", "10", "--rounds", "1"]


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ENGRAM_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ENGRAM_BENCH_RESULTS", str(tmp_path / "results"))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "my_engines.py").write_text(MODULE)
    (tmp_path / "elsewhere" / "broken_engines.py").write_text("raise OSError('no such device')")
    monkeypatch.delitem(sys.modules, "my_engines", raising=False)  # an earlier test's file
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    return tmp_path


def run_ann(folder: Path, *arguments: str) -> list[str]:
    fixed = [*SMALL, "--target-rounds", "0", "--build-threads", "all", "--no-plot"]
    assert ann.main([*fixed, *arguments]) == 0
    engines = json.loads((folder / "results" / "ann.json").read_text())["engines"]
    assert all(one["missing"] is None and one["points"][0]["recall_10"] == 1.0 for one in engines)
    return [one["engine"] for one in engines]


def test_an_engine_of_one_s_own_is_measured_beside_those_that_are_named(own_folders: Path) -> None:
    measured = run_ann(own_folders, "--engines", "numpy-exact", "--adapter", "my_engines:Mine")

    assert measured == ["numpy-exact", "mine"]
    assert "mine" not in ADAPTERS


def test_an_engine_of_one_s_own_is_built_again_when_its_code_has_changed(own_folders: Path) -> None:
    plan = Plan(
        ["mine"],
        rounds=1,
        target_rounds=0,
        build_threads=(0,),
        adapters=own(["my_engines:Mine"], Adapter, ADAPTERS),
    )
    data = datasets.load("synthetic", limit=300, queries=2)
    [first] = run(plan, data, own_folders / "log")
    [again] = run(plan, data, own_folders / "log")

    (own_folders / "elsewhere" / "my_engines.py").write_text(MODULE + "# improved\n")
    [improved] = run(plan, data, own_folders / "log")

    assert again.builds == first.builds  # the very seconds of the first build: it was not built again
    assert improved.builds != first.builds
    assert len(list((own_folders / "cache" / "indexes").glob("mine-*.json"))) == 2


def test_a_store_of_one_s_own_is_measured_beside_those_that_are_named(own_folders: Path) -> None:
    assert durable.main([*SMALL, "--stores", "toy", "--adapter", "my_engines:MyStore"]) == 0

    stores = json.loads((own_folders / "results" / "durable.json").read_text())["stores"]
    assert [one["store"] for one in stores] == ["toy", "my-store"]
    assert all(one["missing"] is None and one["recalls"]["recall_10"] == 1.0 for one in stores)
    assert "my-store" not in STORES


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("my_engines", "'my_engines' names no class: write package.module:Class"),
        ("my_engines:", "'my_engines:' names no class: write package.module:Class"),
        ("gone_engines:Mine", "gone_engines does not import: ModuleNotFoundError: No module named"),
        ("broken_engines:Mine", "broken_engines does not import: OSError: no such device"),
        (".toy:Exact", ".toy does not import: "),
        ("my_engines:Gone", "my_engines holds no class Gone"),
        ("my_engines:number", "my_engines holds no class number"),
        ("my_engines:MyStore", "my_engines:MyStore is not derived from benchmarks.ann.adapters.base:Adapter"),
        ("my_engines:Half", "my_engines:Half lacks single"),
        ("my_engines:Mute", "my_engines:Mute lacks distribution, module, search_parameter, source"),
        ("my_engines:Nameless", "my_engines:Nameless is called 'numpy-exact', as another is"),
        ("my_engines:Slashed", "my_engines:Slashed is called 'my/engine'"),
        ("my_engines:Listed", "my_engines:Listed is called 'my,engine'"),
    ],
)
def test_what_is_no_engine_is_refused_with_what_it_lacks(
    text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ann.main([*SMALL, "--adapter", text]) == 2
    assert re.match(f"error: --adapter.*{re.escape(said)}", capsys.readouterr().err)


def test_an_engine_given_twice_and_a_store_that_is_none_are_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ann.main([*SMALL, "--adapter", "my_engines:Mine", "--adapter", "my_engines:Mine"]) == 2
    assert "is called 'mine', as another is" in capsys.readouterr().err
    assert durable.main([*SMALL, "--adapter", "my_engines:Mine"]) == 2
    assert "is not derived from benchmarks.durable.adapters.base:Store" in capsys.readouterr().err
