"""Options of reading bars: one set of names and checks for every door."""

import copy
import pickle

import pytest

from peak_fast.data.options import DEFAULTS, OPTION_NAMES, ReadOptions, read_options
from peak_fast.errors import ConfigError


def test_nothing_said_is_the_defaults():
    assert read_options({}) is DEFAULTS
    assert read_options(dict.fromkeys(OPTION_NAMES)) is DEFAULTS
    assert ReadOptions() == DEFAULTS
    assert DEFAULTS.stamp == "open"


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("symbol", "AAPL", "AAPL"),
        ("symbol", 600519, "600519"),
        ("timestamp", "Local time", "Local time"),
        ("timestamp", ["Date", "Time"], ("Date", "Time")),
        ("timestamp", False, False),
        ("stamp", "close", "close"),
        ("date_order", "mdy", "mdy"),
        ("time_zone", "America/New_York", "America/New_York"),
        ("columns", {"close": "Last"}, {"close": "Last"}),
        ("scale", 1e-4, 1e-4),
        ("adjust", True, True),
        ("repair", ["sort", "drop"], frozenset({"sort", "drop"})),
        ("separator", "tab", "\t"),
        ("separator", ";", ";"),
        ("decimal", ",", ","),
        ("encoding", "UTF-16", "utf-16"),
    ],
)
def test_values_are_kept(name, value, kept):
    options = read_options({name: value})
    assert getattr(options, name) == kept
    assert pickle.loads(pickle.dumps(options)) == options == copy.deepcopy(options)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"simbol": "A"}, "simbol: no such option of data; did you mean 'symbol'"),
        ({"symbol": ["A", "B"]}, "one symbol"),
        ({"timestamp": True}, "False says that the bars have no times"),
        ({"timestamp": ("a", "b", "c")}, "a pair of names"),
        ({"stamp": "clse"}, "did you mean 'close'"),
        ({"date_order": "DMY"}, "did you mean 'dmy'"),
        ({"time_zone": "america/new_york"}, "did you mean 'America/New_York'"),
        ({"time_zone": "New York"}, "did you mean 'America/New_York'"),
        ({"time_zone": "Europe/Berln"}, "did you mean 'Europe/Berlin'"),
        ({"time_zone": "../etc"}, "a time zone such as"),
        ({"columns": {"Last": "close"}}, "write {'close': 'Last'}"),
        ({"columns": {"clsoe": "Last"}}, "did you mean 'close'"),
        ({"columns": {"close": 3}}, "the name of a column"),
        ({"columns": "close"}, "a table of names"),
        ({"scale": 0}, "a number above 0"),
        ({"scale": float("nan")}, "a number above 0"),
        ({"adjust": 1}, "True or False"),
        ({"repair": "srt"}, "did you mean 'sort'"),
        ({"separator": "ab"}, "one character"),
        ({"decimal": ";"}, "'.' or ','"),
        ({"encoding": "utf-9"}, "an encoding such as"),
        ({"dialect": " "}, "a text that is not empty"),
        ({"timestamp": "a", "columns": {"timestamp": "b"}}, "keep one of the two"),
    ],
)
def test_wrong_values_name_the_remedy(values, says):
    with pytest.raises(ConfigError) as caught:
        read_options(values)
    assert says in str(caught.value)
