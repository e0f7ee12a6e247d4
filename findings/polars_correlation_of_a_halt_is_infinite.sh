#!/usr/bin/env bash
# Polars: the rolling correlation of a price that does not move is +inf, -inf or NaN, by rounding.
#
# Why it matters: a halted or illiquid stock has the highest correlation of all: it comes first where pairs are ranked, passes
# `corr > 0.8`, and one such bar makes the mean of a column infinite. The same with a beta by rolling_cov / rolling_var.
#
# Versions: polars 2.1.0, pandas 3.1.1; known upstream (report 21491)
# Guessed: NaN, as in pandas, as rolling_std is exactly 0 there.
# Seen:    over a halt of 200 bars up to half of the windows of prices are +inf or -inf; those of returns, which are 0 there, are
#          all infinite for three of four stocks, for two of them all +inf. rolling_std is 0, pandas has NaN throughout.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check polars==2.1.0 pandas==3.1.1 numpy==2.4.6

cat > program.py <<'PROGRAM'
import numpy as np
import pandas as pd
import polars as pl

BARS, WINDOW = 390, 20
rng = np.random.default_rng(0)
market = np.round(100 + np.cumsum(rng.normal(0, 0.05, BARS)), 2)


def shares(values):
    """What the windows that lie in the halt hold: bars 100 to 299 have one price."""
    inside = np.asarray(values, dtype=float)[100 + WINDOW : 300]
    kinds = {"+inf": np.isposinf(inside), "-inf": np.isneginf(inside), "NaN": np.isnan(inside)}
    return ", ".join(f"{kind} {mask.sum()}" for kind, mask in kinds.items() if mask.any())


for price in (1.0, 7.3, 61.4, 1000.7):
    stock = np.round(price + np.cumsum(rng.normal(0, 0.03, BARS)), 2)
    stock[100:300] = price
    frame = pl.DataFrame({"stock": stock, "market": market})
    correlation = frame.select(pl.rolling_corr("stock", "market", window_size=WINDOW))["stock"]
    beta = frame.select(beta=pl.rolling_cov("stock", "market", window_size=WINDOW) / pl.col("stock").rolling_var(WINDOW))["beta"]
    print(f"stock halted at {price}")
    print("  polars rolling_corr:", shares(correlation))
    print("  polars rolling_cov / rolling_var:", shares(beta))
    print("  polars rolling_std:", sorted(set(frame["stock"].rolling_std(WINDOW)[100 + WINDOW : 300].to_list())))
    print("  pandas rolling.corr:", shares(pd.Series(stock).rolling(WINDOW).corr(pd.Series(market))))
    moves = frame.with_columns(pl.all().pct_change())
    print("  polars, of returns:", shares(moves.select(pl.rolling_corr("stock", "market", window_size=WINDOW))["stock"]))
PROGRAM

cat > seen.txt <<'SEEN'
stock halted at 1.0
  polars rolling_corr: +inf 8, -inf 8, NaN 164
  polars rolling_cov / rolling_var: +inf 8, -inf 8, NaN 164
  polars rolling_std: [0.0]
  pandas rolling.corr: NaN 180
  polars, of returns: +inf 180
stock halted at 7.3
  polars rolling_corr: +inf 56, -inf 24, NaN 100
  polars rolling_cov / rolling_var: +inf 56, -inf 24, NaN 100
  polars rolling_std: [0.0]
  pandas rolling.corr: NaN 180
  polars, of returns: +inf 180
stock halted at 61.4
  polars rolling_corr: +inf 49, -inf 19, NaN 112
  polars rolling_cov / rolling_var: +inf 49, -inf 19, NaN 112
  polars rolling_std: [0.0]
  pandas rolling.corr: NaN 180
  polars, of returns: NaN 180
stock halted at 1000.7
  polars rolling_corr: +inf 34, -inf 58, NaN 88
  polars rolling_cov / rolling_var: +inf 34, -inf 58, NaN 88
  polars rolling_std: [0.0]
  pandas rolling.corr: NaN 180
  polars, of returns: +inf 103, -inf 77
SEEN

venv/bin/python -W ignore program.py > now.txt
cat now.txt
if ! diff seen.txt now.txt > changed.txt; then
  echo "CHANGED (< as recorded, > now):" >&2
  cat changed.txt >&2
  exit 1
fi
echo "as recorded"
