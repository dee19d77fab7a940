-- What is still to be told, counted by what it is told to: the endpoints of webhooks, of which there may be
-- any number, count as one. To the letter as in the fragment `told_to`.
CREATE INDEX {prefix}event_deliveries_pending ON {prefix}event_deliveries (
    (CASE WHEN substr(sink, 1, 5) = 'we_lb' THEN 'webhooks' ELSE sink END), created_at
) WHERE state = 'pending';
CREATE INDEX {prefix}event_deliveries_dead_by_sink ON {prefix}event_deliveries (
    (CASE WHEN substr(sink, 1, 5) = 'we_lb' THEN 'webhooks' ELSE sink END)
) WHERE state = 'dead';

-- What was told last of something that has no row of its own, such as a budget: nothing is told twice.
CREATE TABLE {prefix}told (
    subject {type.key} NOT NULL,
    name {type.key} NOT NULL, -- what of the subject
    mark text, -- another one is told though it is not over
    until bigint, -- null: for ever
    PRIMARY KEY (subject, name)
) {clustered};

CREATE INDEX {prefix}told_by_end ON {prefix}told (until) WHERE until IS NOT NULL;

-- The budgets of scopes, as they were when a batch was made last.
CREATE TABLE {prefix}scope_budgets (
    scope {type.key} NOT NULL,
    duration {type.key} NOT NULL, -- such as `30d`; '': for ever
    whose text NOT NULL,
    soft_budget {type.money}, -- US dollars, as the next
    max_budget {type.money},
    seen_at bigint NOT NULL,
    PRIMARY KEY (scope, duration)
) {clustered};

CREATE INDEX {prefix}scope_budgets_by_time ON {prefix}scope_budgets (seen_at);

-- Events of operators, which go with no batch and no file.
CREATE INDEX {prefix}events_of_operators ON {prefix}events (created_at, id)
    WHERE owner IS NULL AND batch_id IS NULL;
