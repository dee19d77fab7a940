-- The span of the request that has made a file or a batch, as W3C Trace Context writes it; null: there was none.

ALTER TABLE {prefix}files ADD COLUMN traceparent text;
ALTER TABLE {prefix}batches ADD COLUMN traceparent text;
