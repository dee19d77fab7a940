-- Events of any subject, each with its number there, and what is still to be told to whom.

-- Nothing was ever read from it or written to it.
DROP TABLE {prefix}event_deliveries;

ALTER TABLE {prefix}events RENAME TO {prefix}events_before;
DROP INDEX {prefix}events_by_batch;

-- They go with their subject, which may be a batch, a file or something that has no row: no foreign key.
CREATE TABLE {prefix}events (
    id {type.key} NOT NULL PRIMARY KEY,
    subject {type.key} NOT NULL,
    seq bigint NOT NULL, -- counted from 1 within the subject
    type text NOT NULL,
    batch_id {type.key},
    owner {type.key},
    payload {type.json} NOT NULL, -- object
    created_at bigint NOT NULL
);

INSERT INTO {prefix}events (id, subject, seq, type, batch_id, owner, payload, created_at)
SELECT
    id, batch_id, row_number() OVER (PARTITION BY batch_id ORDER BY created_at, id), type, batch_id,
    (SELECT owner FROM {prefix}batches AS batches WHERE batches.id = batch_id), payload, created_at
FROM {prefix}events_before;

DROP TABLE {prefix}events_before;

CREATE UNIQUE INDEX {prefix}events_by_subject ON {prefix}events (subject, seq);

-- To whom events are told: whoever writes an event writes a delivery for each of them.
CREATE TABLE {prefix}sinks (
    name {type.key} NOT NULL PRIMARY KEY,
    is_ordered smallint NOT NULL CHECK (is_ordered IN (0, 1)), -- within a subject
    registered_at bigint NOT NULL,
    last_seen_at bigint NOT NULL
);

-- What a sink has not taken yet. A sink may be forgotten before they are removed: no foreign key.
CREATE TABLE {prefix}event_deliveries (
    sink {type.key} NOT NULL,
    event_id {type.key} NOT NULL REFERENCES {prefix}events (id) ON DELETE CASCADE,
    subject {type.key} NOT NULL, -- the event's, as are the two that follow
    seq bigint NOT NULL,
    owner {type.key},
    state text NOT NULL,
    error text,
    attempts integer NOT NULL,
    next_check_at bigint, -- null: never
    claimed_by {type.key},
    claimed_until bigint,
    epoch bigint NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (event_id, sink)
);

CREATE INDEX {prefix}event_deliveries_due ON {prefix}event_deliveries (sink, next_check_at, event_id)
    WHERE next_check_at IS NOT NULL;
CREATE INDEX {prefix}event_deliveries_by_subject ON {prefix}event_deliveries (sink, subject, seq);
CREATE INDEX {prefix}event_deliveries_dead ON {prefix}event_deliveries (event_id, sink)
    WHERE state = 'dead';
