-- Files that are sent in parts, before they are files.
CREATE TABLE {prefix}uploads (
    id {type.key} NOT NULL PRIMARY KEY,
    owner {type.key} NOT NULL,
    created_by {type.key},
    filename text NOT NULL,
    purpose text NOT NULL,
    bytes bigint NOT NULL,
    mime_type text NOT NULL,
    models {type.json} NOT NULL, -- list
    expires_after_seconds bigint, -- null: as files of the purpose do
    status text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    ended_at bigint, -- null: pending
    parts bigint NOT NULL,
    held_bytes bigint NOT NULL,
    file_id {type.key},
    completion text,
    request_key {type.key},
    request_fingerprint text
);

CREATE INDEX {prefix}uploads_pending ON {prefix}uploads (expires_at, id) WHERE status = 'pending';
CREATE INDEX {prefix}uploads_ended ON {prefix}uploads (ended_at, id) WHERE ended_at IS NOT NULL;
CREATE INDEX {prefix}uploads_by_key ON {prefix}uploads (owner, request_key, created_at)
    WHERE request_key IS NOT NULL;

CREATE TABLE {prefix}upload_parts (
    id {type.key} NOT NULL PRIMARY KEY,
    upload_id {type.key} NOT NULL REFERENCES {prefix}uploads (id),
    bytes bigint NOT NULL,
    content_key {type.key} NOT NULL,
    store {type.key} NOT NULL,
    created_at bigint NOT NULL
);

CREATE INDEX {prefix}upload_parts_by_upload ON {prefix}upload_parts (upload_id, id);
