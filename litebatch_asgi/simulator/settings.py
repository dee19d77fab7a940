"""What a simulated account is like: durations, limits, and the liberties that a provider takes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from .course import Course, CutShort, Share
from .latency import Latency

Positive = Annotated[int, msgspec.Meta(ge=1)]

Status = Literal[
    "scheduling",
    "validating",
    "failed",
    "in_progress",
    "finalizing",
    "completed",
    "expired",
    "cancelling",
    "cancelled",
]
"""OpenAI's, and `scheduling`, which is AIBrix's"""
FileStatus = Literal["uploaded", "pending", "running", "processed", "error", "deleting", "deleted"]
FlavourName = Literal["openai", "azure", "vertex", "anthropic", "groq", "mistral", "vllm"]


class SimulatorSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of one account; a new account starts with those of the simulator.

    Limits are the provider's published ones unless told otherwise; durations are short, in seconds.
    """

    flavour: FlavourName = "openai"
    """whose API the account speaks, and on which paths"""
    pending_seconds: float = 0.05
    """Azure: how long an uploaded batch input is `pending`"""
    scheduling_seconds: float | None = None
    """how long a batch is `scheduling` before it is validated, as at AIBrix; None: it never is"""
    validating_seconds: float = 0.05
    running_seconds: float = 0.2
    running_seconds_per_line: float = 0.0
    """added to `running_seconds` for every line of the input file"""
    course: Course = Course()
    """how batches run, beside that; that of a fault of `start_batch` replaces it for its batches"""
    window_seconds: float | None = None
    """how long a batch has from its creation, whatever window it asked for, until it expires, at Azure too;
    None: what it asked for"""
    finalizing_seconds: float = 0.05
    cancelling_seconds: float = 0.1
    hold: frozenset[Status | Literal["pending"]] = frozenset()
    """statuses that a batch, or a file that is `pending`, does not leave by itself: `Account.release` or
    `Account.advance` moves it on"""
    models: frozenset[str] | None = None
    """models, at Azure the names of deployments, that batches may use; None takes any name"""
    api_keys: frozenset[str] | None = None
    """keys that pass; None takes any that is not empty, at Vertex those alone that the account gave out, at
    vLLM no key as well"""
    token_seconds: float = 3600.0
    """Vertex: life of the access tokens that are given out from then on"""
    projects: frozenset[str] | None = None
    """Vertex: projects that the service account may use, others being 403; None: all"""
    buckets: frozenset[str] | None = None
    """Vertex: buckets that there are; None: any"""
    agent_buckets: frozenset[str] | None = None
    """Vertex: buckets that jobs may read and write; None: all that there are"""
    output_shards: int = 1
    """Vertex: how many files the rows of a job are spread over"""
    organization: str = "org-simulator"
    project: str = "default"
    """project that the account's keys are of: files and batches of another one are not found, nor listed"""
    max_enqueued_tokens: int | None = None
    """input tokens that open batches of one model may hold; beyond: `token_limit_exceeded`, or 429"""
    max_enqueued_tokens_of: dict[str, int] = {}
    """the same for single models, at Azure for the names of deployments"""
    fail_fast: bool = False
    """OpenAI, Azure, Groq: `token_limit_exceeded` is told by the create, not by a batch that fails"""
    fail_fast_status: Literal[400, 429] = 400
    """how it is told"""
    max_file_bytes: int = 512 * 1024 * 1024
    max_batch_file_bytes: int | None = None
    """of a batch input; None: 200 MiB, at Groq 100 MB, at Mistral 512 MiB"""
    max_create_bytes: int = 256_000_000
    """Anthropic: of the body of a create, which has the requests"""
    max_lines: int | None = None
    """lines of one batch; None: 50,000, at Azure and Anthropic 100,000, at Vertex 200,000, at Mistral
    1,000,000"""
    max_unexpiring_files: int = 500
    """Azure: batch inputs that were uploaded without `expires_after`"""
    max_expiring_files: int = 10_000
    """Azure: batch inputs that were uploaded with it"""
    done_share: float = 0.5
    """share of the rows that are done when a running batch ends `cancelled` or `expired`, unless its `course`
    tells its pace"""
    first_run_status: Annotated[int, msgspec.Meta(ge=400, le=599)] | None = None
    """a line fails with this status in the first batch that runs it, in whichever account, and only there;
    lines that say the same are the same line"""
    first_run_share: Share = 1.0
    """share of the lines that this is so for, chosen by their custom ids"""
    cut_short_results: CutShort = "whole"
    """result files of a batch that ended `cancelled` or `expired`: `whole` has a row for each line; `partial`
    (AIBrix) has rows of the lines that were executed, and only these count as completed or failed; `none`
    (OGX, Llama Stack) is no files at all, with the counts of `partial`"""
    reset_cancelled_counts: bool = False
    """a cancelled batch says that nothing was completed, whatever its files hold"""
    answer_characters: int = 400
    """longest text that a request is answered with"""
    shuffle: bool = True
    """rows come out in another order than their requests went in"""
    reordered_reads: bool = False
    """the rows of results come in another order at each read; not at Vertex"""
    final_newline: bool | None = None
    """whether result files end in a newline; None: some do, some do not"""
    escape_unicode: bool = False
    """custom ids come back with `\\u` escapes; otherwise as UTF-8"""
    bytes_surplus: int = 0
    """added to the `bytes` that an uploaded file is said to have, as by a server that counts the form too"""
    string_bodies: Literal["never", "errors", "always"] = "never"
    """which rows have a `response.body` that is a string with the JSON in it: those of failed requests,
    or all (OGX, Llama Stack); the flavour `mistral` has the former whatever this says"""
    latency: Latency = Latency()
    """vLLM: how long a request runs"""
    max_running: Positive | None = None
    """vLLM: requests that run at once, others waiting for their turn; None: any number"""
    requests_per_minute: Positive | None = None
    """vLLM: of one key, beyond which it is 429; None: any number"""
    tokens_per_minute: Positive | None = None
    """vLLM: the same for input and output tokens, taken when the request arrives"""
    minute_seconds: Annotated[float, msgspec.Meta(gt=0.0)] = 60.0
    """vLLM: how long a minute of these limits is"""
    odd_casing: bool | None = False
    """Azure: batches have capitalised statuses and times in ISO 8601; None: some do, some do not"""
    clock_offset: float = 0.0
    """seconds by which this account's clock is ahead, in `created_at` as in expiry"""
    seed: int = 0
    """of everything that is shuffled or drawn"""

    def most_enqueued_tokens(self, model: str) -> int | None:
        """Input tokens that open batches of `model` may hold; None: any number."""
        return self.max_enqueued_tokens_of.get(model, self.max_enqueued_tokens)

    def changed(self, changes: dict[str, Any]) -> SimulatorSettings:
        """These settings with `changes`, which are checked.

        Raises `msgspec.ValidationError` for an unknown name or a value of the wrong type.
        """
        return msgspec.convert(msgspec.structs.asdict(self) | changes, SimulatorSettings)
