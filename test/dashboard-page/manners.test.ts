import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'

import { type Jobs, open, task } from '../../src/index.ts'
import type { Capability } from '../../src/core/capability.ts'
import { MemoryStore } from '../../src/stores/memory/index.ts'
import { fail, faultsOf, later, mail, newJobs, runAll, serve, useBrowser, visit } from './kit.ts'

useBrowser()

/** Something to see on every page. */
async function filled(): Promise<{ jobs: Jobs; failed: string; done: string; waiting: string }> {
  const jobs = await newJobs()
  const [failed, done] = await jobs.enqueueMany([
    fail.with({ n: 1 }),
    mail.with({ to: 'ada@example.com', nested: { deep: [1] } }),
  ])
  await runAll(jobs, [failed!.id, done!.id])
  const { id } = await jobs.enqueue(later, { n: 1 }, { unique: { key: 'one' }, delay: '1h', priority: 3 })
  await jobs.cancel((await jobs.enqueue(later, { n: 2 })).id, 'no longer wanted')
  await jobs.pause('slow')
  return { jobs, failed: failed!.id, done: done!.id, waiting: id }
}

describe('for everybody', () => {
  it.each(['light', 'dark'] as const)('axe finds nothing wrong on any page, %s', async (scheme) => {
    const { jobs, failed, done, waiting } = await filled()
    const stage = await serve(jobs)
    const page = await visit(stage, '', { scheme })
    const rules = scheme === 'dark' ? ['color-contrast'] : undefined // the rest is the same
    const look = async (name: string): Promise<void> => expect(await faultsOf(page, rules), name).toEqual([])
    await page.getByText('Failures by task').waitFor()
    await look('overview')
    const whole = ['jobs', 'jobs?state=failed', 'jobs?text=nothing', 'queues', 'workers', 'enqueue', 'nowhere']
    for (const path of scheme === 'dark' ? ['jobs', 'queues'] : whole) {
      await goIn(page, stage.url + path)
      await look(path)
    }
    for (const id of scheme === 'dark' ? [failed, waiting] : [failed, done, waiting]) {
      await goIn(page, `${stage.url}jobs/${id}`)
      await page.getByText('Timeline').waitFor()
      await look(`jobs/${id}`)
    }
    await page.getByRole('button', { name: 'Edit' }).click()
    await look('edit')
    await page.keyboard.press('Escape')
    await page.keyboard.press('?')
    await look('help')
    await page.keyboard.press('Escape')
    await goIn(page, `${stage.url}jobs`)
    await page.getByLabel('Choose all on this page').click()
    await look('chosen')
    await page.getByRole('button', { name: 'Delete' }).click()
    await look('confirm')
  })

  it('fits a narrow screen: nothing has to be scrolled sideways', async () => {
    const { jobs, failed, done } = await filled()
    const stage = await serve(jobs)
    const page = await visit(stage, '', { width: 360 })
    for (const path of ['', 'jobs', 'queues', 'workers', 'enqueue', `jobs/${failed}`, `jobs/${done}`]) {
      await goIn(page, stage.url + path)
      const beyond = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')
      expect(beyond, path).toBe(0)
    }
  })

  it('is at hand by keyboard alone', async () => {
    const { jobs } = await filled()
    const page = await visit(await serve(jobs))
    await page.keyboard.press('g')
    await page.keyboard.press('q')
    await page.getByRole('heading', { name: 'Queues' }).waitFor()
    await page.keyboard.press('/')
    await page.getByRole('heading', { name: 'Jobs' }).waitFor()
    await page.locator('tbody tr').nth(3).waitFor()
    await page.keyboard.press('/')
    expect(await page.evaluate('document.activeElement.type')).toBe('search')
    await page.keyboard.press('Escape')
    await page.keyboard.press('j')
    await page.keyboard.press('j')
    await page.keyboard.press('x')
    await page.getByText('1 job chosen').waitFor()
    await page.keyboard.press('ArrowUp')
    await page.keyboard.press('a')
    await page.getByText('4 jobs chosen').waitFor()
    await page.keyboard.press('Escape')
    await page.getByText('jobs chosen').waitFor({ state: 'detached' })
    await page.keyboard.press('Enter')
    await page.getByRole('region', { name: 'Timeline' }).waitFor()
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Keys' }).waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog', { name: 'Keys' }).waitFor({ state: 'detached' })
  })

  it('is light or dark as the system is, or as was chosen, and remembers', async () => {
    const page = await visit(await serve(await newJobs()), '', { scheme: 'dark' })
    const ground = () => page.evaluate('getComputedStyle(document.documentElement).backgroundColor')
    expect(await ground()).toBe('rgb(13, 21, 24)')
    await page.getByRole('button', { name: 'Colours: auto' }).click()
    expect(await ground()).toBe('rgb(243, 246, 247)')
    await page.reload()
    await page.getByRole('button', { name: 'Colours: light' }).waitFor()
    expect(await ground()).toBe('rgb(243, 246, 247)')
  })
})

describe('what others wrote', () => {
  const bad = '<img src=x onerror=alert(1)>"><script>alert(2)</script><style>*{display:none}</style>{{7*7}}\u202e‮'

  it('is shown as text wherever it stands, and adds no element', async () => {
    const jobs = await newJobs()
    const hostile = task<unknown>({
      name: bad,
      queue: bad,
      maxAttempts: 2,
      backoff: '1h',
      handler: (_payload, job) => {
        job.log.error(bad, { [bad]: bad })
        throw Object.assign(new Error(bad), { name: bad, stack: `${bad}\n    at ${bad} (${bad}:1:1)` })
      },
    })
    const { id } = await jobs.enqueue(
      hostile,
      { [bad]: [bad, { [bad]: bad }], ['__proto__ ']: bad },
      { unique: { key: bad } },
    )
    const worker = jobs.work([hostile])
    await expect.poll(async () => (await jobs.get(id))?.failures.length).toBe(1)
    await worker.stop()
    const { id: second } = await jobs.enqueue(hostile, bad, { delay: '1h' })
    await jobs.cancel(second, bad)

    const stage = await serve(jobs)
    const page = await visit(stage)
    await page.getByText(bad).first().waitFor()
    for (const path of [
      '',
      'jobs',
      `jobs?task=${encodeURIComponent(bad)}`,
      'queues',
      'workers',
      'enqueue',
      `jobs/${id}`,
      `jobs/${second}`,
      `enqueue?like=${id}`,
    ]) {
      await goIn(page, stage.url + path)
      expect(await page.locator('#page :is(img, script, style, iframe, object)').count()).toBe(0)
    }
    await goIn(page, `${stage.url}jobs/${id}`)
    expect(await page.getByText('<img src=x onerror=alert(1)>').count()).toBeGreaterThan(4)
    await page.getByRole('button', { name: 'As text' }).click()
    await page.getByRole('region', { name: 'Payload' }).getByText('<script>').waitFor()
    await goIn(page, `${stage.url}jobs?text=${encodeURIComponent('<img src=x')}`)
    await page.locator('tbody tr').first().waitFor()
  })
})

describe('what may not be done', () => {
  it('has no button for those who may only look', async () => {
    const { jobs, failed, waiting } = await filled()
    const stage = await serve(jobs, { authorize: () => 'read' })
    const page = await visit(stage, 'jobs')
    await page.locator('tbody tr').first().waitFor()
    await page.getByText('read-only').waitFor()
    expect(await page.getByRole('checkbox').count()).toBe(0)
    expect(await page.getByRole('link', { name: 'Enqueue' }).count()).toBe(0)
    const steering = /retry|run now|cancel$|delete|edit|pause|resume|limits|enqueue/i
    for (const path of ['queues', `jobs/${failed}`, `jobs/${waiting}`]) {
      await goIn(page, stage.url + path)
      expect(await page.getByRole('button', { name: steering }).count(), path).toBe(0)
    }
  })

  it('has no button and no page for what the store cannot do', async () => {
    const lacking = new Set<Capability>(['pause', 'limits', 'logs', 'workers', 'inspect', 'dedupe', 'priority'])
    const store = new MemoryStore()
    const capabilities = new Set([...store.capabilities].filter((one) => !lacking.has(one)))
    Object.defineProperty(store, 'capabilities', { value: capabilities })
    const jobs = await open(store, { logger: false })
    const { id } = await jobs.enqueue(later, { n: 1 })
    const stage = await serve(jobs)
    const page = await visit(stage)
    await page.getByRole('navigation', { name: 'Pages' }).waitFor()
    expect(await page.getByRole('navigation', { name: 'Pages' }).innerText()).toBe('Overview\nQueues\nEnqueue')
    await goIn(page, `${stage.url}queues`)
    expect(await page.getByRole('button', { name: /pause|limits/i }).count()).toBe(0)
    await goIn(page, `${stage.url}jobs/${id}`)
    await page.getByText('Timeline').waitFor()
    expect(await page.getByText('Log', { exact: true }).count()).toBe(0)
    await goIn(page, `${stage.url}enqueue`)
    expect(await page.getByLabel('Unique key').count()).toBe(0)
    await jobs.close()
  })

  it('asks for a token, and forgets it at signing out', async () => {
    const stage = await serve(await newJobs(), { tokens: { full: 'full-token-of-this-test' } })
    const page = await visit(stage, 'queues', { expected: /401/ })
    expect(await faultsOf(page)).toEqual([])
    await page.getByLabel('Token').fill('wrong')
    await page.keyboard.press('Enter')
    await page.getByText('This token is not known').waitFor()
    await page.getByLabel('Token').fill('full-token-of-this-test')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('heading', { name: 'Queues' }).waitFor()
    await page.reload()
    await page.getByRole('heading', { name: 'Queues' }).waitFor()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('Token').waitFor()
  })

  it('tells those whom the application admits no more', async () => {
    let access: 'full' | 'none' = 'full'
    const page = await visit(await serve(await newJobs(), { authorize: () => access }), '', { expected: /401/ })
    access = 'none'
    await page.getByRole('link', { name: 'Workers' }).click()
    await page.getByText('The application this dashboard belongs to decides').waitFor()
  })
})

describe('when the server is away', () => {
  it('says so, keeps what it showed, and goes on by itself', async () => {
    const jobs = await newJobs()
    await jobs.enqueue(later, { n: 1 })
    const stage = await serve(jobs)
    const page = await visit(stage, 'jobs', { expected: /ERR_|Failed to load/ })
    await page.locator('[data-connection=live]').waitFor()
    await stage.stop()
    await page.getByText('The server does not answer').first().waitFor()
    expect(await page.locator('tbody tr').count()).toBe(1)
    await stage.start()
    await page.locator('[data-connection=live]').waitFor({ timeout: 12_000 })
    await page.getByRole('alert').waitFor({ state: 'detached' })
    await jobs.enqueue(later, { n: 2 })
    await page.locator('tbody tr').nth(1).waitFor()
  })

  it('asks instead where events do not come through', async () => {
    const jobs = await newJobs()
    const stage = await serve(jobs)
    const page = await visit(stage, 'queues', { expected: /ERR_|Failed to load/ })
    await page.route('**/api/events', (route) => route.abort())
    await page.reload()
    await page.locator('[data-connection=polled]').waitFor({ timeout: 12_000 })
    await page.getByText('No queue yet').waitFor()
  })

  it('shows what could not be read, and tries again', async () => {
    const stage = await serve(await newJobs())
    const page = await visit(stage, 'queues', { expected: /500/ })
    await page.route('**/api/jobs?*', (route) =>
      route.fulfill({ status: 500, contentType: 'text/html', body: '<h1>oh</h1>' }),
    )
    await page.getByRole('link', { name: 'Jobs', exact: true }).click()
    await page.getByText('The server answered 500').waitFor()
    await page.unroute('**/api/jobs?*')
    await page.getByRole('button', { name: 'Try again' }).click()
    await page.getByText('No job yet').waitFor()
  })
})

/** Goes on by the page's own links, as a visitor would, or else by the address bar. */
async function goIn(page: Page, url: string): Promise<void> {
  await page.evaluate(`
    const link = Object.assign(document.createElement('a'), { href: ${JSON.stringify(url)} })
    document.body.append(link)
    link.click()
    link.remove()
  `)
  await page.locator('h1').waitFor()
  await page.locator('[role=status][aria-label=Loading]').waitFor({ state: 'detached' })
  await page.locator('[aria-busy=true]').waitFor({ state: 'detached' }) // what is shown until the answer comes is dimmed
}
