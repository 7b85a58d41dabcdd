/** Checks the arguments of calls that write files. */
import { optionInvalid, textInvalid, valueInvalid } from '../report/option-error.js'
import type { Credentials } from './credentials.js'

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` if the value cannot be a path. */
export function checkDirectory(path: unknown, option = 'directory', accepted = 'the path of a directory'): void {
  // Node's own error for a NUL byte shows the value, which may be a private key.
  const isPath = typeof path === 'string' && path !== '' && !/\0|-----BEGIN /.test(path)
  if (!isPath) throw valueInvalid(option, path, accepted)
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` */
export function checkSignal(value: unknown, option = 'signal'): asserts value is AbortSignal | undefined {
  if (value !== undefined && !(value instanceof AbortSignal)) throw valueInvalid(option, value, 'an AbortSignal')
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` if a part is missing or empty. */
export function checkCredentials(credentials: Credentials, option = 'credentials'): void {
  const given: unknown = credentials
  const complete =
    typeof given === 'object' && given !== null && 'trustAnchors' in given && 'chain' in given && 'key' in given
  if (!complete) throw valueInvalid(option, given, 'credentials, such as authority.issue or a source returns')
  const { trustAnchors, clientAnchors = trustAnchors, chain, key } = credentials
  // An empty list would be an empty file, which each program reports differently.
  for (const [name, list] of Object.entries<unknown>({ trustAnchors, clientAnchors, chain })) {
    const isList = Array.isArray(list) && list.length > 0 && list.every((each) => hasMethod(each, 'toPem'))
    if (!isList) throw valueInvalid(`${option}.${name}`, list, 'a list of at least one certificate')
  }
  if (!hasMethod(key, 'exportPem')) throw valueInvalid(`${option}.key`, key, 'a PrivateKey')
}

/** Used instead of instanceof, because the value may be of another copy of the package. */
export function hasMethod(value: unknown, name: string): boolean {
  return typeof Reflect.get(Object(value), name) === 'function'
}

/** NAME_MAX (limits.h, 255) less the suffix of a temporary name. */
const MAX_FILE_NAME = 200

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` if the value is not the plain name of a file or directory. */
export function checkFileName(name: unknown, option: string): string {
  const plain = typeof name === 'string' && name !== '' && name !== '.' && name !== '..' && !/[/\\\p{Cc}]/u.test(name)
  if (!plain) throw textInvalid(option, name, 'the plain name of a file, without a directory')
  if (Buffer.byteLength(name) > MAX_FILE_NAME) {
    throw optionInvalid(option, `must be at most ${String(MAX_FILE_NAME)} bytes long`)
  }
  return name
}
