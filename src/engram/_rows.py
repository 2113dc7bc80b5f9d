"""The rows of one `store_many`, every one checked before the first is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ._errors import InvalidInput
from ._vectors import Matrix
from .memories import check_content, check_id, check_size, encode_metadata

T = TypeVar("T")
Breathe = Callable[[], object]

_ROWS_A_BREATH = 128  # some 0.1 ms


@dataclass(frozen=True)
class Texts:
    """What is stored beside the vectors: lists of one entry a row, or None where no row has any."""

    ids: list[str]
    contents: list[str | None] | None
    metadata: list[str | None] | None  # as JSON text


@dataclass(frozen=True)
class Rows:
    """Texts and the vectors that belong to them."""

    texts: Texts
    vectors: Matrix

    def __len__(self) -> int:
        return len(self.texts.ids)


def check_texts(
    ids: Iterable[object],
    contents: Iterable[object] | None,
    metadata: Iterable[object] | None,
    text_limit: int,
    breathe: Breathe | None = None,
) -> Texts:
    """The ids, contents and metadata of a call, all of them usable.

    `breathe` is called every now and then, for a caller who must not keep the GIL for long.
    """
    names = _each("ids", check_id, ids, breathe=breathe)
    count = len(names)
    texts = Texts(
        names,
        None if contents is None else _each("contents", check_content, contents, count, breathe=breathe),
        None if metadata is None else _each("metadata", encode_metadata, metadata, count, breathe=breathe),
    )
    check_sizes(texts, text_limit, breathe)
    return texts


def check_sizes(texts: Texts, text_limit: int, breathe: Breathe | None = None) -> None:
    """Refuses a memory whose texts do not fit into one record of the log."""
    for row in range(len(texts.ids)):
        if breathe is not None and row % _ROWS_A_BREATH == 0:
            breathe()
        content = texts.contents[row] if texts.contents else None
        metadata = texts.metadata[row] if texts.metadata else None
        check_size(texts.ids[row], content, metadata, text_limit)


def _each(
    name: str,
    check: Callable[[object], T],
    given: Iterable[object],
    count: int | None = None,
    *,
    breathe: Breathe | None,
) -> list[T]:
    if isinstance(given, (str, bytes, Mapping)):
        raise InvalidInput(f"{name} is a single {type(given).__name__}; give a list with one entry a memory")
    try:
        listed: Sequence[Any] = list(given)
    except TypeError as error:
        raise InvalidInput(
            f"{name} is of type {type(given).__name__}; give a list with one entry a memory"
        ) from error
    if count is not None and len(listed) != count:
        raise InvalidInput(
            f"{name} has {len(listed)} entries for {count} ids; give one a memory (None for none)"
        )
    checked: list[T] = []
    for row, value in enumerate(listed):
        if breathe is not None and row % _ROWS_A_BREATH == 0:
            breathe()
        try:
            checked.append(check(value))
        except InvalidInput as error:
            raise type(error)(f"row {row}: {error}") from None
    return checked
