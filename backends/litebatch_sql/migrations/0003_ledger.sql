-- What was spent, by day, and what budgets have been used up.

-- Successful ones that the cost of a batch leaves out.
ALTER TABLE {prefix}batches ADD COLUMN unpriced_requests bigint NOT NULL DEFAULT 0;

-- The scopes whose limits a batch counts in, such as `team:search`. Its charges and their corrections are
-- put on the budgets of the same ones, though the key may be gone by then.
ALTER TABLE {prefix}batches ADD COLUMN scopes {type.json} NOT NULL DEFAULT '[]'; -- list
ALTER TABLE {prefix}charges ADD COLUMN scopes {type.json} NOT NULL DEFAULT '[]'; -- list

-- The estimate of an open batch, in 1e-9 US dollars.
ALTER TABLE {prefix}reservations ADD COLUMN cost bigint NOT NULL DEFAULT 0;

ALTER TABLE {prefix}teams ADD COLUMN soft_budget {type.money}; -- US dollars
ALTER TABLE {prefix}teams ADD COLUMN budget_duration text; -- such as `30d`
ALTER TABLE {prefix}users ADD COLUMN soft_budget {type.money};
ALTER TABLE {prefix}users ADD COLUMN budget_duration text;
ALTER TABLE {prefix}virtual_keys ADD COLUMN soft_budget {type.money};
ALTER TABLE {prefix}virtual_keys ADD COLUMN budget_duration text;

-- The sums of the charges of a UTC day.
CREATE TABLE {prefix}spend_daily (
    day bigint NOT NULL, -- days since 1970
    owner {type.key} NOT NULL,
    "key" {type.key} NOT NULL, -- '': made without a key
    team {type.key} NOT NULL, -- '': of no team
    model {type.key} NOT NULL, -- the one that answered
    deployment {type.key} NOT NULL,
    cost bigint NOT NULL, -- 1e-9 US dollars
    input_tokens bigint NOT NULL,
    cached_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    requests bigint NOT NULL,
    unpriced_requests bigint NOT NULL,
    batches bigint NOT NULL, -- charges that correct no other
    PRIMARY KEY (day, owner, "key", team, model, deployment)
) {clustered};

CREATE INDEX {prefix}spend_daily_by_owner ON {prefix}spend_daily (owner, day);

-- What was charged to a scope on a UTC day.
CREATE TABLE {prefix}budgets (
    scope {type.key} NOT NULL,
    day bigint NOT NULL, -- days since 1970
    spent bigint NOT NULL, -- 1e-9 US dollars
    PRIMARY KEY (scope, day)
) {clustered};

-- What follows fills them from what is there.

UPDATE {prefix}batches SET scopes = (
    SELECT {json_list}(scope) FROM {prefix}reservations AS reservations
    WHERE reservations.batch_id = {prefix}batches.id
)
WHERE id IN (SELECT batch_id FROM {prefix}reservations AS reservations);

UPDATE {prefix}charges SET scopes = (
    SELECT {json_list}(scope) FROM (
        SELECT owner AS scope
        WHERE substr(owner, 1, 5) IN ('team:', 'user:') OR substr(owner, 1, 4) = 'key:'
        UNION
        SELECT 'key:' || created_by WHERE created_by IS NOT NULL
        UNION
        SELECT 'user:' || user_id FROM {prefix}virtual_keys AS virtual_keys
        WHERE virtual_keys.id = created_by AND user_id IS NOT NULL
        UNION
        SELECT 'team:' || team_id FROM {prefix}virtual_keys AS virtual_keys
        WHERE virtual_keys.id = created_by AND team_id IS NOT NULL
    ) AS scopes_of_charge
);

INSERT INTO {prefix}spend_daily (
    day, owner, "key", team, model, deployment,
    cost, input_tokens, cached_tokens, output_tokens, requests, unpriced_requests, batches
)
SELECT
    created_at / 86400000000, owner, coalesce(created_by, ''),
    CASE substr(owner, 1, 5) WHEN 'team:' THEN substr(owner, 6) ELSE '' END, model, deployment_id,
    sum(CAST(coalesce(round(CAST(cost AS numeric) * 1000000000), 0) AS bigint)),
    sum(CAST(coalesce(usage ->> 'input_tokens', '0') AS bigint)),
    sum(CAST(coalesce(usage ->> 'cached_tokens', '0') AS bigint)),
    sum(CAST(coalesce(usage ->> 'output_tokens', '0') AS bigint)),
    sum(CAST(coalesce(usage ->> 'requests', '0') AS bigint)),
    sum(CAST(coalesce(usage ->> 'unpriced_requests', '0') AS bigint)),
    count(*) - count(corrects)
FROM {prefix}charges AS charges
GROUP BY 1, 2, 3, 4, 5, 6;

INSERT INTO {prefix}budgets (scope, day, spent)
SELECT value, created_at / 86400000000, sum(CAST(round(CAST(cost AS numeric) * 1000000000) AS bigint))
FROM {prefix}charges AS charges CROSS JOIN {scopes_of_charge}
WHERE cost IS NOT NULL
GROUP BY 1, 2;

UPDATE {prefix}batches SET cost = (
    SELECT CASE WHEN count(*) = count(nanodollars) THEN CAST(
        CAST(CAST(sum(nanodollars) AS bigint) / 1000000000 AS text) || '.'
        || substr(CAST(1000000000 + CAST(sum(nanodollars) AS bigint) % 1000000000 AS text), 2)
        AS {type.money}
    ) END
    FROM (
        SELECT CAST(round(CAST(charges.cost AS numeric) * 1000000000) AS bigint) AS nanodollars
        FROM {prefix}charges AS charges WHERE charges.batch_id = {prefix}batches.id
    ) AS of_batch
)
WHERE cost IS NULL AND id IN (SELECT batch_id FROM {prefix}charges AS charges);

UPDATE {prefix}batches SET unpriced_requests = (
    SELECT CAST(coalesce(sum(CAST(coalesce(charges.usage ->> 'unpriced_requests', '0') AS bigint)), 0) AS bigint)
    FROM {prefix}charges AS charges WHERE charges.batch_id = {prefix}batches.id
)
WHERE id IN (SELECT batch_id FROM {prefix}charges AS charges);
