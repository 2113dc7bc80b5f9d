"""Which catalog a store gets."""

from __future__ import annotations

from pathlib import Path

from ._regular import other_than_file
from .catalog import Catalog, LayeredCatalog, RamCatalog
from .catalog_sqlite import NoCatalog, SqliteCatalog

FILE_NAME = "catalog.sqlite"


def open_catalog(folder: Path | None, *, read_only: bool) -> Catalog:
    """The catalog of a store in `folder` (None: in RAM).

    One that is missing starts empty: replaying the log fills it again.
    """
    if folder is None:
        return RamCatalog()
    file = folder / FILE_NAME
    if not read_only:
        return SqliteCatalog(file)
    try:
        if other_than_file(file) is None and not file.stat().st_size:
            return RamCatalog()
        return LayeredCatalog(SqliteCatalog(file, read_only=True))
    except (FileNotFoundError, NoCatalog):
        return RamCatalog()
