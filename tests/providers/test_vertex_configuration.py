"""Where a deployment on Vertex AI is looked for."""

from __future__ import annotations

import pytest

from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models import Deployment, Settings
from litebatch_asgi.provider import AdapterFactory, ProviderAdapter
from litebatch_asgi.providers.vertex import VertexAdapter
from litebatch_asgi.providers.vertex.place import place_of

from .vertex import vertex


def test_the_adapter_fits_the_seam() -> None:
    factory: AdapterFactory = VertexAdapter
    deployment = Deployment(
        model_name="m",
        model="vertex_ai/gemini-2.5-flash",
        vertex_project="my-project",
        vertex_location="us-central1",
        gcs_bucket_name="my-bucket",
    )
    adapter: ProviderAdapter = factory(deployment, Settings())
    assert (adapter.min_poll_seconds, adapter.max_metadata_pairs) == (30.0, 2)
    assert (adapter.tells_progress, adapter.ends_at_expiry) == (True, False)
    assert (adapter.max_requests, adapter.max_bytes) == (200_000, 1_000_000_000)
    assert adapter.keeps_files
    assert adapter.tells_tags
    assert set(adapter.purposes) == {"batch"}
    assert adapter.dialect("gemini-2.5-flash") is not None


@pytest.mark.parametrize(
    ("location", "base"),
    [
        ("europe-west4", "https://europe-west4-aiplatform.googleapis.com"),
        ("global", "https://aiplatform.googleapis.com"),
        ("eu", "https://aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_each_location_has_an_address_of_its_own(location: str, base: str) -> None:
    deployment = Deployment(
        model_name="m",
        model="vertex_ai/m",
        vertex_project="my-project",
        vertex_location=location,
        gcs_bucket_name="my-bucket",
    )
    place = place_of(deployment)
    assert place.jobs_base == base
    assert place.jobs_path == f"/v1/projects/my-project/locations/{location}/batchPredictionJobs"


@pytest.mark.parametrize("name", ["vertex_project", "vertex_location", "gcs_bucket_name"])
@pytest.mark.parametrize("value", [None, ""])
def test_what_is_missing_is_told_with_an_example(name: str, value: str | None) -> None:
    with pytest.raises(ConfigError, match=rf"vertex-1.*needs a `{name}`, such as `{name}: [a-z]"):
        vertex("http://localhost:1", **{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gcs_bucket_name", "gs://my-bucket"),
        ("gcs_bucket_name", "my-bucket/folder"),
        ("vertex_project", "my project"),
        ("vertex_location", "europe/west4"),
        ("vertex_location", "evil.example.com#"),
    ],
)
def test_what_cannot_be_a_name_is_told_what_it_must_look_like(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"the `{name}` of .* must look like"):
        vertex("http://localhost:1", **{name: value})


def test_credentials_do_not_belong_in_the_address() -> None:
    with pytest.raises(ConfigError) as caught:
        vertex("https://user:secret@proxy.example.com")
    assert "secret" not in str(caught.value)
