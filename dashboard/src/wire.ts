import type { Problem } from '../../src/dashboard/shapes.ts'

/** The server said no, or could not be asked (`status` 0). */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly status: number
  /** For programs: `conflict`, `payload`, `forbidden` … and `offline` where nobody answered. */
  readonly code: string
  readonly issues: NonNullable<Problem['issues']>

  constructor(status: number, code: string, message: string, issues: Problem['issues'] = []) {
    super(message)
    this.status = status
    this.code = code
    this.issues = issues
  }
}

/** Asks the API. @throws Refused · the signal's reason */
export function ask<T>(path: string, signal?: AbortSignal): Promise<T> {
  return exchange<T>(path, { signal: signal ?? null, headers: accepted })
}

/** Changes something. @throws Refused */
export function send<T>(method: 'POST' | 'PATCH' | 'DELETE', path: string, body: unknown = {}): Promise<T> {
  const headers = { ...accepted, 'x-jobferry': '1', 'content-type': 'application/json' }
  return exchange<T>(path, { method, headers, ...(method === 'DELETE' ? {} : { body: JSON.stringify(body) }) })
}

const accepted = { accept: 'application/json' }

async function exchange<T>(path: string, init: RequestInit): Promise<T> {
  const response = await fetch(path, { ...init, credentials: 'same-origin' }).catch((error: unknown) => {
    if (init.signal?.aborted === true) throw error
    throw new Refused(0, 'offline', 'The server does not answer.')
  })
  if (!response.ok) throw await refusal(response)
  return response.status === 204 ? JSON.parse('null') : response.json()
}

async function refusal(response: Response): Promise<Refused> {
  const { status } = response
  try {
    const problem: Problem = await response.json()
    return new Refused(status, problem.code, problem.detail, problem.issues)
  } catch {
    // Not ours: a proxy in between, say.
    return new Refused(
      status,
      'unknown',
      `The server answered ${status}${response.statusText && ` ${response.statusText}`}.`,
    )
  }
}

/** What to tell people of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
