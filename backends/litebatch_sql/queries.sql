-- The queries of all SQL storages. How the file is read: litebatch_sql/queries.py.
-- What differs from one database to another is in the package of each.

-- name: clock
SELECT {now};

-- fragment: held_keys SELECT {key_0}, CAST({key_1} AS bigint), {key_2} FROM {keys}
-- fragment: copy_keys SELECT {key_0}, CAST({key_1} AS integer), {key_2} FROM {keys}
-- fragment: held_copy_keys
SELECT {key_0}, CAST({key_1} AS integer), {key_2}, CAST({key_3} AS bigint), {key_4} FROM {keys}

-- fragment: file_has_wanted_model
EXISTS (
    SELECT 1 FROM {prefix}file_models AS models_of_file
    WHERE models_of_file.file_id = files.id AND (
        SELECT is_wanted FROM ({patterns}) AS patterns
        WHERE substr(models_of_file.model, 1, length(start)) = start
          AND (is_whole = 0 OR models_of_file.model = start)
        ORDER BY is_whole DESC, length(start) DESC
        LIMIT 1
    ) = 1
)

-- fragment: batch_has_wanted_model
(
    SELECT is_wanted FROM ({patterns}) AS patterns
    WHERE substr(batches.model, 1, length(start)) = start AND (is_whole = 0 OR batches.model = start)
    ORDER BY is_whole DESC, length(start) DESC
    LIMIT 1
) = 1

-- name: get_installation
SELECT id, schema_version, fingerprint FROM {prefix}installation AS installation;

-- name: put_installation
INSERT INTO {prefix}installation (singleton, id, schema_version, fingerprint, created_at)
VALUES (1, :id, :schema_version, :fingerprint, {now})
ON CONFLICT (singleton) DO UPDATE
SET id = excluded.id, schema_version = excluded.schema_version, fingerprint = excluded.fingerprint;


-- name: insert_files
INSERT INTO {prefix}files ({files.columns}) VALUES ({files.parameters});

-- name: update_files
UPDATE {prefix}files AS files SET {files.assignments} WHERE id = :id;

-- name: remove_file
-- Its copies and parts go with it, by their foreign keys; its events are removed beside it.
DELETE FROM {prefix}files WHERE id = :id;

-- name: get_file_state
-- The file beside each of its copies, in one statement, so that all is of one moment.
SELECT
    (
        SELECT count(*) FROM {prefix}batches AS batches
        WHERE input_file_id = files.id
          AND status IN ('validating', 'in_progress', 'finalizing', 'cancelling')
    ),
    {files}, {file_copies}
FROM {prefix}files AS files LEFT JOIN {prefix}file_copies AS file_copies ON file_copies.file_id = files.id
WHERE files.id = :id
ORDER BY file_copies.shard, file_copies.deployment_id;

-- name: get_results
SELECT {files} FROM {prefix}files AS files WHERE id {among_keys} AND accepted_at IS NULL ORDER BY kind;

-- name: list_files
-- Walks files_by_owner or files_by_owner_purpose.
SELECT {files} FROM {prefix}files AS files
WHERE accepted_at IS NOT NULL AND deleted_at IS NULL
  AND (expires_at IS NULL OR expires_at > :now)
  AND owner = :owner
  AND purpose = :purpose  -- if purpose
  AND (created_at, id) < (:last_created_at, :last_id)  -- if before
  AND (created_at, id) > (:last_created_at, :last_id)  -- if after
  AND {file_has_wanted_model}  -- if patterns
ORDER BY created_at DESC, id DESC  -- if descending
ORDER BY created_at, id  -- if ascending
LIMIT :limit;

-- name: list_all_files
-- Of every owner: walks files_by_time or files_by_purpose, whose form keeps them from being walked for one
-- owner alone. SQLite begins in the middle of such an index only where one column is compared.
SELECT {files} FROM {prefix}files AS files
WHERE accepted_at IS NOT NULL AND deleted_at IS NULL
  AND (expires_at IS NULL OR expires_at > :now)
  AND purpose = :purpose  -- if purpose
  AND created_at + 0 <= :last_created_at  -- if before
  AND (created_at + 0, id) < (:last_created_at, :last_id)  -- if before
  AND created_at + 0 >= :last_created_at  -- if after
  AND (created_at + 0, id) > (:last_created_at, :last_id)  -- if after
  AND {file_has_wanted_model}  -- if patterns
ORDER BY created_at + 0 DESC, id DESC  -- if descending
ORDER BY created_at + 0, id  -- if ascending
LIMIT :limit;

-- name: list_files_of_model
-- Walks file_models_by_owner or file_models_by_owner_purpose, and looks each file up.
SELECT {files}
FROM {prefix}file_models AS file_models JOIN {prefix}files AS files ON files.id = file_models.file_id
WHERE file_models.model = :model AND file_models.owner = :owner
  AND (files.expires_at IS NULL OR files.expires_at > :now)
  AND file_models.purpose = :purpose  -- if purpose
  AND (file_models.created_at, file_models.file_id) < (:last_created_at, :last_id)  -- if before
  AND (file_models.created_at, file_models.file_id) > (:last_created_at, :last_id)  -- if after
  AND {file_has_wanted_model}  -- if patterns
ORDER BY file_models.created_at DESC, file_models.file_id DESC  -- if descending
ORDER BY file_models.created_at, file_models.file_id  -- if ascending
LIMIT :limit;

-- name: list_all_files_of_model
-- As list_all_files: walks file_models_by_time or file_models_by_purpose.
SELECT {files}
FROM {prefix}file_models AS file_models JOIN {prefix}files AS files ON files.id = file_models.file_id
WHERE file_models.model = :model
  AND (files.expires_at IS NULL OR files.expires_at > :now)
  AND file_models.purpose = :purpose  -- if purpose
  AND file_models.created_at + 0 <= :last_created_at  -- if before
  AND (file_models.created_at + 0, file_models.file_id) < (:last_created_at, :last_id)  -- if before
  AND file_models.created_at + 0 >= :last_created_at  -- if after
  AND (file_models.created_at + 0, file_models.file_id) > (:last_created_at, :last_id)  -- if after
  AND {file_has_wanted_model}  -- if patterns
ORDER BY file_models.created_at + 0 DESC, file_models.file_id DESC  -- if descending
ORDER BY file_models.created_at + 0, file_models.file_id  -- if ascending
LIMIT :limit;

-- name: list_expired_files
-- Walks files_by_expiry; owners, purposes and models are looked at on the way.
SELECT {files} FROM {prefix}files AS files
WHERE accepted_at IS NOT NULL AND deleted_at IS NULL AND expires_at <= :now
  AND owner = :owner  -- if owner
  AND purpose = :purpose  -- if purpose
  AND EXISTS (  -- if models
      SELECT 1 FROM {prefix}file_models AS file_models  -- if models
      WHERE file_models.file_id = files.id AND file_models.model IN ({models})  -- if models
  )  -- if models
  AND (expires_at, id) > (:last_expires_at, :last_id)  -- if behind
  AND {file_has_wanted_model}  -- if patterns
ORDER BY expires_at, id
LIMIT :limit;

-- name: insert_file_model
INSERT INTO {prefix}file_models (file_id, model, owner, purpose, created_at)
VALUES (:file_id, :model, :owner, :purpose, :created_at);

-- name: remove_file_models
DELETE FROM {prefix}file_models WHERE file_id = :file_id;

-- name: insert_file_shards
INSERT INTO {prefix}file_shards ({file_shards.columns}) VALUES ({file_shards.parameters});

-- name: get_tiles
SELECT {file_shards} FROM {prefix}file_shards AS file_shards
WHERE file_id = :id AND batch_id IS NULL ORDER BY shard;

-- name: get_shard
SELECT {file_shards} FROM {prefix}file_shards AS file_shards WHERE file_id = :file_id AND shard = :shard;

-- name: get_shards_of_batch
SELECT {file_shards} FROM {prefix}file_shards AS file_shards WHERE batch_id = :batch_id ORDER BY shard;

-- name: insert_file_copies
INSERT INTO {prefix}file_copies ({file_copies.columns}) VALUES ({file_copies.parameters});

-- name: update_file_copies
-- Fenced: touches nothing if somebody has claimed the copy since.
UPDATE {prefix}file_copies AS file_copies SET {file_copies.assignments}
WHERE file_id = :file_id AND shard = :shard AND deployment_id = :deployment_id AND epoch = :held_epoch;

-- name: insert_file_parts
INSERT INTO {prefix}file_parts ({file_parts.columns}) VALUES ({file_parts.parameters});

-- name: next_part
SELECT {file_parts} FROM {prefix}file_parts AS file_parts
WHERE file_id = :file_id AND (place, seq) > (:after_place, :after) ORDER BY place, seq LIMIT 1;

-- name: count_parts
-- One more than the highest number of a part.
SELECT coalesce(max(seq) + 1, 0) FROM {prefix}file_parts AS file_parts WHERE file_id = :file_id;

-- name: publish_file
-- A result file begins to live when its batch has ended.
UPDATE {prefix}files SET created_at = :created_at WHERE id = :id AND created_at <> :created_at;

-- name: publish_copies
-- Copies of a result file that nobody looks at until it expires.
UPDATE {prefix}file_copies SET next_check_at = CAST(:expires_at AS bigint)
WHERE file_id = :id AND next_check_at IS NULL;


-- name: insert_batches
INSERT INTO {prefix}batches ({batches.columns}) VALUES ({batches.parameters});

-- name: update_batches
UPDATE {prefix}batches AS batches SET {batches.assignments} WHERE id = :id;

-- name: get_batch
SELECT {batches} FROM {prefix}batches AS batches WHERE id = :id;

-- name: get_batch_state
-- The batch beside each of its jobs, in one statement, so that all is of one moment.
SELECT {batches}, {jobs}
FROM {prefix}batches AS batches LEFT JOIN {prefix}jobs AS jobs ON jobs.batch_id = batches.id
WHERE batches.id = :id
ORDER BY jobs.shard, jobs.attempt;

-- name: get_batch_states
-- As get_batch_state, of many.
SELECT {batches}, {jobs}
FROM {prefix}batches AS batches LEFT JOIN {prefix}jobs AS jobs ON jobs.batch_id = batches.id
WHERE batches.id {among_keys}
ORDER BY batches.id, jobs.shard, jobs.attempt;

-- name: list_batches
-- Walks one of batches_by_owner, _by_owner_model and _by_model.
SELECT {batches} FROM {prefix}batches AS batches
WHERE TRUE
  AND owner = :owner  -- if owner
  AND model = :model  -- if model
  AND (created_at, id) < (:last_created_at, :last_id)  -- if before
  AND {batch_has_wanted_model}  -- if patterns
ORDER BY created_at DESC, id DESC
LIMIT :limit;

-- name: list_all_batches
-- Of every owner: walks batches_by_time, as list_all_files does.
SELECT {batches} FROM {prefix}batches AS batches
WHERE TRUE
  AND created_at + 0 <= :last_created_at  -- if before
  AND (created_at + 0, id) < (:last_created_at, :last_id)  -- if before
  AND {batch_has_wanted_model}  -- if patterns
ORDER BY created_at + 0 DESC, id DESC
LIMIT :limit;

-- name: insert_jobs
INSERT INTO {prefix}jobs ({jobs.columns}) VALUES ({jobs.parameters});

-- name: update_jobs
-- Fenced: touches nothing if somebody has claimed the job since.
UPDATE {prefix}jobs AS jobs SET {jobs.assignments} WHERE id = :id AND epoch = :held_epoch;

-- name: remove_job
-- Fenced, as update_jobs.
DELETE FROM {prefix}jobs WHERE id = :id AND batch_id = :batch_id AND epoch = :held_epoch;

-- name: has_refreshable_jobs
-- Of these batches, any job whose next check may be brought forward.
SELECT 1 FROM {prefix}jobs AS jobs
WHERE batch_id {among_keys} AND refresh_from <= {now} AND next_check_at > {now}
LIMIT 1;

-- name: refresh_jobs
UPDATE {prefix}jobs AS jobs SET next_check_at = {now}
WHERE batch_id {among_keys} AND refresh_from <= {now} AND next_check_at > {now};

-- name: open_requests
-- By deployment, what waits for it, is under way to it or runs there. Walks jobs_open alone.
SELECT deployment_id, CAST(sum(requests) AS bigint) FROM {prefix}jobs AS jobs
WHERE state IN ('waiting', 'submitting', 'unclear', 'submitted') AND deployment_id IS NOT NULL
GROUP BY deployment_id;

-- name: known_provider_batches
SELECT DISTINCT provider_batch_id FROM {prefix}jobs AS jobs
WHERE provider_batch_id {among_keys} AND provider_batch_id IS NOT NULL AND deployment_id = :deployment_id;

-- name: unanswered_jobs
-- The state is named twice, for the first list is to the letter that of jobs_open.
SELECT id FROM {prefix}jobs AS jobs
WHERE state IN ('waiting', 'submitting', 'unclear', 'submitted') AND deployment_id = :deployment_id
    AND requests = :requests AND state IN ('submitting', 'unclear') AND provider_batch_id IS NULL;

-- name: waiting_jobs
SELECT id FROM {prefix}jobs AS jobs
WHERE coalesce(deployment_id, '') = '' AND {work} = 'place' AND next_check_at >= 0
    AND requests = :requests AND state = 'waiting';

-- name: unanswered_watched_jobs
SELECT id FROM {prefix}jobs AS jobs
WHERE coalesce(deployment_id, '') = :deployment_id AND {work} = 'search' AND next_check_at >= 0
    AND requests = :requests AND state = 'watched' AND provider_batch_id IS NULL;


-- fragment: work
-- What is to be done with a job, as `Work` has it; to the letter as in the indexes.
(
    CASE state WHEN 'submitted' THEN 'look' WHEN 'unclear' THEN 'search' WHEN 'watched' THEN 'search'
        WHEN 'ended' THEN 'settle' ELSE 'place' END
)

-- fragment: claimable_from
-- When a job is due and nobody has it; to the letter as in the index.
(CASE WHEN claimed_until > next_check_at THEN claimed_until ELSE next_check_at END)

-- fragment: kinds_of_work
(SELECT 'place' AS work UNION ALL SELECT 'look' UNION ALL SELECT 'search' UNION ALL SELECT 'settle')

-- name: due_work
-- The kinds of work, null for copies, of which something is due, with its deployment: one look each.
SELECT kinds.work, asked.value
FROM {deployments} CROSS JOIN {kinds_of_work} AS kinds
WHERE 1 = (
    SELECT 1 FROM {prefix}jobs AS jobs
    WHERE coalesce(deployment_id, '') = coalesce(asked.value, '') AND {work} = kinds.work
      AND next_check_at >= 0 AND {claimable_from} <= {now}
    ORDER BY {claimable_from}
    LIMIT 1
)
UNION ALL
SELECT NULL, asked.value FROM {deployments}
WHERE 1 = (
    SELECT 1 FROM {prefix}file_copies AS file_copies
    WHERE deployment_id = asked.value
      AND next_check_at >= 0 AND next_check_at <= {now}
      AND (claimed_until IS NULL OR claimed_until <= {now})
    ORDER BY next_check_at
    LIMIT 1
);

-- fragment: owners_of_jobs
-- Those that have jobs at a deployment: from one to the next, past however many jobs of the one.
WITH RECURSIVE owners (owner) AS (
    SELECT (
        SELECT owner FROM {prefix}jobs AS jobs
        WHERE coalesce(deployment_id, '') = coalesce(CAST(:deployment AS text), '')
          AND {work} = :work
          AND next_check_at IS NOT NULL
        ORDER BY owner LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT owner FROM {prefix}jobs AS jobs
        WHERE coalesce(deployment_id, '') = coalesce(CAST(:deployment AS text), '')
          AND {work} = :work
          AND next_check_at IS NOT NULL AND owner > owners.owner
        ORDER BY owner LIMIT 1
    )
    FROM owners WHERE owners.owner IS NOT NULL
)

-- name: claim_jobs
UPDATE {prefix}jobs AS jobs
SET claimed_by = :worker, claimed_until = {now} + CAST(:lease AS bigint), epoch = epoch + 1
WHERE id {among_keys};

-- name: claimed_jobs
SELECT {jobs} FROM {prefix}jobs AS jobs
WHERE id {among_keys}
ORDER BY next_check_at, id;

-- name: renew_jobs
-- A lease of 0 gives the claim back.
UPDATE {prefix}jobs AS jobs
SET claimed_until = {now} + nullif(CAST(:lease AS bigint), 0)
WHERE id {among_keys} AND (id, epoch, claimed_by) IN ({held_keys});

-- name: postpone_jobs
-- Gives claims back; fenced, as renew_jobs. A job is due when a cancellation has made it so meanwhile.
UPDATE {prefix}jobs AS jobs
SET next_check_at = CASE jobs.to_cancel WHEN 1 THEN jobs.next_check_at ELSE CAST({key_3} AS bigint) END,
    refresh_from = CAST({key_4} AS bigint),
    checks = CAST({key_5} AS integer), claimed_by = NULL, claimed_until = NULL
FROM {keys}
WHERE jobs.id = {key_0} AND jobs.epoch = CAST({key_1} AS bigint)
  AND jobs.claimed_by = {key_2};

-- name: held_jobs
SELECT {jobs} FROM {prefix}jobs AS jobs
WHERE id {among_keys} AND (id, epoch, claimed_by) IN ({held_keys});

-- fragment: owners_of_file_copies
-- As owners_of_jobs.
WITH RECURSIVE owners (owner) AS (
    SELECT (
        SELECT owner FROM {prefix}file_copies AS file_copies
        WHERE deployment_id = :deployment
          AND next_check_at IS NOT NULL
        ORDER BY owner LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT owner FROM {prefix}file_copies AS file_copies
        WHERE deployment_id = :deployment
          AND next_check_at IS NOT NULL AND owner > owners.owner
        ORDER BY owner LIMIT 1
    )
    FROM owners WHERE owners.owner IS NOT NULL
)

-- name: claim_file_copies
UPDATE {prefix}file_copies AS file_copies
SET claimed_by = :worker, claimed_until = {now} + CAST(:lease AS bigint), epoch = epoch + 1
WHERE file_id {among_keys} AND (file_id, shard, deployment_id) IN ({copy_keys});

-- name: claimed_file_copies
SELECT {file_copies} FROM {prefix}file_copies AS file_copies
WHERE file_id {among_keys} AND (file_id, shard, deployment_id) IN ({copy_keys})
ORDER BY next_check_at, file_id, shard, deployment_id;

-- name: renew_file_copies
-- As renew_jobs.
UPDATE {prefix}file_copies AS file_copies
SET claimed_until = {now} + nullif(CAST(:lease AS bigint), 0)
WHERE file_id {among_keys} AND (file_id, shard, deployment_id, epoch, claimed_by) IN ({held_copy_keys});

-- name: held_file_copies
SELECT {file_copies} FROM {prefix}file_copies AS file_copies
WHERE file_id {among_keys} AND (file_id, shard, deployment_id, epoch, claimed_by) IN ({held_copy_keys});


-- name: insert_charges
-- One row a job and model, ever, and one correction of each: the second one is a conflict.
INSERT INTO {prefix}charges ({charges.columns}) VALUES ({charges.parameters});

-- name: insert_correction
-- Writes nothing if what it corrects has been corrected already.
INSERT INTO {prefix}charges ({charges.columns}) VALUES ({charges.parameters}) ON CONFLICT DO NOTHING;

-- name: charges_of_batches
SELECT {charges} FROM {prefix}charges AS charges WHERE batch_id {among_keys} ORDER BY id;

-- name: known_charges
SELECT id FROM {prefix}charges AS charges WHERE id {among_keys};

-- name: first_charges
-- With the virtual model and the endpoint of their batches. Walks charges_by_time.
SELECT {charges}, batches.model, batches.endpoint
FROM {prefix}charges AS charges LEFT JOIN {prefix}batches AS batches ON batches.id = charges.batch_id
WHERE charges.corrects IS NULL AND charges.created_at >= :since
  AND (charges.model = :model OR batches.model = :model)  -- if model
  AND (charges.created_at, charges.id) > (:last_created_at, :after)  -- if after
ORDER BY charges.created_at, charges.id
LIMIT :limit;

-- name: set_cost
UPDATE {prefix}batches AS batches
SET cost = CAST(CAST(:cost AS text) AS {type.money}), unpriced_requests = :unpriced_requests
WHERE id = :id;

-- fragment: spend_place day, owner, "key", team, model, deployment
-- fragment: added_spend
cost = sums.cost + excluded.cost,
input_tokens = sums.input_tokens + excluded.input_tokens,
cached_tokens = sums.cached_tokens + excluded.cached_tokens,
output_tokens = sums.output_tokens + excluded.output_tokens,
requests = sums.requests + excluded.requests,
unpriced_requests = sums.unpriced_requests + excluded.unpriced_requests,
batches = sums.batches + excluded.batches

-- name: add_spend
INSERT INTO {prefix}spend_daily AS sums ({spend_daily.columns}) VALUES ({spend_daily.parameters})
ON CONFLICT ({spend_place}) DO UPDATE SET {added_spend};

-- name: add_to_rollups
INSERT INTO {prefix}spend_rollups AS sums (fields, {spend_daily.columns})
VALUES (:fields, {spend_daily.parameters})
ON CONFLICT (fields, {spend_place}) DO UPDATE SET {added_spend};

-- name: spend
-- What groups and orders them, and a limit, is put behind it.
SELECT
    day,  -- if by_day
    owner,  -- if by_owner
    "key",  -- if by_key
    team,  -- if by_team
    model,  -- if by_model
    deployment,  -- if by_deployment
    CAST(sum(cost) AS bigint), CAST(sum(input_tokens) AS bigint), CAST(sum(cached_tokens) AS bigint),
    CAST(sum(output_tokens) AS bigint), CAST(sum(requests) AS bigint),
    CAST(sum(unpriced_requests) AS bigint), CAST(sum(batches) AS bigint)
FROM {prefix}spend_daily AS sums  -- if each
FROM {prefix}spend_rollups AS sums  -- if rolled_up
WHERE TRUE
  AND fields = :fields  -- if rolled_up
  AND day >= :start  -- if start
  AND day <= :end  -- if end
  AND {of_one_owner}  -- if owner
  AND {of_one_key}  -- if key
  AND team = :team  -- if team
  AND model = :model  -- if model
  AND deployment = :deployment  -- if deployment
;

-- name: add_to_budget
INSERT INTO {prefix}budgets AS budgets (scope, day, spent) VALUES (:scope, :day, :spent)
ON CONFLICT (scope, day) DO UPDATE SET spent = budgets.spent + excluded.spent;

-- name: spent
-- By scope, what was put on it since a day of its own.
SELECT budgets.scope, CAST(sum(budgets.spent) AS bigint)
FROM {keys} JOIN {prefix}budgets AS budgets
    ON budgets.scope = {key_0} AND budgets.day >= CAST({key_1} AS bigint)
GROUP BY budgets.scope;

-- name: insert_events
-- Under the lock of its subject, whose next number it draws.
INSERT INTO {prefix}events (id, subject, seq, type, batch_id, owner, payload, created_at)
VALUES (
    :id, :subject,
    (SELECT coalesce(max(seq), 0) + 1 FROM {prefix}events AS events WHERE subject = :subject),
    :type, :batch_id, :owner, CAST(CAST(:payload AS text) AS {type.json}), :created_at
);

-- fragment: hidden_limit
-- One that PostgreSQL does not know when it plans, as with the sink below. What it takes for fewer rows than the
-- limit it reads and sorts instead of walking an index: and so it takes those of a sink, however many they are,
-- until it has looked at the table with them in it.
(SELECT CAST(:limit AS bigint))

-- fragment: hidden_sink (SELECT CAST(:sink AS text))

-- name: queue_events
-- A delivery of each event to each sink, be it known to this process or not, and to each endpoint that its
-- owner wants to be told by. To an ordered sink it is due no earlier than what goes before it: it would only be
-- passed over.
INSERT INTO {prefix}event_deliveries ({event_deliveries.columns})
SELECT
    sinks.name, events.id, events.subject, events.seq, events.owner, 'pending', NULL, 0,
    coalesce(
        (
            SELECT max(earlier.next_check_at) FROM {prefix}event_deliveries AS earlier
            WHERE sinks.is_ordered = 1 AND earlier.sink = sinks.name AND earlier.subject = events.subject
        ),
        {now}
    ),
    NULL, CAST(NULL AS bigint), 0, {now}
FROM {prefix}events AS events CROSS JOIN {prefix}sinks AS sinks
WHERE events.id {among_keys}
UNION ALL
SELECT
    webhook_endpoints.id, events.id, events.subject, events.seq, events.owner, 'pending', NULL, 0, {now},
    NULL, NULL, 0, {now}
FROM {prefix}events AS events CROSS JOIN {prefix}webhook_endpoints AS webhook_endpoints
WHERE events.id {among_keys} AND events.batch_id IS NOT NULL AND webhook_endpoints.owner = events.owner
  AND webhook_endpoints.disabled_at IS NULL AND {wants_event};

-- name: get_told
SELECT {told} FROM {prefix}told AS told WHERE subject = :subject AND name = :name;

-- name: put_told
INSERT INTO {prefix}told AS told ({told.columns}) VALUES ({told.parameters})
ON CONFLICT (subject, name) DO UPDATE SET mark = excluded.mark, until = excluded.until;

-- name: scope_budgets
SELECT {scope_budgets} FROM {prefix}scope_budgets AS scope_budgets
WHERE scope {among_keys} ORDER BY scope, duration;

-- name: put_scope_budget
INSERT INTO {prefix}scope_budgets AS scope_budgets ({scope_budgets.columns})
VALUES ({scope_budgets.parameters})
ON CONFLICT (scope, duration) DO UPDATE
SET whose = excluded.whose, soft_budget = excluded.soft_budget, max_budget = excluded.max_budget,
    seen_at = excluded.seen_at;

-- name: remove_scope_budgets
DELETE FROM {prefix}scope_budgets WHERE (scope, duration) IN (SELECT {key_0}, {key_1} FROM {keys});

-- name: list_events
SELECT {events} FROM {prefix}events AS events WHERE id > :after ORDER BY id LIMIT :limit;

-- name: get_event
SELECT {events} FROM {prefix}events AS events WHERE id = :id;

-- name: events_of_subject
SELECT {events} FROM {prefix}events AS events
WHERE subject = :subject
  AND seq > :after  -- if after
  AND seq < :after  -- if before
ORDER BY seq  -- if ascending
ORDER BY seq DESC  -- if descending
LIMIT :limit;

-- name: put_sink
INSERT INTO {prefix}sinks AS sinks (name, is_ordered, registered_at, last_seen_at)
VALUES (:name, :is_ordered, {now}, {now})
ON CONFLICT (name) DO UPDATE SET is_ordered = excluded.is_ordered, last_seen_at = excluded.last_seen_at;

-- name: due_deliveries
-- Walks event_deliveries_due: IS NOT NULL is what PostgreSQL takes for true of nearly all rows. A limit instead
-- of EXISTS, as in has_ended.
SELECT event_id FROM {prefix}event_deliveries AS event_deliveries
WHERE sink = {hidden_sink} AND next_check_at <= {now} AND (claimed_until IS NULL OR claimed_until <= {now})
  AND CASE WHEN (  -- if ordered
      SELECT 1 FROM {prefix}event_deliveries AS earlier  -- if ordered
      WHERE earlier.sink = event_deliveries.sink AND earlier.subject = event_deliveries.subject  -- if ordered
        AND earlier.seq < event_deliveries.seq AND earlier.state = 'pending'  -- if ordered
      ORDER BY earlier.seq LIMIT 1  -- if ordered
  ) IS NULL THEN 1 END IS NOT NULL  -- if ordered
ORDER BY next_check_at, event_id
LIMIT {hidden_limit}
{skip_locked}  -- if locked
;

-- name: claim_deliveries
UPDATE {prefix}event_deliveries AS event_deliveries
SET claimed_by = :worker, claimed_until = {now} + CAST(:lease AS bigint), epoch = epoch + 1
WHERE sink = {hidden_sink} AND event_id {among_keys};

-- name: claimed_deliveries
SELECT {event_deliveries}, {events}
FROM {prefix}event_deliveries AS event_deliveries
JOIN {prefix}events AS events ON events.id = event_deliveries.event_id
WHERE event_deliveries.sink = {hidden_sink} AND event_deliveries.event_id {among_keys}
ORDER BY event_deliveries.next_check_at, event_deliveries.event_id;

-- name: remove_deliveries
-- Fenced, as are the next two.
DELETE FROM {prefix}event_deliveries
WHERE sink = {hidden_sink} AND event_id {among_keys} AND (event_id, epoch, claimed_by) IN ({held_keys});

-- name: give_back_deliveries
UPDATE {prefix}event_deliveries AS event_deliveries SET claimed_by = NULL, claimed_until = NULL
WHERE sink = {hidden_sink} AND event_id {among_keys} AND (event_id, epoch, claimed_by) IN ({held_keys});

-- name: fail_deliveries
UPDATE {prefix}event_deliveries AS event_deliveries
SET state = CASE WHEN {key_3} IS NULL THEN 'dead' ELSE 'pending' END,
    next_check_at = {now} + CAST({key_3} AS bigint), error = {key_4},
    attempts = attempts + 1, claimed_by = NULL, claimed_until = NULL
FROM {keys}
WHERE event_deliveries.sink = {hidden_sink} AND event_deliveries.event_id {among_keys}
  AND event_deliveries.event_id = {key_0}
  AND event_deliveries.epoch = CAST({key_1} AS bigint) AND event_deliveries.claimed_by = {key_2};

-- name: hold_followers
-- What waits for a failed delivery is not walked past until that is tried again. State and time are hidden from
-- the planner, which would take the index of all that is due or pending for that of a few subjects.
UPDATE {prefix}event_deliveries AS event_deliveries SET next_check_at = {now} + CAST({key_2} AS bigint)
FROM {keys}
WHERE event_deliveries.sink = {hidden_sink} AND event_deliveries.subject {among_keys}
  AND event_deliveries.subject = {key_0}
  AND event_deliveries.seq > CAST({key_1} AS bigint) AND event_deliveries.state || '' = 'pending'
  AND event_deliveries.claimed_until IS NULL
  AND coalesce(event_deliveries.next_check_at, {now} + CAST({key_2} AS bigint)) < {now} + CAST({key_2} AS bigint);

-- name: dead_deliveries
SELECT {event_deliveries}, {events}
FROM {prefix}event_deliveries AS event_deliveries
JOIN {prefix}events AS events ON events.id = event_deliveries.event_id
WHERE event_deliveries.state = 'dead'
  AND event_deliveries.sink = :sink  -- if sink
  AND (event_deliveries.event_id, event_deliveries.sink) > (:after_id, :after_sink)  -- if after
ORDER BY event_deliveries.event_id, event_deliveries.sink
LIMIT {hidden_limit};

-- name: untaken_deliveries
SELECT {event_deliveries}, {events}
FROM {prefix}event_deliveries AS event_deliveries
JOIN {prefix}events AS events ON events.id = event_deliveries.event_id
WHERE event_deliveries.sink = :sink
  AND (event_deliveries.subject, event_deliveries.seq) < (:after_subject, :after_seq)  -- if after
ORDER BY event_deliveries.subject DESC, event_deliveries.seq DESC
LIMIT {hidden_limit};

-- name: replay_deliveries
UPDATE {prefix}event_deliveries AS event_deliveries
SET state = 'pending', error = NULL, attempts = 0, next_check_at = {now}, created_at = {now}
WHERE (event_id, sink) IN (
    SELECT dead.event_id, dead.sink FROM {prefix}event_deliveries AS dead
    WHERE dead.state = 'dead'
      AND dead.sink = :sink  -- if sink
      AND dead.event_id {among_keys}  -- if events
    ORDER BY dead.event_id, dead.sink
    LIMIT :limit
);

-- name: backlog
-- Counts in one pass; only the sums are joined.
SELECT sinks.name, sinks.is_ordered, sinks.last_seen_at, coalesce(counted.pending, 0),
    coalesce(counted.dead, 0), counted.pending_since
FROM {prefix}sinks AS sinks LEFT JOIN (
    SELECT sink, count(CASE state WHEN 'pending' THEN 1 END) AS pending,
        count(CASE state WHEN 'dead' THEN 1 END) AS dead,
        min(CASE state WHEN 'pending' THEN created_at END) AS pending_since
    FROM {prefix}event_deliveries AS event_deliveries
    GROUP BY sink
) AS counted ON counted.sink = sinks.name
ORDER BY sinks.name;

-- fragment: told_to
-- The name of a sink, or `webhooks`; to the letter as in the indexes.
CASE WHEN substr(sink, 1, 5) = 'we_lb' THEN 'webhooks' ELSE sink END

-- name: untold
-- By sink, and of all webhooks together: how many deliveries are pending and how many dead, no further than
-- to :most, and for how many microseconds the oldest pending one has been there. Those to an endpoint that is
-- disabled wait for nothing; of each of the others no more than :most are read.
{waiting_webhooks}
SELECT
    sinks.name,
    (
        SELECT count(*) FROM (
            SELECT 1 FROM {prefix}event_deliveries AS event_deliveries
            WHERE {told_to} = sinks.name AND state = 'pending' LIMIT :most
        ) AS pending
    ),
    {dead_of_sink},
    {now} - (
        SELECT created_at FROM {prefix}event_deliveries AS event_deliveries
        WHERE {told_to} = sinks.name AND state = 'pending'
        ORDER BY created_at LIMIT 1
    )
FROM (
    SELECT CASE WHEN substr(registered.name, 1, 5) = 'we_lb' THEN 'webhooks' ELSE registered.name END AS name
    FROM {prefix}sinks AS registered WHERE substr(registered.name, 1, 5) <> 'we_lb'
) AS sinks
UNION ALL
SELECT
    sinks.name,
    CAST(coalesce((SELECT sum(pending) FROM {untold_of_endpoints} AS pending_webhooks), 0) AS bigint),
    {dead_of_sink},
    {now} - (SELECT min(oldest_at) FROM {untold_of_endpoints} AS oldest_webhooks)
FROM (SELECT 'webhooks' AS name) AS sinks;

-- fragment: dead_of_sink
(
    SELECT count(*) FROM (
        SELECT 1 FROM {prefix}event_deliveries AS event_deliveries
        WHERE {told_to} = sinks.name AND state = 'dead' LIMIT :most
    ) AS dead
)

-- fragment: untold_of_endpoints
(
    SELECT (
        SELECT count(*) FROM (
            SELECT 1 FROM {prefix}event_deliveries AS event_deliveries
            WHERE sink = webhook_endpoints.id AND next_check_at IS NOT NULL ORDER BY next_check_at LIMIT :most
        ) AS own
    ) AS pending, (
        SELECT min(created_at) FROM (
            SELECT created_at FROM {prefix}event_deliveries AS event_deliveries
            WHERE sink = webhook_endpoints.id AND next_check_at IS NOT NULL ORDER BY next_check_at LIMIT :most
        ) AS first
    ) AS oldest_at
    FROM waiting CROSS JOIN {prefix}webhook_endpoints AS webhook_endpoints
    WHERE webhook_endpoints.id = waiting.sink AND webhook_endpoints.disabled_at IS NULL
)

-- name: remove_unseen_sinks
DELETE FROM {prefix}sinks WHERE last_seen_at < :before;

-- name: forgotten_sinks
-- Those that deliveries name alone, from one to the next, past however many of the one.
WITH RECURSIVE named (sink) AS (
    SELECT (SELECT sink FROM {prefix}event_deliveries AS event_deliveries ORDER BY sink LIMIT 1)
    UNION ALL
    SELECT (
        SELECT sink FROM {prefix}event_deliveries AS event_deliveries
        WHERE sink > named.sink ORDER BY sink LIMIT 1
    )
    FROM named WHERE named.sink IS NOT NULL
)
SELECT sink FROM named
WHERE sink IS NOT NULL AND sink NOT IN (SELECT name FROM {prefix}sinks AS sinks)
  AND sink NOT IN (SELECT id FROM {prefix}webhook_endpoints AS webhook_endpoints);

-- name: remove_forgotten_deliveries
DELETE FROM {prefix}event_deliveries
WHERE (event_id, sink) IN (
    SELECT event_id, sink FROM {prefix}event_deliveries AS event_deliveries WHERE sink = :sink LIMIT :limit
);


-- name: insert_key
INSERT INTO {prefix}idempotency (owner, "key", request_fingerprint, object_id, created_at)
VALUES (:owner, :key, :fingerprint, :object_id, :at)
ON CONFLICT (owner, "key") DO NOTHING;

-- name: get_key
SELECT request_fingerprint, object_id, created_at FROM {prefix}idempotency AS idempotency
WHERE owner = :owner AND "key" = :key
{for_update};

-- name: update_key
UPDATE {prefix}idempotency AS idempotency
SET request_fingerprint = :fingerprint, object_id = :object_id, created_at = :at
WHERE owner = :owner AND "key" = :key;

-- name: sweep_keys
-- Materialized: a plan may run a subquery once more, which then passes over the rows that it has locked.
DELETE FROM {prefix}idempotency
WHERE (owner, "key") IN (
    WITH old AS MATERIALIZED (
        SELECT owner, "key" FROM {prefix}idempotency AS idempotency
        WHERE created_at < :since ORDER BY created_at LIMIT :limit
        {skip_locked}
    )
    SELECT owner, "key" FROM old
);

-- name: made_object
-- Whether what a key stands for was accepted; nothing if it is gone, or if its uploader is.
SELECT accepted_at IS NOT NULL FROM {prefix}files AS files
WHERE id = :id AND deleted_at IS NULL AND (expires_at IS NULL OR expires_at > :at)
  AND (accepted_at IS NOT NULL OR EXISTS (
      SELECT 1 FROM {prefix}file_copies AS file_copies WHERE file_id = files.id AND claimed_until > {now}
  ))
UNION ALL
SELECT TRUE FROM {prefix}batches AS batches WHERE id = :id;

-- name: unanswered_files
-- The oldest that can be given to a retry; else one of which it is not known yet.
SELECT id, accepted_at IS NULL OR coalesce(answering_until, 0) > :at FROM {prefix}files AS files
WHERE request_fingerprint = :fingerprint AND answered_at IS NULL AND created_at >= :since
  AND deleted_at IS NULL AND (expires_at IS NULL OR expires_at > :at)
  AND (accepted_at IS NOT NULL OR EXISTS (
      SELECT 1 FROM {prefix}file_copies AS file_copies WHERE file_id = files.id AND claimed_until > {now}
  ))
ORDER BY accepted_at IS NULL OR coalesce(answering_until, 0) > :at, created_at, id
LIMIT 1
{for_update_of_files};

-- name: unanswered_batches
-- As unanswered_files.
SELECT id, coalesce(answering_until, 0) > :at FROM {prefix}batches AS batches
WHERE request_fingerprint = :fingerprint AND answered_at IS NULL AND created_at >= :since
ORDER BY coalesce(answering_until, 0) > :at, created_at, id
LIMIT 1
{for_update};

-- name: answer_files
UPDATE {prefix}files AS files SET answering_until = :until WHERE id = :id;

-- name: answer_batches
UPDATE {prefix}batches AS batches SET answering_until = :until WHERE id = :id;


-- fragment: sums_of_held
-- What open batches hold: their number, requests, tokens and estimated costs, in dollars and the rest of them,
-- and how many there are whose cost nobody knew.
count(*), CAST(coalesce(sum(requests), 0) AS bigint), CAST(coalesce(sum(tokens), 0) AS bigint),
CAST(coalesce(sum(cost / 1000000000), 0) AS bigint), CAST(coalesce(sum(cost % 1000000000), 0) AS bigint),
CAST(coalesce(sum(unpriced), 0) AS bigint)

-- name: reserved
-- What a scope holds, and what was charged to it since a day; of one moment, so that a batch that ends is
-- either open or charged.
SELECT
    {sums_of_held},
    (
        SELECT CAST(coalesce(sum(spent), 0) AS bigint) FROM {prefix}budgets AS budgets
        WHERE scope = :scope AND day >= :since
    )
FROM {prefix}reservations AS reservations WHERE scope = :scope;

-- name: held
SELECT scope, {sums_of_held} FROM {prefix}reservations AS reservations WHERE scope {among_keys} GROUP BY scope;

-- name: insert_reservation
INSERT INTO {prefix}reservations (scope, batch_id, requests, tokens, cost, unpriced, created_at)
VALUES (:scope, :batch_id, :requests, :tokens, :cost, :unpriced, :created_at);

-- name: release
DELETE FROM {prefix}reservations WHERE batch_id = :batch_id;

-- name: release_share
-- What is left holds as much a request as before, rounded down. Divided before it is multiplied: the product
-- of all that a column may hold would not fit. A request more than it holds leaves nothing.
UPDATE {prefix}reservations
SET requests = requests - {share},
    tokens = tokens / requests * (requests - {share}) + tokens % requests * (requests - {share}) / requests,
    cost = cost / requests * (requests - {share}) + cost % requests * (requests - {share}) / requests
WHERE batch_id = :batch_id AND requests > 0;

-- fragment: share
CASE WHEN requests < CAST(:requests AS bigint) THEN requests ELSE CAST(:requests AS bigint) END

-- name: held_files
-- How many files hold a place in a scope.
SELECT count(*) FROM {prefix}file_holds AS file_holds WHERE scope = :scope;

-- name: insert_file_hold
INSERT INTO {prefix}file_holds (scope, file_id) VALUES (:scope, :file_id);

-- name: release_file
DELETE FROM {prefix}file_holds WHERE file_id = :file_id;


-- name: list_heartbeats
SELECT {heartbeats} FROM {prefix}heartbeats AS heartbeats ORDER BY worker;

-- name: put_heartbeat
INSERT INTO {prefix}heartbeats ({heartbeats.columns}) VALUES ({heartbeats.parameters})
ON CONFLICT (worker) DO UPDATE
SET deployments = excluded.deployments, since = excluded.since, seen_at = excluded.seen_at;

-- name: remove_heartbeats
DELETE FROM {prefix}heartbeats WHERE seen_at < :before;

-- name: jobs_in_use
-- By deployment, the jobs that somebody has to look at again. Walks jobs_due alone.
SELECT coalesce(deployment_id, ''), count(*) FROM {prefix}jobs AS jobs
WHERE next_check_at >= 0
GROUP BY coalesce(deployment_id, '');

-- name: copies_in_use
-- By deployment. Walks file_copies_in_use alone.
SELECT deployment_id, count(*) FROM {prefix}file_copies AS file_copies
WHERE state <> 'deleted' OR next_check_at >= 0
GROUP BY deployment_id;

-- fragment: deployments_of_jobs
-- Those at which jobs are to be looked at again, '' for those of none, and null in the end.
of_jobs (id) AS (
    SELECT (
        SELECT coalesce(deployment_id, '') FROM {prefix}jobs AS jobs WHERE next_check_at >= 0
        ORDER BY coalesce(deployment_id, '') LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT coalesce(deployment_id, '') FROM {prefix}jobs AS jobs
        WHERE next_check_at >= 0 AND coalesce(deployment_id, '') > of_jobs.id
        ORDER BY coalesce(deployment_id, '') LIMIT 1
    )
    FROM of_jobs WHERE of_jobs.id IS NOT NULL
)

-- name: deployments_in_use
-- The same deployments, from one to the next, past however many rows of the one.
WITH RECURSIVE {deployments_of_jobs}, of_copies (id) AS (
    SELECT (
        SELECT deployment_id FROM {prefix}file_copies AS file_copies
        WHERE state <> 'deleted' OR next_check_at >= 0
        ORDER BY deployment_id LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT deployment_id FROM {prefix}file_copies AS file_copies
        WHERE (state <> 'deleted' OR next_check_at >= 0) AND deployment_id > of_copies.id
        ORDER BY deployment_id LIMIT 1
    )
    FROM of_copies WHERE of_copies.id IS NOT NULL
)
SELECT id FROM of_jobs WHERE id <> '' UNION SELECT id FROM of_copies WHERE id IS NOT NULL;

-- name: open_batches
-- By status. Walks batches_open_by_input_file alone.
SELECT status, count(*) FROM {prefix}batches AS batches
WHERE status IN ('validating', 'in_progress', 'finalizing', 'cancelling')
GROUP BY status;

-- name: longest_due
-- By kind of work, null for copies, for how many microseconds the longest due row has been due, and in nobody's
-- hands: one look for each kind and deployment that there is.
WITH RECURSIVE {deployments_of_jobs}, of_copies (id) AS (
    SELECT (
        SELECT deployment_id FROM {prefix}file_copies AS file_copies WHERE next_check_at >= 0
        ORDER BY deployment_id LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT deployment_id FROM {prefix}file_copies AS file_copies
        WHERE next_check_at >= 0 AND deployment_id > of_copies.id
        ORDER BY deployment_id LIMIT 1
    )
    FROM of_copies WHERE of_copies.id IS NOT NULL
), longest (work, due_at) AS (
    SELECT kinds.work, (
        SELECT {claimable_from} FROM {prefix}jobs AS jobs
        WHERE coalesce(deployment_id, '') = of_jobs.id AND {work} = kinds.work
          AND next_check_at >= 0 AND {claimable_from} <= {now}
        ORDER BY {claimable_from}
        LIMIT 1
    )
    FROM of_jobs CROSS JOIN {kinds_of_work} AS kinds
    UNION ALL
    SELECT NULL, (
        SELECT next_check_at FROM {prefix}file_copies AS file_copies
        WHERE deployment_id = of_copies.id
          AND next_check_at >= 0 AND next_check_at <= {now}
          AND (claimed_until IS NULL OR claimed_until <= {now})
        ORDER BY next_check_at
        LIMIT 1
    )
    FROM of_copies
)
SELECT work, {now} - min(due_at) FROM longest WHERE due_at IS NOT NULL GROUP BY work;

-- name: put_fingerprint
UPDATE {prefix}installation SET fingerprint = :fingerprint WHERE id = :id;

-- name: alive
SELECT count(*) FROM {prefix}heartbeats AS heartbeats WHERE seen_at > :since;

-- What follows makes an installation of its own of a copy.

-- name: close_all_jobs
UPDATE {prefix}jobs AS jobs
SET state = CASE
        WHEN state IN ('waiting', 'submitting', 'unclear', 'submitted', 'ended', 'watched') THEN 'closed'
        ELSE state
    END,
    reason = CASE
        WHEN state IN ('waiting', 'submitting', 'unclear', 'submitted', 'ended', 'watched') THEN :reason
        ELSE reason
    END,
    to_cancel = 0, next_check_at = NULL, refresh_from = NULL,
    claimed_by = NULL, claimed_until = NULL, epoch = epoch + 1
WHERE state IN ('waiting', 'submitting', 'unclear', 'submitted', 'ended', 'watched')
   OR next_check_at IS NOT NULL;

-- name: fail_open_batches
UPDATE {prefix}batches AS batches
SET status = 'failed', failed_at = {now}, errors = CAST(CAST(:errors AS text) AS {type.json}),
    counts = {counts_without_progress}, waiting_for = NULL
WHERE status IN ('validating', 'in_progress', 'finalizing', 'cancelling');

-- name: forget_all_copies
-- Without its id nothing can be asked of, made from or deleted with a copy.
UPDATE {prefix}file_copies AS file_copies
SET state = 'deleted', provider_file_id = NULL, started_at = NULL, search_until = NULL, watch_until = NULL,
    next_check_at = NULL, claimed_by = NULL, claimed_until = NULL, epoch = epoch + 1
WHERE state <> 'deleted' OR provider_file_id IS NOT NULL OR next_check_at IS NOT NULL;

-- name: hide_all_inputs
UPDATE {prefix}files AS files SET deleted_at = {now} WHERE kind = 'input' AND deleted_at IS NULL;

-- name: remove_models_of_hidden
DELETE FROM {prefix}file_models
WHERE file_id IN (SELECT id FROM {prefix}files AS files WHERE deleted_at IS NOT NULL);

-- name: release_hidden
DELETE FROM {prefix}file_holds
WHERE file_id IN (SELECT id FROM {prefix}files AS files WHERE deleted_at IS NOT NULL);

-- name: release_all
DELETE FROM {prefix}reservations;

-- name: answer_all_files
UPDATE {prefix}files AS files SET answered_at = {now} WHERE answered_at IS NULL;

-- name: answer_all_batches
UPDATE {prefix}batches AS batches SET answered_at = {now} WHERE answered_at IS NULL;

-- name: remove_all_keys
DELETE FROM {prefix}idempotency;

-- name: remove_all_events
-- Their deliveries go with them.
DELETE FROM {prefix}events;

-- name: remove_all_told
DELETE FROM {prefix}told;

-- name: remove_all_heartbeats
DELETE FROM {prefix}heartbeats;


-- fragment: has_ended
-- Before that, and nobody has to look at a job of it again. A limit instead of EXISTS, which may read it all.
(
    coalesce(completed_at, failed_at, expired_at, cancelled_at) < :before
    AND status IN ('completed', 'failed', 'expired', 'cancelled')
    AND (
        SELECT 1 FROM {prefix}jobs AS jobs WHERE jobs.batch_id = batches.id AND jobs.next_check_at IS NOT NULL
        LIMIT 1
    ) IS NULL
)

-- fragment: has_results
(
    SELECT 1 FROM {prefix}files AS files WHERE files.batch_id = batches.id AND files.deleted_at IS NULL
    LIMIT 1
) IS NOT NULL

-- name: old_batches
-- With whether there is something to remove of each. Walks batches_by_time.
SELECT created_at, id, {has_ended} AND (NOT ({has_results}) OR (
    SELECT 1 FROM {prefix}jobs AS jobs
    WHERE jobs.batch_id = batches.id AND jobs.state = 'settled' AND jobs.snapshot IS NOT NULL
    LIMIT 1
) IS NOT NULL)
FROM {prefix}batches AS batches
WHERE created_at + 0 < :before
  AND created_at + 0 >= :last_at  -- if after
  AND (created_at + 0, id) > (:last_at, :last_id)  -- if after
ORDER BY created_at + 0, id
LIMIT :limit;

-- name: lock_ended_batches
SELECT id, {has_results} FROM {prefix}batches AS batches
WHERE id {among_keys} AND {has_ended}
  AND NOT EXISTS (
      SELECT 1 FROM {prefix}events AS events
      JOIN {prefix}event_deliveries AS deliveries ON deliveries.event_id = events.id
      WHERE events.subject = batches.id AND deliveries.state = 'pending'
  )
{skip_locked};

-- name: drop_snapshots
UPDATE {prefix}jobs AS jobs SET snapshot = NULL
WHERE batch_id {among_keys} AND state = 'settled' AND snapshot IS NOT NULL;

-- name: remove_events_of
-- Of batches or files. Their deliveries go with them.
DELETE FROM {prefix}events WHERE subject {among_keys};

-- name: remove_events_of_operators
-- Their deliveries go with them.
DELETE FROM {prefix}events
WHERE id IN (
    SELECT id FROM {prefix}events AS events
    WHERE owner IS NULL AND batch_id IS NULL AND created_at < :before
      AND NOT EXISTS (
          SELECT 1 FROM {prefix}event_deliveries AS deliveries
          WHERE deliveries.event_id = events.id AND deliveries.state = 'pending'
      )
    ORDER BY created_at, id LIMIT :limit
);

-- name: remove_told
DELETE FROM {prefix}told
WHERE (subject, name) IN (
    SELECT subject, name FROM {prefix}told AS told WHERE until < :before ORDER BY until LIMIT :limit
);

-- name: remove_old_scope_budgets
-- Those of which no open batch holds anything.
DELETE FROM {prefix}scope_budgets
WHERE (scope, duration) IN (
    SELECT scope, duration FROM {prefix}scope_budgets AS scope_budgets
    WHERE seen_at < :before AND NOT EXISTS (
        SELECT 1 FROM {prefix}reservations AS reservations WHERE reservations.scope = scope_budgets.scope
    )
    ORDER BY seen_at LIMIT :limit
);

-- name: remove_jobs_of_batches
DELETE FROM {prefix}jobs WHERE batch_id {among_keys};

-- name: remove_shards_of_batches
DELETE FROM {prefix}file_shards WHERE batch_id {among_keys};

-- name: remove_batches
DELETE FROM {prefix}batches WHERE id {among_keys};

-- name: old_deleted_files
-- Walks files_by_deletion.
SELECT deleted_at, id FROM {prefix}files AS files
WHERE deleted_at < :before
  AND (deleted_at, id) > (:last_at, :last_id)  -- if after
ORDER BY deleted_at, id
LIMIT :limit;

-- name: lock_deleted_files
-- Those that no open batch reads, and of which nobody has to look at a copy again or to tell an event.
SELECT id FROM {prefix}files AS files
WHERE id {among_keys} AND deleted_at < :before
  AND NOT EXISTS (
      SELECT 1 FROM {prefix}batches AS batches
      WHERE batches.input_file_id = files.id
        AND batches.status IN ('validating', 'in_progress', 'finalizing', 'cancelling')
  )
  AND NOT EXISTS (
      SELECT 1 FROM {prefix}file_copies AS file_copies
      WHERE file_copies.file_id = files.id AND file_copies.next_check_at IS NOT NULL
  )
  AND NOT EXISTS (
      SELECT 1 FROM {prefix}events AS events
      JOIN {prefix}event_deliveries AS deliveries ON deliveries.event_id = events.id
      WHERE events.subject = files.id AND deliveries.state = 'pending'
  )
{skip_locked};

-- name: remove_files
DELETE FROM {prefix}files WHERE id {among_keys};
