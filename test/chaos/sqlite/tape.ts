import { DatabaseSync } from 'node:sqlite'

import type { Change } from '../tape.ts'

/** The SQL function that every connection has, which says when, who and in which call. */
export const witness = 'witness'

/** Makes the tape and the triggers that write it, and the tables of the application beside. */
export function startTape(file: string): void {
  using db = new DatabaseSync(file)
  db.exec(`
    create table tape (
      seq integer primary key, witness text, job text, was_state, state, was_attempt, attempt, max_attempts, was_rev, rev,
      was_lease, lease, was_until, until, run_at, concurrency_key, held, cancel, failure, payload
    );
    create trigger tape_insert after insert on jobferry_job begin
      insert into tape values (null, witness(), new.id, null, new.state, null, new.attempt, new.max_attempts, null, new.rev,
        null, new.lease, null, new.lease_until, new.run_at, new.concurrency_key, ${held('new')}, new.cancel, null, new.payload);
    end;
    create trigger tape_update after update on jobferry_job begin
      insert into tape values (null, witness(), new.id, old.state, new.state, old.attempt, new.attempt, new.max_attempts, old.rev, new.rev,
        old.lease, new.lease, old.lease_until, new.lease_until, new.run_at, new.concurrency_key, ${held('new')}, new.cancel,
        iif(new.failures is not old.failures, json_extract(new.failures, '$[#-1].name'), null), null);
    end;
    create trigger tape_delete after delete on jobferry_job begin
      insert into tape values (null, witness(), old.id, old.state, null, old.attempt, null, old.max_attempts, old.rev, null,
        old.lease, null, old.lease_until, null, old.run_at, old.concurrency_key, null, old.cancel, null, null);
    end;
    create table effect (job text, lease text, attempt integer, who text, at integer);
    create table child_of (parent text, child text);
  `)
}

export function* readTape(db: DatabaseSync): Generator<Change> {
  const rows = db.prepare(`
    select seq, witness, job, was_state wasState, state, was_attempt wasAttempt, attempt, max_attempts maxAttempts, was_rev wasRev, rev,
      was_lease wasLease, lease, was_until wasUntil, until, run_at runAt, concurrency_key concurrencyKey, held, cancel, failure, payload
    from tape order by seq`)
  for (const row of rows.iterate()) yield row as unknown as Change
}

/** Unique and concurrency keys are each queue's own. */
function held(row: 'new' | 'old'): string {
  return `iif(${row}.unique_held = 1, ${row}.queue || ' ' || ${row}.unique_key, null)`
}
