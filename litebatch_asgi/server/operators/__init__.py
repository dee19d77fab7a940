"""`/jobs` and `/deployments`, for admins."""

from litebatch_asgi.server.operators.operations import OPERATOR_OPERATIONS as OPERATOR_OPERATIONS
from litebatch_asgi.server.operators.routes import is_for_operators as is_for_operators
from litebatch_asgi.server.operators.routes import operator_routes as operator_routes
