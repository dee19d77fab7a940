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


-- name: delete_webhook_endpoints_of
-- What was to be sent to them is removed in steps, as remove_forgotten_deliveries does.
DELETE FROM {prefix}webhook_endpoints WHERE owner = :owner;

-- fragment: waiting_webhooks
-- The endpoints that something is to be sent to, from one to the next, past however much of the one.
WITH RECURSIVE waiting (sink) AS (
    SELECT (
        SELECT sink FROM {prefix}event_deliveries AS event_deliveries
        WHERE sink >= :first AND sink < :last AND next_check_at IS NOT NULL ORDER BY sink LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT sink FROM {prefix}event_deliveries AS event_deliveries
        WHERE sink > waiting.sink AND sink < :last AND next_check_at IS NOT NULL ORDER BY sink LIMIT 1
    )
    FROM waiting WHERE waiting.sink IS NOT NULL
)

-- fragment: takes_webhooks
webhook_endpoints.disabled_at IS NULL
  AND (webhook_endpoints.next_attempt_at IS NULL OR webhook_endpoints.next_attempt_at <= {now})
  AND (webhook_endpoints.claimed_until IS NULL OR webhook_endpoints.claimed_until <= {now})
  AND webhook_endpoints.key_fingerprint IN ({fingerprints})

-- name: due_webhooks
-- In turns of their owners; `keys` says how many of an owner are under way.
{waiting_webhooks}
SELECT id
FROM (
    SELECT id, owner, due_at, row_number() OVER (PARTITION BY owner ORDER BY due_at, id) AS turn
    FROM (
        SELECT webhook_endpoints.id, webhook_endpoints.owner, (
            SELECT next_check_at FROM {prefix}event_deliveries AS event_deliveries
            WHERE sink = webhook_endpoints.id AND next_check_at <= {now} ORDER BY next_check_at LIMIT 1
        ) AS due_at
        FROM waiting CROSS JOIN {prefix}webhook_endpoints AS webhook_endpoints
        WHERE webhook_endpoints.id = waiting.sink AND {takes_webhooks}
    ) AS due
    WHERE due_at IS NOT NULL
) AS in_turns
WHERE turn + coalesce((SELECT CAST({key_1} AS bigint) FROM {keys} WHERE {key_0} = in_turns.owner), 0)
    <= CAST(:per_owner AS bigint)
ORDER BY turn, due_at, id
LIMIT :limit;

-- name: lock_due_webhooks
SELECT id, (
    SELECT event_id FROM {prefix}event_deliveries AS event_deliveries
    WHERE sink = webhook_endpoints.id AND next_check_at <= {now} ORDER BY next_check_at, event_id LIMIT 1
)
FROM {prefix}webhook_endpoints AS webhook_endpoints
WHERE id {among_keys} AND {takes_webhooks}
{skip_locked};

-- name: claim_webhooks
UPDATE {prefix}webhook_endpoints AS webhook_endpoints
SET claimed_by = :worker, claimed_until = {now} + CAST(:lease AS bigint), epoch = epoch + 1
WHERE id {among_keys};

-- name: claimed_webhooks
SELECT {webhook_endpoints}, {event_deliveries}, {events}
FROM {prefix}event_deliveries AS event_deliveries
JOIN {prefix}webhook_endpoints AS webhook_endpoints ON webhook_endpoints.id = event_deliveries.sink
JOIN {prefix}events AS events ON events.id = event_deliveries.event_id
WHERE event_deliveries.event_id {among_keys}
  AND (event_deliveries.event_id, event_deliveries.sink) IN (SELECT {key_0}, {key_1} FROM {keys});

-- name: lock_claimed_webhooks
-- Fenced: those that others have claimed since are not found.
SELECT {webhook_endpoints}, {now}
FROM {prefix}webhook_endpoints AS webhook_endpoints
WHERE id {among_keys} AND (id, epoch, claimed_by) IN ({held_keys})
ORDER BY id
{for_update};

-- name: remove_webhook_deliveries
DELETE FROM {prefix}event_deliveries
WHERE event_id {among_keys} AND (event_id, sink) IN (SELECT {key_0}, {key_1} FROM {keys});

-- name: fail_webhook_deliveries
UPDATE {prefix}event_deliveries AS event_deliveries
SET state = CASE WHEN {key_2} IS NULL THEN 'dead' ELSE 'pending' END,
    next_check_at = {now} + CAST({key_2} AS bigint), error = {key_3}, attempts = attempts + 1
FROM {keys}
WHERE event_deliveries.event_id {among_keys}
  AND event_deliveries.event_id = {key_0} AND event_deliveries.sink = {key_1};

-- name: overdue_webhooks
{waiting_webhooks}
SELECT webhook_endpoints.id
FROM waiting CROSS JOIN {prefix}webhook_endpoints AS webhook_endpoints
WHERE webhook_endpoints.id = waiting.sink
  AND (
      webhook_endpoints.disabled_at IS NOT NULL OR webhook_endpoints.failures >= :failing
      OR coalesce(webhook_endpoints.tried_at, webhook_endpoints.created_at) <= {now} - CAST(:idle AS bigint)
  )
  AND (
      SELECT 1 FROM {prefix}event_deliveries AS event_deliveries
      WHERE sink = webhook_endpoints.id AND next_check_at <= {now} - CAST(:age AS bigint)
      ORDER BY next_check_at
      LIMIT 1
  ) IS NOT NULL;

-- name: expire_webhooks
UPDATE {prefix}event_deliveries AS event_deliveries
SET state = 'dead', next_check_at = NULL, error = coalesce(error, :error)
WHERE (event_id, sink) IN (
    SELECT overdue.event_id, overdue.sink FROM {prefix}event_deliveries AS overdue
    WHERE overdue.sink = :sink AND overdue.next_check_at <= {now} - CAST(:age AS bigint)
    ORDER BY overdue.next_check_at, overdue.event_id
    LIMIT :limit
);

-- name: backlog_of_webhooks
SELECT webhook_endpoints.id, webhook_endpoints.owner,
    count(*) - count(CASE state WHEN 'dead' THEN 1 END), count(CASE state WHEN 'dead' THEN 1 END),
    min(CASE state WHEN 'pending' THEN event_deliveries.created_at END),
    CASE WHEN webhook_endpoints.disabled_at IS NULL THEN 0 ELSE 1 END
FROM {prefix}webhook_endpoints AS webhook_endpoints
JOIN {prefix}event_deliveries AS event_deliveries ON event_deliveries.sink = webhook_endpoints.id
GROUP BY webhook_endpoints.id, webhook_endpoints.owner, webhook_endpoints.disabled_at
ORDER BY webhook_endpoints.id;
