"""Content stores: the one that new contents go to, and those that may still be read."""

from litebatch_asgi.stores.database import DatabaseContentStore as DatabaseContentStore
from litebatch_asgi.stores.stores import ContentStores as ContentStores
from litebatch_asgi.stores.stores import load_stores as load_stores
