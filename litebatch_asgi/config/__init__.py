"""The configuration file: YAML, in the form that LiteLLM's proxy reads as well."""

from litebatch_asgi.config.load import config_from_environment as config_from_environment
from litebatch_asgi.config.load import load_config as load_config
from litebatch_asgi.config.load import load_database_url as load_database_url
from litebatch_asgi.config.parse import DEFAULT_DATABASE_URL as DEFAULT_DATABASE_URL
from litebatch_asgi.config.parse import Config as Config
from litebatch_asgi.config.parse import parse_config as parse_config
