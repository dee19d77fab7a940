"""SQLite as LiteBatch's database."""

from litebatch_sqlite.storage import SQLiteStorage as SQLiteStorage
