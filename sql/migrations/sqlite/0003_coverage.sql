-- Finished days, sealed: what reports and generation read in place of the rows of history.
-- A sealed stretch is contiguous, all of its windows are COMPLETED and no other window reaches into it. Triggers keep
-- that so against anybody; whoever seals is the only writer meanwhile.

CREATE TABLE pipeline_coverage (
    pipeline_id     TEXT NOT NULL,
    mapping_name    TEXT NOT NULL DEFAULT '',
    target_day      TEXT NOT NULL,
    sealed_from     TEXT NOT NULL,
    sealed_to       TEXT NOT NULL,
    windows         INTEGER NOT NULL,
    target_rows     INTEGER NOT NULL,
    loaded          INTEGER NOT NULL,
    empty           INTEGER NOT NULL,
    already_present INTEGER NOT NULL,
    skipped         INTEGER NOT NULL,
    sealed_at       TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'),
    PRIMARY KEY (pipeline_id, mapping_name, sealed_from),
    CONSTRAINT pipeline_coverage_stretch CHECK (sealed_to > sealed_from),
    CONSTRAINT pipeline_coverage_results CHECK (
        windows > 0 AND windows = loaded + empty + already_present + skipped),
    CONSTRAINT pipeline_coverage_times CHECK (
        target_day GLOB '????-??-??'
        AND sealed_from GLOB '????-??-??T??:??:??.??????Z'
        AND sealed_to GLOB '????-??-??T??:??:??.??????Z')
) STRICT, WITHOUT ROWID;

-- From where the next sealing looks on; NULL: from the oldest window.
ALTER TABLE pipelines ADD COLUMN sealing_since TEXT
    CONSTRAINT pipelines_sealing_since CHECK (sealing_since GLOB '????-??-??T??:??:??.??????Z');

CREATE TRIGGER pipeline_records_reopened AFTER UPDATE OF pipeline_status, audit_result, target_count, target_day
    ON pipeline_records
    WHEN OLD.pipeline_status = 'COMPLETED' AND (
        NEW.pipeline_status <> 'COMPLETED' OR NEW.audit_result IS NOT OLD.audit_result
        OR NEW.target_count IS NOT OLD.target_count OR NEW.target_day <> OLD.target_day)
BEGIN
    DELETE FROM pipeline_coverage
     WHERE pipeline_id = OLD.pipeline_id AND mapping_name = OLD.mapping_name
       AND sealed_from <= OLD.window_start_time AND sealed_to > OLD.window_start_time
       AND sealed_from >= (
           SELECT MAX(sealed_from) FROM pipeline_coverage
            WHERE pipeline_id = OLD.pipeline_id AND mapping_name = OLD.mapping_name
              AND sealed_from <= OLD.window_start_time);
END;

CREATE TRIGGER pipeline_records_shifted AFTER UPDATE OF pipeline_id, mapping_name, window_start_time, window_end_time
    ON pipeline_records
BEGIN
    DELETE FROM pipeline_coverage
     WHERE pipeline_id = OLD.pipeline_id AND mapping_name = OLD.mapping_name
       AND sealed_from < OLD.window_end_time AND sealed_to > OLD.window_start_time;
    DELETE FROM pipeline_coverage
     WHERE pipeline_id = NEW.pipeline_id AND mapping_name = NEW.mapping_name
       AND sealed_from < NEW.window_end_time AND sealed_to > NEW.window_start_time;
END;

CREATE TRIGGER pipeline_records_gone AFTER DELETE ON pipeline_records
    WHEN OLD.pipeline_status = 'COMPLETED'
BEGIN
    DELETE FROM pipeline_coverage
     WHERE pipeline_id = OLD.pipeline_id AND mapping_name = OLD.mapping_name
       AND sealed_from <= OLD.window_start_time AND sealed_to > OLD.window_start_time
       AND sealed_from >= (
           SELECT MAX(sealed_from) FROM pipeline_coverage
            WHERE pipeline_id = OLD.pipeline_id AND mapping_name = OLD.mapping_name
              AND sealed_from <= OLD.window_start_time);
END;

CREATE TRIGGER pipeline_records_crossed AFTER INSERT ON pipeline_records
BEGIN
    DELETE FROM pipeline_coverage
     WHERE pipeline_id = NEW.pipeline_id AND mapping_name = NEW.mapping_name
       AND sealed_from < NEW.window_end_time AND sealed_to > NEW.window_start_time
       AND sealed_from >= COALESCE((
           SELECT MAX(sealed_from) FROM pipeline_coverage
            WHERE pipeline_id = NEW.pipeline_id AND mapping_name = NEW.mapping_name
              AND sealed_from <= NEW.window_start_time), NEW.window_start_time);
END;
