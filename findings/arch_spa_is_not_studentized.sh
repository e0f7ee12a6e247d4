#!/usr/bin/env bash
# arch: the SPA test compares raw means whatever `studentize` says, and a strategy that never trades makes a grid of losers
# significant.
#
# Why it matters: the test is asked whether the best of many strategies is better than a benchmark. A steady strategy that is
# proven beyond doubt is not found beside a few volatile ones, and a grid in which everything loses and one configuration
# never trades (of cash against cash) comes out at p = 0.04.
#
# Version: arch 8.0.0
# Guessed: a strategy without any difference to the benchmark is evidence of nothing: p stays near 1. That `studentize` changes
#          nothing was seen on the way: by its description ("studentize loss differentials", the default) the steady strategy
#          (t = 8) would stay at p < 0.01 beside ten volatile ones, and False would give another p.
# Seen:    the p-values are the same with True and False. Beside ten volatile strategies p of the steady one goes from 0.00
#          to 0.57. With one column of zeros p of twenty losers ("lower" and "consistent") goes from 0.84 to 0.04; where
#          nothing but zeros is compared all three are 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check arch==8.0.0 numpy==2.4.6 pandas==3.1.1 scipy==1.17.1 statsmodels==0.15.0

cat > program.py <<'PROGRAM'
import numpy as np
from arch.bootstrap import SPA

DAYS = 500
cash = np.zeros(DAYS)  # the benchmark: losses of nothing


def ask(name, returns):
    for studentize in (True, False):
        test = SPA(cash, -returns, reps=1000, seed=1, studentize=studentize)
        test.compute()
        values = ", ".join(f"{kind} {p:.2f}" for kind, p in test.pvalues.items())
        print(f"{name:28} studentize={studentize!s:6} p: {values}")


rng = np.random.default_rng(3)
steady = rng.normal(0.0003, 0.001, (DAYS, 1))
volatile = rng.normal(0.0, 0.03, (DAYS, 10))
losers = rng.normal(-0.002, 0.01, (DAYS, 20))
never = np.zeros((DAYS, 1))
print(f"steady: t = {steady.mean() / steady.std() * DAYS**0.5:.1f}; best t of the volatile ones "
      f"{(volatile.mean(0) / volatile.std(0)).max() * DAYS**0.5:.1f}; best t of the losers "
      f"{(losers.mean(0) / losers.std(0)).max() * DAYS**0.5:.1f}")
ask("steady", steady)
ask("steady and 10 volatile", np.hstack([steady, volatile]))
ask("20 losers", losers)
ask("20 losers and one untraded", np.hstack([losers, never]))
ask("two untraded", np.hstack([never, never]))
PROGRAM

cat > seen.txt <<'SEEN'
steady: t = 7.9; best t of the volatile ones 1.4; best t of the losers -2.0
steady                       studentize=True   p: lower 0.00, consistent 0.00, upper 0.00
steady                       studentize=False  p: lower 0.00, consistent 0.00, upper 0.00
steady and 10 volatile       studentize=True   p: lower 0.46, consistent 0.57, upper 0.57
steady and 10 volatile       studentize=False  p: lower 0.46, consistent 0.57, upper 0.57
20 losers                    studentize=True   p: lower 0.84, consistent 0.84, upper 1.00
20 losers                    studentize=False  p: lower 0.84, consistent 0.84, upper 1.00
20 losers and one untraded   studentize=True   p: lower 0.04, consistent 0.04, upper 1.00
20 losers and one untraded   studentize=False  p: lower 0.04, consistent 0.04, upper 1.00
two untraded                 studentize=True   p: lower 0.00, consistent 0.00, upper 0.00
two untraded                 studentize=False  p: lower 0.00, consistent 0.00, upper 0.00
SEEN

venv/bin/python -W ignore program.py > now.txt
cat now.txt
if ! diff seen.txt now.txt > changed.txt; then
  echo "CHANGED (< as recorded, > now):" >&2
  cat changed.txt >&2
  exit 1
fi
echo "as recorded"
