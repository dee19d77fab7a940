-- Moments are integer microseconds since 1970, UTC. Ids are ordered by their bytes, as everywhere else.
-- The types in braces are the database's own.
-- Files may be removed while batches still name them, so that what names a file is no foreign key.

CREATE TABLE {prefix}installation (
    singleton integer PRIMARY KEY CHECK (singleton = 1),
    id {type.key} NOT NULL,
    schema_version integer NOT NULL,
    fingerprint text, -- of where the database lives; null: not known yet
    created_at bigint NOT NULL
);

-- What each process on this database says of itself.
CREATE TABLE {prefix}heartbeats (
    worker {type.key} NOT NULL PRIMARY KEY,
    deployments {type.json} NOT NULL, -- object: lists of virtual models by deployment
    since bigint NOT NULL, -- from when on heartbeats have never lapsed
    seen_at bigint NOT NULL
);

CREATE TABLE {prefix}files (
    id {type.key} NOT NULL PRIMARY KEY,
    owner {type.key} NOT NULL,
    created_by {type.key},
    kind text NOT NULL,
    purpose {type.key} NOT NULL,
    filename text NOT NULL,
    bytes bigint NOT NULL CHECK (bytes >= 0),
    sha256 text,
    models {type.json} NOT NULL, -- list
    endpoint text,
    lines bigint NOT NULL,
    id_count bigint NOT NULL,
    id_sum text NOT NULL, -- 32 hexadecimal digits
    status text NOT NULL,
    created_at bigint NOT NULL,
    accepted_at bigint, -- null: listed nowhere
    expires_at bigint,
    deleted_at bigint,
    batch_id {type.key}, -- the batch that wrote it
    tokens bigint NOT NULL,
    request_fingerprint {type.key},
    answering_until bigint,
    answered_at bigint,
    next_shard integer NOT NULL
);

CREATE INDEX {prefix}files_by_owner ON {prefix}files (owner, created_at, id)
    WHERE accepted_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX {prefix}files_by_owner_purpose ON {prefix}files (owner, purpose, created_at, id)
    WHERE accepted_at IS NOT NULL AND deleted_at IS NULL;
-- `+ 0`: whoever asks for one owner's newest shall not be led through everybody's
CREATE INDEX {prefix}files_by_time ON {prefix}files ((created_at + 0), id)
    WHERE accepted_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX {prefix}files_by_purpose ON {prefix}files (purpose, (created_at + 0), id)
    WHERE accepted_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX {prefix}files_by_expiry ON {prefix}files (expires_at, id)
    WHERE accepted_at IS NOT NULL AND deleted_at IS NULL AND expires_at IS NOT NULL;
CREATE INDEX {prefix}files_by_deletion ON {prefix}files (deleted_at, id) WHERE deleted_at IS NOT NULL;
CREATE INDEX {prefix}files_by_batch ON {prefix}files (batch_id) WHERE batch_id IS NOT NULL;

-- What a client may ask for once more because it has had no answer.
CREATE INDEX {prefix}files_unanswered ON {prefix}files (request_fingerprint, created_at, id)
    WHERE answered_at IS NULL AND request_fingerprint IS NOT NULL;

-- The models of files that are accepted and not deleted, for lists.
CREATE TABLE {prefix}file_models (
    file_id {type.key} NOT NULL REFERENCES {prefix}files (id) ON DELETE CASCADE,
    model {type.key} NOT NULL,
    owner {type.key} NOT NULL, -- the file's, as are the others
    purpose {type.key} NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (file_id, model)
);

CREATE INDEX {prefix}file_models_by_owner ON {prefix}file_models (owner, model, created_at, file_id);
CREATE INDEX {prefix}file_models_by_owner_purpose
    ON {prefix}file_models (owner, model, purpose, created_at, file_id);
CREATE INDEX {prefix}file_models_by_time ON {prefix}file_models (model, (created_at + 0), file_id);
CREATE INDEX {prefix}file_models_by_purpose
    ON {prefix}file_models (model, purpose, (created_at + 0), file_id);

-- A file's place among those of a key, user or team, while it is not deleted.
CREATE TABLE {prefix}file_holds (
    scope {type.key} NOT NULL, -- such as `team:search`
    file_id {type.key} NOT NULL REFERENCES {prefix}files (id) ON DELETE CASCADE,
    PRIMARY KEY (scope, file_id)
);

CREATE INDEX {prefix}file_holds_by_file ON {prefix}file_holds (file_id);

-- The lines of an input that run as one provider job.
CREATE TABLE {prefix}file_shards (
    file_id {type.key} NOT NULL REFERENCES {prefix}files (id) ON DELETE CASCADE,
    shard integer NOT NULL,
    batch_id {type.key}, -- the batch that it was derived for; null: a tile of the file
    root integer, -- of a derived one: the tile that its lines are of
    lines_of_root {type.blob}, -- of a derived one: a bitmap
    "start" bigint NOT NULL,
    bytes bigint NOT NULL,
    first_line bigint NOT NULL,
    lines bigint NOT NULL,
    id_count bigint NOT NULL,
    id_sum text NOT NULL, -- 32 hexadecimal digits
    tokens bigint NOT NULL,
    PRIMARY KEY (file_id, shard)
);

CREATE INDEX {prefix}file_shards_by_batch ON {prefix}file_shards (batch_id) WHERE batch_id IS NOT NULL;

CREATE TABLE {prefix}file_copies (
    file_id {type.key} NOT NULL REFERENCES {prefix}files (id) ON DELETE CASCADE,
    shard integer NOT NULL,
    deployment_id {type.key} NOT NULL,
    owner {type.key} NOT NULL, -- the file's
    provider_file_id text,
    model {type.key}, -- the name that its lines were sent with
    bytes bigint, -- as sent; null: not known yet
    expires_at bigint, -- at the provider
    state text NOT NULL,
    error text,
    attempts integer NOT NULL,
    ready_at bigint, -- null: the provider has not said that it can use it
    started_at bigint, -- null: no upload is in doubt
    search_until bigint, -- of an upload in doubt
    watch_until bigint, -- for twins; null: there can be none
    next_check_at bigint, -- null: never
    claimed_by {type.key},
    claimed_until bigint,
    epoch bigint NOT NULL,
    PRIMARY KEY (file_id, shard, deployment_id)
);

-- Whether anything is due, by one look. Only who says `>= 0` is led to it: what is due is chosen by the next.
CREATE INDEX {prefix}file_copies_due ON {prefix}file_copies (deployment_id, next_check_at)
    WHERE next_check_at >= 0;
CREATE INDEX {prefix}file_copies_due_by_owner
    ON {prefix}file_copies (deployment_id, owner, next_check_at, file_id, shard)
    WHERE next_check_at IS NOT NULL;
CREATE INDEX {prefix}file_copies_in_use ON {prefix}file_copies (deployment_id)
    WHERE state <> 'deleted' OR next_check_at >= 0;

CREATE TABLE {prefix}file_parts (
    file_id {type.key} NOT NULL REFERENCES {prefix}files (id) ON DELETE CASCADE,
    seq integer NOT NULL CHECK (seq >= 0),
    kind text NOT NULL,
    bytes bigint NOT NULL,
    deployment_id {type.key},
    provider_file_id text,
    provider_bytes bigint,
    end_line smallint NOT NULL CHECK (end_line IN (0, 1)), -- a newline is added behind the provider's bytes
    digest text, -- of the provider's whole file, hexadecimal
    rows {type.blob},
    PRIMARY KEY (file_id, seq)
);

CREATE TABLE {prefix}batches (
    id {type.key} NOT NULL PRIMARY KEY,
    owner {type.key} NOT NULL,
    created_by {type.key},
    input_file_id {type.key} NOT NULL,
    endpoint text NOT NULL,
    completion_window text NOT NULL,
    model {type.key} NOT NULL,
    metadata {type.json}, -- object
    output_expires_after bigint, -- seconds
    status text NOT NULL,
    created_at bigint NOT NULL,
    in_progress_at bigint,
    expires_at bigint NOT NULL,
    finalizing_at bigint,
    completed_at bigint,
    failed_at bigint,
    expired_at bigint,
    cancelling_at bigint,
    cancelled_at bigint,
    counts {type.json} NOT NULL, -- object
    usage {type.json}, -- object
    cost {type.money},
    errors {type.json} NOT NULL, -- list
    output_file_id {type.key},
    error_file_id {type.key},
    cancel_requested_at bigint,
    looked_at bigint,
    request_fingerprint {type.key},
    answering_until bigint,
    answered_at bigint
);

CREATE INDEX {prefix}batches_by_owner ON {prefix}batches (owner, created_at, id);
CREATE INDEX {prefix}batches_by_owner_model ON {prefix}batches (owner, model, created_at, id);
CREATE INDEX {prefix}batches_by_model ON {prefix}batches (model, created_at, id);
CREATE INDEX {prefix}batches_by_time ON {prefix}batches ((created_at + 0), id);
CREATE INDEX {prefix}batches_unanswered ON {prefix}batches (request_fingerprint, created_at, id)
    WHERE answered_at IS NULL AND request_fingerprint IS NOT NULL;
CREATE INDEX {prefix}batches_open_by_input_file ON {prefix}batches (input_file_id)
    WHERE status IN ('validating', 'in_progress', 'finalizing', 'cancelling');

CREATE TABLE {prefix}jobs (
    id {type.key} NOT NULL PRIMARY KEY,
    batch_id {type.key} NOT NULL REFERENCES {prefix}batches (id),
    owner {type.key} NOT NULL, -- the batch's
    shard integer NOT NULL,
    attempt integer NOT NULL,
    requests bigint NOT NULL,
    deployment_id {type.key}, -- null: waiting for any
    provider_file_id text,
    submit_started_at bigint,
    state text NOT NULL,
    provider_batch_id text,
    snapshot {type.json}, -- object
    reason text,
    search_until bigint,
    to_cancel smallint NOT NULL CHECK (to_cancel IN (0, 1)),
    cancel_sent_at bigint,
    reads {type.json} NOT NULL, -- list
    created_at bigint NOT NULL,
    next_check_at bigint, -- null: never
    refresh_from bigint, -- from when on a client's wish may bring that forward; null: never
    checks integer NOT NULL,
    copy_refusals integer NOT NULL,
    claimed_by {type.key},
    claimed_until bigint,
    epoch bigint NOT NULL,
    UNIQUE (batch_id, shard, attempt)
);

-- As of file_copies, apart for each kind of work. Coalesced, for no index is walked by IS NOT DISTINCT FROM.
CREATE INDEX {prefix}jobs_due ON {prefix}jobs (
    coalesce(deployment_id, ''),
    (CASE state WHEN 'submitted' THEN 'look' WHEN 'unclear' THEN 'search' WHEN 'watched' THEN 'search'
        WHEN 'ended' THEN 'settle' ELSE 'place' END),
    next_check_at
) WHERE next_check_at >= 0;
CREATE INDEX {prefix}jobs_due_by_owner ON {prefix}jobs (
    coalesce(deployment_id, ''),
    (CASE state WHEN 'submitted' THEN 'look' WHEN 'unclear' THEN 'search' WHEN 'watched' THEN 'search'
        WHEN 'ended' THEN 'settle' ELSE 'place' END),
    owner, next_check_at, id
) WHERE next_check_at IS NOT NULL;
CREATE INDEX {prefix}jobs_open ON {prefix}jobs (deployment_id, requests)
    WHERE state IN ('waiting', 'submitting', 'unclear', 'submitted') AND deployment_id IS NOT NULL;

-- They outlive their jobs and batches.
CREATE TABLE {prefix}charges (
    id {type.key} NOT NULL PRIMARY KEY,
    job_id {type.key} NOT NULL,
    batch_id {type.key} NOT NULL,
    deployment_id {type.key} NOT NULL,
    owner {type.key} NOT NULL,
    created_by {type.key},
    model {type.key} NOT NULL,
    usage {type.json} NOT NULL, -- object
    cost {type.money},
    price_source text,
    corrects {type.key}, -- the charge that this one corrects
    created_at bigint NOT NULL
);

CREATE UNIQUE INDEX {prefix}charges_by_job ON {prefix}charges (job_id, model) WHERE corrects IS NULL;
CREATE UNIQUE INDEX {prefix}charges_by_corrected ON {prefix}charges (corrects);
CREATE INDEX {prefix}charges_by_batch ON {prefix}charges (batch_id);
CREATE INDEX {prefix}charges_by_owner ON {prefix}charges (owner, created_at);
CREATE INDEX {prefix}charges_by_key ON {prefix}charges (created_by, created_at);

CREATE TABLE {prefix}events (
    id {type.key} NOT NULL PRIMARY KEY,
    batch_id {type.key} NOT NULL REFERENCES {prefix}batches (id),
    type text NOT NULL,
    payload {type.json} NOT NULL, -- object
    created_at bigint NOT NULL
);

CREATE INDEX {prefix}events_by_batch ON {prefix}events (batch_id);

-- What each sink has got. An event without a row for a sink is still to be handed out to it.
CREATE TABLE {prefix}event_deliveries (
    event_id {type.key} NOT NULL REFERENCES {prefix}events (id) ON DELETE CASCADE,
    sink {type.key} NOT NULL,
    state text NOT NULL,
    error text,
    attempts integer NOT NULL,
    delivered_at bigint,
    next_check_at bigint,
    claimed_by {type.key},
    claimed_until bigint,
    epoch bigint NOT NULL,
    PRIMARY KEY (event_id, sink)
);

CREATE INDEX {prefix}event_deliveries_due ON {prefix}event_deliveries (sink, next_check_at)
    WHERE next_check_at IS NOT NULL;

CREATE TABLE {prefix}idempotency (
    owner {type.key} NOT NULL,
    "key" {type.key} NOT NULL,
    request_fingerprint text NOT NULL,
    object_id text NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (owner, "key")
);

CREATE INDEX {prefix}idempotency_by_time ON {prefix}idempotency (created_at);

-- What an open batch holds of the limits of a key, user or team.
CREATE TABLE {prefix}reservations (
    scope {type.key} NOT NULL, -- such as `team:search`
    batch_id {type.key} NOT NULL REFERENCES {prefix}batches (id),
    requests bigint NOT NULL,
    tokens bigint NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (scope, batch_id)
);

CREATE INDEX {prefix}reservations_by_batch ON {prefix}reservations (batch_id);

CREATE TABLE {prefix}teams (
    id {type.key} NOT NULL PRIMARY KEY,
    alias text,
    models {type.json} NOT NULL, -- list; empty: all
    max_batch_requests bigint, -- null: no limit
    max_open_batches bigint,
    max_enqueued_requests bigint,
    max_enqueued_tokens bigint,
    max_file_bytes bigint,
    max_files bigint,
    max_budget {type.money}, -- US dollars
    blocked smallint NOT NULL CHECK (blocked IN (0, 1)),
    metadata {type.json} NOT NULL, -- object
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    created_by text
);

CREATE INDEX {prefix}teams_by_time ON {prefix}teams (created_at, id);

CREATE TABLE {prefix}users (
    id {type.key} NOT NULL PRIMARY KEY,
    alias text,
    models {type.json} NOT NULL, -- list; empty: all
    max_batch_requests bigint, -- null: no limit
    max_open_batches bigint,
    max_enqueued_requests bigint,
    max_enqueued_tokens bigint,
    max_file_bytes bigint,
    max_files bigint,
    max_budget {type.money}, -- US dollars
    blocked smallint NOT NULL CHECK (blocked IN (0, 1)),
    metadata {type.json} NOT NULL, -- object
    email text,
    role text,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    created_by text
);

CREATE INDEX {prefix}users_by_time ON {prefix}users (created_at, id);

CREATE TABLE {prefix}virtual_keys (
    id {type.key} NOT NULL PRIMARY KEY,
    alias text,
    models {type.json} NOT NULL, -- list; empty: all
    max_batch_requests bigint, -- null: no limit
    max_open_batches bigint,
    max_enqueued_requests bigint,
    max_enqueued_tokens bigint,
    max_file_bytes bigint,
    max_files bigint,
    max_budget {type.money}, -- US dollars
    blocked smallint NOT NULL CHECK (blocked IN (0, 1)),
    metadata {type.json} NOT NULL, -- object
    token text NOT NULL UNIQUE, -- SHA-256 of the key, which itself is kept nowhere
    hint text NOT NULL, -- enough of it to tell keys apart
    user_id {type.key} REFERENCES {prefix}users (id) ON DELETE CASCADE,
    team_id {type.key} REFERENCES {prefix}teams (id) ON DELETE CASCADE,
    expires_at bigint,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    created_by text
);

CREATE INDEX {prefix}virtual_keys_by_time ON {prefix}virtual_keys (created_at, id);
CREATE UNIQUE INDEX {prefix}virtual_keys_by_alias ON {prefix}virtual_keys (alias);
CREATE INDEX {prefix}virtual_keys_by_team ON {prefix}virtual_keys (team_id, created_at, id);
CREATE INDEX {prefix}virtual_keys_by_user ON {prefix}virtual_keys (user_id, created_at, id);
