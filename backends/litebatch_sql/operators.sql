-- Queries about jobs as operators see them, and about what deployments can take.

-- name: get_job
SELECT {jobs} FROM {prefix}jobs AS jobs WHERE id = :id;

-- name: list_jobs
-- Those that somebody has to look at again, the newest batches first. Walks jobs_to_look_at, or that of a
-- deployment.
SELECT {jobs} FROM {prefix}jobs AS jobs
WHERE next_check_at IS NOT NULL
    AND deployment_id = :deployment_id -- if deployment
    AND id < :after -- if after
    AND state IN ({states}) -- if state
ORDER BY id DESC
LIMIT :limit;

-- name: list_jobs_of_batch
-- All of them.
SELECT {jobs} FROM {prefix}jobs AS jobs
WHERE batch_id = :batch_id
    AND deployment_id = :deployment_id -- if deployment
    AND id < :after -- if after
    AND state IN ({states}) -- if state
ORDER BY id DESC
LIMIT :limit;

-- fragment: states SELECT {key_0} FROM {keys}

-- name: drain
INSERT INTO {prefix}drained_deployments (deployment_id, drained_at) VALUES (:deployment_id, {now})
ON CONFLICT (deployment_id) DO NOTHING;

-- name: undrain
DELETE FROM {prefix}drained_deployments WHERE deployment_id = :deployment_id;

-- name: drained
SELECT deployment_id, drained_at FROM {prefix}drained_deployments AS drained_deployments
ORDER BY deployment_id;

-- name: learn_limit
INSERT INTO {prefix}deployment_limits (deployment_id, model, tokens, learned_at)
VALUES (:deployment_id, :model, :tokens, {now})
ON CONFLICT (deployment_id, model) DO UPDATE
SET tokens = excluded.tokens, learned_at = excluded.learned_at;

-- name: forget_old_limits
DELETE FROM {prefix}deployment_limits WHERE learned_at < {now} - CAST(:age AS bigint);

-- name: forget_limit
DELETE FROM {prefix}deployment_limits
WHERE deployment_id = :deployment_id AND model = :model AND tokens < CAST(:tokens AS bigint);

-- name: known_limits
SELECT {deployment_limits} FROM {prefix}deployment_limits AS deployment_limits
WHERE deployment_id {among_keys} AND learned_at > {now} - CAST(:age AS bigint)
ORDER BY deployment_id, model;

-- name: open_tokens
-- By deployment and virtual model, what waits for it, is under way to it or runs there. Walks jobs_open.
SELECT jobs.deployment_id, batches.model, CAST(sum(jobs.tokens) AS bigint), count(*)
FROM {prefix}jobs AS jobs JOIN {prefix}batches AS batches ON batches.id = jobs.batch_id
WHERE jobs.state IN ('waiting', 'submitting', 'unclear', 'submitted') AND jobs.deployment_id IS NOT NULL
    AND jobs.deployment_id {among_keys}
GROUP BY jobs.deployment_id, batches.model;

-- name: ended_jobs
-- The last ones whose results are not still to be read. Walks jobs_ended_at_deployment.
SELECT
    jobs.state, jobs.submit_started_at, jobs.ended_at,
    CASE WHEN jobs.stop_requested_at IS NULL AND jobs.to_cancel = 0 AND jobs.cancel_sent_at IS NULL
        THEN 0 ELSE 1 END,
    CAST(jobs.outcome AS text)
FROM {prefix}jobs AS jobs
WHERE jobs.deployment_id = :deployment_id AND jobs.ended_at IS NOT NULL
    AND jobs.state <> 'ended'
ORDER BY jobs.ended_at DESC
LIMIT :limit;
