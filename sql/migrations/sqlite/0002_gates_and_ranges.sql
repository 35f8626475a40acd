-- What holds claims back for a while (a person's pause, a circuit that opened) and what sets windows aside (a range).
-- Every column is new and empty, so no row is rewritten and the release before this one goes on working.

ALTER TABLE pipelines ADD COLUMN paused_at TEXT
    CONSTRAINT pipelines_paused_at CHECK (paused_at GLOB '????-??-??T??:??:??.??????Z');
ALTER TABLE pipelines ADD COLUMN paused_by TEXT;
ALTER TABLE pipelines ADD COLUMN pause_reason TEXT
    CONSTRAINT pipelines_pause CHECK (
        (paused_at IS NULL) = (paused_by IS NULL) AND (paused_at IS NULL) = (pause_reason IS NULL));
ALTER TABLE pipelines ADD COLUMN circuit_failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pipelines ADD COLUMN circuit_until TEXT
    CONSTRAINT pipelines_circuit_until CHECK (circuit_until GLOB '????-??-??T??:??:??.??????Z');
ALTER TABLE pipelines ADD COLUMN circuit_error TEXT
    CONSTRAINT pipelines_circuit CHECK (
        circuit_failures >= 0 AND (circuit_failures = 0) = (circuit_error IS NULL)
        AND (circuit_failures > 0 OR circuit_until IS NULL));

CREATE TABLE pipeline_ranges (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    pipeline_id      TEXT NOT NULL,
    mapping_name     TEXT NOT NULL DEFAULT '',
    range_start      TEXT NOT NULL,
    range_end        TEXT NOT NULL,
    range_owner      TEXT NOT NULL,
    range_epoch      INTEGER NOT NULL DEFAULT 0,
    lease_expires_at TEXT,
    created_at       TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'),
    ended_at         TEXT,
    actor            TEXT,
    reason           TEXT,

    CONSTRAINT pipeline_ranges_span CHECK (range_end > range_start),
    CONSTRAINT pipeline_ranges_epoch CHECK (range_epoch >= 0),
    CONSTRAINT pipeline_ranges_lease CHECK ((ended_at IS NULL) = (lease_expires_at IS NOT NULL)),
    CONSTRAINT pipeline_ranges_times CHECK (
        range_start GLOB '????-??-??T??:??:??.??????Z'
        AND range_end GLOB '????-??-??T??:??:??.??????Z'
        AND lease_expires_at GLOB '????-??-??T??:??:??.??????Z'
        AND created_at GLOB '????-??-??T??:??:??.??????Z'
        AND ended_at GLOB '????-??-??T??:??:??.??????Z')
) STRICT;
CREATE INDEX pipeline_ranges_open ON pipeline_ranges
    (pipeline_id, mapping_name, range_start) WHERE ended_at IS NULL;

ALTER TABLE pipeline_records ADD COLUMN range_id INTEGER;

-- Ordinary claims take only windows that no range has set aside; a backfill takes those of its range.
DROP INDEX pipeline_records_pending;
CREATE INDEX pipeline_records_pending ON pipeline_records
    (pipeline_id, mapping_name, window_start_time, id) WHERE pipeline_status = 'PENDING' AND range_id IS NULL;
CREATE INDEX pipeline_records_ranged ON pipeline_records
    (range_id, window_start_time, id) WHERE pipeline_status = 'PENDING' AND range_id IS NOT NULL;

-- The trigger names every column, so it is made anew.
DROP TRIGGER pipeline_records_event;
CREATE TRIGGER pipeline_records_event AFTER UPDATE ON pipeline_records
BEGIN
    INSERT INTO pipeline_record_events
        (record_id, move_name, from_status, to_status, lock_epoch, dag_id, dag_run_id, run_slot, actor, reason, changes)
    SELECT OLD.id, CASE WHEN by_hand THEN 'by_hand' ELSE NEW.move_name END,
           OLD.pipeline_status, NEW.pipeline_status, NEW.lock_epoch,
           COALESCE(NEW.dag_id, OLD.dag_id), COALESCE(NEW.dag_run_id, OLD.dag_run_id), COALESCE(NEW.run_slot, OLD.run_slot),
           CASE WHEN by_hand AND NEW.actor IS OLD.actor THEN NULL ELSE NEW.actor END,
           CASE WHEN by_hand AND NEW.reason IS OLD.reason THEN NULL ELSE NEW.reason END,
           changed
      FROM (SELECT NEW.move_number = OLD.move_number AS by_hand, json_group_object(name, json_array(was, is_now)) AS changed
              FROM (
                SELECT 'id' AS name, OLD.id AS was, NEW.id AS is_now
                UNION ALL SELECT 'pipeline_id', OLD.pipeline_id, NEW.pipeline_id
                UNION ALL SELECT 'mapping_name', OLD.mapping_name, NEW.mapping_name
                UNION ALL SELECT 'source_name', OLD.source_name, NEW.source_name
                UNION ALL SELECT 'target_name', OLD.target_name, NEW.target_name
                UNION ALL SELECT 'target_day', OLD.target_day, NEW.target_day
                UNION ALL SELECT 'window_start_time', OLD.window_start_time, NEW.window_start_time
                UNION ALL SELECT 'window_end_time', OLD.window_end_time, NEW.window_end_time
                UNION ALL SELECT 'time_interval', OLD.time_interval, NEW.time_interval
                UNION ALL SELECT 'dag_id', OLD.dag_id, NEW.dag_id
                UNION ALL SELECT 'dag_run_id', OLD.dag_run_id, NEW.dag_run_id
                UNION ALL SELECT 'run_slot', OLD.run_slot, NEW.run_slot
                UNION ALL SELECT 'pipeline_status', OLD.pipeline_status, NEW.pipeline_status
                UNION ALL SELECT 'pipeline_locked_at', OLD.pipeline_locked_at, NEW.pipeline_locked_at
                UNION ALL SELECT 'lock_owner', OLD.lock_owner, NEW.lock_owner
                UNION ALL SELECT 'lock_epoch', OLD.lock_epoch, NEW.lock_epoch
                UNION ALL SELECT 'not_before', OLD.not_before, NEW.not_before
                UNION ALL SELECT 'source_to_stage_ingestion_start_time', OLD.source_to_stage_ingestion_start_time, NEW.source_to_stage_ingestion_start_time
                UNION ALL SELECT 'source_to_stage_ingestion_end_time', OLD.source_to_stage_ingestion_end_time, NEW.source_to_stage_ingestion_end_time
                UNION ALL SELECT 'source_to_stage_ingestion_status', OLD.source_to_stage_ingestion_status, NEW.source_to_stage_ingestion_status
                UNION ALL SELECT 'stage_epoch', OLD.stage_epoch, NEW.stage_epoch
                UNION ALL SELECT 'manifest_address', OLD.manifest_address, NEW.manifest_address
                UNION ALL SELECT 'manifest_digest', OLD.manifest_digest, NEW.manifest_digest
                UNION ALL SELECT 'stage_to_target_ingestion_start_time', OLD.stage_to_target_ingestion_start_time, NEW.stage_to_target_ingestion_start_time
                UNION ALL SELECT 'stage_to_target_ingestion_end_time', OLD.stage_to_target_ingestion_end_time, NEW.stage_to_target_ingestion_end_time
                UNION ALL SELECT 'stage_to_target_ingestion_status', OLD.stage_to_target_ingestion_status, NEW.stage_to_target_ingestion_status
                UNION ALL SELECT 'audit_start_time', OLD.audit_start_time, NEW.audit_start_time
                UNION ALL SELECT 'audit_end_time', OLD.audit_end_time, NEW.audit_end_time
                UNION ALL SELECT 'audit_status', OLD.audit_status, NEW.audit_status
                UNION ALL SELECT 'audit_result', OLD.audit_result, NEW.audit_result
                UNION ALL SELECT 'source_count', OLD.source_count, NEW.source_count
                UNION ALL SELECT 'target_count', OLD.target_count, NEW.target_count
                UNION ALL SELECT 'count_difference', OLD.count_difference, NEW.count_difference
                UNION ALL SELECT 'percentage_difference', OLD.percentage_difference, NEW.percentage_difference
                UNION ALL SELECT 'audit_detail', OLD.audit_detail, NEW.audit_detail
                UNION ALL SELECT 'pipeline_start_time', OLD.pipeline_start_time, NEW.pipeline_start_time
                UNION ALL SELECT 'pipeline_end_time', OLD.pipeline_end_time, NEW.pipeline_end_time
                UNION ALL SELECT 'phase_completed', OLD.phase_completed, NEW.phase_completed
                UNION ALL SELECT 'retry_attempt', OLD.retry_attempt, NEW.retry_attempt
                UNION ALL SELECT 'max_attempts', OLD.max_attempts, NEW.max_attempts
                UNION ALL SELECT 'last_error', OLD.last_error, NEW.last_error
                UNION ALL SELECT 'reload_reason', OLD.reload_reason, NEW.reload_reason
                UNION ALL SELECT 'record_first_created_time', OLD.record_first_created_time, NEW.record_first_created_time
                UNION ALL SELECT 'key_x', OLD.key_x, NEW.key_x
                UNION ALL SELECT 'key_y', OLD.key_y, NEW.key_y
                UNION ALL SELECT 'key_z', OLD.key_z, NEW.key_z
                UNION ALL SELECT 'range_id', OLD.range_id, NEW.range_id
              ) WHERE was IS NOT is_now)
     WHERE NOT by_hand OR changed <> '{}' OR NEW.actor IS NOT OLD.actor OR NEW.reason IS NOT OLD.reason;
END;
