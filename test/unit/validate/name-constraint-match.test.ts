/** One name against one subtree (name-constraint-match.ts, RFC 5280 section 4.2.1.10), kind by kind. */
import { describe, expect, it } from 'vitest'
import {
  comparable,
  constraintProblem,
  isConstraintReadByGo,
  subtreeOf,
} from '../../../src/validate/checks/name-constraint-match.js'
import { DerReader } from '../../../src/x509/der.js'
import { DistinguishedName } from '../../../src/x509/distinguished-name.js'
import type { GeneralName } from '../../../src/x509/general-name.js'
import { addressBytes, encodeName, ipRange, TAG, type Attribute, type Name } from '../../support/mint.js'

type TextKind = 'dns' | 'email' | 'uri'
const text = (kind: TextKind, value: string): GeneralName => ({ kind, value, bytes: Buffer.from(value) })
/** Names of one kind, with a bar between them. */
const texts = (kind: TextKind, values: string): GeneralName[] => values.split('|').map((value) => text(kind, value))
const ip = (address: string): GeneralName => ({ kind: 'ip', value: address, bytes: addressBytes(address) })
const range = (value: string): GeneralName => ({ kind: 'ip', value, bytes: ipRange(value).subarray(2) })
const masked = (mask: string): GeneralName => ({
  kind: 'ip',
  value: `10.0.0.0/${mask}`,
  bytes: Buffer.concat([addressBytes('10.0.0.0'), addressBytes(mask)]),
})
const directory = (name: Name): GeneralName => {
  const directoryName = DistinguishedName.read(new DerReader(encodeName(name)), 'name')
  return { kind: 'dirName', value: directoryName.toString(), bytes: directoryName.raw, directoryName }
}
const other: GeneralName = { kind: 'otherName', value: '00', bytes: new Uint8Array(1) }

const isComparable = (name: GeneralName): boolean => comparable(name) !== null
const compared = (name: GeneralName, constraint: GeneralName, by: 'contains' | 'overlaps'): boolean => {
  const prepared = comparable(name)
  return prepared !== null && subtreeOf(constraint)[by](prepared)
}

describe('a constraint', () => {
  it.each([
    ...texts('dns', '|svc|etcd.svc|.etcd.svc'),
    ...['10.0.0.0/8', '10.1.0.1/16', '0.0.0.0/0', '10.0.0.1/32', 'fd00::/7'].map(range),
    ...texts('email', 'example.com|.example.com|me@example.com|"a@b"@example.com'),
    ...texts('uri', 'cluster|.example.com'),
    directory('x'),
    other,
  ])('$kind $value is well-formed', (constraint) => {
    expect(constraintProblem(constraint)).toBeNull()
  })

  it.each([
    ...texts('dns', '..etcd.svc|.|*.svc|a b').map((each) => [each, 'is not a DNS name'] as const),
    ...['255.0.255.0', '253.0.0.0', '254.255.0.0', '0.0.0.1', '0.128.0.0'].map(
      (mask) => [masked(mask), 'has a mask with gaps'] as const,
    ),
    [text('email', '@example.com'), 'has no mailbox before the @'],
    ...texts('email', 'me@.example.com|me@|*.example.com||a@b@example.com|a b@example.com|.a@example.com').map(
      (each) => [each, 'is neither a mailbox nor a host'] as const,
    ),
    ...texts('uri', '10.0.0.1|::1|https://a|..a|').map((each) => [each, 'is not a host name'] as const),
  ] as const)('reports the problem of a constraint: $0.kind "$0.value" $1', (constraint, problem) => {
    expect(constraintProblem(constraint)).toBe(problem)
  })

  it('a constraint is read by Go with empty values and underscores, and without malformed ones', () => {
    const ofMail = texts('email', '|et\\@cd@example.com')
    const read = [...texts('uri', '|a_b'), ...ofMail, ...texts('dns', '|a_b.svc|.svc'), other]
    expect(read.filter((each) => !isConstraintReadByGo(each))).toEqual([])
    const unreadHosts = [...texts('uri', '10.0.0.1|a..b'), ...texts('dns', '..a|a b')]
    const unread = [masked('0.0.0.1'), text('email', '.a@b.c'), ...unreadHosts]
    expect(unread.filter(isConstraintReadByGo)).toEqual([])
  })
})

describe('a name', () => {
  it.each([
    ...texts('dns', 'etcd.svc|*.etcd.svc'),
    ...texts('email', 'me@example.com|"a b"@example.com|""@example.com|"a@b"@example.com'),
    text('email', "a!#$%&'*+-/=?^_`{|}~.Z9@example.com"),
    ...texts('uri', 'spiffe://cluster|spiffe://cluster/etcd|HTTPS://Example.com:8443/x|https://example.com:/'),
    ...texts('uri', 'https://example.com?x|https://example.com#x|a://b|a1+.-b://c'),
    ip('10.0.0.1'),
    directory('x'),
    other,
  ])('$kind $value can be compared', (name) => {
    expect(isComparable(name)).toBe(true)
  })

  it.each([
    ...texts('dns', 'a b|.etcd.svc|'),
    ...texts('email', 'no mailbox|@example.com|example.com|a b@example.com| a@example.com|a @example.com'),
    ...texts('email', '"a@example.com|a"@example.com|"a"b"@example.com|x"a"@example.com|"a"x@example.com'),
    ...texts('email', '"a\\"@example.com|me@*.example.com|me@'),
    // OpenSSL takes the user for a part of the host.
    ...texts('uri', 'https://user:secret@example.com/|https://@example.com|urn:uuid:1|etcd|//example.com'),
    ...texts('uri', '1a://example.com| a://example.com|https:///x|https://[::1]/|https://10.0.0.1/'),
    ...texts('uri', 'https://*.example.com/|https://example.com:x/|https://example.com:80x|https://a b/'),
  ])('$kind "$value" cannot be compared', (name) => {
    expect(isComparable(name)).toBe(false)
  })
})

type Pair = readonly [name: GeneralName, constraint: GeneralName]
/** Pairs of one kind: name and constraint with a space between them. */
const pairs = (kind: TextKind, ...values: readonly string[]): Pair[] =>
  values.map((value) => {
    const [name = '', constraint = ''] = value.split(' ')
    return [text(kind, name), text(kind, constraint)]
  })
const title = ([name, constraint]: Pair): [string, Pair] => [
  `${name.kind} "${name.value}" and "${constraint.value}"`,
  [name, constraint],
]
const example = ['O', 'Example'] as const
const etcd = ['CN', 'etcd'] as const

const INSIDE: readonly Pair[] = [
  ...pairs('dns', 'etcd.svc ', 'etcd.svc etcd.svc', 'ETCD.svc etcd.SVC', 'a.b.etcd.svc etcd.svc'),
  ...pairs('dns', '*.etcd.svc etcd.svc', '*.a.etcd.svc etcd.svc'),
  ...pairs('dns', 'a.etcd.svc .etcd.svc', 'a.b.etcd.svc .etcd.svc', '*.etcd.svc .etcd.svc'),
  [ip('10.255.0.1'), range('10.0.0.0/8')],
  [ip('10.255.0.1'), range('10.1.2.3/8')],
  [ip('10.128.0.0'), range('10.255.0.0/9')],
  [ip('192.168.0.1'), range('0.0.0.0/0')],
  [ip('fdff::1'), range('fd00::/8')],
  ...pairs('email', 'me@example.com example.com', 'me@EXAMPLE.com example.COM', 'me@a.example.com .example.com'),
  ...pairs('email', 'me@example.com me@Example.com', '"a@b"@example.com "a@b"@example.com', '*@b.c *@b.c'),
  ...pairs('uri', 'spiffe://cluster/etcd cluster', 'https://Example.com:8443/ example.COM'),
  ...pairs('uri', 'https://a.b.example.com .example.com', 'https://a/@example.com a'),
  [directory('etcd'), directory([])],
  [directory('etcd'), directory('etcd')],
  [directory('Etcd'), directory([['CN', 'etcd', TAG.printableString]])],
  [directory([example, etcd]), directory([['O', 'example']])],
]

const OUTSIDE: readonly Pair[] = [
  ...pairs('dns', 'xetcd.svc etcd.svc', 'svc etcd.svc', 'etcd.svc.local etcd.svc', '*.svc etcd.svc'),
  ...pairs('dns', 'a.*.etcd.svc a.etcd.svc', 'etcd.svc .etcd.svc', 'xetcd.svc .etcd.svc', '*.svc .etcd.svc'),
  [ip('11.0.0.1'), range('10.0.0.0/8')],
  [ip('10.127.0.0'), range('10.255.0.0/9')],
  [ip('10.0.0.1'), range('::/0')],
  [ip('::1'), range('0.0.0.0/0')],
  [ip('fe80::1'), range('fd00::/8')],
  ...pairs('email', 'me@a.example.com example.com', 'me@example.com .example.com', 'you@example.com me@example.com'),
  ...pairs('email', 'Me@example.com me@example.com', 'me@example.org me@example.com', 'nobody example.com'),
  ...pairs('email', 'me@example.com *@example.com', '*@b.example.com *@example.com'),
  ...pairs('uri', 'https://example.com .example.com', 'https://a.example.com example.com', 'urn:x .example.com'),
  ...pairs('uri', 'https://a.b.example.org .example.com', 'https://a/@example.com example.com'),
  ...pairs('uri', 'https://example.com@a/ example.com'),
  [directory('etcd'), directory('other')],
  [directory([['O', 'etcd']]), directory('etcd')],
  [directory([example]), directory([example, etcd])],
  [directory([etcd, example]), directory([example])],
]

describe('a subtree', () => {
  it.each(INSIDE.map(title))('contains %s', (_, pair) => {
    expect(compared(...pair, 'contains')).toBe(true)
    expect(compared(...pair, 'overlaps')).toBe(true)
  })

  it.each(OUTSIDE.map(title))('does not hold %s', (_, pair) => {
    expect(compared(...pair, 'contains')).toBe(false)
  })

  it('contains a name whose value is not a string if its bytes are the same', () => {
    const unreadable: Attribute = ['CN', '_', TAG.printableString]
    expect(compared(directory([unreadable, example]), directory([unreadable]), 'contains')).toBe(true)
    expect(compared(directory([['CN', '*', TAG.universalString]]), directory([unreadable]), 'contains')).toBe(false)
  })

  it('contains no name of a kind that is not compared, and no directory name that was not read', () => {
    const unread: GeneralName = { kind: 'dirName', value: '', bytes: new Uint8Array() }
    expect(compared(other, other, 'contains')).toBe(false)
    expect(compared(unread, directory('x'), 'contains')).toBe(false)
    expect(compared(directory('x'), unread, 'contains')).toBe(false)
  })

  it.each([
    [directory('É'), directory('é')],
    [directory('ﬁle\u00a0①'), directory('file 1')],
    [directory([['CN', '1', 18]]), directory('1')],
  ])(
    'overlaps a directory name by RFC 4518, and contains it only as OpenSSL compares: $0.value',
    (name, constraint) => {
      expect(compared(name, constraint, 'contains')).toBe(false)
      expect(compared(name, constraint, 'overlaps')).toBe(true)
    },
  )

  it.each(
    pairs('dns', '*.example.com bar.example.com', '*.EXAMPLE.com bar.example.COM', '*.com example.com').map(title),
  )('overlaps the wildcard: %s', (_, pair) => {
    expect(compared(...pair, 'contains')).toBe(false)
    expect(compared(...pair, 'overlaps')).toBe(true)
  })

  it.each(
    [
      ...pairs('dns', '*.example.com a.bar.example.com', '*.example.com bar.example.org', 'xx.a.com bar.a.com'),
      ...pairs('email', '*.example.com bar.example.com'),
      ...pairs('uri', '*.example.com bar.example.com'),
    ].map(title),
  )('does not touch %s', (_, pair) => {
    expect(compared(...pair, 'overlaps')).toBe(false)
  })
})
