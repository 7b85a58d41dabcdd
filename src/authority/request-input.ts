/** The one certificate request of a text or of octets, and a finding for everything else that stands there. */
import { openInput } from '../credentials/input.js'
import { kindOfLabel, labelsOf } from '../credentials/labels.js'
import { valueInvalid } from '../report/option-error.js'
import { material } from '../report/catalogue/material.js'
import type { Place } from '../report/catalogue/place.js'
import { request as rows } from '../report/catalogue/request.js'
import { type Finding, findingMaker } from '../report/finding.js'
import { CertificateRequest } from '../x509/certificate-request.js'
import { DerError } from '../x509/der.js'
import { derKind } from '../x509/der-kind.js'
import { MAX_PEM_OCTETS, type PemBlock } from '../x509/pem.js'

/** A certificate request: PEM as text or octets (`CERTIFICATE REQUEST` or `NEW CERTIFICATE REQUEST`), DER, or one that was read. */
export type RequestInput = string | Uint8Array | CertificateRequest

export interface RequestReading {
  /** null where there is none, or more than one. */
  readonly request: CertificateRequest | null
  readonly findings: readonly Finding[]
}

export const finding = findingMaker({ ...rows, ...material })

/** @throws {EtcdMtlsError} `ERR_OPTION_INVALID` where `csr` is of a type that can be none. */
export function readRequestInput(csr: unknown, place: Place): RequestReading {
  if (csr instanceof CertificateRequest) return { request: csr, findings: [] }
  if (typeof csr !== 'string' && !(csr instanceof Uint8Array)) {
    throw valueInvalid('csr', csr, 'PEM as a string, PEM or DER as a Buffer, or a CertificateRequest')
  }
  if (csr.length > MAX_PEM_OCTETS) {
    const details = { ...place, role: 'request', size: csr.length, limit: MAX_PEM_OCTETS } as const
    return { request: null, findings: [finding('pem/too-large', details)] }
  }
  // A copy: what the caller does with the octets later changes nothing here.
  const bytes = Buffer.from(csr)
  const kind = derKind(bytes)
  if (kind === 'certificate request') return parse(bytes, place)
  if (kind !== null) return { request: null, findings: [finding('request/none', { ...place, found: [`a ${kind}`] })] }
  return readText(bytes, place)
}

function readText(bytes: Buffer, place: Place): RequestReading {
  const { blocks, findings } = openInput({ role: 'request', place, bytes, mode: null, findings: [] })
  const requests = blocks.filter(({ label }) => kindOfLabel(label) === 'request')
  const all = [...findings, ...beside(blocks, place)]
  const [first, ...more] = requests
  if (first === undefined) {
    const saidWhy = findings.some(({ severity }) => severity === 'error')
    return { request: null, findings: saidWhy ? all : [...all, finding('request/none', foundIn(blocks, place))] }
  }
  if (more.length > 0) {
    const lines = requests.map(({ line }) => line)
    return { request: null, findings: [...all, finding('request/several', { ...place, lines })] }
  }
  const reading = parse(first.bytes, place)
  return { ...reading, findings: [...all, ...reading.findings] }
}

function foundIn(blocks: readonly PemBlock[], place: Place): Place & { found: string[] } {
  return { ...place, found: labelsOf(blocks) }
}

/** One finding for each kind of block that is no request; one for every private key would tell no more. */
function beside(blocks: readonly PemBlock[], place: Place): Finding[] {
  const told = new Set<string>(['request', 'key-parameters'])
  return blocks.flatMap(({ label, line }) => {
    const kind = kindOfLabel(label)
    const isKey = kind === 'private-key' || kind === 'foreign-key' || kind === 'openssh'
    const group = isKey ? 'key' : kind
    if (told.has(group)) return []
    told.add(group)
    return [finding(isKey ? 'request/private-key-beside' : 'request/block-ignored', { ...place, label, line })]
  })
}

function parse(der: Uint8Array, place: Place): RequestReading {
  try {
    return { request: CertificateRequest.parse(der, place.origin), findings: [] }
  } catch (error) {
    if (!(error instanceof DerError)) throw error
    const details = { ...place, reason: error.reason, offset: error.offset }
    return { request: null, findings: [finding('request/malformed', details)] }
  }
}
