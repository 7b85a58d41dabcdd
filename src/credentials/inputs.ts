/** Makes inputs from texts and from files, and checks the options that name them. */
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { optionInvalid, valueInvalid } from '../report/option-error.js'
import type { MaterialRole, Place } from '../report/catalogue/place.js'
import type { Finding } from '../report/finding.js'
import { checkPassphrase } from '../x509/keys/keys.js'
import { finding } from './finding.js'
import { type Input, sizeLimit } from './input.js'
import { type FileName, readMaterialFile } from './read-file.js'
import { isContentNotName } from './recognize.js'

/** A file as its user named it. */
export interface NamedFile extends FileName {
  readonly role: MaterialRole
  /** What named it, for people: `option "ca"`, `variable ETCDCTL_CACERT`. Stands for the name where that may not be shown. */
  readonly namedBy: string
  /** Where it is opened, if not under its name. */
  readonly path?: string | undefined
  /** Whether other users' rights to the file matter. Default: true. */
  readonly checkMode?: boolean | undefined
}

/** Reads one file into an input. Never rejects for what the file is. */
export async function fileInput(named: NamedFile): Promise<Input> {
  const { role, file, variable, namedBy, checkMode = true } = named
  if (isContentNotName(file)) {
    const place = { origin: namedBy, file: null }
    return unread(role, place, contentsOfFile(place, role))
  }
  const place = { origin: variable === undefined ? file : `${file} (from ${variable})`, file }
  const read = await readMaterialFile(named.path ?? resolve(file), { file, variable }, sizeLimit(role))
  if ('code' in read) return unread(role, place, read)
  return { role, place, bytes: read.bytes, mode: checkMode ? read.mode : null, findings: [] }
}

/** The contents are not shown: they may be a private key. */
function contentsOfFile(place: Place, wanted: MaterialRole): Finding {
  const content = { holds: 'contents of a file', form: null, line: null } as const
  return finding('input/unexpected-content', { ...place, wanted, ...content, labels: [] })
}

/** An input that could not be read, and why. */
export function unread(role: MaterialRole, place: Input['place'], reason: Finding): Input {
  return { role, place, bytes: null, mode: null, findings: [reason] }
}

/** A text that was passed. Copied: the caller may overwrite a Buffer once the call returns. */
export function textInput(role: MaterialRole, text: unknown, option: string = role): Input {
  if (typeof text !== 'string' && !(text instanceof Uint8Array)) {
    throw valueInvalid(`options.${option}`, text, 'PEM as a string or a Buffer')
  }
  const place = { origin: `option "${option}"`, file: null }
  return { role, place, bytes: Buffer.from(text), mode: null, findings: [] }
}

/**
 * The path that an option gives.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`. The value is not in the message: it may be a key that went astray.
 */
export function readPathOption(option: string, value: unknown): string {
  if (value instanceof URL) {
    if (value.protocol !== 'file:') throw optionInvalid(option, 'must be a path or a file: URL')
    return fileURLToPath(value)
  }
  if (typeof value !== 'string') throw valueInvalid(option, value, 'a path, as a string or a file: URL')
  if (value === '') throw optionInvalid(option, 'must not be empty')
  if (value.includes('\0')) throw optionInvalid(option, 'must not contain a NUL character')
  return value
}

/**
 * The passphrase, copied; null if none is given.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function readPassphraseOption(passphrase: unknown): string | Uint8Array | null {
  if (passphrase === undefined) return null
  checkPassphrase('options.passphrase', passphrase)
  return typeof passphrase === 'string' ? passphrase : Buffer.from(passphrase)
}
