"""A block that replays a frame of instructions gives the bits of the frame."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from peak_fast import Param, simulate_orders, synthetic
from peak_fast.orders.block import BUY, CLOSE, FRACTION, SELL
from peak_fast.orders.memory import Records
from peak_fast.settings.order_rules import OrderRules
from peak_fast.strategies.blocks import OrderBlock
from peak_kernels import order_slots as f
from peak_kernels.orders.place import (
    cancel,
    close_lots,
    modify,
    place_limit,
    place_market,
    place_market_on_close,
    place_stop,
    place_stop_limit,
    place_trailing_stop,
    place_trailing_stop_limit,
    set_exits,
    trail_stops,
)
from tests.test_order_properties import RULES, make_bars, make_orders
from tests.test_orders import BARS

N, BAR, OP, KIND, SIDE, SIZE, UNIT, ASSET = (
    f.N_ACTION, f.X_BAR, f.X_OP, f.X_KIND, f.X_SIDE, f.X_SIZE, f.X_UNIT, f.X_ASSET
)  # fmt: skip


LIMIT, STOP, TRAIL, TRAIL_UNIT, STOP_LOSS, TAKE_PROFIT, EXIT_UNIT = (
    f.X_LIMIT, f.X_STOP, f.X_TRAIL, f.X_TRAIL_UNIT, f.X_STOP_LOSS, f.X_TAKE_PROFIT, f.X_EXIT_UNIT
)  # fmt: skip


VALID, TIF, PARENT, OCO, TAG, REDUCE = f.X_VALID, f.X_TIF, f.X_PARENT, f.X_OCO, f.X_TAG, f.X_REDUCE


def replay(i, bars, params, memory, account, orders):
    """Give the instructions of a frame, whose rows are the parameters, at their bars."""
    row = int(memory[0])
    while (row + 1) * N <= params.size and params[row * N + BAR] <= i:
        p = params[row * N : (row + 1) * N]
        op, kind = p[OP], p[KIND]
        if op == f.OP_MODIFY:
            modify(orders, p[TAG], p[SIZE], p[LIMIT], p[STOP], p[TRAIL], int(p[TRAIL_UNIT]), p[STOP_LOSS],
                   p[TAKE_PROFIT], p[VALID], int(p[UNIT]), int(p[ASSET]))  # fmt: skip
        elif op == f.OP_CANCEL:
            cancel(orders, p[TAG], p[REDUCE] > 0.0)
        elif op == f.OP_CLOSE:
            close_lots(orders, p[SIZE], p[TAG], int(p[ASSET]))
        elif op == f.OP_TRAIL_LOTS:
            trail_stops(orders, p[TRAIL], int(p[TRAIL_UNIT]), p[TAG], int(p[ASSET]))
        elif op == f.OP_EXITS:
            set_exits(orders, p[STOP_LOSS], p[TAKE_PROFIT], p[TAG], int(p[ASSET]))
        elif kind == f.MARKET:
            place_market(orders, p[SIDE], p[SIZE], p[TAG], int(p[UNIT]), p[STOP_LOSS], p[TAKE_PROFIT],
                         int(p[EXIT_UNIT]), p[VALID], int(p[TIF]), p[PARENT], p[OCO], p[REDUCE] > 0.0,
                         int(p[ASSET]))  # fmt: skip
        elif kind == f.LIMIT:
            place_limit(orders, p[SIDE], p[SIZE], p[LIMIT], p[TAG], int(p[UNIT]), p[STOP_LOSS], p[TAKE_PROFIT],
                        int(p[EXIT_UNIT]), p[VALID], int(p[TIF]), p[PARENT], p[OCO], p[REDUCE] > 0.0,
                        int(p[ASSET]))  # fmt: skip
        elif kind == f.STOP:
            place_stop(orders, p[SIDE], p[SIZE], p[STOP], p[TAG], int(p[UNIT]), p[STOP_LOSS], p[TAKE_PROFIT],
                       int(p[EXIT_UNIT]), p[VALID], int(p[TIF]), p[PARENT], p[OCO], p[REDUCE] > 0.0,
                       int(p[ASSET]))  # fmt: skip
        elif kind == f.STOP_LIMIT:
            place_stop_limit(orders, p[SIDE], p[SIZE], p[STOP], p[LIMIT], p[TAG], int(p[UNIT]), p[STOP_LOSS],
                             p[TAKE_PROFIT], int(p[EXIT_UNIT]), p[VALID], int(p[TIF]), p[PARENT], p[OCO],
                             p[REDUCE] > 0.0, int(p[ASSET]))  # fmt: skip
        elif kind == f.TRAILING_STOP:
            place_trailing_stop(orders, p[SIDE], p[SIZE], p[TRAIL], int(p[TRAIL_UNIT]), p[STOP], p[TAG],
                                int(p[UNIT]), p[STOP_LOSS], p[TAKE_PROFIT], int(p[EXIT_UNIT]), p[VALID],
                                int(p[TIF]), p[PARENT], p[OCO], p[REDUCE] > 0.0, int(p[ASSET]))  # fmt: skip
        elif kind == f.TRAILING_STOP_LIMIT:
            place_trailing_stop_limit(orders, p[SIDE], p[SIZE], p[TRAIL], p[LIMIT], int(p[TRAIL_UNIT]), p[STOP],
                                      p[TAG], int(p[UNIT]), p[STOP_LOSS], p[TAKE_PROFIT], int(p[EXIT_UNIT]),
                                      p[VALID], int(p[TIF]), p[PARENT], p[OCO], p[REDUCE] > 0.0,
                                      int(p[ASSET]))  # fmt: skip
        else:
            place_market_on_close(orders, p[SIDE], p[SIZE], p[TAG], int(p[UNIT]), p[STOP_LOSS], p[TAKE_PROFIT],
                                  int(p[EXIT_UNIT]), p[VALID], int(p[TIF]), p[PARENT], p[OCO], p[REDUCE] > 0.0,
                                  int(p[ASSET]))  # fmt: skip
        row += 1
    memory[0] = row


REPLAY = OrderBlock(replay, name="replay", memory=1, room=100)


def by_block(bars, frame_result, **options):
    """Run the instructions of a frame through the block."""
    cells = frame_result._run.actions.ravel()
    return simulate_orders(bars, REPLAY, dict(enumerate(cells.tolist())), **options)


def same_bits(one, other):
    for name in Records._fields:
        if name != "state":
            assert getattr(one.records, name).tobytes() == getattr(other.records, name).tobytes(), name


def more_orders(rng, bars, rows):
    """Instructions of the other kinds, put between the rows."""
    tags = [row["tag"] for row in rows if "type" in row] or ["none"]
    for _ in range(int(rng.integers(0, 6))):
        bar = int(rng.integers(0, len(bars["close"])))
        close = float(bars["close"][bar])
        tag, side = str(rng.choice(tags)), str(rng.choice(["buy", "sell"]))
        choice = [
            {"action": "modify", "tag": tag, "limit": close * 0.99, "size": 3.0, "valid_until": bar + 4},
            {"action": "cancel_with_exits", "tag": tag},
            {"action": "close", "size": 0.5},
            {"action": "close", "tag": tag},
            {"action": "set_exits", "stop_loss": close * 0.97, "take_profit": close * 1.02},
            {"action": "trail_stops", "trail": 0.02},
            {"type": "trailing_stop_limit", "side": side, "size": 4, "trail": 0.01, "limit": close * 0.98},
            {"type": "market_on_close", "side": side, "size": 2},
            {"type": "limit", "side": side, "size": 2, "limit": close * 0.99, "time_in_force": "day"},
            {"side": side, "size": 0.3, "size_unit": "equity_fraction"},
            {"size": 0.4, "size_unit": "target_fraction"},
        ]
        rows.append({"bar": bar, **choice[int(rng.integers(len(choice)))]})
    return sorted(rows, key=lambda row: row["bar"])


@given(
    seed=st.integers(0, 2**32 - 1),
    rules=st.sampled_from(
        (
            *RULES,
            OrderRules(exclusive=True),
            OrderRules(check_submission=True, first_bar=5),
            OrderRules(short_proceeds=False, leverage=1.5),
        )
    ),
)
def test_a_block_that_replays_a_frame_gives_its_bits(seed, rules):
    rng = np.random.default_rng(seed)
    bars = make_bars(rng, 40)
    rows = more_orders(rng, bars, make_orders(rng, bars, 14)[0])
    if not rows:
        return
    if rules.first_bar:
        # Instructions before the first bar are passed over, so they have no number that a block could count.
        rows = [row for row in rows if row["bar"] >= rules.first_bar and "parent" not in row]
    # Rows that mean an order which no row places are an error.
    placed = {row.get("tag") for row in rows if "type" in row}
    rows = [row for row in rows if "action" not in row or row.get("tag") in {None, *placed}]
    frame = simulate_orders(bars, rows, initial_cash=20_000, rules=rules) if rows else None
    if frame is not None:
        same_bits(frame, by_block(bars, frame, initial_cash=20_000, rules=rules))


def test_long_quiet_stretches_and_days_give_the_same_bits():
    bars = synthetic(5_000, seed=3)
    close = bars.close
    rows = []
    for n, bar in enumerate(range(0, 4_900, 70)):
        side = "buy" if n % 2 else "sell"
        rows.append({"bar": bar, "side": side, "size": 7, "type": "limit", "limit": float(close[bar]) * 0.99,
                     "stop_loss": 0.03, "take_profit": 0.05, "exit_unit": "fraction", "tag": "a"})  # fmt: skip
    for rules in (OrderRules(), OrderRules(short_proceeds=False), OrderRules(leverage=3.0)):
        frame = simulate_orders(bars, rows, rules=rules)
        assert frame.stats["fills"] > 50
        same_bits(frame, by_block(bars, frame, rules=rules))


def test_tables_name_tags_and_instructions_by_number():
    rows = [{"bar": 0, "side": "buy", "size": 1, "tag": "x"}, {"bar": 1, "side": "buy", "size": 0}]
    result = by_block(BARS, simulate_orders(BARS, rows))
    assert result.orders["tag"].to_list() == ["0", None]
    assert result.orders["row"].to_list() == [0, 1]
    assert result.fills["tag"].to_list() == ["0"]


def curious(i, bars, params, memory, account, orders):
    """Let all that it sees decide on sizes, and scribble on it."""
    seen = 0.0
    for n in range(account.size):
        if account[n] == account[n]:
            seen += account[n] * (n + 1.0)
        account[n] = -7.0
    memory[0] = 0.5 * memory[0] + seen
    size = 1.0 + abs(memory[0]) % 2.0
    if i % 9 == params[0]:
        limit = bars[CLOSE, i] * 0.99
        place_limit(
            orders,
            BUY if i % 2 == 0 else SELL,
            size,
            limit,
            stop_loss=0.03,
            exit_unit=FRACTION,
            valid_until=i + 4,
        )
    if i % 13 == 5:
        close_lots(orders, 0.5)


@given(seed=st.integers(0, 2**32 - 1), first=st.integers(0, 8), rules=st.sampled_from(RULES))
def test_quiet_bars_are_seen_like_all_others(seed, first, rules):
    """A funding rate of zero makes the kernel look at every bar; without one it asks through quiet ones."""
    bars = make_bars(np.random.default_rng(seed), 80)
    block = OrderBlock(curious, memory=1, schema=(Param("first", "int", 0, low=0, high=8),))
    passing, looking = (
        simulate_orders(bars, block, {"first": first}, initial_cash=2_000.0, rules=rules, funding=funding)
        for funding in (None, 0.0)
    )
    assert passing.equity.tolist() == looking.equity.tolist()
    assert passing.fills.equals(looking.fills) and passing.log.equals(looking.log)
