"""The command `engram`, as a shell sees it; `engram import` has a file of its own."""

from __future__ import annotations

import errno
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

import engram

pytest.importorskip("typer", reason='the extra is missing: pip install "engram-store[cli]"')
pytest.importorskip("rich")

from rich.console import Console

from engram.cli.app import app
from engram.cli.figures import figure_table
from engram.plotting import ticks_around
from tests.commands import DIM, answer, filled, run, run_in_shell

needs_wordllama = pytest.mark.skipif(
    importlib.util.find_spec("wordllama") is None, reason="the extra is missing: engram-store[text]"
)


@pytest.fixture
def store(folder: Path) -> Path:
    return filled(folder)


def test_python_m_engram_is_the_command(store: Path) -> None:
    words = [sys.executable, "-m", "engram", "verify", str(store), "--json"]
    told = subprocess.run(words, capture_output=True, text=True, check=True)
    assert json.loads(told.stdout) == answer("verify", store)


def test_help_and_version() -> None:
    asked = run("--help")
    assert asked.returncode == 0
    for command in ("demo", "stats", "plot", "verify", "recall", "import"):
        assert command in asked.stdout
        assert run(command, "--help").returncode == 0
    assert run("--version").stdout == f"engram {engram.__version__}\n"
    assert {command.name for command in app.registered_commands} >= {"import", None}


def test_a_shell_gets_answers_errors_and_exit_codes(store: Path) -> None:
    good, wrong = run_in_shell("stats", store, "--json"), run_in_shell("stats", store / "missing")
    assert (good.returncode, good.stderr) == (0, "")
    assert json.loads(good.stdout)["memories"] == 20
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("engram: ")

    (store / "catalog.sqlite").write_bytes(b"no database" * 1000)
    damaged = run_in_shell("verify", store)
    assert (damaged.returncode, damaged.stdout) == (1, "")


def test_stats_for_people_and_for_scripts(store: Path) -> None:
    figures = answer("stats", store)
    assert figures["memories"] == 20
    assert figures["metric"] == "l2"
    assert figures["bytes_on_disk"] > 0

    told = run("stats", store)
    assert told.returncode == 0
    assert str(store) in told.stdout
    assert "memories" in told.stdout


def test_stats_show_the_tiers_and_the_last_migrations(folder: Path) -> None:
    policy = engram.ActivationPolicy(hot_bytes="80KB", warm_bytes="80KB")
    config = engram.Config(policy=policy, migration_interval=None)
    with engram.open(folder, DIM, metric="l2", config=config) as opened:
        vectors = np.random.default_rng(0).standard_normal((2000, DIM))
        opened.store_many([f"m{row}" for row in range(2000)], vectors)
        opened.migrate()
        for vector in vectors[:20]:
            opened.recall(vector)

    told = run("stats", folder)
    assert told.returncode == 0
    rows: dict[str, list[str]] = {}
    for line in told.stdout.splitlines():
        rows.setdefault(line[:18].strip(), line[18:].split())
    counts = [int(count.replace(",", "")) for count in rows["memories"]]
    assert sum(counts) == 2000
    assert min(counts) > 0
    assert rows["segments"][0] == "-"
    assert rows["page cache hits"][:2] == ["-", "-"]
    assert rows["page cache hits"][2:][-1] == "%"
    percentiles = [name for name in rows if name.startswith("activation")]
    assert percentiles == ["activation, 10 %", "activation, 50 %", "activation, 90 %"]
    assert "hot->cold" in told.stdout
    assert "asked" in told.stdout
    assert not re.search(r"->.*->", told.stdout)  # a line for each way
    assert "0.0 us" not in told.stdout
    assert rows["recalls"] == ["20", "20", "20"]  # in the table alone
    assert rows["recall, p99"][-1] in ("us", "ms")  # of the cold tier, as the process left it that recalled

    figures = answer("stats", folder)
    assert figures["tiers"]["cold"]["memories"] == counts[2]
    assert figures["before"]["tiers"]["cold"]["recalls"] == 20


def test_stats_fit_a_terminal_of_80_columns(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1.7e9
    policy = engram.ActivationPolicy(hot_bytes="80KB", warm_bytes="80KB")
    config = engram.Config(policy=policy, migration_interval=None, clock=lambda: now)
    with engram.open(folder, DIM, metric="l2", config=config) as opened:
        vectors = np.random.default_rng(0).standard_normal((2000, DIM))
        opened.store_many([f"m{row}" for row in range(2000)], vectors)
        opened.migrate()
        for vector in vectors[:50]:
            opened.recall(vector)
        now += 1e7
        opened.migrate()

    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("engram.cli.output.console", Console(width=80))
    told = run("stats", folder).stdout

    lines = [line.rstrip() for line in told.splitlines() if str(folder) not in line]
    assert max(map(len, lines)) <= 80
    assert not any("\u2026" in line for line in lines)  # what is cut ends in dots
    assert "{" not in told
    for name in ("activation, 50 %", "page cache hits", "recall, p99", "log_sync", "hot->cold"):
        assert name in told


def test_latencies_and_the_measured_recall_are_written_for_people() -> None:
    seen = {
        "count": 1234,
        "mean_us": 15.0,
        "p50_us": 11.6,
        "p95_us": 70.0,
        "p99_us": 80.2,
        "max_us": 25_000.0,
    }
    measured = {"recall": 0.98, "low": 0.95, "high": 0.99, "cues": 40, "seconds": 0.1}
    out = Console(width=80, file=io.StringIO())
    out.print(figure_table({"latency": {"store": seen, "recall": {"count": 0}}, "recall_at_10": measured}))
    told = out.file.getvalue()  # type: ignore[attr-defined]
    assert "p50 12 us, p99 80 us, max 25.0 ms (1,234 times)" in told
    assert "0.980; between 0.950 and 0.990 with 95 % confidence (40 cues)" in told


def test_in_json_what_is_counted_is_an_integer(store: Path) -> None:
    measured = ("_us", "seconds", "recall", "low", "high", "_share", "_rate", "at")

    def floats(value: Any, path: str = "") -> Iterator[str]:
        if isinstance(value, dict):
            for name, inner in value.items():
                yield from floats(inner, f"{path}/{name}")
        elif isinstance(value, float):
            yield path

    counted = [path for path in floats(answer("stats", store)) if not path.endswith(measured)]
    assert [path for path in counted if "/activation/" not in path] == []


def test_what_is_said_names_no_argument_of_python(store: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "three.npy", np.ones((2, 3)))
    np.save(tmp_path / "four.npy", np.ones((2, 4)))
    np.save(tmp_path / "zero.npy", np.zeros((2, 4)))
    calls: list[list[object]] = [
        ["stats", tmp_path / "missing"],
        ["import", store, tmp_path / "three.npy"],
        ["import", store, tmp_path / "four.npy", "--metric", "ip"],
        ["import", tmp_path / "new", tmp_path / "zero.npy"],
        ["recall", store, "", "--embedder", "json:dumps"],
    ]
    for words in calls:
        done = run(*words)
        assert done.returncode == 2
        for word in ("read_only", "dim=", "metric=", "leave dim out", "leave metric out", "engram.open"):
            assert word not in done.stderr, done.stderr
    assert "the text is empty" in done.stderr


def test_plot_draws_a_png(store: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason='the extra is missing: pip install "engram-store[plot]"')
    done = run("plot", store, "--out", tmp_path / "tiers.png")
    assert (done.returncode, done.stdout.strip()) == (0, str(tmp_path / "tiers.png"))
    assert (tmp_path / "tiers.png").read_bytes().startswith(b"\x89PNG")

    assert run("plot", store, "--out", tmp_path / "missing" / "tiers.png").returncode == 2


@pytest.mark.parametrize(
    ("least", "most", "ticks"),
    [
        (21, 24, [20, 50]),
        (20, 20, [20, 50]),
        (21, 180, [20, 50, 100, 200]),
        (3, 1000, [2, 5, 10, 20, 50, 100, 200, 500, 1000]),
        (21, 80_000, [10, 100, 1000, 10_000, 100_000]),
    ],
)
def test_a_plot_has_round_numbers_around_its_latencies(least: float, most: float, ticks: list[float]) -> None:
    assert ticks_around(np.array([least, most])).tolist() == ticks


@pytest.mark.parametrize("name", ["tiers.svg", "tiers.xyz", "tiers"])
def test_plot_draws_nothing_under_a_name_that_is_no_pngs(store: Path, tmp_path: Path, name: str) -> None:
    done = run("plot", store, "-o", tmp_path / name)
    assert (done.returncode, done.stdout) == (2, "")
    assert name in done.stderr and ".png" in done.stderr
    assert not (tmp_path / name).exists()


def test_plot_without_matplotlib_says_what_to_install(store: Path, tmp_path: Path) -> None:
    with mock.patch.dict(sys.modules, {"matplotlib": None}):
        done = run("plot", store, "--out", tmp_path / "tiers.png")
    assert done.returncode == 2
    assert "engram-store[plot]" in done.stderr


def test_verify_ends_with_0_when_all_is_sound_and_1_when_not(store: Path) -> None:
    assert answer("verify", store)["ok"] is True
    assert "20 memories" in run("verify", store).stdout

    catalog = store / "catalog.sqlite"
    catalog.write_bytes(catalog.read_bytes().replace(b"[bold]7[/bold]", b"[bold]8[/bold]"))

    found = answer("verify", store, code=1)
    assert (found["ok"], found["kind"], found["file"]) == (False, "CorruptionError", str(catalog))
    told = run("verify", store)
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.startswith("engram: the catalog")
    assert "Traceback" not in told.stderr


def test_recall_by_vector(store: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "cue.npy", np.array([28, 29, 30, 31]))

    hits = answer("recall", store, "--vector", tmp_path / "cue.npy", "-k", 3)["hits"]

    assert [hit["id"] for hit in hits] == ["id 7", "id 6", "id 8"] or hits[0]["id"] == "id 7"
    assert len(hits) == 3
    assert (hits[0]["distance"], hits[0]["content"], hits[0]["metadata"]) == (
        0.0,
        "text [bold]7[/bold]",
        {"row": 7},
    )
    told = run("recall", store, "--vector", tmp_path / "cue.npy", "-k", 1)
    assert "id 7" in told.stdout
    assert "text [bold]7[/bold]" in told.stdout


EMBEDDER = """
import numpy as np

def letters(texts):
    return np.array([[len(text), text.count("a"), text.count("e"), 1.0] for text in texts])

class Letters:
    def embed(self, texts):
        return letters(texts)
"""


@pytest.mark.parametrize("name", ["letters", "Letters"])
def test_recall_by_text_with_an_embedder_of_ones_own(folder: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "mine.py").write_text(EMBEDDER)
    (tmp_path / "memories.jsonl").write_text('{"content": "banana"}\n\n{"id": "x", "content": "eels"}\n')

    stored = run("import", folder, "memories.jsonl", "--embedder", f"mine:{name}", "--json", cwd=tmp_path)
    assert stored.returncode == 0, stored.stderr
    assert json.loads(stored.stdout)["stored"] == 2
    found = run("recall", folder, "banana", "--embedder", f"mine:{name}", "--json", cwd=tmp_path)

    assert found.returncode == 0, found.stderr
    assert [hit["id"] for hit in json.loads(found.stdout)["hits"]] == ["memories-1", "x"]


@needs_wordllama
def test_texts_are_imported_and_recalled_with_wordllama(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "notes.jsonl"
    file.write_text(
        '{"id": "bread", "content": "bake bread in an oven"}\n{"content": "the stock market fell"}\n'
    )

    assert answer("import", folder, file) | {"seconds": 0} == {"stored": 2, "memories": 2, "seconds": 0}
    assert [hit["id"] for hit in answer("recall", folder, "a loaf from the oven")["hits"]] == [
        "bread",
        "notes-2",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["recall", "{store}"], "give a text, or a vector"),
        (["recall", "{store}", "text"], "4 dimensions and WordLlama makes 256"),
        (["recall", "{store}", "text", "--embedder", "json"], "module:name"),
        (["recall", "{store}", "text", "--embedder", "nothing:here"], "cannot be loaded"),
        (["recall", "{store}", "text", "--embedder", "json:nothing"], "cannot be loaded"),
        (["recall", "{store}", "--vector", "{store}/missing.npy"], "missing.npy"),
        (["recall", "{store}", "--vector", "{store}/manifest"], "manifest"),
        (["recall", "{store}", "text", "-k", "0", "--embedder", "json:dumps"], "k is 0|embedder"),
        (["recall", "{store}", "text", "-k", "many"], "-k"),
        (["stats", "{store}/missing"], "not an Engram store"),
        (["verify", "{store}/missing"], "not an Engram store"),
        (["verify", "{store}/manifest"], "manifest"),
        (["import", "{store}", "{store}/manifest"], "import reads .npy"),
        (["import", "{store}", "missing.npy"], "missing.npy"),
        (["nonsense"], "nonsense"),
        (["stats"], "PATH"),
        (["repair", ""], "PATH"),
        (["repair", "{store}", "--dim", "9"], "4 dim"),
        (["demo", "--keep", "{store}/manifest"], "is a file"),
        (["recall", "{store}", "text", "--embedder", ".a:f"], "cannot be loaded"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_wrong_use_ends_with_2_and_a_sentence(store: Path, arguments: list[str], said: str) -> None:
    done = run(*(argument.format(store=store) for argument in arguments))

    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert any(word in done.stderr for word in said.split("|")), done.stderr
    assert "Traceback" not in done.stderr


def test_a_locked_store_ends_with_3(store: Path) -> None:
    with engram.open(store):
        done = run("stats", store)
    assert done.returncode == 3
    assert f"process {os.getpid()}" in done.stderr


def test_looking_changes_no_byte(store: Path) -> None:
    def snapshot() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in store.rglob("*") if path.is_file()}

    before = snapshot()
    for command in ("stats", "verify"):
        assert run(command, store).returncode == 0
    assert snapshot() == before


@pytest.mark.parametrize(
    "command", ["stats {store}", "stats {store} --json", "recall {store} --vector {cue}", "stats --help"]
)
def test_a_reader_that_stops_reading_is_no_error(store: Path, tmp_path: Path, command: str) -> None:
    np.save(tmp_path / "cue.npy", np.ones(DIM))
    words = command.format(store=store, cue=tmp_path / "cue.npy").split()
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-c", "from engram.cli import main; main()", *words],
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", ["stats", "verify", "recall", "import", "repair"])
def test_a_script_gets_errors_as_json(tmp_path: Path, command: str) -> None:
    more: dict[str, list[object]] = {"recall": ["text"], "import": [tmp_path / "missing.npy"]}
    told = answer(command, tmp_path / "missing", *more.get(command, []), code=2)
    assert (told["ok"], told["kind"]) == (False, "InvalidInput")
    assert "missing" in told["error"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["verify"], "PATH"),
        (["verify", "{store}", "--bogus"], "--bogus"),
        (["repair", "{store}", "--dim", "x"], "--dim"),
        (["--bogus"], "--bogus"),
        (["nonsense"], "nonsense"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_a_script_gets_wrong_words_as_json(store: Path, words: list[str], said: str) -> None:
    told = answer(*(word.format(store=store) for word in words), code=2)
    assert (told["ok"], told["kind"]) == (False, "UsageError")
    assert said in told["error"]


def test_what_follows_two_dashes_asks_for_no_json(store: Path) -> None:
    done = run("verify", "--bogus", "--", "--json")
    assert (done.returncode, done.stdout) == (2, "")


def test_a_script_is_told_that_the_disk_is_full(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (store / "manifest").unlink()
    monkeypatch.setattr("shutil.copyfile", full)
    told = answer("repair", store, code=3)
    assert (told["ok"], told["kind"]) == (False, "OutOfSpace")
    assert "free some space" in told["error"]


def test_what_repairs_put_aside_is_told_apart(store: Path) -> None:
    before = answer("stats", store)
    (store / "damaged-1").mkdir()
    (store / "damaged-1" / "manifest").write_bytes(b"x" * 1000)

    after = answer("stats", store)

    assert after["bytes_on_disk"] == before["bytes_on_disk"]
    assert (before["bytes_put_aside"], after["bytes_put_aside"]) == (0, 1000)


EMBEDDERS_OF_NO_USE = {
    "no syntax": "def embed(:",
    "raises when imported": "raise KeyError('soup')",
    "exits when imported": "raise SystemExit(1)",
    "raises": "def embed(texts): raise KeyError('soup')",
    "none": "def embed(texts): return []",
    "ragged": "def embed(texts): return [[1, 2], [1]]",
    "empties what it gets": "def embed(texts):\n    texts.clear()\n    return []",
    "cannot be made": "class embed:\n    def __init__(self, size): pass\n    def embed(self, texts): pass",
}


@pytest.mark.parametrize("code", EMBEDDERS_OF_NO_USE.values(), ids=EMBEDDERS_OF_NO_USE)
def test_an_embedder_of_no_use_ends_with_2(
    store: Path, tmp_path: Path, code: str, request: pytest.FixtureRequest
) -> None:
    name = "of_no_use_" + "".join(filter(str.isalpha, request.node.name))
    (tmp_path / f"{name}.py").write_text(code)
    (tmp_path / "texts.jsonl").write_text('{"content": "soup"}')

    calls: list[list[object]] = [["recall", store, "soup"], ["import", tmp_path / "new", "texts.jsonl"]]
    for arguments in calls:
        done = run(*arguments, "--embedder", f"{name}:embed", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert "embedder" in done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"PK\x03\x04 and more"], ids=repr)
def test_a_file_of_no_vector_ends_with_2(store: Path, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "cue.npy").write_bytes(data)

    done = run("recall", store, "--vector", tmp_path / "cue.npy")

    assert (done.returncode, done.stdout) == (2, "")
    assert "cue.npy" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_fault_of_the_commands_own_is_not_called_damage(store: Path) -> None:
    with mock.patch("engram.cli.app.output.print_stats", side_effect=KeyError("a fault")):
        done = run("stats", store)
    assert done.returncode == 70
    assert "a fault" in done.stderr
