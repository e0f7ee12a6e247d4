#!/usr/bin/env bash
# quantstats: best and worst "month", "week" and "M" are not those of the calendar.
#
# Why it matters: "best month", "worst week" and the share of winning months are quoted in reports and compared with those of
# other tools. The series below moves three times: +10 % on 2 January 2024, +5 % on 31 December 2024, +8 % on 2 January
# 2025. Its best month is +10 %, its best week +13.4 % (the last two: they are one week).
#
# Version: quantstats 0.0.86 (pandas 3.1.1)
# Guessed: "month" and the documented "M" are calendar months, "W" calendar weeks (31 December 2024 lies in the first week of
#          2025); days keep the date that they have in their zone.
# Seen:    "month" and "week" compound the same month, or week, of all years into one: 12 months are left of 25. "M", "Q"
#          and "Y", which the docstring of best() names, leave the days as they are. "W" pairs the year with the week of
#          the ISO year: 31 December 2024 is compounded with 2 January 2024, 52 weeks earlier. Days of Tokyo are moved to
#          UTC first: its 1st of February counts for January.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check quantstats==0.0.86 pandas==3.1.1 numpy==2.4.6

cat > program.py <<'PROGRAM'
import pandas as pd
import quantstats as qs

days = pd.bdate_range("2024-01-01", "2026-01-09")
returns = pd.Series(0.0, index=days)
returns["2024-01-02"], returns["2024-12-31"], returns["2025-01-02"] = 0.10, 0.05, 0.08
for period in ("month", "ME", "M", "week", "W"):
    table = qs.utils.aggregate_returns(returns, period)
    best = qs.stats.best(returns, aggregate=period)
    print(f"{period:5} {len(table):3} periods of {len(returns)} days, best {best:.3f}")

tokyo = pd.Series(0.0, index=pd.date_range("2024-01-29", "2024-02-02", tz="Asia/Tokyo"))
tokyo["2024-02-01"] = 0.10
print("Tokyo", {month: round(float(value), 3) for month, value in qs.utils.aggregate_returns(tokyo, "ME").items()})
PROGRAM

cat > seen.txt <<'SEEN'
month  12 periods of 530 days, best 0.188
ME     25 periods of 530 days, best 0.100
M     530 periods of 530 days, best 0.100
week   52 periods of 530 days, best 0.247
W     106 periods of 530 days, best 0.155
Tokyo {(2024, 1): 0.1, (2024, 2): 0.0}
SEEN

venv/bin/python -W ignore program.py > now.txt
cat now.txt
if ! diff seen.txt now.txt > changed.txt; then
  echo "CHANGED (< as recorded, > now):" >&2
  cat changed.txt >&2
  exit 1
fi
echo "as recorded"
