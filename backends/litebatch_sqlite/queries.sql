-- The queries of the SQLite storage. How the file is read: litebatch_sql/queries.py.
-- `:now` is the process's clock in microseconds; on SQLite the database has no other.

-- name: has_installation
-- A row if migrations have run before.
SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'installation';

-- name: get_installation
SELECT id, schema_version FROM installation;

-- name: put_installation
-- The id stays what it was first.
INSERT INTO installation (singleton, id, schema_version, created_at)
VALUES (1, :id, :schema_version, :now)
ON CONFLICT (singleton) DO UPDATE SET schema_version = excluded.schema_version;


-- name: insert_files
INSERT INTO files ({files.columns}) VALUES ({files.parameters});

-- name: update_files
UPDATE files SET {files.assignments} WHERE id = :id;

-- name: remove_file
-- Its copies and parts go with it, by their foreign keys.
DELETE FROM files WHERE id = :id;

-- name: get_file_state
-- The file beside each of its copies, in one statement, so that all is of one moment.
SELECT
    (
        SELECT count(*) FROM batches
        WHERE input_file_id = files.id
          AND status IN ('validating', 'in_progress', 'finalizing', 'cancelling')
    ),
    {files}, {file_copies}
FROM files LEFT JOIN file_copies ON file_copies.file_id = files.id
WHERE files.id = :id
ORDER BY file_copies.shard, file_copies.deployment_id;

-- name: list_files
-- Walks files_by_owner, files_by_owner_purpose or files_by_time; models are looked at on the way.
SELECT {files} FROM files
WHERE accepted_at IS NOT NULL AND deleted_at IS NULL
  AND (expires_at IS NULL OR expires_at > :now)
  AND owner = :owner  -- if owner
  AND purpose = :purpose  -- if purpose
  AND EXISTS (  -- if models
      SELECT 1 FROM json_each(files.models) AS mine  -- if models
      JOIN json_each(:models) AS wanted ON wanted.value = mine.value  -- if models
  )  -- if models
  AND (created_at, id) < (:last_created_at, :last_id)  -- if before
  AND (created_at, id) > (:last_created_at, :last_id)  -- if after
ORDER BY created_at DESC, id DESC  -- if descending
ORDER BY created_at, id  -- if ascending
LIMIT :limit;

-- name: insert_file_copies
INSERT INTO file_copies ({file_copies.columns}) VALUES ({file_copies.parameters});

-- name: update_file_copies
-- Fenced: touches nothing if somebody has claimed the copy since.
UPDATE file_copies SET {file_copies.assignments}
WHERE file_id = :file_id AND shard = :shard AND deployment_id = :deployment_id AND epoch = :held_epoch;

-- name: insert_file_parts
INSERT INTO file_parts ({file_parts.columns}) VALUES ({file_parts.parameters});

-- name: next_part
SELECT {file_parts} FROM file_parts WHERE file_id = :file_id AND seq > :after ORDER BY seq LIMIT 1;


-- name: insert_batches
INSERT INTO batches ({batches.columns}) VALUES ({batches.parameters});

-- name: update_batches
UPDATE batches SET {batches.assignments} WHERE id = :id;

-- name: get_batch
SELECT {batches} FROM batches WHERE id = :id;

-- name: get_batch_state
-- The batch beside each of its jobs, in one statement, so that all is of one moment.
SELECT {batches}, {jobs}
FROM batches LEFT JOIN jobs ON jobs.batch_id = batches.id
WHERE batches.id = :id
ORDER BY jobs.shard, jobs.attempt;

-- name: list_batches
-- Walks one of batches_by_owner, _by_owner_model, _by_model and _by_time.
SELECT {batches} FROM batches
WHERE TRUE
  AND owner = :owner  -- if owner
  AND model = :model  -- if model
  AND (created_at, id) < (:last_created_at, :last_id)  -- if before
ORDER BY created_at DESC, id DESC
LIMIT :limit;


-- name: insert_jobs
INSERT INTO jobs ({jobs.columns}) VALUES ({jobs.parameters});

-- name: update_jobs
-- Fenced: touches nothing if somebody has claimed the job since.
UPDATE jobs SET {jobs.assignments} WHERE id = :id AND epoch = :held_epoch;

-- name: has_sleeping_jobs
SELECT 1 FROM jobs WHERE batch_id = :batch_id AND next_check_at > :now LIMIT 1;

-- name: wake_jobs
UPDATE jobs SET next_check_at = :now WHERE batch_id = :batch_id AND next_check_at > :now;

-- name: open_requests
-- By deployment, what waits for it, is under way to it or runs there. Walks jobs_open alone.
SELECT deployment_id, sum(requests) FROM jobs
WHERE state IN ('waiting', 'submitting', 'unclear', 'submitted') AND deployment_id IS NOT NULL
GROUP BY deployment_id;


-- name: due_deployments_jobs
-- Those of the deployments (a JSON list, null among them) that have something due: one look each.
SELECT asked.value FROM json_each(:deployments) AS asked
WHERE EXISTS (
    SELECT 1 FROM jobs
    WHERE deployment_id IS asked.value AND next_check_at <= :now
      AND (claimed_until IS NULL OR claimed_until <= :now)
);

-- name: due_jobs
SELECT id FROM jobs
WHERE deployment_id IS :deployment AND next_check_at <= :now
  AND (claimed_until IS NULL OR claimed_until <= :now)
ORDER BY next_check_at, id
LIMIT :limit;

-- name: claim_jobs
UPDATE jobs SET claimed_by = :worker, claimed_until = :now + :lease, epoch = epoch + 1
WHERE id IN (SELECT json_extract(value, '$[0]') FROM json_each(:keys));

-- name: claimed_jobs
SELECT {jobs} FROM jobs WHERE id IN (SELECT json_extract(value, '$[0]') FROM json_each(:keys))
ORDER BY next_check_at, id;

-- name: renew_jobs
-- A lease of 0 gives the claim back.
UPDATE jobs SET claimed_until = CASE WHEN :lease = 0 THEN NULL ELSE :now + :lease END
WHERE (id, epoch, claimed_by) IN (
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]')
    FROM json_each(:keys)
);

-- name: held_jobs
SELECT {jobs} FROM jobs
WHERE (id, epoch, claimed_by) IN (
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]')
    FROM json_each(:keys)
);


-- name: due_deployments_file_copies
-- As due_deployments_jobs.
SELECT asked.value FROM json_each(:deployments) AS asked
WHERE EXISTS (
    SELECT 1 FROM file_copies
    WHERE deployment_id = asked.value AND next_check_at <= :now
      AND (claimed_until IS NULL OR claimed_until <= :now)
);

-- name: due_file_copies
SELECT file_id, shard, deployment_id FROM file_copies
WHERE deployment_id = :deployment AND next_check_at <= :now
  AND (claimed_until IS NULL OR claimed_until <= :now)
ORDER BY next_check_at, file_id, shard
LIMIT :limit;

-- name: claim_file_copies
UPDATE file_copies SET claimed_by = :worker, claimed_until = :now + :lease, epoch = epoch + 1
WHERE (file_id, shard, deployment_id) IN (
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]')
    FROM json_each(:keys)
);

-- name: claimed_file_copies
SELECT {file_copies} FROM file_copies
WHERE (file_id, shard, deployment_id) IN (
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]')
    FROM json_each(:keys)
)
ORDER BY next_check_at, file_id, shard, deployment_id;

-- name: renew_file_copies
-- As renew_jobs.
UPDATE file_copies SET claimed_until = CASE WHEN :lease = 0 THEN NULL ELSE :now + :lease END
WHERE (file_id, shard, deployment_id, epoch, claimed_by) IN (
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
           json_extract(value, '$[3]'), json_extract(value, '$[4]')
    FROM json_each(:keys)
);

-- name: held_file_copies
SELECT {file_copies} FROM file_copies
WHERE (file_id, shard, deployment_id, epoch, claimed_by) IN (
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
           json_extract(value, '$[3]'), json_extract(value, '$[4]')
    FROM json_each(:keys)
);


-- name: insert_charges
-- One row a job, ever: the second one is a conflict.
INSERT INTO charges ({charges.columns}) VALUES ({charges.parameters});

-- name: insert_events
INSERT INTO events ({events.columns}) VALUES ({events.parameters});

-- name: list_events
SELECT {events} FROM events WHERE id > :after ORDER BY id LIMIT :limit;
