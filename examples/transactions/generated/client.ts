// Stands in for what `prisma generate` writes from schema.prisma: the same client, cut down to what the example uses. Yours is whole; here
// it spares every installation of this repository the 150 MB of Prisma's command line. Prisma calls `runtime/client` its own business, so
// this goes with the one version that package.json names.
// @ts-nocheck: as in what Prisma writes
import type { PrismaPg } from '@prisma/adapter-pg'
import * as runtime from '@prisma/client/runtime/client'

interface Order {
  readonly id: string
  readonly item: string
}

export interface Transaction {
  readonly order: {
    create(args: { readonly data: Order }): Promise<Order>
    findMany(): Promise<Order[]>
  }
  $queryRawUnsafe(text: string, ...values: unknown[]): Promise<unknown>
}

export interface PrismaClient extends Transaction {
  $transaction<T>(use: (tx: Transaction) => Promise<T>): Promise<T>
  $disconnect(): Promise<void>
}

const inlineSchema = `
datasource db {
  provider = "postgresql"
}

model Order {
  id   String @id @db.Uuid
  item String

  @@map("orders")
}
`

const fields = [
  { name: 'id', kind: 'scalar', type: 'String' },
  { name: 'item', kind: 'scalar', type: 'String' },
]

const compiler = '@prisma/client/runtime/query_compiler_fast_bg.postgresql'

const config: runtime.GetPrismaClientConfig = {
  previewFeatures: [],
  clientVersion: '7.10.0',
  engineVersion: '0edf323efd1d98336f3f0a68684b56f689b900d3',
  activeProvider: 'postgresql',
  inlineSchema,
  runtimeDataModel: { models: { Order: { dbName: 'orders', schema: null, fields } }, enums: {}, types: {} },
  parameterizationSchema: { strings: [], graph: 'AAAA' },
  compilerWasm: {
    getRuntime: async () => await import(`${compiler}.mjs`),
    getQueryCompilerWasmModule: async () => {
      const { wasm } = await import(`${compiler}.wasm-base64.mjs`)
      return new WebAssembly.Module(Buffer.from(wasm, 'base64'))
    },
    importName: './query_compiler_fast_bg.js',
  },
}

export const PrismaClient: new (options: { readonly adapter: PrismaPg }) => PrismaClient =
  runtime.getPrismaClient(config)
