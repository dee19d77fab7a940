-- What is still to be told, counted by what it is told to: the endpoints of webhooks, of which there may be
-- any number, count as one. To the letter as in the fragment `told_to`.
CREATE INDEX {prefix}event_deliveries_pending ON {prefix}event_deliveries (
    (CASE WHEN substr(sink, 1, 5) = 'we_lb' THEN 'webhooks' ELSE sink END), created_at
) WHERE state = 'pending';
CREATE INDEX {prefix}event_deliveries_dead_by_sink ON {prefix}event_deliveries (
    (CASE WHEN substr(sink, 1, 5) = 'we_lb' THEN 'webhooks' ELSE sink END)
) WHERE state = 'dead';

-- What was told last of something that has no row of its own, such as a budget: nothing is told twice.
CREATE TABLE {prefix}told (
    subject {type.key} NOT NULL,
    name {type.key} NOT NULL, -- what of the subject
    mark text, -- another one is told though it is not over
    until bigint, -- null: for ever
    PRIMARY KEY (subject, name)
) {clustered};

CREATE INDEX {prefix}told_by_end ON {prefix}told (until) WHERE until IS NOT NULL;

-- The budgets of scopes, as they were when a batch was made last.
CREATE TABLE {prefix}scope_budgets (
    scope {type.key} NOT NULL,
    duration {type.key} NOT NULL, -- such as `30d`; '': for ever
    whose text NOT NULL,
    soft_budget {type.money}, -- US dollars, as the next
    max_budget {type.money},
    seen_at bigint NOT NULL,
    PRIMARY KEY (scope, duration)
) {clustered};

CREATE INDEX {prefix}scope_budgets_by_time ON {prefix}scope_budgets (seen_at);

-- Events of operators, which go with no batch and no file.
CREATE INDEX {prefix}events_of_operators ON {prefix}events (created_at, id)
    WHERE owner IS NULL AND batch_id IS NULL;

-- The span of the request that has made a file or a batch, as W3C Trace Context writes it; null: there was none.

ALTER TABLE {prefix}files ADD COLUMN traceparent text;
ALTER TABLE {prefix}batches ADD COLUMN traceparent text;

-- What estimates of costs need to hold: which parts are guessed, and which requests cost more a token.

ALTER TABLE {prefix}files ADD COLUMN guessed_tokens bigint NOT NULL DEFAULT 0; -- a part of tokens
ALTER TABLE {prefix}files ADD COLUMN long_requests {type.json}; -- list; null: not known

-- Whether nobody knew the cost of an open batch when it was made; one of 0 may have been such a one.
ALTER TABLE {prefix}reservations ADD COLUMN unpriced bigint NOT NULL DEFAULT 0; -- 1: nobody knew it
UPDATE {prefix}reservations SET unpriced = 1 WHERE cost = 0;

-- US dollars that a batch was estimated at, and that requests without a price count on budgets.
ALTER TABLE {prefix}batches ADD COLUMN estimated_cost {type.money};
ALTER TABLE {prefix}charges ADD COLUMN assumed_cost {type.money};

UPDATE {prefix}batches SET estimated_cost = (
    SELECT CAST(
        CAST(max(cost) / 1000000000 AS text) || '.' || substr(CAST(1000000000 + max(cost) % 1000000000 AS text), 2)
        AS {type.money}
    )
    FROM {prefix}reservations AS reservations WHERE reservations.batch_id = {prefix}batches.id
)
WHERE id IN (SELECT batch_id FROM {prefix}reservations AS reservations WHERE cost > 0);

-- First charges since a moment, for repricing.
CREATE INDEX {prefix}charges_by_time ON {prefix}charges (created_at, id) WHERE corrects IS NULL;

-- Who sends to an endpoint, and how it has gone so far. What is to be sent to it lies in event_deliveries.

ALTER TABLE {prefix}webhook_endpoints ADD COLUMN failures bigint NOT NULL DEFAULT 0; -- since the last success
ALTER TABLE {prefix}webhook_endpoints ADD COLUMN tried_at bigint;
ALTER TABLE {prefix}webhook_endpoints ADD COLUMN next_attempt_at bigint; -- null: whenever something is due
ALTER TABLE {prefix}webhook_endpoints ADD COLUMN claimed_by {type.key};
ALTER TABLE {prefix}webhook_endpoints ADD COLUMN claimed_until bigint;
ALTER TABLE {prefix}webhook_endpoints ADD COLUMN epoch bigint NOT NULL DEFAULT 0;

-- Bytes that no provider keeps for us: a row for each content, wherever its bytes are.
CREATE TABLE {prefix}contents (
    "key" {type.key} NOT NULL PRIMARY KEY,
    store {type.key} NOT NULL,
    state text NOT NULL,
    bytes bigint, -- null: not known yet
    watch_until bigint,
    created_at bigint NOT NULL,
    next_check_at bigint, -- null: never
    claimed_by {type.key},
    claimed_until bigint,
    epoch bigint NOT NULL
);

CREATE INDEX {prefix}contents_due ON {prefix}contents (next_check_at, "key") WHERE next_check_at IS NOT NULL;

-- Those that are in the database. No row goes before its chunks are gone.
CREATE TABLE {prefix}content_chunks (
    "key" {type.key} NOT NULL REFERENCES {prefix}contents ("key"),
    seq integer NOT NULL CHECK (seq >= 0),
    chunk {type.blob} NOT NULL,
    PRIMARY KEY ("key", seq)
);

-- A part says what its content is and where: whoever reads it needs no more.
ALTER TABLE {prefix}file_parts ADD COLUMN content_key {type.key};
ALTER TABLE {prefix}file_parts ADD COLUMN store {type.key};
