-- What was spent, by day, and what budgets have been used up.

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
    key_id {type.key} NOT NULL, -- '': made without a key
    team {type.key} NOT NULL, -- '': of no team
    model {type.key} NOT NULL, -- the one that answered
    deployment_id {type.key} NOT NULL,
    cost bigint NOT NULL, -- 1e-9 US dollars
    input_tokens bigint NOT NULL,
    cached_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    requests bigint NOT NULL,
    unpriced_requests bigint NOT NULL,
    batches bigint NOT NULL, -- jobs that were settled
    PRIMARY KEY (day, owner, key_id, team, model, deployment_id)
);

CREATE INDEX {prefix}spend_daily_by_owner ON {prefix}spend_daily (owner, day);

-- What was charged to a scope on a UTC day.
CREATE TABLE {prefix}budgets (
    scope {type.key} NOT NULL,
    day bigint NOT NULL, -- days since 1970
    spent bigint NOT NULL, -- 1e-9 US dollars
    PRIMARY KEY (scope, day)
);

INSERT INTO {prefix}spend_daily (
    day, owner, key_id, team, model, deployment_id,
    cost, input_tokens, cached_tokens, output_tokens, requests, unpriced_requests, batches
)
SELECT
    created_at / 86400000000, owner, coalesce(created_by, ''),
    CASE WHEN owner LIKE 'team:%' THEN substr(owner, 6) ELSE '' END, model, deployment_id,
    sum(CAST(coalesce(round(CAST(cost AS numeric) * 1000000000), 0) AS bigint)),
    sum(CAST(coalesce(usage ->> 'input_tokens', '0') AS bigint)),
    sum(CAST(coalesce(usage ->> 'cached_tokens', '0') AS bigint)),
    sum(CAST(coalesce(usage ->> 'output_tokens', '0') AS bigint)),
    sum(CAST(coalesce(usage ->> 'requests', '0') AS bigint)),
    sum(CAST(coalesce(usage ->> 'unpriced_requests', '0') AS bigint)),
    count(DISTINCT job_id)
FROM {prefix}charges AS charges
GROUP BY 1, 2, 3, 4, 5, 6;

INSERT INTO {prefix}budgets (scope, day, spent)
SELECT scope, day, sum(spent) FROM (
    SELECT id, owner AS scope, created_at / 86400000000 AS day,
        CAST(round(CAST(cost AS numeric) * 1000000000) AS bigint) AS spent
    FROM {prefix}charges AS of_owners
    WHERE cost IS NOT NULL AND (owner LIKE 'team:%' OR owner LIKE 'user:%' OR owner LIKE 'key:%')
    UNION
    SELECT id, 'key:' || created_by, created_at / 86400000000,
        CAST(round(CAST(cost AS numeric) * 1000000000) AS bigint)
    FROM {prefix}charges AS of_keys
    WHERE cost IS NOT NULL AND created_by IS NOT NULL
) AS charged
GROUP BY scope, day;
