"""The command `engram`, as a shell sees it."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

import engram

pytest.importorskip("typer", reason='the extra is missing: pip install "engram-store[cli]"')
pytest.importorskip("rich")

from engram.cli import main
from engram.cli.app import app
from engram.cli.importing import _wait_indexed
from engram.policy import TIERS
from tests.signals import hear_ctrl_c

DIM = 4
needs_wordllama = pytest.mark.skipif(
    importlib.util.find_spec("wordllama") is None, reason="the extra is missing: engram-store[text]"
)


def run(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command within this process, which spares each test an interpreter's start."""
    words = ["engram", *map(str, arguments)]
    before, code = Path.cwd(), 0
    out, err = io.StringIO(), io.StringIO()
    os.chdir(cwd or before)
    try:
        with (
            mock.patch.object(sys, "argv", words),
            mock.patch.object(sys, "path", list(sys.path)),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            main()
    except SystemExit as ended:
        assert isinstance(ended.code, int)
        code = ended.code
    finally:
        os.chdir(before)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def run_in_shell(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from engram.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def answer(*arguments: object, code: int = 0) -> dict[str, Any]:
    done = run(*arguments, "--json")
    assert done.returncode == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def store(folder: Path) -> Path:
    with engram.open(folder, DIM, metric="l2") as opened:
        opened.store_many(
            [f"id {row}" for row in range(20)],
            np.arange(80).reshape(20, 4),
            contents=[f"text [bold]{row}[/bold]" for row in range(20)],
            metadata=[{"row": row} for row in range(20)],
        )
    return folder


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
    lines = [line.split() for line in told.stdout.splitlines()]
    rows = {line[0]: line for line in lines if len(line) > 2 and line[0] in TIERS}
    counts = [int(rows[tier][1].replace(",", "")) for tier in TIERS]
    assert sum(counts) == 2000
    assert min(counts) > 0
    assert "hot->cold" in told.stdout
    assert "asked" in told.stdout
    assert "us" in rows["cold"]  # as the process left it that recalled

    figures = answer("stats", folder)
    assert figures["tiers"]["cold"]["memories"] == counts[2]
    assert figures["before"]["tiers"]["cold"]["recalls"] == 20


def test_plot_draws_a_png(store: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason='the extra is missing: pip install "engram-store[plot]"')
    done = run("plot", store, "--out", tmp_path / "tiers.png")
    assert (done.returncode, done.stdout.strip()) == (0, str(tmp_path / "tiers.png"))
    assert (tmp_path / "tiers.png").read_bytes().startswith(b"\x89PNG")

    assert run("plot", store, "--out", tmp_path / "missing" / "tiers.png").returncode == 2


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


# -- import


def vectors_of(folder: Path) -> dict[str, list[float]]:
    with engram.open(folder, read_only=True) as store:
        return {id: found.vector.tolist() for id in store if (found := store.get(id)) is not None}


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "u1", "i8", ">f4"])
def test_import_npy(folder: Path, tmp_path: Path, dtype: str) -> None:
    np.save(tmp_path / "base.npy", np.arange(40).reshape(10, 4).astype(dtype))

    told = answer("import", folder, tmp_path / "base.npy", "--metric", "l2")

    assert (told["stored"], told["memories"]) == (10, 10)
    expected = {f"base-{row}": [4 * row, 4 * row + 1, 4 * row + 2, 4 * row + 3] for row in range(10)}
    assert vectors_of(folder) == expected
    assert answer("import", folder, tmp_path / "base.npy")["memories"] == 10
    assert answer("import", folder, tmp_path / "base.npy", "--id-prefix", "x")["memories"] == 20


def test_import_many_rows(folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "base.npy", np.random.default_rng(0).standard_normal((20_000, 8)).astype("f4"))

    assert answer("import", folder, tmp_path / "base.npy")["stored"] == 20_000
    assert answer("verify", folder)["memories"] == 20_000


def test_import_npz(folder: Path, tmp_path: Path) -> None:
    np.savez(
        tmp_path / "rows.npz",
        vectors=np.eye(3),
        ids=np.array(["a", "b", "c"]),
        contents=np.array(["x", "", "z"]),
    )

    assert answer("import", folder, tmp_path / "rows.npz")["stored"] == 3
    with engram.open(folder, read_only=True) as store:
        contents = [found.content for id in "abc" if (found := store.get(id)) is not None]
    assert contents == ["x", "", "z"]


def test_import_fvecs(folder: Path, tmp_path: Path) -> None:
    rows = np.zeros((5, 3), "<i4")
    rows[:, 0] = 2
    rows[:, 1:] = np.arange(1, 11).astype("<f4").view("<i4").reshape(5, 2)
    rows.tofile(tmp_path / "base.fvecs")

    assert answer("import", folder, tmp_path / "base.fvecs", "--metric", "l2")["stored"] == 5
    assert vectors_of(folder)["base-4"] == [9, 10]


def test_import_jsonl(folder: Path, tmp_path: Path) -> None:
    lines = [
        {"id": "a", "vector": [1, 2], "content": "é", "metadata": {"n": 1}, "confidence": 0.5},
        {"vector": [3.5, 4]},
    ]
    (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, lines)))

    assert answer("import", folder, tmp_path / "m.jsonl", "--metric", "l2")["stored"] == 2
    with engram.open(folder, read_only=True) as store:
        a, second = store.get("a"), store.get("m-2")
    assert a is not None
    assert second is not None
    assert (a.content, a.metadata, a.confidence, a.vector.tolist()) == ("é", {"n": 1}, 0.5, [1, 2])
    assert second.vector.tolist() == [3.5, 4]


BAD_FILES: dict[str, tuple[str, bytes, str]] = {
    "no npy": ("a.npy", b"nonsense", "cannot be read"),
    "empty npy": ("a.npy", b"", "cannot be read"),
    "no npz": ("a.npz", b"nonsense", "cannot be read"),
    "empty fvecs": ("a.fvecs", b"", "fvecs"),
    "cut fvecs": ("a.fvecs", b"\2\0\0\0" + b"\0" * 7, "fvecs"),
    "negative fvecs": ("a.fvecs", b"\xff\xff\xff\xff" * 3, "fvecs"),
    "mixed fvecs": ("a.fvecs", b"\1\0\0\0" + b"\0" * 4 + b"\2\0\0\0" + b"\0" * 4, "different dimensions"),
    "no json": ("a.jsonl", b'{"vector": [1, 2]}\n{', "line 2 is not JSON"),
    "a list": ("a.jsonl", b"[1, 2]\n", "line 1 is not a JSON object"),
    "another field": ("a.jsonl", b'{"vector": [1, 2], "text": "x"}', "field 'text'"),
    "no vector in one": ("a.jsonl", b'{"vector": [1, 2]}\n{"content": "x"}', "line 2"),
    "another dimension": ("a.jsonl", b'{"vector": [1, 2]}\n{"vector": [1, 2, 3]}', "line 2"),
    "a bad id": ("a.jsonl", b'{"vector": [1, 2]}\n\n{"vector": [1, 2], "id": 7.5}', "line 3: the id 7.5"),
    "no vector but a text": ("a.jsonl", b'{"vector": [1, 2]}\n{"vector": "ab"}', "line 2"),
    "brackets": ("a.jsonl", b"[" * 100_000, "line 1"),
    "a zero": ("a.jsonl", b'{"vector": [0, 0]}', "zero"),
    "no utf-8": ("a.jsonl", b'{"content": "\xff"}', "UTF-8"),
    "nothing": ("a.jsonl", b"\n", "no memories"),
}


@pytest.mark.parametrize(("name", "data", "said"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_ends_with_2_and_says_where(
    folder: Path, tmp_path: Path, name: str, data: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(data)

    done = run("import", folder, tmp_path / name)

    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert name in done.stderr
    assert "Traceback" not in done.stderr
    assert not folder.exists()


@pytest.mark.parametrize(
    "array", [np.ones(3), np.ones((2, 0)), np.array([["a"]]), np.array([[None]]), np.array([[1j]])], ids=str
)
def test_a_bad_array_ends_with_2(folder: Path, tmp_path: Path, array: Any) -> None:
    np.save(tmp_path / "a.npy", array, allow_pickle=True)

    done = run("import", folder, tmp_path / "a.npy")

    assert done.returncode == 2, done.stderr
    assert "a.npy" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_row_far_down_tells_how_many_are_stored(folder: Path, tmp_path: Path) -> None:
    rows = np.ones((20_000, 2), "f4")
    rows[17_000, 0] = np.nan
    np.save(tmp_path / "a.npy", rows)

    done = run("import", folder, tmp_path / "a.npy")

    assert done.returncode == 2
    assert "row 17000: " in done.stderr
    assert "the first 16384 rows are stored" in done.stderr
    assert answer("stats", folder)["memories"] == 16_384


def test_a_bad_line_tells_its_number_and_what_is_stored(store: Path, tmp_path: Path) -> None:
    lines = [{"vector": [1, 2, 3, row], "confidence": 0.5} for row in range(5)]
    lines[3]["vector"] = [1, 2, 3, None]
    (tmp_path / "m.jsonl").write_text("\n\n".join(map(json.dumps, lines)))

    done = run("import", store, tmp_path / "m.jsonl")

    assert done.returncode == 2
    assert "m.jsonl, line 7: " in done.stderr
    assert "the first 3 rows are stored" in done.stderr
    assert answer("stats", store)["memories"] == 23


def test_import_takes_a_byte_order_mark_and_integer_ids(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text('{"id": 7, "vector": [1, 2]}\n', encoding="utf-8-sig")
    np.savez(tmp_path / "m.npz", vectors=np.ones((1, 2)), ids=np.array([8]))

    assert answer("import", folder, tmp_path / "m.jsonl")["stored"] == 1
    assert answer("import", folder, tmp_path / "m.npz")["stored"] == 1
    assert set(vectors_of(folder)) == {"7", "8"}


def test_the_bar_of_indexing_moves(memory: engram.MemoryStore, rng: np.random.Generator) -> None:
    bars, seen = mock.Mock(), []
    pending = iter([90, 60, 0])
    store = mock.Mock()
    store.stats.side_effect = lambda: {"queue": memory.stats()["queue"] | {"pending": next(pending)}}
    store.wait_indexed.side_effect = [False, False, True]
    bars.update.side_effect = lambda task, completed: seen.append(completed)

    _wait_indexed(store, bars)

    assert seen == [30, 90, 90]


def test_help_tells_the_defaults() -> None:
    told = " ".join(run("import", "--help").stdout.replace("│", " ").split())
    assert "Default: cosine." in told
    assert "Default: the file's name and a dash." in told


def test_ctrl_c_ends_with_130_and_leaves_a_sound_store(folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).standard_normal((400_000, 32)).astype("f4"))
    code = "from engram.cli import main; main()"
    child = subprocess.Popen(
        [sys.executable, "-c", code, "import", str(folder), str(tmp_path / "a.npy")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,
    )
    while not (folder / "manifest").exists():
        assert child.poll() is None
    child.send_signal(signal.SIGINT)
    _, complaint = child.communicate(timeout=60)

    assert child.returncode == 130, complaint
    assert "Traceback" not in complaint
    assert answer("verify", folder)["ok"]
