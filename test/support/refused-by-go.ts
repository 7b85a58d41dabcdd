/** Chains that Go refuses and OpenSSL accepts, each for one reason. */
import type { FindingCode } from '../../src/report/finding.js'
import { HOST, mintChain } from './minted-chain.js'
import {
  directoryName,
  dns,
  email,
  type GeneralName,
  type Minted,
  mintCa,
  type MintCaOptions,
  nameConstraints,
  newKey,
  relativeDistributionPoint,
  subjectAltName,
  uri,
} from './mint.js'

interface How {
  readonly parts?: Parameters<typeof mintChain>[0]
  /** CAs that are trusted or sent and that the path does not use. */
  readonly trusted?: Partial<MintCaOptions>
  readonly sent?: Partial<MintCaOptions>
}

interface RefusedByGo extends How {
  readonly name: string
  readonly code: FindingCode
  /** The certificate that the finding names, by its place in the path or in its list. */
  readonly index: number
}

export interface MintedInput {
  readonly leaf: Minted
  readonly sent: readonly Minted[]
  readonly trust: readonly Minted[]
}

export function mintRefused({ parts, trusted, sent }: How): MintedInput {
  const { root, intermediate, leaf } = mintChain(parts)
  const stranger = (options: Partial<MintCaOptions> | undefined): Minted[] =>
    options === undefined ? [] : [mintCa({ subject: 'Stranger', ...options })]
  return { leaf, sent: [intermediate, ...stranger(sent)], trust: [root, ...stranger(trusted)] }
}

const rsa = newKey('rsa-2048')
const excluding = (name: GeneralName) => ({ extensions: [nameConstraints({ excluded: [name] })] })

const row = (name: string, code: FindingCode, index: number, how: How): RefusedByGo => ({ name, code, index, ...how })
const ofParts = (name: string, code: FindingCode, index: number, parts: How['parts'] = {}): RefusedByGo =>
  row(name, code, index, { parts })
/** A root that excludes one name, and a leaf with another next to its own. */
const excluded = (name: string, code: FindingCode, constraint: GeneralName, other: GeneralName): RefusedByGo =>
  ofParts(name, code, 0, { root: excluding(constraint), leaf: { names: [dns(HOST), other] } })

export const REFUSED_BY_GO: readonly RefusedByGo[] = [
  ofParts('a path length exceeded by a self-issued CA', 'constraints/path-too-long', 2, {
    root: { pathLength: 0 },
    intermediate: { subject: 'Test Root' },
  }),
  ofParts('an RSA-PSS salt that is not as long as the digest', 'signature/algorithm-refused', 0, {
    intermediate: { key: rsa },
    leaf: { signature: 'rsa-pss-sha256-salt-20' },
  }),
  ofParts('an issuer name in other bytes than the subject of the issuer', 'chain/issuer-name-respelled', 0, {
    leaf: { issuerName: 'TEST Intermediate' },
  }),
  ofParts('a critical constraint on directory names', 'certificate/extension-refused', 2, {
    root: excluding(directoryName('Other')),
  }),
  ofParts('a critical constraint on directory names in a leaf', 'certificate/extension-refused', 0, {
    leaf: excluding(directoryName('Other')),
  }),
  ofParts('a CRL distribution point with a relative name', 'certificate/extension-refused', 0, {
    leaf: { extensions: [relativeDistributionPoint()] },
  }),
  ofParts(
    'a critical subject alternative name of a kind that Go does not know, in a CA',
    'certificate/extension-refused',
    1,
    { intermediate: { extensions: [subjectAltName([directoryName('x')], true)] } },
  ),
  ofParts('a name of a self-issued CA beyond the constraints above it', 'name-constraints/name-refused', 1, {
    root: excluding(dns('example.com')),
    intermediate: {
      subject: 'Test Root',
      pathLength: undefined,
      extensions: [subjectAltName([dns('ca.example.com')])],
    },
  }),
  excluded(
    'a URI below a host that a constraint without a dot excludes',
    'name-constraints/name-refused',
    uri('example.com'),
    uri('https://a.example.com/'),
  ),
  excluded(
    'a mailbox below a host that a constraint without a dot excludes',
    'name-constraints/name-refused',
    email('example.com'),
    email('etcd@a.example.com'),
  ),
  excluded(
    'a mailbox that begins with a dot, below a constraint on mailboxes',
    'name-constraints/name-unreadable',
    email('example.org'),
    email('.etcd@example.com'),
  ),
  excluded(
    'a mailbox that begins with a dot, below a constraint on DNS names',
    'name-constraints/name-unreadable',
    dns('example.org'),
    email('.etcd@example.com'),
  ),
  row('a certificate that is sent and not used, on a curve that Go does not read', 'chain/unused-unread-by-go', 1, {
    sent: { key: 'brainpool' },
  }),
]

/** CAs of a bundle that the path does not use and Go does not read: etcd does not start. */
export const UNREADABLE_ANCHORS: readonly (readonly [name: string, Partial<MintCaOptions>])[] = [
  ['a curve that Go does not read', { key: 'brainpool' }],
  ['a malformed URI', { extensions: [subjectAltName([uri('http://[bad/%zz')])] }],
  ['a relative CRL distribution point', { extensions: [relativeDistributionPoint()] }],
  ['a negative serial number', { serial: -5n }],
  ['a malformed name constraint', { extensions: [nameConstraints({ permitted: [email('.etcd@example.com')] })] }],
]
