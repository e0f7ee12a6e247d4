"""A tracker from a configuration: mapping, pydantic model or TOML file.

::

    [tracking]
    enabled = true
    backend = "mlflow"

    [tracking.mlflow]
    tracking_uri = "sqlite:///mlflow.db"
    experiment_name = "ideas"
    artifacts = "light"

The outer ``tracking`` key may be left out.  Disabled or missing gives a :class:`NoopTracker`.
"""

from __future__ import annotations

import inspect
import tomllib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from peak_fast.errors import ConfigError, did_you_mean
from peak_fast.guard import guarded
from peak_fast.tracking.base import Tracker, TrackingWarning
from peak_fast.tracking.noop import NoopTracker
from peak_fast.tracking.sanitize import mapping_of

BACKENDS = ("mlflow", "noop")
_NONE = ("none", "off", "null", "")
_SECTION_KEYS = ("enabled", "backend", *BACKENDS)


@guarded
def build_tracker_from_config(config: Any = None) -> Tracker:
    """Build the tracker that a configuration asks for.

    Parameters
    ----------
    config
        A mapping, a pydantic model, the path of a TOML file, or None.  With or without the outer key
        ``tracking``; ``enabled`` (default True where the section says anything), ``backend`` (default
        ``"mlflow"``), and a table per backend with the arguments of its tracker.

    Returns
    -------
    Tracker
        A :class:`NoopTracker` where tracking is disabled or not configured, and, with a warning that names
        the known ones, for an unknown backend.

    Raises
    ------
    ConfigError
        A file that cannot be read, or a name that the section or the backend does not have.
    MissingDependencyError
        The backend's package is not installed.
    """
    section = _section(config)
    for name in section:
        if name not in _SECTION_KEYS and name != section.get("backend"):
            raise ConfigError(f"[tracking] has no option {name!r}; {did_you_mean(str(name), _SECTION_KEYS)}")
    if not section or not _enabled(section):
        return NoopTracker()
    backend = str(section.get("backend") or "mlflow").strip().lower()
    if backend in ("noop", *_NONE):
        return NoopTracker()
    if backend not in BACKENDS:
        warnings.warn(
            f"tracking: unknown backend {backend!r}, nothing is recorded; {did_you_mean(backend, BACKENDS)}",
            TrackingWarning,
            stacklevel=2,
        )
        return NoopTracker()
    from peak_fast.tracking.caller import MLflowTracker

    options = mapping_of(section.get(backend)) or {}
    known = [name for name in inspect.signature(MLflowTracker).parameters if name != "self"]
    for name in options:
        if name not in known:
            raise ConfigError(
                f"[tracking.{backend}] has no option {name!r}; {did_you_mean(str(name), known)}"
            )
    return MLflowTracker(**options)


def _section(config: Any) -> Mapping[Any, Any]:
    """The tracking section of a configuration; empty if there is none."""
    if config is None:
        return {}
    found = _read(Path(config)) if isinstance(config, (str, Path)) else mapping_of(config)
    if found is None:
        raise ConfigError(
            "tracking configuration: expected a mapping, a pydantic model or a TOML path, "
            f"got {type(config).__name__}"
        )
    if "tracking" in found:
        inner = mapping_of(found["tracking"])
        if inner is None and found["tracking"] is not None:
            raise ConfigError(f"[tracking]: expected a table, got {type(found['tracking']).__name__}")
        return inner or {}
    # A configuration of something else entirely does not ask for tracking.
    return found if any(key in found for key in _SECTION_KEYS) else {}


def _enabled(section: Mapping[str, Any]) -> bool:
    value = section.get("enabled", True)
    if isinstance(value, str):
        return value.strip().lower() not in ("false", "no", "off", "0", "")
    return bool(value)


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"tracking configuration {path}: {error.strerror or error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"tracking configuration {path} is not valid TOML: {error}") from error
