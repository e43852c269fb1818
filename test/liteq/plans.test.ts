import { expect, it } from 'vitest'

import { makeStatements, statements } from '../../src/stores/liteq/statements.ts'
import { newLiteq } from './kit.ts'
import { flavours } from './schema.ts'

it.for(flavours)('finds by an index whatever a worker asks for, however many jobs have finished (%s)', (flavour) => {
  const { db } = newLiteq(flavour)
  db.exec(`insert into jobs (queue, job, job_status, created_at, updated_at)
    with recursive n(value) as (select 1 union all select value + 1 from n where value < 5000)
    select 'q' || value % 7, '', 'completed', 0, 0 from n`)
  const plan = (text: string): string =>
    db
      .prepare(`explain query plan ${text}`)
      .all(...Array.from({ length: text.split('?').length - 1 }, () => 1))
      .map((row) => String(row['detail']))
      .join('\n')
  const { due, anyDue } = makeStatements(flavour)
  const { take, renew, get, holder, next, queueNames, expired, nextExpiry, sibling } = statements
  for (const text of [due, anyDue, take, renew, get, holder, next, queueNames, expired, nextExpiry, sibling])
    expect(plan(text)).not.toMatch(/SCAN (j|jobs|other)\b(?! USING .*INDEX todo)/)
  expect(plan(due)).not.toContain('TEMP B-TREE')
  expect(plan(next)).not.toContain('TEMP B-TREE')
})
