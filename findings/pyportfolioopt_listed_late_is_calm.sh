#!/usr/bin/env bash
# PyPortfolioOpt: shrunk covariances take days before a listing as returns of 0: the newest asset is the calmest one.
#
# Why it matters: the library recommends Ledoit-Wolf over the sample covariance. With one asset that is listed for the last
# fifth of the history its volatility is less than half of what it was, and the portfolio of least risk puts its money there.
#
# Version: PyPortfolioOpt 1.6.0 (scikit-learn 1.9.1, pandas 3.1.1)
# Guessed: prices that are missing are left out by pairs of assets, as in sample_cov, or refused where an estimator cannot.
# Seen:    sample_cov and exp_cov give the volatility of the days that there are (0.38); ledoit_wolf and oracle_approximating,
#          for which missing days are calm ones, 0.16, and semicovariance 0.13, without a word. The weight of the new asset in
#          the portfolio of least variance goes from 0.06 to 0.28. Besides (no guess was written): expected returns and
#          covariances in different order are not matched by name; the weights are those of other assets.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check pyportfolioopt==1.6.0 scikit-learn==1.9.1 cvxpy==1.9.3 clarabel==0.11.1 osqp==1.1.3 pandas==3.1.1 numpy==2.4.6 scipy==1.17.1 packaging==26.4

cat > program.py <<'PROGRAM'
import numpy as np
import pandas as pd
from pypfopt import EfficientFrontier, risk_models

DAYS, LISTED = 500, 400
days = pd.bdate_range("2022-01-03", periods=DAYS)
moves = np.random.default_rng(0).normal(0.0003, [0.008, 0.01, 0.02], (DAYS, 3))
prices = pd.DataFrame(100 * np.cumprod(1 + moves, axis=0), index=days, columns=["old", "older", "new"])
late = prices.copy()
late.loc[days[:LISTED], "new"] = np.nan
for name, frame in (("all listed", prices), ("one listed late", late)):
    found = frame["new"].pct_change(fill_method=None).std() * 252**0.5
    print(f"{name}: volatility of the new one {found:.2f}")
    for method in ("sample_cov", "exp_cov", "ledoit_wolf", "oracle_approximating", "semicovariance"):
        matrix = risk_models.risk_matrix(frame, method=method)
        frontier = EfficientFrontier(None, matrix)
        weights = frontier.min_volatility()
        print(f"  {method:21} {matrix.loc['new', 'new'] ** 0.5:.2f}, weight of least variance {weights['new']:.2f}")

returns = pd.Series({"old": 0.02, "older": 0.05, "new": 0.20})
matrix = risk_models.sample_cov(prices)
for order in (["old", "older", "new"], ["new", "old", "older"]):
    frontier = EfficientFrontier(returns[order], matrix)
    weights = frontier.max_sharpe()
    print("returns in the order", *order, {name: round(float(weights[name]), 2) for name in returns.index})
PROGRAM

cat > seen.txt <<'SEEN'
all listed: volatility of the new one 0.32
  sample_cov            0.32, weight of least variance 0.09
  exp_cov               0.36, weight of least variance 0.06
  ledoit_wolf           0.32, weight of least variance 0.09
  oracle_approximating  0.32, weight of least variance 0.09
  semicovariance        0.23, weight of least variance 0.00
one listed late: volatility of the new one 0.38
  sample_cov            0.38, weight of least variance 0.06
  exp_cov               0.37, weight of least variance 0.06
  ledoit_wolf           0.16, weight of least variance 0.28
  oracle_approximating  0.17, weight of least variance 0.27
  semicovariance        0.13, weight of least variance 0.25
returns in the order old older new {'old': 0.25, 'older': 0.4, 'new': 0.36}
returns in the order new old older {'old': 0.04, 'older': 0.04, 'new': 0.92}
SEEN

venv/bin/python -W ignore program.py > now.txt
cat now.txt
if ! diff seen.txt now.txt > changed.txt; then
  echo "CHANGED (< as recorded, > now):" >&2
  cat changed.txt >&2
  exit 1
fi
echo "as recorded"
