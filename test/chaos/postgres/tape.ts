import type { Pool } from 'pg'

import type { Instant } from '../../../src/core/job.ts'
import { speedFor } from '../clock.ts'
import type { Plan } from '../plan.ts'
import type { Change } from '../tape.ts'
import { callSetting } from './driver.ts'

/** How many changes are read at a time. */
const page = 20_000

/**
 * Makes the tape and the trigger that writes it, and the tables of the application beside, in a schema `chaos`. A number on the tape is drawn
 * while the row is locked: what changes a job, or waits for its key, comes after it.
 */
export async function startTape(pool: Pool, plan: Plan, epoch: Instant): Promise<void> {
  const fast = `floor(${epoch} + floor((floor(extract(epoch from clock_timestamp()) * 1000)::float8 - ${epoch}) * ${speedFor(plan.leaseMs)}))`
  await pool.query(`
    create schema chaos;
    create table chaos.tape (
      seq bigint generated always as identity, witness text, job text, was_state smallint, state smallint, was_attempt integer,
      attempt integer, max_attempts integer, was_rev integer, rev integer, was_lease text, lease text, was_until float8, until float8,
      run_at float8, concurrency_key text, held text, cancel text, failure text, payload text
    );
    create index on chaos.tape (seq);
    create function chaos.witness() returns text language sql volatile as $$
      select ${fast}::bigint || ' ' || current_setting('application_name') || ' ' || coalesce(current_setting('${callSetting}', true), 'other')
    $$;
    create function chaos.record() returns trigger language plpgsql as $$
    begin
      case tg_op
        when 'INSERT' then
          insert into chaos.tape (witness, job, state, attempt, max_attempts, rev, lease, until, run_at, concurrency_key, held, cancel, payload)
          values (chaos.witness(), new.id, new.state, new.attempt, new.max_attempts, new.rev, new.lease, new.lease_until, new.run_at,
            new.concurrency_key, case when new.unique_held then new.queue || ' ' || new.unique_key end, new.cancel, new.payload);
        when 'UPDATE' then
          insert into chaos.tape (witness, job, was_state, state, was_attempt, attempt, max_attempts, was_rev, rev, was_lease, lease,
            was_until, until, run_at, concurrency_key, held, cancel, failure)
          values (chaos.witness(), new.id, old.state, new.state, old.attempt, new.attempt, new.max_attempts, old.rev, new.rev, old.lease,
            new.lease, old.lease_until, new.lease_until, new.run_at, new.concurrency_key,
            case when new.unique_held then new.queue || ' ' || new.unique_key end, new.cancel,
            case when new.failures is distinct from old.failures then new.failures::json -> -1 ->> 'name' end);
        when 'DELETE' then
          insert into chaos.tape (witness, job, was_state, was_attempt, was_rev, was_lease, was_until, run_at, concurrency_key, cancel)
          values (chaos.witness(), old.id, old.state, old.attempt, old.rev, old.lease, old.lease_until, old.run_at, old.concurrency_key,
            old.cancel);
      end case;
      return null;
    end
    $$;
    create trigger tape after insert or update or delete on jobferry.job for each row execute function chaos.record();
    create table chaos.effect (job text, lease text, attempt integer, who text, at float8);
    create table chaos.child_of (parent text, child text);
  `)
}

export async function* readTape(pool: Pool): AsyncGenerator<Change> {
  for (let last = 0; ;) {
    const { rows } = await pool.query<Change>(
      `select seq::float8, witness, job, was_state "wasState", state, was_attempt "wasAttempt", attempt, max_attempts "maxAttempts",
         was_rev "wasRev", rev, was_lease "wasLease", lease, was_until "wasUntil", until, run_at "runAt", concurrency_key "concurrencyKey",
         held, cancel, failure, payload
       from chaos.tape where seq > $1 order by seq limit ${page}`,
      [last],
    )
    yield* rows
    if (rows.length < page) return
    last = rows.at(-1)?.seq ?? last
  }
}
