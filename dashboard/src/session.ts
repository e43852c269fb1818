import type { Action, Session } from '../../src/dashboard/shapes.ts'
import { Cell, useCell } from './cell.ts'
import { ask, messageOf, Refused, send } from './wire.ts'

/** Who looks, at what, and what they may do; or why that is not known. */
export const session = new Cell<Session | Error | undefined>(undefined)

/** Reads the session anew. What went wrong stands in the cell. */
export async function readSession(): Promise<void> {
  try {
    session.set(await ask<Session>('api/session'))
  } catch (error) {
    session.set(error instanceof Error ? error : new Error(messageOf(error)))
  }
}

/** The same, where there is one: that the server is away then is no news of the session. */
export async function readSessionAgain(): Promise<void> {
  const now = await ask<Session>('api/session').catch(() => undefined)
  if (now !== undefined) session.set(now)
}

/** Gives the token once; a cookie stands for it from then on. @throws Refused */
export async function signIn(token: string): Promise<void> {
  session.set(await send<Session>('POST', 'api/session', { token }))
}

/** @throws Refused */
export async function signOut(): Promise<void> {
  await send('DELETE', 'api/session')
  await readSession()
}

/** Called with whatever the API refused: if that was for want of a session, the page asks for one. */
export function noteRefusal(error: unknown): void {
  if (error instanceof Refused && error.status === 401) void readSession()
}

/** The session; only to be used where there is one. */
export function useSession(): Session {
  const now = useCell(session)
  if (now === undefined || now instanceof Error) throw new Error('There is no session')
  return now
}

/** Says of each action whether it works here. What does not is not shown. */
export function useCan(): (action: Action) => boolean {
  const { actions } = useSession()
  return (action) => actions.includes(action)
}
