-- The moves of a pipeline's own row, which hold its claims back or let them go on. control_table/states.py lists them.
--
-- They are under the rules of transitions.sql: one statement, one transaction, a word on what a crash leaves behind.
-- Claims read what stands here inside their own statement. What generation keeps in the same row is in lookups.sql.

-- fragment: gates
paused_at, paused_by, pause_reason, circuit_failures, circuit_until, circuit_error,
CASE WHEN circuit_until > {now} THEN 1 ELSE 0 END AS circuit_open

-- fragment: this_pipeline
pipeline_id = :pipeline_id AND mapping_name = :mapping_name

-- fragment: circuit_ends
{seconds_from_now:{doubled:circuit_failures + 1 - :threshold}}

-- name: pause_pipeline
-- A person holds back every claim; windows that run go on to their end. The first pause stands.
-- Crash: the pipeline is paused, and says by whom.
UPDATE pipelines SET paused_at = {now}, paused_by = :actor, pause_reason = :reason, updated_at = {now}
 WHERE {this_pipeline} AND paused_at IS NULL
RETURNING {gates};

-- name: resume_pipeline
-- A person lets claims go on. Crash: the next run claims.
UPDATE pipelines SET paused_at = NULL, paused_by = NULL, pause_reason = NULL, updated_at = {now}
 WHERE {this_pipeline} AND paused_at IS NOT NULL
RETURNING {gates};

-- name: note_unavailable
-- An owner, after its window failed because a system does not answer. From the configured number on, claims are held
-- back for a wait that doubles. While they are, failures of runs that claimed before are no news: one outage, one wait.
-- Crash: claims are held back until the time that is written, never longer.
UPDATE pipelines
   SET circuit_failures = circuit_failures + 1, circuit_error = :error, updated_at = {now},
       circuit_until = CASE WHEN circuit_failures + 1 >= :threshold THEN {circuit_ends} END
 WHERE {this_pipeline} AND (circuit_until IS NULL OR circuit_until <= {now})
RETURNING {gates};

-- name: close_circuit
-- An owner whose window ended well, or a person's retry. Crash: claims go on.
UPDATE pipelines SET circuit_failures = 0, circuit_until = NULL, circuit_error = NULL, updated_at = {now}
 WHERE {this_pipeline} AND circuit_failures > 0
RETURNING {gates};
