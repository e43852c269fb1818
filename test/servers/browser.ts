import { existsSync } from 'node:fs'

import { type Browser, chromium } from 'playwright-core'

import { install } from './apt.ts'

/** Where Chrome and its kin stand, the ones that are likeliest to work first. */
const places = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]

/** Nothing that rings home, and nothing that a container lacks. */
const quiet = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/**
 * Starts a browser without a window. `JOBFERRY_CHROME` names another program. Where there is none, Chromium is installed, by Debian's apt.
 * @throws Error if there is none and it cannot be installed
 */
export async function startBrowser(): Promise<Browser> {
  const found = (): string | undefined =>
    [process.env['JOBFERRY_CHROME'] ?? '', ...places].find((one) => existsSync(one))
  if (found() === undefined) await install('chromium')
  const executablePath = found()
  if (executablePath === undefined) throw new Error('Chromium was installed, but is not where it was looked for.')
  return chromium.launch({ executablePath, args: quiet })
}
