"""Where a provider's credentials come from, and what is said where there are none."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import openai
import pytest

from litebatch_asgi import plugins
from litebatch_asgi.catalog import Catalog
from litebatch_asgi.cli import main
from litebatch_asgi.cli.serve import banner
from litebatch_asgi.config import Config, config_from_environment, parse_config
from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models.variables import USUAL_VARIABLES
from tests.harness import MODEL, lines
from tests.named.gateways import MASTER, both, from_environment, from_file, gateway_of, named
from tests.named.test_places import calling

OPENAI = {"OPENAI_API_KEY": "sk-hidden-openai"}
AZURE = {"AZURE_API_KEY": "sk-hidden-azure", "AZURE_API_BASE": "https://r.openai.azure.com"}
DIRECT = """
files_settings:
  - {custom_llm_provider: azure, api_base: os.environ/AZURE_API_BASE, api_key: os.environ/DIRECT_KEY}
  - custom_llm_provider: openai
"""
BESIDE = f"""
model_list:
  - {{model_name: {MODEL}, litellm_params: {{model: openai/gpt-4o-mini, api_key: sk-managed}}}}
{DIRECT}"""


def groups(config: Config) -> dict[str, str]:
    """The model groups, each with the model of its one deployment."""
    return {
        name: deployment.model
        for name, group in Catalog(config.deployments, config.unserved).groups.items()
        for deployment in group.deployments.values()
    }


def refusal(text: str, env: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, env, "c.yaml")
    return str(caught.value)


def test_every_provider_of_the_environment_is_there() -> None:
    config = config_from_environment({**OPENAI, **AZURE, "OPENAI_ORGANIZATION": "org-1"})
    assert groups(config) == {"*": "openai/*", "azure/*": "azure/*"}
    at_openai, at_azure = config.deployments
    assert (at_openai.api_key, at_openai.organization) == ("sk-hidden-openai", "org-1")
    assert (at_azure.api_key_env, at_azure.api_base) == ("AZURE_API_KEY", AZURE["AZURE_API_BASE"])
    assert config.warnings == ()
    told = banner(config, "http://127.0.0.1:4000")
    assert "  providers openai, azure may be named by requests (custom_llm_provider)\n" in told
    assert not [secret for secret in config.secrets if secret in told]


def test_a_provider_that_lacks_a_part_is_left_out_and_told() -> None:
    config = config_from_environment({**OPENAI, "AZURE_API_KEY": "sk-hidden-azure"})
    assert groups(config) == {"*": "openai/*"}
    assert config.warnings == (
        "the provider azure is left out: its api_base is missing, and the environment has no AZURE_API_BASE",
    )
    with pytest.raises(ConfigError, match=r"(?s)^nothing to serve\..*the provider azure is left out"):
        config_from_environment({"AZURE_API_KEY": "sk-hidden-azure"})


def test_azures_application_in_entra_id_will_do() -> None:
    ids = {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "s"}
    config = config_from_environment({"AZURE_API_BASE": AZURE["AZURE_API_BASE"], **ids})
    (deployment,) = config.deployments
    assert (deployment.model_name, deployment.client_secret) == ("azure/*", "s")


@pytest.mark.parametrize(
    "provider", sorted(USUAL_VARIABLES.keys() & plugins.offered(plugins.PROVIDERS).keys())
)
def test_the_variables_that_are_told_are_enough(provider: str) -> None:
    """Of each provider that there is an adapter for; one of several is not."""
    names = USUAL_VARIABLES[provider]
    env = {name: f"https://{name}.example.com".lower() for name in names}
    config = config_from_environment(env)
    assert [each.provider for each in config.deployments] == [provider]
    if len(names) > 1:
        with pytest.raises(ConfigError, match="is left out"):
            config_from_environment({names[0]: "x"})


def test_files_settings_beside_models() -> None:
    config = parse_config(BESIDE, {**OPENAI, **AZURE, "DIRECT_KEY": "sk-direct"}, "c.yaml")
    assert groups(config) == {MODEL: "openai/gpt-4o-mini", "azure/*": "azure/*", "openai/*": "openai/*"}
    assert [each.api_key for each in config.deployments] == ["sk-managed", "sk-direct", "sk-hidden-openai"]
    assert config.deployments[1].api_key_env == "DIRECT_KEY"
    assert config.warnings == ()


def test_files_settings_alone_are_as_the_environment() -> None:
    config = parse_config(DIRECT, {**OPENAI, **AZURE, "DIRECT_KEY": "k"}, "c.yaml")
    assert groups(config) == {"azure/*": "azure/*", "*": "openai/*"}


def test_the_environment_counts_for_nothing_beside_a_file() -> None:
    """What an operator did not ask for is not served."""
    text = f"model_list: [{{model_name: {MODEL}, params: {{model: openai/gpt-4o-mini}}}}]"
    assert groups(parse_config(text, {**OPENAI, **AZURE}, "c.yaml")) == {MODEL: "openai/gpt-4o-mini"}


def test_a_wildcard_of_the_models_goes_before() -> None:
    text = """
model_list: [{model_name: "azure/*", params: {model: openai/*, api_key: k}}]
files_settings: [{custom_llm_provider: azure, api_base: "https://r.openai.azure.com", api_key: k}]
"""
    config = parse_config(text, {}, "c.yaml")
    assert groups(config) == {"azure/*": "openai/*"}
    assert config.warnings == (
        "c.yaml: files_settings[0] is not used: model_list says what serves 'azure/*'",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "{api_key: k}",
            "files_settings[0].custom_llm_provider: is missing: name a provider, such as openai",
        ),
        (
            "{custom_llm_provider: azure, api_bse: x}",
            "files_settings[0].api_bse: did you mean api_base?",
        ),
        (
            "{custom_llm_provider: azure, api_base: 'https://r.example.com'}",
            "files_settings[0].api_key: is missing, and the environment has no AZURE_API_KEY; tenant_id, "
            "client_id and client_secret would do as well",
        ),
        (
            "{custom_llm_provider: openai, api_key: os.environ/NOWHERE}",
            "files_settings[0].api_key: the environment variable NOWHERE is not set",
        ),
        (
            "{custom_llm_provider: openai, api_key: k, model: gpt-4o}",
            "files_settings[0].model: belongs into model_list: here all models of a provider are meant",
        ),
        (
            "{custom_llm_provider: openai, api_key: k}, {custom_llm_provider: openai, api_key: l}",
            "files_settings[1].custom_llm_provider: 'openai' stands in files_settings[0] already",
        ),
        ("openai", "files_settings[0]: is to be a mapping of names to values"),
    ],
)
def test_what_is_wrong_with_them_is_told_with_its_path(text: str, message: str) -> None:
    told = refusal(f"files_settings: [{text}]", {})
    assert message in told
    assert "model_list" not in told.replace("belongs into model_list", "")


def test_the_check_tells_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(BESIDE + "  - {custom_llm_provider: bedrock}\n")
    for name, value in {**OPENAI, **AZURE, "DIRECT_KEY": "sk-direct"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["litebatch", "check", "--config", str(file)])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert (ended.value.code, told.err) == (0, "")
    assert "\nProviders that requests may name (custom_llm_provider)\n  azure, openai\n" in told.out
    assert "with the key from DIRECT_KEY" in " ".join(told.out.split())
    assert "  bedrock/*: bedrock/*. LiteBatch has no adapter for bedrock.\n" in told.out
    assert "sk-" not in told.out


async def test_a_file_of_a_provider_beside_managed_ones(tmp_path: Path) -> None:
    """Models that are named decide, a provider decides without them, and lines without either."""
    async with from_file(tmp_path, BESIDE, {"DIRECT_KEY": "sk-direct"}) as gateway:
        direct = await gateway.upload(lines(2, model="d"), **named("azure"))
        managed = await gateway.upload(lines(2))
        both_named = {"custom_llm_provider": "openai", "target_model_names": MODEL}
        targeted = await gateway.upload(lines(2), extra_body=both_named)
        virtual = await gateway.upload(lines(2), **named("openai"))
        expected = ((direct, "azure/d"), (managed, MODEL), (targeted, MODEL), (virtual, f"openai/{MODEL}"))
        for file, model in expected:
            batch = await gateway.ended((await gateway.create(file.id)).id)
            assert (batch.status, batch.model) == ("completed", model)
        keys = [each.api_key for each in gateway.providers.openai.journal.select("upload_file")]
        assert keys == ["sk-managed", "sk-managed", "sk-hidden-openai"]
        (sent,) = gateway.providers.azure.journal.select("upload_file")
        assert sent.api_key == "sk-direct"
        wrong = {"custom_llm_provider": "azure", "target_model_names": MODEL}
        with pytest.raises(openai.BadRequestError) as caught:
            await gateway.upload(lines(2), extra_body=wrong)
        assert caught.value.code == "provider_mismatch"
        with pytest.raises(openai.BadRequestError, match="does not exist here"):
            await gateway.upload(lines(2, model="gpt-4o"))


async def test_a_virtual_model_may_be_named_with_its_provider(tmp_path: Path) -> None:
    """Clients that always say `openai` go on as before where the operator has named no account."""
    text = f"model_list: [{{model_name: {MODEL}, params: {{model: gpt-4o-mini}}}}]"
    async with from_file(tmp_path, text) as gateway:
        file = await gateway.upload(lines(2), **named("openai"))
        batch = await gateway.ended((await gateway.create(file.id, **named("openai"))).id)
        assert (batch.status, batch.model) == ("completed", MODEL)
        with pytest.raises(openai.BadRequestError, match="can add 'openai' to files_settings") as caught:
            await gateway.upload(lines(2, model="gpt-4o"), **named("openai"))
        assert caught.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("provider", "said"),
    [
        (
            "azure",
            "This gateway has no credentials of the provider 'azure'. Its operator can add 'azure' to "
            "files_settings in the configuration or, where the gateway has none, set AZURE_API_KEY and "
            "AZURE_API_BASE in its environment.",
        ),
        ("bedrock", "The provider 'bedrock' is not known here. Providers that are: "),
    ],
)
async def test_a_provider_without_credentials_is_told_of(tmp_path: Path, provider: str, said: str) -> None:
    async with from_environment(tmp_path, without=("AZURE_API_KEY", "AZURE_API_BASE")) as gateway:
        file = await gateway.upload(lines(1, model="gpt-4o"))
        for call in (
            gateway.upload(lines(1, model="gpt-4o"), **named(provider)),
            gateway.create(file.id, **named(provider)),
            gateway.client().files.retrieve(file.id, extra_query={"custom_llm_provider": provider}),
        ):
            with pytest.raises(openai.BadRequestError) as caught:
                await call
            body: Any = caught.value.body
            assert (body["param"], body["code"]) == ("custom_llm_provider", "unknown_provider")
            assert body["message"].startswith(said)
            assert "sk-" not in body["message"]


async def test_a_provider_alone_has_to_be_named(tmp_path: Path) -> None:
    """Nothing is taken for OpenAI's that is not, so that another variable changes no file's way."""
    async with from_environment(tmp_path, without=("OPENAI_API_KEY", "OPENAI_BASE_URL")) as gateway:
        with pytest.raises(openai.BadRequestError, match=r"custom_llm_provider.*azure") as caught:
            await gateway.upload(lines(1, model="d"))
        assert caught.value.code == "model_not_found"
        async with calling(gateway) as http:
            models = (await http.get("/v1/models")).json()["data"]
        assert [each["id"] for each in models] == ["azure/*"]


async def test_a_restart_with_another_provider_changes_nothing(tmp_path: Path) -> None:
    """Files and batches of before are where they were."""
    async with both() as providers:
        env = {name: value for name, value in providers.environment.items() if name.startswith("AZURE")}
        async with gateway_of(config_from_environment(env), tmp_path, providers) as first:
            content = lines(2, model="d")
            file = await first.upload(content, **named("azure"))
            batch = await first.ended((await first.create(file.id)).id)
        config = config_from_environment({**providers.environment, "LITEBATCH_MASTER_KEY": MASTER})
        async with gateway_of(config, tmp_path, providers) as second:
            assert await second.content(file.id, key=MASTER) == content
            assert (await second.create(file.id, key=MASTER, **named("azure"))).model == "azure/d"
            async with calling(second, MASTER) as http:
                listed = (await http.get("/azure/v1/batches")).json()["data"]
            assert batch.id in [each["id"] for each in listed]
        assert providers.uploads()["openai"] == 0
