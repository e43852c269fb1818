import { Cell } from './cell.ts'
import { messageOf } from './wire.ts'

/** A sentence that appears for a while. */
export interface Notice {
  readonly key: number
  readonly kind: 'done' | 'error'
  readonly text: string
  readonly link?: { readonly to: string; readonly text: string } | undefined
}

export const notices = new Cell<readonly Notice[]>([])

const shownMs = { done: 5_000, error: 12_000 }
let last = 0

/** Says what was done. */
export function say(text: string, link?: Notice['link']): void {
  add({ key: ++last, kind: 'done', text, link })
}

/** Says what could not be done, and why. */
export function complain(error: unknown): void {
  add({ key: ++last, kind: 'error', text: messageOf(error) })
}

/** Takes a notice away before its time. */
export function dismissNotice(key: number): void {
  notices.set(notices.value.filter((notice) => notice.key !== key))
}

function add(notice: Notice): void {
  notices.set([...notices.value.slice(-3), notice])
  setTimeout(() => dismissNotice(notice.key), shownMs[notice.kind])
}
