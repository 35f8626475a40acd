-- What the moves need to know, and what generation and the migrations note beside them.

-- name: now
SELECT {now} AS now;

-- name: record_by_id
SELECT {columns} FROM pipeline_records WHERE id = :id;

-- name: last_held
-- The window that a run held last, whatever became of it.
SELECT {columns} FROM pipeline_records
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name
   AND dag_id = :dag_id AND dag_run_id = :dag_run_id AND run_slot = :run_slot
 ORDER BY record_last_updated_time DESC, id DESC LIMIT 1;

-- name: left_behind
-- A window that a run held last and did not finish: it failed, and no run had it since.
SELECT {columns} FROM pipeline_records
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name
   AND dag_id = :dag_id AND dag_run_id = :dag_run_id AND run_slot = :run_slot
   AND pipeline_status IN ('PENDING', 'FAILED') AND last_error IS NOT NULL
 ORDER BY window_start_time LIMIT 1;

-- name: reloaded_before
-- Whether a run put finished windows of a range back already: it does so once, however often it is tried.
SELECT id FROM pipeline_records
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name
   AND window_start_time >= {time:first} AND window_start_time < {time:last} AND reload_reason = :reload_reason
 LIMIT 1;

-- name: events_of
SELECT id, record_id, happened_at, move_name, from_status, to_status, lock_epoch, dag_id, dag_run_id, run_slot,
       actor, reason, database_user, changes
  FROM pipeline_record_events WHERE record_id = :record_id ORDER BY id;

-- name: gates
SELECT {gates} FROM pipelines WHERE {this_pipeline};

-- name: oldest_waiting
-- Windows that a run may ask about, in the order in which it would take them.
SELECT {columns} FROM pipeline_records
 WHERE {in_line} AND {within} AND (not_before IS NULL OR not_before <= {now}) AND {gates_open}
 ORDER BY window_start_time, id LIMIT :page_size;

-- name: newest_waiting
SELECT {columns} FROM pipeline_records
 WHERE {in_line} AND {within} AND (not_before IS NULL OR not_before <= {now}) AND {gates_open}
 ORDER BY window_start_time DESC, id DESC LIMIT :page_size;

-- name: first_in_order
-- The window for which a strict order waits.
SELECT {columns} FROM pipeline_records WHERE id = {first_unfinished};

-- name: grid_history
SELECT grid_history FROM pipelines WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name;

-- name: announce_pipeline
INSERT INTO pipelines (pipeline_id, mapping_name, grid_history) VALUES (:pipeline_id, :mapping_name, :grid_history)
    ON CONFLICT (pipeline_id, mapping_name) DO NOTHING;

-- name: lock_pipeline
-- Whoever adds windows waits here for others who do.
SELECT grid_history FROM pipelines WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name {for_update};

-- name: last_window
SELECT window_end_time FROM pipeline_records
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name
 ORDER BY window_start_time DESC LIMIT 1;

-- name: note_grid
UPDATE pipelines SET grid_history = :grid_history, updated_at = {now}
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND grid_history <> :grid_history;

-- name: in_the_way
-- A window that overlaps one of the page without being the same. Windows never overlap, so only the last one that
-- starts before a new one ends can be in its way.
SELECT fresh_start, fresh_end, window_start_time, window_end_time
  FROM (SELECT {time_field:window_start_time} AS fresh_start, {time_field:window_end_time} AS fresh_end
          FROM {each:windows}) AS fresh
  JOIN pipeline_records ON id = (
       SELECT last.id FROM pipeline_records AS last
        WHERE last.pipeline_id = :pipeline_id AND last.mapping_name = :mapping_name AND last.window_start_time < fresh_end
        ORDER BY last.window_start_time DESC LIMIT 1)
 WHERE window_end_time > fresh_start AND NOT (window_start_time = fresh_start AND window_end_time = fresh_end)
 LIMIT 1;

-- name: lock_migrations
SELECT {migration_lock} AS locked;

-- name: migrations_known
SELECT COUNT(*) AS tables FROM {tables} WHERE table_name = 'pipeline_migrations';

-- name: applied_migrations
SELECT number, name, applied_at FROM pipeline_migrations;

-- name: note_migration
INSERT INTO pipeline_migrations (number, name) VALUES (:number, :name);

-- name: may_grant
-- Whether sql/roles.sql was run by somebody, and this user owns what it hands out.
SELECT {owners} AS roles;

-- name: missing_rights
-- What the moves, generation and decisions do with each table, as far as this user may not.
WITH needed(table_name, right_name) AS (VALUES
    ('pipelines', 'select'), ('pipelines', 'insert'), ('pipelines', 'update'),
    ('pipeline_records', 'select'), ('pipeline_records', 'insert'), ('pipeline_records', 'update'),
    ('pipeline_ranges', 'select'), ('pipeline_ranges', 'insert'), ('pipeline_ranges', 'update'),
    ('pipeline_record_events', 'select'))
SELECT table_name, right_name FROM needed WHERE NOT {permitted} ORDER BY table_name, right_name;
