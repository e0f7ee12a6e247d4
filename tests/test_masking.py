"""Secrets of addresses are in no text that anybody sees: forms that people write, and generated ones."""

import base64
import json
import logging
import re
import traceback
import urllib.parse
from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings

from peak_fast.masking import MaskedStream, has_secrets, mask, masked, remember, shown_cause
from peak_fast.tracking.reach import unreachable
from peak_fast.tracking.spool.uris import server_address, store_key
from tests.secret_uris import MARK, Secret, leaks, secret_uris

FORMS = [
    ("postgresql://ann:s3cret@db:5432/x", "postgresql://ann:***@db:5432/x"),
    ("postgresql://ann:s3/cret#@db:5432/x", "postgresql://ann:***@db:5432/x"),
    ("postgresql://ann:s3?cret@db:5432/x", "postgresql://ann:***@db:5432/x"),
    # A host with a path and an option, or a password: what stands behind may be a part of it.
    ("postgresql://ann:s3/cr?et#@db:5432/x", "postgresql://ann:***"),
    ("postgresql://ann:s3@cr@et@db/x", "postgresql://ann:***@db/x"),
    ("postgresql+psycopg2://ann:s3%2Fcret@[::1]:5432/x", "postgresql+psycopg2://ann:***@[::1]:5432/x"),
    ("postgresql://ann@corp:s3cret@db/x", "postgresql://***@db/x"),
    ("postgresql://db/x?user=ann&password=s3cret&sslmode=require", "postgresql://db/x?user=ann&password=***&sslmode=require"),
    ("postgresql://db/x?password=s3#cr&et;s3", "postgresql://db/x?password=***#***&***;***"),
    ("mysql+pymysql://ann:s3 cret@db/x?charset=utf8mb4", "mysql+pymysql://ann:***@db/x?charset=utf8mb4"),
    ("mssql+pyodbc:///?odbc_connect=DRIVER%3D%7Bx%7D%3BPWD%3Ds3cret", "mssql+pyodbc:///?odbc_connect=***"),
    ("sqlite+pysqlcipher://:s3cret@//x.db?cipher=aes", "sqlite+pysqlcipher://:***@//x.db?cipher=***"),
    ("https://s3cret@host/path", "https://***@host/path"),
    ("https://s3cret:@host/path", "https://***@host/path"),
    ("https://s3/cr:et@host/path", "https://***@host/path"),
    ("https://host/path?token=s3@cret", "https://***"),
    ("https://host/path?X-Amz-Signature=s3cret&region=eu", "https://host/path?X-Amz-Signature=***&region=eu"),
    ("https://host/path#access_token=s3cret", "https://host/path#access_token=***"),
    ("s3://KEY:s3/cret@bucket/a", "s3://KEY:***@bucket/a"),
    ("grpc://ann:s3cret@host:13000", "grpc://ann:***@host:13000"),
    ("http:/ann:s3cret@host", "http:/ann:***@host"),
    ("postgresql:ann:s3cret@host", "postgresql:ann:***@host"),
    ("ann:s3cret@host:5000", "ann:***@host:5000"),
]  # fmt: skip
PLAIN = [
    "", "mlflow.db", "./runs:a@b", "C:\\runs\\a@b", "C:/runs/a@b?x", "/home/ann/a:b@c?x=y", "sqlite:////tmp/a@b;c&d#e.db",
    "sqlite:///C:/a@b.db", "file:///home/ann/a:b@c", "journal:///home/a:b@c.log", "http://host:5000",
    "http://host:5000/#/experiments/1", "postgresql://[::1]:5432/x?host=/var/run/postgresql", "databricks",
    "databricks://profile", "mlflow-artifacts:/1/2",
]  # fmt: skip


@pytest.mark.parametrize(("uri", "shown"), FORMS)
def test_what_is_shown_of_an_address(uri, shown):
    assert mask(uri) == shown
    assert mask(shown) == shown
    assert has_secrets(uri)
    assert not has_secrets(shown)
    assert masked(f"cannot connect to {uri}, really", uri) == f"cannot connect to {shown}, really"


@pytest.mark.parametrize("uri", PLAIN)
def test_an_address_without_secrets_stays_as_it_is(uri):
    assert mask(uri) == uri
    assert not has_secrets(uri)


@settings(max_examples=500)
@given(secret_uris())
def test_no_generated_secret_is_shown(secret: Secret):
    shown = mask(secret.uri)
    assert not leaks(shown)
    assert mask(shown) == shown
    assert has_secrets(secret.uri)
    # What libraries say of it, in the forms in which texts are quoted and escaped.
    for text in (secret.uri, secret.text, *said_by_libraries(secret.uri)):
        for form in (
            text,
            repr(text),
            ascii(text),
            json.dumps(text),
            urllib.parse.quote(text, errors="surrogatepass"),
        ):
            assert not leaks(masked(f"failed: {form}.", secret.uri)), form


def said_by_libraries(uri):
    """Texts of the errors, and of the parts, of programs that take an address apart."""
    import requests
    from sqlalchemy.engine import make_url

    def parts():
        found = urllib.parse.urlsplit(uri)
        return [found.username, found.password, found.hostname, found.port]

    def prepared():
        return requests.Request("GET", uri).prepare().url

    calls = (
        lambda: make_url(uri).render_as_string(hide_password=False),
        parts,
        prepared,
        lambda: make_url(uri).host,
    )
    for call in calls:
        try:
            yield str(call())
        except Exception as error:
            yield f"{error!r} {error}"


@settings(max_examples=60)
@given(secret_uris())
def test_the_name_of_a_folder_tells_nothing(secret: Secret):
    assert not leaks(store_key(secret.uri))
    assert re.fullmatch(r"[A-Za-z0-9-]{1,60}", store_key(secret.uri))


def test_the_name_of_a_folder_takes_time_to_try():
    """Its hash is of another kind than that of an address without secrets, which anybody may know."""
    import hashlib

    uri = "postgresql://ann:s3cret@db/x"
    assert hashlib.blake2b(uri.encode(), digest_size=6).hexdigest() not in store_key(uri)
    assert store_key(uri) != store_key(uri.replace("s3cret", "other"))
    assert store_key("sqlite:///x.db").endswith(hashlib.blake2b(b"sqlite:///x.db", digest_size=6).hexdigest())


@pytest.mark.parametrize(
    ("name", "value"),
    [("MLFLOW_TRACKING_PASSWORD", "s3/cret"), ("MLFLOW_TRACKING_TOKEN", "s3cret"), ("DATABRICKS_TOKEN", "s3cret"),
     ("PGPASSWORD", "s3cret"), ("MYSQL_PWD", "s3cret"), ("AWS_SECRET_ACCESS_KEY", "s3cret"),
     ("MLFLOW_TRACKING_URI", "https://ann:s3cret@host")],
)  # fmt: skip
def test_secrets_of_the_environment(monkeypatch, name, value):
    assert "s3" in masked("wrong: s3cret s3/cret")
    monkeypatch.setenv(name, value)
    assert "s3" not in masked(f"wrong: {value} and {value}")


def test_what_is_no_secret_of_the_environment_stays(monkeypatch):
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    monkeypatch.setenv("MAX_TOKENS", "4096")
    monkeypatch.setenv("USE_TOKEN", "true")
    assert masked("false 4096 true") == "false 4096 true"


def test_headers_of_http_are_hidden(monkeypatch):
    coded = base64.b64encode(b"ann:s3cret").decode()
    assert coded not in masked(f"Authorization: Basic {coded}", "https://ann:s3cret@host")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "s3cret")
    assert coded not in masked(f"Authorization: Basic {coded}")


def test_addresses_in_texts_that_nobody_told_of():
    text = "see https://u:s3cret@host/x?token=s3cret, or s3://k:s3cret@b. Password=s3cret; pwd='s3 cret'"
    assert "s3" not in masked(text).replace("s3://", "")
    assert (
        masked("see https://host/a/b#c for a=b, and (http://x:5000)")
        == "see https://host/a/b#c for a=b, and (http://x:5000)"
    )


def test_short_secrets_do_not_tear_words_apart():
    assert masked("data at an end: at", "https://ann:at@host") == "data *** an end: ***"
    # A name that is also the password is shown with the address anyway.
    assert masked("pip install mlflow", "postgresql://mlflow:mlflow@host/x") == "pip install mlflow"


def test_logs_of_libraries_hide_what_the_process_knows(caplog):
    remember("postgresql://ann:s3cret@db/x")
    caplog.set_level(logging.DEBUG)
    log = logging.getLogger("mlflow.store.db.utils")
    log.warning("cannot connect to %s", "postgresql://ann:s3cret@db/x")
    try:
        raise ValueError("the password is s3cret")
    except ValueError:
        log.exception("failed")
    logging.getLogger("users.own").warning("mine: %s", "s3cret")
    assert "s3cret" not in "".join(line for line in caplog.text.splitlines() if "users.own" not in line)
    assert "the password is ***" in caplog.text
    # Records of others are not ours to change.
    assert caplog.records[-1].args == ("s3cret",)


def test_streams_and_causes(capsys):
    import io

    remember("postgresql://ann:s3cret@db/x")
    inner = io.StringIO()
    try:
        raise ValueError("s3cret")
    except ValueError as error:
        traceback.print_exc(file=MaskedStream(inner))
        assert shown_cause(error) is None
        try:
            raise KeyError("harmless") from error
        except KeyError as outer:
            assert shown_cause(outer) is None
    assert "ValueError: ***" in inner.getvalue()
    harmless = ValueError("harmless")
    assert shown_cause(harmless) is harmless


@pytest.mark.parametrize(
    ("uri", "address"),
    [("postgresql://ann:hunt/er2@db:5432/x", ("db", "5432")), ("postgresql://ann:hu?nt#er2@db", ("db", None)),
     ("postgresql://[::1]:5432/x", ("::1", "5432")), ("postgresql:///x", (None, None)), ("mysql://db/x", ("db", None)),
     ("http://ann:p@ss@host:5000/a@b", ("host", "5000")), ("https://host", ("host", None)),
     ("http://[::1]:5000", ("::1", "5000"))],
)  # fmt: skip
def test_hosts_are_taken_as_the_libraries_do(uri, address):
    assert server_address(uri) == address


def test_an_address_that_cannot_be_read_says_how_to_write_it():
    for uri in ("http://ann:hunt/er2@host:5000", "postgresql://ann:hunt@er2@host/x"):
        said = unreachable(uri)
        assert "%2F" in said
        assert "er2" not in said


def test_the_mark_is_found():
    """The finder of leaks finds."""
    assert leaks(f"x{MARK}y")
    assert leaks(MARK.upper())
    assert not leaks("x")


@pytest.mark.parametrize("scheme", ["journal", "file", "sqlite", "postgresql", "s3"])
def test_an_address_that_became_a_path_shows_no_password(scheme):
    shown = mask(str(PurePosixPath(f"{scheme}://ann:hunt#er/2@host/x")))
    assert shown == f"{scheme}:/ann:***@host/x"
    for plain in ("file:/home/ann@work/x:y", "sqlite:/home/me/a.db", "file:/C:/Users/ann@work/x"):
        assert mask(plain) == plain
