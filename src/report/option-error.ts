/** Errors for wrong options: `ERR_OPTION_INVALID`, with the name of the option. */
import { EtcdMtlsError } from './errors.js'

/** Most frames in the stack of an error about an option. Node's own limit is 10. */
const MOST_FRAMES = 50

/**
 * The error for one bad option. `reason` is a sentence that starts with a verb, such as `must be a string`.
 */
export function optionInvalid(option: string, reason: string, cause?: Error): EtcdMtlsError<'ERR_OPTION_INVALID'> {
  const more = cause === undefined ? {} : { cause }
  const { stackTraceLimit } = Error
  // The line to correct is the caller's, below the functions that check the option. A set of a frozen Error has no effect.
  Reflect.set(Error, 'stackTraceLimit', stackTraceLimit === 0 ? 0 : Math.max(stackTraceLimit, MOST_FRAMES))
  try {
    return new EtcdMtlsError('ERR_OPTION_INVALID', `Option "${option}" ${reason}`, { option, reason }, more)
  } finally {
    Reflect.set(Error, 'stackTraceLimit', stackTraceLimit)
  }
}

/**
 * The error for a required option that is missing, or whose value is not accepted. It shows no string, which may be a key
 * or a password.
 *
 * @param accepted A noun phrase, such as `a string`.
 */
export function valueInvalid(option: string, value: unknown, accepted: string): EtcdMtlsError<'ERR_OPTION_INVALID'> {
  return notAccepted(option, value, accepted, typeof value === 'string' && value !== '' ? 'a string' : shown(value))
}

/** {@link valueInvalid} for an option whose strings are no secrets, such as a duration: a short string is shown. */
export function textInvalid(option: string, value: unknown, accepted: string): EtcdMtlsError<'ERR_OPTION_INVALID'> {
  return notAccepted(option, value, accepted, shown(value))
}

function notAccepted(
  option: string,
  value: unknown,
  accepted: string,
  received: string,
): EtcdMtlsError<'ERR_OPTION_INVALID'> {
  if (value === undefined) return optionInvalid(option, `is missing: pass ${accepted}`)
  return optionInvalid(option, `must be ${accepted}; received ${received}`)
}

/**
 * Throws unless the value is a report or a plan of this package.
 *
 * @param list The name of a list that each such value has.
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function checkReturned(option: string, value: unknown, list: string, accepted: string): void {
  if (!Array.isArray(Reflect.get(Object(value), list))) throw valueInvalid(option, value, accepted)
}

/** Longer strings are not shown: they may be a PEM key. */
const MAX_SHOWN = 40

function shown(value: unknown): string {
  if (typeof value === 'string') return value.length <= MAX_SHOWN ? JSON.stringify(value) : 'a longer string'
  if (typeof value === 'function') return 'a function'
  if (typeof value !== 'object' || value === null) return String(value)
  if (!Array.isArray(value)) return 'an object'
  return value.length === 0 ? 'an empty array' : 'an array'
}

/** Whether the contents of a value are its properties: no array, no Map and no URL. An AbortController has the option `signal`. */
export function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Symbol.iterator in value) return false
  return Object.prototype.toString.call(value) !== '[object URL]'
}

/** Maximum number of option names in an error about a missing object. */
const MOST_NAMED = 10

/**
 * The name of an option in errors, such as `endpoints` or `tls.minVersion`.
 *
 * @param holder The option or argument that it is part of. `options`, the argument with the options of a call, is not part of
 *   their names.
 */
export function optionIn(holder: string, key: string): string {
  return holder === 'options' ? key : `${holder}.${key}`
}

/**
 * Throws unless the value is an object that has only known keys.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function checkOptions(holder: string, options: unknown, known: readonly string[]): void {
  if (!isPlainObject(options))
    throw valueInvalid(
      holder,
      options,
      `an object with some of ${known.slice(0, MOST_NAMED).join(', ')}${known.length > MOST_NAMED ? ', …' : ''}`,
    )
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) {
      throw optionInvalid(optionIn(holder, key), `is not an option; the options are ${known.join(', ')}`)
    }
  }
}

/** The largest ID of a user or group; chown(2) reads the next number as "unchanged". */
const MAX_ID = 0xffff_fffe
/** Without separators of passwd(5) and group(5), and not an option of getent(1). */
const ACCOUNT_NAME = /^(?!-)[^:,\p{Cc}]{1,256}$/u

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` if the value is neither a name nor an ID. */
export function checkAccount(option: string, value: unknown, kind: 'user' | 'group'): asserts value is string | number {
  const isId = typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_ID
  if (!isId && !(typeof value === 'string' && ACCOUNT_NAME.test(value)))
    throw textInvalid(option, value, `the name of a ${kind}, or its ID`)
}
