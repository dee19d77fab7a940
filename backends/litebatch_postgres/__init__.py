"""PostgreSQL as LiteBatch's database."""

from litebatch_postgres.storage import PostgresStorage as PostgresStorage
