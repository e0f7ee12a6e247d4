"""Numba's files in the folder of this package: read only if they are whole and nobody else can have written them.

What these files hold is executed.  Numba reads whatever lies in the folder, and a damaged file is a traceback or
machine code that nobody wrote.  Here each file ends in a checksum, is written for its owner only, and counts only if
both are right; anything else is as if there were no file: numba compiles.  The checksum finds damage, not a forger,
who could write one, too; against forgers stands the check of owner and mode.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numba.core import caching

from peak_kernels.compiling.cache import cache_dir
from peak_kernels.folders import CAN_TELL, read_ours

_DIGEST_SIZE = 16


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_SIZE).digest()


class CheckedFiles(caching.IndexDataCacheFile):  # type: ignore[misc]
    """Index and data of one function, see the module's docstring; in other folders numba's own way."""

    def __init__(self, cache_path: str, filename_base: str, source_stamp: Any) -> None:
        super().__init__(cache_path=cache_path, filename_base=filename_base, source_stamp=source_stamp)
        self._is_checked = cache_dir() is not None and str(cache_dir()) == cache_path

    def _load_index(self) -> Any:
        if not self._is_checked:
            return super()._load_index()
        try:
            version, stamp, overloads = self._loaded(self._index_path)
        except (OSError, ValueError):
            return {}
        return overloads if (version, stamp) == (self._version, self._source_stamp) else {}

    def _save_index(self, overloads: Any) -> None:
        if not self._is_checked:
            super()._save_index(overloads)
            return
        self._save(self._index_path, (self._version, self._source_stamp, overloads))

    def _load_data(self, name: str) -> Any:
        if not self._is_checked:
            return super()._load_data(name)
        return self._loaded(self._data_path(name))

    def _save_data(self, name: str, data: Any) -> None:
        if not self._is_checked:
            super()._save_data(name, data)
            return
        self._save(self._data_path(name), data)

    def _loaded(self, path: str) -> Any:
        """What was saved in a file.

        Raises
        ------
        OSError
            There is no file, it is damaged, others can have written it, or it is of a user's module that this process
            cannot import: all the same to numba.
        """
        content = read_ours(Path(path))
        body, digest = content[:-_DIGEST_SIZE], content[-_DIGEST_SIZE:]
        if _digest(body) != digest:
            raise OSError(f"{path} is damaged")
        try:
            return pickle.loads(body)
        except ImportError as error:
            raise OSError(f"{path} is of a module that is not here ({error})") from error

    def _save(self, path: str, value: Any) -> None:
        body = self._dump(value)
        with self._open_for_write(path) as file:
            file.write(body + _digest(body))

    @contextlib.contextmanager
    def _open_for_write(self, filepath: str) -> Iterator[Any]:
        with super()._open_for_write(filepath) as file:
            if self._is_checked and CAN_TELL:
                os.fchmod(file.fileno(), 0o600)
            yield file
