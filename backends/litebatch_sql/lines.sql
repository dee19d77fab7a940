-- The queries of lines that we run ourselves. How the file is read: litebatch_sql/queries.py.

-- fragment: is_range line_ranges.job_id = {key_0} AND line_ranges.seq = CAST({key_1} AS integer)
-- fragment: is_held_range
{is_range} AND line_ranges.epoch = CAST({key_2} AS bigint) AND line_ranges.claimed_by = {key_3}

-- name: insert_line_ranges
INSERT INTO {prefix}line_ranges ({line_ranges.columns}) VALUES ({line_ranges.parameters});

-- fragment: owners_of_line_ranges
-- As owners_of_jobs.
WITH RECURSIVE owners (owner) AS (
    SELECT (
        SELECT owner FROM {prefix}line_ranges AS line_ranges
        WHERE deployment_id = :deployment
          AND next_check_at IS NOT NULL
        ORDER BY owner LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT owner FROM {prefix}line_ranges AS line_ranges
        WHERE deployment_id = :deployment
          AND next_check_at IS NOT NULL AND owner > owners.owner
        ORDER BY owner LIMIT 1
    )
    FROM owners WHERE owners.owner IS NOT NULL
)

-- name: claim_line_ranges
-- Whoever has not given a range back was lost with it.
UPDATE {prefix}line_ranges AS line_ranges
SET one_by_one = CASE WHEN claimed_by IS NULL OR claimed_until IS NULL THEN one_by_one ELSE 1 END,
    claimed_by = :worker, claimed_until = {now} + CAST(:lease AS bigint), epoch = epoch + 1
FROM {few_keys}
WHERE {is_range};

-- name: claimed_line_ranges
SELECT {line_ranges} FROM {few_keys} JOIN {prefix}line_ranges AS line_ranges ON {is_range}
ORDER BY line_ranges.expires_at, line_ranges.job_id, line_ranges.seq;

-- name: renew_line_ranges
-- As renew_jobs.
UPDATE {prefix}line_ranges AS line_ranges
SET claimed_until = {now} + nullif(CAST(:lease AS bigint), 0)
FROM {few_keys}
WHERE {is_held_range};

-- name: held_line_ranges
SELECT {line_ranges} FROM {few_keys} JOIN {prefix}line_ranges AS line_ranges ON {is_held_range};

-- name: lock_held_line_ranges
-- In the order that all do who lock several.
SELECT {line_ranges} FROM {few_keys} JOIN {prefix}line_ranges AS line_ranges ON {is_held_range}
ORDER BY line_ranges.job_id, line_ranges.seq
{for_update};

-- name: insert_line_results
-- Their rows come as one, of which each has a piece.
INSERT INTO {prefix}line_results (job_id, line, kind, "row")
SELECT
    {key_0}, CAST({key_1} AS integer), {key_2},
    substr(CAST(:rows AS {type.blob}), CAST({key_3} AS integer), CAST({key_4} AS integer))
FROM {keys} WHERE TRUE
ON CONFLICT (job_id, line) DO NOTHING
RETURNING job_id, line;

-- name: write_line_ranges
-- Of locked ones.
UPDATE {prefix}line_ranges AS line_ranges
SET done = CAST({key_2} AS bigint), failed = CAST({key_3} AS bigint),
    trying = CAST({key_4} AS bigint), tries = CAST({key_5} AS integer),
    next_check_at = CAST({key_6} AS bigint), claimed_by = {key_7},
    claimed_until = CASE WHEN {key_7} IS NULL THEN NULL ELSE claimed_until END
FROM {few_keys}
WHERE {is_range};

-- name: lines_with_results
SELECT line FROM {prefix}line_results AS line_results
WHERE job_id = :job_id AND line >= :first AND line < :end;

-- name: line_progress
SELECT
    CAST(coalesce(sum(lines), 0) AS bigint), CAST(coalesce(sum(done), 0) AS bigint),
    CAST(coalesce(sum(failed), 0) AS bigint), count(next_check_at)
FROM {prefix}line_ranges AS line_ranges WHERE job_id = :job_id;

-- name: close_line_ranges
UPDATE {prefix}line_ranges AS line_ranges
SET next_check_at = NULL, claimed_by = NULL, claimed_until = NULL, epoch = epoch + 1
WHERE job_id = :job_id AND next_check_at IS NOT NULL;

-- name: sizes_of_line_results
-- Without reading the rows.
SELECT line, length("row") FROM {prefix}line_results AS line_results
WHERE job_id = :job_id AND line > :after AND kind = :kind
  AND kind = 'error'  -- if error
ORDER BY line
LIMIT :limit;

-- name: line_results
SELECT {line_results} FROM {prefix}line_results AS line_results
WHERE job_id = :job_id AND line > :after AND line <= :last AND kind = :kind
  AND kind = 'error'  -- if error
ORDER BY line;

-- name: sharing
-- By deployment, how many workers hold ranges of it, and who wants to be alone there.
SELECT
    asked.value,
    (
        SELECT count(DISTINCT claimed_by) FROM {prefix}line_ranges AS line_ranges
        WHERE deployment_id = asked.value AND claimed_by IS NOT NULL AND claimed_until > {now}
    ),
    (
        SELECT worker FROM {prefix}line_alone AS line_alone
        WHERE deployment_id = asked.value AND until > {now}
    )
FROM {deployments};

-- name: lost_line_ranges
SELECT {key_0}, CAST({key_1} AS integer), CAST({key_2} AS bigint)
FROM {few_keys} LEFT JOIN {prefix}line_ranges AS line_ranges ON {is_range}
WHERE line_ranges.epoch IS NULL OR line_ranges.epoch <> CAST({key_2} AS bigint);

-- name: take_alone
INSERT INTO {prefix}line_alone AS line_alone (deployment_id, worker, until)
VALUES (:deployment_id, :worker, {now} + CAST(:lease AS bigint))
ON CONFLICT (deployment_id) DO UPDATE SET worker = excluded.worker, until = excluded.until
WHERE line_alone.worker = excluded.worker OR line_alone.until <= {now};

-- name: end_alone
DELETE FROM {prefix}line_alone WHERE deployment_id = :deployment_id AND worker = :worker;

-- name: has_lapsed_alone
SELECT 1 FROM {prefix}line_alone AS line_alone WHERE until <= {now} LIMIT 1;

-- name: remove_lapsed_alone
DELETE FROM {prefix}line_alone WHERE until <= {now};

-- What follows removes results that nobody needs. A job is looked at once it is in line_sweeps. Whoever puts one
-- there that is there already waits for who looks at it, and takes its place again: no news is lost.

-- fragment: sweep_again
ON CONFLICT (job_id) DO UPDATE SET job_id = excluded.job_id

-- name: sweep_lines
INSERT INTO {prefix}line_sweeps AS line_sweeps (job_id)
SELECT {key_0} FROM {keys}
WHERE EXISTS (SELECT 1 FROM {prefix}line_ranges AS line_ranges WHERE line_ranges.job_id = {key_0})
ORDER BY {key_0}
{sweep_again};

-- name: sweep_lines_of_files
INSERT INTO {prefix}line_sweeps AS line_sweeps (job_id)
SELECT DISTINCT job_id FROM {prefix}file_parts AS file_parts
WHERE file_id {among_keys} AND job_id IS NOT NULL
ORDER BY job_id
{sweep_again};

-- name: sweep_lines_of_batches
INSERT INTO {prefix}line_sweeps AS line_sweeps (job_id)
SELECT id FROM {prefix}jobs AS jobs
WHERE batch_id {among_keys} AND EXISTS (
    SELECT 1 FROM {prefix}line_ranges AS line_ranges WHERE line_ranges.job_id = jobs.id
)
ORDER BY id
{sweep_again};

-- name: next_line_sweep
SELECT 1 FROM {prefix}line_sweeps AS line_sweeps LIMIT 1;

-- name: lock_line_sweeps
SELECT job_id FROM {prefix}line_sweeps AS line_sweeps ORDER BY job_id LIMIT :limit
{skip_locked};

-- name: needed_line_results
-- The kinds of a job's results that somebody needs; '': the job is under way, and needs all.
SELECT '' FROM {prefix}jobs AS jobs WHERE id = :job_id AND state IN ('waiting', 'submitted', 'ended')
UNION
SELECT files.kind
FROM {prefix}file_parts AS file_parts JOIN {prefix}files AS files ON files.id = file_parts.file_id
WHERE file_parts.job_id = :job_id AND files.deleted_at IS NULL;

-- name: delete_line_results
-- Up to a line.
DELETE FROM {prefix}line_results
WHERE job_id = :job_id AND line <= :last AND kind = :kind
  AND kind = 'error'  -- if error
;

-- name: remove_line_ranges
-- Of a job without results.
DELETE FROM {prefix}line_ranges
WHERE job_id = :job_id AND NOT EXISTS (
    SELECT 1 FROM {prefix}line_results AS line_results WHERE line_results.job_id = :job_id
);

-- name: remove_line_sweep
DELETE FROM {prefix}line_sweeps WHERE job_id = :job_id;

-- What follows makes an installation of its own of a copy.

-- name: close_all_line_ranges
UPDATE {prefix}line_ranges AS line_ranges
SET next_check_at = NULL, claimed_by = NULL, claimed_until = NULL, epoch = epoch + 1
WHERE next_check_at IS NOT NULL;

-- name: sweep_all_lines
INSERT INTO {prefix}line_sweeps AS line_sweeps (job_id)
SELECT DISTINCT job_id FROM {prefix}line_ranges AS line_ranges WHERE TRUE
{sweep_again};

-- name: remove_all_alone
DELETE FROM {prefix}line_alone;
