"""The tables that hold our structs."""

from __future__ import annotations

from typing import Any

from litebatch_asgi.heartbeats import Heartbeat
from litebatch_asgi.models import (
    Batch,
    Charge,
    Content,
    Delivery,
    Event,
    File,
    FileCopy,
    FilePart,
    Job,
    LineRange,
    LineResult,
    Shard,
    Spend,
    Team,
    Upload,
    UploadPart,
    User,
    VirtualKey,
    WebhookEndpoint,
)
from litebatch_asgi.models.budgets import SeenBudget
from litebatch_asgi.models.tellings import Told
from litebatch_asgi.quotas import LearnedLimit
from litebatch_sql.rows import HEX_128, NANODOLLARS, Table

FILES = Table(
    "files",
    File,
    codecs={"id_sum": HEX_128},
    fixed=("id", "owner", "kind", "purpose", "models", "created_at", "traceparent"),
)
SHARDS = Table("file_shards", Shard, codecs={"id_sum": HEX_128})
COPIES = Table("file_copies", FileCopy, fixed=("file_id", "shard", "deployment_id", "owner"))
PARTS = Table("file_parts", FilePart)
BATCHES = Table(
    "batches",
    Batch,
    fixed=(
        *("id", "owner", "model", "input_file_id", "created_at", "scopes", "estimated_cost", "traceparent"),
        *("options", "retry_of"),
    ),
)
JOBS = Table(
    "jobs",
    Job,
    fixed=("id", "batch_id", "owner", "shard", "root", "parent", "attempt", "tokens", "created_at"),
)
CHARGES = Table("charges", Charge)
SPEND = Table("spend_daily", Spend, codecs={"cost": NANODOLLARS})
EVENTS = Table("events", Event)
DELIVERIES = Table("event_deliveries", Delivery)
TOLD = Table("told", Told)
BUDGETS = Table("scope_budgets", SeenBudget)
HEARTBEATS = Table("heartbeats", Heartbeat)
LIMITS = Table("deployment_limits", LearnedLimit)
CONTENTS = Table("contents", Content)
LINE_RANGES = Table("line_ranges", LineRange)
LINE_RESULTS = Table("line_results", LineResult)
UPLOADS = Table("uploads", Upload)
UPLOAD_PARTS = Table("upload_parts", UploadPart)
TEAMS = Table("teams", Team, fixed=("id", "created_at"))
USERS = Table("users", User, fixed=("id", "created_at"))
KEYS = Table("virtual_keys", VirtualKey, fixed=("id", "created_at"))
ENDPOINTS = Table("webhook_endpoints", WebhookEndpoint, fixed=("id", "owner", "created_by", "created_at"))

TABLES: tuple[Table[Any], ...] = (
    *(FILES, SHARDS, COPIES, PARTS, BATCHES, JOBS, CHARGES, SPEND, EVENTS, DELIVERIES, HEARTBEATS),
    *(LIMITS, TOLD, BUDGETS, CONTENTS, LINE_RANGES, LINE_RESULTS, UPLOADS, UPLOAD_PARTS),
    *(TEAMS, USERS, KEYS, ENDPOINTS),
)
