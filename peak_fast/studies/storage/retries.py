"""Trials that are to be run again, and calls that are to be tried again."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

from peak_fast.errors import StoreError
from peak_fast.masking import masked, shown_cause
from peak_fast.studies.points import INDEX, REASON, RETRY_OF, SOURCE, SURPLUS

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")
_MAX_RETRIES = 10
_ATTEMPTS = 6


class Retries:
    """Queues trials of a study again.

    Parameters
    ----------
    study
        The ``optuna.Study``.
    """

    def __init__(self, study: Any) -> None:
        self._study = study
        self._storage = study._storage

    def retry(self, trial: Any, reason: str) -> bool:
        """Fail a running trial and queue its parameters again.

        Returns
        -------
        bool
            False when it was finished meanwhile, or has been tried 11 times already and is given up.
        """
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        tried = len(trial.system_attrs.get("retry_history", [])) + 1
        if tried > _MAX_RETRIES:
            said = "trial %d: no worker survived it %d times; left out: %s"
            _log.warning(said, trial.number, tried, trial.params)
            reason = f"given up: {reason} {tried} times"
        try:
            self._storage.set_trial_user_attr(trial._trial_id, REASON, reason)
            if not patiently(lambda: self._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)):
                return False
        except UpdateFinishedTrialError:
            return False  # finished after all, or rescued by another worker
        if tried > _MAX_RETRIES:
            return False
        self._enqueue(trial)
        return True

    def retry_failed(self) -> int:
        """Queue the trials that failed with an error and were not retried yet; returns how many."""
        trials = self._study.get_trials(deepcopy=False)
        retried = {trial.user_attrs.get(RETRY_OF) for trial in trials}
        failed = [
            trial
            for trial in trials
            if trial.state.name == "FAIL"
            and trial.params
            and trial.user_attrs.get(REASON) not in (None, SURPLUS)
            and trial.number not in retried
        ]
        for trial in failed:
            self._enqueue(trial)
        return len(failed)

    def _enqueue(self, trial: Any) -> None:
        from optuna.trial import TrialState, create_trial

        history = [*trial.system_attrs.get("retry_history", []), trial.number]
        keep = {key: value for key, value in trial.user_attrs.items() if key in (INDEX, SOURCE)}
        template = create_trial(
            state=TrialState.WAITING,
            user_attrs={**keep, RETRY_OF: trial.number},
            system_attrs={"failed_trial": history[0], "retry_history": history},  # as Optuna's own retries
        )
        # Afterwards, because Optuna refuses values outside a distribution here, and takes them elsewhere.
        template.params, template.distributions = trial.params, trial.distributions
        self._storage.create_new_trial(self._study._study_id, template_trial=template)


def patiently(action: Callable[[], _Result]) -> _Result:
    """Do something on a storage that may be locked for a moment."""
    from optuna.exceptions import StorageInternalError

    for attempt in range(_ATTEMPTS):
        try:
            return action()
        except Exception as error:
            database = sys.modules.get("sqlalchemy.exc")  # not imported for a study in memory
            busy = (StorageInternalError, *([database.OperationalError] if database is not None else []))
            if not isinstance(error, busy):
                raise
            last = error
            time.sleep(0.05 * 2**attempt)
    detail = masked(str(last.__cause__ or last)).splitlines()[0]
    raise StoreError(
        f"expected the study's storage to answer; got {detail!r} {_ATTEMPTS} times; "
        "what was written stays, so start the same command again to resume"
    ) from shown_cause(last)
