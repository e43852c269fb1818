import { describe, expect, it, onTestFinished } from 'vitest'

import { cancel, settle } from '../../src/core/lifecycle.ts'
import { defaultRetention } from '../../src/core/retention.ts'
import { PostgresStore } from '../../src/stores/postgres/index.ts'
import { aJob, T } from '../../src/testing/contract/index.ts'
import { newPostgres } from '../servers/kit.ts'

const backoff = { type: 'fixed', delayMs: 0, maxMs: 0, jitter: 0 } as const
const policy = { backoff, retention: defaultRetention }

/** A server on which a commit that does not wait for the disk is not there for a long time. */
async function newForgetful(): Promise<{
  readonly crash: () => Promise<void>
  readonly open: () => Promise<PostgresStore>
}> {
  const server = await newPostgres({ settings: { wal_writer_delay: '10s', wal_writer_flush_after: '1GB' } })
  return {
    crash: async () => {
      await server.kill()
      await server.start()
    },
    open: async () => {
      const store = await PostgresStore.open(server.url, { notify: false })
      onTestFinished(() => store.close())
      return store
    },
  }
}

describe('a server that has crashed', () => {
  it('may have forgotten a claim, but does not let its worker end the run of another', async () => {
    const { crash, open } = await newForgetful()
    const [early, late] = [await open(), await open()]
    await early.migrate()
    const [kept, removed] = [aJob(), aJob()]
    await early.insert([{ jobs: [kept, removed].map((job) => ({ job, ifHeld: 'keep' })) }], T)
    const request = { tasks: undefined, limit: 2, until: T + 1_000, now: T }
    const forgotten = (await early.claim({ ...request, lease: 'forgotten' })).jobs
    await crash()
    expect(await early.get([kept.id, removed.id])).toEqual([kept, removed])

    const held = (await late.claim({ ...request, lease: 'held' })).jobs
    expect(held.map(({ rev }) => rev)).toEqual(forgotten.map(({ rev }) => rev))
    const ends = forgotten.map((job) => settle(job, { kind: 'succeeded', result: undefined }, policy, T, 0))
    const refused = held.map((current) => ({ ok: false, current }))
    expect(await early.apply(ends, T)).toEqual(refused)
    expect(
      await early.apply(
        forgotten.map((before) => ({ before, after: undefined })),
        T,
      ),
    ).toEqual(refused)
    expect(
      await early.apply(
        forgotten.map((job) => settle(job, { kind: 'released' }, policy, T, 0)),
        T,
      ),
    ).toEqual(refused)
  })

  it('has not forgotten that a job was cancelled, nor that it was asked to stop', async () => {
    const { crash, open } = await newForgetful()
    const store = await open()
    await store.migrate()
    const [running, waiting] = [aJob(), aJob({ runAt: T + 1 })]
    await store.insert([{ jobs: [running, waiting].map((job) => ({ job, ifHeld: 'keep' })) }], T)
    const { jobs } = await store.claim({ tasks: undefined, limit: 1, lease: 'held', until: T + 1_000, now: T })
    const writes = [...jobs, waiting].map((job) => cancel(job, 'no use', defaultRetention, T)!)
    expect(await store.apply(writes, T)).toEqual([{ ok: true }, { ok: true }])
    await crash()
    expect(await store.get([running.id, waiting.id])).toEqual(writes.map(({ after }) => after))
  })
})
