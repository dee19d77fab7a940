-- The queries of the PostgreSQL storage. How the file is read: litebatch_sql/queries.py.
-- type: json jsonb
-- type: money numeric

-- name: now
-- In microseconds. Wherever it stands for a value it is asked for once a statement.
SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint);

-- name: keys
-- What identifies rows: a JSON list of lists.
SELECT value FROM jsonb_array_elements(CAST(CAST(:keys AS text) AS jsonb)) AS given (value);

-- name: lock_schema
-- Until the end of the transaction: migrations take turns.
SELECT pg_advisory_xact_lock(7596842331);

-- name: lock_file
SELECT 1 FROM {prefix}files AS files WHERE id = :id FOR UPDATE;

-- name: lock_copies
-- Of a locked file: until the transaction ends nobody claims one.
SELECT 1 FROM {prefix}file_copies AS file_copies WHERE file_id = :id
ORDER BY shard, deployment_id FOR UPDATE;

-- name: lock_batch
SELECT 1 FROM {prefix}batches AS batches WHERE id = :id FOR UPDATE;

-- name: lock_jobs
-- Of a locked batch: until the transaction ends nobody claims one.
SELECT 1 FROM {prefix}jobs AS jobs WHERE batch_id = :id ORDER BY shard, attempt FOR UPDATE;

-- name: has_installation
-- A row if migrations have run before. Reading a table is what makes a session look at what others have
-- created while it waited for its turn: `to_regclass` alone may answer from memory.
SELECT 1 FROM pg_catalog.pg_class WHERE oid = to_regclass('{prefix}installation');

-- name: get_installation
SELECT id, schema_version FROM {prefix}installation AS installation;

-- name: put_installation
-- The id stays what it was first.
INSERT INTO {prefix}installation (singleton, id, schema_version, created_at)
VALUES (1, :id, :schema_version, {now})
ON CONFLICT (singleton) DO UPDATE SET schema_version = excluded.schema_version;


-- name: insert_files
INSERT INTO {prefix}files ({files.columns}) VALUES ({files.parameters});

-- name: update_files
UPDATE {prefix}files AS files SET {files.assignments} WHERE id = :id;

-- name: remove_file
-- Its copies and parts go with it, by their foreign keys.
DELETE FROM {prefix}files WHERE id = :id;

-- name: get_file_state
-- The file beside each of its copies, in one statement, so that all is of one moment.
SELECT
    (
        SELECT count(*) FROM {prefix}batches AS batches
        WHERE input_file_id = files.id
          AND status IN ('validating', 'in_progress', 'finalizing', 'cancelling')
    ),
    {files}, {file_copies}
FROM {prefix}files AS files LEFT JOIN {prefix}file_copies AS file_copies ON file_copies.file_id = files.id
WHERE files.id = :id
ORDER BY file_copies.shard, file_copies.deployment_id;

-- name: list_files
-- Walks files_by_owner or files_by_owner_purpose; models are looked at on the way, by the function instead of
-- its operator, which is taken for so selective that everything would be read and sorted.
SELECT {files} FROM {prefix}files AS files
WHERE accepted_at IS NOT NULL AND deleted_at IS NULL
  AND (expires_at IS NULL OR expires_at > :now)
  AND owner = :owner  -- if owner
  AND purpose = :purpose  -- if purpose
  AND jsonb_exists_any(  -- if models
      files.models, ARRAY(SELECT jsonb_array_elements_text(CAST(CAST(:models AS text) AS jsonb)))  -- if models
  )  -- if models
  AND (created_at, id) < (:last_created_at, :last_id)  -- if before
  AND (created_at, id) > (:last_created_at, :last_id)  -- if after
ORDER BY created_at DESC, id DESC  -- if descending
ORDER BY created_at, id  -- if ascending
LIMIT :limit;

-- name: list_all_files
-- Of every owner: walks files_by_time, whose form keeps it from being walked for one owner alone.
SELECT {files} FROM {prefix}files AS files
WHERE accepted_at IS NOT NULL AND deleted_at IS NULL
  AND (expires_at IS NULL OR expires_at > :now)
  AND purpose = :purpose  -- if purpose
  AND jsonb_exists_any(  -- if models
      files.models, ARRAY(SELECT jsonb_array_elements_text(CAST(CAST(:models AS text) AS jsonb)))  -- if models
  )  -- if models
  AND (created_at + 0, id) < (:last_created_at, :last_id)  -- if before
  AND (created_at + 0, id) > (:last_created_at, :last_id)  -- if after
ORDER BY created_at + 0 DESC, id DESC  -- if descending
ORDER BY created_at + 0, id  -- if ascending
LIMIT :limit;

-- name: list_expired_files
-- Walks files_by_expiry.
SELECT {files} FROM {prefix}files AS files
WHERE accepted_at IS NOT NULL AND deleted_at IS NULL AND expires_at <= :now
  AND owner = :owner  -- if owner
  AND purpose = :purpose  -- if purpose
  AND jsonb_exists_any(  -- if models
      files.models, ARRAY(SELECT jsonb_array_elements_text(CAST(CAST(:models AS text) AS jsonb)))  -- if models
  )  -- if models
  AND (expires_at, id) > (:last_expires_at, :last_id)  -- if behind
ORDER BY expires_at, id
LIMIT :limit;

-- name: insert_file_copies
INSERT INTO {prefix}file_copies ({file_copies.columns}) VALUES ({file_copies.parameters});

-- name: update_file_copies
-- Fenced: touches nothing if somebody has claimed the copy since.
UPDATE {prefix}file_copies AS file_copies SET {file_copies.assignments}
WHERE file_id = :file_id AND shard = :shard AND deployment_id = :deployment_id AND epoch = :held_epoch;

-- name: insert_file_parts
INSERT INTO {prefix}file_parts ({file_parts.columns}) VALUES ({file_parts.parameters});

-- name: next_part
SELECT {file_parts} FROM {prefix}file_parts AS file_parts
WHERE file_id = :file_id AND seq > :after ORDER BY seq LIMIT 1;


-- name: insert_batches
INSERT INTO {prefix}batches ({batches.columns}) VALUES ({batches.parameters});

-- name: update_batches
UPDATE {prefix}batches AS batches SET {batches.assignments} WHERE id = :id;

-- name: get_batch
SELECT {batches} FROM {prefix}batches AS batches WHERE id = :id;

-- name: get_batch_state
-- The batch beside each of its jobs, in one statement, so that all is of one moment.
SELECT {batches}, {jobs}
FROM {prefix}batches AS batches LEFT JOIN {prefix}jobs AS jobs ON jobs.batch_id = batches.id
WHERE batches.id = :id
ORDER BY jobs.shard, jobs.attempt;

-- name: list_batches
-- Walks one of batches_by_owner, _by_owner_model and _by_model.
SELECT {batches} FROM {prefix}batches AS batches
WHERE TRUE
  AND owner = :owner  -- if owner
  AND model = :model  -- if model
  AND (created_at, id) < (:last_created_at, :last_id)  -- if before
ORDER BY created_at DESC, id DESC
LIMIT :limit;

-- name: list_all_batches
-- Of every owner: walks batches_by_time, whose form keeps it from being walked for one owner alone.
SELECT {batches} FROM {prefix}batches AS batches
WHERE TRUE
  AND (created_at + 0, id) < (:last_created_at, :last_id)  -- if before
ORDER BY created_at + 0 DESC, id DESC
LIMIT :limit;

-- name: insert_jobs
INSERT INTO {prefix}jobs ({jobs.columns}) VALUES ({jobs.parameters});

-- name: update_jobs
-- Fenced: touches nothing if somebody has claimed the job since.
UPDATE {prefix}jobs AS jobs SET {jobs.assignments} WHERE id = :id AND epoch = :held_epoch;

-- name: has_sleeping_jobs
SELECT 1 FROM {prefix}jobs AS jobs WHERE batch_id = :batch_id AND next_check_at > {now} LIMIT 1;

-- name: wake_jobs
UPDATE {prefix}jobs AS jobs SET next_check_at = {now} WHERE batch_id = :batch_id AND next_check_at > {now};

-- name: open_requests
-- By deployment, what waits for it, is under way to it or runs there. Walks jobs_open alone.
SELECT deployment_id, CAST(sum(requests) AS bigint) FROM {prefix}jobs AS jobs
WHERE state IN ('waiting', 'submitting', 'unclear', 'submitted') AND deployment_id IS NOT NULL
GROUP BY deployment_id;


-- name: due_deployments_jobs
-- Those of the deployments (a JSON list, null among them) that have something due: one look each.
SELECT asked.value
FROM jsonb_array_elements_text(CAST(CAST(:deployments AS text) AS jsonb)) AS asked (value)
CROSS JOIN LATERAL (
    SELECT 1 FROM {prefix}jobs AS jobs
    WHERE coalesce(deployment_id, '') = coalesce(asked.value, '') AND next_check_at <= {now}
      AND (claimed_until IS NULL OR claimed_until <= {now})
    ORDER BY next_check_at
    LIMIT 1
) AS due;

-- name: due_jobs
SELECT id FROM {prefix}jobs AS jobs
WHERE coalesce(deployment_id, '') = coalesce(CAST(:deployment AS text), '') AND next_check_at <= {now}
  AND (claimed_until IS NULL OR claimed_until <= {now})
ORDER BY next_check_at, id
LIMIT :limit
FOR UPDATE SKIP LOCKED;

-- name: claim_jobs
UPDATE {prefix}jobs AS jobs
SET claimed_by = :worker, claimed_until = {now} + CAST(:lease AS bigint), epoch = epoch + 1
WHERE id = ANY(ARRAY(SELECT value ->> 0 FROM {keys} AS keys));

-- name: claimed_jobs
SELECT {jobs} FROM {prefix}jobs AS jobs
WHERE id = ANY(ARRAY(SELECT value ->> 0 FROM {keys} AS keys))
ORDER BY next_check_at, id;

-- name: renew_jobs
-- A lease of 0 gives the claim back.
UPDATE {prefix}jobs AS jobs
SET claimed_until = {now} + nullif(CAST(:lease AS bigint), 0)
WHERE id = ANY(ARRAY(SELECT value ->> 0 FROM {keys} AS keys))
  AND (id, epoch, claimed_by) IN (
    SELECT value ->> 0, CAST(value ->> 1 AS bigint), value ->> 2
    FROM {keys} AS keys
);

-- name: held_jobs
SELECT {jobs} FROM {prefix}jobs AS jobs
WHERE id = ANY(ARRAY(SELECT value ->> 0 FROM {keys} AS keys))
  AND (id, epoch, claimed_by) IN (
    SELECT value ->> 0, CAST(value ->> 1 AS bigint), value ->> 2
    FROM {keys} AS keys
);


-- name: due_deployments_file_copies
-- As due_deployments_jobs.
SELECT asked.value
FROM jsonb_array_elements_text(CAST(CAST(:deployments AS text) AS jsonb)) AS asked (value)
CROSS JOIN LATERAL (
    SELECT 1 FROM {prefix}file_copies AS file_copies
    WHERE deployment_id = asked.value AND next_check_at <= {now}
      AND (claimed_until IS NULL OR claimed_until <= {now})
    ORDER BY next_check_at
    LIMIT 1
) AS due;

-- name: due_file_copies
SELECT file_id, shard, deployment_id FROM {prefix}file_copies AS file_copies
WHERE deployment_id = :deployment AND next_check_at <= {now}
  AND (claimed_until IS NULL OR claimed_until <= {now})
ORDER BY next_check_at, file_id, shard
LIMIT :limit
FOR UPDATE SKIP LOCKED;

-- name: claim_file_copies
UPDATE {prefix}file_copies AS file_copies
SET claimed_by = :worker, claimed_until = {now} + CAST(:lease AS bigint), epoch = epoch + 1
WHERE file_id = ANY(ARRAY(SELECT value ->> 0 FROM {keys} AS keys))
  AND (file_id, shard, deployment_id) IN (
    SELECT value ->> 0, CAST(value ->> 1 AS integer), value ->> 2
    FROM {keys} AS keys
);

-- name: claimed_file_copies
SELECT {file_copies} FROM {prefix}file_copies AS file_copies
WHERE file_id = ANY(ARRAY(SELECT value ->> 0 FROM {keys} AS keys))
  AND (file_id, shard, deployment_id) IN (
    SELECT value ->> 0, CAST(value ->> 1 AS integer), value ->> 2
    FROM {keys} AS keys
)
ORDER BY next_check_at, file_id, shard, deployment_id;

-- name: renew_file_copies
-- As renew_jobs.
UPDATE {prefix}file_copies AS file_copies
SET claimed_until = {now} + nullif(CAST(:lease AS bigint), 0)
WHERE file_id = ANY(ARRAY(SELECT value ->> 0 FROM {keys} AS keys))
  AND (file_id, shard, deployment_id, epoch, claimed_by) IN (
    SELECT value ->> 0, CAST(value ->> 1 AS integer), value ->> 2, CAST(value ->> 3 AS bigint), value ->> 4
    FROM {keys} AS keys
);

-- name: held_file_copies
SELECT {file_copies} FROM {prefix}file_copies AS file_copies
WHERE file_id = ANY(ARRAY(SELECT value ->> 0 FROM {keys} AS keys))
  AND (file_id, shard, deployment_id, epoch, claimed_by) IN (
    SELECT value ->> 0, CAST(value ->> 1 AS integer), value ->> 2, CAST(value ->> 3 AS bigint), value ->> 4
    FROM {keys} AS keys
);


-- name: insert_charges
-- One row a job, ever: the second one is a conflict.
INSERT INTO {prefix}charges ({charges.columns}) VALUES ({charges.parameters});

-- name: insert_events
INSERT INTO {prefix}events ({events.columns}) VALUES ({events.parameters});

-- name: list_events
SELECT {events} FROM {prefix}events AS events WHERE id > :after ORDER BY id LIMIT :limit;


-- name: insert_key
INSERT INTO {prefix}idempotency (owner, "key", request_fingerprint, object_id, created_at)
VALUES (:owner, :key, :fingerprint, :object_id, :at)
ON CONFLICT (owner, "key") DO NOTHING;

-- name: get_key
SELECT request_fingerprint, object_id, created_at FROM {prefix}idempotency AS idempotency
WHERE owner = :owner AND "key" = :key
FOR UPDATE;

-- name: update_key
UPDATE {prefix}idempotency AS idempotency
SET request_fingerprint = :fingerprint, object_id = :object_id, created_at = :at
WHERE owner = :owner AND "key" = :key;

-- name: sweep_keys
DELETE FROM {prefix}idempotency
WHERE (owner, "key") IN (
    SELECT owner, "key" FROM {prefix}idempotency AS idempotency
    WHERE created_at < :since ORDER BY created_at LIMIT :limit
    FOR UPDATE SKIP LOCKED
);

-- name: made_object
-- Whether what a key stands for was accepted; nothing if it is gone, or if its uploader is.
SELECT accepted_at IS NOT NULL FROM {prefix}files AS files
WHERE id = :id AND deleted_at IS NULL AND (expires_at IS NULL OR expires_at > :at)
  AND (accepted_at IS NOT NULL OR EXISTS (
      SELECT 1 FROM {prefix}file_copies AS file_copies WHERE file_id = files.id AND claimed_until > {now}
  ))
UNION ALL
SELECT TRUE FROM {prefix}batches AS batches WHERE id = :id;

-- name: unanswered_files
-- The oldest that can be given to a retry; else one of which it is not known yet.
SELECT id, accepted_at IS NULL OR coalesce(answering_until, 0) > :at FROM {prefix}files AS files
WHERE request_fingerprint = :fingerprint AND answered_at IS NULL AND created_at >= :since
  AND deleted_at IS NULL AND (expires_at IS NULL OR expires_at > :at)
  AND (accepted_at IS NOT NULL OR EXISTS (
      SELECT 1 FROM {prefix}file_copies AS file_copies WHERE file_id = files.id AND claimed_until > {now}
  ))
ORDER BY accepted_at IS NULL OR coalesce(answering_until, 0) > :at, created_at, id
LIMIT 1
FOR UPDATE OF files;

-- name: unanswered_batches
-- As unanswered_files.
SELECT id, coalesce(answering_until, 0) > :at FROM {prefix}batches AS batches
WHERE request_fingerprint = :fingerprint AND answered_at IS NULL AND created_at >= :since
ORDER BY coalesce(answering_until, 0) > :at, created_at, id
LIMIT 1
FOR UPDATE;

-- name: answer_files
UPDATE {prefix}files AS files SET answering_until = :until WHERE id = :id;

-- name: answer_batches
UPDATE {prefix}batches AS batches SET answering_until = :until WHERE id = :id;


-- name: lock_scope
-- Until the end of the transaction: whoever reserves in a scope takes turns.
SELECT pg_advisory_xact_lock(75968423, hashtext('{prefix}' || CAST(:scope AS text)));

-- name: reserved
-- What the open batches of a scope hold: their number, requests and tokens.
SELECT count(*), CAST(coalesce(sum(requests), 0) AS bigint), CAST(coalesce(sum(tokens), 0) AS bigint)
FROM {prefix}reservations AS reservations WHERE scope = :scope;

-- name: insert_reservation
INSERT INTO {prefix}reservations (scope, batch_id, requests, tokens, created_at)
VALUES (:scope, :batch_id, :requests, :tokens, :created_at);

-- name: release
DELETE FROM {prefix}reservations WHERE batch_id = :batch_id;
