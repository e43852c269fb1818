import type { Events, JobEvent } from './runtime/events.ts'

/** Where lines about jobs go. `console` is one. A line is a message and its facts. */
export interface Logger {
  debug(message: string, facts?: object): void
  info(message: string, facts?: object): void
  warn(message: string, facts?: object): void
  error(message: string, facts?: object): void
}

/** The part of a pino logger that is used. */
export interface PinoLike {
  debug(facts: object, message: string): void
  info(facts: object, message: string): void
  warn(facts: object, message: string): void
  error(facts: object, message: string): void
}

/** A logger that writes to pino, which wants the facts first. */
export function pinoLogger(pino: PinoLike): Logger {
  return {
    debug: (message, facts = {}) => pino.debug(facts, message),
    info: (message, facts = {}) => pino.info(facts, message),
    warn: (message, facts = {}) => pino.warn(facts, message),
    error: (message, facts = {}) => pino.error(facts, message),
  }
}

/** Writes every event as a line; without a logger, only trouble in the background, to the console. */
export function attachLogger(events: Events, logger: Logger | undefined): void {
  if (logger === undefined) {
    events.on('error', (event) => {
      if (event.type === 'error') console.error(`jobferry: error while ${event.during}:`, event.error)
    })
    return
  }
  events.on('*', (event) => write(event, logger))
}

function write(event: JobEvent, logger: Logger): void {
  switch (event.type) {
    case 'enqueued':
      return logger.debug('job enqueued', {
        id: event.id,
        task: event.task,
        queue: event.queue,
        outcome: event.outcome,
      })
    case 'started':
      return logger.debug('job started', { ...event.job, waitedMs: event.waitedMs })
    case 'completed':
      return logger.info('job completed', { ...event.job, ranMs: event.ranMs })
    case 'retrying':
      return logger.warn('job attempt failed', {
        ...event.job,
        ranMs: event.ranMs,
        error: event.error,
        runAt: new Date(event.runAt).toISOString(),
      })
    case 'failed':
      return logger.error('job failed', { ...event.job, ranMs: event.ranMs, error: event.error })
    case 'snoozed':
      return logger.info('job snoozed', { ...event.job, runAt: new Date(event.runAt).toISOString() })
    case 'released':
      return logger.info('job released', { ...event.job })
    case 'cancelled':
      return logger.info('job cancelled', { ...event.job, reason: event.reason })
    case 'lost':
      return logger.warn('job lost to another worker', { ...event.job })
    case 'rescued':
      return logger.warn('job rescued from a dead worker', { ...event.job, state: event.state })
    case 'pruned':
      return logger.debug('finished jobs pruned', { count: event.count })
    case 'error':
      return logger.error(`error while ${event.during}`, { error: event.error })
  }
}
