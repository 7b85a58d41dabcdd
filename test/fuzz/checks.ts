/** What must hold of any input whatever, reader by reader. */
import { isIP } from 'node:net'
import { inspect } from 'node:util'
import { inspectRequest } from '../../src/authority/inspect-csr.js'
import { assemble } from '../../src/credentials/assemble.js'
import { textInput } from '../../src/credentials/load-inputs.js'
import { EtcdMtlsError } from '../../src/report/errors.js'
import { formatReport } from '../../src/report/format.js'
import type { Report } from '../../src/report/report.js'
import { validateChain } from '../../src/validate/index.js'
import { Certificate } from '../../src/x509/certificate.js'
import { Crl } from '../../src/x509/crl/crl.js'
import { bytesEqual, DerError, DerReader, Tag } from '../../src/x509/der.js'
import { DistinguishedName } from '../../src/x509/distinguished-name.js'
import { readGeneralNames } from '../../src/x509/general-name.js'
import { formatIp, parseIp } from '../../src/x509/ip.js'
import { classifyHost } from '../../src/x509/names.js'
import { scanPem } from '../../src/x509/pem/pem.js'
import { isPrivateKeyLabel, readPrivateKey } from '../../src/x509/keys/read-key.js'
import { CertificateRequest } from '../../src/x509/certificate-request.js'
import { readTime } from '../../src/x509/time.js'
import { AT, CHAIN, CREDENTIALS, HOST, REQUESTS } from './seeds.js'

/** A rule that an input broke. */
export class Broken extends Error {
  override readonly name = 'Broken'
}

export function must(holds: boolean, rule: string): asserts holds {
  if (!holds) throw new Broken(rule)
}

/** The value, or null if a reader refuses the input as it should; any other error is a fault. */
export function attempt<T>(read: () => T, input: Uint8Array): T | null {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof DerError)) throw error
    must(
      error.offset >= 0 && error.offset <= input.length,
      `an error at byte ${String(error.offset)} of ${String(input.length)}`,
    )
    must(error.reason !== '' && !error.reason.includes('undefined'), 'an error without a reason')
    return null
  }
}

/** The same bytes in the middle of others, which no reader may see. */
function surrounded(bytes: Uint8Array, filling: number): Uint8Array {
  const whole = Buffer.alloc(bytes.length + 64, filling)
  whole.set(bytes, 32)
  return whole.subarray(32, 32 + bytes.length)
}

/** That a reader says the same of the bytes wherever they stand. */
function seesNothingOutside(read: (bytes: Uint8Array) => unknown, bytes: Uint8Array): void {
  const said = [0x00, 0x30, 0xff].map((filling) => {
    const placed = surrounded(bytes, filling)
    try {
      return inspect(read(placed), { depth: 8 })
    } catch (error) {
      return error instanceof DerError ? error.message : String(error)
    }
  })
  must(new Set(said).size === 1, 'bytes outside of the input were read')
}

// Everything that a terminal would act on, and line breaks. Written again, so that it is a second opinion on printable.ts.
const DANGEROUS =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e0fff}]/u

export function mustBePrintable(text: string, what: string): void {
  const found = DANGEROUS.exec(text)
  must(found === null, `${what} holds U+${(found?.[0].codePointAt(0) ?? 0).toString(16)}`)
}

/** That what was read is printed safely, and that its PEM holds the same bytes. */
function mustBeWritten(read: Certificate | Crl | CertificateRequest, bytes: Uint8Array): void {
  const what = read.constructor.name
  mustBePrintable(`${String(read)}${inspect(read)}${JSON.stringify(read)}`, `a printed ${what}`)
  const [block] = scanPem(read.toPem()).blocks
  must(block !== undefined && bytesEqual(block.bytes, bytes), `PEM that does not hold the ${what}`)
}

/** That nothing in a report reaches the reader's screen as it stood in the input. */
export function mustPrintSafely(report: Report): void {
  const visit = (value: unknown, path: string): void => {
    if (typeof value === 'string') mustBePrintable(value, path)
    else if (value !== null && typeof value === 'object' && !(value instanceof Date)) {
      for (const [name, member] of Object.entries(value)) visit(member, `${path}.${name}`)
    }
  }
  visit(report, 'report')
  for (const color of [false, true]) {
    for (const line of formatReport(report, { color }).split('\n')) {
      mustBePrintable(line.replaceAll(/\u001b\[[\d;]*m/g, ''), 'the printed report')
    }
  }
  must(JSON.stringify(report).length < 2_000_000, 'a report of megabytes')
}

export function checkPem(bytes: Uint8Array): void {
  const scan = scanPem(bytes)
  must(scan.blocks.length > 0 || scan.problems.length <= 100, 'too many problems')
  const text = Buffer.from(bytes).toString('utf8')
  must(inspect(scanPem(text), { depth: 5 }) === inspect(scan, { depth: 5 }), 'text and bytes are read differently')
  // What was read, written plainly, is read again without any problem.
  const plain = scan.blocks.filter(({ headers }) => headers.length === 0)
  const written = plain.map(
    ({ label, bytes: der }) => `-----BEGIN ${label}-----\n${der.toString('base64')}\n-----END ${label}-----\n`,
  )
  const again = scanPem(written.join(''))
  must(
    again.problems.length === 0 && again.blocks.length === plain.length,
    'blocks that were read cannot be read again',
  )
  must(
    again.blocks.every((each, i) => each.bytes.equals(plain[i]?.bytes ?? Buffer.alloc(0))),
    'a block changed',
  )
}

/** Elements of one input that are read in every way. Each way that is wrong makes an error, which costs more than reading. */
const MAX_STEPS = 300

export function checkDer(bytes: Uint8Array): void {
  const typed: ((reader: DerReader) => unknown)[] = [
    (reader) => reader.boolean('x'),
    (reader) => reader.integer('x'),
    (reader) => reader.smallInteger('x'),
    (reader) => reader.bitString('x'),
    (reader) => reader.oid('x'),
    (reader) => reader.octetString('x'),
    (reader) => readTime(reader, 'x'),
  ]
  const open = [new DerReader(bytes)]
  let steps = 0
  for (let reader = open.pop(); reader !== undefined && steps < MAX_STEPS; reader = open.pop()) {
    const current = reader
    while (!current.atEnd && steps++ < MAX_STEPS) {
      const here = current.offset
      for (const read of typed) attempt(() => read(new DerReader(bytes, here)), bytes)
      const element = attempt(() => current.element(), bytes)
      if (element === null) break
      must(
        element.end <= bytes.length && element.contentStart <= element.end && element.start === here,
        'an element outside',
      )
      if ((element.tag & 0x20) !== 0) open.push(current.inside(element))
    }
  }
}

export function checkCertificate(bytes: Uint8Array): void {
  seesNothingOutside((placed) => described(Certificate.parse(placed, 'x')), bytes)
  const certificate = attempt(() => Certificate.parse(bytes, 'x'), bytes)
  if (certificate === null) return
  must(bytesEqual(certificate.raw, bytes), 'a certificate of other bytes')
  mustBeWritten(certificate, bytes)
  must(certificate.equals(Certificate.parse(bytes)), 'a certificate that is not itself')
  attempt(() => certificate.hasReadableKey, bytes)
  const { keyIdentifiers, extensions } = certificate
  const same = inspect(keyIdentifiers.subjectKeyIdentifier) === inspect(extensions.subjectKeyIdentifier)
  must(same, 'two answers about the key identifier')
}

/** Everything that is read of a certificate or a request. */
function described(read: Certificate | CertificateRequest): Record<string, unknown> {
  const { subject, extensions, publicKeyInfo, version, signatureAlgorithm } = read
  const { problems, duplicates, unknownCritical, basicConstraints, keyUsage, extendedKeyUsage } = extensions
  const names = (list: readonly { kind: string; value: string }[] | undefined): string[] | undefined =>
    list?.slice(0, 200).map(({ kind, value }) => `${kind}:${value}`)
  const ofBoth = {
    subject: `${subject.toString()} ${subject.key}`,
    names: names(read.subjectAltNames),
    ...{ publicKeyInfo, version, signatureAlgorithm, problems, duplicates, unknownCritical },
    ...{ basicConstraints, keyUsage, extendedKeyUsage },
  }
  if (read instanceof CertificateRequest) {
    return {
      ...ofBoth,
      attributes: read.attributes.map(({ oid, values }) => [
        oid,
        values.map((each) => Buffer.from(each).toString('hex')),
      ]),
      texts: [read.unstructuredName, read.hasChallengePassword, read.isSignedByItself()],
    }
  }
  const { issuer, serialNumber } = read
  return {
    ...ofBoth,
    issuer: `${issuer.toString()} ${issuer.key} ${String(issuer.equals(subject))}`,
    ...{ serialNumber, fingerprint: read.fingerprint256, dates: [read.notBefore, read.notAfter] },
    constraints: names(read.extensions.nameConstraints?.permitted),
  }
}

export function checkCrl(bytes: Uint8Array): void {
  const crl = attempt(() => Crl.parse(bytes, 'x'), bytes)
  if (crl === null) return
  mustBeWritten(crl, bytes)
  attempt(() => [crl.unsupportedScope, crl.find(Certificate.parse(CHAIN.leaf.der))], bytes)
}

export function checkRequest(bytes: Uint8Array): void {
  seesNothingOutside((placed) => described(CertificateRequest.parse(placed, 'x')), bytes)
  const request = attempt(() => CertificateRequest.parse(bytes, 'x'), bytes)
  const report = inspectRequest(bytes)
  for (const { message, remedy } of report.findings) mustBePrintable(`${message}${remedy}`, 'a finding')
  if (request === null) {
    must(!report.ok && report.request === null, 'a request that cannot be read, and no finding')
    return
  }
  mustBeWritten(request, bytes)
  must(report.request !== null, 'a request that was read is not in the report')
  // The private key is not the mutator's, so that nothing else than a seed is signed.
  must(!report.ok || REQUESTS.some((each) => bytesEqual(each, bytes)), 'a changed request passes')
}

export function checkNames(bytes: Uint8Array): void {
  const names = attempt(() => readGeneralNames(new DerReader(bytes)), bytes)
  for (const { kind, value, bytes: content } of names?.slice(0, 500) ?? []) {
    must(typeof value === 'string' && content.length <= bytes.length, 'a name of nothing')
    if (kind === 'ip') must(bytesEqual(parseIp(value) ?? new Uint8Array(), content), 'an address that is not itself')
  }
  const name = attempt(() => DistinguishedName.read(new DerReader(bytes), 'x'), bytes)
  if (name === null) return
  mustBePrintable(name.toString(), 'a printed name')
  must(
    name.equals(name) && name.key === DistinguishedName.read(new DerReader(bytes), 'x').key,
    'a name that is not itself',
  )
  must(
    name.relativeNames.every((set) => set.length > 0),
    'an empty relative name',
  )
}

export function checkTime(bytes: Uint8Array): void {
  const time = attempt(() => readTime(new DerReader(bytes), 'x'), bytes)
  if (time === null) return
  const text = time.toISOString().replaceAll(/[-:T]|\.000/g, '')
  const written = Buffer.from(bytes.subarray(2)).toString('latin1')
  must(bytes[0] === Tag.utcTime ? text.endsWith(written) : text === written, 'a time that is not itself')
}

export function checkHost(text: string): void {
  const octets = parseIp(text)
  must(
    (octets !== null) === (isIP(text) !== 0 && !text.includes('%')),
    `node:net and parseIp differ on ${inspect(text)}`,
  )
  if (octets !== null)
    must(bytesEqual(parseIp(formatIp(octets)) ?? new Uint8Array(), octets), 'an address that is not itself')
  try {
    const host = classifyHost(text)
    must(classifyHost(host.value).value === host.value, 'a host that is not itself')
  } catch (error) {
    if (!(error instanceof EtcdMtlsError)) throw error
    mustBePrintable(error.message, 'the message')
  }
}

export function checkKey(bytes: Uint8Array): void {
  for (const block of scanPem(bytes).blocks.slice(0, 5)) {
    if (!isPrivateKeyLabel(block.label)) continue
    for (const passphrase of [null, 'x']) {
      const reading = readPrivateKey(block, passphrase, 'x')
      if (reading.kind === 'key') mustBePrintable(inspect(reading.key), 'a printed key')
      if (reading.kind === 'malformed') mustBePrintable(reading.reason, 'a reason')
    }
  }
}

export type Role = 'leaf' | 'intermediates' | 'trustAnchors' | 'crls'

/** A chain in which one part was changed. Nothing but the anchor may differ and still pass. */
export function checkChain(role: Role, changed: Uint8Array | string): void {
  const input = {
    leaf: CHAIN.leaf.der,
    intermediates: [CHAIN.between.der],
    trustAnchors: [CHAIN.root.der],
    ...{ [role]: role === 'leaf' ? changed : [changed] },
  }
  const report = validateChain(input, { usage: 'server', hosts: [HOST], at: AT })
  mustPrintSafely(report)
  const original = role === 'leaf' ? CHAIN.leaf : CHAIN.between
  if (role === 'trustAnchors' || role === 'crls') return
  must(!report.ok || holdsOriginal(changed, original.der), `a changed ${role} passed`)
}

/** Whether the certificate stands in what was changed, whole and first: then it may pass. */
function holdsOriginal(changed: Uint8Array | string, der: Buffer): boolean {
  if (typeof changed !== 'string' && changed[0] === 0x30) return der.equals(changed)
  return scanPem(changed).blocks.some(({ bytes }) => bytes.equals(der))
}

/** Credentials in which one part was changed: either they are refused, or key and certificate belong together. */
export function checkCredentials(role: 'ca' | 'cert' | 'key' | 'crl', changed: Uint8Array): void {
  const part = (name: 'ca' | 'cert' | 'key' | 'crl'): ReturnType<typeof textInput> =>
    textInput(name, name === role ? changed : CREDENTIALS[name])
  const inputs = { ca: part('ca'), cert: part('cert'), key: part('key'), crl: part('crl'), passphrase: null }
  const { credentials, findings } = assemble(inputs, 'x')
  for (const each of findings)
    mustBePrintable(`${each.message}${each.remedy}${JSON.stringify(each.details)}`, each.code)
  const failed = findings.some(({ severity }) => severity === 'error')
  must(failed === (credentials === null), 'an error finding and credentials exclude each other')
  must(credentials === null || credentials.key.matches(credentials.chain[0]), 'a key of another certificate')
}
