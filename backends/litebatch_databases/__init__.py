"""The storage for hosts that own a `databases.Database`."""

try:
    from litebatch_databases.storage import DatabasesStorage as DatabasesStorage
except ModuleNotFoundError as error:
    if error.name != "databases":
        raise
    raise ModuleNotFoundError(
        "litebatch_databases needs databases: pip install 'litebatch-asgi[databases]'", name=error.name
    ) from None
