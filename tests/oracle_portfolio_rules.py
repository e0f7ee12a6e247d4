"""What portfolios of the oracle are given and leave: costs, rules, orders, and lots; nothing of the package."""

import math
from dataclasses import dataclass, field


@dataclass
class Costs:
    rate: float = 0.0
    fixed: float = 0.0
    minimum: float = 0.0
    per_unit: float = 0.0
    slippage_bps: float = 0.0
    slippage_abs: float = 0.0


@dataclass
class Rules:
    initial_cash: float = 1000.0
    costs: Costs = field(default_factory=Costs)
    own_costs: dict = field(default_factory=dict)
    multipliers: dict = field(default_factory=dict)
    groups: dict = field(default_factory=dict)
    fill_at: str = "next_open"
    size_at: str = "fill"
    mark_at: str = "close"
    short_cash: str = "scale"
    sequence: str = "by_weight"
    fee_from: str = "cash"
    round_lots: str = "order"
    buying_power: str = "equity"
    shorts: str = "allowed"
    missing: str = "wait"
    delisted: object = "last_price"
    lot_size: float = 0.0
    min_size: float = 0.0
    leverage: float = 1.0
    cash_buffer: float = 0.0
    min_trade: float = 0.0
    band: float = 0.0
    max_gross: float | None = None
    max_net: float | None = None
    max_group: float | None = None
    max_position: float | None = None
    max_drawdown: float | None = None
    daily_loss: float | None = None


@dataclass
class Order:
    decided: int
    filled_at: int  # -1: never
    symbol: str
    side: int
    requested: float
    filled: float
    price: float
    fee: float
    kind: str
    status: str
    reason: str


@dataclass
class Wish:
    """An order on its way: what it is about and what it comes to."""

    symbol: str
    weight: float
    decided: int
    reason: str = ""
    first: float = 0.0
    then: float = 0.0


def lots(size, lot, held=0.0):
    """Whole lots within a size; a rounding error costs none."""
    return size if lot <= 0 else math.floor((size + 1e-12 * (abs(size) + held)) / lot) * lot


def sign(number):
    return 1 if number > 0 else -1
