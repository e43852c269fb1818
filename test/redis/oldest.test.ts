import { Redis } from 'ioredis'
import { describe, expect, it, onTestFinished } from 'vitest'

import { RedisStore } from '../../src/stores/redis/index.ts'
import { scripts } from '../../src/stores/redis/script.ts'
import { addOne, aJob, aClaim, T } from '../../src/testing/contract/builders.ts'
import { aPresence } from '../../src/testing/contract/workers.ts'
import { disagreement } from '../model/model.ts'
import { newPrefix, newRedis } from '../servers/kit.ts'
import { newStore } from './kit.ts'
import { type Docs, newerIn, toDocs } from './since.ts'

const oldest = '6.2.0'

/** Later changes to commands of ours that only a reader can judge, and what shows that a call does not mean them. */
const unmeant: Readonly<Record<string, (args: readonly string[]) => boolean>> = {
  'info: 7.0.0 Added support for taking multiple section arguments.': (args) => args.length <= 1,
  'set: 7.0.0 Allowed the `NX` and `GET` options to be used together.': (args) =>
    !args.slice(2).some((arg) => arg.toLowerCase() === 'get'),
  'xadd: 7.0.0 Added support for the `<ms>-*` explicit ID form.': (args) => !args.some((arg) => arg.endsWith('-*')),
  // The client libraries say who they are, and expect that an older server does not know what they mean.
  'client setinfo (7.2.0)': () => true,
}

describe('Redis 6.2, which cannot be had everywhere', () => {
  it('has all commands and options that any script of ours uses', { timeout: 60_000 }, async ({ skip }) => {
    const { url } = await newRedis()
    const docs = await docsOf(url)
    if (docs === undefined) return skip('this server does not tell since when it has what (COMMAND DOCS)')
    const calls = await heard(url, async () => {
      await useAll(url)
    })

    const names = new Map(Object.values(scripts).map(({ name, digest }) => [digest, name]))
    const run = new Set(
      calls.map(([name, what = '']) =>
        name === 'eval' ? /^-- jobferry ([a-z ]+)/.exec(what)?.[1] : names.get(name === 'evalsha' ? what : ''),
      ),
    )
    expect([...names.values()].filter((name) => !run.has(name))).toEqual([])
    const newer = calls.flatMap((call) =>
      newerIn(call, docs, oldest).filter((what) => unmeant[what]?.(call.slice(1)) !== true),
    )
    expect([...new Set(newer)]).toEqual([])
  })

  it('would be told from a newer one by what this finds', async ({ skip }) => {
    const { url } = await newRedis()
    const docs = await docsOf(url)
    if (docs === undefined) return skip('this server does not tell since when it has what (COMMAND DOCS)')
    expect(newerIn(['zmpop', '1', 'key', 'MIN'], docs, oldest)).toEqual(['zmpop (7.0.0)'])
    expect(newerIn(['expire', 'key', '10', 'nx'], docs, oldest)).toEqual([
      'expire nx (7.0.0)',
      'expire: 7.0.0 Added options: `NX`, `XX`, `GT` and `LT`.',
    ])
    expect(newerIn(['set', 'key', 'nx', 'NX', 'GET'], docs, oldest)).toEqual([
      'set: 7.0.0 Allowed the `NX` and `GET` options to be used together.',
    ])
    expect(newerIn(['zadd', 'key', 'GT', '1', 'member'], docs, oldest)).toEqual([])
  })
})

async function docsOf(url: string): Promise<Docs | undefined> {
  const client = connected(url)
  return toDocs(await client.call('command', 'docs').catch(() => undefined))
}

/** Every command that the server runs meanwhile, those of scripts among them. */
async function heard(url: string, use: () => Promise<void>): Promise<readonly (readonly string[])[]> {
  const monitor = await connected(url).monitor()
  onTestFinished(() => monitor.disconnect())
  const calls: string[][] = []
  const { promise: ended, resolve } = Promise.withResolvers<void>()
  monitor.on('monitor', (_time: string, [name = '', ...args]: string[]) => {
    calls.push([name.toLowerCase(), ...args])
    if (name.toLowerCase() === 'echo') resolve()
  })
  await use()
  await connected(url).echo('that was all')
  await ended
  return calls
}

function connected(url: string): Redis {
  const client = new Redis(url)
  onTestFinished(() => client.disconnect())
  return client
}

/** Random scripts go through most of the store, by each client library; the rest is asked for. */
async function useAll(url: string): Promise<void> {
  for (const client of ['ioredis', 'redis'] as const) {
    const found = await disagreement(
      async () => {
        const namespace = newPrefix()
        const another = await RedisStore.open({ url, client, namespace })
        return {
          store: await RedisStore.open({ url, client, namespace }),
          another: () => another,
          close: () => another.close(),
        }
      },
      { seed: 1, runs: 15 },
    )
    expect(found?.trace).toBeUndefined()
    const store = await newStore({ url, client })
    const job = await addOne(store)
    await store.claim(aClaim())
    await store.log([{ jobId: job.id, at: T, level: 'info', attempt: 1, message: 'hello', data: undefined }])
    await store.logs(job.id, 10)
    await store.present(aPresence(), T, T + 1_000)
    await store.workers(T)
    await store.time()
    await store.report()
    const pipeline = connected(url).pipeline()
    store.append([{ job: aJob(), ifHeld: 'keep' }], T, pipeline)
    await pipeline.exec()
  }
}
