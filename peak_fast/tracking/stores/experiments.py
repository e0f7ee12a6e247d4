"""Experiments as MLflow's client finds and makes them."""

from __future__ import annotations

import threading
from typing import Any

from peak_fast.masking import masked
from peak_fast.tracking.base import logger
from peak_fast.tracking.sanitize import clean_key
from peak_fast.tracking.stores.refusals import is_refusal
from peak_fast.tracking.updates import deleted_experiment


class Experiments:
    """Experiments by name; one thread at a time looks one up, or makes it.

    ``renamed`` has those whose names the store does not take as they are.
    """

    def __init__(self, client: Any, uri: str) -> None:
        self._uri = uri
        self._client = client
        self._lock = threading.Lock()
        self._known: dict[str, Any] = {}
        self.renamed: set[str] = set()

    def forget(self) -> None:
        """Look them up anew: one may have been deleted or restored meanwhile."""
        with self._lock:
            self._known.clear()

    def find(self, name: str) -> Any:
        """An experiment, which is created if need be; one in the store's bin raises :class:`ExperimentDeleted`."""
        with self._lock:
            if name not in self._known:
                try:
                    self._known[name] = self._made(name)
                except Exception as error:
                    other = clean_key(name)
                    if not is_refusal(error) or other == name:
                        raise
                    logger.warning(
                        "experiment %r becomes %r: %s", name, other, masked(str(error), self._uri)[:500]
                    )
                    self._known[name] = self._made(other)
                    self.renamed.add(name)
            return self._known[name]

    def _made(self, name: str) -> Any:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            try:
                return self._client.get_experiment(self._client.create_experiment(name))
            except Exception:  # somebody else did?
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        if found.lifecycle_stage != "active":
            raise deleted_experiment(name, found.experiment_id)
        return found
