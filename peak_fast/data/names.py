"""What the columns of a frame are, by their names: case, blanks and punctuation do not matter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from peak_fast.errors import DataError, did_you_mean

# Times of the open come first: where a frame has several times, that is what a bar's stamp means.
TIME_NAMES = (
    "timeperiodstart", "opentime", "timeopen", "opentimestamp", "windowstart", "starttime", "timestamp", "datetime",
    "date", "time", "ts", "t", "localtime", "gmttime", "utctime", "tradedate", "tradetime", "tradingday", "day",
    "unix", "unixtime", "unixtimestamp", "epoch", "begin", "start", "candlebegintime",
    "startat", "startedat", "mts",
    "dtyyyymmdd", "yyyymmdd",
)  # fmt: skip
# The names that mean a time whatever stands in the column; the others could be a ticker, too.
PLAIN_TIME_NAMES = ("timestamp", "datetime", "date", "time", "ts", "opentime")
# Times of the close: taken only where there is nothing else, and then as what they are.
_TIME_WORD = "(?:time|timestamp|datetime|date|ts|at|utc|ms|us|ns)"
_BAR_WORD = "(?:bar|candle|candlestick|kline|interval|period|timeperiod|window|bucket|session)"
# Patterns are texts, compiled where a name is looked at: that takes as long as importing a room.
_CLOSE_TIME = (
    f"end|upperboundary|{_BAR_WORD}?(?:close|closed|end|ends|closing|ending){_TIME_WORD}+"
    f"|(?:{_BAR_WORD}|{_TIME_WORD})+(?:close|end|ends|closing){_TIME_WORD}*"
)
# Prices, though they end like times.
_CLOSES = ("close", "barclose", "candleclose", "periodclose", "sessionclose", "klineclose")
# What writers call a column that had no name.
UNNAMED = ("", "unnamed0", "indexlevel0", "index", "column0", "field0")
SYMBOL_NAMES = (
    "symbol", "symbols", "ticker", "tickers", "tic", "asset", "instrument", "instrumentid", "secid",
    "security", "pair", "contract", "tscode", "stockcode", "code", "permno", "isin", "cusip", "figi", "sid",
    "assetid", "productid", "coin", "stock", "name", "underlying",
)  # fmt: skip
ADJUSTED_CLOSE = (
    "adjclose",
    "adjustedclose",
    "adjustmentclose",
    "closeadj",
    "closeadjusted",
    "adjcloseprice",
)
SPLIT_NAMES = (
    "stocksplits",
    "stocksplit",
    "splitratio",
    "splitcoefficient",
    "splitfactor",
    "split",
    "splits",
)
DIVIDEND_NAMES = ("dividends", "dividend", "exdividend", "dividendamount", "divcash", "cashdividend")
ADJUSTED_OTHERS = (
    "adjustmentopen",
    "adjustmenthigh",
    "adjustmentlow",
    "adjustmentvolume",
    "adjopen",
    "adjhigh",
    "adjlow",
    "adjvolume",
    "adjfactor",
    "adjustmentfactor",
    "cumfactor",
)
# Columns that tell series apart which are no symbols.
MIXING_NAMES = ("exchange", "venue", "market", "interval", "timeframe", "resolution", "provider", "currency")
# Columns that say whether a bar is finished; the values that say it is not stand beside them.
FINISHED_NAMES = (
    "confirm", "confirmed", "complete", "completed", "closed", "isclosed", "iscomplete", "isfinal", "final", "finished",
    "isfinished",
)  # fmt: skip
TICK_VOLUME = ("tickvolume", "tickvol", "ticks")

_PRICES: dict[str, tuple[str, ...]] = {
    "open": ("open", "openprice", "priceopen", "openingprice"),
    "high": ("high", "highprice", "pricehigh", "highestprice"),
    "low": ("low", "lowprice", "pricelow", "lowestprice"),
    "close": ("close", "closeprice", "priceclose", "closingprice", "closelast"),
}
_VOLUMES = (
    "volume", "vol", "realvolume", "tradedvolume", "totalvolume", "v", "sharestraded", "noofshares", "numberofshares",
    "tottrdqty", "totaltradedquantity", "tradedquantity", "tradedqty", "quantity", "qty",
)  # fmt: skip
_LETTERS = {"open": "o", "high": "h", "low": "l", "close": "c"}


@lru_cache(maxsize=4096)
def fold(name: str) -> str:
    """A name without case, blanks and punctuation, and without a leading number as in "1. open"."""
    text = re.sub(r"^\s*\d+\.\s+", "", name)
    return re.sub(r"[\W_]+", "", text).lower()


def is_close_time(name: str) -> bool:
    """Whether a name says that its times are the ends of the bars: close_time, interval_end, bar_end and their like.

    >>> [is_close_time(name) for name in ("period_end", "candle_close_time", "close", "timestamp", "bar_close")]
    [True, True, False, False, False]
    """
    folded = fold(name)
    if folded in _CLOSES or not any(word in folded for word in ("clos", "end", "upperboundary")):
        return False  # as nearly always, and without the pattern
    return re.fullmatch(_CLOSE_TIME, folded) is not None


_MONEY = (
    r"(?i)[(\[（]\s*(?:in )?(?:[$€£¥₹₩₽]|rs\.?|usd|eur|gbp|chf|jpy|inr|cny|rub|krw|cad|aud|sek|nok|dkk|pln|czk|try"
    r"|usdt|usdc|busd)[^)\]）]*[)\]）]|[$€£₹]\s*$"
)
_DERIVED = (
    r"(?i)(?:^|[\W_])(?:change|chg|var|[se]?ma|wma|vwma|avg|average|mean|pct|percent|ratio|delta|osc|oscillator|std|rank|zscore"
    r"|roc)(?:$|[\W_\d])|%"
)
_THOUSANDS = r"(?i)[(\[]\s*(?:in )?(?:'?000s?|k|thousands?|tsd\.?)\s*[)\]]"
_MILLIONS = r"(?i)[(\[]\s*(?:in )?(?:'?000'?,?000s?|m|mn|mln|mio\.?|millions?)\s*[)\]]"


def counts_money(name: str) -> bool:
    """Whether the unit in a name is a currency, as in "Umsatz (€)" and "Volume (USD)"."""
    return re.search(_MONEY, name) is not None


def unit_of(name: str) -> float:
    """How many units one of a column counts, by its name: "Volume (000s)" counts thousands."""
    return 1e3 if re.search(_THOUSANDS, name) else 1e6 if re.search(_MILLIONS, name) else 1.0


class Plain(NamedTuple):
    """Names that leave nothing to decide: prices, volume and time (None: there is none)."""

    prices: tuple[str, str, str, str]
    volume: str | None
    time: str | None
    read_from: Mapping[str, str]


@lru_cache(maxsize=512)
def plain_names(all_names: tuple[str, ...]) -> Plain | None:
    """What the columns are where every one is known and only one of a kind; None where there is more to look at.

    Most frames are of this kind, and reading a small one must not cost more than its values.
    """
    names = Names(list(all_names), {})
    try:
        prices = tuple(names.price(role) for role in _PRICES)
        volumes = names.volumes()
    except DataError:
        return None
    times = [name for name in names.all if sounds_like_time(name)]
    special = names.of(
        (
            *SYMBOL_NAMES,
            *FINISHED_NAMES,
            *ADJUSTED_CLOSE,
            *SPLIT_NAMES,
            *DIVIDEND_NAMES,
            *ADJUSTED_OTHERS,
            *MIXING_NAMES,
        )
    )
    if names.notes or special or len(volumes) > 1 or len(times) > 1:
        return None
    if (volumes and fold(volumes[0]) != "volume") or (times and times[0] not in _SURE_TIMES):
        return None
    if len(set(all_names)) < len(all_names):
        return None
    volume, time = volumes[0] if volumes else None, times[0] if times else None
    read_from = {"timestamp": time, **dict(zip(_PRICES, prices, strict=True)), "volume": volume}
    told = {role: name for role, name in read_from.items() if name is not None}
    return Plain((prices[0], prices[1], prices[2], prices[3]), volume, time, told)


# Not "date" and "time": either may be half of a pair, which the other names do not show.
_SURE_TIMES = ("timestamp", "datetime", "open_time")


def sounds_like_time(name: str) -> bool:
    """Whether a column could hold times, by its name."""
    folded = fold(name)
    if folded in TIME_NAMES or is_close_time(name):
        return True
    return folded.endswith(("datetime", "timestamp")) or (folded.startswith("time") and folded != "timeframe")


class Names:
    """The names of a frame, found by what they mean.

    Parameters
    ----------
    names
        Names as the frame has them, in order.
    mapped
        What the user said: name in the frame by what it is.

    Attributes
    ----------
    used : list of str
        Names that were taken, in the order of asking.
    notes : list of str
        Names that were understood in a way that the name alone does not say.
    """

    def __init__(self, names: list[str], mapped: Mapping[str, str]) -> None:
        self.all = names
        self.mapped = mapped
        self.used: list[str] = []
        self.notes: list[str] = []
        self._known: dict[str, list[str]] = {}
        for name in names:
            self._known.setdefault(fold(name), []).append(name)
        self._by_letter = all(letter in self._known for letter in _LETTERS.values())

    def exact(self, name: str, what: str) -> str:
        """A name that the user wrote: as the frame has it, else in another spelling.

        Raises
        ------
        DataError
            There is no such column, or it is there in several spellings.
        """
        if name in self.all:
            return self.take(name)
        found = self._known.get(fold(name), [])
        if not found:
            raise DataError(f"{what} {name!r} is missing; {did_you_mean(name, self.all)}")
        return self.take(self._only(name, found))

    def take(self, name: str) -> str:
        """Remember that a column is used."""
        self.used.append(name)
        return name

    def price(self, role: str) -> str:
        """The column that holds open, high, low or close.

        Raises
        ------
        DataError
            There is none, or there are several.
        """
        if role in self.mapped:
            return self.exact(self.mapped[role], f"columns[{role!r}]: column")
        if role in self.all:
            return self.take(role)
        for alias in _PRICES[role]:
            if alias in self._known:
                return self.take(self._only(role, self._known[alias]))
        if self._by_letter:
            name = self._only(role, self._known[_LETTERS[role]])
            self.notes.append(f"column {name!r} is read as {role}")
            return self.take(name)
        if sum(name[:1].isdigit() and name.replace(".", "").isdigit() for name in self.all) >= 3:
            raise DataError(
                f"column {role!r} is missing, and names such as {self.all[0]!r} are numbers: a first row was taken for "
                "the header; read the file with load(path), or name its columns (pandas: header=None, names=[...])"
            )
        raise DataError(
            f"column {role!r} is missing; {did_you_mean(role, self.all)}; rename the column that holds it, or "
            f"name it with columns={{{role!r}: ...}}"
        )

    def volumes(self) -> list[str]:
        """Columns that could be the volume, the likeliest first; of one meaning only where the user said so."""
        if "volume" in self.mapped:
            return [self.exact(self.mapped["volume"], "columns['volume']: column")]
        found: list[str] = []
        if "volume" in self.all:
            found.append("volume")
        for alias in _VOLUMES:
            if alias != "v" or self._by_letter:
                found += [self._only("volume", self._known[alias])] if alias in self._known else []
        found += [name for name in self.all if re.match(r"vol(ume)?[\W_]", name.strip(), re.IGNORECASE)]
        found += self.of(TICK_VOLUME)
        found += [name for name in self.all if "volume" in fold(name) and not fold(name).startswith("adj")]
        return [name for name in dict.fromkeys(found) if self._counts_units(name)]

    def _counts_units(self, name: str) -> bool:
        """Whether a column can be the volume: neither money, nor an average or a change of volumes."""
        reason = "counts money, not units" if counts_money(name) else ""
        if not reason and re.search(_DERIVED, name):
            reason = "is made from volumes, an average or a change"
        if reason:
            note = f"column {name!r} is not read as volume: by its name it {reason}"
            self.notes += [note] if note not in self.notes else []
        return not reason

    def of(self, folded: Iterable[str]) -> list[str]:
        """Names of the frame that are one of the given ones, in the order given."""
        return [name for key in folded for name in self._known.get(key, ())]

    def first(self, folded: Iterable[str], role: str) -> str | None:
        """The column of a role that need not be there, or None."""
        if role in self.mapped:
            return self.exact(self.mapped[role], f"columns[{role!r}]: column")
        found = self.of(folded)
        return found[0] if found else None

    def unused(self) -> list[str]:
        """Names that were not taken, in the frame's order."""
        return [name for name in self.all if name not in self.used]

    def _only(self, asked: str, found: list[str]) -> str:
        if len(found) == 1 or asked in found:
            return asked if asked in found else found[0]
        if len(set(found)) == 1:
            raise DataError(f"column {asked!r} is there several times; keep one of them")
        exact = [name for name in found if name.strip().lower() == asked]
        if len(exact) == 1:
            return exact[0]
        raise DataError(
            f"column {asked!r} is there {len(found)} times, as {found}; keep one of them, or name it with columns="
        )
