"""Values, names, addresses and paths as they are written into a spool."""

import datetime as dt
import decimal
import enum
import json
import math
import pickle
import types
import zoneinfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peak_fast import masking
from peak_fast.errors import ConfigError
from peak_fast.settings.trading import Costs
from peak_fast.tracking import sanitize, spool
from peak_fast.tracking.spool import codec, uris
from peak_fast.tracking.stores.files import FileWriter, clean_artifact_path
from peak_fast.tracking.updates import Artifact

# --- codec -----------------------------------------------------------------------------------------------------

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(PLAIN)
def test_plain_values_come_back_equal(value):
    assert codec.decode(codec.encode(value)) == value


def test_a_number_that_looks_like_a_name_is_a_number():
    """Its byte 0x93 is that of pickle's opcode; the time in a record has it for hours."""
    value = ("a" * 32, 0x19393939393, {"fast": 147, "cut": 0.5, "name": "\u0493", "day": dt.date(2020, 1, 1)})
    data = codec.encode(value)
    assert data == pickle.dumps(value, 5)
    assert codec.decode(data) == value


def test_other_values_become_plain():
    class Colour(enum.Enum):
        RED = "red"

    class Silent:
        def __str__(self):
            raise ValueError

    zone = zoneinfo.ZoneInfo("Europe/Paris")
    value = {
        "float": np.float32(0.5),
        "int": np.int64(3),
        "array": np.arange(3),
        "enum": Colour.RED,
        "model": Costs(rate=0.5),
        "function": len,
        "decimal": decimal.Decimal("1.5"),
        "utc": dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
        "paris": dt.datetime(2020, 1, 1, tzinfo=zone),
        "silent": Silent(),
        "class": Silent,
        "range": range(3),
    }
    found = codec.decode(codec.encode(value))
    assert found["float"] == 0.5
    assert found["int"] == 3
    assert found["array"] == [0, 1, 2]
    assert found["enum"] == "red"
    assert found["model"]["rate"] == 0.5
    assert found["function"] == "len"
    assert found["decimal"] == "1.5"
    assert found["utc"] == value["utc"]
    assert found["paris"] == "2020-01-01T00:00:00+01:00"
    assert found["silent"] == "<Silent>"
    assert "Silent" in found["class"]
    assert found["range"] == [0, 1, 2]


def test_damaged_bytes_are_one_kind_of_error():
    data = codec.encode({"a": [1, 2, 3]})
    for cut in range(len(data)):
        with pytest.raises(pickle.UnpicklingError):
            codec.decode(data[:cut])


# --- clean values ----------------------------------------------------------------------------------------------


@given(st.text(max_size=600))
def test_every_key_becomes_one_that_mlflow_takes(key):
    import posixpath
    import re

    name = sanitize.clean_key(key)
    assert 0 < len(name) <= 250
    assert re.fullmatch(r"[/\w.\- :]*", name)
    normal = posixpath.normpath(name)
    assert normal == name
    assert normal != "."
    assert not normal.startswith(("..", "/"))
    assert sanitize.clean_key(name) == name


def test_long_keys_stay_different():
    first, second = "a" * 300 + "1", "a" * 300 + "2"
    assert sanitize.clean_key(first) != sanitize.clean_key(second)
    assert len(sanitize.clean_keys({"a%": 1, "a=": 2, "a_": 3})) == 3


@given(st.text(max_size=80), st.integers(40, 60))
def test_text_is_cut_with_a_marker(text, limit):
    cut = sanitize.clean_text(text, limit)
    assert len(cut) <= limit
    cut.encode()
    if len(text) > limit and "\x00" not in text:
        assert cut.endswith("]")


def test_flatten():
    class Point(types.SimpleNamespace):
        def model_dump(self):
            return {"x": self.x}

    flat = sanitize.flatten(
        {
            "a": {"b": {"c": 1}, "empty": {}},
            "list": [1, {"d": np.float64(2.0)}],
            "point": Point(x=5),
            "set": {3, 1, 2},
            "when": dt.date(2020, 1, 2),
            "array": np.arange(3),
            3: "three",
        }
    )
    assert flat == {
        "a.b.c": "1",
        "a.empty": "{}",
        "list": '[1, {"d": 2.0}]',
        "point.x": "5",
        "set": "[1, 2, 3]",
        "when": "2020-01-02",
        "array": "[0, 1, 2]",
        "3": "three",
    }
    assert sanitize.flatten(None) == {}
    assert sanitize.flatten(7) == {"value": "7"}


def test_a_mapping_that_holds_itself_does_not_hang():
    loop = {}
    loop["again"] = loop
    assert len(sanitize.flatten(loop)) == 1


def test_split_metrics():
    split = sanitize.split_metrics(
        {"a": 1, "b": math.inf, "c": None, "d": "text", "e": np.nan, "f": [], "g": decimal.Decimal("0.5")}
    )
    assert split.numbers["a"] == 1.0
    assert split.numbers["g"] == 0.5
    assert math.isnan(split.numbers["b"])
    assert split.tags == {"metric.b": "inf", "metric.e": "nan", "d": "text"}
    assert split.dropped == ["c", "f"]


# --- URIs ------------------------------------------------------------------------------------------------------


def test_relative_places_are_taken_from_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert uris.resolve(None) == f"sqlite:///{tmp_path}/mlflow.db"
    assert uris.resolve("sqlite:///a b/c%20d.db") == f"sqlite:///{tmp_path}/a b/c%20d.db"
    assert uris.resolve("./mlruns") == (tmp_path / "mlruns").as_uri()
    assert uris.resolve("file:mlruns") == (tmp_path / "mlruns").as_uri()
    assert uris.resolve(tmp_path / "x") == (tmp_path / "x").as_uri()
    assert uris.resolve("http://host:5000") == "http://host:5000"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://other")
    assert uris.resolve(None) == "http://other"
    assert uris.resolve("") == "http://other"


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory"])
def test_databases_in_memory_are_refused(uri):
    with pytest.raises(ConfigError, match="in-memory"):
        uris.resolve(uri)


def test_a_file_is_no_file_store(tmp_path):
    (tmp_path / "mlflow.db").touch()
    with pytest.raises(ConfigError, match="sqlite:///"):
        uris.resolve(tmp_path / "mlflow.db")


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("postgresql://ann:s3cret@db:5432/x", "postgresql://ann:***@db:5432/x"),
        ("https://TOKEN@host/path", "https://***@host/path"),
        ("mysql://db/x?user=ann&password=s3cret", "mysql://db/x?user=ann&password=***"),
        ("sqlite:////tmp/x.db", "sqlite:////tmp/x.db"),
        ("http://host:5000", "http://host:5000"),
    ],
)
def test_credentials_are_masked(uri, shown):
    assert masking.mask(uri) == shown
    assert masking.has_secrets(uri) == (uri != shown)
    assert masking.masked(f"cannot connect to {uri} now", uri) == f"cannot connect to {shown} now"
    if "s3cret" in uri:
        assert "s3cret" not in masking.masked("the password s3cret is wrong", uri)


def test_credentials_are_not_written_to_disk(tmp_path):
    uri = "postgresql://ann:s3cret@db/x"
    folder = spool.store_folder(uri, tmp_path)
    content = "".join(path.read_text() for path in folder.iterdir()) + folder.name
    assert "s3cret" not in content
    assert json.loads((folder / "store.json").read_text())["needs_credentials"]
    assert folder.stat().st_mode & 0o077 == 0


@given(st.text(max_size=60))
def test_artifact_paths_stay_inside(path):
    clean = clean_artifact_path(path)
    assert not clean.startswith("/")
    assert ".." not in clean.split("/")
    assert all(part.strip(". ") for part in clean.split("/"))


def test_an_artifact_that_cannot_be_made_does_not_stop_the_others(tmp_path):
    def broken():
        raise ValueError("no picture")

    artifacts = [
        Artifact("a.png", load=broken),
        Artifact("sub/b.txt", load=lambda: b"b"),
        Artifact("sub/b.txt", load=lambda: b"later"),
    ]
    files = FileWriter()
    problems = files.write(tmp_path, artifacts)
    assert [reason for _, reason in problems] == ["a.png: ValueError: no picture"]
    assert [path.read_bytes() for path in files.written] == [b"later", b"later"]
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["b.txt"]
