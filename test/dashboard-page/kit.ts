import { existsSync } from 'node:fs'
import { join } from 'node:path'

import axe from 'axe-core'
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from 'playwright-core'
import { build } from 'vite'
import { afterAll, beforeAll, expect, onTestFinished } from 'vitest'
import { z } from 'zod'

import type { DashboardOptions } from '../../src/dashboard/index.ts'
import { type Jobs, open, task } from '../../src/index.ts'
import { startBrowser } from '../servers/browser.ts'
import { newStage, type Stage } from './stage.ts'

const root = join(import.meta.dirname, '../..')
export const pageFolder: string = join(root, 'dist/dashboard/page')

let browser: Browser

/** One browser for the file it is called in, and the page built if it is not. */
export function useBrowser(): void {
  beforeAll(async () => {
    if (!existsSync(join(pageFolder, 'index.html'))) await build({ configFile: join(root, 'dashboard/vite.config.ts') })
    browser = await startBrowser()
  }, 180_000)
  afterAll(() => browser?.close())
}

/** Jobs for the length of the test, in memory unless a URL says where. */
export async function newJobs(url: string = 'sqlite::memory:', options: object = {}): Promise<Jobs> {
  const jobs = await open(url, { logger: false, ...options })
  onTestFinished(() => jobs.close())
  return jobs
}

/** A dashboard of these jobs for the length of the test. */
export async function serve(jobs: Jobs, options?: DashboardOptions): Promise<Stage> {
  const stage = await newStage(jobs, options)
  onTestFinished(() => stage.stop())
  return stage
}

/** What a visitor may be: `scheme` of colours, width, and what of the troubles is expected. */
export interface Visitor {
  readonly scheme?: 'light' | 'dark'
  readonly width?: number
  /** Console errors that belong to the test: a 404 it asks for, a server it stops. */
  readonly expected?: RegExp
}

/**
 * Opens a page of the dashboard as somebody new. At the end of the test the console must be empty of errors and warnings, nothing thrown, and
 * nothing refused by the content security policy.
 */
export async function visit(stage: Stage, path = '', visitor: Visitor = {}): Promise<Page> {
  const { scheme = 'light', width = 1_280, expected } = visitor
  const options: BrowserContextOptions = { colorScheme: scheme, viewport: { width, height: 800 }, locale: 'en-GB' }
  const context = await browser.newContext({ ...options, reducedMotion: 'reduce' })
  const troubles: string[] = []
  const note = (text: string): void => {
    if (expected?.test(text) !== true) troubles.push(text)
  }
  await forbid(context, note)
  const page = await context.newPage()
  page.setDefaultTimeout(8_000)
  page.on('pageerror', (error) => note(String(error)))
  page.on('dialog', (dialog) => {
    note(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) note(`${message.type()}: ${message.text()}`)
  })
  onTestFinished(async () => {
    await context.close()
    expect(troubles).toEqual([])
  })
  await page.goto(stage.url + path)
  await page.locator('h1').first().waitFor()
  return page
}

/** Waits until so many are there. */
export async function counts(found: Locator, count: number): Promise<void> {
  await expect.poll(() => found.count(), { timeout: 8_000, interval: 30 }).toBe(count)
}

/** Reports of the policy, and every request to anywhere but the stage. */
async function forbid(context: BrowserContext, note: (text: string) => void): Promise<void> {
  await context.exposeFunction('noteViolation', note)
  await context.addInitScript(`
    document.addEventListener('securitypolicyviolation', (event) => noteViolation('policy: ' + event.violatedDirective + ' ' + event.blockedURI))
  `)
  context.on('request', (request) => {
    if (new URL(request.url()).hostname !== '127.0.0.1') note(`request: ${request.url()}`)
  })
}

/** What axe finds wrong with a page by these of its rules, by default all it has by default: WCAG 2.2 A and AA, and best practices. */
export async function faultsOf(page: Page, rules?: readonly string[]): Promise<readonly string[]> {
  // Past the policy, which lets no script of ours in: the debugger's evaluation does not ask it.
  await page.evaluate(axe.source)
  return await page.evaluate(async (only) => {
    const inPage = globalThis as unknown as { axe: { run: (options: object) => Promise<AxeResults> } }
    const { violations } = await inPage.axe.run({
      resultTypes: ['violations'],
      ...(only !== undefined && { runOnly: only }),
    })
    return violations.map(
      ({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join(' | ')}`,
    )
  }, rules)
}

interface AxeResults {
  readonly violations: readonly {
    readonly id: string
    readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[]
  }[]
}

export const mail = task({
  name: 'mail',
  queue: 'post',
  payload: z.object({ to: z.email(), nested: z.object({ deep: z.array(z.number()) }).optional() }),
  retention: { completed: '1d' },
  handler: ({ to }, job) => {
    job.log.info('sent', { to })
    return { accepted: [to], messageId: 'm-1' }
  },
})

export const fail = task<{ n: number }>({
  name: 'fail',
  queue: 'trouble',
  maxAttempts: 1,
  handler: ({ n }) => {
    throw new TypeError(`nothing comes of ${n}`)
  },
})

/** Waits, and never runs in a test. */
export const later = task<{ n: number }>({ name: 'later', queue: 'slow' })

/** Has these run, and waits until all of them have ended. */
export async function runAll(jobs: Jobs, ids: readonly string[]): Promise<void> {
  const worker = jobs.work([mail, fail])
  for (const id of ids) await jobs.wait(id).catch(() => undefined) // a failure is what it is there for
  await worker.stop()
}
