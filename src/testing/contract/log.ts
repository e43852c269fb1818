import { deepStrictEqual, ok } from 'node:assert/strict'

import { remove, type Write } from '../../core/lifecycle.ts'
import type { LogLine, Store } from '../../store.ts'
import { addOne, claim, fail, only, put, run, succeed, T, take } from './builders.ts'
import type { Case } from './case.ts'

/** `Store.log` and `Store.logs`. */
export const log: readonly Case[] = [
  {
    promise: 'keeps lines as they are, oldest first, each with a number that grows',
    needs: ['logs'],
    async run({ store }) {
      const job = await run(store)
      const lines = [
        aLine(job.id, { message: 'first', level: 'debug' }),
        aLine(job.id, { message: '', level: 'warn', attempt: 2, data: '{"n":1}' }),
        aLine(job.id, { message: 'two\nlines \t "🦉" %s é', level: 'error', at: T - 5, data: '"\\u0000"' }),
        aLine(job.id, { message: 'x'.repeat(8_000) }),
      ]
      await store.log(lines.slice(0, 3))
      await store.log(lines.slice(3))
      const stored = await store.logs(job.id, 99)
      deepStrictEqual(
        stored,
        lines.map((line, i) => ({ ...line, seq: stored[i]?.seq })),
      )
      ok(stored.every(({ seq }, i) => i === 0 || seq > (stored[i - 1]?.seq ?? Number.NaN)))
    },
  },
  {
    promise: 'keeps the lines of each job apart, also when they come in one call',
    needs: ['logs'],
    async run({ store }) {
      const [a, b] = [await run(store), await run(store)]
      await store.log([aLine(a.id, { message: '1' }), aLine(b.id, { message: '2' }), aLine(a.id, { message: '3' })])
      deepStrictEqual(await messages(store, a.id), ['1', '3'])
      deepStrictEqual(await messages(store, b.id), ['2'])
      deepStrictEqual(await messages(store, 'nowhere'), [])
    },
  },
  {
    promise: 'gives at most the limit, and goes on after the line named',
    needs: ['logs'],
    async run({ store }) {
      const [job, other] = [await run(store), await run(store)]
      const said = Array.from({ length: 33 }, (_, n) => n) // past 9: numbers are not in the order of their texts
      await store.log(said.map((n) => aLine(n % 3 === 2 ? other.id : job.id, { message: String(n) })))
      const first = await store.logs(job.id, 9)
      const second = await store.logs(job.id, 9, first.at(-1)?.seq)
      const third = await store.logs(job.id, 9, second.at(-1)?.seq)
      const fourth = await store.logs(job.id, 9, third.at(-1)?.seq)
      const own = said.filter((n) => n % 3 !== 2).map(String)
      deepStrictEqual(
        [first, second, third, fourth].map((page) => page.map(({ message }) => message)),
        [own.slice(0, 9), own.slice(9, 18), own.slice(18), []],
      )
      deepStrictEqual(await store.logs(job.id, 0), [])
    },
  },
  {
    promise: 'keeps hundreds of lines in order, and pages through them',
    needs: ['logs'],
    async run({ store }) {
      const job = await run(store)
      const words = Array.from({ length: 250 }, (_, n) => String(n))
      await store.log(words.slice(0, 120).map((message) => aLine(job.id, { message })))
      for (const message of words.slice(120, 130)) await store.log([aLine(job.id, { message })])
      await store.log(words.slice(130).map((message) => aLine(job.id, { message })))
      const read: string[] = []
      for (
        let after = 0, page = await store.logs(job.id, 60);
        page.length > 0;
        page = await store.logs(job.id, 60, after)
      ) {
        read.push(...page.map(({ message }) => message))
        after = page.at(-1)?.seq ?? after
      }
      deepStrictEqual(read, words)
    },
  },
  {
    promise: 'drops lines of jobs that are gone or never were, and keeps the others of the call',
    needs: ['logs'],
    async run({ store }) {
      const gone = await addOne(store)
      await put(store, remove(gone))
      const job = await run(store)
      await store.log([aLine(gone.id), aLine('nowhere'), aLine(job.id, { message: 'kept' })])
      deepStrictEqual(await store.logs(gone.id, 9), [])
      deepStrictEqual(await store.logs('nowhere', 9), [])
      deepStrictEqual(await messages(store, job.id), ['kept'])
    },
  },
  {
    promise: 'removes a log with its job, whichever way that goes, and no other',
    needs: ['logs'],
    async run({ store }) {
      const removals: readonly ((writes: readonly Write[]) => Promise<unknown>)[] = [
        async (writes) => await store.apply(writes, T),
        async (writes) => await claim(store, { settle: writes, limit: 0 }),
        async (writes) => await store.insert([{ jobs: [], writes }], T),
      ]
      const kept = await run(store)
      await store.log([aLine(kept.id, { message: 'kept' })])
      for (const removal of removals) {
        const job = await run(store)
        await store.log([aLine(job.id)])
        await removal([{ before: job, after: undefined }])
        deepStrictEqual(await store.logs(job.id, 9), [])
      }
      deepStrictEqual(await messages(store, kept.id), ['kept'])
    },
  },
  {
    promise: 'keeps a log through failures, retries and the end of its job',
    needs: ['logs', 'retain'],
    async run({ store }) {
      const first = await run(store)
      await store.log([aLine(first.id, { message: '1' })])
      await put(store, fail(first))
      await store.log([aLine(first.id, { message: '2' })])
      const job = only(await take(store, { now: T + 5_000 }))
      await put(store, succeed(job))
      await store.log([aLine(first.id, { message: '3', attempt: 2 })])
      deepStrictEqual(await messages(store, first.id), ['1', '2', '3'])
    },
  },
  {
    promise: 'does nothing when there is nothing to log',
    needs: ['logs'],
    async run({ store }) {
      const job = await addOne(store)
      await store.log([])
      deepStrictEqual(await store.logs(job.id, 9), [])
    },
  },
]

function aLine(jobId: string, given: Partial<LogLine> = {}): LogLine {
  return { jobId, attempt: 1, at: T, level: 'info', message: 'hello', data: undefined, ...given }
}

async function messages(store: Store<unknown>, jobId: string): Promise<readonly string[]> {
  return (await store.logs(jobId, 99)).map(({ message }) => message)
}
