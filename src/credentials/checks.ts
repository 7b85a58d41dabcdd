/** Checks of what calls that write files are given. */
import { optionInvalid, textInvalid, valueInvalid } from '../report/option-error.js'
import type { Credentials } from './credentials.js'

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for what can be no path. */
export function checkDirectory(path: unknown, option = 'directory', accepted = 'the path of a directory'): void {
  // Node refuses a NUL byte with another error, and one for a key that was passed instead would show it.
  const isPath = typeof path === 'string' && path !== '' && !/\0|-----BEGIN /.test(path)
  if (!isPath) throw valueInvalid(option, path, accepted)
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function checkSignal(value: unknown, option = 'signal'): asserts value is AbortSignal | undefined {
  if (value !== undefined && !(value instanceof AbortSignal)) throw valueInvalid(option, value, 'an AbortSignal')
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for what cannot be written as credentials. */
export function checkCredentials(credentials: Credentials, option = 'credentials'): void {
  const given: unknown = credentials
  const complete =
    typeof given === 'object' && given !== null && 'trustAnchors' in given && 'chain' in given && 'key' in given
  if (!complete) throw valueInvalid(option, given, 'credentials, such as authority.issue or a source returns')
  const { trustAnchors, clientAnchors = trustAnchors, chain, key } = credentials
  // Every program would report an empty file differently.
  for (const [name, list] of Object.entries<unknown>({ trustAnchors, clientAnchors, chain })) {
    const isList = Array.isArray(list) && list.length > 0 && list.every((each) => hasMethod(each, 'toPem'))
    if (!isList) throw valueInvalid(`${option}.${name}`, list, 'a list of at least one certificate')
  }
  if (!hasMethod(key, 'exportPem')) throw valueInvalid(`${option}.key`, key, 'a PrivateKey')
}

/** Not by its class: the value may be of another copy of the package. */
export function hasMethod(value: unknown, name: string): boolean {
  return typeof Reflect.get(Object(value), name) === 'function'
}

/** Longest name of a file on the file systems in use (limits.h, NAME_MAX), less what a temporary name adds. */
const MAX_FILE_NAME = 200

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for anything but the plain name of a file or a directory. */
export function checkFileName(name: unknown, option: string): string {
  const plain = typeof name === 'string' && name !== '' && name !== '.' && name !== '..' && !/[/\\\p{Cc}]/u.test(name)
  if (!plain) throw textInvalid(option, name, 'the plain name of a file, without a directory')
  if (Buffer.byteLength(name) > MAX_FILE_NAME) {
    throw optionInvalid(option, `must be at most ${String(MAX_FILE_NAME)} bytes long`)
  }
  return name
}
