#!/usr/bin/env bash
# MLflow: each request to a server tries seven times to import packages of Databricks and Spark.
#
# Why it matters: Python does not remember that a package is not there; each attempt asks all folders of the search path.
# Where the two are not installed that was more than half of the processor time of a client that logs finished runs
# (1.3 of 2.8 ms a request, with six folders to ask), and it grows with the length of the search path.
#
# Version: mlflow-skinny 3.17.2 (mlflow has the same code)
# Guessed: where a process runs is found out once, when the first request is made.
# Seen:    five attempts to import `dbruntime` and two to import `pyspark` for each request, as long as neither is there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check mlflow-skinny==3.17.2

cat > program.py <<'PROGRAM'
import collections
import http.server
import os
import sys
import threading

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
import mlflow

asked = collections.Counter()


class Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked["requests"] += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


class Watch:
    def find_spec(self, name, path=None, target=None):
        if name in ("dbruntime", "pyspark"):
            asked[name] += 1


server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = mlflow.MlflowClient(f"http://127.0.0.1:{server.server_address[1]}")
client.set_tag("0" * 32, "first", "one")
asked.clear()
sys.meta_path.insert(0, Watch())
for number in range(10):
    client.set_tag("0" * 32, "number", str(number))
print("looked for in ten further requests:", dict(sorted(asked.items())))
PROGRAM

cat > seen.txt <<'SEEN'
looked for in ten further requests: {'dbruntime': 50, 'pyspark': 20, 'requests': 10}
SEEN

venv/bin/python -W ignore program.py > now.txt
cat now.txt
if ! diff seen.txt now.txt > changed.txt; then
  echo "CHANGED (< as recorded, > now):" >&2
  cat changed.txt >&2
  exit 1
fi
echo "as recorded"
