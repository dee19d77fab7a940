-- Moments are integer microseconds since 1970, UTC. Ids are ordered by their bytes, as everywhere else.
-- The types in braces are the database's own.
-- Files may be removed while batches still name them, so that what names a file is no foreign key.

CREATE TABLE installation (
    singleton integer PRIMARY KEY CHECK (singleton = 1),
    id text COLLATE "C" NOT NULL,
    schema_version integer NOT NULL,
    fingerprint text, -- of where the database lives; null: not known yet
    created_at bigint NOT NULL
);

-- What each process on this database says of itself.
CREATE TABLE heartbeats (
    worker text COLLATE "C" NOT NULL PRIMARY KEY,
    deployments jsonb NOT NULL, -- object: lists of virtual models by deployment
    since bigint NOT NULL, -- from when on heartbeats have never lapsed
    seen_at bigint NOT NULL
);

CREATE TABLE files (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    owner text COLLATE "C" NOT NULL,
    created_by text COLLATE "C",
    kind text NOT NULL,
    purpose text COLLATE "C" NOT NULL,
    filename text NOT NULL,
    bytes bigint NOT NULL CHECK (bytes >= 0),
    sha256 text,
    models jsonb NOT NULL, -- list
    endpoint text,
    lines bigint NOT NULL,
    id_count bigint NOT NULL,
    id_sum text NOT NULL, -- 32 hexadecimal digits
    status text NOT NULL,
    created_at bigint NOT NULL,
    accepted_at bigint, -- null: listed nowhere
    expires_at bigint,
    deleted_at bigint,
    batch_id text COLLATE "C", -- the batch that wrote it
    tokens bigint NOT NULL,
    request_fingerprint text COLLATE "C",
    answering_until bigint,
    answered_at bigint,
    next_shard integer NOT NULL
);

CREATE INDEX files_by_owner ON files (owner, created_at, id)
    WHERE accepted_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX files_by_owner_purpose ON files (owner, purpose, created_at, id)
    WHERE accepted_at IS NOT NULL AND deleted_at IS NULL;
-- `+ 0`: whoever asks for one owner's newest shall not be led through everybody's
CREATE INDEX files_by_time ON files ((created_at + 0), id)
    WHERE accepted_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX files_by_purpose ON files (purpose, (created_at + 0), id)
    WHERE accepted_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX files_by_expiry ON files (expires_at, id)
    WHERE accepted_at IS NOT NULL AND deleted_at IS NULL AND expires_at IS NOT NULL;
CREATE INDEX files_by_deletion ON files (deleted_at, id) WHERE deleted_at IS NOT NULL;
CREATE INDEX files_by_batch ON files (batch_id) WHERE batch_id IS NOT NULL;

-- What a client may ask for once more because it has had no answer.
CREATE INDEX files_unanswered ON files (request_fingerprint, created_at, id)
    WHERE answered_at IS NULL AND request_fingerprint IS NOT NULL;

-- The models of files that are accepted and not deleted, for lists.
CREATE TABLE file_models (
    file_id text COLLATE "C" NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    model text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL, -- the file's, as are the others
    purpose text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (file_id, model)
);

CREATE INDEX file_models_by_owner ON file_models (owner, model, created_at, file_id);
CREATE INDEX file_models_by_owner_purpose
    ON file_models (owner, model, purpose, created_at, file_id);
CREATE INDEX file_models_by_time ON file_models (model, (created_at + 0), file_id);
CREATE INDEX file_models_by_purpose
    ON file_models (model, purpose, (created_at + 0), file_id);

-- A file's place among those of a key, user or team, while it is not deleted.
CREATE TABLE file_holds (
    scope text COLLATE "C" NOT NULL, -- such as `team:search`
    file_id text COLLATE "C" NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    PRIMARY KEY (scope, file_id)
);

CREATE INDEX file_holds_by_file ON file_holds (file_id);

-- The lines of an input that run as one provider job.
CREATE TABLE file_shards (
    file_id text COLLATE "C" NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    shard integer NOT NULL,
    batch_id text COLLATE "C", -- the batch that it was derived for; null: a tile of the file
    root integer, -- of a derived one: the tile that its lines are of
    lines_of_root bytea, -- of a derived one: a bitmap
    "start" bigint NOT NULL,
    bytes bigint NOT NULL,
    first_line bigint NOT NULL,
    lines bigint NOT NULL,
    id_count bigint NOT NULL,
    id_sum text NOT NULL, -- 32 hexadecimal digits
    tokens bigint NOT NULL,
    PRIMARY KEY (file_id, shard)
);

CREATE INDEX file_shards_by_batch ON file_shards (batch_id) WHERE batch_id IS NOT NULL;

CREATE TABLE file_copies (
    file_id text COLLATE "C" NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    shard integer NOT NULL,
    deployment_id text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL, -- the file's
    provider_file_id text,
    model text COLLATE "C", -- the name that its lines were sent with
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
    claimed_by text COLLATE "C",
    claimed_until bigint,
    epoch bigint NOT NULL,
    PRIMARY KEY (file_id, shard, deployment_id)
);

-- Whether anything is due, by one look. Only who says `>= 0` is led to it: what is due is chosen by the next.
CREATE INDEX file_copies_due ON file_copies (deployment_id, next_check_at)
    WHERE next_check_at >= 0;
CREATE INDEX file_copies_due_by_owner
    ON file_copies (deployment_id, owner, next_check_at, file_id, shard)
    WHERE next_check_at IS NOT NULL;
CREATE INDEX file_copies_in_use ON file_copies (deployment_id)
    WHERE state <> 'deleted' OR next_check_at >= 0;

CREATE TABLE file_parts (
    file_id text COLLATE "C" NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    seq integer NOT NULL CHECK (seq >= 0),
    kind text NOT NULL,
    bytes bigint NOT NULL,
    deployment_id text COLLATE "C",
    provider_file_id text,
    provider_bytes bigint,
    end_line smallint NOT NULL CHECK (end_line IN (0, 1)), -- a newline is added behind the provider's bytes
    digest text, -- of the provider's whole file, hexadecimal
    rows bytea,
    PRIMARY KEY (file_id, seq)
);

CREATE TABLE batches (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    owner text COLLATE "C" NOT NULL,
    created_by text COLLATE "C",
    input_file_id text COLLATE "C" NOT NULL,
    endpoint text NOT NULL,
    completion_window text NOT NULL,
    model text COLLATE "C" NOT NULL,
    metadata jsonb, -- object
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
    counts jsonb NOT NULL, -- object
    usage jsonb, -- object
    cost numeric,
    errors jsonb NOT NULL, -- list
    output_file_id text COLLATE "C",
    error_file_id text COLLATE "C",
    cancel_requested_at bigint,
    looked_at bigint,
    request_fingerprint text COLLATE "C",
    answering_until bigint,
    answered_at bigint
);

CREATE INDEX batches_by_owner ON batches (owner, created_at, id);
CREATE INDEX batches_by_owner_model ON batches (owner, model, created_at, id);
CREATE INDEX batches_by_model ON batches (model, created_at, id);
CREATE INDEX batches_by_time ON batches ((created_at + 0), id);
CREATE INDEX batches_unanswered ON batches (request_fingerprint, created_at, id)
    WHERE answered_at IS NULL AND request_fingerprint IS NOT NULL;
CREATE INDEX batches_open_by_input_file ON batches (input_file_id)
    WHERE status IN ('validating', 'in_progress', 'finalizing', 'cancelling');

CREATE TABLE jobs (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    batch_id text COLLATE "C" NOT NULL REFERENCES batches (id),
    owner text COLLATE "C" NOT NULL, -- the batch's
    shard integer NOT NULL,
    attempt integer NOT NULL,
    requests bigint NOT NULL,
    deployment_id text COLLATE "C", -- null: waiting for any
    provider_file_id text,
    submit_started_at bigint,
    state text NOT NULL,
    provider_batch_id text,
    snapshot jsonb, -- object
    reason text,
    search_until bigint,
    to_cancel smallint NOT NULL CHECK (to_cancel IN (0, 1)),
    cancel_sent_at bigint,
    reads jsonb NOT NULL, -- list
    created_at bigint NOT NULL,
    next_check_at bigint, -- null: never
    refresh_from bigint, -- from when on a client's wish may bring that forward; null: never
    checks integer NOT NULL,
    copy_refusals integer NOT NULL,
    claimed_by text COLLATE "C",
    claimed_until bigint,
    epoch bigint NOT NULL,
    UNIQUE (batch_id, shard, attempt)
);

-- As of file_copies, apart for each kind of work. Coalesced, for no index is walked by IS NOT DISTINCT FROM.
CREATE INDEX jobs_due ON jobs (
    coalesce(deployment_id, ''),
    (CASE state WHEN 'submitted' THEN 'look' WHEN 'unclear' THEN 'search' WHEN 'watched' THEN 'search'
        WHEN 'ended' THEN 'settle' ELSE 'place' END),
    next_check_at
) WHERE next_check_at >= 0;
CREATE INDEX jobs_due_by_owner ON jobs (
    coalesce(deployment_id, ''),
    (CASE state WHEN 'submitted' THEN 'look' WHEN 'unclear' THEN 'search' WHEN 'watched' THEN 'search'
        WHEN 'ended' THEN 'settle' ELSE 'place' END),
    owner, next_check_at, id
) WHERE next_check_at IS NOT NULL;
CREATE INDEX jobs_open ON jobs (deployment_id, requests)
    WHERE state IN ('waiting', 'submitting', 'unclear', 'submitted') AND deployment_id IS NOT NULL;

-- They outlive their jobs and batches.
CREATE TABLE charges (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    job_id text COLLATE "C" NOT NULL,
    batch_id text COLLATE "C" NOT NULL,
    deployment_id text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    created_by text COLLATE "C",
    model text COLLATE "C" NOT NULL,
    usage jsonb NOT NULL, -- object
    cost numeric,
    price_source text,
    corrects text COLLATE "C", -- the charge that this one corrects
    created_at bigint NOT NULL
);

CREATE UNIQUE INDEX charges_by_job ON charges (job_id, model) WHERE corrects IS NULL;
CREATE UNIQUE INDEX charges_by_corrected ON charges (corrects);
CREATE INDEX charges_by_batch ON charges (batch_id);
CREATE INDEX charges_by_owner ON charges (owner, created_at);
CREATE INDEX charges_by_key ON charges (created_by, created_at);

CREATE TABLE events (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    batch_id text COLLATE "C" NOT NULL REFERENCES batches (id),
    type text NOT NULL,
    payload jsonb NOT NULL, -- object
    created_at bigint NOT NULL
);

CREATE INDEX events_by_batch ON events (batch_id);

-- What each sink has got. An event without a row for a sink is still to be handed out to it.
CREATE TABLE event_deliveries (
    event_id text COLLATE "C" NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    sink text COLLATE "C" NOT NULL,
    state text NOT NULL,
    error text,
    attempts integer NOT NULL,
    delivered_at bigint,
    next_check_at bigint,
    claimed_by text COLLATE "C",
    claimed_until bigint,
    epoch bigint NOT NULL,
    PRIMARY KEY (event_id, sink)
);

CREATE INDEX event_deliveries_due ON event_deliveries (sink, next_check_at)
    WHERE next_check_at IS NOT NULL;

CREATE TABLE idempotency (
    owner text COLLATE "C" NOT NULL,
    "key" text COLLATE "C" NOT NULL,
    request_fingerprint text NOT NULL,
    object_id text NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (owner, "key")
);

CREATE INDEX idempotency_by_time ON idempotency (created_at);

-- What an open batch holds of the limits of a key, user or team.
CREATE TABLE reservations (
    scope text COLLATE "C" NOT NULL, -- such as `team:search`
    batch_id text COLLATE "C" NOT NULL REFERENCES batches (id),
    requests bigint NOT NULL,
    tokens bigint NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (scope, batch_id)
);

CREATE INDEX reservations_by_batch ON reservations (batch_id);

CREATE TABLE teams (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    alias text,
    models jsonb NOT NULL, -- list; empty: all
    max_batch_requests bigint, -- null: no limit
    max_open_batches bigint,
    max_enqueued_requests bigint,
    max_enqueued_tokens bigint,
    max_file_bytes bigint,
    max_files bigint,
    max_budget numeric, -- US dollars
    blocked smallint NOT NULL CHECK (blocked IN (0, 1)),
    metadata jsonb NOT NULL, -- object
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    created_by text
);

CREATE INDEX teams_by_time ON teams (created_at, id);

CREATE TABLE users (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    alias text,
    models jsonb NOT NULL, -- list; empty: all
    max_batch_requests bigint, -- null: no limit
    max_open_batches bigint,
    max_enqueued_requests bigint,
    max_enqueued_tokens bigint,
    max_file_bytes bigint,
    max_files bigint,
    max_budget numeric, -- US dollars
    blocked smallint NOT NULL CHECK (blocked IN (0, 1)),
    metadata jsonb NOT NULL, -- object
    email text,
    role text,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    created_by text
);

CREATE INDEX users_by_time ON users (created_at, id);

CREATE TABLE virtual_keys (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    alias text,
    models jsonb NOT NULL, -- list; empty: all
    max_batch_requests bigint, -- null: no limit
    max_open_batches bigint,
    max_enqueued_requests bigint,
    max_enqueued_tokens bigint,
    max_file_bytes bigint,
    max_files bigint,
    max_budget numeric, -- US dollars
    blocked smallint NOT NULL CHECK (blocked IN (0, 1)),
    metadata jsonb NOT NULL, -- object
    token text NOT NULL UNIQUE, -- SHA-256 of the key, which itself is kept nowhere
    hint text NOT NULL, -- enough of it to tell keys apart
    user_id text COLLATE "C" REFERENCES users (id) ON DELETE CASCADE,
    team_id text COLLATE "C" REFERENCES teams (id) ON DELETE CASCADE,
    expires_at bigint,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    created_by text
);

CREATE INDEX virtual_keys_by_time ON virtual_keys (created_at, id);
CREATE UNIQUE INDEX virtual_keys_by_alias ON virtual_keys (alias);
CREATE INDEX virtual_keys_by_team ON virtual_keys (team_id, created_at, id);
CREATE INDEX virtual_keys_by_user ON virtual_keys (user_id, created_at, id);

-- What each writer committed last: a COMMIT whose answer was lost is resolved by reading it.
CREATE TABLE receipts (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    number bigint NOT NULL,
    written_at bigint NOT NULL
) WITH (fillfactor = 50);

-- What a batch waits for, and where it is.

ALTER TABLE batches ADD COLUMN deployment_id text COLLATE "C";
ALTER TABLE batches ADD COLUMN waiting_for jsonb; -- object

UPDATE batches SET deployment_id = (
    SELECT jobs.deployment_id FROM jobs AS jobs
    WHERE jobs.batch_id = batches.id
    ORDER BY jobs.shard, jobs.attempt DESC LIMIT 1
);

-- What was spent, by day, and what budgets have been used up.

-- Successful ones that the cost of a batch leaves out.
ALTER TABLE batches ADD COLUMN unpriced_requests bigint NOT NULL DEFAULT 0;

-- The scopes whose limits a batch counts in, such as `team:search`. Its charges and their corrections are
-- put on the budgets of the same ones, though the key may be gone by then.
ALTER TABLE batches ADD COLUMN scopes jsonb NOT NULL DEFAULT '[]'; -- list
ALTER TABLE charges ADD COLUMN scopes jsonb NOT NULL DEFAULT '[]'; -- list

-- The estimate of an open batch, in 1e-9 US dollars.
ALTER TABLE reservations ADD COLUMN cost bigint NOT NULL DEFAULT 0;

ALTER TABLE teams ADD COLUMN soft_budget numeric; -- US dollars
ALTER TABLE teams ADD COLUMN budget_duration text; -- such as `30d`
ALTER TABLE users ADD COLUMN soft_budget numeric;
ALTER TABLE users ADD COLUMN budget_duration text;
ALTER TABLE virtual_keys ADD COLUMN soft_budget numeric;
ALTER TABLE virtual_keys ADD COLUMN budget_duration text;

-- The sums of the charges of a UTC day.
CREATE TABLE spend_daily (
    day bigint NOT NULL, -- days since 1970
    owner text COLLATE "C" NOT NULL,
    "key" text COLLATE "C" NOT NULL, -- '': made without a key
    team text COLLATE "C" NOT NULL, -- '': of no team
    model text COLLATE "C" NOT NULL, -- the one that answered
    deployment text COLLATE "C" NOT NULL,
    cost bigint NOT NULL, -- 1e-9 US dollars
    input_tokens bigint NOT NULL,
    cached_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    requests bigint NOT NULL,
    unpriced_requests bigint NOT NULL,
    batches bigint NOT NULL, -- charges that correct no other
    PRIMARY KEY (day, owner, "key", team, model, deployment)
) ;

CREATE INDEX spend_daily_by_owner ON spend_daily (owner, day);

-- What was charged to a scope on a UTC day.
CREATE TABLE budgets (
    scope text COLLATE "C" NOT NULL,
    day bigint NOT NULL, -- days since 1970
    spent bigint NOT NULL, -- 1e-9 US dollars
    PRIMARY KEY (scope, day)
) ;

-- What follows fills them from what is there.

UPDATE batches SET scopes = (
    SELECT jsonb_agg(scope) FROM reservations AS reservations
    WHERE reservations.batch_id = batches.id
)
WHERE id IN (SELECT batch_id FROM reservations AS reservations);

UPDATE charges SET scopes = (
    SELECT jsonb_agg(scope) FROM (
        SELECT owner AS scope
        WHERE substr(owner, 1, 5) IN ('team:', 'user:') OR substr(owner, 1, 4) = 'key:'
        UNION
        SELECT 'key:' || created_by WHERE created_by IS NOT NULL
        UNION
        SELECT 'user:' || user_id FROM virtual_keys AS virtual_keys
        WHERE virtual_keys.id = created_by AND user_id IS NOT NULL
        UNION
        SELECT 'team:' || team_id FROM virtual_keys AS virtual_keys
        WHERE virtual_keys.id = created_by AND team_id IS NOT NULL
    ) AS scopes_of_charge
);

INSERT INTO spend_daily (
    day, owner, "key", team, model, deployment,
    cost, input_tokens, cached_tokens, output_tokens, requests, unpriced_requests, batches
)
SELECT
    created_at / 86400000000, owner, coalesce(created_by, ''),
    CASE substr(owner, 1, 5) WHEN 'team:' THEN substr(owner, 6) ELSE '' END, model, deployment_id,
    sum(CAST(coalesce(round(CAST(cost AS numeric) * 1000000000), 0) AS bigint)),
    sum(CAST(coalesce(usage ->> 'input_tokens', '0') AS bigint)),
    sum(CAST(coalesce(usage ->> 'cached_tokens', '0') AS bigint)),
    sum(CAST(coalesce(usage ->> 'output_tokens', '0') AS bigint)),
    sum(CAST(coalesce(usage ->> 'requests', '0') AS bigint)),
    sum(CAST(coalesce(usage ->> 'unpriced_requests', '0') AS bigint)),
    count(*) - count(corrects)
FROM charges AS charges
GROUP BY 1, 2, 3, 4, 5, 6;

INSERT INTO budgets (scope, day, spent)
SELECT value, created_at / 86400000000, sum(CAST(round(CAST(cost AS numeric) * 1000000000) AS bigint))
FROM charges AS charges CROSS JOIN jsonb_array_elements_text(charges.scopes) AS scopes_of_charge (value)
WHERE cost IS NOT NULL
GROUP BY 1, 2;

UPDATE batches SET cost = (
    SELECT CASE WHEN count(*) = count(nanodollars) THEN CAST(
        CAST(CAST(sum(nanodollars) AS bigint) / 1000000000 AS text) || '.'
        || substr(CAST(1000000000 + CAST(sum(nanodollars) AS bigint) % 1000000000 AS text), 2)
        AS numeric
    ) END
    FROM (
        SELECT CAST(round(CAST(charges.cost AS numeric) * 1000000000) AS bigint) AS nanodollars
        FROM charges AS charges WHERE charges.batch_id = batches.id
    ) AS of_batch
)
WHERE cost IS NULL AND id IN (SELECT batch_id FROM charges AS charges);

UPDATE batches SET unpriced_requests = (
    SELECT CAST(coalesce(sum(CAST(coalesce(charges.usage ->> 'unpriced_requests', '0') AS bigint)), 0) AS bigint)
    FROM charges AS charges WHERE charges.batch_id = batches.id
)
WHERE id IN (SELECT batch_id FROM charges AS charges);

-- What the answers to a batch input may be as long as; null: not known, as of files that are no batch inputs.

ALTER TABLE files ADD COLUMN output_tokens bigint; -- sum of the limits that lines set
ALTER TABLE files ADD COLUMN unlimited_answers bigint; -- answers that no line limits

-- Open batches are counted by their status from the index alone that finds those of a file.

DROP INDEX batches_open_by_input_file;
CREATE INDEX batches_open_by_input_file ON batches (input_file_id, status)
    WHERE status IN ('validating', 'in_progress', 'finalizing', 'cancelling');

-- Where owners want to be told of their batches. The signing secrets are derived, and kept nowhere.

CREATE TABLE webhook_endpoints (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    owner text COLLATE "C" NOT NULL,
    created_by text COLLATE "C",
    name text NOT NULL,
    url text NOT NULL,
    event_types jsonb NOT NULL, -- list
    version bigint NOT NULL,
    key_fingerprint text NOT NULL,
    secret_hint text NOT NULL, -- enough of it to tell secrets apart
    old_key_fingerprint text,
    keeps_old_until bigint,
    rotated_at bigint,
    disabled_at bigint, -- null: in use
    disabled_reason text,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);

CREATE INDEX webhook_endpoints_by_owner ON webhook_endpoints (owner, created_at, id);
CREATE INDEX webhook_endpoints_by_time ON webhook_endpoints ((created_at + 0), id);

-- Events of any subject, each with its number there, and what is still to be told to whom.

-- Nothing was ever read from it or written to it.
DROP TABLE event_deliveries;

ALTER TABLE events RENAME TO events_before;
DROP INDEX events_by_batch;

-- They go with their subject, which may be a batch, a file or something that has no row: no foreign key.
CREATE TABLE events (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    subject text COLLATE "C" NOT NULL,
    seq bigint NOT NULL, -- counted from 1 within the subject
    type text NOT NULL,
    batch_id text COLLATE "C",
    owner text COLLATE "C",
    payload jsonb NOT NULL, -- object
    created_at bigint NOT NULL
);

INSERT INTO events (id, subject, seq, type, batch_id, owner, payload, created_at)
SELECT
    id, batch_id, row_number() OVER (PARTITION BY batch_id ORDER BY created_at, id), type, batch_id,
    (SELECT owner FROM batches AS batches WHERE batches.id = batch_id), payload, created_at
FROM events_before;

DROP TABLE events_before;

CREATE UNIQUE INDEX events_by_subject ON events (subject, seq);

-- To whom events are told: whoever writes an event writes a delivery for each of them.
CREATE TABLE sinks (
    name text COLLATE "C" NOT NULL PRIMARY KEY,
    is_ordered smallint NOT NULL CHECK (is_ordered IN (0, 1)), -- within a subject
    registered_at bigint NOT NULL,
    last_seen_at bigint NOT NULL
);

-- What a sink has not taken yet. A sink may be forgotten before they are removed: no foreign key.
CREATE TABLE event_deliveries (
    sink text COLLATE "C" NOT NULL,
    event_id text COLLATE "C" NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    subject text COLLATE "C" NOT NULL, -- the event's, as are the two that follow
    seq bigint NOT NULL,
    owner text COLLATE "C",
    state text NOT NULL,
    error text,
    attempts integer NOT NULL,
    next_check_at bigint, -- null: never
    claimed_by text COLLATE "C",
    claimed_until bigint,
    epoch bigint NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (event_id, sink)
);

CREATE INDEX event_deliveries_due ON event_deliveries (sink, next_check_at, event_id)
    WHERE next_check_at IS NOT NULL;
CREATE INDEX event_deliveries_by_subject ON event_deliveries (sink, subject, seq);
CREATE INDEX event_deliveries_dead ON event_deliveries (event_id, sink)
    WHERE state = 'dead';

-- What is still to be told, counted by what it is told to: the endpoints of webhooks, of which there may be
-- any number, count as one. To the letter as in the fragment `told_to`.
CREATE INDEX event_deliveries_pending ON event_deliveries (
    (CASE WHEN substr(sink, 1, 5) = 'we_lb' THEN 'webhooks' ELSE sink END), created_at
) WHERE state = 'pending';
CREATE INDEX event_deliveries_dead_by_sink ON event_deliveries (
    (CASE WHEN substr(sink, 1, 5) = 'we_lb' THEN 'webhooks' ELSE sink END)
) WHERE state = 'dead';

-- What was told last of something that has no row of its own, such as a budget: nothing is told twice.
CREATE TABLE told (
    subject text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL, -- what of the subject
    mark text, -- another one is told though it is not over
    until bigint, -- null: for ever
    PRIMARY KEY (subject, name)
) ;

CREATE INDEX told_by_end ON told (until) WHERE until IS NOT NULL;

-- The budgets of scopes, as they were when a batch was made last.
CREATE TABLE scope_budgets (
    scope text COLLATE "C" NOT NULL,
    duration text COLLATE "C" NOT NULL, -- such as `30d`; '': for ever
    whose text NOT NULL,
    soft_budget numeric, -- US dollars, as the next
    max_budget numeric,
    seen_at bigint NOT NULL,
    PRIMARY KEY (scope, duration)
) ;

CREATE INDEX scope_budgets_by_time ON scope_budgets (seen_at);

-- Events of operators, which go with no batch and no file.
CREATE INDEX events_of_operators ON events (created_at, id)
    WHERE owner IS NULL AND batch_id IS NULL;

-- The span of the request that has made a file or a batch, as W3C Trace Context writes it; null: there was none.

ALTER TABLE files ADD COLUMN traceparent text;
ALTER TABLE batches ADD COLUMN traceparent text;

-- What estimates of costs need to hold: which parts are guessed, and which requests cost more a token.

ALTER TABLE files ADD COLUMN guessed_tokens bigint NOT NULL DEFAULT 0; -- a part of tokens
ALTER TABLE files ADD COLUMN long_requests jsonb; -- list; null: not known

-- Whether nobody knew the cost of an open batch when it was made; one of 0 may have been such a one.
ALTER TABLE reservations ADD COLUMN unpriced bigint NOT NULL DEFAULT 0; -- 1: nobody knew it
UPDATE reservations SET unpriced = 1 WHERE cost = 0;

-- US dollars that a batch was estimated at, and that requests without a price count on budgets.
ALTER TABLE batches ADD COLUMN estimated_cost numeric;
ALTER TABLE charges ADD COLUMN assumed_cost numeric;

UPDATE batches SET estimated_cost = (
    SELECT CAST(
        CAST(max(cost) / 1000000000 AS text) || '.' || substr(CAST(1000000000 + max(cost) % 1000000000 AS text), 2)
        AS numeric
    )
    FROM reservations AS reservations WHERE reservations.batch_id = batches.id
)
WHERE id IN (SELECT batch_id FROM reservations AS reservations WHERE cost > 0);

-- First charges since a moment, for repricing.
CREATE INDEX charges_by_time ON charges (created_at, id) WHERE corrects IS NULL;

-- Who sends to an endpoint, and how it has gone so far. What is to be sent to it lies in event_deliveries.

ALTER TABLE webhook_endpoints ADD COLUMN failures bigint NOT NULL DEFAULT 0; -- since the last success
ALTER TABLE webhook_endpoints ADD COLUMN tried_at bigint;
ALTER TABLE webhook_endpoints ADD COLUMN next_attempt_at bigint; -- null: whenever something is due
ALTER TABLE webhook_endpoints ADD COLUMN claimed_by text COLLATE "C";
ALTER TABLE webhook_endpoints ADD COLUMN claimed_until bigint;
ALTER TABLE webhook_endpoints ADD COLUMN epoch bigint NOT NULL DEFAULT 0;

-- Bytes that no provider keeps for us: a row for each content, wherever its bytes are.
CREATE TABLE contents (
    "key" text COLLATE "C" NOT NULL PRIMARY KEY,
    store text COLLATE "C" NOT NULL,
    state text NOT NULL,
    bytes bigint, -- null: not known yet
    watch_until bigint,
    created_at bigint NOT NULL,
    next_check_at bigint, -- null: never
    claimed_by text COLLATE "C",
    claimed_until bigint,
    epoch bigint NOT NULL
);

CREATE INDEX contents_due ON contents (next_check_at, "key") WHERE next_check_at IS NOT NULL;

-- Those that are in the database. No row goes before its chunks are gone.
CREATE TABLE content_chunks (
    "key" text COLLATE "C" NOT NULL REFERENCES contents ("key"),
    seq integer NOT NULL CHECK (seq >= 0),
    chunk bytea NOT NULL,
    PRIMARY KEY ("key", seq)
);

-- A part says what its content is and where: whoever reads it needs no more.
ALTER TABLE file_parts ADD COLUMN content_key text COLLATE "C";
ALTER TABLE file_parts ADD COLUMN store text COLLATE "C";

-- Files that are sent in parts, before they are files.
CREATE TABLE uploads (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    owner text COLLATE "C" NOT NULL,
    created_by text COLLATE "C",
    filename text NOT NULL,
    purpose text NOT NULL,
    bytes bigint NOT NULL,
    mime_type text NOT NULL,
    models jsonb NOT NULL, -- list
    expires_after_seconds bigint, -- null: as files of the purpose do
    status text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    ended_at bigint, -- null: pending
    parts bigint NOT NULL,
    held_bytes bigint NOT NULL,
    file_id text COLLATE "C",
    completion text,
    request_key text COLLATE "C",
    request_fingerprint text
);

CREATE INDEX uploads_pending ON uploads (expires_at, id) WHERE status = 'pending';
CREATE INDEX uploads_ended ON uploads (ended_at, id) WHERE ended_at IS NOT NULL;
CREATE INDEX uploads_by_key ON uploads (owner, request_key, created_at)
    WHERE request_key IS NOT NULL;

CREATE TABLE upload_parts (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    upload_id text COLLATE "C" NOT NULL REFERENCES uploads (id),
    bytes bigint NOT NULL,
    content_key text COLLATE "C" NOT NULL,
    store text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL
);

CREATE INDEX upload_parts_by_upload ON upload_parts (upload_id, id);

-- Whether a provider's batch is one that a job names, for providers that do not tell whose it is.

CREATE INDEX jobs_by_provider_batch ON jobs (provider_batch_id, deployment_id)
    WHERE provider_batch_id IS NOT NULL;

-- Batch inputs in shards: a file of before is one tile, and a job of before runs it.
ALTER TABLE file_shards ADD COLUMN sha256 text; -- hexadecimal

INSERT INTO file_shards (
    file_id, shard, root, "start", bytes, first_line, lines, id_count, id_sum, tokens, sha256
)
SELECT id, 0, 0, 0, bytes, 0, lines, id_count, id_sum, tokens, sha256
FROM files AS files
WHERE kind = 'input' AND endpoint IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM file_shards AS file_shards WHERE file_id = files.id AND shard = 0
);

ALTER TABLE batches ADD COLUMN options jsonb; -- object
ALTER TABLE batches ADD COLUMN retry_of text COLLATE "C"; -- the batch whose undone lines it runs

ALTER TABLE jobs ADD COLUMN root integer NOT NULL DEFAULT 0; -- the tile that its lines are of
ALTER TABLE jobs ADD COLUMN parent integer; -- the shard whose job has left its lines undone
ALTER TABLE jobs ADD COLUMN stop_requested_at bigint; -- null: nobody wants it stopped
ALTER TABLE jobs ADD COLUMN stop_reason text;
ALTER TABLE jobs ADD COLUMN may_hand_on smallint NOT NULL DEFAULT 0 CHECK (may_hand_on IN (0, 1));
ALTER TABLE jobs ADD COLUMN outcome jsonb; -- object
ALTER TABLE jobs ADD COLUMN errors jsonb NOT NULL DEFAULT '[]'; -- list
ALTER TABLE jobs ADD COLUMN progress_at bigint; -- when a look last showed more requests done
ALTER TABLE jobs ADD COLUMN looked_since bigint; -- since when looks follow without a gap
ALTER TABLE jobs ADD COLUMN late_from bigint; -- from when on every look asks whether it is late

ALTER TABLE file_parts ADD COLUMN place bigint NOT NULL DEFAULT 0; -- orders parts before seq
CREATE INDEX file_parts_in_order ON file_parts (file_id, place, seq);

-- What operators and placing know of deployments, and jobs as operators see them.
CREATE TABLE deployment_limits (
    deployment_id text COLLATE "C" NOT NULL,
    model text COLLATE "C" NOT NULL, -- by the provider's name
    tokens bigint NOT NULL,
    learned_at bigint NOT NULL,
    PRIMARY KEY (deployment_id, model)
);

CREATE TABLE drained_deployments (
    deployment_id text COLLATE "C" NOT NULL PRIMARY KEY,
    drained_at bigint NOT NULL
);

ALTER TABLE jobs ADD COLUMN tokens bigint NOT NULL DEFAULT 0; -- of its requests; 0: not known

UPDATE jobs AS jobs SET tokens = coalesce((
    SELECT file_shards.tokens
    FROM batches AS batches, file_shards AS file_shards
    WHERE batches.id = jobs.batch_id
        AND file_shards.file_id = batches.input_file_id AND file_shards.shard = jobs.shard
), 0)
WHERE state IN ('waiting', 'submitting', 'unclear', 'submitted');

CREATE INDEX jobs_to_look_at ON jobs (id) WHERE next_check_at IS NOT NULL;
CREATE INDEX jobs_to_look_at_by_deployment ON jobs (deployment_id, id)
    WHERE next_check_at IS NOT NULL;

-- What pages of operators and owners look for.

-- By status. Most batches have completed: whoever looks for those looks among all, or those of an owner or model.
-- `|| ''`: whoever asks for one owner's, or for open ones, shall not be led through everybody's.
CREATE INDEX batches_by_status ON batches ((status || ''), created_at, id)
    WHERE status <> 'completed';
CREATE INDEX batches_by_owner_status ON batches (owner, status, created_at, id)
    WHERE status <> 'completed';

CREATE INDEX batches_by_input_file ON batches (input_file_id, created_at, id);

-- Likewise, for whoever asks for what is open at a deployment.
CREATE INDEX jobs_by_deployment ON jobs ((deployment_id || ''), batch_id)
    WHERE deployment_id IS NOT NULL;

-- How deployments did lately: what jobs came to there, the last first.
ALTER TABLE jobs ADD COLUMN ended_at bigint; -- null: its deployment is not through with it
CREATE INDEX jobs_ended_at_deployment ON jobs (deployment_id, ended_at)
    WHERE ended_at IS NOT NULL;

-- Lines that we run ourselves, request by request: ranges of live jobs, and the results of their requests.

ALTER TABLE jobs ADD COLUMN lane text NOT NULL DEFAULT 'native';

-- A part that is what a live job has come to.
ALTER TABLE file_parts ADD COLUMN job_id text COLLATE "C";
CREATE INDEX file_parts_by_job ON file_parts (job_id) WHERE job_id IS NOT NULL;

-- They may outlive their jobs, until they are swept: no foreign key.
CREATE TABLE line_ranges (
    job_id text COLLATE "C" NOT NULL,
    seq integer NOT NULL,
    batch_id text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL, -- the batch's
    deployment_id text COLLATE "C" NOT NULL,
    first_line bigint NOT NULL, -- within the tile
    end_line bigint NOT NULL, -- behind the last one
    lines bigint NOT NULL,
    "start" bigint NOT NULL,
    bytes bigint NOT NULL,
    expires_at bigint NOT NULL, -- the batch's
    done bigint NOT NULL,
    failed bigint NOT NULL, -- of those that are done
    one_by_one smallint NOT NULL CHECK (one_by_one IN (0, 1)),
    trying bigint,
    tries integer NOT NULL,
    next_check_at bigint, -- null: never
    claimed_by text COLLATE "C",
    claimed_until bigint,
    epoch bigint NOT NULL,
    PRIMARY KEY (job_id, seq)
);

CREATE INDEX line_ranges_due ON line_ranges (deployment_id, owner, expires_at, job_id, seq)
    WHERE next_check_at IS NOT NULL;
CREATE INDEX line_ranges_held ON line_ranges (deployment_id, claimed_by)
    WHERE claimed_by IS NOT NULL;

CREATE TABLE line_results (
    job_id text COLLATE "C" NOT NULL,
    line integer NOT NULL, -- within the tile
    kind text NOT NULL,
    "row" bytea NOT NULL,
    PRIMARY KEY (job_id, line)
);

CREATE INDEX line_results_errors ON line_results (job_id, line) WHERE kind = 'error';

-- Who wants to be alone at a live deployment.
CREATE TABLE line_alone (
    deployment_id text COLLATE "C" NOT NULL PRIMARY KEY,
    worker text COLLATE "C" NOT NULL,
    until bigint NOT NULL
);

-- Live jobs whose results may have become of no use.
CREATE TABLE line_sweeps (
    job_id text COLLATE "C" NOT NULL PRIMARY KEY
);

-- What is spent on many days, read from few rows.

-- The sums of `spend_daily` by some of its columns. The others are '' here.
CREATE TABLE spend_rollups (
    fields text COLLATE "C" NOT NULL, -- by which columns beside the day, such as `model,deployment`
    day bigint NOT NULL, -- days since 1970
    owner text COLLATE "C" NOT NULL,
    "key" text COLLATE "C" NOT NULL,
    team text COLLATE "C" NOT NULL,
    model text COLLATE "C" NOT NULL,
    deployment text COLLATE "C" NOT NULL,
    cost bigint NOT NULL, -- 1e-9 US dollars
    input_tokens bigint NOT NULL,
    cached_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    requests bigint NOT NULL,
    unpriced_requests bigint NOT NULL,
    batches bigint NOT NULL, -- charges that correct no other
    PRIMARY KEY (fields, day, owner, "key", team, model, deployment)
) ;

CREATE INDEX spend_rollups_by_owner ON spend_rollups (fields, owner, day);

-- Whoever asks for one key's reads few of the rows, however they are put together.
CREATE INDEX spend_daily_by_key ON spend_daily ("key", day);

INSERT INTO spend_rollups
SELECT
    fields, day,
    CASE WHEN fields LIKE '%owner%' THEN owner ELSE '' END,
    CASE WHEN fields LIKE '%key%' THEN "key" ELSE '' END,
    CASE WHEN fields LIKE '%team%' THEN team ELSE '' END,
    CASE WHEN fields LIKE '%model%' THEN model ELSE '' END,
    CASE WHEN fields LIKE '%deployment%' THEN deployment ELSE '' END,
    sum(cost), sum(input_tokens), sum(cached_tokens), sum(output_tokens), sum(requests),
    sum(unpriced_requests), sum(batches)
FROM spend_daily AS spend_daily CROSS JOIN (
    SELECT 'model,deployment' AS fields
    UNION ALL SELECT 'owner,team'
    UNION ALL SELECT 'owner,team,model'
    UNION ALL SELECT 'owner,team,deployment'
    UNION ALL SELECT 'owner,key,team'
) AS rollups
GROUP BY 1, 2, 3, 4, 5, 6, 7;

-- Jobs by when they can be claimed: those that somebody has claimed do not stand before all others, in a round
-- of thousands of looks.

DROP INDEX jobs_due;
CREATE INDEX jobs_due ON jobs (
    coalesce(deployment_id, ''),
    (CASE state WHEN 'submitted' THEN 'look' WHEN 'unclear' THEN 'search' WHEN 'watched' THEN 'search'
        WHEN 'ended' THEN 'settle' ELSE 'place' END),
    (CASE WHEN claimed_until > next_check_at THEN claimed_until ELSE next_check_at END)
) WHERE next_check_at >= 0;

-- What a key has spent on each day: one row a day, for whoever asks no more about it.

CREATE INDEX spend_rollups_by_key ON spend_rollups (fields, "key", day);

-- Sessions of the page that somebody has signed out of, until their cookies would have run out anyway.

CREATE TABLE ended_sessions (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    until bigint NOT NULL
) ;

CREATE INDEX ended_sessions_by_end ON ended_sessions (until);

INSERT INTO installation ("singleton", "id", "schema_version", "fingerprint", "created_at") VALUES ('1', 'b06807f410de9d33', '18', NULL, '1795869352050990');
INSERT INTO heartbeats ("worker", "deployments", "since", "seen_at") VALUES ('worker', '{"east": ["gpt-4o-batch", "openai/*"]}', '1767323045678901', '1767323045678902');
INSERT INTO files ("id", "owner", "created_by", "kind", "purpose", "filename", "bytes", "sha256", "models", "endpoint", "lines", "id_count", "id_sum", "status", "created_at", "accepted_at", "expires_at", "deleted_at", "batch_id", "tokens", "request_fingerprint", "answering_until", "answered_at", "next_shard", "output_tokens", "unlimited_answers", "traceparent", "guessed_tokens", "long_requests") VALUES ('file-lb00000000000000000000000001', 'team:search', 'key-1', 'input', 'batch', E'naïve "name" ''quoted'' \\   😀', '1099511627776', '0000000000000000000000000000000000000000000000000000000000000000', '["gpt-4o-batch", "gpt-4o"]', '/v1/chat/completions', '2', '2', 'ffffffffffffffffffffffffffffffff', 'processed', '1767323045678901', '1767323045678901', '4922899200000000', NULL, NULL, '100', 'fingerprint', '1767323045678901', NULL, '3', '1099511627776', '1', NULL, '0', NULL);
INSERT INTO files ("id", "owner", "created_by", "kind", "purpose", "filename", "bytes", "sha256", "models", "endpoint", "lines", "id_count", "id_sum", "status", "created_at", "accepted_at", "expires_at", "deleted_at", "batch_id", "tokens", "request_fingerprint", "answering_until", "answered_at", "next_shard", "output_tokens", "unlimited_answers", "traceparent", "guessed_tokens", "long_requests") VALUES ('file-lb00000000000000000000000002', 'team:search', 'key-1', 'output', 'batch', 'in.jsonl', '400', '0000000000000000000000000000000000000000000000000000000000000000', '["gpt-4o-batch"]', '/v1/chat/completions', '2', '2', '80000000000000000000000000000001', 'uploaded', '1767323045678901', '1767323045678901', NULL, NULL, 'batch_lb00000000000000000000000001', '0', NULL, NULL, NULL, '1', NULL, NULL, NULL, '0', NULL);
INSERT INTO files ("id", "owner", "created_by", "kind", "purpose", "filename", "bytes", "sha256", "models", "endpoint", "lines", "id_count", "id_sum", "status", "created_at", "accepted_at", "expires_at", "deleted_at", "batch_id", "tokens", "request_fingerprint", "answering_until", "answered_at", "next_shard", "output_tokens", "unlimited_answers", "traceparent", "guessed_tokens", "long_requests") VALUES ('file-lb00000000000000000000000003', 'team:search', 'key-1', 'error', 'batch', 'in.jsonl', '400', '0000000000000000000000000000000000000000000000000000000000000000', '["gpt-4o-batch"]', '/v1/chat/completions', '2', '2', '80000000000000000000000000000001', 'uploaded', '1767323045678901', '1767323045678901', NULL, NULL, 'batch_lb00000000000000000000000001', '0', NULL, NULL, NULL, '1', NULL, NULL, NULL, '0', NULL);
INSERT INTO files ("id", "owner", "created_by", "kind", "purpose", "filename", "bytes", "sha256", "models", "endpoint", "lines", "id_count", "id_sum", "status", "created_at", "accepted_at", "expires_at", "deleted_at", "batch_id", "tokens", "request_fingerprint", "answering_until", "answered_at", "next_shard", "output_tokens", "unlimited_answers", "traceparent", "guessed_tokens", "long_requests") VALUES ('file-lb00000000000000000000000005', 'team:search', 'key-1', 'output', 'batch', 'in.jsonl', '400', '0000000000000000000000000000000000000000000000000000000000000000', '["gpt-4o-batch"]', '/v1/chat/completions', '2', '2', '80000000000000000000000000000001', 'uploaded', '1767323045678901', NULL, NULL, NULL, 'batch_lb00000000000000000000000002', '0', NULL, NULL, NULL, '1', NULL, NULL, NULL, '0', NULL);
INSERT INTO files ("id", "owner", "created_by", "kind", "purpose", "filename", "bytes", "sha256", "models", "endpoint", "lines", "id_count", "id_sum", "status", "created_at", "accepted_at", "expires_at", "deleted_at", "batch_id", "tokens", "request_fingerprint", "answering_until", "answered_at", "next_shard", "output_tokens", "unlimited_answers", "traceparent", "guessed_tokens", "long_requests") VALUES ('file-lb00000000000000000000000009', 'team:search', 'key-1', 'input', 'batch', 'in.jsonl', '400', '0000000000000000000000000000000000000000000000000000000000000000', '["gpt-4o-batch"]', '/v1/chat/completions', '2', '2', '80000000000000000000000000000001', 'uploaded', '1767323045678901', '1767323045678901', NULL, '1767323045678901', NULL, '0', NULL, NULL, NULL, '1', NULL, NULL, NULL, '0', NULL);
INSERT INTO files ("id", "owner", "created_by", "kind", "purpose", "filename", "bytes", "sha256", "models", "endpoint", "lines", "id_count", "id_sum", "status", "created_at", "accepted_at", "expires_at", "deleted_at", "batch_id", "tokens", "request_fingerprint", "answering_until", "answered_at", "next_shard", "output_tokens", "unlimited_answers", "traceparent", "guessed_tokens", "long_requests") VALUES ('file-lb00000000000000000000000004', 'team:search', 'key-1', 'input', 'batch', 'in.jsonl', '400', '0000000000000000000000000000000000000000000000000000000000000000', '["gpt-4o-batch"]', '/v1/chat/completions', '2', '2', '80000000000000000000000000000001', 'uploaded', '1767323045678901', '1767323045678901', NULL, NULL, NULL, '0', NULL, NULL, NULL, '1', NULL, NULL, NULL, '0', NULL);
INSERT INTO files ("id", "owner", "created_by", "kind", "purpose", "filename", "bytes", "sha256", "models", "endpoint", "lines", "id_count", "id_sum", "status", "created_at", "accepted_at", "expires_at", "deleted_at", "batch_id", "tokens", "request_fingerprint", "answering_until", "answered_at", "next_shard", "output_tokens", "unlimited_answers", "traceparent", "guessed_tokens", "long_requests") VALUES ('file-lb00000000000000000000000006', 'team:search', 'key-1', 'output', 'batch', 'in.jsonl', '400', '0000000000000000000000000000000000000000000000000000000000000000', '["gpt-4o-batch"]', '/v1/chat/completions', '2', '2', '80000000000000000000000000000001', 'uploaded', '1767323045678901', NULL, NULL, NULL, 'batch_lb00000000000000000000000003', '0', NULL, NULL, NULL, '1', NULL, NULL, NULL, '0', NULL);
INSERT INTO file_models ("file_id", "model", "owner", "purpose", "created_at") VALUES ('file-lb00000000000000000000000001', 'gpt-4o-batch', 'team:search', 'batch', '1767323045678901');
INSERT INTO file_models ("file_id", "model", "owner", "purpose", "created_at") VALUES ('file-lb00000000000000000000000001', 'gpt-4o', 'team:search', 'batch', '1767323045678901');
INSERT INTO file_models ("file_id", "model", "owner", "purpose", "created_at") VALUES ('file-lb00000000000000000000000002', 'gpt-4o-batch', 'team:search', 'batch', '1767323045678901');
INSERT INTO file_models ("file_id", "model", "owner", "purpose", "created_at") VALUES ('file-lb00000000000000000000000003', 'gpt-4o-batch', 'team:search', 'batch', '1767323045678901');
INSERT INTO file_models ("file_id", "model", "owner", "purpose", "created_at") VALUES ('file-lb00000000000000000000000004', 'gpt-4o-batch', 'team:search', 'batch', '1767323045678901');
INSERT INTO file_holds ("scope", "file_id") VALUES ('team:search', 'file-lb00000000000000000000000001');
INSERT INTO file_shards ("file_id", "shard", "batch_id", "root", "lines_of_root", "start", "bytes", "first_line", "lines", "id_count", "id_sum", "tokens", "sha256") VALUES ('file-lb00000000000000000000000001', '0', NULL, '0', NULL, '0', '1099511627776', '0', '2', '2', 'ffffffffffffffffffffffffffffffff', '100', '0000000000000000000000000000000000000000000000000000000000000000');
INSERT INTO file_shards ("file_id", "shard", "batch_id", "root", "lines_of_root", "start", "bytes", "first_line", "lines", "id_count", "id_sum", "tokens", "sha256") VALUES ('file-lb00000000000000000000000001', '1', 'batch_lb00000000000000000000000002', '0', E'\\x02', '0', '1099511627776', '0', '1', '1', '80000000000000000000000000000000', '100', NULL);
INSERT INTO file_copies ("file_id", "shard", "deployment_id", "owner", "provider_file_id", "model", "bytes", "expires_at", "state", "error", "attempts", "ready_at", "started_at", "search_until", "watch_until", "next_check_at", "claimed_by", "claimed_until", "epoch") VALUES ('file-lb00000000000000000000000001', '0', 'east', 'team:search', 'file-abc', 'gpt-4o-mini', '2199023255552', '4922899200000000', 'ready', E'naïve "name" ''quoted'' \\   😀', '2', '1767323045678901', '1767323045678901', '1767323045678901', '1767323045678901', '4922899200000000', 'worker', '1767323045678901', '3');
INSERT INTO file_copies ("file_id", "shard", "deployment_id", "owner", "provider_file_id", "model", "bytes", "expires_at", "state", "error", "attempts", "ready_at", "started_at", "search_until", "watch_until", "next_check_at", "claimed_by", "claimed_until", "epoch") VALUES ('file-lb00000000000000000000000002', '0', 'east', 'team:search', NULL, NULL, NULL, NULL, 'ready', NULL, '0', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '0');
INSERT INTO file_copies ("file_id", "shard", "deployment_id", "owner", "provider_file_id", "model", "bytes", "expires_at", "state", "error", "attempts", "ready_at", "started_at", "search_until", "watch_until", "next_check_at", "claimed_by", "claimed_until", "epoch") VALUES ('file-lb00000000000000000000000009', '0', 'east', 'team:search', NULL, NULL, NULL, NULL, 'deleted', NULL, '0', NULL, NULL, NULL, NULL, '4922899200000000', NULL, NULL, '0');
INSERT INTO file_parts ("file_id", "seq", "kind", "bytes", "deployment_id", "provider_file_id", "provider_bytes", "end_line", "digest", "rows", "content_key", "store", "place", "job_id") VALUES ('file-lb00000000000000000000000002', '0', 'provider', '401', 'east', 'file-out', '400', '1', '00ff', NULL, NULL, NULL, '4294967296', NULL);
INSERT INTO file_parts ("file_id", "seq", "kind", "bytes", "deployment_id", "provider_file_id", "provider_bytes", "end_line", "digest", "rows", "content_key", "store", "place", "job_id") VALUES ('file-lb00000000000000000000000003', '0', 'inline', '256', NULL, NULL, NULL, '0', NULL, E'\\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff', NULL, NULL, '0', NULL);
INSERT INTO file_parts ("file_id", "seq", "kind", "bytes", "deployment_id", "provider_file_id", "provider_bytes", "end_line", "digest", "rows", "content_key", "store", "place", "job_id") VALUES ('file-lb00000000000000000000000005', '0', 'inline', '19', NULL, NULL, NULL, '0', NULL, E'\\x7b22637573746f6d5f6964223a202261227d0a', NULL, NULL, '0', NULL);
INSERT INTO file_parts ("file_id", "seq", "kind", "bytes", "deployment_id", "provider_file_id", "provider_bytes", "end_line", "digest", "rows", "content_key", "store", "place", "job_id") VALUES ('file-lb00000000000000000000000004', '0', 'stored', '256', NULL, NULL, NULL, '0', NULL, NULL, 'content-lb00000000000000000000000001', 'database', '0', NULL);
INSERT INTO file_parts ("file_id", "seq", "kind", "bytes", "deployment_id", "provider_file_id", "provider_bytes", "end_line", "digest", "rows", "content_key", "store", "place", "job_id") VALUES ('file-lb00000000000000000000000006', '0', 'rows', '256', NULL, NULL, NULL, '0', NULL, NULL, NULL, NULL, '0', 'job_lb00000000000000000000000004');
INSERT INTO batches ("id", "owner", "created_by", "input_file_id", "endpoint", "completion_window", "model", "metadata", "output_expires_after", "status", "created_at", "in_progress_at", "expires_at", "finalizing_at", "completed_at", "failed_at", "expired_at", "cancelling_at", "cancelled_at", "counts", "usage", "cost", "errors", "output_file_id", "error_file_id", "cancel_requested_at", "looked_at", "request_fingerprint", "answering_until", "answered_at", "deployment_id", "waiting_for", "unpriced_requests", "scopes", "traceparent", "estimated_cost", "options", "retry_of") VALUES ('batch_lb00000000000000000000000001', 'team:search', 'key-1', 'file-lb00000000000000000000000001', '/v1/chat/completions', '24h', 'gpt-4o-batch', E'{"naïve \\"name\\" ''quoted'' \\\\   😀": "naïve \\"name\\" ''quoted'' \\\\   😀"}', '3600', 'completed', '1767323045678901', '1767323045678901', '1767409445678901', NULL, '1767323045678901', NULL, NULL, NULL, NULL, '{"total": 2, "failed": 1, "completed": 1}', '{"input_tokens": 5, "total_tokens": 8, "cached_tokens": 1, "output_tokens": 3, "reasoning_tokens": 1}', '3.000000000', E'[{"code": "code", "line": 3, "param": "x", "message": "naïve \\"name\\" ''quoted'' \\\\   😀"}]', 'file-lb00000000000000000000000002', NULL, NULL, '1767323045678901', 'fingerprint', '1767323045678901', '1767323045678901', 'east', '{"until": "2026-01-02T03:04:05.678901Z", "reason": "deployments_busy", "deployments": {"east": {"until": "2026-01-02T03:04:05.678901Z", "reason": "busy", "status": 429}}}', '0', '["key:key-1", "team:search"]', NULL, NULL, '{"rescue": false, "at_expiry": "stop", "row_retries": 2}', E'naïve "name" ''quoted'' \\   😀');
INSERT INTO batches ("id", "owner", "created_by", "input_file_id", "endpoint", "completion_window", "model", "metadata", "output_expires_after", "status", "created_at", "in_progress_at", "expires_at", "finalizing_at", "completed_at", "failed_at", "expired_at", "cancelling_at", "cancelled_at", "counts", "usage", "cost", "errors", "output_file_id", "error_file_id", "cancel_requested_at", "looked_at", "request_fingerprint", "answering_until", "answered_at", "deployment_id", "waiting_for", "unpriced_requests", "scopes", "traceparent", "estimated_cost", "options", "retry_of") VALUES ('batch_lb00000000000000000000000002', 'team:search', 'key-1', 'file-lb00000000000000000000000001', '/v1/chat/completions', '24h', 'gpt-4o-batch', NULL, NULL, 'validating', '1767323045678901', NULL, '4922899200000000', NULL, NULL, NULL, NULL, NULL, NULL, '{"total": 0, "failed": 0, "completed": 0}', NULL, NULL, '[]', 'file-lb00000000000000000000000005', NULL, '1767323045678901', NULL, NULL, NULL, NULL, NULL, NULL, '0', '["team:search"]', NULL, NULL, NULL, NULL);
INSERT INTO batches ("id", "owner", "created_by", "input_file_id", "endpoint", "completion_window", "model", "metadata", "output_expires_after", "status", "created_at", "in_progress_at", "expires_at", "finalizing_at", "completed_at", "failed_at", "expired_at", "cancelling_at", "cancelled_at", "counts", "usage", "cost", "errors", "output_file_id", "error_file_id", "cancel_requested_at", "looked_at", "request_fingerprint", "answering_until", "answered_at", "deployment_id", "waiting_for", "unpriced_requests", "scopes", "traceparent", "estimated_cost", "options", "retry_of") VALUES ('batch_lb00000000000000000000000003', 'team:search', 'key-1', 'file-lb00000000000000000000000001', '/v1/chat/completions', '24h', 'gpt-4o-batch', NULL, NULL, 'validating', '1767323045678901', NULL, '4922899200000000', NULL, NULL, NULL, NULL, NULL, NULL, '{"total": 0, "failed": 0, "completed": 0}', NULL, NULL, '[]', 'file-lb00000000000000000000000006', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '0', '[]', NULL, NULL, NULL, NULL);
INSERT INTO jobs ("id", "batch_id", "owner", "shard", "attempt", "requests", "deployment_id", "provider_file_id", "submit_started_at", "state", "provider_batch_id", "snapshot", "reason", "search_until", "to_cancel", "cancel_sent_at", "reads", "created_at", "next_check_at", "refresh_from", "checks", "copy_refusals", "claimed_by", "claimed_until", "epoch", "root", "parent", "stop_requested_at", "stop_reason", "may_hand_on", "outcome", "errors", "progress_at", "looked_since", "late_from", "tokens", "ended_at", "lane") VALUES ('job_lb00000000000000000000000001', 'batch_lb00000000000000000000000001', 'team:search', '0', '1', '2', 'east', NULL, NULL, 'refused', NULL, NULL, E'naïve "name" ''quoted'' \\   😀', NULL, '0', NULL, '[]', '1767323045678901', NULL, NULL, '0', '0', NULL, NULL, '0', '0', NULL, NULL, NULL, '0', NULL, E'[{"code": "code", "line": 3, "param": "x", "message": "naïve \\"name\\" ''quoted'' \\\\   😀"}]', NULL, NULL, NULL, '0', NULL, 'native');
INSERT INTO jobs ("id", "batch_id", "owner", "shard", "attempt", "requests", "deployment_id", "provider_file_id", "submit_started_at", "state", "provider_batch_id", "snapshot", "reason", "search_until", "to_cancel", "cancel_sent_at", "reads", "created_at", "next_check_at", "refresh_from", "checks", "copy_refusals", "claimed_by", "claimed_until", "epoch", "root", "parent", "stop_requested_at", "stop_reason", "may_hand_on", "outcome", "errors", "progress_at", "looked_since", "late_from", "tokens", "ended_at", "lane") VALUES ('job_lb00000000000000000000000002', 'batch_lb00000000000000000000000001', 'team:search', '0', '2', '2', 'east', 'file-abc', '1767323045678901', 'settled', 'batch_abc', '{"id": "batch_abc", "model": null, "usage": null, "counts": null, "errors": [], "status": "completed", "endpoint": null, "metadata": {}, "failed_at": null, "created_at": null, "expired_at": null, "expires_at": null, "cancelled_at": null, "completed_at": null, "cancelling_at": null, "error_file_id": null, "finalizing_at": null, "input_file_id": null, "in_progress_at": null, "output_file_id": null, "completion_window": null}', NULL, '1767323045678901', '1', '1767323045678901', '[{"at": "2026-01-02T03:04:05.678901Z", "rows": 9, "seen": "seen", "withheld_since": "2026-01-02T03:04:05.678901Z"}]', '1767323045678901', NULL, NULL, '4', '1', NULL, NULL, '0', '0', NULL, '1767323045678901', E'naïve "name" ''quoted'' \\   😀', '1', '{"usage": {"input_tokens": 5, "total_tokens": 8, "cached_tokens": 1, "output_tokens": 3, "reasoning_tokens": 1}, "counts": {"total": 2, "failed": 1, "completed": 1}, "expired": 2, "executed": 4, "cancelled": 1, "handed_on": 3}', '[]', NULL, NULL, NULL, '0', '1767323045678901', 'native');
INSERT INTO jobs ("id", "batch_id", "owner", "shard", "attempt", "requests", "deployment_id", "provider_file_id", "submit_started_at", "state", "provider_batch_id", "snapshot", "reason", "search_until", "to_cancel", "cancel_sent_at", "reads", "created_at", "next_check_at", "refresh_from", "checks", "copy_refusals", "claimed_by", "claimed_until", "epoch", "root", "parent", "stop_requested_at", "stop_reason", "may_hand_on", "outcome", "errors", "progress_at", "looked_since", "late_from", "tokens", "ended_at", "lane") VALUES ('job_lb00000000000000000000000003', 'batch_lb00000000000000000000000002', 'team:search', '0', '1', '2', 'east', NULL, NULL, 'submitted', NULL, NULL, NULL, NULL, '0', NULL, '[]', '1767323045678901', '1767323045678901', '1767323045678901', '0', '0', NULL, NULL, '0', '0', NULL, NULL, NULL, '0', NULL, '[]', NULL, NULL, NULL, '100', NULL, 'native');
INSERT INTO jobs ("id", "batch_id", "owner", "shard", "attempt", "requests", "deployment_id", "provider_file_id", "submit_started_at", "state", "provider_batch_id", "snapshot", "reason", "search_until", "to_cancel", "cancel_sent_at", "reads", "created_at", "next_check_at", "refresh_from", "checks", "copy_refusals", "claimed_by", "claimed_until", "epoch", "root", "parent", "stop_requested_at", "stop_reason", "may_hand_on", "outcome", "errors", "progress_at", "looked_since", "late_from", "tokens", "ended_at", "lane") VALUES ('job_lb00000000000000000000000005', 'batch_lb00000000000000000000000003', 'team:search', '0', '2', '2', 'east', NULL, NULL, 'submitted', NULL, NULL, NULL, NULL, '0', NULL, '[]', '1767323045678901', NULL, NULL, '0', '0', NULL, NULL, '0', '0', NULL, NULL, NULL, '0', NULL, '[]', NULL, NULL, NULL, '0', NULL, 'live');
INSERT INTO jobs ("id", "batch_id", "owner", "shard", "attempt", "requests", "deployment_id", "provider_file_id", "submit_started_at", "state", "provider_batch_id", "snapshot", "reason", "search_until", "to_cancel", "cancel_sent_at", "reads", "created_at", "next_check_at", "refresh_from", "checks", "copy_refusals", "claimed_by", "claimed_until", "epoch", "root", "parent", "stop_requested_at", "stop_reason", "may_hand_on", "outcome", "errors", "progress_at", "looked_since", "late_from", "tokens", "ended_at", "lane") VALUES ('job_lb00000000000000000000000004', 'batch_lb00000000000000000000000003', 'team:search', '0', '1', '2', 'east', NULL, NULL, 'settled', NULL, NULL, E'naïve "name" ''quoted'' \\   😀', NULL, '0', NULL, '[]', '1767323045678901', NULL, NULL, '0', '0', NULL, NULL, '0', '0', NULL, NULL, NULL, '0', NULL, '[]', NULL, NULL, NULL, '0', NULL, 'live');
INSERT INTO charges ("id", "job_id", "batch_id", "deployment_id", "owner", "created_by", "model", "usage", "cost", "price_source", "corrects", "created_at", "scopes", "assumed_cost") VALUES ('chg_lb00000000000000000000000001', 'job_lb00000000000000000000000002', 'batch_lb00000000000000000000000001', 'east', 'team:search', 'key-1', 'gpt-4o-batch', '{"buckets": [], "requests": 0, "input_tokens": 20, "total_tokens": 30, "cached_tokens": 0, "output_tokens": 10, "reasoning_tokens": 0, "unpriced_requests": 0}', '1.5', 'us', NULL, '1767323045678901', '["key:key-1", "team:search"]', NULL);
INSERT INTO charges ("id", "job_id", "batch_id", "deployment_id", "owner", "created_by", "model", "usage", "cost", "price_source", "corrects", "created_at", "scopes", "assumed_cost") VALUES ('chg_lb00000000000000000000000002', 'job_lb00000000000000000000000002', 'batch_lb00000000000000000000000001', 'east', 'team:search', 'key-1', 'gpt-4o-batch', '{"buckets": [], "requests": 0, "input_tokens": 20, "total_tokens": 30, "cached_tokens": 0, "output_tokens": 10, "reasoning_tokens": 0, "unpriced_requests": 0}', '1.5', 'us', 'chg_lb00000000000000000000000001', '1767323045678901', '["key:key-1", "team:search"]', NULL);
INSERT INTO events ("id", "subject", "seq", "type", "batch_id", "owner", "payload", "created_at") VALUES ('evt_lb00000000000000000000000001', 'batch_lb00000000000000000000000001', '1', 'batch.created', 'batch_lb00000000000000000000000001', 'team:search', '{"status": "validating"}', '1767323045678901');
INSERT INTO events ("id", "subject", "seq", "type", "batch_id", "owner", "payload", "created_at") VALUES ('evt_lb00000000000000000000000002', 'deployment:east', '1', 'x', NULL, NULL, '{}', '1767323045678901');
INSERT INTO event_deliveries ("sink", "event_id", "subject", "seq", "owner", "state", "error", "attempts", "next_check_at", "claimed_by", "claimed_until", "epoch", "created_at") VALUES ('log', 'evt_lb00000000000000000000000001', 'batch_lb00000000000000000000000001', '1', 'team:search', 'pending', NULL, '0', '1795869352122225', NULL, NULL, '0', '1795869352122230');
INSERT INTO event_deliveries ("sink", "event_id", "subject", "seq", "owner", "state", "error", "attempts", "next_check_at", "claimed_by", "claimed_until", "epoch", "created_at") VALUES ('log', 'evt_lb00000000000000000000000002', 'deployment:east', '1', NULL, 'pending', NULL, '0', '1795869352205736', NULL, NULL, '0', '1795869352205741');
INSERT INTO idempotency ("owner", "key", "request_fingerprint", "object_id", "created_at") VALUES ('team:search', 'key of a file', 'for file-lb00000000000000000000000001', 'file-lb00000000000000000000000001', '1767323045678901');
INSERT INTO idempotency ("owner", "key", "request_fingerprint", "object_id", "created_at") VALUES ('team:search', 'key of a batch', 'for batch_lb00000000000000000000000002', 'batch_lb00000000000000000000000002', '1767323045678901');
INSERT INTO reservations ("scope", "batch_id", "requests", "tokens", "created_at", "cost", "unpriced") VALUES ('team:search', 'batch_lb00000000000000000000000002', '2', '100', '1767323045678901', '1250000000', '0');
INSERT INTO teams ("id", "alias", "models", "max_batch_requests", "max_open_batches", "max_enqueued_requests", "max_enqueued_tokens", "max_file_bytes", "max_files", "max_budget", "blocked", "metadata", "created_at", "updated_at", "created_by", "soft_budget", "budget_duration") VALUES ('search', E'naïve "name" ''quoted'' \\   😀', '["gpt-4o-batch", "openai/*"]', '1', '2', '3', '4', '5', '6', '12.50', '1', E'{"a": ["naïve \\"name\\" ''quoted'' \\\\   😀"]}', '1767323045678901', '1767323045678901', 'admin', '10', '30d');
INSERT INTO users ("id", "alias", "models", "max_batch_requests", "max_open_batches", "max_enqueued_requests", "max_enqueued_tokens", "max_file_bytes", "max_files", "max_budget", "blocked", "metadata", "email", "role", "created_at", "updated_at", "created_by", "soft_budget", "budget_duration") VALUES ('7', E'naïve "name" ''quoted'' \\   😀', '["gpt-4o-batch", "openai/*"]', '1', '2', '3', '4', '5', '6', '12.50', '1', E'{"a": ["naïve \\"name\\" ''quoted'' \\\\   😀"]}', 'a@b.example', 'proxy_admin', '1767323045678901', '1767323045678901', 'admin', '10', '30d');
INSERT INTO virtual_keys ("id", "alias", "models", "max_batch_requests", "max_open_batches", "max_enqueued_requests", "max_enqueued_tokens", "max_file_bytes", "max_files", "max_budget", "blocked", "metadata", "token", "hint", "user_id", "team_id", "expires_at", "created_at", "updated_at", "created_by", "soft_budget", "budget_duration") VALUES ('key_lb0000000000000000000000001', E'naïve "name" ''quoted'' \\   😀', '["gpt-4o-batch", "openai/*"]', '1', '2', '3', '4', '5', '6', '12.50', '1', E'{"a": ["naïve \\"name\\" ''quoted'' \\\\   😀"]}', '0000000000000000000000000000000000000000000000000000000000000000', 'sk-...abcd', '7', 'search', '4922899200000000', '1767323045678901', '1767323045678901', 'admin', '10', '30d');
INSERT INTO receipts ("id", "number", "written_at") VALUES ('64c1b89f8b204591', '25', '1795869352200808');
INSERT INTO spend_daily ("day", "owner", "key", "team", "model", "deployment", "cost", "input_tokens", "cached_tokens", "output_tokens", "requests", "unpriced_requests", "batches") VALUES ('20455', 'team:search', 'key-1', 'search', 'gpt-4o-batch', 'east', '3000000000', '40', '0', '20', '0', '0', '1');
INSERT INTO budgets ("scope", "day", "spent") VALUES ('key:key-1', '20455', '3000000000');
INSERT INTO budgets ("scope", "day", "spent") VALUES ('team:search', '20455', '3000000000');
INSERT INTO webhook_endpoints ("id", "owner", "created_by", "name", "url", "event_types", "version", "key_fingerprint", "secret_hint", "old_key_fingerprint", "keeps_old_until", "rotated_at", "disabled_at", "disabled_reason", "created_at", "updated_at", "failures", "tried_at", "next_attempt_at", "claimed_by", "claimed_until", "epoch") VALUES ('we_lb00000000000000000000000001', 'team:search', 'key-1', E'naïve "name" ''quoted'' \\   😀', 'https://hooks.example.com/', '["batch.completed", "batch.failed", "batch.expired", "batch.cancelled"]', '2', '0000000000000000', 'whsec_...abcd', '1111111111111111', '4922899200000000', '1767323045678901', '1767323045678901', E'naïve "name" ''quoted'' \\   😀', '1767323045678901', '1767323045678901', '3', '1767323045678901', '4922899200000000', 'worker', '1767323045678901', '1');
INSERT INTO sinks ("name", "is_ordered", "registered_at", "last_seen_at") VALUES ('log', '1', '1795869352072289', '1795869352072292');
INSERT INTO told ("subject", "name", "mark", "until") VALUES ('deployment:east', 'x', E'naïve "name" ''quoted'' \\   😀', '4922899200000000');
INSERT INTO scope_budgets ("scope", "duration", "whose", "soft_budget", "max_budget", "seen_at") VALUES ('team:search', '30d', 'team:search', '100', '200', '1767323045678901');
INSERT INTO contents ("key", "store", "state", "bytes", "watch_until", "created_at", "next_check_at", "claimed_by", "claimed_until", "epoch") VALUES ('content-lb00000000000000000000000001', 'database', 'kept', '256', '4922899200000000', '1767323045678901', NULL, NULL, NULL, '0');
INSERT INTO contents ("key", "store", "state", "bytes", "watch_until", "created_at", "next_check_at", "claimed_by", "claimed_until", "epoch") VALUES ('content-lb00000000000000000000000002', 'database', 'kept', '100', NULL, '1767323045678901', NULL, NULL, NULL, '0');
INSERT INTO content_chunks ("key", "seq", "chunk") VALUES ('content-lb00000000000000000000000001', '0', E'\\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff');
INSERT INTO uploads ("id", "owner", "created_by", "filename", "purpose", "bytes", "mime_type", "models", "expires_after_seconds", "status", "created_at", "expires_at", "ended_at", "parts", "held_bytes", "file_id", "completion", "request_key", "request_fingerprint") VALUES ('upload_lb00000000000000000000000002', 'team:search', 'key-1', 'in.jsonl', 'batch', '400', 'application/jsonl', '["gpt-4o-batch"]', '7200', 'cancelled', '1767323045678901', '4922899200000000', '1767323045678901', '0', '1048576', NULL, NULL, NULL, NULL);
INSERT INTO uploads ("id", "owner", "created_by", "filename", "purpose", "bytes", "mime_type", "models", "expires_after_seconds", "status", "created_at", "expires_at", "ended_at", "parts", "held_bytes", "file_id", "completion", "request_key", "request_fingerprint") VALUES ('upload_lb00000000000000000000000001', 'team:search', 'key-1', E'naïve "name" ''quoted'' \\   😀', 'batch', '400', 'application/jsonl', '["gpt-4o-batch"]', '7200', 'pending', '1767323045678901', '4922899200000000', NULL, '1', '1114112', 'file-lb00000000000000000000000001', '0000000000000000000000000000000000000000000000000000000000000000', E'naïve "name" ''quoted'' \\   😀', '1111111111111111111111111111111111111111111111111111111111111111');
INSERT INTO upload_parts ("id", "upload_id", "bytes", "content_key", "store", "created_at") VALUES ('part_lb00000000000000000000000001', 'upload_lb00000000000000000000000001', '100', 'content-lb00000000000000000000000002', 'database', '1767323045678901');
INSERT INTO deployment_limits ("deployment_id", "model", "tokens", "learned_at") VALUES ('east', 'gpt-4o-mini', '2000000', '1767323045678901');
INSERT INTO drained_deployments ("deployment_id", "drained_at") VALUES ('west', '1767323045678901');
INSERT INTO line_ranges ("job_id", "seq", "batch_id", "owner", "deployment_id", "first_line", "end_line", "lines", "start", "bytes", "expires_at", "done", "failed", "one_by_one", "trying", "tries", "next_check_at", "claimed_by", "claimed_until", "epoch") VALUES ('job_lb00000000000000000000000004', '0', 'batch_lb00000000000000000000000003', 'team:search', 'east', '0', '10', '2', '0', '1000', '4922899200000000', '2', '1', '0', NULL, '0', NULL, NULL, NULL, '3');
INSERT INTO line_ranges ("job_id", "seq", "batch_id", "owner", "deployment_id", "first_line", "end_line", "lines", "start", "bytes", "expires_at", "done", "failed", "one_by_one", "trying", "tries", "next_check_at", "claimed_by", "claimed_until", "epoch") VALUES ('job_lb00000000000000000000000005', '0', 'batch_lb00000000000000000000000003', 'team:search', 'east', '0', '10', '2', '0', '1000', '4922899200000000', '1', '0', '1', '1', '2', '4922899200000000', 'worker', '1767323045678901', '3');
INSERT INTO line_results ("job_id", "line", "kind", "row") VALUES ('job_lb00000000000000000000000004', '0', 'output', E'\\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff');
INSERT INTO line_results ("job_id", "line", "kind", "row") VALUES ('job_lb00000000000000000000000004', '1', 'error', E'\\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff');
INSERT INTO line_results ("job_id", "line", "kind", "row") VALUES ('job_lb00000000000000000000000005', '0', 'output', E'\\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff');
INSERT INTO line_alone ("deployment_id", "worker", "until") VALUES ('east', 'worker', '1767323045678901');
INSERT INTO line_sweeps ("job_id") VALUES ('job_lb00000000000000000000000004');
INSERT INTO spend_rollups ("fields", "day", "owner", "key", "team", "model", "deployment", "cost", "input_tokens", "cached_tokens", "output_tokens", "requests", "unpriced_requests", "batches") VALUES ('owner,key,team', '20455', 'team:search', 'key-1', 'search', '', '', '3000000000', '40', '0', '20', '0', '0', '1');
INSERT INTO spend_rollups ("fields", "day", "owner", "key", "team", "model", "deployment", "cost", "input_tokens", "cached_tokens", "output_tokens", "requests", "unpriced_requests", "batches") VALUES ('owner,team,deployment', '20455', 'team:search', '', 'search', '', 'east', '3000000000', '40', '0', '20', '0', '0', '1');
INSERT INTO spend_rollups ("fields", "day", "owner", "key", "team", "model", "deployment", "cost", "input_tokens", "cached_tokens", "output_tokens", "requests", "unpriced_requests", "batches") VALUES ('owner,team,model', '20455', 'team:search', '', 'search', 'gpt-4o-batch', '', '3000000000', '40', '0', '20', '0', '0', '1');
INSERT INTO spend_rollups ("fields", "day", "owner", "key", "team", "model", "deployment", "cost", "input_tokens", "cached_tokens", "output_tokens", "requests", "unpriced_requests", "batches") VALUES ('owner,team', '20455', 'team:search', '', 'search', '', '', '3000000000', '40', '0', '20', '0', '0', '1');
INSERT INTO spend_rollups ("fields", "day", "owner", "key", "team", "model", "deployment", "cost", "input_tokens", "cached_tokens", "output_tokens", "requests", "unpriced_requests", "batches") VALUES ('model,deployment', '20455', '', '', '', 'gpt-4o-batch', 'east', '3000000000', '40', '0', '20', '0', '0', '1');
INSERT INTO ended_sessions ("id", "until") VALUES ('00', '1767323045678901');
