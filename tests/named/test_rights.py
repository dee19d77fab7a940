"""Who may use a provider that is named: whoever may use the virtual models that its own names stand for.

`azure/*`, or `azure/<deployment>`, is what rights say of it. Naming a provider reaches nothing that naming a
virtual model would not reach.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openai
import pytest

from tests.harness import ENDPOINT, MODEL, lines
from tests.named.gateways import MASTER, NamedGateway, from_file, named
from tests.named.test_places import PLACES, calling, multipart

MANAGED = f"""
model_list:
  - {{model_name: {MODEL}, litellm_params: {{model: azure/eu-deployment}}, model_info: {{id: eu}}}}
  - {{model_name: openai/gpt-4o, litellm_params: {{model: azure/eu-deployment}}, model_info: {{id: eu-too}}}}
files_settings:
  - custom_llm_provider: azure
    api_base: os.environ/AZURE_API_BASE
    api_key: os.environ/DIRECT_KEY
  - custom_llm_provider: openai
general_settings: {{master_key: {MASTER}}}
"""


async def refused(gateway: NamedGateway, key: str, model: str, **options: Any) -> str:
    """Why an upload of lines with this model is refused."""
    with pytest.raises(openai.APIStatusError) as caught:
        await gateway.upload(lines(2, model=model), key=key, **options)
    return f"{caught.value.status_code} {caught.value.code}"


@pytest.mark.parametrize(
    ("rights", "provider", "model", "may"),
    [
        ((), "azure", "any-deployment", True),
        ((), "openai", "gpt-4o", True),
        (("azure/*",), "azure", "any-deployment", True),
        (("azure/*",), "azure", "azure/any-deployment", True),
        (("azure/one",), "azure", "one", True),
        (("azure/one",), "azure", "other", False),
        (("azure/one",), "azure", "one-more", False),
        (("azure/*",), "openai", "gpt-4o", False),
        (("azure/*",), None, "gpt-4o", False),
        (("gpt-4o",), "openai", "gpt-4o", True),
        (("gpt-4o",), None, "openai/gpt-4o", True),
        (("openai/gpt-4o",), "openai", "gpt-4o", True),
        (("openai/*",), None, "gpt-4o", True),
        (("gpt-4o",), "azure", "gpt-4o", False),
        (("gpt-4o",), "openai", "gpt-4o-mini", False),
        (("openai/*",), "azure", "openai/gpt-4o", False),
        (("*",), "azure", "any-deployment", True),
    ],
)
async def test_rights_name_the_provider_and_its_models(
    keyed: NamedGateway, rights: tuple[str, ...], provider: str | None, model: str, may: bool
) -> None:
    key = await keyed.key(*rights, owner="alice")
    options = named(provider) if provider is not None else {}
    if may:
        file = await keyed.upload(lines(2, model=model), key=key, **options)
        batch = await keyed.ended((await keyed.create(file.id, key=key)).id, key=key)
        assert batch.status == "completed"
    else:
        assert await refused(keyed, key, model, **options) == "403 model_access_denied"
        assert keyed.providers.uploads() == {"openai": 0, "azure": 0}


@pytest.mark.parametrize("place", PLACES)
async def test_no_place_gets_around_them(keyed: NamedGateway, place: str) -> None:
    """An attack: a key for one model of OpenAI tries Azure by every way there is."""
    key = await keyed.key("gpt-4o", owner="mallory")
    admins = await keyed.upload(lines(1, model="secret"), key=MASTER, **named("azure"))
    theirs = await keyed.create(admins.id, key=MASTER)
    base, extra = PLACES[place]
    async with calling(keyed, key) as http:
        for model in ("secret", "gpt-4o", "azure/secret", "azure/gpt-4o"):
            upload = await http.post(f"{base}/files", **multipart(lines(1, model=model)), **extra)
            assert (upload.status_code, upload.json()["error"]["code"]) == (403, "model_access_denied"), model
        form = multipart(lines(1, model="secret"), target_model_names="azure/secret")
        assert (await http.post(f"{base}/files", **form, **extra)).status_code == 403
        other: dict[str, Any] = {"files": {"file": ("a.jsonl", b"{}")}, "data": {"purpose": "fine-tune"}}
        assert (await http.post(f"{base}/files", **other, **extra)).status_code == 400
        body = {"input_file_id": admins.id, "endpoint": ENDPOINT, "completion_window": "24h"}
        for method, path in (
            ("POST", "/batches"),
            ("POST", "/batches/dry_run"),
            ("GET", f"/files/{admins.id}"),
            ("GET", f"/files/{admins.id}/content"),
            ("DELETE", f"/files/{admins.id}"),
            ("GET", f"/batches/{theirs.id}"),
            ("POST", f"/batches/{theirs.id}/cancel"),
            ("POST", f"/batches/{theirs.id}/retry"),
            ("GET", f"/batches/{theirs.id}/events"),
        ):
            of_input = method == "POST" and not path.endswith("/retry")
            options: dict[str, Any] = {"json": body} if of_input else {}
            answer = await http.request(method, base + path, **options, **extra)
            assert answer.status_code == 404, (method, path)
        for path in ("/files", "/batches"):
            assert (await http.get(base + path, **extra)).json()["data"] == []
            narrowed: dict[str, Any] = {
                **extra,
                "params": {**extra.get("params", {}), "owner": "user:somebody"},
            }
            assert (await http.get(base + path, **narrowed)).status_code == 403
    assert keyed.providers.uploads() == {"openai": 0, "azure": 1}


async def test_a_managed_model_is_no_way_to_another_account(tmp_path: Path) -> None:
    """An attack: keys for models of the configuration try to get at the accounts of files_settings.

    `openai/gpt-4o` is served by an account in Europe here: naming the provider leads there and nowhere else.
    """
    async with from_file(tmp_path, MANAGED, {"DIRECT_KEY": "sk-direct"}) as gateway:
        key = await gateway.key(MODEL, owner="alice")
        assert await refused(gateway, key, "eu-deployment", **named("azure")) == "403 model_access_denied"
        assert await refused(gateway, key, "gpt-4o", **named("openai")) == "403 model_access_denied"
        assert await refused(gateway, key, "azure/eu-deployment") == "403 model_access_denied"
        assert await refused(gateway, key, MODEL, **named("azure")) == "403 model_access_denied"
        assert gateway.providers.uploads() == {"openai": 0, "azure": 0}
        pinned = await gateway.key("openai/gpt-4o", owner="bob")
        file = await gateway.upload(lines(2, model="gpt-4o"), key=pinned, **named("openai"))
        batch = await gateway.ended((await gateway.create(file.id, key=pinned)).id, key=pinned)
        assert batch.model == "openai/gpt-4o"
        assert await refused(gateway, pinned, "gpt-4o-mini", **named("openai")) == "403 model_access_denied"
        (sent,) = gateway.providers.azure.journal.select("upload_file")
        assert sent.api_key == "sk-hidden-azure"
        assert gateway.providers.uploads() == {"openai": 0, "azure": 1}


async def test_owners_see_their_own_alone(keyed: NamedGateway) -> None:
    alice, bob = await keyed.key(owner="alice"), await keyed.key(owner="bob")
    file = await keyed.upload(lines(2, model="d"), key=alice, **named("azure"))
    batch = await keyed.ended((await keyed.create(file.id, key=alice)).id, key=alice)
    for call in (
        keyed.create(file.id, key=bob, **named("azure")),
        keyed.client(bob).batches.retrieve(batch.id),
        keyed.content(batch.output_file_id, key=bob),
    ):
        with pytest.raises(openai.NotFoundError):
            await call
    async with calling(keyed, bob) as http:
        assert (await http.get("/azure/v1/batches")).json()["data"] == []
    async with calling(keyed, MASTER) as http:
        listed = (await http.get("/azure/v1/batches")).json()["data"]
        assert [(each["id"], each["litebatch"]["owner"]) for each in listed] == [(batch.id, "user:alice")]
        spent = (await http.get("/spend/batches", params={"group_by": "owner"})).json()["data"]
        assert [(each["owner"], each["requests"]) for each in spent] == [("user:alice", 2)]
