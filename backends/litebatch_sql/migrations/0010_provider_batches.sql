-- Whether a provider's batch is one that a job names, for providers that do not tell whose it is.

CREATE INDEX {prefix}jobs_by_provider_batch ON {prefix}jobs (provider_batch_id, deployment_id)
    WHERE provider_batch_id IS NOT NULL;
