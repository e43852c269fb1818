/** The table as Setup of liteq makes it: in v0.1, and from commit ed648f2 on, there with `if not exists`. */
export type Flavour = 'raw' | 'scoped'

export const flavours: readonly Flavour[] = ['raw', 'scoped']

const table = `
  pragma journal_mode = wal;
  create table jobs (
    id integer not null,
    queue text not null,
    job text not null,
    job_status text not null default 'queued',
    execute_after integer not null default 0,
    remaining_attempts integer not null default 1,
    consumer_fetched_at integer not null default 0,
    finished_at integer not null default 0,
    deduping_key text not null default '',
    errors text not null default "[]",
    created_at integer not null,
    updated_at integer not null,
    primary key (id)
  );
  create index todo on jobs (queue, job_status, execute_after) where job_status = 'queued' or job_status = 'fetched';
  create unique index dedupe on jobs (deduping_key, job_status) where deduping_key != '' and job_status = 'queued';`

export const scope = `create unique index no_concurrent on jobs (deduping_key) where deduping_key != '' and job_status = 'fetched';`

export const liteqSchema: Readonly<Record<Flavour, string>> = { raw: table, scoped: table + scope }
