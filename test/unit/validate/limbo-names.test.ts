/**
 * The rules of x509-limbo about names and name constraints: each has minted chains that break that rule alone, or keep to it.
 * `npm run conformance` runs limbo's own cases.
 */
import type { ChainInput } from '../../../src/validate/index.js'
import {
  type Ca,
  type Case,
  chain,
  check,
  HOST,
  intermediate,
  leaf,
  type Leaf,
  line,
  root,
} from '../../support/chain-rules.js'
import { nullValue } from '../../support/der-writer.js'
import {
  directoryName,
  dns,
  email,
  EXTENSION,
  type GeneralName,
  ip,
  ipBytes,
  ipRange,
  nameConstraints,
  otherName,
  subjectAltName,
} from '../../support/mint.js'

const unaware = otherName('1.2.3', nullValue())
const permit = (...permitted: GeneralName[]): Ca => ({ extensions: [nameConstraints({ permitted })] })
const exclude = (...excluded: GeneralName[]): Ca => ({ extensions: [nameConstraints({ excluded })] })
const below = (constraint: Ca, names: readonly GeneralName[] = [], options: Leaf = {}): (() => ChainInput) =>
  chain([constraint], { names: [dns(HOST), ...names], ...options })
const EXCLUDED = ['name-constraints/name-refused@0']
const NOT_PERMITTED = ['name-constraints/name-refused@0']
const UNREADABLE = ['name-constraints/name-unreadable@0']

check('nc: DNS names and addresses', [
  ['refuses a name outside of the permitted', below(permit(dns('example.org'))), NOT_PERMITTED],
  ['accepts the permitted name', below(permit(dns(HOST))), []],
  ['accepts a name several labels below the permitted', below(permit(dns('com'))), []],
  ['refuses a name that an intermediate excludes', chain([{}, exclude(dns('example.com'))]), EXCLUDED],
  ['refuses an excluded second name', below(exclude(dns('no.example.com')), [dns('no.example.com')]), EXCLUDED],
  [
    'refuses a name that is permitted and excluded',
    below({ extensions: [nameConstraints({ permitted: [dns('example.com')], excluded: [dns(HOST)] })] }),
    EXCLUDED,
  ],
  [
    'refuses a wildcard that covers an excluded name',
    below(exclude(dns('b.example.com')), [dns('*.example.com')]),
    EXCLUDED,
  ],
  [
    'refuses a wildcard that covers more than the permitted',
    below(permit(dns(HOST)), [dns('*.example.com')]),
    NOT_PERMITTED,
  ],
  ['accepts a wildcard below the permitted', below(permit(dns('example.com')), [dns('*.example.com')]), []],
  [
    'refuses an IPv4 address outside of the permitted range',
    below(permit(ipRange('192.0.2.0/24')), [ip('10.0.0.1')]),
    NOT_PERMITTED,
  ],
  ['accepts an IPv4 address in the permitted range', below(permit(ipRange('192.0.2.0/24')), [ip('192.0.2.1')]), []],
  ['accepts an IPv6 address in the permitted range', below(permit(ipRange('::1/128')), [ip('::1')]), []],
  ['refuses an excluded IPv4 address', below(exclude(ipRange('192.0.2.0/24')), [ip('192.0.2.1')]), EXCLUDED],
  ['refuses an excluded IPv6 address', below(exclude(ipRange('::1/128')), [ip('::1')]), EXCLUDED],
  ['accepts names of a kind that nothing is permitted of', below(permit(ipRange('192.0.2.0/24'))), []],
  ['accepts names of a kind that nothing is excluded of', below(exclude(ipRange('192.0.2.0/24'))), []],
])

check('nc: directory names and other kinds', [
  ['refuses a subject outside of the permitted', below(permit(directoryName('other'))), NOT_PERMITTED],
  ['refuses an excluded subject', below(exclude(directoryName('etcd'))), EXCLUDED],
  ['accepts the permitted subject', below(permit(directoryName('etcd'))), []],
  [
    'refuses a directory name outside of the permitted if only the subject is permitted',
    below(permit(directoryName('etcd')), [directoryName('other')]),
    NOT_PERMITTED,
  ],
  [
    'refuses a subject outside of the permitted if only the directory name is permitted',
    below(permit(directoryName('other')), [directoryName('other')]),
    NOT_PERMITTED,
  ],
  [
    'refuses an excluded directory name if the subject is another one',
    below(exclude(directoryName('other')), [directoryName('other')]),
    EXCLUDED,
  ],
  [
    'refuses a name of an excluded kind that is not compared',
    below(exclude(unaware), [unaware]),
    ['name-constraints/name-unreadable@0'],
  ],
  ['accepts a leaf without a name of an excluded kind that is not compared', below(exclude(unaware)), []],
])

check('nc: mailboxes', [
  ['accepts the permitted mailbox', below(permit(email('me@example.com')), [email('me@example.com')]), []],
  ['accepts a mailbox of the permitted host', below(permit(email('example.com')), [email('me@example.com')]), []],
  ...['*', '**', 'me*'].map((user): Case => [
    `accepts the permitted mailbox ${user}`,
    below(permit(email(`${user}@example.com`)), [email(`${user}@example.com`)]),
    [],
  ]),
  [
    'does not read an asterisk as any mailbox',
    below(permit(email('*@example.com')), [email('me@example.com')]),
    NOT_PERMITTED,
  ],
  [
    'does not read an asterisk as any host',
    below(permit(email('*@example.com')), [email('*@b.example.com')]),
    NOT_PERMITTED,
  ],
  [
    'does not read two asterisks as one',
    below(permit(email('**@example.com')), [email('*@example.com')]),
    NOT_PERMITTED,
  ],
])

check('nc: what cannot be read', [
  ['refuses a constraint with a wildcard', root(permit(dns('*.example.com'))), ['name-constraints/malformed@1']],
  [
    'refuses an IPv4 constraint without a mask',
    root(permit(ipBytes(Buffer.alloc(4, 1)))),
    ['certificate/extension-refused@1'],
  ],
  [
    'refuses an IPv6 constraint without a mask',
    root(permit(ipBytes(Buffer.alloc(16, 1)))),
    ['certificate/extension-refused@1'],
  ],
  ['refuses a constraint with two @', root(permit(email('a@b@example.com'))), ['name-constraints/malformed@1']],
  [
    'refuses a DNS name with a leading dot below a constraint',
    below(permit(dns('example.com')), [dns('.example.com')]),
    UNREADABLE,
  ],
  [
    'refuses a range as an address below a constraint',
    below(permit(ipRange('192.0.2.0/24')), [ipRange('192.0.2.0/24')]),
    ['certificate/extension-refused@0'],
  ],
  [
    'refuses a mailbox with two @ below a constraint',
    below(permit(email('example.com')), [email('a@b@example.com')]),
    UNREADABLE,
  ],
  [
    'refuses constraints that are NULL',
    intermediate({ extensions: [{ oid: EXTENSION.nameConstraints, critical: true, value: nullValue() }] }),
    ['certificate/extension-refused@1'],
  ],
  [
    'refuses constraints of two empty lists',
    intermediate({ extensions: [nameConstraints({ permitted: [], excluded: [] })] }),
    ['certificate/extension-refused@1'],
  ],
])

check('nc: along the path', [
  [
    'does not apply to a CA that is self-issued',
    chain([permit(dns('example.com')), { subject: 'CA 0', extensions: [subjectAltName([dns('other')])] }]),
    [],
  ],
  [
    'applies to a leaf that is self-issued',
    chain([{ ...permit(dns('example.com')), subject: 'etcd' }], { names: [dns(HOST), dns('other')] }),
    NOT_PERMITTED,
  ],
  [
    'applies to a CA below the intermediate',
    chain([{}, exclude(dns('no')), { extensions: [subjectAltName([dns('no')])] }]),
    ['name-constraints/name-refused@1'],
  ],
  [
    'applies to a CA below the root',
    chain([exclude(dns('no')), {}, { extensions: [subjectAltName([dns('no')])] }]),
    ['name-constraints/name-refused@1'],
  ],
  [
    'holds for every CA: a lower one narrows',
    chain([permit(dns('example.com')), permit(dns('b.example.com'))]),
    NOT_PERMITTED,
  ],
  [
    'holds for every CA: a lower one does not widen',
    chain([permit(dns('b.example.com')), permit(dns('example.com'))]),
    NOT_PERMITTED,
  ],
  [
    'ends before names and constraints are too many to compare',
    () => {
      const many = (prefix: string): GeneralName[] =>
        Array.from({ length: 490 }, (_, i) => dns(`${prefix}${String(i)}`))
      return line([exclude(...many('x'))], { names: [dns(HOST), ...many('y')] }).input
    },
    ['chain/limit-exceeded@1'],
  ],
])

check('san', [
  [
    'refuses an extension that is not DER',
    leaf({ extensions: [{ oid: EXTENSION.subjectAltName, value: Buffer.from(HOST) }] }),
    ['certificate/extension-refused@0'],
  ],
  [
    'refuses a DNS name that is not ASCII',
    leaf({ names: [dns(HOST), dns('\u00fc.example.com')] }),
    ['certificate/extension-refused@0'],
  ],
  [
    'does not read a DNS name as an address',
    leaf({ names: [dns('127.0.0.1')] }),
    ['san/host-not-covered@0'],
    { hosts: ['127.0.0.1'] },
  ],
  [
    'does not read the common name',
    leaf({ subject: HOST, without: [EXTENSION.subjectAltName], names: [] }),
    ['san/host-not-covered@0'],
  ],
  ...(
    [
      ['example.com', 'example.com', true],
      ['127.0.0.1', '127.0.0.1', true],
      ['example.com', 'example2.com', false],
      ['b.example.com', HOST, false],
      ['example.com', HOST, false],
      [HOST, 'example.com', false],
      ['*.example.com', HOST, true],
      ['a*.example.com', 'ab.example.com', false],
      ['a.*.example.com', 'a.b.example.com', false],
      ['*.example.com', 'a.b.example.com', false],
      ['xn--*-1b3c148a.example.com', 'xn--bliss-1b3c148a.example.com', false],
      ['*', 'example', false],
      ['*.com', 'example.com', false],
    ] as const
  ).map(([name, host, isCovered]): Case => {
    const names = [/^[\d.]+$/.test(name) ? ip(name) : dns(name)]
    const what = `${isCovered ? 'accepts' : 'refuses'} the name ${name} for ${host}`
    return [what, leaf({ names }), isCovered ? [] : ['san/host-not-covered@0'], { hosts: [host] }]
  }),
])
