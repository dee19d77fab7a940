-- The queries of uploads. How the file is read: litebatch_sql/queries.py.

-- name: insert_uploads
INSERT INTO {prefix}uploads ({uploads.columns}) VALUES ({uploads.parameters});

-- name: get_upload
SELECT {uploads} FROM {prefix}uploads AS uploads WHERE id = :id
{for_update}  -- if lock
;

-- name: upload_with_key
SELECT {uploads} FROM {prefix}uploads AS uploads
WHERE owner = :owner AND request_key = :key AND created_at >= :since
ORDER BY created_at DESC, id DESC
LIMIT 1;

-- name: held_by_uploads
SELECT
    CAST(coalesce(sum(CASE WHEN owner = :owner THEN held_bytes ELSE 0 END), 0) AS bigint),
    CAST(coalesce(sum(held_bytes), 0) AS bigint)
FROM {prefix}uploads AS uploads WHERE status = 'pending';

-- name: insert_upload_parts
INSERT INTO {prefix}upload_parts ({upload_parts.columns}) VALUES ({upload_parts.parameters});

-- name: count_part
UPDATE {prefix}uploads AS uploads SET parts = parts + 1, held_bytes = held_bytes + :held WHERE id = :id;

-- name: list_upload_parts
SELECT {upload_parts} FROM {prefix}upload_parts AS upload_parts WHERE upload_id = :id ORDER BY id;

-- name: make_file_of_upload
UPDATE {prefix}uploads AS uploads SET file_id = :object_id, completion = :fingerprint WHERE id = :upload_id;

-- name: end_upload
UPDATE {prefix}uploads AS uploads SET status = :status, ended_at = :at WHERE id = :id;

-- name: release_upload_contents
UPDATE {prefix}contents AS contents
SET state = 'deleting', next_check_at = {now}, epoch = epoch + 1
WHERE state = 'kept' AND "key" IN (
    SELECT content_key FROM {prefix}upload_parts AS upload_parts WHERE upload_id = :id
);

-- name: remove_upload_parts
DELETE FROM {prefix}upload_parts WHERE upload_id = :id;

-- name: overdue_uploads
SELECT id FROM {prefix}uploads AS uploads WHERE status = 'pending' AND expires_at < :before
ORDER BY expires_at, id
LIMIT :limit;

-- name: remove_ended_uploads
-- As sweep_keys.
DELETE FROM {prefix}uploads
WHERE id IN (
    WITH old AS MATERIALIZED (
        SELECT id FROM {prefix}uploads AS uploads
        WHERE ended_at < :before ORDER BY ended_at, id LIMIT :limit
        {skip_locked}
    )
    SELECT id FROM old
);

-- name: release_all_upload_contents
-- In a copy of a database: what its original makes of them is no concern of its own.
UPDATE {prefix}contents AS contents
SET state = 'deleting', next_check_at = {now}, epoch = epoch + 1
WHERE state = 'kept' AND "key" IN (SELECT content_key FROM {prefix}upload_parts AS upload_parts);

-- name: remove_all_upload_parts
DELETE FROM {prefix}upload_parts;

-- name: remove_all_uploads
DELETE FROM {prefix}uploads;
