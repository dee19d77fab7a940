"""The settings that the host configures."""

from __future__ import annotations

import math
import re
import tempfile
from pathlib import Path
from typing import Any, Literal

import msgspec

from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models.contents import DATABASE_STORE

SHORTEST_WEBHOOK_KEY = 32
"""characters: whoever has a secret that was derived from a key could find out a short one by trying"""
LONGEST_LINE = 60 << 20
"""bytes; one line is held in memory at a time"""
HEARTBEATS_KEPT_SECONDS = 86_400
"""how long the heartbeat of a process that has stopped is remembered"""

_SECRETS = frozenset({"webhook_keys", "page_secret"})
_MAY_BE_0 = frozenset({"max_rescues", "row_retries", "min_retry_rows", "canary", "upload_wait_seconds"})


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How LiteBatch behaves; every time is in seconds, unless its name says days, and may be a fraction."""

    min_poll_seconds: float | None = None
    """shortest time between two looks at a running job; None: the provider's own floor"""
    max_poll_seconds: float = 60.0
    refresh_after_seconds: float = 10.0
    """how old the answer of a retrieve may be before it asks for a fresh look"""
    place_budget_seconds: float = 10.0
    """how long creating a batch waits for its first placement, and an upload for its slower deployments"""
    adopt_grace_seconds: float = 120.0
    """how long an unanswered create or upload is searched for before "none" counts"""
    vanished_grace_seconds: float = 21_600.0
    """how long a batch that its provider has had and does not know any more is searched for

    A key that was changed to another project finds nothing and says so honestly: six hours to notice that.
    """
    lost_grace_seconds: float = 60.0
    """how long results must stay incomplete before the missing rows are declared lost"""
    missing_file_grace_seconds: float = 21_600.0
    """the same, where a provider names a result file and does not give it"""
    late_rows_grace_seconds: float = 3600.0
    """how long lines without a row are waited for before another deployment runs them: rows can come late"""
    end_grace_seconds: float = 86_400.0
    """how long after its deadline or cancellation a batch waits for what is in the way of its end"""
    rescue: bool = True
    """whether what a provider's job leaves undone is handed on to another deployment of the model"""
    rescue_lead_seconds: float = 14_400.0
    """how long before a batch expires it is asked whether its jobs are late; at most a sixth of its window"""
    max_rescues: int = 3
    """how often the lines of one part of an input may be handed on; 0: never"""
    row_retries: int = 1
    """how often requests run anew that have failed for a passing reason, such as 429 or 500; 0: never"""
    min_retry_rows: int = 100
    """of fewer failed requests than this no new job is made"""
    at_expiry: Literal["wait", "stop"] = "wait"
    """whether jobs that still run when their batch expires are stopped, where no provider ends them itself"""
    gone_grace_seconds: float = 3600.0
    """how long no process may have a deployment in its configuration before it counts as gone"""
    keep_ended_days: float = 90.0
    """how long ended batches stay, once their results are gone, and other rows that nobody needs any more"""
    lease_seconds: float = 60.0
    provider_timeout_seconds: float = 30.0
    """for connect, create, retrieve and list; for uploads and downloads: for each chunk"""
    min_download_bytes_per_second: float = 10_000.0
    """a provider's file that comes more slowly is given up and read again later"""
    download_grace_seconds: float = 30.0
    """the time over which that rate is an average; what the reader takes for itself does not count"""
    max_file_bytes: int = 1_073_741_824
    max_file_lines: int = 500_000
    max_line_bytes: int = 16_777_216
    parallel_shards: int = 1
    """into how many shards a batch input is cut that would fit into fewer"""
    min_shard_requests: int = 1000
    """none of which has fewer requests for that reason"""
    copies_per_shard: int = 2
    """how many deployments get a copy of each shard of a batch input that has several"""
    max_parallel_copies: int = 4
    """how many of these an upload sends at a time"""
    max_concurrent_uploads: int = 16
    """in each process; one owner has at most three quarters of what others leave free, so that more get in"""
    upload_wait_seconds: float = 2.0
    """how long an upload that comes on top of these waits for a place, before it is answered by 429"""
    min_upload_bytes_per_second: float = 1024.0
    """an upload that is slower than this for `upload_grace_seconds` is ended with 408"""
    upload_grace_seconds: float = 60.0
    """how long an upload may be silent, or make up for being too slow"""
    max_upload_seconds: float = 3600.0
    """how long the body of an upload may take to arrive"""
    max_spool_bytes: int = 17_179_869_184
    """of all uploads of a process together, those included that are still being sent to slow deployments"""
    max_unfinished_upload_bytes: int = 17_179_869_184
    """in the content store, of the parts of all uploads that have not ended; see `POST /uploads`"""
    spool_dir: str | None = None
    """where uploads are kept while they are checked and sent on; None: the system's temporary folder"""
    content_store: str = DATABASE_STORE
    """where what no provider keeps goes: `database`, `file:///folder`, `s3://bucket/prefix`, `gs://...`"""
    old_content_stores: tuple[str, ...] = ()
    """those of before: nothing new goes there, and what is there can be read and is deleted in its time"""
    keep_originals: Literal["auto", "always"] = "auto"
    """whether the content store has every upload: `always`, or `auto`, where no deployment gives it back"""
    prices: str | None = None
    """a file of prices in LiteLLM's format, read at the start; what it lacks, `genai-prices` may know"""
    estimated_output_tokens: int = 500
    """of an answer that its request does not limit, where the cost of a batch is estimated"""
    estimated_image_tokens: int = 37_000
    """of an image, likewise: gpt-4o-mini's; with low detail 2,900 at most. gpt-4o's have about 1,100"""
    estimated_file_tokens: int = 100_000
    """of a file, a stored prompt or an earlier response that a request names"""
    webhook_keys: tuple[str, ...] = ()
    """secrets of at least 32 characters that those of webhooks are derived from: new ones from the first"""
    page_secret: str | None = None
    """32 characters or more that the page's cookies are encrypted with; None: random, for each process"""
    webhooks_to_private_addresses: bool = False
    """whether webhooks may go to loopback and private addresses, and over plain http: for tests"""
    strategy: str = "earliest-finish"
    """one of `litebatch_asgi.strategies.STRATEGIES`, or an entry point in `litebatch_asgi.strategies`"""
    sinks: tuple[str, ...] = ()
    """where events go: `log`, `otel`, an entry point of `litebatch_asgi.sinks`, or `module:callable`"""
    delivery_retry_seconds: tuple[float, ...] = (5.0, 300.0, 1800.0, 7200.0, 28_800.0, 86_400.0)
    """the pauses after each delivery of an event that a sink did not take; the last one goes on"""
    delivery_give_up_seconds: float = 259_200.0
    """how long after an event its delivery is tried; then it is dead, unless an operator has it replayed"""
    max_parallel_requests: int = 32
    """in flight at a live deployment that does not say, by all processes together"""
    live_timeout_seconds: float = 600.0
    """of one request there, likewise"""
    live_attempts: int = 4
    """how often a request is sent there that is not answered, or with 408, 429 or 5xx; then it has failed"""
    max_answer_bytes: int = 16_777_216
    """of one answer there"""
    overflow_after_seconds: float | None = None
    """how long a batch waits for a native deployment before live ones of its model take it; None: for ever"""
    canary: int = 0
    """of a batch, how many requests are run live before all others, where its model has a live deployment"""
    canary_wait_seconds: float = 900.0
    """how long after its creation a batch waits for these at the most; then it goes on without"""
    completion_windows: tuple[str, ...] = ("24h",)
    """what `completion_window` a batch may have: hours such as `1h`; those below `24h` are run live"""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or isinstance(value, bool):
                continue
            if name in _MAY_BE_0:
                if not value >= 0:
                    raise ConfigError(f"{name} must be 0 or more, not {value}")
            elif not value > 0:
                raise ConfigError(f"{name} must be above 0, not {value}")
        for window in self.completion_windows:
            if not re.fullmatch(r"([1-9]|1[0-9]|2[0-4])h", window):
                raise ConfigError(
                    f"completion_windows: each must be hours, from `1h` to `24h`, not {window!r}"
                )
        if not self.completion_windows:
            raise ConfigError("completion_windows must name at least one, such as `24h`")
        if self.at_expiry not in ("wait", "stop"):
            raise ConfigError(f"at_expiry must be `wait` or `stop`, not {self.at_expiry!r}")
        for pause in self.delivery_retry_seconds:
            if not 0 <= pause < math.inf:
                raise ConfigError(f"delivery_retry_seconds: each must be 0 or more seconds, not {pause}")
        if any(len(key) < SHORTEST_WEBHOOK_KEY for key in self.webhook_keys):
            raise ConfigError(
                f"webhook_keys: each must have at least {SHORTEST_WEBHOOK_KEY} characters; "
                "`openssl rand -hex 32` makes one"
            )
        if self.page_secret is not None and len(self.page_secret) < SHORTEST_WEBHOOK_KEY:
            raise ConfigError(
                f"page_secret must have at least {SHORTEST_WEBHOOK_KEY} characters; `openssl rand -hex 32` "
                "makes one"
            )
        if self.max_line_bytes > LONGEST_LINE:
            raise ConfigError(f"max_line_bytes must be at most {LONGEST_LINE}, not {self.max_line_bytes}")
        if self.gone_grace_seconds > HEARTBEATS_KEPT_SECONDS:
            raise ConfigError(
                f"gone_grace_seconds must be at most {HEARTBEATS_KEPT_SECONDS}, a day, for as long as "
                f"heartbeats are remembered; not {self.gone_grace_seconds}"
            )

    def __rich_repr__(self) -> Any:
        yield from ((name, getattr(self, name)) for name in self.__struct_fields__ if name not in _SECRETS)

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    @property
    def delivery_timeout_seconds(self) -> float:
        """How long a sink may take for an event: its claim, which is not renewed, outlasts it."""
        return 0.5 * self.lease_seconds

    @property
    def call_timeout_seconds(self) -> float:
        """How long a call that must not outlive its lease may take: leases are renewed at each third."""
        return min(self.provider_timeout_seconds, 0.6 * self.lease_seconds)

    @property
    def largest_file_bytes(self) -> int:
        """How large a file may be: `max_file_bytes`, unless the spools have no room for as much."""
        return min(self.max_file_bytes, self.max_spool_bytes)

    @property
    def spool_path(self) -> Path:
        """The folder for temporary files."""
        return Path(self.spool_dir or tempfile.gettempdir())
