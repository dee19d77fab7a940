"""Which keys of a configuration are LiteBatch's, which are LiteLLM's alone, and which are a slip of the pen.

Source of LiteLLM's names: its documents "All settings" and "Config.yaml", and the fields of its `Deployment`,
`LiteLLM_Params` and `ModelInfo`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any, Generic, Literal, TypeVar

import msgspec

from litebatch_asgi.models import Lane, Settings

StructT = TypeVar("StructT", bound=msgspec.Struct)

CLOSE = 0.87
"""`difflib` ratio from which a name is taken for a misspelt one of ours, whatever else is let pass"""


class File(msgspec.Struct, frozen=True, kw_only=True):
    """The top of the file."""

    model_list: list[Any] = []
    general_settings: Any = None
    litebatch_settings: Any = None
    environment_variables: dict[str, Any] = {}
    credential_list: list[Any] = []
    files_settings: list[Any] = []


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One of `model_list`."""

    model_name: str
    litellm_params: Any = None
    params: Any = None
    model_info: Any = None
    rpm: Any = None
    tpm: Any = None


class Params(msgspec.Struct, frozen=True, kw_only=True):
    """`litellm_params`, or `params`. Prices and `base_model` may stand here as well as in `model_info`.

    What `model_info` says goes before.
    """

    model: str
    custom_llm_provider: str | None = None
    litellm_credential_name: str | None = None
    api_base: str | None = None
    api_key: str | None = None
    api_version: str | None = None
    azure_ad_token: str | None = None
    tenant_id: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    azure_scope: str | None = None
    vertex_project: str | None = None
    vertex_location: str | None = None
    vertex_credentials: str | dict[str, Any] | None = None
    gcs_bucket_name: str | None = None
    exclusive: bool = False
    organization: str | None = None
    extra_headers: dict[str, str] = {}
    weight: float = 1.0
    input_cost_per_token_batches: Decimal | None = None
    output_cost_per_token_batches: Decimal | None = None
    base_model: Any = None
    rpm: int | None = None
    tpm: int | None = None
    max_parallel_requests: int | None = None
    timeout: float | None = None


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """`model_info`. LiteLLM lets users keep keys of their own here."""

    mode: Any = None
    id: str | int | float | None = None
    input_cost_per_token_batches: Decimal | None = None
    output_cost_per_token_batches: Decimal | None = None
    base_model: Any = None
    access_groups: tuple[str, ...] = ()
    max_job_requests: int | None = None
    max_job_bytes: int | None = None
    max_job_tokens: int | None = None
    enqueued_tokens: int | None = None
    lane: Lane | None = None


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """One of `credential_list`: `litellm_params` that several deployments share."""

    credential_name: str
    credential_values: dict[str, Any] = {}
    credential_info: Any = None


class GeneralSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`general_settings`: three keys of ours among the many that LiteLLM has and gets."""

    master_key: str | None = None
    database_url: str | None = None
    metrics: Literal["admin", "open"] = "admin"


class Vocabulary(msgspec.Struct, Generic[StructT], frozen=True, kw_only=True):
    """The names that a section of the file may hold."""

    own: type[StructT]
    unused: frozenset[str] = frozenset()
    """LiteLLM's: legal, and not used here"""
    unused_pattern: str | None = None
    """families of them, as a regular expression of the whole name"""
    open: bool = False
    """any other name is let pass as unused, unless it is close to one of ours"""

    @property
    def names(self) -> tuple[str, ...]:
        """Our own."""
        return self.own.__struct_fields__

    def is_unused(self, key: str) -> bool:
        """Whether `key` is legal and not used."""
        if key in self.unused:
            return True
        if _closest(key, self.names, CLOSE) is not None:
            return False
        return self.open or (
            self.unused_pattern is not None and re.fullmatch(self.unused_pattern, key) is not None
        )

    def advice(self, key: str) -> str:
        """What to tell whoever wrote the unknown `key`."""
        home = next((name for name, section in _HOME.items() if key in section.__struct_fields__), None)
        if home is not None:
            return f"belongs into {home}"
        meant = _closest(key, (*self.names, *self.unused), 0.8) or _closest(key, self.names, 0.6)
        return f"did you mean {meant}?" if meant else f"unknown key; known are {', '.join(self.names)}"


def _closest(key: str, names: Collection[str], ratio: float) -> str | None:
    return next(iter(difflib.get_close_matches(key, names, n=1, cutoff=ratio)), None)


_HOME: Mapping[str, type[msgspec.Struct]] = {
    "litellm_params": Params,
    "model_info": ModelInfo,
    "general_settings": GeneralSettings,
    "litebatch_settings": Settings,
}

_SECTIONS = """
    litellm_settings router_settings callback_settings callbacks cache_params guardrails
    mcp_servers mcp_tools mcp_aliases vector_store_registry search_tools sandbox_tools
    assistant_settings finetune_settings batch_settings prompts policies policy_attachments
    agents agent_list tools skills jwt_settings default_team_settings worker_registry key_management_settings
    health_check_settings
"""

_PARAMS = """
    itpm otpm order tags tag_regex stream_timeout request_timeout
    force_timeout max_retries num_retries cooldown_time retry_policy retry_strategy fallbacks max_fallbacks
    max_budget budget_duration drop_params additional_drop_params modify_params
    allowed_openai_params model_info metadata litellm_metadata guardrails cache caching
    caching_groups ttl cache_control_injection_points enable_prompt_caching prompt_id prompt_variables
    prompt_version prompt_label prompt_environment litellm_system_prompt
    litellm_trace_id litellm_session_id litellm_call_id no-log headers default_headers
    extra_body extra_query region_name allowed_model_region data_residency ssl_verify keepalive_seconds
    configurable_clientside_auth_params provider_affinity_header provider_specific_header use_in_pass_through
    use_litellm_proxy use_chat_completions_api use_xai_oauth merge_reasoning_content_in_choices mock_response
    mock_timeout supports_system_message ensure_alternating_roles user_continue_message
    assistant_continue_message roles custom_prompt_dict initial_prompt_value final_prompt_value bos_token
    eos_token hf_model_name max_file_size_mb bucket_name
    vector_bucket_name vector_store_id index_name embedding_model search_tool_name enable_tag_filtering
    enable_json_schema_validation disable_add_transform_inline_image_block api_type deployment_id project
    project_id space_id token auth
    temperature top_p top_k n stop seed max_tokens max_completion_tokens max_output_tokens presence_penalty
    frequency_penalty logit_bias logprobs top_logprobs response_format stream stream_options stream_chunk_size
    tools tool_choice parallel_tool_calls functions function_call user reasoning reasoning_effort thinking
    verbosity modalities audio prediction service_tier store safety_identifier web_search_options dimensions
    encoding_format input_type voice size quality style num_ctx repetition_penalty
"""

_PARAM_FAMILIES = (
    r"(aws|s3|azure|vertex|bedrock|watsonx|sagemaker|oci|sap|snowflake|databricks|gigachat|github|milvus|valkey"
    r"|chatgpt|langfuse|langsmith|auto_router|complexity_router|adaptive_router|quality_router|default_api_key"
    r"|allow_client)_.+"
    r"|.+_cost(_.+)?|cost_per_.+|tiered_pricing|supports_.+|disable_.+|(mock|use)_.+"
)

_MODEL_INFO = "model models modes node code"

FILE = Vocabulary(own=File, unused=frozenset(_SECTIONS.split()), unused_pattern=r"(x-|[._]).*|.+_settings")
ENTRY = Vocabulary(own=Entry, unused=frozenset(["blocked", "team_id", "access_groups"]))
PARAMS = Vocabulary(own=Params, unused=frozenset(_PARAMS.split()), unused_pattern=_PARAM_FAMILIES)
MODEL_INFO = Vocabulary(own=ModelInfo, unused=frozenset(_MODEL_INFO.split()), open=True)
CREDENTIAL = Vocabulary(own=Credential, open=True)
CREDENTIAL_VALUES = Vocabulary(own=Params, unused=PARAMS.unused, open=True)
GENERAL_SETTINGS = Vocabulary(own=GeneralSettings, open=True)
LITEBATCH_SETTINGS = Vocabulary(own=Settings)
