-- What a batch waits for, and where it is.

ALTER TABLE {prefix}batches ADD COLUMN deployment_id {type.key};
ALTER TABLE {prefix}batches ADD COLUMN waiting_for {type.json}; -- object

UPDATE {prefix}batches SET deployment_id = (
    SELECT jobs.deployment_id FROM {prefix}jobs AS jobs
    WHERE jobs.batch_id = {prefix}batches.id
    ORDER BY jobs.shard, jobs.attempt DESC LIMIT 1
);
