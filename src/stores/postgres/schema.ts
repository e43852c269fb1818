/**
 * The tables, as numbered migrations that are never changed once released. `@` stands for the quoted schema.
 *
 * Workers of the version before may still run. A migration keeps the functions that they call as they are; where it cannot, it drops or
 * renames them, so that nothing they do is done by half. See docs/decisions/010-versions-and-rights-on-postgres.md.
 *
 * They are text in a module, not files beside it, so that bundlers need not know of them. See docs/decisions/006-postgres-layout.md for
 * why the tables look as they do.
 */
export const migrations: readonly string[] = [
  `
  create table @.meta (
    key text primary key,
    value text not null
  );
  insert into @.meta (key, value) values ('installation', gen_random_uuid()::text);

  create table @.queue (
    id integer generated always as identity primary key,
    name text collate "C" not null unique,
    paused boolean not null default false,
    concurrency integer,
    priority smallint not null default 0,
    configured boolean not null default false
  );

  -- A lane is a queue, a task and a priority, those with concurrency keys apart: its waiting jobs are in order by time alone. The counts
  -- are those of the lines of the tally that were summed up so far; null until there were any.
  create table @.lane (
    id integer generated always as identity primary key,
    queue integer not null references @.queue,
    task text collate "C" not null,
    priority smallint not null,
    keyed boolean not null,
    pending bigint,
    running bigint,
    completed bigint,
    failed bigint,
    cancelled bigint,
    unique (queue, task, priority, keyed)
  );

  -- How the counts of a lane have changed: a line a transaction, so that nobody waits for another's count.
  create table @.tally (
    lane integer not null,
    pending integer not null default 0,
    running integer not null default 0,
    completed integer not null default 0,
    failed integer not null default 0,
    cancelled integer not null default 0
  );

  -- states: 0 pending, 1 running, 2 completed, 3 failed, 4 cancelled
  -- parked: waits, is due, and is left out of turn until its concurrency key is free
  -- unique_until: 0 until claimed, -1 until settled, otherwise an instant
  create table @.job (
    seq bigint generated always as identity,
    run_at bigint not null,
    created_at bigint not null,
    lease_until bigint,
    started_at bigint,
    finished_at bigint,
    forget_at bigint,
    unique_until bigint,
    lane integer not null,
    queue integer not null,
    attempt integer not null default 0,
    max_attempts integer not null,
    rev integer not null default 0,
    state smallint not null default 0,
    parked boolean not null default false,
    unique_held boolean not null default false,
    id text collate "C" not null,
    lease text collate "C",
    unique_key text collate "C",
    concurrency_key text collate "C",
    cancel text,
    parent text collate "C",
    failures text,
    policy text,
    result text,
    payload text,
    payload_bytes bytea,
    constraint job_lease check ((state = 1) = (lease is not null)),
    constraint job_lease_until check ((state = 1) = (lease_until is not null)),
    constraint job_finished_at check ((state > 1) = (finished_at is not null)),
    constraint job_attempts_left check (state <> 0 or attempt < max_attempts)
  );
  alter table @.job add constraint job_id primary key (id);
  create index job_ready on @.job (lane, run_at, seq) where state = 0 and not parked;
  create index job_parked on @.job (queue, concurrency_key, lane, run_at, seq) where parked;
  create index job_parked_due on @.job (lane, run_at) where parked;
  create index job_running on @.job (lane, lease_until) where state = 1;
  create unique index job_busy on @.job (queue, concurrency_key) where state = 1 and concurrency_key is not null;
  create index job_forget on @.job (forget_at) where forget_at is not null;
  create index job_finished on @.job (lane, state, id) where state > 1;
  create unique index job_unique on @.job (queue, unique_key) where unique_held;
  create index job_unique_key on @.job (unique_key) where unique_key is not null;
  create index job_parent on @.job (parent) where parent is not null;

  create table @.log (
    seq bigint generated always as identity primary key,
    at bigint not null,
    attempt integer not null,
    job text collate "C" not null,
    level text not null,
    message text not null,
    data text
  );
  create index log_job on @.log (job, seq);

  -- A queue turns its table over: vacuum by what has died, not by a share of what was once there.
  alter table @.job set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_analyze_scale_factor = 0.1);
  alter table @.tally set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

  -- What a claim hands out: the columns that its caller does not know already. The others of a job, where it has any, are in \`rest\`.
  create type @.taken as (
    id text,
    lane integer,
    run_at bigint,
    attempt integer,
    max_attempts integer,
    rev integer,
    created_at bigint,
    payload text,
    rest text
  );
  `,
  `
  -- Which workers are alive, until when unless they tell again, and what they have told. Written every few seconds: no index but the key,
  -- and room in the page, so that no update touches it.
  create table @.worker (
    id text collate "C" primary key,
    told_at bigint not null,
    present_until bigint not null,
    presence text not null
  ) with (fillfactor = 50);
  `,
]
