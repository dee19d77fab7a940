-- The queries of contents. How the file is read: litebatch_sql/queries.py.

-- name: insert_contents
INSERT INTO {prefix}contents ({contents.columns}) VALUES ({contents.parameters});

-- name: get_content
SELECT {contents} FROM {prefix}contents AS contents WHERE "key" = :key;

-- name: keep_content
-- Named by a part, in the same transaction; touches nothing unless it is being written.
UPDATE {prefix}contents AS contents
SET state = 'kept', bytes = :bytes, next_check_at = NULL, claimed_by = NULL, claimed_until = NULL
WHERE "key" = :content_key AND store = :store AND state = 'writing';

-- name: release_contents
-- Of files that go, or whose stored parts do.
UPDATE {prefix}contents AS contents
SET state = 'deleting', next_check_at = {now}, epoch = epoch + 1
WHERE state = 'kept' AND "key" IN (
    SELECT content_key FROM {prefix}file_parts AS file_parts
    WHERE file_id {among_keys} AND content_key IS NOT NULL
);

-- name: remove_stored_parts
DELETE FROM {prefix}file_parts WHERE file_id {among_keys} AND content_key IS NOT NULL;

-- name: abandon_contents
UPDATE {prefix}contents AS contents
SET state = 'deleting', next_check_at = {now}, claimed_by = NULL, claimed_until = NULL, epoch = epoch + 1
WHERE "key" {among_keys} AND state = 'writing' AND ("key", epoch, claimed_by) IN ({held_keys});

-- name: due_contents
-- Walks contents_due.
SELECT "key" FROM {prefix}contents AS contents
WHERE next_check_at <= {now} AND (claimed_until IS NULL OR claimed_until <= {now})
  AND store {among_keys}
ORDER BY next_check_at, "key"
LIMIT :limit;

-- name: lock_due_contents
-- As due_contents, and past those that somebody else is claiming.
SELECT "key" FROM {prefix}contents AS contents
WHERE next_check_at <= {now} AND (claimed_until IS NULL OR claimed_until <= {now})
  AND store {among_keys}
ORDER BY next_check_at, "key"
LIMIT :limit
{skip_locked};

-- name: claim_contents
UPDATE {prefix}contents AS contents
SET watch_until = CASE state WHEN 'writing' THEN {now} + CAST(:watch AS bigint) ELSE watch_until END,
    state = 'deleting', claimed_by = :worker, claimed_until = {now} + CAST(:lease AS bigint), epoch = epoch + 1
WHERE "key" {among_keys};

-- name: claimed_contents
SELECT {contents} FROM {prefix}contents AS contents WHERE "key" {among_keys} ORDER BY next_check_at, "key";

-- name: renew_contents
-- As renew_jobs.
UPDATE {prefix}contents AS contents
SET claimed_until = {now} + nullif(CAST(:lease AS bigint), 0)
WHERE "key" {among_keys} AND ("key", epoch, claimed_by) IN ({held_keys});

-- name: held_contents
SELECT {contents} FROM {prefix}contents AS contents
WHERE "key" {among_keys} AND ("key", epoch, claimed_by) IN ({held_keys});

-- name: postpone_content
UPDATE {prefix}contents AS contents
SET next_check_at = :due, claimed_by = NULL, claimed_until = NULL
WHERE "key" = :key AND epoch = :epoch;

-- name: remove_content
-- Its chunks keep it from going.
DELETE FROM {prefix}contents WHERE "key" = :key AND epoch = :epoch AND state = 'deleting';

-- name: bytes_in_store
SELECT CAST(coalesce(sum(bytes), 0) AS bigint) FROM {prefix}contents AS contents WHERE store = :store;

-- name: insert_chunk
INSERT INTO {prefix}content_chunks ("key", seq, chunk)
SELECT "key", CAST(:seq AS integer), CAST(:chunk AS {type.blob}) FROM {prefix}contents AS contents
WHERE "key" = :key AND state = 'writing';

-- name: get_chunk
SELECT chunk FROM {prefix}content_chunks AS content_chunks WHERE "key" = :key AND seq = :seq;

-- name: delete_chunks
DELETE FROM {prefix}content_chunks
WHERE "key" = :key AND seq IN (
    SELECT seq FROM {prefix}content_chunks AS content_chunks WHERE "key" = :key ORDER BY seq LIMIT :limit
);

-- name: forget_contents_elsewhere
-- What the original has in stores of its own is not the copy's to delete.
DELETE FROM {prefix}contents WHERE store <> 'database';
