/** The lines of the option `logger`: one for each event. */
import type { Finding } from '../../report/finding.js'
import { valueInvalid } from '../../report/option-error.js'
import { printable } from '../../report/printable.js'
import { summarize } from '../../report/report.js'
import type { TlsEvent } from './tls-session.js'

const LEVELS = ['debug', 'info', 'warn', 'error'] as const
type Level = (typeof LEVELS)[number]

/** What pino, winston, `console` and most loggers have. */
export type ClientLogger = Record<Level, (...parts: never[]) => unknown>

interface Line {
  readonly level: Level
  readonly text: string
  readonly findings?: readonly Finding[]
  readonly endpoint?: string
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function checkLogger(logger: ClientLogger | undefined): ClientLogger | null {
  if (logger === undefined) return null
  const has = (level: Level): boolean => typeof (logger as Partial<ClientLogger> | null)?.[level] === 'function'
  if (!LEVELS.every(has)) throw valueInvalid('logger', logger, `an object with the methods ${LEVELS.join(', ')}`)
  return logger
}

export function logEvent(logger: ClientLogger, event: TlsEvent): void {
  const { level, text, findings = [], endpoint } = lineOf(event)
  const fields = { code: findings[0]?.code ?? event.type, ...(endpoint === undefined ? {} : { endpoint }) }
  const write = logger[level].bind(logger) as (...parts: unknown[]) => unknown
  if ('bindings' in logger) write(fields, printable(text))
  else write(printable(text), fields)
}

function lineOf(event: TlsEvent): Line {
  switch (event.type) {
    case 'rotated':
      return { level: 'info', text: 'New calls use new credentials.' }
    case 'rotation-refused': {
      const { findings } = event.report
      return { level: 'error', text: `New credentials are refused: ${summarize(findings)}`, findings }
    }
    case 'source-failed':
      return { level: 'warn', text: `${event.origin} failed: ${event.error.message} ${again(event.retryIn)}` }
    case 'source-recovered':
      return { level: 'info', text: `${event.origin} works again.` }
    case 'credentials-expiring':
    case 'server-certificate-expiring':
      return { level: 'warn', ...expiryOf(event, 'expires') }
    case 'credentials-expired':
    case 'server-certificate-expired':
      return { level: 'error', ...expiryOf(event, 'expired') }
    case 'endpoint-changed': {
      const { endpoint, state, findings } = event.status
      const text = `${endpoint} is ${state}. ${summarize(findings)}`.trim()
      return { level: state === 'ready' ? 'info' : 'warn', text, findings, endpoint }
    }
    case 'refresh-failed':
      return { level: 'warn', text: `Looking up the endpoints failed: ${event.error.message} ${again(event.retryIn)}` }
    case 'login-failed':
      return { level: 'error', text: `Logging in as ${event.username} failed: ${event.error.message}` }
    case 'watch-failed':
      return { level: 'error', text: `A watch has ended: ${event.error.message}` }
    case 'events-missed':
      return { level: 'debug', text: `${String(event.count)} events were not read.` }
  }
}

function again(milliseconds: number): string {
  return `The next attempt is in ${String(Math.ceil(milliseconds / 1000))} s.`
}

type ExpiryEvent = Extract<TlsEvent, { certificate: unknown }>

function expiryOf(event: ExpiryEvent, verb: string): Pick<Line, 'text' | 'endpoint'> {
  const { subject } = event.certificate
  const text = `The certificate "${subject}" ${verb} at ${event.notAfter.toISOString()}.`
  return 'endpoint' in event ? { text: `${event.endpoint}: ${text}`, endpoint: event.endpoint } : { text }
}
