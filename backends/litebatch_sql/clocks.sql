-- A clock that was set back by `ahead`: what was written before and lies in the future since. How the file is
-- read: litebatch_sql/queries.py. What is in the past stays as it is.

-- name: bring_back_jobs
UPDATE {prefix}jobs AS jobs SET
    next_check_at = CASE WHEN next_check_at > :moment THEN next_check_at - CAST(:ahead AS bigint) ELSE next_check_at END,
    refresh_from = CASE WHEN refresh_from > :moment THEN refresh_from - CAST(:ahead AS bigint) ELSE refresh_from END,
    claimed_until = CASE WHEN claimed_until > :moment THEN claimed_until - CAST(:ahead AS bigint) ELSE claimed_until END
WHERE next_check_at > :moment OR refresh_from > :moment OR claimed_until > :moment;

-- name: bring_back_file_copies
UPDATE {prefix}file_copies AS file_copies SET
    next_check_at = CASE WHEN next_check_at > :moment THEN next_check_at - CAST(:ahead AS bigint) ELSE next_check_at END,
    claimed_until = CASE WHEN claimed_until > :moment THEN claimed_until - CAST(:ahead AS bigint) ELSE claimed_until END
WHERE next_check_at > :moment OR claimed_until > :moment;

-- name: bring_back_contents
UPDATE {prefix}contents AS contents SET
    next_check_at = CASE WHEN next_check_at > :moment THEN next_check_at - CAST(:ahead AS bigint) ELSE next_check_at END,
    claimed_until = CASE WHEN claimed_until > :moment THEN claimed_until - CAST(:ahead AS bigint) ELSE claimed_until END
WHERE next_check_at > :moment OR claimed_until > :moment;

-- name: bring_back_line_ranges
UPDATE {prefix}line_ranges AS line_ranges SET
    next_check_at = CASE WHEN next_check_at > :moment THEN next_check_at - CAST(:ahead AS bigint) ELSE next_check_at END,
    claimed_until = CASE WHEN claimed_until > :moment THEN claimed_until - CAST(:ahead AS bigint) ELSE claimed_until END
WHERE next_check_at > :moment OR claimed_until > :moment;

-- name: bring_back_line_alone
UPDATE {prefix}line_alone AS line_alone SET
    until = CASE WHEN until > :moment THEN until - CAST(:ahead AS bigint) ELSE until END
WHERE until > :moment;

-- name: bring_back_event_deliveries
UPDATE {prefix}event_deliveries AS event_deliveries SET
    next_check_at = CASE WHEN next_check_at > :moment THEN next_check_at - CAST(:ahead AS bigint) ELSE next_check_at END,
    claimed_until = CASE WHEN claimed_until > :moment THEN claimed_until - CAST(:ahead AS bigint) ELSE claimed_until END
WHERE next_check_at > :moment OR claimed_until > :moment;

-- name: bring_back_webhook_endpoints
UPDATE {prefix}webhook_endpoints AS webhook_endpoints SET
    next_attempt_at = CASE WHEN next_attempt_at > :moment THEN next_attempt_at - CAST(:ahead AS bigint) ELSE next_attempt_at END,
    claimed_until = CASE WHEN claimed_until > :moment THEN claimed_until - CAST(:ahead AS bigint) ELSE claimed_until END
WHERE next_attempt_at > :moment OR claimed_until > :moment;

-- name: bring_back_files
UPDATE {prefix}files AS files SET
    answering_until = CASE WHEN answering_until > :moment THEN answering_until - CAST(:ahead AS bigint) ELSE answering_until END
WHERE answering_until > :moment;

-- name: bring_back_batches
UPDATE {prefix}batches AS batches SET
    answering_until = CASE WHEN answering_until > :moment THEN answering_until - CAST(:ahead AS bigint) ELSE answering_until END
WHERE answering_until > :moment;

-- name: bring_back_heartbeats
UPDATE {prefix}heartbeats AS heartbeats SET
    since = CASE WHEN since > :moment THEN since - CAST(:ahead AS bigint) ELSE since END,
    seen_at = CASE WHEN seen_at > :moment THEN seen_at - CAST(:ahead AS bigint) ELSE seen_at END
WHERE since > :moment OR seen_at > :moment;
