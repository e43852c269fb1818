/** Of the semantic conventions for messaging. Beside the package that has them: its names are not stable, and these must not move with it. */
export const attributes = {
  system: 'messaging.system',
  operationName: 'messaging.operation.name',
  operationType: 'messaging.operation.type',
  destination: 'messaging.destination.name',
  messageId: 'messaging.message.id',
  batchCount: 'messaging.batch.message_count',
  errorType: 'error.type',
} as const

export const metricNames = {
  sent: 'messaging.client.sent.messages',
  consumed: 'messaging.client.consumed.messages',
  operationDuration: 'messaging.client.operation.duration',
  processDuration: 'messaging.process.duration',
} as const

/** Of our own, where the conventions have none. */
export const ownAttributes = {
  task: 'jobferry.task',
  attempt: 'jobferry.attempt',
  maxAttempts: 'jobferry.max_attempts',
  parent: 'jobferry.parent',
  end: 'jobferry.end',
  state: 'jobferry.state',
  during: 'jobferry.during',
} as const

export const ownMetricNames = {
  waitDuration: 'jobferry.wait.duration',
  ends: 'jobferry.run.ends',
  lost: 'jobferry.leases.lost',
  errors: 'jobferry.errors',
  jobs: 'jobferry.jobs',
} as const

export const system = 'jobferry'

/** Advised by the conventions, in seconds; ours go on, since jobs take longer than messages. */
export const boundaries: readonly number[] = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 300, 1_800,
]
