-- Sessions of the page that somebody has signed out of, until their cookies would have run out anyway.

CREATE TABLE {prefix}ended_sessions (
    id {type.key} NOT NULL PRIMARY KEY,
    until bigint NOT NULL
) {clustered};

CREATE INDEX {prefix}ended_sessions_by_end ON {prefix}ended_sessions (until);
