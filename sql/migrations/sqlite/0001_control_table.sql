-- The control table, the pipelines it belongs to, and the trace of every move.
-- A later migration adds columns with ALTER TABLE … ADD COLUMN and makes the update trigger anew: it names every column.

CREATE TABLE pipeline_migrations (
    number     INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    applied_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z')
) STRICT;

CREATE TABLE pipelines (
    pipeline_id  TEXT NOT NULL,
    mapping_name TEXT NOT NULL DEFAULT '',
    grid_history TEXT NOT NULL,
    created_at   TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'),
    updated_at   TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'),
    PRIMARY KEY (pipeline_id, mapping_name)
) STRICT;

CREATE TABLE pipeline_records (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    pipeline_id       TEXT NOT NULL,
    mapping_name      TEXT NOT NULL DEFAULT '',
    source_name       TEXT,
    target_name       TEXT,

    target_day        TEXT NOT NULL,
    window_start_time TEXT NOT NULL,
    window_end_time   TEXT NOT NULL,
    time_interval     TEXT NOT NULL,

    -- The lock. dag_id, dag_run_id and run_slot stay after it: they tell which run held the window last.
    dag_id             TEXT,
    dag_run_id         TEXT,
    run_slot           INTEGER,
    pipeline_status    TEXT NOT NULL DEFAULT 'PENDING',
    pipeline_locked_at TEXT,
    lock_owner         TEXT,
    lock_epoch         INTEGER NOT NULL DEFAULT 0,
    lease_expires_at   TEXT,
    not_before         TEXT,

    source_to_stage_ingestion_start_time TEXT,
    source_to_stage_ingestion_end_time   TEXT,
    source_to_stage_ingestion_status     TEXT NOT NULL DEFAULT 'PENDING',
    stage_epoch                          INTEGER,
    manifest_address                     TEXT,
    manifest_digest                      TEXT,

    stage_to_target_ingestion_start_time TEXT,
    stage_to_target_ingestion_end_time   TEXT,
    stage_to_target_ingestion_status     TEXT NOT NULL DEFAULT 'PENDING',

    audit_start_time      TEXT,
    audit_end_time        TEXT,
    audit_status          TEXT NOT NULL DEFAULT 'PENDING',
    audit_result          TEXT,
    source_count          INTEGER,
    target_count          INTEGER,
    count_difference      INTEGER,
    percentage_difference REAL,
    audit_detail          TEXT,

    pipeline_start_time       TEXT,
    pipeline_end_time         TEXT,
    phase_completed           TEXT,
    retry_attempt             INTEGER NOT NULL DEFAULT 0,
    max_attempts              INTEGER NOT NULL DEFAULT 3,
    last_error                TEXT,
    reload_reason             TEXT,
    record_first_created_time TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'),
    record_last_updated_time  TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'),
    key_x                     TEXT,
    key_y                     TEXT,
    key_z                     TEXT,

    -- The last move, who made it and why. A change that leaves move_number as it was was made by hand.
    actor       TEXT,
    reason      TEXT,
    move_name   TEXT NOT NULL DEFAULT 'add_windows',
    move_number INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT pipeline_records_window CHECK (window_end_time > window_start_time),
    CONSTRAINT pipeline_records_status CHECK (pipeline_status IN ('PENDING', 'IN_PROGRESS', 'COMPLETED', 'FAILED')),
    CONSTRAINT pipeline_records_phase CHECK (phase_completed IN ('SOURCE_TO_STAGE', 'STAGE_TO_TARGET', 'AUDIT')),
    CONSTRAINT pipeline_records_phase_status CHECK (
        source_to_stage_ingestion_status IN ('PENDING', 'IN_PROGRESS', 'COMPLETED', 'FAILED')
        AND stage_to_target_ingestion_status IN ('PENDING', 'IN_PROGRESS', 'COMPLETED', 'FAILED')
        AND audit_status IN ('PENDING', 'IN_PROGRESS', 'COMPLETED', 'FAILED')),
    CONSTRAINT pipeline_records_result CHECK (
        audit_result IN ('loaded', 'empty', 'already_present', 'skipped', 'mismatch')),
    CONSTRAINT pipeline_records_locked CHECK (
        (pipeline_status = 'IN_PROGRESS') = (lease_expires_at IS NOT NULL)
        AND (pipeline_status = 'IN_PROGRESS') = (pipeline_locked_at IS NOT NULL)
        AND (pipeline_status = 'IN_PROGRESS') = (lock_owner IS NOT NULL)
        AND (pipeline_status <> 'IN_PROGRESS'
             OR (dag_id IS NOT NULL AND dag_run_id IS NOT NULL AND run_slot IS NOT NULL AND lock_epoch > 0))),
    CONSTRAINT pipeline_records_working CHECK (
        pipeline_status = 'IN_PROGRESS'
        OR (source_to_stage_ingestion_status <> 'IN_PROGRESS'
            AND stage_to_target_ingestion_status <> 'IN_PROGRESS' AND audit_status <> 'IN_PROGRESS')),
    CONSTRAINT pipeline_records_markers CHECK (
        CASE COALESCE(phase_completed, 'none')
            WHEN 'none' THEN stage_epoch IS NULL AND source_to_stage_ingestion_status <> 'COMPLETED'
                             AND stage_to_target_ingestion_status <> 'COMPLETED'
            WHEN 'SOURCE_TO_STAGE' THEN source_to_stage_ingestion_status = 'COMPLETED'
                             AND stage_to_target_ingestion_status <> 'COMPLETED'
            ELSE source_to_stage_ingestion_status = 'COMPLETED' AND stage_to_target_ingestion_status = 'COMPLETED'
        END
        AND (audit_status = 'COMPLETED') = (COALESCE(phase_completed, 'none') = 'AUDIT')),
    CONSTRAINT pipeline_records_completed CHECK (
        pipeline_status <> 'COMPLETED'
        OR (audit_result IS NOT NULL AND audit_result <> 'mismatch' AND pipeline_end_time IS NOT NULL)),
    CONSTRAINT pipeline_records_failed CHECK (
        pipeline_status <> 'FAILED' OR (last_error IS NOT NULL AND pipeline_end_time IS NOT NULL)),
    CONSTRAINT pipeline_records_waiting CHECK (not_before IS NULL OR pipeline_status = 'PENDING'),
    CONSTRAINT pipeline_records_numbers CHECK (
        retry_attempt >= 0 AND max_attempts >= 1 AND lock_epoch >= 0 AND stage_epoch <= lock_epoch
        AND source_count >= 0 AND target_count >= 0),
    -- Shorter forms sort wrongly as text, so there is one form only.
    CONSTRAINT pipeline_records_times CHECK (
        target_day GLOB '????-??-??'
        AND window_start_time GLOB '????-??-??T??:??:??.??????Z'
        AND window_end_time GLOB '????-??-??T??:??:??.??????Z'
        AND pipeline_locked_at GLOB '????-??-??T??:??:??.??????Z'
        AND lease_expires_at GLOB '????-??-??T??:??:??.??????Z'
        AND not_before GLOB '????-??-??T??:??:??.??????Z'
        AND source_to_stage_ingestion_start_time GLOB '????-??-??T??:??:??.??????Z'
        AND source_to_stage_ingestion_end_time GLOB '????-??-??T??:??:??.??????Z'
        AND stage_to_target_ingestion_start_time GLOB '????-??-??T??:??:??.??????Z'
        AND stage_to_target_ingestion_end_time GLOB '????-??-??T??:??:??.??????Z'
        AND audit_start_time GLOB '????-??-??T??:??:??.??????Z'
        AND audit_end_time GLOB '????-??-??T??:??:??.??????Z'
        AND pipeline_start_time GLOB '????-??-??T??:??:??.??????Z'
        AND pipeline_end_time GLOB '????-??-??T??:??:??.??????Z'
        AND record_first_created_time GLOB '????-??-??T??:??:??.??????Z'
        AND record_last_updated_time GLOB '????-??-??T??:??:??.??????Z'),
    CONSTRAINT pipeline_records_json CHECK (audit_detail IS NULL OR json_valid(audit_detail))
) STRICT;

CREATE UNIQUE INDEX pipeline_records_one_window ON pipeline_records
    (pipeline_id, mapping_name, window_start_time, window_end_time);
CREATE INDEX pipeline_records_pending ON pipeline_records
    (pipeline_id, mapping_name, window_start_time, id) WHERE pipeline_status = 'PENDING';
CREATE INDEX pipeline_records_quarantined ON pipeline_records
    (pipeline_id, mapping_name, window_start_time, id) WHERE pipeline_status = 'FAILED';
CREATE UNIQUE INDEX pipeline_records_one_lock ON pipeline_records
    (pipeline_id, mapping_name, dag_run_id, run_slot) WHERE pipeline_status = 'IN_PROGRESS';

CREATE TABLE pipeline_record_events (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    record_id     INTEGER NOT NULL,
    happened_at   TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now') || '000Z'),
    move_name     TEXT NOT NULL,
    from_status   TEXT,
    to_status     TEXT,
    lock_epoch    INTEGER NOT NULL,
    dag_id        TEXT,
    dag_run_id    TEXT,
    run_slot      INTEGER,
    actor         TEXT,
    reason        TEXT,
    database_user TEXT,
    changes       TEXT NOT NULL
) STRICT;
CREATE INDEX pipeline_record_events_of ON pipeline_record_events (record_id, id);

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
              ) WHERE was IS NOT is_now)
     WHERE NOT by_hand OR changed <> '{}' OR NEW.actor IS NOT OLD.actor OR NEW.reason IS NOT OLD.reason;
END;

CREATE TRIGGER pipeline_records_deleted AFTER DELETE ON pipeline_records
BEGIN
    INSERT INTO pipeline_record_events
        (record_id, move_name, from_status, lock_epoch, dag_id, dag_run_id, run_slot, changes)
    VALUES (OLD.id, 'delete', OLD.pipeline_status, OLD.lock_epoch, OLD.dag_id, OLD.dag_run_id, OLD.run_slot,
            json_object('pipeline_id', json_array(OLD.pipeline_id, NULL), 'mapping_name', json_array(OLD.mapping_name, NULL),
                        'window_start_time', json_array(OLD.window_start_time, NULL),
                        'window_end_time', json_array(OLD.window_end_time, NULL)));
END;
