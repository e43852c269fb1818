import { describe, expect, it, onTestFinished } from 'vitest'

import { type Jobs, open, task } from '../../src/index.ts'
import { health } from '../../src/signals/health.ts'
import { metrics } from '../../src/signals/metrics.ts'
import { newProxy, newRedis, newSchema } from '../servers/kit.ts'
import { until } from '../servers/until.ts'
import { simulate } from '../simulation.ts'

const mail = task({ name: 'mail' })
const request = new Request('http://x/')

async function openJobs(url: string, options = {}): Promise<Jobs> {
  const jobs = await open(url, { logger: false, timeout: '1s', ...options })
  onTestFinished(() => jobs.close({ grace: 0 }))
  return jobs
}

/** Works on a store whose network is cut, and gives it back: ready, not ready, and ready again, alive all the time. */
async function throughACut(jobs: Jobs, cut: () => Promise<void>, mend: () => Promise<void>): Promise<void> {
  const { healthz, readyz, ready } = health(jobs, { timeout: '500ms' })
  const signals = metrics(jobs, { timeout: '500ms' })
  const worker = jobs.work([mail.handle(() => undefined)], { poll: '100ms' })
  await until('it is ready', async () => ((await readyz(request)).status === 200 ? true : undefined))
  await cut()
  const { status } = await readyz(request)
  const alive = await healthz(request)
  expect([status, alive.status]).toEqual([503, 200])
  expect((await ready()).faults.join()).toContain('does not answer')
  expect(await signals.text()).toMatch(/^jobferry_store_up\{store="\w+"\} 0$/m)
  await until('the worker has found out', () => (worker.failing ? true : undefined))
  await mend()
  await until('it is ready again', async () => ((await readyz(request)).status === 200 ? true : undefined))
  expect(worker.failing).toBe(false)
  const completed = new Promise((resolve) => void jobs.on('completed', resolve))
  await jobs.enqueue(mail)
  await completed
  const stopping = worker.stop()
  expect(await ready()).toEqual({ ok: false, faults: ['a worker is stopping'] })
  await stopping
  expect((await readyz(request)).status).toBe(200)
}

describe('health', () => {
  it('tells the truth of a PostgreSQL store that nobody reaches any more, and of its return', async () => {
    const { url, schema } = await newSchema()
    const proxy = await newProxy(url)
    const jobs = await openJobs(proxy.url, { schema })
    await throughACut(
      jobs,
      async () => {
        await proxy.refuse()
        await proxy.cut()
      },
      async () => await proxy.pass(),
    )
  })

  it('tells the truth of a Redis server that was stopped, and of its return', async () => {
    const redis = await newRedis()
    const jobs = await openJobs(redis.url)
    await throughACut(
      jobs,
      async () => await redis.stop(),
      async () => await redis.start(),
    )
  })

  it('is not ready while a worker has trouble with a store that answers others', async () => {
    await using sim = await simulate()
    const { ready } = health(sim.jobs, { clock: sim.clock })
    sim.jobs.work([mail.handle(() => undefined)], { poll: '1s' })
    await sim.clock.settle()
    expect(await ready()).toEqual({ ok: true, faults: [] })
    sim.interfere(({ verb }, next) => {
      if (verb === 'claim') throw new Error('permission denied for table job')
      return next()
    })
    await sim.clock.advance('2s')
    expect(await ready()).toEqual({ ok: false, faults: ["a worker's last exchange with the store failed"] })
    sim.interfere()
    await sim.clock.advance('5s')
    expect(await ready()).toEqual({ ok: true, faults: [] })
  })

  it('is neither alive nor ready once its jobs are closed, and says why as JSON', async () => {
    const jobs = await open('memory:', { logger: false })
    const { healthz, readyz } = health(jobs)
    expect(await (await readyz(request)).json()).toEqual({ ok: true, faults: [] })
    await jobs.close()
    for (const handler of [healthz, readyz]) {
      const answer = await handler(request)
      expect([answer.status, answer.headers.get('content-type')]).toEqual([503, 'application/json'])
      expect(await answer.json()).toEqual({ ok: false, faults: ['these jobs are closed'] })
    }
  })

  it('answers GET and HEAD, and nothing else', async () => {
    await using sim = await simulate()
    const { healthz } = health(sim.jobs)
    const ask = (method: string): Promise<Response> => healthz(new Request('http://x/', { method }))
    expect([(await ask('HEAD')).status, (await ask('POST')).status, (await ask('GET')).status]).toEqual([200, 405, 200])
  })
})
