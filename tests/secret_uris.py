"""Addresses with secrets, for Hypothesis: each part of a secret bears a mark, so that a part that is shown is found."""

from dataclasses import dataclass
from urllib.parse import quote

from hypothesis import strategies as st

MARK = "Zq7x"
# Signs at which programs take addresses apart, those that are quoted or escaped, and letters of other scripts.
SIGNS = [
    *"/?#@:%[]{}<>\"'\\ &=;,+*~^|$!`()\t\n",
    "é",
    "ß",
    "漢",
    "😀",
    "%2F",
    "%zz",
    "://",
    "//",
    "@@",
    "..",
    "&x=",
    "\x7f",
]
HOSTS = ("127.0.0.1:1", "localhost:1", "[::1]:1", "db.invalid", "127.0.0.1")
DATABASES = ("postgresql", "postgresql+psycopg2", "mysql+pymysql", "mysql", "mssql+pyodbc")
SERVERS = ("http", "https")


@dataclass(frozen=True)
class Secret:
    """An address, and the secret in it as its owner knows it."""

    uri: str
    text: str


def leaks(text: str) -> bool:
    """Whether a part of a generated secret stands in a text, in whatever case."""
    return MARK.lower() in text.lower()


@st.composite
def secrets(draw: st.DrawFn) -> str:
    """One to three marked parts between awkward signs."""
    between = st.lists(st.sampled_from(SIGNS), max_size=3).map("".join)
    parts = [draw(between)]
    for _ in range(draw(st.integers(1, 3))):
        parts += [MARK, draw(st.sampled_from(["", "a1", "B"])), draw(between)]
    return "".join(parts)


@st.composite
def secret_uris(
    draw: st.DrawFn, schemes: tuple[str, ...] = (*DATABASES, *SERVERS, "grpc", "databricks", "s3")
) -> Secret:
    """An address with a secret, as it stands or with percent signs."""
    plain = draw(secrets())
    written = draw(st.sampled_from([plain, quote(plain, ""), quote(plain)]))
    host, scheme = draw(st.sampled_from(HOSTS)), draw(st.sampled_from(schemes))
    user = draw(st.sampled_from(["ann", "ann.b", "token"]))
    uri = draw(
        st.sampled_from(
            [
                f"{scheme}://{user}:{written}@{host}/x",
                f"{scheme}://{user}:{written}@{host}/x?charset=utf8&timeout=5",
                f"{scheme}://:{written}@{host}",
                f"{scheme}://{user}:{written}@{host}/x?password={written}",
                f"{scheme}://{host}/x?user={user}&password={written}",
                f"{scheme}://{host}/x?token={written}&timeout=5",
                f"{scheme}://{host}/x?sslmode=require&X-Amz-Signature={written}#end",
            ]
        )
    )
    return Secret(uri, plain)
