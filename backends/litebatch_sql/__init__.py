"""What the SQL storages share: an SQL backend brings an `Executor` and a package of `.sql` files."""

from litebatch_sql.executor import Contention as Contention
from litebatch_sql.executor import Executor as Executor
from litebatch_sql.executor import Namespace as Namespace
from litebatch_sql.executor import Parameters as Parameters
from litebatch_sql.executor import Place as Place
from litebatch_sql.executor import Reader as Reader
from litebatch_sql.executor import Transaction as Transaction
from litebatch_sql.queries import Queries as Queries
from litebatch_sql.rows import Row as Row
from litebatch_sql.rows import Table as Table
from litebatch_sql.statements import Numbered as Numbered
from litebatch_sql.statements import numbered as numbered
from litebatch_sql.statements import storable as storable
from litebatch_sql.storage import SQLStorage as SQLStorage
