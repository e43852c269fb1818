import { appendFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { inject, it } from 'vitest'
import { contract, hold } from '../../src/testing/contract/index.ts'
import { planted } from '../model/mutants.ts'
import { postgresMutants, postgresSeam } from '../model/postgres-mutants.ts'
import { postgresSubjects } from '../model/postgres-subjects.ts'
it('x', { timeout: 3_000_000 }, async () => {
  for (const m of postgresMutants) {
    const t = performance.now()
    let found: string[] = []
    try {
      await planted(m, postgresSeam, async () => {
        await using subjects = await postgresSubjects(inject('postgres').url)
        for (const one of contract) {
          if (one.needs?.includes('listen')) continue
          if (/thousand|hundreds|long mixed|many transactions|every field|all pages/.test(one.promise) && !/log|order of/.test(m.bug + one.promise)) continue
          const t1 = performance.now()
          try {
            if (await Promise.race([hold(one, subjects.openTwice), wait(8000, 'late')]) === 'late') { found.push('LATE ' + one.promise); break }
          } catch { found.push(`${Math.round(performance.now() - t1)}ms ${one.promise}`); if (found.length >= 2) break }
        }
      })
    } catch (e) { found.push('ERR ' + String(e).slice(0, 200)) }
    appendFileSync('/tmp/chaos-found.txt', `${Math.round(performance.now() - t)} | ${m.bug} | ${found.join(' || ')}\n`)
  }
})
