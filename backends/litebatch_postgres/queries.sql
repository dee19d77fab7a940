-- The queries of PostgreSQL's own. How the file is read: litebatch_sql/queries.py.
-- type: key text COLLATE "C"
-- type: json jsonb
-- type: money numeric
-- type: blob bytea

-- fragment: now
-- In microseconds. Wherever it stands it is asked for once a statement.
(SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint))

-- fragment: keys
-- What identifies rows: a JSON list of lists.
jsonb_array_elements(CAST(CAST(:keys AS text) AS jsonb)) AS keys (value)

-- fragment: few_keys
-- The same, of which the planner expects ten and not a hundred: it looks each up, and reads no table as a whole.
unnest(ARRAY(SELECT value FROM {keys})) AS keys (value)

-- fragment: key_0 value ->> 0
-- fragment: key_1 value ->> 1
-- fragment: key_2 value ->> 2
-- fragment: key_3 value ->> 3
-- fragment: key_4 value ->> 4
-- fragment: key_5 value ->> 5
-- fragment: key_6 value ->> 6
-- fragment: key_7 value ->> 7
-- fragment: among_keys
-- An array, which leads to the index of the column before it.
= ANY(ARRAY(SELECT value ->> 0 FROM {keys}))

-- fragment: deployments jsonb_array_elements_text(CAST(CAST(:deployments AS text) AS jsonb)) AS asked (value)
-- fragment: models SELECT jsonb_array_elements_text(CAST(CAST(:models AS text) AS jsonb))
-- fragment: patterns
SELECT
    value ->> 0 AS start,
    CAST(value ->> 1 AS integer) AS is_whole,
    CAST(value ->> 2 AS integer) AS is_wanted
FROM jsonb_array_elements(CAST(CAST(:patterns AS text) AS jsonb))

-- fragment: avoided SELECT jsonb_array_elements_text(CAST(CAST(:avoid AS text) AS jsonb))
-- fragment: of_one_owner owner = :owner
-- fragment: of_one_key "key" = :key
-- fragment: ids SELECT jsonb_array_elements_text(CAST(CAST(:ids AS text) AS jsonb))
-- fragment: fingerprints SELECT jsonb_array_elements_text(CAST(CAST(:fingerprints AS text) AS jsonb))
-- fragment: wants_event webhook_endpoints.event_types @> to_jsonb(events.type)
-- fragment: for_update FOR UPDATE
-- fragment: for_update_of_files FOR UPDATE OF files
-- fragment: skip_locked FOR UPDATE SKIP LOCKED
-- fragment: clustered
-- fragment: json_list jsonb_agg
-- fragment: scopes_of_charge jsonb_array_elements_text(charges.scopes) AS scopes_of_charge (value)
-- fragment: counts_without_progress counts || '{"completed": 0, "failed": 0}'

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

-- name: lock_batches
SELECT 1 FROM {prefix}batches AS batches WHERE id {among_keys} ORDER BY id FOR UPDATE;

-- name: lock_jobs_of_batches
-- As lock_jobs.
SELECT 1 FROM {prefix}jobs AS jobs WHERE batch_id {among_keys} ORDER BY batch_id, shard, attempt FOR UPDATE;

-- name: has_installation
-- A row if migrations have run before. Reading a table is what makes a session look at what others have
-- created while it waited for its turn: `to_regclass` alone may answer from memory.
SELECT 1 FROM pg_catalog.pg_attribute
WHERE attrelid = to_regclass('{prefix}installation') AND attname = 'schema_version';

-- name: due_jobs
-- The longest due rows of each owner.
-- Twice as many as there is room for: others may be taking some of them.
{owners_of_jobs}
SELECT due.id, due.turn, due.next_check_at
FROM owners CROSS JOIN LATERAL (
    SELECT id, next_check_at, row_number() OVER (ORDER BY next_check_at, id) AS turn
    FROM (
        SELECT id, next_check_at FROM {prefix}jobs AS jobs
        WHERE coalesce(deployment_id, '') = coalesce(CAST(:deployment AS text), '')
          AND {work} = :work
          AND owner = owners.owner AND next_check_at <= {now}
          AND (claimed_until IS NULL OR claimed_until <= {now})
        ORDER BY next_check_at, id
        LIMIT 2 * CAST(:limit AS bigint)
    ) AS longest
) AS due
WHERE owners.owner NOT IN ({avoided})
ORDER BY due.turn, due.next_check_at, due.id;

-- name: lock_due_jobs
-- Nobody waits for another, and nobody gets what another has taken meanwhile.
SELECT jobs.id
FROM {due_jobs} AS due JOIN {prefix}jobs AS jobs ON jobs.id = due.id
WHERE jobs.next_check_at <= {now} AND (jobs.claimed_until IS NULL OR jobs.claimed_until <= {now})
ORDER BY due.turn, due.next_check_at, due.id
LIMIT :limit
FOR UPDATE OF jobs SKIP LOCKED;

-- name: due_file_copies
-- The longest due rows of each owner.
-- Twice as many as there is room for: others may be taking some of them.
{owners_of_file_copies}
SELECT due.file_id, due.shard, due.deployment_id, due.turn, due.next_check_at
FROM owners CROSS JOIN LATERAL (
    SELECT
        file_id, shard, deployment_id, next_check_at,
        row_number() OVER (ORDER BY next_check_at, file_id, shard) AS turn
    FROM (
        SELECT file_id, shard, deployment_id, next_check_at FROM {prefix}file_copies AS file_copies
        WHERE deployment_id = :deployment
          AND owner = owners.owner AND next_check_at <= {now}
          AND (claimed_until IS NULL OR claimed_until <= {now})
        ORDER BY next_check_at, file_id, shard
        LIMIT 2 * CAST(:limit AS bigint)
    ) AS longest
) AS due
WHERE owners.owner NOT IN ({avoided})
ORDER BY due.turn, due.next_check_at, due.file_id, due.shard;

-- name: lock_due_file_copies
-- Nobody waits for another, and nobody gets what another has taken meanwhile.
SELECT file_copies.file_id, file_copies.shard, file_copies.deployment_id
FROM {due_file_copies} AS due JOIN {prefix}file_copies AS file_copies ON file_copies.file_id = due.file_id
  AND file_copies.shard = due.shard
  AND file_copies.deployment_id = due.deployment_id
WHERE file_copies.next_check_at <= {now}
  AND (file_copies.claimed_until IS NULL OR file_copies.claimed_until <= {now})
ORDER BY due.turn, due.next_check_at, due.file_id, due.shard
LIMIT :limit
FOR UPDATE OF file_copies SKIP LOCKED;

-- name: due_line_ranges
-- The rows of each owner that expire first.
-- Twice as many as there is room for: others may be taking some of them.
{owners_of_line_ranges}
SELECT due.job_id, due.seq, due.turn, due.expires_at
FROM owners CROSS JOIN LATERAL (
    SELECT job_id, seq, expires_at, row_number() OVER (ORDER BY expires_at, job_id, seq) AS turn
    FROM (
        SELECT job_id, seq, expires_at FROM {prefix}line_ranges AS line_ranges
        WHERE deployment_id = :deployment
          AND owner = owners.owner AND next_check_at <= {now}
          AND (claimed_until IS NULL OR claimed_until <= {now})
        ORDER BY expires_at, job_id, seq
        LIMIT 2 * CAST(:limit AS bigint)
    ) AS first
) AS due
WHERE owners.owner NOT IN ({avoided})
ORDER BY due.turn, due.expires_at, due.job_id, due.seq;

-- name: lock_due_line_ranges
-- Nobody waits for another, and nobody gets what another has taken meanwhile.
SELECT line_ranges.job_id, line_ranges.seq
FROM {due_line_ranges} AS due JOIN {prefix}line_ranges AS line_ranges ON line_ranges.job_id = due.job_id
  AND line_ranges.seq = due.seq
WHERE line_ranges.next_check_at <= {now}
  AND (line_ranges.claimed_until IS NULL OR line_ranges.claimed_until <= {now})
ORDER BY due.turn, due.expires_at, due.job_id, due.seq
LIMIT :limit
FOR UPDATE OF line_ranges SKIP LOCKED;

-- name: lock_line_ranges_of_job
-- As lock_held_line_ranges.
SELECT 1 FROM {prefix}line_ranges AS line_ranges WHERE job_id = :job_id ORDER BY job_id, seq FOR UPDATE;

-- name: lock_scope
-- Until the end of the transaction: whoever reserves in a scope takes turns.
SELECT pg_advisory_xact_lock(75968423, hashtext('{prefix}' || CAST(:scope AS text)));
