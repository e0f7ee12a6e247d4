#!/usr/bin/env bash
# QuantLib, exchange_calendars, pandas_market_calendars: Paris, Frankfurt and Hong Kong trade on different days in each.
#
# Why it matters: a calendar is what bars are aligned on, missing days are looked for with, and days to expiry are counted by. A
# session that the calendar has not drops a real bar, one that never was is filled with the close before.
#
# Versions: QuantLib 1.44, exchange_calendars 4.13.2, pandas_market_calendars 5.5.0
# Guessed: the three agree for New York, London, Frankfurt and Paris, as the days are published. (No guess was written for
#          Hong Kong.)
# Seen:    New York and London agree to the day. QuantLib's Paris is shut on 24 and 31 December, when Paris trades until 14:05;
#          its Xetra is open on 31 December, and on Whit Mondays and 3 Octobers on which it was shut. The two calendars of Python
#          differ by six days in Hong Kong: three typhoons and a holiday are in the one, two days of storm in the other.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check QuantLib==1.44 exchange_calendars==4.13.2 pandas_market_calendars==5.5.0 pandas==3.1.1 numpy==2.4.6

cat > program.py <<'PROGRAM'
import exchange_calendars
import pandas as pd
import pandas_market_calendars
import QuantLib as quantlib

FIRST, LAST = "2015-01-01", "2025-12-31"
weekdays = pd.bdate_range(FIRST, LAST)
exchanges = {
    "New York": ("XNYS", "NYSE", quantlib.UnitedStates(quantlib.UnitedStates.NYSE)),
    "London": ("XLON", "LSE", quantlib.UnitedKingdom(quantlib.UnitedKingdom.Exchange)),
    "Frankfurt": ("XETR", "XETR", quantlib.Germany(quantlib.Germany.Xetra)),
    "Paris": ("XPAR", "XPAR", quantlib.France(quantlib.France.Exchange)),
    "Hong Kong": ("XHKG", "HKEX", quantlib.HongKong()),
}


def told(days):
    shown = ", ".join(f"{day:%Y-%m-%d}" for day in sorted(days)[:6])
    return f"{len(days):2}" + (f" ({shown}{', ...' if len(days) > 6 else ''})" if days else "")


for place, (code, name, calendar) in exchanges.items():
    known = set(exchange_calendars.get_calendar(code, start=FIRST, end=LAST).sessions) & set(weekdays)
    others = {
        "pandas_market_calendars": set(pandas_market_calendars.get_calendar(name).valid_days(FIRST, LAST).tz_localize(None)),
        "QuantLib": {day for day in weekdays if calendar.isBusinessDay(quantlib.Date(day.day, day.month, day.year))},
    }
    print(f"{place}: {len(known)} sessions in exchange_calendars")
    for library, open_days in others.items():
        print(f"  {library}: open besides {told(open_days & set(weekdays) - known)}; shut besides {told(known - open_days)}")
PROGRAM

cat > seen.txt <<'SEEN'
New York: 2766 sessions in exchange_calendars
  pandas_market_calendars: open besides  0; shut besides  0
  QuantLib: open besides  0; shut besides  0
London: 2779 sessions in exchange_calendars
  pandas_market_calendars: open besides  0; shut besides  0
  QuantLib: open besides  0; shut besides  0
Frankfurt: 2790 sessions in exchange_calendars
  pandas_market_calendars: open besides  0; shut besides  0
  QuantLib: open besides 19 (2015-05-25, 2015-12-31, 2016-05-16, 2016-10-03, 2017-06-05, 2017-10-03, ...); shut besides  0
Paris: 2816 sessions in exchange_calendars
  pandas_market_calendars: open besides  0; shut besides  0
  QuantLib: open besides  0; shut besides 14 (2015-12-24, 2015-12-31, 2018-12-24, 2018-12-31, 2019-12-24, 2019-12-31, ...)
Hong Kong: 2708 sessions in exchange_calendars
  pandas_market_calendars: open besides  4 (2020-10-13, 2021-04-06, 2021-10-13, 2024-09-06); shut besides  2 (2023-09-01, 2023-09-08)
  QuantLib: open besides 11 (2016-08-02, 2016-10-21, 2017-08-23, 2019-05-13, 2020-10-13, 2021-04-06, ...); shut besides  0
SEEN

venv/bin/python -W ignore program.py > now.txt
cat now.txt
if ! diff seen.txt now.txt > changed.txt; then
  echo "CHANGED (< as recorded, > now):" >&2
  cat changed.txt >&2
  exit 1
fi
echo "as recorded"
