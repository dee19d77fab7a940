-- The queries of webhook endpoints. How the file is read: litebatch_sql/queries.py.

-- name: insert_webhook_endpoints
INSERT INTO {prefix}webhook_endpoints ({webhook_endpoints.columns}) VALUES ({webhook_endpoints.parameters});

-- name: update_webhook_endpoints
UPDATE {prefix}webhook_endpoints AS webhook_endpoints SET {webhook_endpoints.assignments} WHERE id = :id;

-- name: delete_webhook_endpoint
DELETE FROM {prefix}webhook_endpoints WHERE id = :id;

-- name: get_webhook_endpoint
SELECT {webhook_endpoints} FROM {prefix}webhook_endpoints AS webhook_endpoints WHERE id = :id
{for_update}  -- if lock
;

-- name: count_webhook_endpoints
SELECT count(*) FROM {prefix}webhook_endpoints WHERE owner = :owner;

-- name: list_webhook_endpoints
SELECT {webhook_endpoints} FROM {prefix}webhook_endpoints AS webhook_endpoints
WHERE owner = :owner
  AND (created_at, id) < (:last_created_at, :last_id)  -- if before
ORDER BY created_at DESC, id DESC
LIMIT :limit;

-- name: list_all_webhook_endpoints
-- Of every owner: walks webhook_endpoints_by_time, as list_all_files does.
SELECT {webhook_endpoints} FROM {prefix}webhook_endpoints AS webhook_endpoints
WHERE TRUE
  AND created_at + 0 <= :last_created_at  -- if before
  AND (created_at + 0, id) < (:last_created_at, :last_id)  -- if before
ORDER BY created_at + 0 DESC, id DESC
LIMIT :limit;
