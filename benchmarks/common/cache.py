"""What took long to make (an index, a loaded store), kept by engine, version, parameters and data."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from benchmarks.common.paths import cache_folder


class BuiltCache:
    """The place of one built thing, which counts as there once its description is: that is written last."""

    def __init__(self, kind: str, key: dict[str, Any]) -> None:
        text = json.dumps(key, sort_keys=True)
        digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        self._key = key
        self.folder = cache_folder() / kind / f"{key['engine']}-{digest}"
        self._description = self.folder.with_suffix(".json")

    def get(self) -> dict[str, Any] | None:
        """What was measured when it was built; None when it was not."""
        if not (self._description.exists() and self.folder.is_dir()):
            return None
        found: dict[str, Any] = json.loads(self._description.read_text())["built"]
        return found

    def fresh_folder(self) -> Path:
        """An empty folder to save into."""
        self._description.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        return self.folder

    def put(self, built: dict[str, Any]) -> None:
        partial = self._description.with_suffix(".partial")
        partial.write_text(json.dumps({"key": self._key, "built": built}, indent=1))
        partial.replace(self._description)
