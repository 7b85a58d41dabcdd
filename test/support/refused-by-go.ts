/** Chains that Go refuses and OpenSSL accepts, each for one reason. */
import type { FindingCode } from '../../src/report/finding.js'
import { mintChain } from './judge-chain.js'
import {
  directoryName,
  dns,
  email,
  type Minted,
  mintCa,
  type MintCaOptions,
  nameConstraints,
  newKey,
  relativeDistributionPoint,
  subjectAltName,
  uri,
} from './mint.js'

type Parts = Parameters<typeof mintChain>[0]

export interface RefusedByGo {
  readonly name: string
  readonly code: FindingCode
  /** The certificate that the finding names, by its place in the path or in its list. */
  readonly index: number
  readonly parts?: Parts
  /** CAs that are trusted or sent and that the path does not use. */
  readonly trusted?: Partial<MintCaOptions>
  readonly sent?: Partial<MintCaOptions>
}

export interface MintedInput {
  readonly leaf: Minted
  readonly sent: readonly Minted[]
  readonly trust: readonly Minted[]
}

export function mintRefused({ parts, trusted, sent }: Pick<RefusedByGo, 'parts' | 'trusted' | 'sent'>): MintedInput {
  const { root, intermediate, leaf } = mintChain(parts)
  const stranger = (options: Partial<MintCaOptions> | undefined): Minted[] =>
    options === undefined ? [] : [mintCa({ subject: 'Stranger', ...options })]
  return { leaf, sent: [intermediate, ...stranger(sent)], trust: [root, ...stranger(trusted)] }
}

const rsa = newKey('rsa-2048')
const selfIssued = { subject: 'Test Root', pathLength: undefined }
const HOST = 'etcd-0.etcd.svc'

export const REFUSED_BY_GO: readonly RefusedByGo[] = [
  {
    name: 'a path length exceeded by a self-issued CA',
    code: 'constraints/path-too-long',
    index: 2,
    parts: { root: { pathLength: 0 }, intermediate: { subject: 'Test Root' } },
  },
  {
    name: 'an RSA-PSS salt that is not as long as the digest',
    code: 'signature/algorithm-refused',
    index: 0,
    parts: { intermediate: { key: rsa }, leaf: { signature: 'rsa-pss-sha256-salt-20' } },
  },
  {
    name: 'an issuer name in other bytes than the subject of the issuer',
    code: 'chain/issuer-name-respelled',
    index: 0,
    parts: { leaf: { issuerName: 'TEST Intermediate' } },
  },
  {
    name: 'a critical constraint on directory names',
    code: 'certificate/extension-refused',
    index: 2,
    parts: { root: { extensions: [nameConstraints({ excluded: [directoryName('Other')] })] } },
  },
  {
    name: 'a critical constraint on directory names in a leaf',
    code: 'certificate/extension-refused',
    index: 0,
    parts: { leaf: { extensions: [nameConstraints({ excluded: [directoryName('Other')] })] } },
  },
  {
    name: 'a CRL distribution point with a relative name',
    code: 'certificate/extension-refused',
    index: 0,
    parts: { leaf: { extensions: [relativeDistributionPoint()] } },
  },
  {
    name: 'a critical subject alternative name of a kind that Go does not know, in a CA',
    code: 'certificate/extension-refused',
    index: 1,
    parts: { intermediate: { extensions: [subjectAltName([directoryName('x')], true)] } },
  },
  {
    name: 'a name of a self-issued CA beyond the constraints above it',
    code: 'name-constraints/name-refused',
    index: 1,
    parts: {
      root: { extensions: [nameConstraints({ excluded: [dns('example.com')] })] },
      intermediate: { ...selfIssued, extensions: [subjectAltName([dns('ca.example.com')])] },
    },
  },
  {
    name: 'a URI below a host that a constraint without a dot excludes',
    code: 'name-constraints/name-refused',
    index: 0,
    parts: {
      root: { extensions: [nameConstraints({ excluded: [uri('example.com')] })] },
      leaf: { names: [dns(HOST), uri('https://a.example.com/')] },
    },
  },
  {
    name: 'a mailbox below a host that a constraint without a dot excludes',
    code: 'name-constraints/name-refused',
    index: 0,
    parts: {
      root: { extensions: [nameConstraints({ excluded: [email('example.com')] })] },
      leaf: { names: [dns(HOST), email('etcd@a.example.com')] },
    },
  },
  {
    name: 'a mailbox that begins with a dot, below a constraint on mailboxes',
    code: 'name-constraints/name-unreadable',
    index: 0,
    parts: {
      root: { extensions: [nameConstraints({ excluded: [email('example.org')] })] },
      leaf: { names: [dns(HOST), email('.etcd@example.com')] },
    },
  },
  {
    name: 'a mailbox that begins with a dot, below a constraint on DNS names',
    code: 'name-constraints/name-unreadable',
    index: 0,
    parts: {
      root: { extensions: [nameConstraints({ excluded: [dns('example.org')] })] },
      leaf: { names: [dns(HOST), email('.etcd@example.com')] },
    },
  },
  {
    name: 'a certificate that is sent and not used, on a curve that Go does not read',
    code: 'chain/unused-unread-by-go',
    index: 1,
    sent: { key: 'brainpool' },
  },
]

/** CAs of a bundle that the path does not use and Go does not read: etcd does not start. */
export const UNREADABLE_ANCHORS: readonly (readonly [name: string, Partial<MintCaOptions>])[] = [
  ['a curve that Go does not read', { key: 'brainpool' }],
  ['a malformed URI', { extensions: [subjectAltName([uri('http://[bad/%zz')])] }],
  ['a relative CRL distribution point', { extensions: [relativeDistributionPoint()] }],
  ['a negative serial number', { serial: -5n }],
  ['a malformed name constraint', { extensions: [nameConstraints({ permitted: [email('.etcd@example.com')] })] }],
]
