-- Queries about sessions of the page.

-- name: end_session
INSERT INTO {prefix}ended_sessions (id, until) VALUES (:id, {now} + CAST(:span AS bigint))
ON CONFLICT (id) DO UPDATE SET until = excluded.until;

-- name: forget_sessions
DELETE FROM {prefix}ended_sessions WHERE until <= {now};

-- name: ended_session
SELECT 1 FROM {prefix}ended_sessions AS ended_sessions WHERE id = :id AND until > {now};
