-- What is still to be told, counted by what it is told to: the endpoints of webhooks, of which there may be
-- any number, count as one. To the letter as in the fragment `told_to`.
CREATE INDEX {prefix}event_deliveries_pending ON {prefix}event_deliveries (
    (CASE WHEN substr(sink, 1, 5) = 'we_lb' THEN 'webhooks' ELSE sink END), created_at
) WHERE state = 'pending';
CREATE INDEX {prefix}event_deliveries_dead_by_sink ON {prefix}event_deliveries (
    (CASE WHEN substr(sink, 1, 5) = 'we_lb' THEN 'webhooks' ELSE sink END)
) WHERE state = 'dead';
