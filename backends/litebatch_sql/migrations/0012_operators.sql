-- What operators and placing know of deployments, and jobs as operators see them.
CREATE TABLE {prefix}deployment_limits (
    deployment_id {type.key} NOT NULL,
    model {type.key} NOT NULL, -- by the provider's name
    tokens bigint NOT NULL,
    learned_at bigint NOT NULL,
    PRIMARY KEY (deployment_id, model)
);

CREATE TABLE {prefix}drained_deployments (
    deployment_id {type.key} NOT NULL PRIMARY KEY,
    drained_at bigint NOT NULL
);

ALTER TABLE {prefix}jobs ADD COLUMN tokens bigint NOT NULL DEFAULT 0; -- of its requests; 0: not known

UPDATE {prefix}jobs AS jobs SET tokens = coalesce((
    SELECT file_shards.tokens
    FROM {prefix}batches AS batches, {prefix}file_shards AS file_shards
    WHERE batches.id = jobs.batch_id
        AND file_shards.file_id = batches.input_file_id AND file_shards.shard = jobs.shard
), 0)
WHERE state IN ('waiting', 'submitting', 'unclear', 'submitted');

CREATE INDEX {prefix}jobs_to_look_at ON {prefix}jobs (id) WHERE next_check_at IS NOT NULL;
CREATE INDEX {prefix}jobs_to_look_at_by_deployment ON {prefix}jobs (deployment_id, id)
    WHERE next_check_at IS NOT NULL;
