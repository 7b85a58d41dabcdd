/** One name against one subtree (RFC 5280 section 4.2.1.10), kind by kind. */
import { describe, expect, it } from 'vitest'
import {
  comparable,
  type Comparable,
  COMPARED_KINDS,
  constraintProblem,
  Subtrees,
} from '../../../src/validate/checks/name-constraint-match.js'
import { DerReader } from '../../../src/x509/der.js'
import { DistinguishedName } from '../../../src/x509/distinguished-name.js'
import type { GeneralName } from '../../../src/x509/general-name.js'
import { addressBytes, encodeName, ipRange, TAG, type Attribute, type Name } from '../../support/mint.js'

const text =
  (kind: 'dns' | 'email' | 'uri') =>
  (value: string): GeneralName => ({ kind, value, bytes: Buffer.from(value) })
const dns = text('dns')
const email = text('email')
const uri = text('uri')
const ip = (address: string): GeneralName => ({ kind: 'ip', value: address, bytes: addressBytes(address) })
const range = (value: string): GeneralName => ({ kind: 'ip', value, bytes: ipRange(value).subarray(2) })
const masked = (address: string, mask: string): GeneralName => ({
  kind: 'ip',
  value: `${address}/${mask}`,
  bytes: Buffer.concat([addressBytes(address), addressBytes(mask)]),
})
const directory = (name: Name): GeneralName => {
  const directoryName = DistinguishedName.read(new DerReader(encodeName(name)), 'name')
  return { kind: 'dirName', value: directoryName.toString(), bytes: directoryName.raw, directoryName }
}
const other: GeneralName = { kind: 'otherName', value: '00', bytes: new Uint8Array(1) }

const isComparable = (name: GeneralName): boolean => comparable(name) !== null

const compared =
  (compare: (subtrees: Subtrees, name: Comparable) => GeneralName | null) =>
  (name: GeneralName, constraint: GeneralName): boolean => {
    const prepared = comparable(name)
    const subtrees = new Subtrees(constraint.kind)
    subtrees.add(constraint)
    return prepared !== null && compare(subtrees, prepared) === constraint
  }
const isWithin = compared((subtrees, name) => subtrees.holding(name))
const isTouched = compared((subtrees, name) => subtrees.touching(name))

describe('the form of a constraint', () => {
  it.each([
    dns(''),
    dns('svc'),
    dns('etcd.svc'),
    range('10.0.0.0/8'),
    range('10.1.0.1/16'),
    range('0.0.0.0/0'),
    range('10.0.0.1/32'),
    range('fd00::/7'),
    email('example.com'),
    email('.example.com'),
    email('me@example.com'),
    email('"a@b"@example.com'),
    uri('cluster'),
    dns('.etcd.svc'),
    uri('.example.com'),
    directory('x'),
    other,
  ])('$kind $value is well-formed', (constraint) => {
    expect(constraintProblem(constraint)).toBeNull()
  })

  it.each([
    [dns('..etcd.svc'), 'is not a DNS name'],
    [dns('.'), 'is not a DNS name'],
    [dns('*.svc'), 'is not a DNS name'],
    [dns('a b'), 'is not a DNS name'],
    [masked('10.0.0.0', '255.0.255.0'), 'has a mask with gaps'],
    [masked('10.0.0.0', '253.0.0.0'), 'has a mask with gaps'],
    [masked('10.0.0.0', '254.255.0.0'), 'has a mask with gaps'],
    [masked('10.0.0.0', '0.0.0.1'), 'has a mask with gaps'],
    [masked('10.0.0.0', '0.128.0.0'), 'has a mask with gaps'],
    [email('@example.com'), 'has no mailbox before the @'],
    [email('me@.example.com'), 'is neither a mailbox nor a host'],
    [email('me@'), 'is neither a mailbox nor a host'],
    [email('*.example.com'), 'is neither a mailbox nor a host'],
    [email(''), 'is neither a mailbox nor a host'],
    [uri('10.0.0.1'), 'is not a host name'],
    [uri('::1'), 'is not a host name'],
    [uri('https://a'), 'is not a host name'],
    [uri('..a'), 'is not a host name'],
    [uri(''), 'is not a host name'],
  ])('$0.kind "$0.value" $1', (constraint, problem) => {
    expect(constraintProblem(constraint)).toBe(problem)
  })
})

describe('names that can be compared', () => {
  it.each([
    dns('etcd.svc'),
    dns('*.etcd.svc'),
    email('me@example.com'),
    email("a!#$%&'*+-/=?^_`{|}~.Z9@example.com"),
    email('"a b"@example.com'),
    email('""@example.com'),
    email('"a@b"@example.com'),
    uri('spiffe://cluster'),
    uri('spiffe://cluster/etcd'),
    uri('HTTPS://Example.com:8443/x'),
    uri('https://example.com:/'),
    uri('https://example.com?x'),
    uri('https://example.com#x'),
    uri('a://b'),
    uri('a1+.-b://c'),
    ip('10.0.0.1'),
    directory('x'),
    other,
  ])('$kind $value', (name) => {
    expect(isComparable(name)).toBe(true)
  })

  it.each([
    dns('a b'),
    dns('.etcd.svc'),
    dns(''),
    email('no mailbox'),
    email('@example.com'),
    email('example.com'),
    email('a b@example.com'),
    email(' a@example.com'),
    email('a @example.com'),
    email('"a@example.com'),
    email('a"@example.com'),
    email('"a"b"@example.com'),
    email('x"a"@example.com'),
    email('"a"x@example.com'),
    email('"a\\"@example.com'),
    email('me@*.example.com'),
    email('me@'),
    // OpenSSL takes the user for a part of the host.
    uri('https://user:secret@example.com/'),
    uri('https://@example.com'),
    uri('urn:uuid:1'),
    uri('etcd'),
    uri('//example.com'),
    uri('1a://example.com'),
    uri(' a://example.com'),
    uri('https:///x'),
    uri('https://[::1]/'),
    uri('https://10.0.0.1/'),
    uri('https://*.example.com/'),
    uri('https://example.com:x/'),
    uri('https://example.com:80x'),
    uri('https://a b/'),
  ])('not $kind "$value"', (name) => {
    expect(isComparable(name)).toBe(false)
  })
})

type Pair = readonly [name: GeneralName, constraint: GeneralName]

const INSIDE: readonly Pair[] = [
  [dns('etcd.svc'), dns('')],
  [dns('etcd.svc'), dns('etcd.svc')],
  [dns('ETCD.svc'), dns('etcd.SVC')],
  [dns('a.b.etcd.svc'), dns('etcd.svc')],
  [dns('*.etcd.svc'), dns('etcd.svc')],
  [dns('*.a.etcd.svc'), dns('etcd.svc')],
  [ip('10.255.0.1'), range('10.0.0.0/8')],
  [ip('10.255.0.1'), range('10.1.2.3/8')],
  [ip('10.128.0.0'), range('10.255.0.0/9')],
  [ip('192.168.0.1'), range('0.0.0.0/0')],
  [ip('fdff::1'), range('fd00::/8')],
  [email('me@example.com'), email('example.com')],
  [email('me@EXAMPLE.com'), email('example.COM')],
  [email('me@a.example.com'), email('.example.com')],
  [email('me@example.com'), email('me@Example.com')],
  [email('"a@b"@example.com'), email('"a@b"@example.com')],
  [uri('spiffe://cluster/etcd'), uri('cluster')],
  [uri('https://Example.com:8443/'), uri('example.COM')],
  [uri('https://a.b.example.com'), uri('.example.com')],
  [uri('https://a/@example.com'), uri('a')],
  [directory('etcd'), directory([])],
  [directory('etcd'), directory('etcd')],
  [directory('Etcd'), directory([['CN', 'etcd', TAG.printableString]])],
  [
    directory([
      ['O', 'Example'],
      ['CN', 'etcd'],
    ]),
    directory([['O', 'example']]),
  ],
]

const OUTSIDE: readonly Pair[] = [
  [dns('xetcd.svc'), dns('etcd.svc')],
  [dns('svc'), dns('etcd.svc')],
  [dns('etcd.svc.local'), dns('etcd.svc')],
  [dns('*.svc'), dns('etcd.svc')],
  [dns('a.*.etcd.svc'), dns('a.etcd.svc')],
  [ip('11.0.0.1'), range('10.0.0.0/8')],
  [ip('10.127.0.0'), range('10.255.0.0/9')],
  [ip('10.0.0.1'), range('::/0')],
  [ip('::1'), range('0.0.0.0/0')],
  [ip('fe80::1'), range('fd00::/8')],
  [email('me@a.example.com'), email('example.com')],
  [email('me@example.com'), email('.example.com')],
  [email('you@example.com'), email('me@example.com')],
  [email('Me@example.com'), email('me@example.com')],
  [email('me@example.org'), email('me@example.com')],
  [email('no mailbox'), email('example.com')],
  [uri('https://example.com'), uri('.example.com')],
  [uri('https://a.example.com'), uri('example.com')],
  [uri('https://a.b.example.org'), uri('.example.com')],
  [uri('urn:x'), uri('.example.com')],
  [uri('https://a/@example.com'), uri('example.com')],
  [uri('https://example.com@a/'), uri('example.com')],
  [directory('etcd'), directory('other')],
  [directory([['O', 'etcd']]), directory('etcd')],
  [
    directory([['O', 'Example']]),
    directory([
      ['O', 'Example'],
      ['CN', 'etcd'],
    ]),
  ],
  [
    directory([
      ['CN', 'etcd'],
      ['O', 'Example'],
    ]),
    directory([['O', 'Example']]),
  ],
]

const title = ([name, constraint]: Pair): [string, Pair] => [
  `${name.kind} "${name.value}" and "${constraint.value}"`,
  [name, constraint],
]

describe('a permitted subtree', () => {
  it.each(INSIDE.map(title))('holds %s', (_, [name, constraint]) => {
    expect(isWithin(name, constraint)).toBe(true)
    expect(isTouched(name, constraint)).toBe(true)
  })

  it.each(OUTSIDE.map(title))('does not hold %s', (_, [name, constraint]) => {
    expect(isWithin(name, constraint)).toBe(false)
  })

  it('holds a name whose value is no string, where it is the same bytes', () => {
    const unreadable: Attribute = ['CN', '_', TAG.printableString]
    expect(isWithin(directory([unreadable, ['O', 'x']]), directory([unreadable]))).toBe(true)
    expect(isWithin(directory([['CN', '*', TAG.universalString]]), directory([unreadable]))).toBe(false)
  })

  it('holds no name of a kind that is not compared', () => {
    expect(isWithin(other, other)).toBe(false)
    expect(COMPARED_KINDS.has('otherName')).toBe(false)
    expect([...COMPARED_KINDS].sort()).toEqual(['dirName', 'dns', 'email', 'ip', 'uri'])
  })

  it('holds no directory name that was not read', () => {
    const unread: GeneralName = { kind: 'dirName', value: '', bytes: new Uint8Array() }
    expect(isWithin(unread, directory('x'))).toBe(false)
    expect(isWithin(directory('x'), unread)).toBe(false)
  })
})

const TOUCHED: readonly Pair[] = [
  [dns('*.example.com'), dns('bar.example.com')],
  [dns('*.EXAMPLE.com'), dns('bar.example.COM')],
  [dns('*.com'), dns('example.com')],
]

const UNTOUCHED: readonly Pair[] = [
  [dns('*.example.com'), dns('a.bar.example.com')],
  [dns('*.example.com'), dns('bar.example.org')],
  [dns('xx.example.com'), dns('bar.example.com')],
  [email('*.example.com'), email('bar.example.com')],
  [uri('*.example.com'), uri('bar.example.com')],
]

describe('an excluded subtree', () => {
  it.each(TOUCHED.map(title))('touches the wildcard: %s', (_, [name, constraint]) => {
    expect(isWithin(name, constraint)).toBe(false)
    expect(isTouched(name, constraint)).toBe(true)
  })

  it.each(UNTOUCHED.map(title))('does not touch: %s', (_, [name, constraint]) => {
    expect(isTouched(name, constraint)).toBe(false)
  })
})
