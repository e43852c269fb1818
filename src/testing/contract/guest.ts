import type { Case } from './case.ts'
import { connection } from './connection.ts'
import { guestEnding } from './guest-end.ts'
import { guestLooking } from './guest-look.ts'
import { guestTaking } from './guest-take.ts'

/**
 * The promises of `store.ts` that a guest can keep, a store over the format of another queue: told in what every such format has. What else a Job
 * says, a format need not remember; and it gives ids of its own.
 */
export const guestContract: readonly Case[] = [
  ...connection.slice(0, 1),
  ...guestTaking,
  ...guestEnding,
  ...guestLooking,
]
