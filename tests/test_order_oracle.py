"""Order kernel against the oracle of further rules: times in force, trails, steps, fees, latency, interest, changes."""

from datetime import datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from peak_fast.orders.simulate import simulate_orders
from peak_fast.settings.order_rules import Asset, OrderRules
from tests.oracle_orders_rules import RulesOracle
from tests.test_order_properties import assert_same_run, make_bars, make_orders

START = datetime(2024, 1, 1)
COUNT = 40


def timed_bars(rng):
    """Bars at odd hours, a few to a day, and some days without any; ``day`` is the number of the day."""
    bars = make_bars(rng, COUNT)
    hours = np.cumsum(rng.choice([3, 5, 8, 30, 70], COUNT, p=[0.3, 0.3, 0.2, 0.1, 0.1]))
    times = [START + timedelta(hours=int(hour)) for hour in hours]
    bars["day"] = [(time - datetime(1970, 1, 1)).days for time in times]
    return bars, times


def extras(rng):
    """Settings that `RulesOracle` knows, each at its neutral value half of the time."""

    def maybe(value, otherwise):
        return value if rng.random() < 0.5 else otherwise

    return {
        "tiers": maybe(((500.0, 0.002), (9_000.0, 0.0005)), ()),
        "maker_rate": (rebate := maybe(maybe(0.0002, -0.0003), None)),
        "minimum": 0.0 if (rebate or 0.0) < 0.0 else maybe(2.5, 0.0),
        "funding": maybe(rng.choice([0.001, -0.002, np.nan, np.nan], COUNT), np.full(COUNT, np.nan)),
        "through": bool(rng.random() < 0.5),
        "slip": str(rng.choice(["fraction", "absolute", "half_spread"])),
        "half_spread": rng.choice([0.0, 0.05, 0.1], COUNT),
        "tick": maybe(0.25, 0.0),
        "lot": maybe(0.5, 0.0),
        "watermark": str(rng.choice(["extreme", "close", "opposite", "high", "low"])),
        "latency": int(rng.choice([0, 0, 1, 3])),
        "borrow_short": maybe(0.3, 0.0),
        "borrow_long": maybe(0.1, 0.0),
        "borrow_cash": maybe(0.2, 0.0),
    }


def last_bar(times, moment):
    return max((bar for bar, time in enumerate(times) if time <= moment), default=-1)


def vary(rng, bars, times, rows, specs, latency):
    """Give orders amounts to trail by and lives by the clock, say some bars as moments, and change some orders."""
    pairs = list(zip(rows, specs, strict=True))
    for row, spec in pairs[:]:
        if "kind" not in spec:
            continue
        if spec["kind"] == "trailing_stop" and rng.random() < 0.5:
            spec["trail"] = row["trail"] = round(float(rng.uniform(0.5, 4.0)), 2)
            spec["trail_unit"] = row["trail_unit"] = "distance"
        bar = spec["bar"]
        if rng.random() < 0.2 and "tif" not in spec:
            row["time_in_force"] = "day"
            first = bars["day"][min(bar + 1 + latency, COUNT - 1)]
            end = max(n for n in range(COUNT) if bars["day"][n] == first)
            spec["valid"] = min(spec.get("valid", end), end)
        elif rng.random() < 0.2 and "tif" not in spec:
            moment = times[bar] + timedelta(hours=int(rng.integers(1, 60)))
            row["valid_until"], row["time_in_force"] = moment, "gtd"
            spec["valid"] = last_bar(times, moment)
        if rng.random() < 0.2:
            pairs.append(change(rng, bars, row, spec))
    pairs.sort(key=lambda pair: pair[1]["bar"])
    for row, _ in pairs:
        if rng.random() < 0.3:
            row["timestamp"] = times[row.pop("bar")] + timedelta(hours=int(rng.integers(0, 3)))
        if not isinstance(row.get("valid_until"), datetime | None):
            row["valid_until"] = times[min(row["valid_until"], COUNT - 1)]
    return [row for row, _ in pairs], [spec for _, spec in pairs]


def change(rng, bars, row, spec):
    """A later modification of an order, as a row and for the oracle."""
    bar = min(spec["bar"] + int(rng.integers(0, 5)), COUNT - 1)
    close, side = float(bars["close"][bar]), spec["side"]
    new = {}
    if spec["kind"] in ("limit", "stop_limit") and rng.random() < 0.6:
        new["limit"] = round(close * (1 - side * float(rng.uniform(-0.01, 0.02))), 1)
    if spec["kind"] in ("stop", "stop_limit") and rng.random() < 0.6:
        new["stop"] = round(close * (1 + side * float(rng.uniform(-0.01, 0.02))), 1)
    if rng.random() < 0.4:
        new["stop_loss"] = round(close * (1 - side * float(rng.uniform(0.01, 0.05))), 1)
    if rng.random() < 0.4:
        new["take_profit"] = round(close * (1 + side * float(rng.uniform(0.01, 0.05))), 1)
    if rng.random() < 0.5 or not new:
        new["size"] = float(rng.integers(1, 80)) / 4
    if rng.random() < 0.3:
        new["valid"] = min(bar + int(rng.integers(0, 8)), COUNT - 1)
    words = {"valid" if name == "valid" else name: value for name, value in new.items()}
    changed = {"bar": bar, "action": "modify", "tag": row["tag"], **words}
    if "valid" in changed:
        changed["valid_until"] = changed.pop("valid")
    return changed, {"bar": bar, "action": "modify", "of": spec, **new}


@given(seed=st.integers(0, 2**32 - 1))
def test_kernel_equals_the_oracle_of_further_rules(seed):
    rng = np.random.default_rng(seed)
    bars, times = timed_bars(rng)
    extra = extras(rng)
    rows, specs = vary(rng, bars, times, *make_orders(rng, bars, 14), extra["latency"])
    if not rows:
        return
    cash, leverage = float(rng.choice([2_000.0, 20_000.0])), float(rng.choice([1.0, 3.0]))
    rate, slippage = float(rng.choice([0.0, 0.001])), float(rng.choice([0.0, 0.002]))
    share = None if rng.random() < 0.5 else 0.1
    kind = extra["slip"] if extra["slip"] != "fraction" or slippage else "none"
    rules = OrderRules(
        fee_rate=rate, fee_fixed=0.5, fee_minimum=extra["minimum"], maker_rate=extra["maker_rate"],
        fee_tiers=extra["tiers"], limit_fill="through" if extra["through"] else "touch", slippage=kind,
        slippage_amount={"fraction": slippage, "absolute": 0.15}.get(kind, 0.0), leverage=leverage,
        volume="any" if share is None else "share", volume_amount=0.0 if share is None else 10.0,
        trail_watermark=extra["watermark"], latency=extra["latency"], borrow_short=extra["borrow_short"],
        borrow_long=extra["borrow_long"], borrow_cash=extra["borrow_cash"],
    )  # fmt: skip
    frame = {name: values for name, values in bars.items() if name != "day"} | {"timestamp": times}
    ours = simulate_orders(
        frame, rows, initial_cash=cash, rules=rules, assets=Asset(tick=extra["tick"], lot=extra["lot"]),
        half_spread=extra["half_spread"] if kind == "half_spread" else None, funding=extra["funding"],
    )  # fmt: skip
    for spec in specs:
        spec.pop("name", None)
    settings = {"rate": rate, "fixed": 0.5, "slippage": slippage, "share": share, "leverage": leverage}
    oracle = RulesOracle(bars, specs, cash=cash, extra=extra, **settings)
    assert_same_run(ours, oracle.run())
    assert_same_books(ours, oracle)


def assert_same_books(ours, oracle):
    """What the account got besides fills is in trades, in figures and in rows of its own, as an oracle has it."""
    trades = ours.trades
    assert trades["exit_bar"].to_list() == [trade[0] for trade in oracle.trades]
    money = {"rtol": 1e-9, "atol": 1e-7}
    np.testing.assert_allclose(trades["financing"], [trade[2] for trade in oracle.trades], **money)
    for name, got in (
        ("total_interest", oracle.interest), ("total_funding", oracle.funding), ("cash_interest", oracle.cash_interest)
    ):  # fmt: skip
        np.testing.assert_allclose(ours.stats[name], got, **money)
    np.testing.assert_allclose(ours.charges["amount"].sum(), oracle.cash_interest, **money)
