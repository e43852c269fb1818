// The jobs of a Next.js application, opened once whatever is reloaded: lib/jobs.ts.
import { type Jobs, open } from 'jobferry'

declare global {
  var jobs: Promise<Jobs> | undefined
}

export function getJobs(): Promise<Jobs> {
  return (globalThis.jobs ??= open(process.env['DATABASE_URL'] ?? 'sqlite:app.db'))
}
