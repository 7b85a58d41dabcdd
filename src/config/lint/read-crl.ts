/** Reads a CRL as etcd does (client/pkg/transport/listener_tls.go checkCRL). */
import { type Input, openInput, readCrls } from '../../credentials/parse-input.js'
import type { CrlFlaw } from '../../report/catalogue/config/files.js'
import type { Finding } from '../../report/finding.js'
import { finding as chainFinding } from '../../validate/finding.js'
import { type Crl, PEM_CRL } from '../../x509/crl/crl.js'
import { DerError, DerReader, Tag } from '../../x509/der.js'
import { ExtensionId } from '../../x509/extensions.js'
import { finding } from '../finding.js'
import type { Setting } from '../read/read-option.js'
import { formatVersion, type ParsedVersion } from '../tables/version.js'

const DER_SEQUENCE = 0x30
/** Since 3.6 a CRL is read only in DER (listener_tls.go v3.6.14 checkCRL). */
const DER_ONLY_MINOR = 6

interface CrlReading {
  /** Null if etcd cannot read it. */
  readonly crl: Crl | null
  readonly findings: readonly Finding[]
}

/** @param version Without a version, what 3.6 refuses is only an info. */
export function readCrl(
  input: Input,
  { place, text: path }: Pick<Setting, 'place' | 'text'>,
  version: ParsedVersion | null,
): CrlReading {
  const isDerOnly = version !== null && version.minor >= DER_ONLY_MINOR
  const isPem = input.bytes?.[0] !== DER_SEQUENCE
  const { crls, findings } = readCrls(openInput(isDerOnly ? withFirstDerElement(input) : input))
  const [first] = crls
  const unreadable = (kind: 'damaged' | 'something else', reason: string): CrlReading => {
    return { crl: null, findings: [finding('config/crl-unreadable', { ...place, kind, path, reason })] }
  }
  const wrong =
    findings.find(({ severity }) => severity === 'error')?.message ?? crls.find(({ damage }) => damage !== null)?.damage
  if (typeof wrong === 'string' || first === undefined) {
    const isOther = input.bytes?.includes(PEM_CRL) === false
    return unreadable(isOther ? 'something else' : 'damaged', wrong ?? 'It does not contain a CRL.')
  }
  if (!isDerOnly && first.form === 'text')
    return unreadable('damaged', `It does not begin with "${PEM_CRL}", or its lines do not end with line feeds.`)
  const flaws: CrlFlaw[] = [...(isPem ? ['PEM' as const] : []), ...flawsFor36(first)]
  const details = { ...place, path, version: version === null ? '' : formatVersion(version), isAhead: !isDerOnly }
  const { origin, unsupportedScope } = first
  const several = finding('config/crl-unreadable', { ...place, kind: 'several', path, count: crls.length })
  return {
    crl: isDerOnly && flaws.length > 0 ? null : first,
    findings: [
      ...(!isDerOnly && isPem && crls.length > 1 ? [several] : []),
      // etcd refuses the listed serial numbers nevertheless.
      ...(unsupportedScope === null
        ? []
        : [chainFinding('revocation/crl-unsupported', { origin, unsupportedScope, readByEtcd: true })]),
      ...flaws.map((is) => finding('config/crl-form', { ...details, is })),
    ],
  }
}

/** Since 3.6 etcd parses CRLs strictly (Go crypto/x509 ParseRevocationList). */
function flawsFor36({ version, signatureAlgorithmsAgree, extensions: { all } }: Crl): CrlFlaw[] {
  const isCritical = all.some(({ oid, critical }) => critical && oid === ExtensionId.authorityKeyIdentifier)
  return [
    ...(version === 1 ? ['version 1' as const] : []),
    ...(signatureAlgorithmsAgree ? [] : ['two algorithms' as const]),
    ...(isCritical ? ['critical key identifier' as const] : []),
  ]
}

/** Go ignores bytes after the first DER element. */
function withFirstDerElement(input: Input): Input {
  if (input.bytes?.[0] !== DER_SEQUENCE) return input
  try {
    const { end } = new DerReader(input.bytes).expect(Tag.sequence, 'the CRL')
    return { ...input, bytes: input.bytes.subarray(0, end) }
  } catch (error) {
    if (error instanceof DerError) return input
    throw error
  }
}
