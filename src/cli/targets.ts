/** Reads what an operand names: a file, a directory, stdin, or the certificates of a server. All of it is bounded. */
import type { Stats } from 'node:fs'
import { lstat, opendir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { addAbortSignal } from 'node:stream'
import { finding } from '../credentials/finding.js'
import { kindOfLabel } from '../credentials/labels.js'
import { readMaterialFile } from '../credentials/load-inputs.js'
import {
  type Exposure,
  type OpenedInput,
  openInput,
  otherBlocks,
  readCertificates,
  readCrls,
  readKey,
  withMissingBlock,
} from '../credentials/parse-input.js'
import { type Content, recognize } from '../credentials/recognize.js'
import type { Place } from '../report/catalogue/place.js'
import { systemCode } from '../files/write-failed.js'
import type { Finding } from '../report/finding.js'
import type { Certificate } from '../x509/certificate.js'
import type { CertificateRequest } from '../x509/certificate-request.js'
import { type Crl, MAX_CRL_FILE_BYTES } from '../x509/crl/crl.js'
import { MAX_PEM_BYTES, scanPem } from '../x509/pem/pem.js'
import { type Call, UsageError } from './command.js'

/** A private key without its secret half. */
interface KeyFacts {
  /** Null if the key is encrypted. */
  readonly algorithm: string | null
  /** The public half as SubjectPublicKeyInfo; null if the key is encrypted. */
  readonly spki: Uint8Array | null
}

/** What one file, stdin, one entry of a Secret, or one server holds. */
export interface Contents {
  readonly place: Place
  readonly source: 'file' | 'secret' | 'stdin' | 'server'
  /** The host of a server; null for others. */
  readonly host: string | null
  /** Content without a certificate, request, CRL or key; null if there is one. */
  readonly holds: string | null
  readonly certificates: readonly Certificate[]
  readonly requests: readonly CertificateRequest[]
  readonly crls: readonly Crl[]
  readonly keys: readonly KeyFacts[]
  readonly findings: readonly Finding[]
}

export interface Targets {
  readonly contents: readonly Contents[]
  /** What was not read because of a limit, one sentence each. */
  readonly unchecked: readonly string[]
}

/** Most entries of a directory that are looked at. */
const MAX_ENTRIES = 1000
/** Most bytes that are read from the files of a directory. */
const MAX_DIRECTORY_BYTES = 64 * 1024 * 1024
/** Most entries of a Secret, and most private keys of a file. */
const MAX_SECRET_ENTRIES = 100
const MAX_KEYS = 20

const ADDRESS = /^(?:https:\/\/)?((?:\[[\da-f:.]+\]|[^\s/:[\]@]+):\d{1,5})\/?$/i

/**
 * Reads all operands, in their order.
 *
 * @throws {UsageError} for an operand that is neither an existing path nor an address
 */
export async function readTargets(operands: readonly string[], call: Call): Promise<Targets> {
  const unchecked: string[] = []
  const read = async (operand: string): Promise<Contents[]> => {
    if (operand === '-') return readStdin(call)
    const stats = await statePath(operand)
    if (stats !== null)
      return stats.isDirectory() ? readDirectory(operand, unchecked) : readFile(operand, MAX_CRL_FILE_BYTES, unchecked)
    const address = ADDRESS.exec(operand)?.[1]
    if (address === undefined)
      throw new UsageError(`There is no file or directory ${JSON.stringify(operand)}, and it is not HOST:PORT.`)
    call.progress(`Waiting for ${address} …`)
    return [await readServer(address, call.signal)]
  }
  // Servers may need seconds each.
  return { contents: (await Promise.all(operands.map(read))).flat(), unchecked }
}

/** The certificates of the file of an option; null if the option is not given. */
export async function readAnchors(file: string | undefined): Promise<Contents[] | null> {
  if (file === undefined) return null
  if ((await statePath(file)) === null) throw new UsageError(`There is no file ${JSON.stringify(file)}.`)
  return readFile(file, MAX_PEM_BYTES, [])
}

/** The state of an existing path: that of a link itself if it leads nowhere. Null if there is no such path. */
async function statePath(path: string): Promise<Stats | null> {
  try {
    const own = await lstat(path)
    return await stat(path).catch(() => own)
  } catch (error) {
    const code = systemCode(error)
    // A name of a host may be too long for a file, or have a NUL.
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG' || code === 'ERR_INVALID_ARG_VALUE')
      return null
    throw new UsageError(`The path ${JSON.stringify(path)} cannot be read (${code ?? 'unknown error'}).`)
  }
}

/** Reads the files of a directory, not those of its directories. What is no certificate, key, request or CRL is left out. */
async function readDirectory(path: string, unchecked: string[]): Promise<Contents[]> {
  const names: string[] = []
  try {
    for await (const { name } of await opendir(path)) {
      if (names.length === MAX_ENTRIES) {
        unchecked.push(`The directory ${path} has more than ${String(MAX_ENTRIES)} entries. The others were not read.`)
        break
      }
      names.push(name)
    }
  } catch (error) {
    throw new UsageError(`The directory ${JSON.stringify(path)} cannot be read (${systemCode(error) ?? 'unknown'}).`)
  }
  const found: Contents[] = []
  let left = MAX_DIRECTORY_BYTES
  for (const name of names.toSorted()) {
    const file = join(path, name)
    const stats = await statePath(file)
    if (stats === null || !(stats.isFile() || stats.isSymbolicLink())) continue
    if (stats.size > Math.min(left, MAX_PEM_BYTES)) {
      unchecked.push(`The file ${file} was not read: name it to read it.`)
      continue
    }
    left -= stats.size
    found.push(...(await readFile(file, MAX_PEM_BYTES, unchecked)).filter((each) => !isOther(each)))
  }
  return found
}

/** Whether it is a file of another kind, such as a README next to the certificates. */
function isOther({ holds, findings }: Contents): boolean {
  return holds !== null && OTHER.has(holds) && findings.every(({ code }) => code === 'input/unexpected-content')
}
const OTHER: ReadonlySet<string> = new Set([
  ...['other text', 'other binary data', 'other DER', 'JSON', 'file name', 'nothing', 'template', 'SSH public key'],
  ...['kubeconfig', 'UTF-16 text', 'UTF-16LE text', 'UTF-16BE text', 'public key', 'PKCS#11 URI'],
])

async function readFile(file: string, limit: number, unchecked: string[]): Promise<Contents[]> {
  const place: Place = { origin: file, file }
  const read = await readMaterialFile(file, { file }, limit)
  if ('code' in read) return [{ ...nothingIn(place, 'file'), findings: [read] }]
  return readBytes({ place, source: 'file', bytes: read.bytes, exposure: read.exposure }, unchecked)
}

async function readStdin({ input, signal, progress }: Call): Promise<Contents[]> {
  progress('Waiting for standard input …')
  const place: Place = { origin: 'standard input', file: null }
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of addAbortSignal(signal, input)) {
    chunks.push(Buffer.from(chunk as Uint8Array))
    size += (chunk as Uint8Array).length
    if (size <= MAX_PEM_BYTES) continue
    const details = { wanted: 'cert', unit: 'bytes', limit: MAX_PEM_BYTES, count: null } as const
    return [{ ...nothingIn(place, 'stdin'), findings: [finding('input/too-much', { ...place, ...details })] }]
  }
  return readBytes({ place, source: 'stdin', bytes: Buffer.concat(chunks), exposure: null }, [])
}

function nothingIn(
  place: Place,
  source: Contents['source'],
  holds: string | null = 'nothing that can be read',
): Contents {
  return { place, source, host: null, holds, certificates: [], requests: [], crls: [], keys: [], findings: [] }
}

interface Source extends Pick<Contents, 'place' | 'source'> {
  readonly bytes: Buffer
  readonly exposure: Exposure | null
}

/** The labels in PEM of what is read in DER too. */
const LABELS: Readonly<Record<string, string>> = {
  certificate: 'CERTIFICATE',
  'certificate request': 'CERTIFICATE REQUEST',
  CRL: 'X509 CRL',
}
const KNOWN = ['certificate', 'private-key', 'request', 'crl', 'key-parameters'] as const

async function readBytes(given: Source, unchecked: string[]): Promise<Contents[]> {
  const { place, source, bytes } = given
  const content: Content = recognize(bytes, () => scanPem(bytes, { bytes: MAX_CRL_FILE_BYTES }))
  const holds = 'holds' in content ? content.holds : null
  if (source !== 'secret' && (holds === 'Secret manifest' || holds === 'Secret manifest in JSON'))
    return readSecret(given, unchecked)
  const label = 'form' in content && content.form === 'DER' ? LABELS[content.holds] : undefined
  const role =
    holds === 'private key' || holds === 'encrypted private key' ? 'key' : bytes.length > MAX_PEM_BYTES ? 'crl' : 'cert'
  const input = { ...given, role, findings: [] } as const
  const opened: OpenedInput =
    label === undefined ? openInput(input) : { ...input, form: 'der', blocks: [{ label, line: 1, headers: [], bytes }] }
  const of = (kind: (typeof KNOWN)[number]): OpenedInput => {
    return { ...opened, findings: [], blocks: opened.blocks.filter((block) => kindOfLabel(block.label) === kind) }
  }
  const [ours, keys, lists] = [of('certificate'), of('private-key'), of('crl')]
  if (keys.blocks.length > MAX_KEYS)
    unchecked.push(`${place.origin} has more than ${String(MAX_KEYS)} private keys. The others were not read.`)
  const certificates = ours.blocks.length === 0 ? { certificates: [], findings: [] } : readCertificates(ours)
  const crls = lists.blocks.length === 0 ? { crls: [], findings: [] } : readCrls(lists)
  const keyReadings = keys.blocks.slice(0, MAX_KEYS).map((block) => readKey({ ...keys, blocks: [block] }, null))
  const requests = await readRequests(of('request'))
  const { exposure } = given
  const exposed =
    keys.blocks.length > 0 && exposure !== null && place.file !== null ? { file: place.file, ...exposure } : null
  const count = ours.blocks.length + keys.blocks.length + lists.blocks.length + requests.length
  const known = [...opened.findings, ...otherBlocks(opened, KNOWN)]
  return [
    {
      ...nothingIn(place, source, count > 0 ? null : (holds ?? 'other PEM blocks')),
      certificates: certificates.certificates.map(({ certificate }) => certificate),
      requests: requests.flatMap(({ request }) => request ?? []),
      crls: crls.crls,
      keys: keyReadings.flatMap(({ key, findings }) => keyFacts(key, findings)),
      findings: [
        ...(count === 0 ? withMissingBlock(known, opened) : known),
        ...certificates.findings,
        ...requests.flatMap(({ findings }) => findings),
        ...crls.findings,
        // An encrypted key is shown as such.
        ...keyReadings.flatMap(({ findings }) => findings.filter(({ code }) => code !== 'key/passphrase-refused')),
        ...(exposed === null ? [] : [finding('file/key-readable-by-others', exposed)]),
      ],
    },
  ]
}

function keyFacts(key: ReturnType<typeof readKey>['key'], findings: readonly Finding[]): KeyFacts[] {
  if (key !== null) return [{ algorithm: key.algorithm, spki: key.spki }]
  return findings.some(({ code }) => code === 'key/passphrase-refused') ? [{ algorithm: null, spki: null }] : []
}

async function readRequests({ blocks, place }: OpenedInput) {
  if (blocks.length === 0) return []
  const { inspectRequest } = await import('../authority/inspect-csr.js')
  return blocks.map(({ bytes }) => inspectRequest(bytes, { file: place.origin }))
}

/** Reads the values of a Secret that are certificates, keys, requests or CRLs. */
async function readSecret({ place, bytes }: Source, unchecked: string[]): Promise<Contents[]> {
  const { at, entriesOf, readYaml, textAt } = await import('../config/read/yaml.js')
  const { documents, findings } = await readYaml({ text: bytes.toString('utf8'), file: place.file }, 'all')
  const entries = documents
    .filter((each) => textAt(each, 'kind') === 'Secret')
    .flatMap((each) => [
      ...entriesOf(at(each, 'data')).map((entry) => ({ ...entry, encoding: 'base64' as const })),
      ...entriesOf(at(each, 'stringData')).map((entry) => ({ ...entry, encoding: 'utf8' as const })),
    ])
  if (entries.length > MAX_SECRET_ENTRIES)
    unchecked.push(`${place.origin} has more than ${String(MAX_SECRET_ENTRIES)} values. The others were not read.`)
  const values = entries.slice(0, MAX_SECRET_ENTRIES).map(async ({ key, value, encoding }) => {
    const text = value.kind === 'scalar' ? value.text : ''
    const inner: Place = { origin: `${key} in ${place.origin}`, file: null }
    return readBytes({ place: inner, source: 'secret', bytes: Buffer.from(text, encoding), exposure: null }, unchecked)
  })
  const read = (await Promise.all(values)).flat().filter((each) => !isOther(each))
  const isEmpty = read.length === 0
  return [
    { ...nothingIn(place, 'file', isEmpty ? 'Secret manifest without certificates' : 'Secret manifest'), findings },
    ...read,
  ]
}

async function readServer(address: string, signal: AbortSignal): Promise<Contents> {
  const url = `https://${address}`
  const place: Place = { origin: url, file: null }
  const { observeServer } = await import('../client/diagnosis/observe-server.js')
  const { chain, refusal } = await observeServer(url, { signal })
  signal.throwIfAborted()
  const host = address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '')
  if (chain.length === 0 && refusal !== null) {
    const { refusalFinding } = await import('./refused-server.js')
    return { ...nothingIn(place, 'server', 'no certificate'), host, findings: [refusalFinding({ url, host }, refusal)] }
  }
  const blocks = chain.map((bytes) => ({ label: 'CERTIFICATE', line: 1, headers: [], bytes: Buffer.from(bytes) }))
  const input: OpenedInput = { role: 'cert', place, bytes: null, exposure: null, findings: [], form: 'der', blocks }
  const { certificates, findings } = readCertificates(input)
  return {
    ...nothingIn(place, 'server', null),
    host,
    certificates: certificates.map(({ certificate }) => certificate),
    findings,
  }
}
