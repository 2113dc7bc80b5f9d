"""What a memory is, and which ids, contents, metadata and confidences are taken."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ._checks import check_number
from ._errors import InvalidInput
from ._vectors import Vector

Value: TypeAlias = str | int | float | bool | None
Metadata: TypeAlias = Mapping[str, Value]

MAX_ID_BYTES = 512
_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


@dataclass(frozen=True, eq=False)
class Memory:
    """One memory as it was stored.

    Attributes
    ----------
    id : the name it was stored under
    vector : float32, shape (dim,), bit for bit as stored
    content : its text, if it has one
    metadata : a flat JSON object, empty if none was given
    confidence : in (0, 1]
    created_at : seconds since the epoch, when this version was stored
    """

    id: str
    vector: Vector
    content: str | None
    metadata: dict[str, Value]
    confidence: float
    created_at: float


def check_id(id: object) -> str:
    """`id` if a memory may be called so."""
    if not isinstance(id, str):
        raise InvalidInput(f"the id {id!r} is of type {type(id).__name__}; an id is a str")
    if not id:
        raise InvalidInput("the id is empty; an id has 1 to 512 bytes of UTF-8")
    size = utf8_size(id, "the id")
    if size > MAX_ID_BYTES:
        raise InvalidInput(
            f"the id {id[:24]!r}... takes {size} bytes of UTF-8; an id has at most {MAX_ID_BYTES}"
        )
    return str.__str__(id)  # of a subclass (an enum, say) the text itself


def check_content(content: object) -> str | None:
    """`content` if it is a text that has a UTF-8 form, or None."""
    if content is None:
        return None
    if not isinstance(content, str):
        raise InvalidInput(f"the content is of type {type(content).__name__}; a content is a str or None")
    utf8_size(content, "the content")
    return str.__str__(content)


def check_confidence(confidence: object) -> float:
    """`confidence` as a float in (0, 1]."""
    remedy = "a confidence is a number above 0 and at most 1"
    number = check_number("confidence", confidence, remedy)
    if not 0.0 < number <= 1.0:
        raise InvalidInput(f"confidence is {confidence!r}; {remedy}")
    return number


def check_size(id: str, content: str | None, metadata: str | None, text_limit: int) -> None:
    """Refuses a memory whose texts do not fit into one record of the log."""
    if 4 * (len(id) + len(content or "") + len(metadata or "")) <= text_limit:
        return  # whatever the characters are
    size = sum(utf8_size(text, "the memory") for text in (id, content, metadata) if text)
    if size > text_limit:
        raise InvalidInput(
            f"the memory {id[:40]!r} has {size} bytes of id, content and metadata; "
            f"at most {text_limit} fit: store long texts in pieces"
        )


def encode_metadata(metadata: object) -> str | None:
    """The JSON text of a flat object, or None for none."""
    if metadata is None:
        return None
    if not isinstance(metadata, Mapping):
        raise InvalidInput(f"the metadata is of type {type(metadata).__name__}; give a dict or None")
    if not metadata:
        return None
    flat = {_check_key(key): _check_value(key, value) for key, value in metadata.items()}
    try:
        text = _JSON.encode(flat)
    except ValueError as error:  # an int of more digits than Python writes
        raise InvalidInput(f"the metadata cannot be written as JSON: {error}") from error
    utf8_size(text, "the metadata")
    return text


def decode_metadata(text: str | None) -> dict[str, Value]:
    """The object that `encode_metadata` wrote."""
    if text is None:
        return {}
    decoded: dict[str, Value] = json.loads(text)
    return decoded


def utf8_size(text: str, what: str) -> int:
    """Bytes of `text` in UTF-8; refuses what has none (half a surrogate pair)."""
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        bad = text[error.start]
        raise InvalidInput(
            f"{what} holds {bad!r} at position {error.start}, half a surrogate pair, which UTF-8 cannot "
            "express; decode the text properly or replace it"
        ) from None


def _check_key(key: object) -> str:
    if not isinstance(key, str):
        raise InvalidInput(f"the metadata has the key {key!r} of type {type(key).__name__}; keys are str")
    return key


def _check_value(key: object, value: object) -> Value:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidInput(
                f"the metadata {key!r} is {value}, which JSON cannot express; leave it out or use None"
            )
        return value
    raise InvalidInput(
        f"the metadata {key!r} is of type {type(value).__name__}; values are str, int, float, bool or None"
    )
