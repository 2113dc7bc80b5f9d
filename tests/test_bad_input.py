"""Every bad argument gets an error that names it, and changes nothing."""

from __future__ import annotations

import collections
import copy
import itertools
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engram

Call = Callable[[], object]
DIM = 4
GOOD = [1.0, 2.0, 3.0, 4.0]


def each(*calls: Call) -> tuple[Call, ...]:
    return calls


def state_of(store: engram.MemoryStore) -> Any:
    memories = [store.get(id) for id in sorted(store)]
    return [
        (each.id, each.vector.tobytes(), each.content, each.metadata) for each in memories if each is not None
    ]


BAD_VECTORS: dict[str, tuple[Any, type[Exception], str]] = {
    "too short": ([1.0, 2.0, 3.0], engram.DimensionMismatch, r"3 dimensions, this store has 4"),
    "too long": (np.ones(5, np.float32), engram.DimensionMismatch, r"5 dimensions, this store has 4"),
    "empty": ([], engram.DimensionMismatch, r"0 dimensions, this store has 4"),
    "a scalar": (1.0, engram.DimensionMismatch, r"shape \(\)"),
    "a matrix": (np.ones((1, 4)), engram.DimensionMismatch, r"shape \(1, 4\)"),
    "NaN": ([1, 2, np.nan, 4], engram.InvalidVector, r"(?i)nan|finite"),
    "infinity": ([1, 2, np.inf, 4], engram.InvalidVector, r"(?i)inf|finite"),
    "minus infinity": (np.array([1, -np.inf, 1, 1], np.float32), engram.InvalidVector, r"(?i)inf|finite"),
    "beyond float32": ([1, 2, 1e39, 4], engram.InvalidVector, r"1e\+39 at index \[2\]"),
    "a square beyond float32": ([1e30, 0, 0, 0], engram.InvalidVector, r"length"),
    "zero under cosine": ([0, 0, 0, 0], engram.InvalidVector, r"(?i)zero"),
    "almost zero under cosine": ([1e-30, 0, 0, 0], engram.InvalidVector, r"(?i)short|zero|small"),
    "complex": (np.ones(4, np.complex64), engram.InvalidVector, r"complex64"),
    "object": (np.array([1, 2, 3, None], object), engram.InvalidVector, r"object"),
    "bool": (np.ones(4, bool), engram.InvalidVector, r"bool"),
    "str": (["1", "2", "3", "4"], engram.InvalidVector, r"<U1"),
    "bytes": (np.array([b"a"] * 4), engram.InvalidVector, r"S1"),
    "dates": (np.array(["2020-01-01"] * 4, "M8[D]"), engram.InvalidVector, r"datetime64"),
    "ragged": ([[1, 2], [3, 4, 5]], engram.InvalidVector, r"array of numbers"),
    "huge integers": ([2**70, 1, 1, 1], engram.InvalidVector, r"object"),
    "a dict": ({"a": 1}, engram.InvalidVector, r"object"),
}

BAD_IDS: dict[str, tuple[Any, str]] = {
    "None": (None, r"None.*NoneType"),
    "int": (7, r"7.*int"),
    "bytes": (b"a", r"bytes"),
    "empty": ("", r"empty"),
    "513 bytes": ("x" * 513, r"513 bytes"),
    "514 bytes in 257 characters": ("é" * 257, r"514 bytes"),
    "half a surrogate": ("a\ud800", r"surrogate"),
}

BAD_METADATA: dict[str, tuple[Any, str]] = {
    "a list": ([1], r"list"),
    "a str": ("{}", r"str"),
    "an int key": ({1: "a"}, r"key 1"),
    "a list in it": ({"tags": ["a"]}, r"'tags'.*list"),
    "a dict in it": ({"deep": {"a": 1}}, r"'deep'.*dict"),
    "an object in it": ({"o": object()}, r"'o'.*object"),
    "bytes in it": ({"b": b"x"}, r"'b'.*bytes"),
    "NaN in it": ({"n": float("nan")}, r"'n'.*nan"),
    "infinity in it": ({"n": float("inf")}, r"'n'.*inf"),
    "half a surrogate in it": ({"s": "\udc00"}, r"surrogate"),
    "half a surrogate in a key": ({"\udc00": 1}, r"surrogate"),
    "an int of 5,000 digits": ({"n": 10**5000}, r"JSON"),
}

BAD_CONFIDENCES: list[Any] = [
    0,
    0.0,
    -0.5,
    1.0000001,
    2,
    float("nan"),
    float("inf"),
    True,
    "1",
    None,
    1j,
    10**400,
]


@pytest.fixture
def store(folder: Path) -> Any:
    with engram.open(folder, DIM, metric="cosine", fsync="never") as opened:
        opened.store("kept", GOOD, content="text", metadata={"a": 1})
        before = state_of(opened)
        end = opened.stats()["log"]["end_lsn"]
        yield opened
        assert state_of(opened) == before
        assert opened.stats()["log"]["end_lsn"] == end, "a refused call wrote to the log"


@pytest.mark.parametrize(("vector", "kind", "said"), BAD_VECTORS.values(), ids=BAD_VECTORS)
def test_a_bad_vector_is_refused(
    store: engram.MemoryStore, vector: Any, kind: type[Exception], said: str
) -> None:
    calls: list[Call] = [
        lambda: store.store("kept", vector, content="another"),
        lambda: store.store("new", vector),
        lambda: store.recall(vector),
    ]
    for call in calls:
        with pytest.raises(kind, match=said) as caught:
            call()
        assert isinstance(caught.value, (engram.InvalidInput, ValueError, engram.EngramError))
        assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "name", sorted(set(BAD_VECTORS) - {"bool"})
)  # beside numbers, numpy makes bools numbers
def test_one_bad_row_refuses_all(store: engram.MemoryStore, name: str) -> None:
    rows: Any = [GOOD, BAD_VECTORS[name][0]]
    for call in each(lambda: store.store_many(["new", "kept"], rows), lambda: store.recall_many(rows)):
        with pytest.raises(engram.InvalidInput):
            call()


def test_the_bad_row_is_named(store: engram.MemoryStore) -> None:
    rows = np.ones((5, DIM))
    rows[3, 1] = np.nan

    with pytest.raises(engram.InvalidVector, match="3"):
        store.store_many([*"abcde"], rows)
    with pytest.raises(engram.InvalidInput, match="row 2"):
        store.store_many(["a", "b", ""], np.ones((3, DIM)))
    with pytest.raises(engram.InvalidInput, match="row 1"):
        store.store_many(["a", "b"], np.ones((2, DIM)), metadata=[None, {"x": []}])  # type: ignore[dict-item]


@pytest.mark.parametrize(("shape", "said"), [((3, 5), "5 dimensions"), ((4,), "shape"), ((1, 3, 4), "shape")])
def test_many_vectors_of_another_shape_are_refused(
    store: engram.MemoryStore, shape: tuple[int, ...], said: str
) -> None:
    for call in each(
        lambda: store.store_many(["a", "b", "c"], np.ones(shape)),
        lambda: store.recall_many(np.ones(shape)),
    ):
        with pytest.raises(engram.DimensionMismatch, match=said):
            call()


@pytest.mark.parametrize(("id", "said"), BAD_IDS.values(), ids=BAD_IDS)
def test_a_bad_id_is_refused(store: engram.MemoryStore, id: Any, said: str) -> None:
    for call in each(
        lambda: store.store(id, GOOD),
        lambda: store.store_many(["new", id], [GOOD, GOOD]),
        lambda: store.forget(id),
        lambda: store.get(id),
    ):
        with pytest.raises(engram.InvalidInput, match=said):
            call()
    assert id not in store


def test_an_id_of_512_bytes_is_taken(folder: Path) -> None:
    with engram.open(folder, DIM) as store:
        for id in ("x" * 512, "é" * 256, "𝄞" * 128):
            store.store(id, GOOD)
            assert id in store


@pytest.mark.parametrize(("metadata", "said"), BAD_METADATA.values(), ids=BAD_METADATA)
def test_bad_metadata_is_refused(store: engram.MemoryStore, metadata: Any, said: str) -> None:
    for call in each(
        lambda: store.store("new", GOOD, metadata=metadata),
        lambda: store.store_many(["new"], [GOOD], metadata=[metadata]),
    ):
        with pytest.raises(engram.InvalidInput, match=said):
            call()


def test_numpy_values_are_taken_as_metadata(folder: Path) -> None:
    given = {
        "i": np.int64(3),
        "f": np.float32(0.5),
        "b": np.bool_(True),
        "s": np.str_("x"),
        "d": np.float64(0.1),
    }
    with engram.open(folder, DIM) as store:
        store.store("a", GOOD, metadata=given)
        found = store.get("a")
        assert found is not None
        assert found.metadata == {"i": 3, "f": 0.5, "b": True, "s": "x", "d": 0.1}
        json.dumps(found.metadata)


@pytest.mark.parametrize("content", [1, b"bytes", ["list"], "\ud83d"], ids=repr)
def test_a_bad_content_is_refused(store: engram.MemoryStore, content: Any) -> None:
    for call in each(
        lambda: store.store("new", GOOD, content=content),
        lambda: store.store_many(["new"], [GOOD], contents=[content]),
    ):
        with pytest.raises(engram.InvalidInput, match="content"):
            call()


def test_a_memory_too_large_for_the_log_is_refused_before_any_is_stored(store: engram.MemoryStore) -> None:
    huge = "x" * (9 << 20)
    with engram.open(None, DIM) as in_ram:
        for one in (store, in_ram):
            with pytest.raises(engram.InvalidInput, match=r"'new' has 9437187 bytes .* at most"):
                one.store("new", GOOD, content=huge)
    with pytest.raises(engram.InvalidInput, match="at most"):
        store.store_many(["new", "huge"], [GOOD, GOOD], contents=[None, huge])
    with pytest.raises(engram.InvalidInput, match="at most"):
        store.store_many(["new", "huge"], [GOOD, GOOD], metadata=[None, {"x": "é" * (5 << 20)}])


@pytest.mark.parametrize("confidence", BAD_CONFIDENCES, ids=lambda each: str(each)[:10])
def test_a_bad_confidence_is_refused(store: engram.MemoryStore, confidence: Any) -> None:
    with pytest.raises(engram.InvalidInput, match="confidence"):
        store.store("new", GOOD, confidence=confidence)


@pytest.mark.parametrize("k", [0, -1, 1.0, "1", None, True, np.float64(3), [1], 2.5], ids=repr)
def test_a_bad_k_is_refused(store: engram.MemoryStore, k: Any) -> None:
    for call in each(
        lambda: store.recall(GOOD, k),
        lambda: store.recall(GOOD, 1, ef=0 if k is None else k),
        lambda: store.recall_many([GOOD], k),
    ):
        with pytest.raises(engram.InvalidInput, match=r"\b(k|ef)\b"):
            call()


@pytest.mark.parametrize("fsync", ["", "sometimes", "ALWAYS", 1, True], ids=repr)
def test_a_bad_fsync_is_refused(store: engram.MemoryStore, tmp_path: Path, fsync: Any) -> None:
    for call in each(
        lambda: store.store("new", GOOD, fsync=fsync),
        lambda: store.store_many(["new"], [GOOD], fsync=fsync),
        lambda: store.forget("kept", fsync=fsync),
        lambda: engram.open(tmp_path / "other", DIM, fsync=fsync),
    ):
        with pytest.raises(engram.InvalidInput, match="fsync"):
            call()
    assert not (tmp_path / "other").exists()


def test_lists_of_unequal_length_are_refused(store: engram.MemoryStore) -> None:
    two = np.ones((2, DIM))
    calls: list[tuple[Call, str]] = [
        (lambda: store.store_many(["a"], two), "2 vectors for 1 ids"),
        (lambda: store.store_many(["a", "b"], two, contents=["x"]), "contents has 1"),
        (lambda: store.store_many(["a", "b"], two, metadata=[{}] * 3), "metadata has 3"),
        (lambda: store.store_many("ab", two), "ids is a single str"),
        (lambda: store.store_many(["a", "b"], two, contents="xy"), "contents is a single str"),
        (lambda: store.store_many(["a", "b"], two, metadata={"a": None}), "metadata is a single dict"),  # type: ignore[dict-item]
        (lambda: store.store_many(7, two), "ids is of type int"),  # type: ignore[arg-type]
    ]
    for call, said in calls:
        with pytest.raises(engram.InvalidInput, match=said):
            call()


def test_neither_vector_nor_text_is_refused(store: engram.MemoryStore) -> None:
    for call in each(
        lambda: store.store("new"),
        lambda: store.store("new", content="text"),
        lambda: store.store_many(["new"]),
        lambda: store.store_many(["new"], contents=["text"]),
        lambda: store.recall("text"),
        lambda: store.recall_many(["text"]),
    ):
        with pytest.raises(engram.InvalidInput, match="vector"):
            call()


@pytest.mark.parametrize("lsn", [-1, 10**15, 1.5, "0", None, True], ids=repr)
def test_a_token_that_was_never_given_out_is_refused(store: engram.MemoryStore, lsn: Any) -> None:
    with pytest.raises(engram.InvalidInput, match="lsn is"):
        store.wait(lsn, "durable")


def test_a_bad_wait_is_refused(store: engram.MemoryStore) -> None:
    for call in each(
        lambda: store.wait(0, "written"),  # type: ignore[arg-type]
        lambda: store.wait(0, "durable", timeout=-1),
        lambda: store.wait_indexed(timeout=float("nan")),
        lambda: store.store("new", GOOD, timeout="soon"),  # type: ignore[arg-type]
    ):
        with pytest.raises(engram.InvalidInput):
            call()


# -- opening


def test_a_read_only_store_refuses_to_write(folder: Path) -> None:
    with engram.open(folder, DIM) as store:
        store.store("a", GOOD)
    with engram.open(folder, read_only=True) as store:
        for call in each(
            lambda: store.store("b", GOOD),
            lambda: store.store_many(["b"], [GOOD]),
            lambda: store.forget("a"),
        ):
            with pytest.raises(engram.ReadOnlyStore, match="read_only"):
                call()
        assert list(store) == ["a"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: engram.Config(queue_bytes=2**63), "queue_bytes"),
        (lambda: engram.Config(batch_bytes=10**5000), "batch_bytes"),
        (lambda: engram.Config(page_cache_bytes="9" * 400 + "MB"), "page_cache_bytes"),
        (lambda: engram.Config(checkpoint_bytes="9223373TB"), "checkpoint_bytes"),
        (lambda: engram.Config(migration_interval=1e300), "migration_interval"),
        (lambda: engram.Config(migration_interval=10**5000), "migration_interval"),
        (lambda: engram.open("\ud800", DIM), "path"),
        (lambda: engram.Index(DIM).search(GOOD, filter=[[1], [1, 2]]), "filter"),
        (lambda: engram.Index(DIM).add([1], np.ma.masked_invalid([[1, 2, np.nan, 4]])), "masked"),
        (lambda: engram.Index(DIM).add(np.ma.masked_equal([1], 1), [GOOD]), "masked"),
        (lambda: engram.Index(DIM).search(np.ma.masked_equal(GOOD, 1)), "masked"),
        (lambda: engram.Index(DIM).add([1], [np.ma.masked_equal(GOOD, 1)]), "masked"),
        (lambda: engram.Index(DIM).search(GOOD, filter=np.ma.masked_equal([1, 2], 1)), "masked"),
    ],
    ids=itertools.count(),
)
def test_what_no_machine_and_no_array_holds_is_refused(call: Call, said: str) -> None:
    with pytest.raises(engram.InvalidInput, match=said):
        call()


def test_masked_values_and_no_callables_are_refused_before_anything_is_stored(
    store: engram.MemoryStore,
) -> None:
    before, masked = state_of(store), np.ma.masked_equal(GOOD, 2.0)
    tiers: Any = np.array(2)
    progress: Any = 7
    for call in each(
        lambda: store.store("new", masked),
        lambda: store.store_many(["new"], masked.reshape(1, DIM)),
        lambda: store.store_many(["newer", "new"], [np.ma.array(GOOD), masked]),
        lambda: store.store_many(["new"], (masked,)),
        lambda: store.store_many(["new"], collections.deque([masked])),
        lambda: store.recall_many([masked]),
        lambda: store.store_many(["new"], [GOOD], progress=progress),
        lambda: store.recall(masked),
        lambda: store.recall(GOOD, tiers=tiers),
    ):
        with pytest.raises(engram.InvalidInput, match=r"masked|progress|tiers"):
            call()
    assert state_of(store) == before


def test_a_mask_that_hides_nothing_is_no_mask() -> None:
    with engram.open(None, DIM) as store:
        store.store("unmasked", np.ma.array(GOOD))
        assert "unmasked" in store


@pytest.mark.parametrize("twice", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_store_cannot_be_copied(store: engram.MemoryStore, twice: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match="MemoryStore"):
        twice(store)


def test_an_index_takes_no_rows() -> None:
    index = engram.Index(DIM)
    index.add([], [])
    labels, distances = index.search([], k=3)
    assert (len(index), labels.shape, distances.shape) == (0, (0, 3), (0, 3))
