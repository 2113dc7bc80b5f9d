"""Fetching a published data set: with progress, into a partial file, kept only when it is the right one."""

from __future__ import annotations

import hashlib
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ann.readers import DataError


@dataclass(frozen=True)
class Download:
    """A file of the web. ``sha256`` None: its publisher gives none."""

    url: str
    name: str
    sha256: str | None = None


def fetch(download: Download, folder: Path) -> Path:
    """The file in ``folder``, downloaded when it is not there."""
    target = folder / download.name
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    digest = hashlib.sha256()
    try:
        request = urllib.request.Request(download.url, headers={"User-Agent": "engram-benchmarks"})
        with urllib.request.urlopen(request, timeout=30) as source, partial.open("wb") as sink:
            total = int(source.headers.get("Content-Length") or 0)
            done = 0
            while chunk := source.read(1 << 20):
                sink.write(chunk)
                digest.update(chunk)
                done += len(chunk)
                _show(download.name, done, total)
    except (urllib.error.URLError, OSError) as error:
        partial.unlink(missing_ok=True)
        raise DataError(
            f"{download.url} cannot be fetched ({error}); put {download.name} into {folder}, or the data set "
            "into a folder that ENGRAM_DATA or --data names, or use --dataset synthetic"
        ) from error
    if total and done != total:
        partial.unlink()
        raise DataError(f"{download.url} ended after {done} of {total} bytes; try again")
    if download.sha256 and digest.hexdigest() != download.sha256:
        partial.unlink()
        raise DataError(
            f"{download.url} has SHA-256 {digest.hexdigest()}, expected {download.sha256}: it is "
            "not the published file"
        )
    target.with_name(target.name + ".sha256").write_text(f"{digest.hexdigest()}  {download.name}\n")
    partial.replace(target)
    return target


def _show(name: str, done: int, total: int) -> None:
    if not sys.stderr.isatty():
        return
    share = f"{100 * done / total:5.1f} %" if total else ""
    end = "\n" if done == total else ""
    print(f"\r{name} {done / 1e6:8.1f} MB {share}", end=end, file=sys.stderr, flush=True)
