#!/usr/bin/env bash
# MLflow: an experiment whose name has an apostrophe can be made in a database, and not in a file store.
#
# Why it matters: names of strategies and data become names of experiments ("Wilder's RSI"). A script that ran with
# SQLite stops in a folder of files, at `set_experiment`, with a message about the filter string of a search that
# nobody asked for: the file store finds an experiment by a query, into which the name is put as it is.
#
# Version: mlflow 3.17.2
# Guessed: what may be a name is the same in all stores, or a store that is stricter says so of the name.
# Seen:    SQLite takes all of them; of a file store an apostrophe is an "invalid clause", double quotes are none.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check mlflow==3.17.2

cat > program.py <<'PROGRAM'
import os
import pathlib

os.environ.update(MLFLOW_ALLOW_FILE_STORE="true", MLFLOW_DISABLE_TELEMETRY="true")
import mlflow

stores = {"sqlite": f"sqlite:///{pathlib.Path.cwd()}/mlflow.db", "file": pathlib.Path("runs").absolute().as_uri()}
for kind, uri in stores.items():
    client = mlflow.MlflowClient(uri)
    for name in ("RSI of Wilder", "Wilder's RSI", '"RSI"', "RSI > 70 and rising", "100 %"):
        try:
            client.create_experiment(name)
            said = f"made, found as {client.get_experiment_by_name(name).name}"
        except mlflow.MlflowException as error:
            said = f"{error.error_code}: {error}"
        print(f"{kind:6} {name:20} {said}")
PROGRAM

cat > seen.txt <<'SEEN'
sqlite RSI of Wilder        made, found as RSI of Wilder
sqlite Wilder's RSI         made, found as Wilder's RSI
sqlite "RSI"                made, found as "RSI"
sqlite RSI > 70 and rising  made, found as RSI > 70 and rising
sqlite 100 %                made, found as 100 %
file   RSI of Wilder        made, found as RSI of Wilder
file   Wilder's RSI         INVALID_PARAMETER_VALUE: Invalid clause(s) in filter string: name = 'Wilder's, RSI, '
file   "RSI"                made, found as "RSI"
file   RSI > 70 and rising  made, found as RSI > 70 and rising
file   100 %                made, found as 100 %
SEEN

venv/bin/python -W ignore program.py > now.txt
cat now.txt
if ! diff seen.txt now.txt > changed.txt; then
  echo "CHANGED (< as recorded, > now):" >&2
  cat changed.txt >&2
  exit 1
fi
echo "as recorded"
