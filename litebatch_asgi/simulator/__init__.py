"""A provider of files and batches that runs on your own machine, at no cost and with faults to order.

It speaks OpenAI's API, Azure's, Vertex AI's, Anthropic's, Mistral's or Groq's over a real socket, runs chat
completions, responses, embeddings, completions, moderations and messages itself with answers that are made up
but always the same, and keeps a journal::

    simulator = Simulator(settings=SimulatorSettings(running_seconds=0.5))
    async with simulator.running() as address:
        client = AsyncOpenAI(base_url=f"{address}/east/v1", api_key="any")
        ...
        await simulator.account("east").reached(batch.id, "completed")

Any number of accounts, made on first use, lie at `/{account}/v1`; plain `/v1` is the account `default`. Each
has its files, its batches, its quota and its settings, and knows nothing of the others. A key must be there
and may be any, unless `SimulatorSettings.api_keys` says which.

An account of `SimulatorSettings.flavour` `azure` lies at `/{account}/openai?api-version=2024-10-21`, the
classic paths, and at `/{account}/openai/v1`; without an account in the path it is `default`. Its files are
`pending` for a while, its errors are sparse, and its batches differ in what `flavours` and `azure_api` tell.

An account of the flavour `vertex` has batch prediction jobs at `/{account}/v1/projects/…`, Cloud Storage's
JSON API at `/{account}/storage/v1/b/…`, and gives out access tokens at `/{account}/token`, for credentials
that `Simulator.service_account` makes; it needs the extra `vertex`. A file's id is `gs://bucket/name`, a
batch's the name of its job; a batch has its output's folder as the id of its output, and labels and
`displayName` as its metadata. Requests are held against the provider's schema: one that it refuses is a row
with a `status`, and a line that its import cannot take fails the job. What brings the last byte of an object
is the call `upload_file`; `start_upload` and `upload_chunk` come before it.

An account of the flavour `anthropic` has Message Batches at `/{account}/v1/messages/batches`. Parameters are
held against what Anthropic publishes; wrong ones are `errored` rows. There are no files: results have their
batch's id, reading them is the call `stream_file`, and deleting a batch is `delete_file`. A batch has no
metadata but `custom_id_suffix`, what its first custom id has after an underscore: faults match it, and
`Simulator.summary` goes by it whatever the tag.

An account of the flavour `vllm` is an inference server, without files and batches, at
`/{account}/v1/chat/completions` and so on, see `inference_rules.PATHS`, and at `/{account}/health`. Its
requests are in `Simulator.requests`, not in the journal. It takes its `latency`, runs `max_running` requests
at once and lets a key ask for `requests_per_minute` and `tokens_per_minute`, by token buckets. It goes down
by `Simulator.go_down` or a fault with `down`. A line may order a fault for itself, for whenever it comes::

    {"metadata": {"simulate": {"fault": {"down": {"seconds": 2.0}, "times": null}}}}

An account of the flavour `groq` lies at `/{account}/openai/v1`, one of `mistral` at `/{account}/v1`, with its
jobs at `/batch/jobs`; see `groq_api`, `mistral_api` and `mistral_rules`.

A line asks for what it wants with `body.metadata.simulate`, see `Directive`: `"429"` fails with that status,
`{"error": "request_timeout"}` gets no response, `{"input_tokens": 1000, "answer": "yes"}` is answered so. At
Vertex and Anthropic the last words of the request are `simulate 429`, or the like. What goes wrong otherwise
is a `Fault`: refused, cut or delayed calls before or after the work is done, uploads and downloads that end
early or trickle, contents that are gone while their files are there, lists that lag behind, break on a page
or show an object that is no Unicode, batches that get stuck, vanish or lie, do not find their input or fail
with any number of errors, results with lost, doubled, foreign or unparsable rows. `Simulator.summary` tells
what is left at the end: whether a job is there twice, and what nobody knows of.

How a batch runs is its `Course`, a setting or what a fault of `start_batch` has for single batches: its pace,
where it is stuck, where and how it ends, whether it tells its counts. A fault of `finish_cancel` lets it be
`cancelling` for long. `SimulatorSettings.first_run_status` lets lines fail in the first batch that runs them.
`Simulator.jobs` tells which lines each batch could run and from when until when, and `overlaps` which of them
two batches could run at the same time.

Settings give an account the ways of servers that are compatible with OpenAI's: AIBrix (`scheduling_seconds`,
`cut_short_results`), OGX and Llama Stack (`cut_short_results`, `string_bodies`),
and those that tell other `bytes` than they have (`bytes_surplus`). Another `project` is a rotated key's:
what was there before is 404 and in no list. `Account.add_running_batches` adds thousands of running batches.

`litebatch simulate` runs it alone. It is then steered over HTTP, in JSON, under `/_simulator/`:

======  ============  ==============================================================================
GET     `journal`     `?account=&call=&after=`: the entries, see `JournalEntry`
GET     `counts`      `?account=&after=`: how many calls of each kind are in the journal
GET     `settings`    `?account=`: the settings of an account, see `SimulatorSettings`
POST    `settings`    `?account=`: change those that the body names
GET     `faults`      all faults, and how often they struck
POST    `faults`      put one in force, see `Fault`; answers with its `id`
DELETE  `faults`      `?id=`: remove one, otherwise all
POST    `advance`     `?account=&batch_id=`: move a batch, or all, on to the next status, and wait;
                      `file_id=` does the same for a file that is `pending`
POST    `release`     the same, without waiting
POST    `expire`      `?account=&batch_id=`: let a batch end as `expired`
POST    `foreign`     `?account=&count=`: add so many ended batches that somebody else made
POST    `running`     `?account=`: add a running batch of `input_file_id` for each of the body's `metadata`
GET     `state`       files and batches of all accounts
GET     `jobs`        `?account=`: all batches, with the lines that each could run, and when: see `JobRecord`
GET     `summary`     `?tag=`: batch inputs by filename, batches by what their metadata has under the tag
GET     `requests`    `?account=&after=&match=&sha256=&limit=`: what inference servers received, see
                      `RequestEntry`
GET     `lines`       `?account=&received=&succeeded=&match=`: how often each line came, see `LineCounts`
GET     `totals`      `?account=&after=`: requests and lines in numbers, see `RequestTotals`
POST    `down`        `?account=`: go down as the body has it, see `Downtime`
POST    `up`          be up again
GET     `credentials` `?account=&project=`: a service account of an account of the flavour `vertex`
POST    `reset`       forget everything
======  ============  ==============================================================================
"""

from .account import Account as Account
from .course import Course as Course
from .directives import Directive as Directive
from .downtime import Downtime as Downtime
from .execution import RowFaults as RowFaults
from .faults import ArmedFault as ArmedFault
from .faults import Fault as Fault
from .garbled import Garble as Garble
from .job_records import JobRecord as JobRecord
from .job_records import Overlap as Overlap
from .job_records import overlaps as overlaps
from .journal import JournalEntry as JournalEntry
from .latency import Latency as Latency
from .request_journal import LineCounts as LineCounts
from .request_journal import RequestEntry as RequestEntry
from .request_journal import RequestTotals as RequestTotals
from .service_accounts import service_account as service_account
from .settings import SimulatorSettings as SimulatorSettings
from .simulator import Simulator as Simulator
from .simulator import run as run
from .summary import Placed as Placed
from .summary import Summary as Summary
