-- What pages of operators and owners look for.

-- By status. Most batches have completed: whoever looks for those looks among all, or those of an owner or model.
-- `|| ''`: whoever asks for one owner's, or for open ones, shall not be led through everybody's.
CREATE INDEX {prefix}batches_by_status ON {prefix}batches ((status || ''), created_at, id)
    WHERE status <> 'completed';
CREATE INDEX {prefix}batches_by_owner_status ON {prefix}batches (owner, status, created_at, id)
    WHERE status <> 'completed';

CREATE INDEX {prefix}batches_by_input_file ON {prefix}batches (input_file_id, created_at, id);

-- Likewise, for whoever asks for what is open at a deployment.
CREATE INDEX {prefix}jobs_by_deployment ON {prefix}jobs ((deployment_id || ''), batch_id)
    WHERE deployment_id IS NOT NULL;

-- How deployments did lately: what jobs came to there, the last first.
ALTER TABLE {prefix}jobs ADD COLUMN ended_at bigint; -- null: its deployment is not through with it
CREATE INDEX {prefix}jobs_ended_at_deployment ON {prefix}jobs (deployment_id, ended_at)
    WHERE ended_at IS NOT NULL;
