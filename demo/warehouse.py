"""The warehouse: the shop's two tables, and what marketing makes of them with SQL."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demo import people, purchases

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from psycopg2.extensions import connection as Connection  # noqa: N812
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

FOLDER = Path(__file__).parent
VIEWS = ("recent_buyers", "purchases", "win_back")
MARKETING_SQL = tuple(FOLDER / f"{name}.sql" for name in ("braze_customer_attributes", *VIEWS))

SHOP_SQL = """
DROP SCHEMA IF EXISTS marketing, shop CASCADE;
CREATE SCHEMA shop;
CREATE SCHEMA marketing;
CREATE TABLE shop.customers (
    customer_id     varchar(20) PRIMARY KEY,
    first_name      varchar(50) NOT NULL,
    last_name       varchar(50) NOT NULL,
    email           varchar(255) NOT NULL,
    phone           varchar(16),
    birth_date      date,
    gender          varchar(1),
    city            text NOT NULL,
    country         varchar(2) NOT NULL,
    language        varchar(2) NOT NULL,
    time_zone       text NOT NULL,
    favorite_genre  text,
    signed_up_at    timestamptz NOT NULL
);
CREATE TABLE shop.purchases (
    purchase_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id   varchar(20) NOT NULL REFERENCES shop.customers,
    purchased_on  date NOT NULL,
    quantity      integer NOT NULL,
    amount        numeric(10, 2) NOT NULL
);
"""

ORDER_AGAIN_SQL = """
INSERT INTO shop.purchases (customer_id, purchased_on, quantity, amount)
SELECT customer_id, %s, 1, 14.99
FROM shop.customers
ORDER BY md5(customer_id || (SELECT count(*) FROM shop.purchases))
LIMIT %s
"""


def fill(connection: Connection, history: Sequence[purchases.Purchase]) -> bool:
    """Fill the shop's tables unless they are filled already; return whether that was needed.

    The fingerprint of everything the tables are made from is kept as the comment of their schema, in the same
    transaction: a warehouse that was begun and not finished, or made by another version, is made anew.
    """
    fingerprint = _fingerprint()
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT obj_description(to_regnamespace('shop'), 'pg_namespace')")
        if cursor.fetchone() == (fingerprint,):
            return False
        cursor.execute(SHOP_SQL)
        first_days = {purchase.customer_id: purchase.purchased_on for purchase in sorted(history, reverse=True)}
        _copy(cursor, "shop.customers", people.invent(dict(sorted(first_days.items()))))
        _copy(cursor, "shop.purchases (customer_id, purchased_on, quantity, amount)", history)
        cursor.execute("COMMENT ON SCHEMA shop IS %s", (fingerprint,))
    return True


def order_again(connection: Connection, customers: int) -> None:
    """Let so many customers buy an album on the last day of the history, others each time."""
    with connection, connection.cursor() as cursor:
        cursor.execute(ORDER_AGAIN_SQL, (purchases.LAST_DAY, customers))


def build(connection: Connection) -> tuple[int, int]:
    """Build what is sent to Braze, as before any run; return how many customers and attributes there are."""
    with connection, connection.cursor() as cursor:
        for path in MARKETING_SQL:
            cursor.execute(path.read_text(encoding="utf-8"))
        cursor.execute('SELECT * FROM marketing."Braze Customer Attributes"')
        return cursor.rowcount, len(cursor.description or ()) - len(("external_id",))


def _copy(cursor: Cursor, table: str, rows: Iterable[Iterable[Any]]) -> None:
    r"""Copy rows into a table; no value has a tab, a line break or a backslash, so none needs escaping."""
    lines = ("\t".join(r"\N" if value is None else str(value) for value in row) for row in rows)
    cursor.copy_expert(f"COPY {table} FROM STDIN", io.StringIO("\n".join(lines)))


def _fingerprint() -> str:
    sources = (SHOP_SQL, Path(people.__file__).read_text(encoding="utf-8"), purchases.SHA256)
    return hashlib.sha256("\n".join(sources).encode()).hexdigest()
