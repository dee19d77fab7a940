"""What the documentation of LiteLLM shows with curl, and what comes of it."""

from __future__ import annotations

import pytest
from openai import AuthenticationError, PermissionDeniedError

from tests.access.standalone import MASTER, OTHER, Standalone
from tests.harness import MODEL, ids_of, lines


async def test_a_key_for_one_model_makes_the_whole_journey(shared: Standalone) -> None:
    made = await shared.manage("/key/generate", models=[MODEL])
    assert made["key"].startswith("sk-")
    assert len(made["key"]) == len("sk-") + 43
    assert made["models"] == [MODEL]
    assert made["expires"] is None
    key = made["key"]
    file = await shared.upload(key=key)
    batch = await shared.ended((await shared.create(file.id, key=key)).id, key=key)
    assert batch.status == "completed"
    output, _ = await shared.results(batch, key=key)
    assert len(ids_of(output)) == 3
    assert [each.id async for each in shared.client(key).batches.list()] == [batch.id]
    assert {each.id async for each in shared.client(key).files.list()} == {file.id, batch.output_file_id}


async def test_a_key_sees_the_models_that_it_may_use_and_no_other(shared: Standalone) -> None:
    for models, seen in (
        ([MODEL], [MODEL]),
        (["cheap"], [OTHER]),
        (["all-of-them"], [MODEL, OTHER]),
        (["gpt-4o-*"], [MODEL]),
        (["all-proxy-models"], [MODEL, OTHER]),
        ([], [MODEL, OTHER]),
        (["no-default-models"], []),
        (["east", "west", "north"], []),
    ):
        key = await shared.new_key(models=models)
        info = await shared.look("/model_group/info", caller=key)
        assert [group["model_group"] for group in info["data"]] == seen
        assert [group["mode"] for group in info["data"] if group["model_group"] == MODEL] == ["batch"] * (
            MODEL in seen
        )
        assert [model["id"] for model in (await shared.look("/models", caller=key))["data"]] == seen


async def test_what_a_key_may_not_use_is_named(shared: Standalone) -> None:
    key = await shared.new_key(models=["cheap"])
    with pytest.raises(PermissionDeniedError) as refused:
        await shared.upload(key=key)
    assert (refused.value.code, refused.value.param) == ("model_access_denied", "model")
    assert MODEL in refused.value.message
    assert f"may use: {OTHER}." in refused.value.message


async def test_rights_are_looked_at_again_when_a_batch_is_created(shared: Standalone) -> None:
    key = await shared.new_key()
    file = await shared.upload(key=key)
    await shared.manage("/key/update", key=key, models=[OTHER])
    with pytest.raises(PermissionDeniedError) as refused:
        await shared.create(file.id, key=key)
    assert refused.value.code == "model_access_denied"
    await shared.manage("/key/update", key=key, models=[MODEL])
    assert (await shared.create(file.id, key=key)).id


async def test_every_line_is_looked_at(shared: Standalone) -> None:
    key = await shared.new_key(models=[MODEL])
    content = lines(2) + b"\n" + lines(1, model=OTHER).replace(b"request-0", b"other")
    with pytest.raises(PermissionDeniedError):
        await shared.upload(content, key=key)


async def test_rights_are_those_that_key_user_and_team_share(shared: Standalone) -> None:
    await shared.manage("/team/new", team_id="t-rights", models=["all-of-them"])
    await shared.manage("/user/new", user_id="u-rights", models=["gpt-*"], auto_create_key=False)
    for models, seen in (([], [MODEL]), ([OTHER], []), ([OTHER, MODEL], [MODEL]), (["*"], [MODEL])):
        key = await shared.new_key(models=models, team_id="t-rights", user_id="u-rights")
        listed = (await shared.look("/models", caller=key))["data"]
        assert [model["id"] for model in listed] == seen


async def test_the_owner_is_the_team_or_else_the_user_or_else_the_key(shared: Standalone) -> None:
    await shared.manage("/team/new", team_id="t-owner")
    keys = {
        "team": [await shared.new_key(team_id="t-owner", user_id=user) for user in ("u-1", "u-2")],
        "user": [await shared.new_key(user_id="u-1") for _ in range(2)],
        "key": [await shared.new_key()],
    }
    made = {word: (await shared.upload(key=same[0])).id for word, same in keys.items()}
    for word, same in keys.items():
        for key in same:
            listed = (await shared.look("/files", caller=key))["data"]
            assert [file["id"] for file in listed] == [made[word]]


async def test_a_key_that_is_regenerated_keeps_its_objects(shared: Standalone) -> None:
    old = await shared.new_key(key_alias="rotated")
    file = await shared.upload(key=old)
    for path, body in (("/key/regenerate", {"key": old}), ("/key/{}/regenerate", {})):
        new = (await shared.manage(path.format(old), **body))["key"]
        assert new != old
        with pytest.raises(AuthenticationError):
            await shared.client(old).files.list()
        assert (await shared.client(new).files.retrieve(file.id)).id == file.id
        old = new


async def test_a_deleted_key_leaves_its_objects_to_the_owner(shared: Standalone) -> None:
    one, other = [await shared.new_key(user_id="u-left") for _ in range(2)]
    file = await shared.upload(key=one)
    await shared.manage("/key/delete", keys=[one])
    with pytest.raises(AuthenticationError):
        await shared.client(one).files.list()
    assert (await shared.client(other).files.retrieve(file.id)).id == file.id


async def test_the_master_sees_everything_and_may_narrow_it(shared: Standalone) -> None:
    key = await shared.new_key(user_id="u-seen")
    file = await shared.upload(key=key)
    batch = await shared.ended((await shared.create(file.id, key=key)).id, key=key)
    for path, object_id in (("/files", file.id), ("/batches", batch.id)):
        everything = (await shared.look(path))["data"]
        assert object_id in [each["id"] for each in everything]
        narrowed = (await shared.look(path, owner="user:u-seen"))["data"]
        assert object_id in [each["id"] for each in narrowed]
        assert (await shared.look(path, owner="user:nobody"))["data"] == []
        assert {each["litebatch"].pop("owner") for each in narrowed} == {"user:u-seen"}
        own = (await shared.look(path, caller=key, owner="user:u-seen"))["data"]
        told = [set(each["litebatch"]) & {"owner", "key", "deployment", "deployments"} for each in own]
        assert told == [set()] * len(narrowed)
        assert [each["litebatch"]["waiting_for"] for each in own] == [None] * len(narrowed)
        assert [each["id"] for each in own] == [each["id"] for each in narrowed]
        for stranger in ("user:u-left", "user:nobody"):
            status, error = await shared.refusal(f"{path}?owner={stranger}", caller=key, method="GET")
            assert (status, error["code"], error["param"]) == (403, "permission_denied", "owner")
    assert (await shared.client(MASTER).files.retrieve(file.id)).id == file.id
