-- Lines that we run ourselves, request by request: ranges of live jobs, and the results of their requests.

ALTER TABLE {prefix}jobs ADD COLUMN lane text NOT NULL DEFAULT 'native';

-- A part that is what a live job has come to.
ALTER TABLE {prefix}file_parts ADD COLUMN job_id {type.key};
CREATE INDEX {prefix}file_parts_by_job ON {prefix}file_parts (job_id) WHERE job_id IS NOT NULL;

-- They may outlive their jobs, until they are swept: no foreign key.
CREATE TABLE {prefix}line_ranges (
    job_id {type.key} NOT NULL,
    seq integer NOT NULL,
    batch_id {type.key} NOT NULL,
    owner {type.key} NOT NULL, -- the batch's
    deployment_id {type.key} NOT NULL,
    first_line bigint NOT NULL, -- within the tile
    end_line bigint NOT NULL, -- behind the last one
    lines bigint NOT NULL,
    "start" bigint NOT NULL,
    bytes bigint NOT NULL,
    expires_at bigint NOT NULL, -- the batch's
    done bigint NOT NULL,
    failed bigint NOT NULL, -- of those that are done
    one_by_one smallint NOT NULL CHECK (one_by_one IN (0, 1)),
    trying bigint,
    tries integer NOT NULL,
    next_check_at bigint, -- null: never
    claimed_by {type.key},
    claimed_until bigint,
    epoch bigint NOT NULL,
    PRIMARY KEY (job_id, seq)
);

CREATE INDEX {prefix}line_ranges_due ON {prefix}line_ranges (deployment_id, owner, expires_at, job_id, seq)
    WHERE next_check_at IS NOT NULL;
CREATE INDEX {prefix}line_ranges_held ON {prefix}line_ranges (deployment_id, claimed_by)
    WHERE claimed_by IS NOT NULL;

CREATE TABLE {prefix}line_results (
    job_id {type.key} NOT NULL,
    line integer NOT NULL, -- within the tile
    kind text NOT NULL,
    "row" {type.blob} NOT NULL,
    PRIMARY KEY (job_id, line)
);

CREATE INDEX {prefix}line_results_errors ON {prefix}line_results (job_id, line) WHERE kind = 'error';

-- Who wants to be alone at a live deployment.
CREATE TABLE {prefix}line_alone (
    deployment_id {type.key} NOT NULL PRIMARY KEY,
    worker {type.key} NOT NULL,
    until bigint NOT NULL
);

-- Live jobs whose results may have become of no use.
CREATE TABLE {prefix}line_sweeps (
    job_id {type.key} NOT NULL PRIMARY KEY
);
