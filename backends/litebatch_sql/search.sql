-- Queries that find places of batches and files, which are read by their ids afterwards. Each walks one index in
-- its order. What `|| ''` and `coalesce` hide from the planners is looked at on the way, and leads to no index.

-- name: search_batches
-- Walks batches_by_owner, _by_owner_model, _by_model, _by_owner_status, _by_status or _by_input_file.
SELECT batches.created_at, batches.id
    , batches.input_file_id, files.filename, CAST(batches.metadata AS text)  -- if texts
FROM {prefix}batches AS batches
LEFT JOIN {prefix}files AS files ON files.id = batches.input_file_id  -- if texts
WHERE TRUE
  AND batches.owner = :owner  -- if owner
  AND batches.model = :model  -- if model
  AND batches.status = :status AND batches.status <> 'completed'  -- if status_of_owner
  AND batches.status || '' = :status AND batches.status <> 'completed'  -- if status
  AND batches.input_file_id = :input_file_id  -- if file
  AND (batches.created_at, batches.id) < (:from_at, :from_id)  -- if before
  AND (batches.created_at, batches.id) > (:from_at, :from_id)  -- if after
  AND (batches.created_at, batches.id) >= (:to_at, :to_id)  -- if down_to
  AND (batches.created_at, batches.id) <= (:to_at, :to_id)  -- if up_to
  AND {batch_is_of_owner}  -- if of_owner
  AND {batch_is_of_model}  -- if of_model
  AND {batch_is_in_status}  -- if of_status
  AND {batch_is_at_deployment}  -- if of_deployment
ORDER BY batches.created_at DESC, batches.id DESC  -- if descending
ORDER BY batches.created_at, batches.id  -- if ascending
LIMIT :limit OFFSET :offset;

-- name: search_all_batches
-- Of every owner: walks batches_by_time, as list_all_files does.
SELECT batches.created_at, batches.id
    , batches.input_file_id, files.filename, CAST(batches.metadata AS text)  -- if texts
FROM {prefix}batches AS batches
LEFT JOIN {prefix}files AS files ON files.id = batches.input_file_id  -- if texts
WHERE TRUE
  AND batches.created_at + 0 <= :from_at  -- if before
  AND (batches.created_at + 0, batches.id) < (:from_at, :from_id)  -- if before
  AND batches.created_at + 0 >= :from_at  -- if after
  AND (batches.created_at + 0, batches.id) > (:from_at, :from_id)  -- if after
  AND batches.created_at + 0 >= :to_at  -- if down_to
  AND (batches.created_at + 0, batches.id) >= (:to_at, :to_id)  -- if down_to
  AND batches.created_at + 0 <= :to_at  -- if up_to
  AND (batches.created_at + 0, batches.id) <= (:to_at, :to_id)  -- if up_to
  AND {batch_is_in_status}  -- if of_status
  AND {batch_is_at_deployment}  -- if of_deployment
ORDER BY batches.created_at + 0 DESC, batches.id DESC  -- if descending
ORDER BY batches.created_at + 0, batches.id  -- if ascending
LIMIT :limit OFFSET :offset;

-- name: search_batches_at_deployment
-- Walks jobs_by_deployment, in the order of the batches' ids.
SELECT batches.created_at, batches.id
    , batches.input_file_id, files.filename, CAST(batches.metadata AS text)  -- if texts
FROM (
    SELECT DISTINCT jobs.batch_id FROM {prefix}jobs AS jobs
    WHERE jobs.deployment_id IS NOT NULL AND jobs.deployment_id || '' = :deployment_id
      AND jobs.batch_id < :from_id  -- if before
      AND jobs.batch_id > :from_id  -- if after
      AND jobs.batch_id >= :to_id  -- if down_to
      AND jobs.batch_id <= :to_id  -- if up_to
    ORDER BY jobs.batch_id DESC  -- if descending
    ORDER BY jobs.batch_id  -- if ascending
    LIMIT :looked_at
) AS there
JOIN {prefix}batches AS batches ON batches.id = there.batch_id
LEFT JOIN {prefix}files AS files ON files.id = batches.input_file_id  -- if texts
WHERE TRUE
  AND {batch_is_of_owner}  -- if of_owner
  AND {batch_is_of_model}  -- if of_model
  AND {batch_is_in_status}  -- if of_status
ORDER BY there.batch_id DESC  -- if descending
ORDER BY there.batch_id  -- if ascending
LIMIT :limit;

-- name: bound_of_batches_at_deployment
-- The batch of the job that is so many behind.
SELECT 0, jobs.batch_id FROM {prefix}jobs AS jobs
WHERE jobs.deployment_id IS NOT NULL AND jobs.deployment_id || '' = :deployment_id
  AND jobs.batch_id < :from_id  -- if before
  AND jobs.batch_id > :from_id  -- if after
ORDER BY jobs.batch_id DESC  -- if descending
ORDER BY jobs.batch_id  -- if ascending
LIMIT 1 OFFSET :offset;

-- fragment: batch_is_of_owner (batches.owner || '' = :of_owner)
-- fragment: batch_is_of_model (batches.model || '' = :of_model)
-- fragment: batch_is_in_status (coalesce(batches.status, '') {among_keys})
-- fragment: batch_is_at_deployment
(
    SELECT 1 FROM {prefix}jobs AS jobs
    WHERE jobs.batch_id = batches.id
      AND jobs.deployment_id IS NOT NULL AND jobs.deployment_id || '' = :of_deployment
    LIMIT 1
) IS NOT NULL

-- name: search_files
-- Walks files_by_owner or files_by_owner_purpose.
SELECT files.created_at, files.id
    , files.filename  -- if texts
FROM {prefix}files AS files
WHERE files.accepted_at IS NOT NULL AND files.deleted_at IS NULL
  AND files.owner = :owner
  AND files.purpose = :purpose  -- if purpose
  AND (files.created_at, files.id) < (:from_at, :from_id)  -- if before
  AND (files.created_at, files.id) > (:from_at, :from_id)  -- if after
  AND (files.created_at, files.id) >= (:to_at, :to_id)  -- if down_to
  AND (files.created_at, files.id) <= (:to_at, :to_id)  -- if up_to
  AND (files.expires_at IS NULL OR files.expires_at > :now)  -- if unexpired
ORDER BY files.created_at DESC, files.id DESC  -- if descending
ORDER BY files.created_at, files.id  -- if ascending
LIMIT :limit OFFSET :offset;

-- name: search_all_files
-- Of every owner: walks files_by_time or files_by_purpose, as list_all_files does.
SELECT files.created_at, files.id
    , files.filename  -- if texts
FROM {prefix}files AS files
WHERE files.accepted_at IS NOT NULL AND files.deleted_at IS NULL
  AND files.purpose = :purpose  -- if purpose
  AND files.created_at + 0 <= :from_at  -- if before
  AND (files.created_at + 0, files.id) < (:from_at, :from_id)  -- if before
  AND files.created_at + 0 >= :from_at  -- if after
  AND (files.created_at + 0, files.id) > (:from_at, :from_id)  -- if after
  AND files.created_at + 0 >= :to_at  -- if down_to
  AND (files.created_at + 0, files.id) >= (:to_at, :to_id)  -- if down_to
  AND files.created_at + 0 <= :to_at  -- if up_to
  AND (files.created_at + 0, files.id) <= (:to_at, :to_id)  -- if up_to
  AND (files.expires_at IS NULL OR files.expires_at > :now)  -- if unexpired
ORDER BY files.created_at + 0 DESC, files.id DESC  -- if descending
ORDER BY files.created_at + 0, files.id  -- if ascending
LIMIT :limit OFFSET :offset;

-- name: batches_of_ids
SELECT {batches} FROM {prefix}batches AS batches WHERE id {among_keys};

-- name: files_of_ids
SELECT {files} FROM {prefix}files AS files
WHERE id {among_keys} AND accepted_at IS NOT NULL AND deleted_at IS NULL
  AND (expires_at IS NULL OR expires_at > :now);

-- name: is_at_deployment
SELECT 1 FROM {prefix}jobs AS jobs
WHERE jobs.batch_id = :id AND jobs.deployment_id IS NOT NULL AND jobs.deployment_id || '' = :deployment_id
LIMIT 1;
