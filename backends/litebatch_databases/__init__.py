"""The storage for hosts that own a `databases.Database`."""

from litebatch_databases.storage import DatabasesStorage as DatabasesStorage
