"""Virtual keys, users and teams of the standalone gateway.

Routes, fields and answers are named as in LiteLLM, so that its admin scripts work. Source: its documents
"Virtual Keys", "Setting Team Budgets" and "User Management", and the OpenAPI document of its proxy.
"""

from litebatch_asgi.server.keys.authenticator import KeyAuthenticator as KeyAuthenticator
from litebatch_asgi.server.keys.operations import KEY_OPERATIONS as KEY_OPERATIONS
from litebatch_asgi.server.keys.routes import PREFIXES as PREFIXES
from litebatch_asgi.server.keys.routes import key_routes as key_routes
from litebatch_asgi.server.keys.routes import no_keys as no_keys
from litebatch_asgi.server.keys.service import KeyService as KeyService
