"""Rules that hold the best of many assets, against a plain statement of their rules, and from the user's chair."""

import math

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peak_fast import DataError, Panel, Param, Rank, Rebalance, Row, StrategyError, sample
from peak_fast import indicators as ta
from peak_fast.portfolio import Momentum, Volatility, WeightFunction

STOCKS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")


@pytest.fixture(scope="module")
def stocks():
    return Panel.from_frame({symbol: sample(symbol) for symbol in STOCKS})


def panel_of(close, symbols=None, **options):
    """A panel of closes, float64[asset, bar], NaN where there is no price; the other prices are near."""
    days = pd.date_range("2020-01-01", periods=close.shape[1], freq="D")
    symbols = symbols or [f"S{number:02d}" for number in range(close.shape[0])]
    frames = {
        symbol: pd.DataFrame({"open": row, "high": row * 1.01, "low": row * 0.99, "close": row}, index=days)
        for symbol, row in zip(symbols, close, strict=True)
    }
    return Panel.from_frame(frames, **options)


# The rules, stated plainly


def plain_momentum(closes, bar, lookback, skip):
    def known(at):
        while at >= 0 and math.isnan(closes[at]):
            at -= 1
        return closes[at] if at >= 0 else math.nan

    before = known(bar - skip - lookback) if bar - skip - lookback >= 0 else math.nan
    return known(bar - skip) / before - 1.0 if bar >= skip else math.nan


def plain_choice(scores, symbols, wanted, sign, groups):
    """Best first: symbols by group."""
    chosen = []
    for group in sorted(set(groups)):
        ranked = [i for i, s in enumerate(scores) if not math.isnan(s) and groups[i] == group]
        ranked.sort(key=lambda i: (-sign * scores[i], symbols[i]))
        number = len(ranked) if wanted is None else int(wanted) if wanted >= 1 or wanted == 0 else None
        if number is None:
            number = max(int(wanted * len(ranked) + 1e-9), 1) if ranked else 0
        chosen += [(ranked, min(number, len(ranked)))]
    return chosen


def plain_weights(choices, total, values, cap, held, side, buffer):
    """One side of a row: weight by asset."""
    names = []
    for ranked, number in choices:
        stay = (
            [i for i in ranked[: number + buffer] if held.get(i) == side][:number]
            if buffer and number
            else []
        )
        names += (stay + [i for i in ranked[: number + buffer] if i not in stay])[:number]
    parts = {i: max(values[i], 0.0) if values is not None else 1.0 for i in names}
    free, fixed = {i for i in names if parts[i] > 0.0}, {}
    while free:
        left = total - sum(fixed.values())
        weights = {i: left * parts[i] / sum(parts[j] for j in free) for i in free}
        over = [i for i in free if cap is not None and weights[i] > cap]
        if not over or left <= 0.0:
            return names, {**dict.fromkeys(names, 0.0), **fixed, **weights}
        fixed.update(dict.fromkeys(over, cap))
        free -= set(over)
    return names, {**dict.fromkeys(names, 0.0), **fixed}


def plain_rank(panel, rows, score, top, bottom, groups, values, cap, buffer, shared):
    held, out = {}, []
    for bar in rows:
        scores = [
            score(i, bar) if not math.isnan(panel.close[i, bar]) else math.nan for i in range(panel.n_assets)
        ]
        of_row = None if values is None else [values(i, bar) for i in range(panel.n_assets)]
        longs, weights = plain_weights(
            plain_choice(scores, panel.symbols, top, 1, groups), 1.0, of_row, cap, held, 1, buffer
        )
        row = np.zeros(panel.n_assets)
        for i, weight in weights.items():
            row[i] = weight
        choices = [
            (ranked, number) for ranked, number in plain_choice(scores, panel.symbols, bottom, -1, groups)
        ]
        negative = None if of_row is None else [-v for v in of_row] if shared else of_row
        names, _ = plain_weights(choices, 0.5, None, None, held, -1, buffer)
        names = [i for i in names if i not in longs]
        names, weights = plain_weights([(names, len(names))], 0.5, negative, cap, {}, -1, 0)
        for i, weight in weights.items():
            row[i] = -weight
        held = {**dict.fromkeys(longs, 1), **dict.fromkeys(names, -1)}
        out.append(row)
    return out


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_weights_are_those_of_the_rules_stated_plainly(data):
    draw = data.draw
    assets, bars = draw(st.integers(1, 9)), draw(st.integers(6, 40))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    # Few different prices, so that scores tie; gaps, late listings, delistings.
    close = np.exp(random.integers(-3, 4, (assets, bars)) * 0.05) * 100
    close[random.random((assets, bars)) < draw(st.sampled_from([0.0, 0.2]))] = np.nan
    for asset in range(assets):
        if random.random() < 0.3:
            close[asset, : random.integers(0, bars)] = np.nan
        if random.random() < 0.3:
            close[asset, random.integers(1, bars) :] = np.nan
    panel = panel_of(close, [f"S{number}" for number in random.permutation(assets)])
    lookback, skip, buffer = draw(st.integers(1, 5)), draw(st.integers(0, 2)), draw(st.integers(0, 2))
    top = draw(st.sampled_from([1, 2, 5, 0.4, None]))
    bottom = draw(st.sampled_from([0, 1, 2, 0.3]))
    weighting = draw(st.sampled_from(["equal", "score", "price"]))
    cap = draw(st.sampled_from([None, 0.2, 0.45]))
    grouped = draw(st.booleans())
    names = random.integers(0, 2, panel.n_assets).tolist()
    rule = Rank(
        Momentum(lookback, skip), top=top, bottom=bottom, short=0.5, cap=cap,
        weighting={"price": "close"}.get(weighting, weighting), rebalance=Rebalance(3, buffer=buffer),
        within=dict(zip(panel.symbols, names, strict=True)) if grouped else None,
    )  # fmt: skip
    got = rule.weights(panel, {})

    def score(i, bar):
        return plain_momentum(panel.close[i].tolist(), bar, lookback, skip)

    values = {"equal": None, "score": score, "price": lambda i, bar: panel.close[i, bar]}[weighting]
    groups = names if grouped else [0] * panel.n_assets
    rows = list(range(0, len(panel), 3))
    expected = plain_rank(panel, rows, score, top, bottom, groups, values, cap, buffer, weighting == "score")
    with_names = [
        any(
            not math.isnan(score(i, bar)) and not math.isnan(panel.close[i, bar])
            for i in range(panel.n_assets)
        )
        for bar in rows
    ]
    first = with_names.index(True) if True in with_names else len(rows)
    assert got.rows.tolist() == rows[first:]
    np.testing.assert_allclose(
        got.weights, np.array(expected[first:]).reshape(-1, panel.n_assets), rtol=1e-12
    )


def random_panel(assets=30, bars=200, seed=0, symbols=None):
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.standard_normal((assets, bars)) * 0.02, axis=1))
    for asset in range(0, assets, 3):
        close[asset, : random.integers(0, bars // 2)] = np.nan
        close[asset, random.integers(bars // 2, bars) :] = np.nan
    return panel_of(close, symbols)


SCORES = {
    "momentum": Momentum(20, 3),
    "low volatility": -Volatility(15),
    "row": Row("rsi", 14),
    "column": "close",
    "sum": Momentum(20) + Momentum(40, 5) / 2.0 - 0.5 * Volatility(30),
    "ratio": Momentum(20) / Volatility(20),
    "expression": pl.col("close").pct_change(10).over("symbol"),
    "cross section": pl.col("close").rank().over("timestamp"),
    "function": lambda params: Momentum(20),
}


@pytest.mark.parametrize("kind", SCORES)
@pytest.mark.parametrize("weighting", ["equal", "inverse_volatility"])
def test_the_future_changes_nothing(kind, weighting):
    """Weights of a prefix of the bars are the first ones of the whole."""
    panel = random_panel()
    rule = Rank(SCORES[kind], top=5, bottom=3, weighting=weighting, rebalance=Rebalance(7, buffer=2))
    whole = rule.weights(panel, {})
    assert whole.rows.size > 15
    for stop in (60, 100, 151):
        part = rule.weights(panel.slice(0, stop), {})
        assert part.rows.tolist() == [row for row in whole.rows.tolist() if row < stop]
        np.testing.assert_array_equal(part.weights, whole.weights[: part.rows.size])


@pytest.mark.parametrize("kind", SCORES)
def test_the_order_of_assets_does_not_matter(kind):
    panel = random_panel()
    other = panel.select(np.random.default_rng(1).permutation(panel.symbols))
    groups = {symbol: "AB"[number % 2] for number, symbol in enumerate(panel.symbols)}
    rule = Rank(SCORES[kind], top=4, weighting="inverse_volatility", within=groups, cap=0.2, rebalance="week")
    one, two = rule.weights(panel, {}), rule.weights(other, {})
    np.testing.assert_array_equal(one.rows, two.rows)
    np.testing.assert_array_equal(one.weights[:, [panel.index(s) for s in other.symbols]], two.weights)


def test_scores_are_what_they_say(stocks):
    rows = np.array([100, 1500, 3269])
    returns = stocks["IBM"].close[rows - 5] / stocks["IBM"].close[rows - 25] - 1
    ibm, fb = stocks.index("IBM"), stocks.index("FB")
    np.testing.assert_array_equal(Momentum(20, 5).at(stocks, rows, {})[:, ibm], returns)
    changes = np.diff(stocks["IBM"].close) / stocks["IBM"].close[:-1]
    expected = [changes[row - 20 : row].std() for row in rows]
    np.testing.assert_allclose(Volatility(20).at(stocks, rows, {})[:, ibm], expected, rtol=1e-12)
    assert np.isnan(Momentum(20).at(stocks, rows, {})[:2, fb]).all()
    rule = Rank(Row("rsi", 14), top=1)
    found = rule.score.at(stocks, rows, {})
    np.testing.assert_array_equal(found[:, ibm], ta.rsi(stocks["IBM"].close, 14)[rows])
    # An indicator runs over an asset's own bars, which begin where it is listed.
    np.testing.assert_array_equal(found[2, fb], ta.rsi(stocks["FB"].close, 14)[-1])
    own = Rank("adj_close").score.at(stocks, rows, {})
    assert own[2, ibm] == sample("IBM").column("adj_close")[-1]


def test_equal_weights_of_whatever_has_a_price(stocks):
    found = Rank(rebalance="year_end").weights(stocks, {})
    assert found.weights[0].tolist() == [1 / 3, 0.0, 0.0, 1 / 3, 1 / 3]
    assert found.weights[-1].tolist() == [0.2] * 5
    spread = Rank(top=4, spread="top", rebalance="year_end").weights(stocks, {})
    assert spread.weights[0].tolist() == [0.25, 0.0, 0.0, 0.25, 0.25]


def test_groups_and_their_caps():
    close = np.tile(np.arange(1.0, 7.0)[:, None], (1, 4)) * 10
    groups = {"S00": "a", "S01": "a", "S02": "b", "S03": "b", "S04": "b"}
    panel = panel_of(close, groups=groups)
    assert "groups: 1 assets have none (S05)" in panel.notes
    best = Rank("close", top=1, within="groups", rebalance=2).weights(panel, {})
    assert best.weights[0].tolist() == [0, 0.5, 0, 0, 0.5, 0]
    capped = Rank("close", group_cap=0.25, rebalance=2).weights(panel, {}).weights[0]
    np.testing.assert_allclose(capped, [0.125, 0.125, 0.25 / 3, 0.25 / 3, 0.25 / 3, 0.5], rtol=1e-12)
    with pytest.raises(StrategyError, match=r"panel\.with_groups"):
        Rank("close", within="groups").weights(panel_of(close), {})


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([None, 0.05, 0.2]), st.sampled_from([0.1, 0.3, 0.6]))
def test_caps_hold_and_nothing_more_is_lost(seed, cap, group_cap):
    """No weight and no group is above its cap, and what could still be placed is placed."""
    random = np.random.default_rng(seed)
    panel = panel_of(100.0 + random.random((12, 30)) * 50.0)
    names = random.integers(0, 4, 12)
    panel = panel.with_groups(dict(zip(panel.symbols, map(str, names), strict=True)))
    rule = Rank("close", top=8, cap=cap, group_cap=group_cap, weighting="score", rebalance=5)
    for row in rule.weights(panel, {}).weights:
        sums = np.array([row[panel.groups == group].sum() for group in range(len(panel.group_names))])
        held = row > 0.0
        assert row.max() <= (cap or 1.0) * (1 + 1e-9) and sums.max() <= group_cap * (1 + 1e-9)
        assert held.sum() == 8 and row.sum() <= 1.0 + 1e-9
        room = np.minimum(np.full(12, cap or 1.0) - row, group_cap - sums[panel.groups])
        assert row.sum() > 1.0 - 1e-9 or room[held].max() < 1e-9


def test_members_of_the_universe_only():
    close = np.tile(np.arange(1.0, 5.0)[:, None], (1, 8)) * 10
    table = pl.DataFrame(
        {"symbol": ["S03", "S02"], "from": ["2020-01-01", "2020-01-03"], "to": ["2020-01-04", None]}
    )
    panel = panel_of(close, universe=table)
    found = Rank("close", top=1, rebalance=2).weights(panel, {})
    assert found.weights.argmax(axis=1).tolist() == [3, 3, 2, 2] and found.rows.tolist() == [0, 2, 4, 6]


def test_an_asset_without_a_price_is_not_ranked_unless_that_is_asked_for():
    close = np.array([[10.0, 11, 12, np.nan, 14], [10.0, 10, 10, 10, 10]])
    panel = panel_of(close)
    rule = {"score": Momentum(1), "top": 1, "rebalance": 1}
    assert Rank(**rule).weights(panel, {}).weights.argmax(axis=1).tolist() == [0, 0, 1, 0]
    assert Rank(**rule, need_price=False).weights(panel, {}).weights.argmax(axis=1).tolist() == [0, 0, 0, 0]


def test_parameters_by_name_have_a_schema():
    rule = Rank(Momentum("lookback", "skip"), top="count", rebalance=Rebalance("frequency", buffer="stay"))
    assert [item.name for item in rule.schema] == ["lookback", "skip", "count", "frequency", "stay"]
    panel = random_panel()
    found = rule.weights(panel, {"lookback": 10, "skip": 0, "count": 3, "frequency": 21})
    same = Rank(Momentum(10), top=3, rebalance=21).weights(panel, {})
    np.testing.assert_array_equal(found.weights, same.weights)
    with pytest.raises(StrategyError, match="did you mean 'lookback'"):
        rule.weights(panel, {"lokback": 10})
    own = (Param("lookback", "int", 30, low=10, high=60),)
    assert Rank(Momentum("lookback"), schema=own).schema == own
    with pytest.raises(StrategyError, match="names the parameter 'top'"):
        Rank(Momentum("lookback"), top="top", schema=own)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (lambda: Rank(Momentum(0)), "lookback: expected a whole number of at least 1"),
        (lambda: Rank(object()), "a score, a row, a column, an expression or a frame"),
        (lambda: Rank(top=-1), "top: expected a number of at least 0"),
        (lambda: Rank(spread="topp"), "did you mean 'top'"),
        (lambda: Rank(weighting="a b"), "or a score"),
        (lambda: Rank(rebalance="every month"), "Rebalance: when: expected one of"),
        (lambda: Rank(rebalance=0), "at least 1"),
        (
            lambda: Rank(rebalance="weekly"),
            "or the name of a parameter that is unlike them; got 'weekly'.*'week'",
        ),
        (lambda: Rank(rebalance="week_end"), "did you mean"),
        (lambda: Rank(rebalance="Annually"), "write 'year_end'"),
        (lambda: Rank(rebalance="BMS"), "write 'month_start'"),
        (lambda: Rank(cap=40), "cap: expected a share of the equity below 10; got 40; 40 per cent is 0.4"),
        (lambda: Rebalance(band=2), "band: expected a share of the equity below 1"),
        (lambda: Rank(pl.col("nothing")).weights(random_panel(), {}), "nothing"),
        (lambda: Rank(pl.col("close").mean()).weights(random_panel(), {}), r"\.over\('symbol'\)"),
    ],
)
def test_what_cannot_be_is_refused(rule, said):
    with pytest.raises(StrategyError, match=said):
        rule()


def test_an_unknown_column_is_named():
    with pytest.raises(DataError, match="did you mean 'close'"):
        Rank("clos").weights(random_panel(), {})


def test_nothing_to_rank_is_said():
    found = Rank(Momentum(500), top=3).weights(random_panel(), {})
    assert found.rows.size == 0 and "no asset is ever ranked" in found.notes[0]


def test_scores_from_a_frame():
    panel = random_panel(assets=4)
    days = panel.timestamp.to_pandas()
    frame = pd.DataFrame(np.random.default_rng(0).random((200, 4)), index=days, columns=list(panel.symbols))
    found = Rank(frame, top=1, rebalance=10).weights(panel, {})
    masked = frame.where(~np.isnan(panel.close.T))
    rows = found.rows
    assert [panel.symbols[i] for i in found.weights.argmax(axis=1)] == masked.iloc[rows].idxmax(
        axis=1
    ).tolist()


# Many sets of parameters


@pytest.mark.parametrize(
    "rule",
    [
        Rank(Momentum("lookback", 2), top="top", bottom=2, rebalance=5),
        Rank(Momentum("lookback"), top="top", weighting="score", rebalance=Rebalance("week", buffer=3)),
        Rank(Momentum("lookback"), top="top", weighting=1.0 / Volatility("lookback"), cap=0.3, rebalance=5),
    ],
    ids=["equal", "score and buffer", "inverse volatility and cap"],
)
def test_shared_orderings_give_the_bits_of_single_runs(rule):
    panel = random_panel()
    sets = [{"lookback": lookback, "top": top} for lookback in (5, 10, 20) for top in (1, 3, 8, 40)]
    maker = rule.maker(panel, {"top": [1, 3, 8, 40]})
    out = np.empty((200, panel.n_assets))
    for params in sets + sets[::-1]:
        alone, shared = rule.weights(panel, params), maker.weights(params, out)
        assert np.shares_memory(shared.weights, out)
        np.testing.assert_array_equal(alone.rows, shared.rows)
        np.testing.assert_array_equal(alone.weights, shared.weights)


# Functions


def monthly_polars(frame, params):
    assert isinstance(frame, pl.DataFrame)
    first = frame.filter(pl.col("timestamp").dt.day() == 1)
    return first.select("timestamp", "symbol", weight=params["size"] / pl.len().over("timestamp"))


def monthly_pandas(frame, params):
    assert isinstance(frame, pd.DataFrame)
    first = frame[frame["timestamp"].dt.day == 1]
    return (first.pivot(index="timestamp", columns="symbol", values="close").notna() * params["size"]).pipe(
        lambda wide: wide.div(wide.gt(0).sum(axis=1), axis=0)
    )


@pytest.mark.parametrize("function", [monthly_polars, monthly_pandas])
def test_a_function_of_the_long_frame(function):
    panel = random_panel(assets=4)
    if function is monthly_polars:
        panel = Panel.from_frame(panel.to_polars())
    rule = WeightFunction(function, schema=(Param("size", "float", 0.5, low=0.0, high=1.0),))
    found = rule.weights(panel, {})
    assert found.rows.size == 7
    np.testing.assert_allclose(np.nansum(found.weights, axis=1), 0.5)
    np.testing.assert_allclose(np.nansum(rule.weights(panel, {"size": 0.25}).weights, axis=1), 0.25)
    assert found.identity["name"] == function.__name__
    with pytest.raises(StrategyError, match="pass it without calling it"):
        WeightFunction(3)
