"""What it means that LiteBatch does not use a setting of LiteLLM's. Pure.

Source: LiteLLM's documents "All settings", "Config.yaml", "Virtual keys", "Token auth", "Fallbacks" and "Tag
based routing".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum

import msgspec

SHOWN = 3
"""names in a warning"""


class Effect(StrEnum):
    """What LiteLLM would do with a setting that is not used here."""

    CALLERS = "changes who may call"
    ROUTES = "changes where calls go"
    NONE = "has no effect on batches"


class Unused(msgspec.Struct, frozen=True, kw_only=True):
    """A setting of the file that is legal and not used."""

    section: str
    """empty at the top of the file"""
    key: str
    effect: Effect

    @property
    def path(self) -> str:
        """The section and the key."""
        return f"{self.section}.{self.key}".lstrip(".")


def effect_of(section: str, key: str) -> Effect:
    """What the setting `key` of a section (or the section `key`, at the top) changes in LiteLLM."""
    if section == "model_info":
        return _OF_MODEL_INFO.get(key, Effect.NONE)
    if section == "litellm_params" and key in _BUDGETS:
        return Effect.ROUTES
    if key in _CALLERS.split() or re.fullmatch(_CALLERS_PATTERN, key):
        return Effect.CALLERS
    if key in _NONE.split():
        return Effect.NONE
    if "router_settings" in (section, key) or key in _ROUTES.split() or re.fullmatch(_ROUTES_PATTERN, key):
        return Effect.ROUTES
    return Effect.NONE


def summary_of(unused: Iterable[Unused]) -> Iterator[str]:
    """A clause for each effect: names of what matters most, the number of the rest."""
    paths: dict[Effect, list[str]] = {effect: [] for effect in Effect}
    for each in unused:
        paths[each.effect].append(each.path)
    for effect, clause in _CLAUSES.items():
        if found := paths[effect]:
            names = "" if effect is Effect.NONE else f" ({_some(found)})"
            yield f"{len(found)} {clause}{names}"


def _some(paths: list[str]) -> str:
    left = len(paths) - SHOWN
    return ", ".join(paths[:SHOWN]) + (f" and {left} more" if left > 0 else "")


_CLAUSES = {
    Effect.CALLERS: "for who may call",
    Effect.ROUTES: "for where calls go",
    Effect.NONE: "without effect on batches",
}

_OF_MODEL_INFO = {
    "team_id": Effect.CALLERS,
    "team_public_model_name": Effect.CALLERS,
    "supported_environments": Effect.ROUTES,
}
_BUDGETS = frozenset({"max_budget", "budget_duration"})
"""of a deployment: it is passed over once they are spent"""

_CALLERS = """
    custom_auth custom_auth_settings custom_auth_run_common_checks allowed_routes admin_only_routes
    public_routes allowed_ips enable_jwt_auth litellm_jwtauth jwt_settings enable_oauth2_auth
    enable_oauth2_proxy_auth oauth2_config_mappings custom_sso custom_ui_sso_sign_in_handler
    custom_key_generate custom_key_update
    litellm_key_header_name allow_user_auth allow_client_side_credentials configurable_clientside_auth_params
    use_client_credentials_pass_through_routes enforce_user_param enforced_params service_account_settings
    role_permissions role_mappings ui_access_mode user_header_name user_header_mappings use_x_forwarded_for
    reject_clientside_metadata_tags allow_requests_on_db_unavailable key_generation_settings
    key_management_system key_management_settings max_budget budget_duration max_user_budget
    max_internal_user_budget internal_user_budget_duration max_end_user_budget max_end_user_budget_id
    team_id team_public_model_name guardrails guardrail_list policies policy_attachments banned_keywords_list
    blocked_user_list
"""
_CALLERS_PATTERN = r"(default|upperbound)_(team|key|user|internal_user)_.+|default_team_disabled"

_ROUTES = """
    fallbacks default_fallbacks context_window_fallbacks content_policy_fallbacks max_fallbacks tags tag_regex
    order rpm tpm itpm otpm max_parallel_requests global_max_parallel_requests timeout stream_timeout
    request_timeout force_timeout max_retries num_retries cooldown_time allowed_fails retry_policy
    retry_strategy retry_after priority_reservation region_name allowed_model_region data_residency
    use_litellm_proxy mock_response mock_timeout deployment_id api_type ssl_verify ssl_certificate force_ipv4
    headers default_headers extra_query model_alias_map model_group_alias custom_provider_map blocked
    supported_environments store_model_in_db completion_model embedding_model image_generation_model
    moderation_model infer_model_from_keys forward_openai_org_id forward_client_headers_to_llm_api
    provider_specific_header provider_affinity_header enable_tag_filtering batch_settings
    azure_username azure_password
"""
_ROUTES_PATTERN = r"(aws|vertex|bedrock|watsonx|sagemaker|auto_router|complexity_router|adaptive_router)_.+"

_NONE = """
    set_verbose debug_level cache_responses caching_groups cache_kwargs client_ttl redis_host redis_port
    redis_password redis_url redis_db default_litellm_params alerting_config assistants_config search_tools
"""
