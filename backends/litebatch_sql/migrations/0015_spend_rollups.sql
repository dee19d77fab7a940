-- What is spent on many days, read from few rows.

-- The sums of `spend_daily` by some of its columns. The others are '' here.
CREATE TABLE {prefix}spend_rollups (
    fields {type.key} NOT NULL, -- by which columns beside the day, such as `model,deployment`
    day bigint NOT NULL, -- days since 1970
    owner {type.key} NOT NULL,
    "key" {type.key} NOT NULL,
    team {type.key} NOT NULL,
    model {type.key} NOT NULL,
    deployment {type.key} NOT NULL,
    cost bigint NOT NULL, -- 1e-9 US dollars
    input_tokens bigint NOT NULL,
    cached_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    requests bigint NOT NULL,
    unpriced_requests bigint NOT NULL,
    batches bigint NOT NULL, -- charges that correct no other
    PRIMARY KEY (fields, day, owner, "key", team, model, deployment)
) {clustered};

CREATE INDEX {prefix}spend_rollups_by_owner ON {prefix}spend_rollups (fields, owner, day);

-- Whoever asks for one key's reads few of the rows, however they are put together.
CREATE INDEX {prefix}spend_daily_by_key ON {prefix}spend_daily ("key", day);

INSERT INTO {prefix}spend_rollups
SELECT
    fields, day,
    CASE WHEN fields LIKE '%owner%' THEN owner ELSE '' END,
    CASE WHEN fields LIKE '%key%' THEN "key" ELSE '' END,
    CASE WHEN fields LIKE '%team%' THEN team ELSE '' END,
    CASE WHEN fields LIKE '%model%' THEN model ELSE '' END,
    CASE WHEN fields LIKE '%deployment%' THEN deployment ELSE '' END,
    sum(cost), sum(input_tokens), sum(cached_tokens), sum(output_tokens), sum(requests),
    sum(unpriced_requests), sum(batches)
FROM {prefix}spend_daily AS spend_daily CROSS JOIN (
    SELECT 'model,deployment' AS fields
    UNION ALL SELECT 'owner,team'
    UNION ALL SELECT 'owner,team,model'
    UNION ALL SELECT 'owner,team,deployment'
    UNION ALL SELECT 'owner,key,team'
) AS rollups
GROUP BY 1, 2, 3, 4, 5, 6, 7;
