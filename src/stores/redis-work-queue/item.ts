import { randomUUID } from 'node:crypto'

import { UsageError } from '../../core/errors.ts'
import { show } from '../../core/expect.ts'

/** An item of a work queue: an id, and data of any kind. */
export class Item {
  readonly id: string
  readonly data: Uint8Array

  /**
   * @param data bytes, which are copied, or text, which becomes UTF-8
   * @param id to the letter; default a UUID. While an item with it is not completed, `addItem` adds no other
   * @throws UsageError
   */
  constructor(data: Uint8Array | string, id: string = randomUUID()) {
    if (typeof data !== 'string' && !(data instanceof Uint8Array))
      throw new UsageError(`Expected \`data\` to be bytes or text, got ${show(data)}. For JSON there is Item.json`)
    if (typeof id !== 'string' || id === '' || !id.isWellFormed())
      throw new UsageError(`Expected \`id\` to be text that is not empty, which some clients lose, got ${show(id)}`)
    this.id = id
    this.data = new Uint8Array(typeof data === 'string' ? Buffer.from(data) : data)
  }

  /** An item whose data is the JSON of a value. @throws UsageError when it has none */
  static json(value: unknown, id?: string): Item {
    const text: string | undefined = JSON.stringify(value)
    if (text === undefined) throw new UsageError(`Expected a value that JSON can say, got ${show(value)}`)
    return new Item(text, id)
  }

  /** The data as text. */
  text(): string {
    return Buffer.from(this.data).toString()
  }

  /** The value that the data is the JSON of. @throws SyntaxError when it is none */
  json(): unknown {
    return JSON.parse(this.text())
  }
}

/** An item that was leased, and the lease as it stands on the server. */
export class LeasedItem extends Item {
  readonly lease: string

  /** Made by `WorkQueue.lease`. */
  constructor(data: Uint8Array, id: string, lease: string) {
    super(data, id)
    this.lease = lease
  }
}
