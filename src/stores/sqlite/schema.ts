/**
 * The tables, as numbered migrations that are never changed once released. `$` stands for the prefix of all names.
 *
 * They are text in a module, not files beside it, so that bundlers need not know of them. See docs/decisions/002-sqlite-layout.md for why
 * the tables look as they do.
 */
export const migrations: readonly string[] = [
  `
  create table $queue (
    id integer primary key,
    name text not null unique,
    paused integer not null default 0,
    concurrency integer,
    priority integer not null default 0
  ) strict;

  -- A lane is a queue, a task and a priority: its waiting jobs are in order by time alone, and its counters are the statistics.
  create table $lane (
    id integer primary key,
    queue integer not null,
    task text not null,
    priority integer not null,
    pending integer not null default 0,
    running integer not null default 0,
    completed integer not null default 0,
    failed integer not null default 0,
    cancelled integer not null default 0,
    unique (queue, task, priority)
  ) strict;

  -- The tally: \`pending\` says up to which seq jobs are counted in their lanes; those behind it were added alone and wait.
  insert into $lane (id, queue, task, priority) values (0, 0, '', 0);

  -- states: 0 pending, 1 running, 2 completed, 3 failed, 4 cancelled
  -- parked: waits, is due, and is left out of turn until its concurrency key is free
  -- unique_until: 0 until claimed, -1 until settled, otherwise an instant
  create table $job (
    seq integer primary key,
    id text not null,
    lane integer not null,
    queue integer not null,
    state integer not null default 0,
    run_at integer not null,
    attempt integer not null default 0,
    max_attempts integer not null,
    rev integer not null default 0,
    lease text,
    lease_until integer,
    created_at integer not null,
    started_at integer,
    finished_at integer,
    forget_at integer,
    parked integer not null default 0,
    unique_key text,
    unique_until integer,
    unique_held integer not null default 0,
    concurrency_key text,
    cancel text,
    parent text,
    failures text,
    policy text,
    result text,
    payload any,
    check ((state = 1) = (lease is not null)),
    check ((state = 1) = (lease_until is not null)),
    check ((state > 1) = (finished_at is not null)),
    check (state <> 0 or attempt < max_attempts)
  ) strict;

  create unique index $job_id on $job (id);
  create index $job_ready on $job (lane, run_at) where state = 0 and parked = 0;
  create index $job_parked on $job (queue, concurrency_key, lane, run_at) where parked = 1;
  create index $job_parked_due on $job (lane, run_at) where parked = 1;
  create index $job_lease on $job (lease_until) where state = 1;
  create index $job_busy on $job (queue, concurrency_key) where state = 1 and concurrency_key is not null;
  create index $job_forget on $job (forget_at) where forget_at is not null;
  create index $job_finished on $job (lane, state, id) where state > 1;
  create unique index $job_unique on $job (queue, unique_key) where unique_held = 1;
  create index $job_unique_key on $job (unique_key) where unique_key is not null;
  create index $job_parent on $job (parent) where parent is not null;

  create table $log (
    seq integer primary key autoincrement,
    job text not null,
    attempt integer not null,
    at integer not null,
    level text not null,
    message text not null,
    data text
  ) strict;
  create index $log_job on $log (job, seq);
  `,
  `
  -- Which workers are alive, until when unless they tell again, and what they have told.
  create table $worker (
    id text primary key,
    told_at integer not null,
    present_until integer not null,
    presence text not null
  ) strict, without rowid;
  `,
]
