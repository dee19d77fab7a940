-- Jobs by when they can be claimed: those that somebody has claimed do not stand before all others, in a round
-- of thousands of looks.

DROP INDEX {prefix}jobs_due;
CREATE INDEX {prefix}jobs_due ON {prefix}jobs (
    coalesce(deployment_id, ''),
    (CASE state WHEN 'submitted' THEN 'look' WHEN 'unclear' THEN 'search' WHEN 'watched' THEN 'search'
        WHEN 'ended' THEN 'settle' ELSE 'place' END),
    (CASE WHEN claimed_until > next_check_at THEN claimed_until ELSE next_check_at END)
) WHERE next_check_at >= 0;
