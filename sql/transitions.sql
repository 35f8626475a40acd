-- Every move of a window, on one page. docs/states.md draws them; control_table/states.py lists them.
--
-- A statement is one move, in one transaction: a crash happens before it or after it, never inside.
-- Each says who makes it and, after "crash:", what is left behind when its maker dies right after it.
-- {…} are fragments: those below, and the few of control_table/statements.py in which the databases differ.
-- Every move of an owner ends in the same guard; no row changed means that the lock is lost.
-- Whoever moves several rows locks them first, by their ids, so that two of them never wait for each other in a ring.

-- fragment: columns
id, pipeline_id, mapping_name, source_name, target_name,
target_day, window_start_time, window_end_time, time_interval,
dag_id, dag_run_id, run_slot, pipeline_status, pipeline_locked_at, lock_owner, lock_epoch, lease_expires_at, not_before,
source_to_stage_ingestion_start_time, source_to_stage_ingestion_end_time, source_to_stage_ingestion_status,
stage_epoch, manifest_address, manifest_digest,
stage_to_target_ingestion_start_time, stage_to_target_ingestion_end_time, stage_to_target_ingestion_status,
audit_start_time, audit_end_time, audit_status, audit_result,
source_count, target_count, count_difference, percentage_difference, audit_detail,
pipeline_start_time, pipeline_end_time, phase_completed, retry_attempt, max_attempts, last_error, reload_reason,
record_first_created_time, record_last_updated_time, key_x, key_y, key_z,
actor, reason, move_name, move_number, range_id

-- fragment: next_epoch
{epoch_after:lock_epoch}

-- fragment: moved
move_name = '{this}', move_number = move_number + 1, record_last_updated_time = {now}

-- fragment: locked
pipeline_status = 'IN_PROGRESS', dag_id = :dag_id, dag_run_id = :dag_run_id, run_slot = :run_slot,
lock_owner = :owner, lock_epoch = {next_epoch}, pipeline_locked_at = {now},
lease_expires_at = {seconds_from_now::lease_seconds}, not_before = NULL,
pipeline_start_time = COALESCE(pipeline_start_time, {now}), actor = :owner, reason = NULL

-- fragment: let_go
-- Whoever lets go of a window takes it out of its range too: a range sets windows aside until they were held once.
pipeline_locked_at = NULL, lock_owner = NULL, lease_expires_at = NULL, range_id = NULL

-- fragment: working_becomes
source_to_stage_ingestion_status = CASE source_to_stage_ingestion_status
    WHEN 'IN_PROGRESS' THEN '{it}' ELSE source_to_stage_ingestion_status END,
stage_to_target_ingestion_status = CASE stage_to_target_ingestion_status
    WHEN 'IN_PROGRESS' THEN '{it}' ELSE stage_to_target_ingestion_status END,
audit_status = CASE audit_status WHEN 'IN_PROGRESS' THEN '{it}' ELSE audit_status END

-- fragment: no_markers
phase_completed = NULL, stage_epoch = NULL, manifest_address = NULL, manifest_digest = NULL,
source_to_stage_ingestion_start_time = NULL, source_to_stage_ingestion_end_time = NULL,
source_to_stage_ingestion_status = 'PENDING',
stage_to_target_ingestion_start_time = NULL, stage_to_target_ingestion_end_time = NULL,
stage_to_target_ingestion_status = 'PENDING'

-- fragment: no_audit
audit_start_time = NULL, audit_end_time = NULL, audit_status = 'PENDING', audit_result = NULL,
source_count = NULL, target_count = NULL, count_difference = NULL, percentage_difference = NULL, audit_detail = NULL

-- fragment: facts
source_count = COALESCE(:source_count, source_count), {other_facts}

-- fragment: other_facts
target_count = COALESCE(:target_count, target_count),
count_difference = COALESCE(:count_difference, count_difference),
percentage_difference = COALESCE(:percentage_difference, percentage_difference),
audit_detail = COALESCE({json:audit_detail}, audit_detail)

-- fragment: counted
-- A run of `airflow tasks test` is somebody trying things out: it counts no attempt.
CASE WHEN SUBSTR(dag_run_id, 1, 24) = '__airflow_temporary_run_' THEN 0 ELSE 1 END

-- fragment: range_is_ours
EXISTS (SELECT 1 FROM pipeline_ranges WHERE pipeline_ranges.id = :range_id AND range_epoch = :range_epoch)

-- fragment: untouched
pipeline_status = 'PENDING' AND lock_epoch = 0 AND retry_attempt = 0 AND range_id IS NULL AND reload_reason IS NULL

-- fragment: from_touching
-- The start of the window that reaches over `first`, for windows never overlap: those before it are passed over.
COALESCE((SELECT early.window_start_time FROM pipeline_records AS early
           WHERE early.pipeline_id = :pipeline_id AND early.mapping_name = :mapping_name
             AND early.window_start_time <= {time:first}
           ORDER BY early.window_start_time DESC LIMIT 1), {time:first})

-- fragment: chosen
-- What a person decides on: the windows of that kind which touch [first, last), locked by their ids.
chosen AS MATERIALIZED (
    SELECT id AS chosen_id FROM pipeline_records
     WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name
       AND window_start_time < {time:last} AND window_end_time > {time:first}
       AND window_start_time >= {from_touching}
       AND {it}
     ORDER BY id {lock_rows})

-- fragment: anew
pipeline_status = 'PENDING', {no_markers}, {no_audit}, retry_attempt = 0, last_error = NULL, not_before = NULL,
pipeline_start_time = NULL, pipeline_end_time = NULL, reload_reason = :reason

-- fragment: used_up
{it} = 1 AND retry_attempt + 1 >= max_attempts

-- fragment: backoff_ends
-- Between half and the whole of the doubled wait, so that windows that failed together come back apart.
{seconds_from_now:{doubled:retry_attempt} * {half_to_one}}

-- fragment: attempt_charged
pipeline_status = CASE WHEN {used_up:{it}} THEN 'FAILED' ELSE 'PENDING' END,
pipeline_end_time = CASE WHEN {used_up:{it}} THEN {now} END,
retry_attempt = retry_attempt + {it}

-- fragment: wait_for_next_try
CASE WHEN {it} = 1 AND retry_attempt + 1 < max_attempts THEN {backoff_ends} END

-- fragment: attempt_counted
{attempt_charged:{it}}, not_before = {wait_for_next_try:{it}}

-- fragment: circuit
-- Something of the circuit of this row's pipeline; NULL while it is closed.
(SELECT {it} FROM pipelines AS gate
  WHERE gate.pipeline_id = pipeline_records.pipeline_id AND gate.mapping_name = pipeline_records.mapping_name
    AND gate.circuit_until IS NOT NULL)

-- fragment: counted_while_closed
CASE WHEN {circuit:1} = 1 THEN 0 ELSE {counted} END

-- fragment: gate
EXISTS (SELECT 1 FROM pipelines AS gate
         WHERE gate.pipeline_id = :pipeline_id AND gate.mapping_name = :mapping_name AND {it})

-- fragment: gates_open
-- Nobody paused the pipeline, and its circuit does not hold claims back.
NOT {gate:(gate.paused_at IS NOT NULL OR gate.circuit_until > {now})}

-- fragment: in_line
pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND pipeline_status = 'PENDING' AND range_id IS NULL

-- fragment: within
window_start_time >= {time:since} AND window_end_time <= {time:watermark}

-- fragment: next_ready
-- The first in line of those that never failed and of those whose wait is over: each kind has an index of its own, so
-- that windows which still wait cost nothing. A circuit whose time is up wants proof from one that did not fail before.
SELECT * FROM (SELECT id, window_start_time FROM pipeline_records
                WHERE {in_line} AND {within} AND not_before IS NULL AND {gates_open}
                ORDER BY window_start_time{it}, id{it} LIMIT 1 {skip_locked}) AS fresh
 UNION ALL
SELECT * FROM (SELECT id, window_start_time FROM pipeline_records
                WHERE {in_line} AND {any_order:window_start_time} >= {time:since} AND window_end_time <= {time:watermark}
                  AND not_before <= {now} AND {gates_open} AND NOT {gate:gate.circuit_until IS NOT NULL}
                ORDER BY {any_order:window_start_time}{it}, id{it} LIMIT 1 {skip_locked}) AS due
 ORDER BY window_start_time{it}, id{it} LIMIT 1

-- fragment: first_of
-- The oldest window of a kind. Each kind but the completed ones has an index of its own.
SELECT * FROM (SELECT id, window_start_time FROM pipeline_records
                WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND {it}
                ORDER BY window_start_time, id LIMIT 1) AS oldest_of_kind

-- fragment: first_of_ranges
-- Of every range the oldest window that it sets aside, also should the range be over.
SELECT pipeline_records.id, pipeline_records.window_start_time
  FROM pipeline_ranges JOIN pipeline_records ON pipeline_records.id = (
       SELECT aside.id FROM pipeline_records AS aside
        WHERE aside.range_id = pipeline_ranges.id AND aside.pipeline_status = 'PENDING'
        ORDER BY aside.window_start_time, aside.id LIMIT 1)
 WHERE pipeline_ranges.pipeline_id = :pipeline_id AND pipeline_ranges.mapping_name = :mapping_name

-- fragment: first_unfinished
(SELECT id FROM ({first_of:pipeline_status = 'PENDING' AND range_id IS NULL}
       UNION ALL {first_of_ranges}
       UNION ALL {first_of:pipeline_status = 'IN_PROGRESS'}
       UNION ALL {first_of:pipeline_status = 'FAILED'}) AS unfinished
  ORDER BY window_start_time, id LIMIT 1)

-- fragment: left_behind
-- A lock that died in a phase counts an attempt; one that was parked between two phases counts none.
id AS left_id, CASE WHEN 'IN_PROGRESS' IN (source_to_stage_ingestion_status, stage_to_target_ingestion_status, audit_status)
                    THEN {counted} ELSE 0 END AS died

-- fragment: taken_away
{attempt_counted:died}, lock_epoch = {next_epoch}, {let_go}, {working_becomes:FAILED},
last_error = CASE died WHEN 1 THEN {it} || lock_owner || ' in run ' || dag_run_id ELSE last_error END,
reason = {it} || lock_owner || ' in run ' || dag_run_id


-- name: add_windows
-- The generator, for a page of windows, holding the row of `pipelines`. None → PENDING.
-- Crash: the page is there or it is not; the next generation adds what is missing.
INSERT INTO pipeline_records (pipeline_id, mapping_name, source_name, target_name, target_day,
    window_start_time, window_end_time, time_interval, key_x, key_y, key_z, max_attempts)
SELECT :pipeline_id, :mapping_name, {field:source_name}, {field:target_name}, {day_field:target_day},
       {time_field:window_start_time}, {time_field:window_end_time}, {field:time_interval},
       {field:key_x}, {field:key_y}, {field:key_z}, CAST({field:max_attempts} AS INTEGER)
  FROM {each:windows} WHERE TRUE
    ON CONFLICT (pipeline_id, mapping_name, window_start_time, window_end_time) DO NOTHING
RETURNING id;

-- name: claim_oldest
-- A run takes the oldest ready window. PENDING → IN_PROGRESS under a new epoch.
-- Crash: a parked lock; resumed by the same run, or rescued when its lease runs out.
WITH next AS MATERIALIZED (SELECT id AS next_id FROM ({next_ready}) AS ready)
UPDATE pipeline_records SET {locked}, {moved} FROM next WHERE id = next_id
RETURNING {columns};

-- name: claim_newest
-- The same for the newest ready window.
-- Crash: as after claim_oldest.
WITH next AS MATERIALIZED (SELECT id AS next_id FROM ({next_ready: DESC}) AS ready)
UPDATE pipeline_records SET {locked}, {moved} FROM next WHERE id = next_id
RETURNING {columns};

-- name: claim_held_back
-- The circuit wants proof and no fresh window is there to give it: the oldest that failed before and waited.
-- Crash: as after claim_oldest.
WITH next AS MATERIALIZED (
    SELECT id AS next_id FROM pipeline_records
     WHERE {in_line} AND {within} AND not_before <= {now} AND {gates_open}
     ORDER BY window_start_time, id LIMIT 1 {skip_locked})
UPDATE pipeline_records SET {locked}, {moved} FROM next WHERE id = next_id
RETURNING {columns};

-- name: claim_in_order
-- With `order: strict`: the oldest window that is not completed, or none. A LIMIT beside SKIP LOCKED would slip to
-- the second when the first is being taken, so the one row is chosen first, then locked and looked at again.
-- Crash: as after claim_oldest; whoever comes next waits for this window.
WITH next AS MATERIALIZED (
    SELECT id AS next_id FROM pipeline_records
     WHERE id = {first_unfinished} AND {in_line} AND {within} AND (not_before IS NULL OR not_before <= {now})
       AND {gates_open} {skip_locked})
UPDATE pipeline_records SET {locked}, {moved} FROM next WHERE id = next_id
RETURNING {columns};

-- name: claim_window
-- A run takes the window somebody chose; the wait after a failed attempt does not hold it back.
-- Crash: as after claim_oldest.
WITH next AS MATERIALIZED (
    SELECT id AS next_id FROM pipeline_records
     WHERE {in_line} AND window_start_time = {time:window_start} AND {gates_open}
     ORDER BY id LIMIT 1 {skip_locked})
UPDATE pipeline_records SET {locked}, {moved} FROM next WHERE id = next_id
RETURNING {columns};

-- name: reserve
-- A backfill sets the windows of its range aside, in the transaction that registers the range. PENDING → PENDING.
-- Crash: the lease of the range runs out, and any run lets its windows go.
WITH wanted AS MATERIALIZED (
    SELECT id AS wanted_id FROM pipeline_records
     WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND pipeline_status = 'PENDING' AND range_id IS NULL
       AND window_start_time >= {time:first} AND window_end_time <= {time:last}
     ORDER BY id {lock_rows})
UPDATE pipeline_records SET range_id = :range_id, actor = :actor, reason = :reason, {moved} FROM wanted WHERE id = wanted_id
RETURNING id;

-- name: claim_oldest_of_range
-- A backfill takes the oldest window of its own range; the wait after a failed attempt does not hold it back.
-- One whose range was let go finds its epoch gone and takes nothing. Crash: as after claim_oldest.
WITH next AS MATERIALIZED (
    SELECT id AS next_id FROM pipeline_records
     WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND pipeline_status = 'PENDING'
       AND range_id = :range_id AND {range_is_ours} AND {gates_open}
     ORDER BY window_start_time, id LIMIT 1 {skip_locked})
UPDATE pipeline_records SET {locked}, {moved} FROM next WHERE id = next_id
RETURNING {columns};

-- name: claim_newest_of_range
-- The same for the newest window of the range. Crash: as after claim_oldest.
WITH next AS MATERIALIZED (
    SELECT id AS next_id FROM pipeline_records
     WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND pipeline_status = 'PENDING'
       AND range_id = :range_id AND {range_is_ours} AND {gates_open}
     ORDER BY window_start_time DESC, id DESC LIMIT 1 {skip_locked})
UPDATE pipeline_records SET {locked}, {moved} FROM next WHERE id = next_id
RETURNING {columns};

-- name: leave_range
-- What a range still sets aside goes back to ordinary runs, in the transaction that ends the range: by its backfill,
-- or by any run when its lease ran out. PENDING → PENDING. Crash: the range still stands, and its lease runs out.
WITH aside AS MATERIALIZED (
    SELECT id AS aside_id FROM pipeline_records
     WHERE range_id = :range_id AND pipeline_status = 'PENDING'
     ORDER BY id {lock_rows})
UPDATE pipeline_records SET range_id = NULL, actor = :actor, reason = :reason, {moved} FROM aside WHERE id = aside_id
RETURNING id;

-- name: resume
-- A run takes up its own lock for its next task or try; the new epoch fences the earlier try off.
-- Crash: a parked lock with its markers, as after claim_oldest.
UPDATE pipeline_records
   SET lock_owner = :owner, lock_epoch = {next_epoch}, pipeline_locked_at = {now},
       lease_expires_at = {seconds_from_now::lease_seconds}, {working_becomes:PENDING},
       actor = :owner, reason = NULL, {moved}
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name
   AND dag_id = :dag_id AND dag_run_id = :dag_run_id AND run_slot = :run_slot AND pipeline_status = 'IN_PROGRESS'
RETURNING {columns};

-- name: adopt_temporary
-- `airflow tasks test` takes over what the last such call of this DAG left: each call has a run id of its own.
-- One that is at work is left alone. Crash: a parked lock, as after claim_oldest.
WITH newest AS MATERIALIZED (
    SELECT id AS newest_id FROM pipeline_records
     WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND pipeline_status = 'IN_PROGRESS'
       AND dag_id = :dag_id AND run_slot = :run_slot AND SUBSTR(dag_run_id, 1, 24) = '__airflow_temporary_run_'
       AND ('IN_PROGRESS' NOT IN (source_to_stage_ingestion_status, stage_to_target_ingestion_status, audit_status)
            OR lease_expires_at < {now})
     ORDER BY pipeline_locked_at DESC, id DESC LIMIT 1 {skip_locked})
UPDATE pipeline_records SET {locked}, {working_becomes:PENDING}, {moved} FROM newest WHERE id = newest_id
RETURNING {columns};

-- name: begin_source_to_stage
-- The owner starts the phase under a short lease, which a thread renews.
-- Crash: the lease runs out and the rescue counts an attempt; files of this epoch lie in the stage, without a marker.
UPDATE pipeline_records
   SET source_to_stage_ingestion_start_time = {now}, source_to_stage_ingestion_end_time = NULL,
       source_to_stage_ingestion_status = 'IN_PROGRESS',
       lease_expires_at = {seconds_from_now::lease_seconds}, actor = lock_owner, reason = NULL, {moved}
 WHERE id = :id AND lock_epoch = :epoch AND pipeline_status = 'IN_PROGRESS'
RETURNING {columns};

-- name: finish_source_to_stage
-- The owner leaves the marker that names the manifest, and parks the lock. The count at the source is this reading's or
-- none: the audit would believe that of an earlier attempt.
-- Crash: the next run that holds the window starts at STAGE_TO_TARGET.
UPDATE pipeline_records
   SET source_to_stage_ingestion_end_time = {now}, source_to_stage_ingestion_status = 'COMPLETED',
       phase_completed = 'SOURCE_TO_STAGE', stage_epoch = :stage_epoch,
       manifest_address = :manifest_address, manifest_digest = :manifest_digest,
       source_count = :source_count, {other_facts},
       lease_expires_at = {seconds_from_now::park_seconds}, actor = lock_owner, reason = NULL, {moved}
 WHERE id = :id AND lock_epoch = :epoch AND pipeline_status = 'IN_PROGRESS'
RETURNING {columns};

-- name: begin_stage_to_target
-- The owner starts the phase. Crash: the rescue counts an attempt; the target has the window as it was or as it
-- will be, and its ledger says which.
UPDATE pipeline_records
   SET stage_to_target_ingestion_start_time = {now}, stage_to_target_ingestion_end_time = NULL,
       stage_to_target_ingestion_status = 'IN_PROGRESS',
       lease_expires_at = {seconds_from_now::lease_seconds}, actor = lock_owner, reason = NULL, {moved}
 WHERE id = :id AND lock_epoch = :epoch AND pipeline_status = 'IN_PROGRESS'
RETURNING {columns};

-- name: finish_stage_to_target
-- The owner leaves the marker and parks the lock. Crash: the next run starts at AUDIT.
UPDATE pipeline_records
   SET stage_to_target_ingestion_end_time = {now}, stage_to_target_ingestion_status = 'COMPLETED',
       phase_completed = 'STAGE_TO_TARGET', {facts},
       lease_expires_at = {seconds_from_now::park_seconds}, actor = lock_owner, reason = NULL, {moved}
 WHERE id = :id AND lock_epoch = :epoch AND pipeline_status = 'IN_PROGRESS'
RETURNING {columns};

-- name: begin_audit
-- The owner starts to count. Crash: the rescue counts an attempt; the next run audits again.
UPDATE pipeline_records
   SET audit_start_time = {now}, audit_end_time = NULL, audit_status = 'IN_PROGRESS',
       lease_expires_at = {seconds_from_now::lease_seconds}, actor = lock_owner, reason = NULL, {moved}
 WHERE id = :id AND lock_epoch = :epoch AND pipeline_status = 'IN_PROGRESS'
RETURNING {columns};

-- name: renew
-- The owner's thread, while a phase works; the only move that leaves no event.
-- Crash: the lease runs out.
UPDATE pipeline_records
   SET lease_expires_at = {seconds_from_now::lease_seconds}
 WHERE id = :id AND lock_epoch = :epoch AND pipeline_status = 'IN_PROGRESS'
RETURNING lease_expires_at;

-- name: park
-- The owner stops working for a while: between two tasks, or until a failed try is repeated. Counts no attempt.
-- Crash: as after claim_oldest.
UPDATE pipeline_records
   SET lease_expires_at = {seconds_from_now::park_seconds}, {working_becomes:PENDING},
       actor = lock_owner, reason = NULL, {moved}
 WHERE id = :id AND lock_epoch = :epoch AND pipeline_status = 'IN_PROGRESS'
RETURNING {columns};

-- name: restage
-- The owner found the stage gone or changed: the markers go, the lock stays.
-- Crash: the next run that holds the window starts from the beginning.
UPDATE pipeline_records
   SET {no_markers}, {no_audit}, actor = lock_owner, reason = 'the stage was lost', {moved}
 WHERE id = :id AND lock_epoch = :epoch AND pipeline_status = 'IN_PROGRESS'
RETURNING {columns};

-- name: complete
-- The owner ends well: after the audit, or in pre_validation when nothing needed to move. IN_PROGRESS → COMPLETED.
-- Crash: the window is done.
UPDATE pipeline_records
   SET pipeline_status = 'COMPLETED', audit_result = :audit_result, {facts},
       phase_completed = CASE audit_status WHEN 'IN_PROGRESS' THEN 'AUDIT' ELSE phase_completed END,
       audit_end_time = CASE audit_status WHEN 'IN_PROGRESS' THEN {now} ELSE audit_end_time END,
       audit_status = CASE audit_status WHEN 'IN_PROGRESS' THEN 'COMPLETED' ELSE audit_status END,
       pipeline_end_time = {now}, last_error = NULL, {let_go}, actor = lock_owner, reason = NULL, {moved}
 WHERE id = :id AND lock_epoch = :epoch AND pipeline_status = 'IN_PROGRESS'
RETURNING {columns};

-- name: fail
-- The owner gives up this attempt. IN_PROGRESS → PENDING after a wait, or FAILED when the attempts are used up.
-- Crash: nothing is held; markers stay, so the next attempt starts at the first unfinished phase.
UPDATE pipeline_records
   SET {attempt_counted:{counted}}, last_error = :error, {facts}, {working_becomes:FAILED}, {let_go},
       actor = lock_owner, reason = NULL, {moved}
 WHERE id = :id AND lock_epoch = :epoch AND pipeline_status = 'IN_PROGRESS'
RETURNING {columns};

-- name: fail_unavailable
-- The owner gives up because a system does not answer. Like fail; but once the pipeline's circuit has opened this is
-- no fault of the window: no attempt is counted, and it waits beyond the circuit's end, so that another gives proof.
-- Crash: nothing is held, markers stay; the circuit does not learn of this failure, but of the next.
UPDATE pipeline_records
   SET {attempt_charged:{counted_while_closed}},
       not_before = COALESCE({circuit:{later}(gate.circuit_until, {circuit_ends})},
                             {wait_for_next_try:{counted}}),
       last_error = :error, {facts}, {working_becomes:FAILED}, {let_go}, actor = lock_owner, reason = NULL, {moved}
 WHERE id = :id AND lock_epoch = :epoch AND pipeline_status = 'IN_PROGRESS'
RETURNING {columns};

-- name: mismatch
-- The owner's audit found rows missing or foreign: like fail, but the markers go and equal counts are not believed,
-- so that the next attempt loads the window anew. Crash: nothing is held; the target keeps what it has until then.
UPDATE pipeline_records
   SET {attempt_counted:{counted}}, last_error = :error, {facts}, {no_markers}, audit_result = 'mismatch',
       audit_status = 'FAILED', audit_end_time = {now}, reload_reason = COALESCE(reload_reason, 'audit mismatch'),
       {let_go}, actor = lock_owner, reason = NULL, {moved}
 WHERE id = :id AND lock_epoch = :epoch AND pipeline_status = 'IN_PROGRESS'
RETURNING {columns};

-- name: release
-- The owner lets go without a fault of the window. IN_PROGRESS → PENDING, no attempt counted.
-- Crash: nothing is held; markers stay.
UPDATE pipeline_records
   SET pipeline_status = 'PENDING', {working_becomes:PENDING}, {let_go}, actor = lock_owner, reason = :reason, {moved}
 WHERE id = :id AND lock_epoch = :epoch AND pipeline_status = 'IN_PROGRESS'
RETURNING {columns};

-- name: release_run
-- The cleanup of a run, for what this very run still holds. IN_PROGRESS → PENDING, or FAILED as in rescue.
-- Crash: nothing is held by the run; the new epoch fences off a try of it that still lives.
WITH held AS MATERIALIZED (
    SELECT {left_behind} FROM pipeline_records
     WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND pipeline_status = 'IN_PROGRESS'
       AND dag_id = :dag_id AND dag_run_id = :dag_run_id
     ORDER BY id {lock_rows})
UPDATE pipeline_records
   SET {taken_away:'the run ended; it was still held by '}, actor = :owner, {moved}
  FROM held WHERE id = left_id
RETURNING {columns};

-- name: release_slot
-- A slot of a run that goes on to its next window, for one that it still holds because its end could not be recorded.
-- IN_PROGRESS → PENDING, or FAILED as in rescue. Crash: as after release_run.
WITH held AS MATERIALIZED (
    SELECT {left_behind} FROM pipeline_records
     WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND pipeline_status = 'IN_PROGRESS'
       AND dag_id = :dag_id AND dag_run_id = :dag_run_id AND run_slot = :run_slot
     ORDER BY id {lock_rows})
UPDATE pipeline_records
   SET {taken_away:'the slot went on; it was still held by '}, actor = :owner, {moved}
  FROM held WHERE id = left_id
RETURNING {columns};

-- name: interrupt_run
-- A run that is told to stop puts back what its slots hold, at once. IN_PROGRESS → PENDING, no attempt counted.
-- Crash: nothing is held; the new epoch fences off slots that still work.
WITH chosen AS MATERIALIZED (
    SELECT id AS chosen_id FROM pipeline_records
     WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND pipeline_status = 'IN_PROGRESS'
       AND dag_id = :dag_id AND dag_run_id = :dag_run_id
     ORDER BY id {lock_rows})
UPDATE pipeline_records
   SET pipeline_status = 'PENDING', lock_epoch = {next_epoch}, {working_becomes:PENDING}, {let_go},
       actor = :owner, reason = 'interrupted', {moved}
  FROM chosen WHERE id = chosen_id
RETURNING {columns};

-- name: rescue
-- Any run, for locks whose lease ran out. IN_PROGRESS → PENDING, or FAILED when the attempts are used up.
-- The lease is looked at again when the row is locked, so that a renewed or finished window is left alone.
-- Crash: nothing is held; the new epoch fences off an owner that comes back.
WITH stale AS MATERIALIZED (
    SELECT {left_behind} FROM pipeline_records
     WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND pipeline_status = 'IN_PROGRESS'
       AND lease_expires_at < {now}
     ORDER BY id {skip_locked})
UPDATE pipeline_records
   SET {taken_away:'the lease ran out; it was held by '}, actor = 'rescue', {moved}
  FROM stale WHERE id = left_id
RETURNING {columns};

-- name: reopen
-- A person wants finished windows loaded again. COMPLETED or FAILED → PENDING; epoch and ledger stay.
-- Crash: the windows wait to be claimed; the target keeps its rows until the new ones replace them.
WITH {chosen:pipeline_status IN ('COMPLETED', 'FAILED')}
UPDATE pipeline_records
   SET {anew}, actor = :actor, reason = :reason, {moved}
  FROM chosen WHERE id = chosen_id
RETURNING {columns};

-- name: force_reopen
-- The same, and windows that were waiting anyway are loaded whatever the counts say. Crash: as after reopen.
WITH {chosen:pipeline_status IN ('COMPLETED', 'FAILED', 'PENDING')}
UPDATE pipeline_records
   SET {anew}, actor = :actor, reason = :reason, {moved}
  FROM chosen WHERE id = chosen_id
RETURNING {columns};

-- name: retry
-- A person gives quarantined windows new attempts and ends the wait of those in backoff. FAILED or PENDING → PENDING.
-- Crash: the windows wait to be claimed; markers stay.
WITH {chosen:(pipeline_status = 'FAILED' OR (pipeline_status = 'PENDING' AND not_before IS NOT NULL))}
UPDATE pipeline_records
   SET pipeline_status = 'PENDING', not_before = NULL, pipeline_end_time = NULL,
       retry_attempt = CASE pipeline_status WHEN 'FAILED' THEN 0 ELSE retry_attempt END,
       actor = :actor, reason = :reason, {moved}
  FROM chosen WHERE id = chosen_id
RETURNING {columns};

-- name: skip
-- A person does without windows. PENDING or FAILED → COMPLETED; the target keeps what it has.
-- Crash: the windows are done, and say skipped.
WITH {chosen:pipeline_status IN ('PENDING', 'FAILED')}
UPDATE pipeline_records
   SET pipeline_status = 'COMPLETED', audit_result = 'skipped', not_before = NULL, last_error = NULL,
       pipeline_end_time = {now}, range_id = NULL, actor = :actor, reason = :reason, {moved}
  FROM chosen WHERE id = chosen_id
RETURNING {columns};

-- name: quarantine
-- A person takes windows out of line. PENDING → FAILED; attempts and markers stay.
-- Crash: the windows wait for a person.
WITH {chosen:pipeline_status = 'PENDING'}
UPDATE pipeline_records
   SET pipeline_status = 'FAILED', last_error = :reason, not_before = NULL, pipeline_end_time = {now},
       range_id = NULL, actor = :actor, reason = :reason, {moved}
  FROM chosen WHERE id = chosen_id
RETURNING {columns};

-- name: clear_lock
-- A person takes a lock away, living or not. IN_PROGRESS → PENDING, no attempt counted.
-- Crash: nothing is held; the new epoch fences the owner off.
UPDATE pipeline_records
   SET pipeline_status = 'PENDING', lock_epoch = {next_epoch}, {working_becomes:PENDING}, {let_go},
       actor = :actor, reason = :reason, {moved}
 WHERE id = :id AND pipeline_status = 'IN_PROGRESS'
RETURNING {columns};

-- name: clear_stale_lock
-- The same, only when the lease ran out. Crash: as after clear_lock.
UPDATE pipeline_records
   SET pipeline_status = 'PENDING', lock_epoch = {next_epoch}, {working_becomes:PENDING}, {let_go},
       actor = :actor, reason = :reason, {moved}
 WHERE id = :id AND pipeline_status = 'IN_PROGRESS' AND lease_expires_at < {now}
RETURNING {columns};

-- name: regrid
-- A person gives the end of the timeline that nobody has touched to another grid: this notes who and why, and the rows
-- are deleted in the same transaction, which has locked them. PENDING → PENDING. Crash: nothing was changed.
UPDATE pipeline_records SET actor = :actor, reason = :reason, {moved}
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND {untouched}
   AND window_start_time > {time:kept_start}
RETURNING id;
