"""Where a deployment's jobs and objects are: names of resources and objects. Pure."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

import msgspec

from litebatch_asgi.errors import ConfigError, ProviderNotFound
from litebatch_asgi.models import Deployment
from litebatch_asgi.providers._connection import named

STORAGE_BASE = "https://storage.googleapis.com"
LONGEST_UPLOAD = timedelta(days=8)
"""from naming an object to its creation. Source: a resumable upload may take a week"""
_MULTI_REGIONS = frozenset({"eu", "us"})
_JOB = re.compile(r"projects/[^/]+/locations/[^/]+/batchPredictionJobs/[^/]+")
_OBJECT = re.compile(r"gs://([^/]+)/(.+)", re.DOTALL)
_STAMP = "%Y%m%dT%H%M%S"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """The project, location and bucket of a deployment."""

    project: str
    location: str
    bucket: str
    folder: str
    """of the bucket, its own among all deployments that share it; ends in `/`"""

    @property
    def jobs_base(self) -> str:
        """The address that jobs of the location are at. Source: Google's gen AI libraries."""
        if self.location == "global":
            return "https://aiplatform.googleapis.com"
        if self.location in _MULTI_REGIONS:
            return f"https://aiplatform.{self.location}.rep.googleapis.com"
        return f"https://{self.location}-aiplatform.googleapis.com"

    @property
    def jobs_path(self) -> str:
        """The collection of jobs."""
        return f"/v1/projects/{self.project}/locations/{self.location}/batchPredictionJobs"

    @property
    def inputs(self) -> str:
        """What the names of all inputs begin with."""
        return f"{self.folder}in/"

    def new_input(self, filename: str, now: datetime) -> str:
        """A name for an object that no other upload has, not even another one of the same file."""
        return f"{self.inputs}{now:{_STAMP}}-{secrets.token_hex(8)}/{quote(filename, safe='')}"

    def inputs_from(self, since: datetime) -> str:
        """The first name, in the order of names, that an input made at `since` may have."""
        return f"{self.inputs}{since.astimezone(UTC) - LONGEST_UPLOAD:{_STAMP}}"

    def new_output(self) -> str:
        """A prefix for the results of one job alone."""
        return uri_of(self.bucket, f"{self.folder}out/{secrets.token_hex(16)}")


def place_of(deployment: Deployment) -> Place:
    """Where a deployment says that it is. Raises `ConfigError` for what is missing or cannot be."""
    return Place(
        project=_setting(deployment, "vertex_project", "my-project", r"[a-z0-9.:-]+"),
        location=_setting(deployment, "vertex_location", "europe-west4", r"[a-z0-9-]+"),
        bucket=_setting(deployment, "gcs_bucket_name", "my-bucket", r"[a-z0-9][a-z0-9._-]+"),
        folder=f"litebatch/{_segment(deployment.id or deployment.identity_hash())}/",
    )


def uri_of(bucket: str, name: str) -> str:
    """The id of an object, or of all objects below a name that ends in `/`."""
    return f"gs://{bucket}/{name}"


def object_of(file_id: str) -> tuple[str, str]:
    """Bucket and name of an object's id. Raises `ProviderNotFound` for an id of something else."""
    found = _OBJECT.fullmatch(file_id)
    if found is None:
        raise ProviderNotFound("no object of Cloud Storage has such an id")
    return found[1], found[2]


def job_path(batch_id: str) -> str:
    """The path of a job's id. Raises `ProviderNotFound` for an id of something else."""
    if not _JOB.fullmatch(batch_id):
        raise ProviderNotFound("no job of Vertex AI has such an id")
    return f"/v1/{quote(batch_id, safe='/')}"


def filename_of(name: str) -> str:
    """The file's own name in the name of an object."""
    return unquote(name.rstrip("/").rpartition("/")[2])


def model_resource(model: str) -> str:
    """The resource that a job names: one of Google's models, or what is told in full, as tuned ones are."""
    return model if model.startswith(("projects/", "publishers/")) else f"publishers/google/models/{model}"


def _setting(deployment: Deployment, name: str, example: str, pattern: str) -> str:
    value = getattr(deployment, name)
    if not value:
        raise ConfigError(f"{named(deployment)} needs a `{name}`, such as `{name}: {example}`")
    if not re.fullmatch(pattern, value):
        raise ConfigError(
            f"the `{name}` of {named(deployment)} must look like `{example}`, not like {value!r}"
        )
    return str(value)


def _segment(deployment_id: str) -> str:
    """A deployment's id as a part of names and patterns of objects: others of its letters mean something."""
    if re.fullmatch(r"[A-Za-z0-9._-]{1,100}", deployment_id):
        return deployment_id
    return hashlib.sha256(deployment_id.encode()).hexdigest()[:16]
