-- Moments are integer microseconds since 1970, UTC. Money is decimal text. Nested values are JSON text.
-- Files may be removed while batches still name them, so that what names a file is no foreign key.

CREATE TABLE {prefix}installation (
    singleton INTEGER PRIMARY KEY CHECK (singleton = 1),
    id TEXT NOT NULL,
    schema_version INTEGER NOT NULL,
    fingerprint TEXT, -- of where the database lives; null: not known yet
    created_at INTEGER NOT NULL
);

-- What each process on this database says of itself.
CREATE TABLE {prefix}heartbeats (
    worker TEXT NOT NULL PRIMARY KEY,
    deployments TEXT NOT NULL, -- JSON object: lists of virtual models by deployment
    since INTEGER NOT NULL, -- from when on heartbeats have never lapsed
    seen_at INTEGER NOT NULL
);

CREATE TABLE {prefix}files (
    id TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    created_by TEXT,
    kind TEXT NOT NULL,
    purpose TEXT NOT NULL,
    filename TEXT NOT NULL,
    bytes INTEGER NOT NULL CHECK (bytes >= 0),
    sha256 TEXT,
    models TEXT NOT NULL, -- JSON list
    endpoint TEXT,
    lines INTEGER NOT NULL,
    id_count INTEGER NOT NULL,
    id_sum TEXT NOT NULL, -- 32 hexadecimal digits
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    accepted_at INTEGER, -- null: listed nowhere
    expires_at INTEGER,
    deleted_at INTEGER,
    batch_id TEXT, -- the batch that wrote it
    tokens INTEGER NOT NULL,
    request_fingerprint TEXT,
    answering_until INTEGER,
    answered_at INTEGER,
    next_shard INTEGER NOT NULL
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
    file_id TEXT NOT NULL REFERENCES {prefix}files (id) ON DELETE CASCADE,
    model TEXT NOT NULL,
    owner TEXT NOT NULL, -- the file's, as are the others
    purpose TEXT NOT NULL,
    created_at INTEGER NOT NULL,
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
    scope TEXT NOT NULL, -- such as `team:search`
    file_id TEXT NOT NULL REFERENCES {prefix}files (id) ON DELETE CASCADE,
    PRIMARY KEY (scope, file_id)
);

CREATE INDEX {prefix}file_holds_by_file ON {prefix}file_holds (file_id);

-- The lines of an input that run as one provider job.
CREATE TABLE {prefix}file_shards (
    file_id TEXT NOT NULL REFERENCES {prefix}files (id) ON DELETE CASCADE,
    shard INTEGER NOT NULL,
    batch_id TEXT, -- the batch that it was derived for; null: a tile of the file
    root INTEGER, -- of a derived one: the tile that its lines are of
    lines_of_root BLOB, -- of a derived one: a bitmap
    "start" INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    first_line INTEGER NOT NULL,
    lines INTEGER NOT NULL,
    id_count INTEGER NOT NULL,
    id_sum TEXT NOT NULL, -- 32 hexadecimal digits
    tokens INTEGER NOT NULL,
    PRIMARY KEY (file_id, shard)
);

CREATE INDEX {prefix}file_shards_by_batch ON {prefix}file_shards (batch_id) WHERE batch_id IS NOT NULL;

CREATE TABLE {prefix}file_copies (
    file_id TEXT NOT NULL REFERENCES {prefix}files (id) ON DELETE CASCADE,
    shard INTEGER NOT NULL,
    deployment_id TEXT NOT NULL,
    owner TEXT NOT NULL, -- the file's
    provider_file_id TEXT,
    model TEXT, -- the name that its lines were sent with
    bytes INTEGER, -- as sent; null: not known yet
    expires_at INTEGER, -- at the provider
    state TEXT NOT NULL,
    error TEXT,
    attempts INTEGER NOT NULL,
    ready_at INTEGER, -- null: the provider has not said that it can use it
    started_at INTEGER, -- null: no upload is in doubt
    search_until INTEGER, -- of an upload in doubt
    watch_until INTEGER, -- for twins; null: there can be none
    next_check_at INTEGER, -- null: never
    claimed_by TEXT,
    claimed_until INTEGER,
    epoch INTEGER NOT NULL,
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
    file_id TEXT NOT NULL REFERENCES {prefix}files (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL CHECK (seq >= 0),
    kind TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    deployment_id TEXT,
    provider_file_id TEXT,
    provider_bytes INTEGER,
    "drop" TEXT NOT NULL, -- JSON list of line indexes
    end_line INTEGER NOT NULL CHECK (end_line IN (0, 1)), -- a newline is added behind the provider's bytes
    digest TEXT, -- of the provider's whole file, hexadecimal
    rows BLOB,
    PRIMARY KEY (file_id, seq)
);

CREATE TABLE {prefix}batches (
    id TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    created_by TEXT,
    input_file_id TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    completion_window TEXT NOT NULL,
    model TEXT NOT NULL,
    metadata TEXT, -- JSON object
    output_expires_after INTEGER, -- seconds
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    in_progress_at INTEGER,
    expires_at INTEGER NOT NULL,
    finalizing_at INTEGER,
    completed_at INTEGER,
    failed_at INTEGER,
    expired_at INTEGER,
    cancelling_at INTEGER,
    cancelled_at INTEGER,
    counts TEXT NOT NULL, -- JSON object
    usage TEXT, -- JSON object
    cost TEXT,
    errors TEXT NOT NULL, -- JSON list
    output_file_id TEXT,
    error_file_id TEXT,
    cancel_requested_at INTEGER,
    looked_at INTEGER,
    request_fingerprint TEXT,
    answering_until INTEGER,
    answered_at INTEGER
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
    id TEXT NOT NULL PRIMARY KEY,
    batch_id TEXT NOT NULL REFERENCES {prefix}batches (id),
    owner TEXT NOT NULL, -- the batch's
    shard INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    deployment_id TEXT, -- null: waiting for any
    provider_file_id TEXT,
    submit_started_at INTEGER,
    state TEXT NOT NULL,
    provider_batch_id TEXT,
    snapshot TEXT, -- JSON object
    reason TEXT,
    search_until INTEGER,
    to_cancel INTEGER NOT NULL CHECK (to_cancel IN (0, 1)),
    cancel_sent_at INTEGER,
    reads TEXT NOT NULL, -- JSON list
    created_at INTEGER NOT NULL,
    next_check_at INTEGER, -- null: never
    refresh_from INTEGER, -- from when on a client's wish may bring that forward; null: never
    checks INTEGER NOT NULL,
    copy_refusals INTEGER NOT NULL,
    claimed_by TEXT,
    claimed_until INTEGER,
    epoch INTEGER NOT NULL,
    UNIQUE (batch_id, shard, attempt)
);

-- As of file_copies, apart for each kind of work. Coalesced, for no index is walked by
-- IS NOT DISTINCT FROM.
CREATE INDEX {prefix}jobs_due ON {prefix}jobs (
    coalesce(deployment_id, ''), (CASE state WHEN 'submitted' THEN 'look' WHEN 'unclear' THEN 'search' WHEN 'watched' THEN 'search' WHEN 'ended' THEN 'settle' ELSE 'place' END), next_check_at
) WHERE next_check_at >= 0;
CREATE INDEX {prefix}jobs_due_by_owner ON {prefix}jobs (
    coalesce(deployment_id, ''), (CASE state WHEN 'submitted' THEN 'look' WHEN 'unclear' THEN 'search' WHEN 'watched' THEN 'search' WHEN 'ended' THEN 'settle' ELSE 'place' END), owner, next_check_at, id
) WHERE next_check_at IS NOT NULL;
CREATE INDEX {prefix}jobs_open ON {prefix}jobs (deployment_id, requests)
    WHERE state IN ('waiting', 'submitting', 'unclear', 'submitted') AND deployment_id IS NOT NULL;

-- They outlive their jobs and batches.
CREATE TABLE {prefix}charges (
    id TEXT NOT NULL PRIMARY KEY,
    job_id TEXT NOT NULL,
    batch_id TEXT NOT NULL,
    deployment_id TEXT NOT NULL,
    owner TEXT NOT NULL,
    created_by TEXT,
    model TEXT NOT NULL,
    usage TEXT NOT NULL, -- JSON object
    cost TEXT,
    price_source TEXT,
    corrects TEXT, -- the charge that this one corrects
    created_at INTEGER NOT NULL
);

CREATE UNIQUE INDEX {prefix}charges_by_job ON {prefix}charges (job_id, model) WHERE corrects IS NULL;
CREATE UNIQUE INDEX {prefix}charges_by_corrected ON {prefix}charges (corrects);
CREATE INDEX {prefix}charges_by_batch ON {prefix}charges (batch_id);
CREATE INDEX {prefix}charges_by_owner ON {prefix}charges (owner, created_at);
CREATE INDEX {prefix}charges_by_key ON {prefix}charges (created_by, created_at);

CREATE TABLE {prefix}events (
    id TEXT NOT NULL PRIMARY KEY,
    batch_id TEXT NOT NULL REFERENCES {prefix}batches (id),
    type TEXT NOT NULL,
    payload TEXT NOT NULL, -- JSON object
    created_at INTEGER NOT NULL
);

CREATE INDEX {prefix}events_by_batch ON {prefix}events (batch_id);

-- What each sink has got. An event without a row for a sink is still to be handed out to it.
CREATE TABLE {prefix}event_deliveries (
    event_id TEXT NOT NULL REFERENCES {prefix}events (id) ON DELETE CASCADE,
    sink TEXT NOT NULL,
    state TEXT NOT NULL,
    error TEXT,
    attempts INTEGER NOT NULL,
    delivered_at INTEGER,
    next_check_at INTEGER,
    claimed_by TEXT,
    claimed_until INTEGER,
    epoch INTEGER NOT NULL,
    PRIMARY KEY (event_id, sink)
);

CREATE INDEX {prefix}event_deliveries_due ON {prefix}event_deliveries (sink, next_check_at)
    WHERE next_check_at IS NOT NULL;

CREATE TABLE {prefix}idempotency (
    owner TEXT NOT NULL,
    "key" TEXT NOT NULL,
    request_fingerprint TEXT NOT NULL,
    object_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (owner, "key")
);

CREATE INDEX {prefix}idempotency_by_time ON {prefix}idempotency (created_at);

-- What an open batch holds of the limits of a key, user or team.
CREATE TABLE {prefix}reservations (
    scope TEXT NOT NULL, -- such as `team:search`
    batch_id TEXT NOT NULL REFERENCES {prefix}batches (id),
    requests INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (scope, batch_id)
);

CREATE INDEX {prefix}reservations_by_batch ON {prefix}reservations (batch_id);

CREATE TABLE {prefix}teams (
    id TEXT NOT NULL PRIMARY KEY,
    alias TEXT,
    models TEXT NOT NULL, -- JSON list; empty: all
    max_batch_requests INTEGER, -- null: no limit
    max_open_batches INTEGER,
    max_enqueued_requests INTEGER,
    max_enqueued_tokens INTEGER,
    max_file_bytes INTEGER,
    max_files INTEGER,
    max_budget TEXT, -- US dollars
    blocked INTEGER NOT NULL CHECK (blocked IN (0, 1)),
    metadata TEXT NOT NULL, -- JSON object
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    created_by TEXT
);

CREATE INDEX {prefix}teams_by_time ON {prefix}teams (created_at, id);

CREATE TABLE {prefix}users (
    id TEXT NOT NULL PRIMARY KEY,
    alias TEXT,
    models TEXT NOT NULL, -- JSON list; empty: all
    max_batch_requests INTEGER, -- null: no limit
    max_open_batches INTEGER,
    max_enqueued_requests INTEGER,
    max_enqueued_tokens INTEGER,
    max_file_bytes INTEGER,
    max_files INTEGER,
    max_budget TEXT, -- US dollars
    blocked INTEGER NOT NULL CHECK (blocked IN (0, 1)),
    metadata TEXT NOT NULL, -- JSON object
    email TEXT,
    role TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    created_by TEXT
);

CREATE INDEX {prefix}users_by_time ON {prefix}users (created_at, id);

CREATE TABLE {prefix}virtual_keys (
    id TEXT NOT NULL PRIMARY KEY,
    alias TEXT,
    models TEXT NOT NULL, -- JSON list; empty: all
    max_batch_requests INTEGER, -- null: no limit
    max_open_batches INTEGER,
    max_enqueued_requests INTEGER,
    max_enqueued_tokens INTEGER,
    max_file_bytes INTEGER,
    max_files INTEGER,
    max_budget TEXT, -- US dollars
    blocked INTEGER NOT NULL CHECK (blocked IN (0, 1)),
    metadata TEXT NOT NULL, -- JSON object
    token TEXT NOT NULL UNIQUE, -- SHA-256 of the key, which itself is kept nowhere
    hint TEXT NOT NULL, -- enough of it to tell keys apart
    user_id TEXT REFERENCES {prefix}users (id) ON DELETE CASCADE,
    team_id TEXT REFERENCES {prefix}teams (id) ON DELETE CASCADE,
    expires_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    created_by TEXT
);

CREATE INDEX {prefix}virtual_keys_by_time ON {prefix}virtual_keys (created_at, id);
CREATE UNIQUE INDEX {prefix}virtual_keys_by_alias ON {prefix}virtual_keys (alias);
CREATE INDEX {prefix}virtual_keys_by_team ON {prefix}virtual_keys (team_id, created_at, id);
CREATE INDEX {prefix}virtual_keys_by_user ON {prefix}virtual_keys (user_id, created_at, id);
