#!/usr/bin/env bash
# Dask distributed: LocalCluster(dashboard_address=None) still opens the dashboard's port.
#
# Why it matters: a sweep that starts workers on its own machine wants no page and no port. A second such process on the
# machine, as under a test runner that turns warnings into errors, then fails with "Port 8787 is already in use".
#
# Versions: distributed 2026.8.0
# Guessed: None, documented as "disable the dashboard", opens no port for HTTP.
# Seen:    the server of HTTP runs at port 8787 and answers; a second cluster warns that the port is taken and takes another.
#          An address of ":0" gives a free port without a word; nothing that was tried gives none.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check distributed==2026.8.0 dask==2026.8.0

cat > program.py <<'PROGRAM'
import urllib.request
import warnings

import distributed


def look(name, address):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        cluster = distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=address, silence_logs="CRITICAL"
        )
    port = cluster.scheduler.http_server.port
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as answer:
        text = answer.read().decode()
    taken = any("already in use" in str(one.message) for one in said)
    print(name, "- answers over HTTP:", text, "- warned of a taken port:", taken)
    return cluster


if __name__ == "__main__":
    print("distributed", distributed.__version__)
    first = look("dashboard_address=None", None)
    second = look("a second one with None", None)
    third = look("a third one with ':0'", ":0")
    for cluster in (third, second, first):
        cluster.close()
PROGRAM

cat > seen.txt <<'SEEN'
distributed 2026.8.0
dashboard_address=None - answers over HTTP: ok - warned of a taken port: False
a second one with None - answers over HTTP: ok - warned of a taken port: True
a third one with ':0' - answers over HTTP: ok - warned of a taken port: False
SEEN

venv/bin/python -W ignore program.py 2> errors.txt > now.txt || { cat errors.txt >&2; exit 1; }
cat now.txt
if ! diff seen.txt now.txt > changed.txt; then
  echo "CHANGED (< as recorded, > now):" >&2
  cat changed.txt >&2
  exit 1
fi
echo "as recorded"
