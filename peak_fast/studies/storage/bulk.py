"""Many trials in one transaction of an Optuna database.

Optuna writes a trial with about ten transactions (30 ms on SQLite with two parameters). This module writes a
whole generation in one, through Optuna's own table definitions. They are not a public interface: `writer_for`
returns None unless the schema is the one this was written for, and the ledger then uses Optuna's own calls.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from peak_fast.studies.points import INDEX, SOURCE, WARM_START, WORKER, Point

_SCHEMA_VERSION = 12
_CHUNK = 500


def writer_for(storage: Any) -> BulkWriter | None:
    """A bulk writer for a database storage, or None where the plain calls must do."""
    backend = getattr(storage, "_backend", storage)
    try:
        from optuna.storages import RDBStorage
        from optuna.storages._rdb import models
    except ImportError:
        return None
    if not isinstance(backend, RDBStorage) or getattr(models, "SCHEMA_VERSION", None) != _SCHEMA_VERSION:
        return None
    expected = {
        "TrialModel": {"trial_id", "number", "study_id", "state", "datetime_start", "datetime_complete"},
        "TrialParamModel": {"param_id", "trial_id", "param_name", "param_value", "distribution_json"},
        "TrialValueModel": {"trial_value_id", "trial_id", "objective", "value", "value_type"},
        "TrialUserAttributeModel": {"trial_user_attribute_id", "trial_id", "key", "value_json"},
        "TrialSystemAttributeModel": {"trial_system_attribute_id", "trial_id", "key", "value_json"},
        "TrialIntermediateValueModel": {
            "trial_intermediate_value_id", "trial_id", "step", "intermediate_value", "intermediate_value_type",
        },
    }  # fmt: skip
    for name, columns in expected.items():
        model = getattr(models, name, None)
        if model is None or set(model.__table__.columns.keys()) != columns:
            return None
    return BulkWriter(backend, models)


class BulkWriter:
    """Creates running trials and finishes them, a transaction per generation.

    Parameters
    ----------
    backend
        The ``RDBStorage``.
    models
        Optuna's module of table definitions.
    """

    def __init__(self, backend: Any, models: Any) -> None:
        self._engine = backend.engine
        self._models = models
        self._dialect = backend.engine.dialect.name

    def create(
        self, study_id: int, templates: Sequence[Any], target: int | None
    ) -> list[tuple[int, int] | None]:
        """Insert running trials, as far as there is room and nobody else has their points.

        Parameters
        ----------
        study_id
            The study.
        templates
            Trials as they are to stand.
        target
            Number of trials that the study has room for; None without limit.

        Returns
        -------
        list of (trial id, number)
            In the order of the templates; None for those that were not inserted.
        """
        created: list[tuple[int, int] | None] = []
        pairs: list[tuple[int, Any]] = []
        with self._engine.begin() as connection:
            self._lock_study(connection, study_id)
            number = self._count(connection, study_id)
            room = len(templates) if target is None else target - self._count_places(connection, study_id)
            taken = self._taken(connection, study_id, [t.user_attrs.get(INDEX) for t in templates])
            for template in templates:
                index = template.user_attrs.get(INDEX)
                if len(pairs) >= room or (index is not None and index in taken):
                    created.append(None)
                    continue
                trial_id = self._insert_trial(connection, study_id, number, template)
                created.append((trial_id, number))
                pairs.append((trial_id, template))
                number += 1
            self._insert_rows(connection, pairs)
        return created

    def _count_places(self, connection: Any, study_id: int) -> int:
        """Trials that take a place in the study, as ``Ledger`` counts them."""
        import sqlalchemy as sa
        from optuna.trial import TrialState

        trial, attr = self._models.TrialModel.__table__, self._models.TrialUserAttributeModel.__table__

        def has(*conditions: Any) -> Any:
            return sa.exists().where(attr.c.trial_id == trial.c.trial_id, *conditions)

        statement = sa.select(sa.func.count(trial.c.trial_id)).where(
            trial.c.study_id == study_id,
            trial.c.state != TrialState.FAIL,
            ~has(attr.c.key == SOURCE, attr.c.value_json == json.dumps(WARM_START)),
            sa.or_(trial.c.state != TrialState.RUNNING, has(attr.c.key == WORKER)),
        )
        return int(connection.execute(statement).scalar_one())

    def _taken(self, connection: Any, study_id: int, indices: Sequence[int | None]) -> set[int]:
        """Which numbered points somebody has claimed or finished."""
        import sqlalchemy as sa
        from optuna.trial import TrialState

        wanted = [json.dumps(index) for index in indices if index is not None]
        if not wanted:
            return set()
        trial, attr = self._models.TrialModel.__table__, self._models.TrialUserAttributeModel.__table__
        found: set[int] = set()
        for start in range(0, len(wanted), _CHUNK):
            statement = (
                sa.select(attr.c.value_json)
                .join(trial, trial.c.trial_id == attr.c.trial_id)
                .where(
                    trial.c.study_id == study_id,
                    trial.c.state != TrialState.FAIL,
                    attr.c.key == INDEX,
                    attr.c.value_json.in_(wanted[start : start + _CHUNK]),
                )
            )
            found.update(int(text) for text in connection.execute(statement).scalars())
        return found

    def _lock_study(self, connection: Any, study_id: int) -> None:
        """Keep other workers from numbering trials until the transaction ends."""
        import sqlalchemy as sa

        study = self._models.StudyModel.__table__
        if self._dialect == "sqlite":
            statement = sa.update(study).where(study.c.study_id == study_id).values(study_id=study_id)
            connection.execute(statement)  # takes the write lock, which SELECT would not
        else:
            connection.execute(
                sa.select(study.c.study_id).where(study.c.study_id == study_id).with_for_update()
            )

    def _count(self, connection: Any, study_id: int) -> int:
        import sqlalchemy as sa

        trial = self._models.TrialModel.__table__
        statement = sa.select(sa.func.count(trial.c.trial_id)).where(trial.c.study_id == study_id)
        return int(connection.execute(statement).scalar_one())

    def _insert_trial(self, connection: Any, study_id: int, number: int, template: Any) -> int:
        trial = self._models.TrialModel.__table__
        row = {
            "study_id": study_id,
            "number": number,
            "state": template.state,
            "datetime_start": _utc(template.datetime_start),
            "datetime_complete": _utc(template.datetime_complete),
        }
        return int(connection.execute(trial.insert().values(**row)).inserted_primary_key[0])

    def _insert_rows(self, connection: Any, pairs: Sequence[tuple[int, Any]]) -> None:
        models = self._models
        params, values, user, system, steps = [], [], [], [], []
        texts: dict[int, str] = {}
        for trial_id, template in pairs:
            for name, value in template.params.items():
                distribution = template.distributions[name]
                params.append(
                    {
                        "trial_id": trial_id,
                        "param_name": name,
                        "param_value": distribution.to_internal_repr(value),
                        "distribution_json": _distribution_text(distribution, texts),
                    }
                )
            values += self._value_rows(trial_id, template.values)
            user += _attribute_rows(trial_id, template.user_attrs)
            system += _attribute_rows(trial_id, template.system_attrs)
            steps += self._step_rows(trial_id, template.intermediate_values)
        self._insert(connection, models.TrialParamModel, params)
        self._insert(connection, models.TrialValueModel, values)
        self._insert(connection, models.TrialUserAttributeModel, user)
        self._insert(connection, models.TrialSystemAttributeModel, system)
        self._insert(connection, models.TrialIntermediateValueModel, steps)

    def _insert(self, connection: Any, model: Any, rows: list[dict[str, Any]]) -> None:
        for start in range(0, len(rows), _CHUNK):
            connection.execute(model.__table__.insert(), rows[start : start + _CHUNK])

    def _value_rows(self, trial_id: int, values: Sequence[float] | None) -> list[dict[str, Any]]:
        rows = []
        for objective, value in enumerate(values or ()):
            stored, kind = self._models.TrialValueModel.value_to_stored_repr(value)
            rows.append({"trial_id": trial_id, "objective": objective, "value": stored, "value_type": kind})
        return rows

    def _step_rows(self, trial_id: int, steps: dict[int, float]) -> list[dict[str, Any]]:
        rows = []
        for step, value in steps.items():
            stored, kind = self._models.TrialIntermediateValueModel.intermediate_value_to_stored_repr(value)
            rows.append(
                {
                    "trial_id": trial_id,
                    "step": step,
                    "intermediate_value": stored,
                    "intermediate_value_type": kind,
                }
            )
        return rows

    def finish(
        self, points: Sequence[Point], attrs: Sequence[tuple[dict[str, Any], dict[str, Any]]]
    ) -> set[int]:
        """Write results and final states of running trials.

        Parameters
        ----------
        points
            Points with ``trial_id``, a final state and their results.
        attrs
            User and system attributes per point.

        Returns
        -------
        set of int
            Ids of the trials that were finished; one that another worker has finished meanwhile is left
            alone.
        """
        import sqlalchemy as sa
        from optuna.trial import TrialState

        trial = self._models.TrialModel.__table__
        done: set[int] = set()
        with self._engine.begin() as connection:
            now = datetime.now(UTC).replace(tzinfo=None)
            for point in points:
                statement = (
                    sa.update(trial)
                    .where(trial.c.trial_id == point.trial_id, trial.c.state == TrialState.RUNNING)
                    .values(state=TrialState[point.state], datetime_complete=now)
                )
                if connection.execute(statement).rowcount == 1 and point.trial_id is not None:
                    done.add(point.trial_id)
            user, system, values, steps = [], [], [], []
            for point, (user_attrs, system_attrs) in zip(points, attrs, strict=True):
                if point.trial_id not in done or point.trial_id is None:
                    continue
                user += _attribute_rows(point.trial_id, user_attrs)
                system += _attribute_rows(point.trial_id, system_attrs)
                values += self._value_rows(point.trial_id, point.values)
                steps += self._step_rows(point.trial_id, point.steps)
            self._replace(connection, self._models.TrialUserAttributeModel, user)
            self._replace(connection, self._models.TrialSystemAttributeModel, system)
            self._insert(connection, self._models.TrialValueModel, values)
            self._insert(connection, self._models.TrialIntermediateValueModel, steps)
        return done

    def _replace(self, connection: Any, model: Any, rows: list[dict[str, Any]]) -> None:
        """Insert attributes after deleting older ones of the same keys (a unique pair of trial and key)."""
        import sqlalchemy as sa

        table = model.__table__
        for start in range(0, len(rows), _CHUNK):
            part = rows[start : start + _CHUNK]
            ids, keys = {row["trial_id"] for row in part}, {row["key"] for row in part}
            wanted = {(row["trial_id"], row["key"]) for row in part}
            statement = sa.select(table.c.trial_id, table.c.key).where(
                table.c.trial_id.in_(ids), table.c.key.in_(keys)
            )
            for trial_id, key in connection.execute(statement).all():
                if (trial_id, key) in wanted:
                    connection.execute(
                        sa.delete(table).where(table.c.trial_id == trial_id, table.c.key == key)
                    )
        self._insert(connection, model, rows)


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)


def _distribution_text(distribution: Any, texts: dict[int, str]) -> str:
    from optuna.distributions import distribution_to_json

    if id(distribution) not in texts:
        texts[id(distribution)] = distribution_to_json(distribution)
    return texts[id(distribution)]


def _attribute_rows(trial_id: int, attrs: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)} for key, value in attrs.items()
    ]
