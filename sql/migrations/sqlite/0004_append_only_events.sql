-- The trace is only ever added to. PostgreSQL sees to it by rights (sql/roles.sql), SQLite has none.

CREATE TRIGGER pipeline_record_events_changed BEFORE UPDATE ON pipeline_record_events
BEGIN
    SELECT RAISE(ABORT, 'pipeline_record_events is append-only');
END;

CREATE TRIGGER pipeline_record_events_removed BEFORE DELETE ON pipeline_record_events
BEGIN
    SELECT RAISE(ABORT, 'pipeline_record_events is append-only');
END;
