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
    """Ids of experiments by name; one thread at a time looks one up, or makes it.

    Attributes
    ----------
    renamed
        Those whose names the store does not take as they are.
    """

    def __init__(self, client: Any, uri: str) -> None:
        self._uri = uri
        self._client = client
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}
        self._locations: dict[str, str] = {}
        self.renamed: set[str] = set()

    def forget(self) -> None:
        """Look them up anew: one may have been deleted or restored meanwhile."""
        with self._lock:
            self._known.clear()

    def find(self, name: str) -> str:
        """Id of an experiment, which is created if need be.

        Raises
        ------
        ExperimentDeleted
            It is in the store's bin.
        """
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

    def location(self, experiment_id: str) -> str:
        """Where the artifacts of an experiment lie."""
        if experiment_id not in self._locations:
            found = self._client.get_experiment(experiment_id)
            self._locations[experiment_id] = str(found.artifact_location)
        return self._locations[experiment_id]

    def _made(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(self._client.create_experiment(name))
            except Exception:  # somebody else did?
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        if found.lifecycle_stage != "active":
            raise deleted_experiment(name, found.experiment_id)
        return str(found.experiment_id)
