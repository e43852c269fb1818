// An order and its email, both or neither: with Prisma, whose models are in schema.prisma.
import { randomUUID } from 'node:crypto'

import { type Jobs, task } from 'jobferry'

import type { PrismaClient } from './generated/client.ts'

export const sendEmail = task<{ to: string; order: string }>({ name: 'send-email' })

export async function placeOrder(prisma: PrismaClient, jobs: Jobs, to: string, item: string): Promise<string> {
  const order = randomUUID()
  await prisma.$transaction(async (tx) => {
    await tx.order.create({ data: { id: order, item } })
    await jobs.enqueue(sendEmail, { to, order }, { tx })
  })
  return order
}
