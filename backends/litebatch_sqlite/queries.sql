-- The queries of SQLite's own. How the file is read: litebatch_sql/queries.py.
-- type: key TEXT
-- type: json TEXT
-- type: money TEXT
-- type: blob BLOB

-- fragment: now
-- The process's clock in microseconds: the database has no other.
:now

-- fragment: keys
-- What identifies rows: a JSON list of lists.
json_each(:keys) AS keys

-- fragment: few_keys {keys}
-- fragment: key_0 json_extract(value, '$[0]')
-- fragment: key_1 json_extract(value, '$[1]')
-- fragment: key_2 json_extract(value, '$[2]')
-- fragment: key_3 json_extract(value, '$[3]')
-- fragment: key_4 json_extract(value, '$[4]')
-- fragment: key_5 json_extract(value, '$[5]')
-- fragment: key_6 json_extract(value, '$[6]')
-- fragment: key_7 json_extract(value, '$[7]')
-- fragment: among_keys IN (SELECT {key_0} FROM {keys})
-- fragment: deployments json_each(:deployments) AS asked
-- fragment: models SELECT value FROM json_each(:models)
-- fragment: patterns
SELECT
    json_extract(value, '$[0]') AS start,
    json_extract(value, '$[1]') AS is_whole,
    json_extract(value, '$[2]') AS is_wanted
FROM json_each(:patterns)

-- fragment: avoided SELECT value FROM json_each(:avoid)
-- fragment: of_one_owner likelihood(owner = :owner, 0.001)
-- fragment: of_one_key likelihood("key" = :key, 0.001)
-- fragment: ids SELECT value FROM json_each(:ids)
-- fragment: fingerprints SELECT value FROM json_each(:fingerprints)
-- fragment: wants_event events.type IN (SELECT value FROM json_each(webhook_endpoints.event_types))
-- fragment: for_update
-- fragment: for_update_of_files
-- fragment: skip_locked
-- fragment: clustered WITHOUT ROWID
-- fragment: json_list json_group_array
-- fragment: scopes_of_charge json_each(charges.scopes) AS scopes_of_charge
-- fragment: counts_without_progress json_set(counts, '$.completed', 0, '$.failed', 0)

-- name: has_installation
-- A row if migrations have run before.
SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '{prefix}installation';

-- name: advised_content_bytes
-- Beyond that many a file of its own is no place for contents any more.
SELECT 1000000000;

-- name: due_jobs
-- The longest due rows of each owner.
{owners_of_jobs}
SELECT mine.id, row_number() OVER (PARTITION BY mine.owner ORDER BY mine.next_check_at, mine.id) AS turn
FROM owners JOIN {prefix}jobs AS mine ON mine.id IN (
    SELECT id FROM {prefix}jobs AS jobs
    WHERE coalesce(deployment_id, '') = coalesce(CAST(:deployment AS text), '')
      AND {work} = :work
      AND owner = owners.owner AND next_check_at <= {now}
      AND (claimed_until IS NULL OR claimed_until <= {now})
    ORDER BY next_check_at, id
    LIMIT :limit
)
WHERE owners.owner NOT IN ({avoided})
ORDER BY turn, mine.next_check_at, mine.id
LIMIT :limit;

-- name: due_file_copies
-- The longest due rows of each owner.
{owners_of_file_copies}
SELECT mine.file_id, mine.shard, mine.deployment_id,
    row_number() OVER (
        PARTITION BY mine.owner ORDER BY mine.next_check_at, mine.file_id, mine.shard
    ) AS turn
FROM owners JOIN {prefix}file_copies AS mine ON (mine.file_id, mine.shard, mine.deployment_id) IN (
    SELECT file_id, shard, deployment_id FROM {prefix}file_copies AS file_copies
    WHERE deployment_id = :deployment
      AND owner = owners.owner AND next_check_at <= {now}
      AND (claimed_until IS NULL OR claimed_until <= {now})
    ORDER BY next_check_at, file_id, shard
    LIMIT :limit
)
WHERE owners.owner NOT IN ({avoided})
ORDER BY turn, mine.next_check_at, mine.file_id, mine.shard
LIMIT :limit;

-- name: due_line_ranges
-- The rows of each owner that expire first.
{owners_of_line_ranges}
SELECT mine.job_id, mine.seq,
    row_number() OVER (PARTITION BY mine.owner ORDER BY mine.expires_at, mine.job_id, mine.seq) AS turn
FROM owners JOIN {prefix}line_ranges AS mine ON mine.rowid IN (
    SELECT rowid FROM {prefix}line_ranges AS line_ranges
    WHERE deployment_id = :deployment
      AND owner = owners.owner AND next_check_at <= {now}
      AND (claimed_until IS NULL OR claimed_until <= {now})
    ORDER BY expires_at, job_id, seq
    LIMIT :limit
)
WHERE owners.owner NOT IN ({avoided})
ORDER BY turn, mine.expires_at, mine.job_id, mine.seq
LIMIT :limit;
