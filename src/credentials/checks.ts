/** Checks of what calls that write files are given. */
import { optionInvalid, textInvalid, valueInvalid } from '../report/option-error.js'
import type { Credentials } from './credentials.js'

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for what can be no path. */
export function checkDirectory(path: unknown, option = 'directory', accepted = 'the path of a directory'): void {
  // Node refuses a NUL byte with another error.
  const isPath = typeof path === 'string' && path !== '' && !path.includes('\0')
  if (!isPath) throw valueInvalid(option, path, accepted)
}

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` for what cannot be written as credentials. */
export function checkCredentials(credentials: Credentials, option = 'credentials'): void {
  const given: unknown = credentials
  const complete =
    typeof given === 'object' && given !== null && 'trustAnchors' in given && 'chain' in given && 'key' in given
  if (!complete) throw valueInvalid(option, given, 'credentials, such as authority.issue or a source returns')
  // Every program would report an empty CA file differently.
  if (credentials.trustAnchors.length === 0) throw optionInvalid(`${option}.trustAnchors`, 'must not be empty')
  if (credentials.clientAnchors?.length === 0) throw optionInvalid(`${option}.clientAnchors`, 'must not be empty')
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
