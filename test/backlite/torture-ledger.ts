import type { DatabaseSync } from 'node:sqlite'

/** Where all processes write down what they run: who runs what at this moment, what was done how often, and where two met at one job. */
export const ledgerSchema = `
  pragma journal_mode = wal;
  create table running (n integer primary key, pid integer not null);
  create table done (n integer not null, who text not null);
  create table killed (pid integer primary key);
  create table met (n integer not null, pid integer not null, other integer not null);`

/**
 * Writes down a run of a job from its beginning to its end. Whoever finds it running already has met another, unless that has been killed.
 * @param pid tells the runner apart from all others
 */
export async function witnessed(
  ledger: DatabaseSync,
  n: number,
  pid: number,
  who: string,
  work: () => Promise<void>,
): Promise<void> {
  const other = ledger
    .prepare('insert into running values (?, ?) on conflict (n) do update set n = excluded.n returning pid')
    .get(n, pid)?.['pid']
  if (other !== pid) {
    ledger
      .prepare('insert into met select ?, ?, ?3 where not exists (select 1 from killed where pid = ?3)')
      .run(n, pid, Number(other))
    ledger.prepare('update running set pid = ? where n = ?').run(pid, n)
  }
  await work()
  ledger.exec('begin immediate')
  ledger.prepare('insert into done values (?, ?)').run(n, who)
  ledger.prepare('delete from running where n = ?').run(n)
  ledger.exec('commit')
}
