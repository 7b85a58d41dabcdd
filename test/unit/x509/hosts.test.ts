/** Hosts as users write them (names.ts): how each is read or refused; and which names of a certificate cover them. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { GeneralName } from '../../../src/x509/general-name.js'
import { parseIp } from '../../../src/x509/ip.js'
import {
  classifyHost,
  coveringNameFinder,
  dnsNameCovers,
  findCoveringName,
  isDnsPattern,
  readHost,
  isUsableWildcard,
  type Host,
} from '../../../src/x509/names.js'
import { scaled } from '../../support/long.js'
import { thrown } from '../../support/refused.js'

const label = (length: number): string => 'a'.repeat(length)
/** A name of 192 to 255 characters. */
const nameOf = (length: number): string => [label(63), label(63), label(63), label(length - 192)].join('.')

describe('readHost', () => {
  it.each<[string, unknown[]]>([
    ['must be a string', [5, null]],
    ['must not be empty', ['']],
    ['must not contain white space or control characters', [' ', 'a b', 'a\n', 'a\u0000', 'a\u200bb', '\u202ea']],
    ['must be the bare address, without brackets or port', ['[::1]', '[::1]:2379']],
    ['must not carry a zone id: certificates know none', ['fe80::1%eth0']],
    ['must be one host: no path and no address range', ['10.0.0.0/8', 'a/b']],
    ['must be the host alone, without a port', ['etcd:2379', '10.0.0.1:2379', '1:2', 'urn:x']],
    ['must have a wildcard only as the whole leftmost label, as *.etcd.svc', ['*', '*.*.a', 'a.*.b', 'f*.b', '**.b']],
    ['must be a DNS name that IDNA can convert', ['.', 'a\u0378']],
    ['must not have an empty label', ['a..b', '.a', 'a..', '*..a']],
    ['must not have a label of more than 63 characters', [`${label(64)}.b`, `a.${label(64)}`]],
    ['must consist of letters, digits, hyphens and dots', ['-a', 'a-', 'a.-', 'user@host', 'a!b']],
    [
      'must be a whole IP address or a DNS name, and is neither',
      ['10.0.0.300', '10.0.0', '010.0.0.1', '1', '*.1', 'a.0x', 'a.0X7F'],
    ],
    ['must be a DNS name of at most 253 characters', [nameOf(254), `*.${nameOf(252)}`]],
    [
      'must be a URI with a scheme and an authority, such as spiffe://cluster/etcd',
      ['://a', 'spiffe://', 'spiffe:///a', 'spiffe://?a', 'spiffe://#a', '1a://b', '-a://b', 'a_b://c', 'x/a://b'],
    ],
    [
      'must be the host alone, not the URL of an endpoint',
      ['http', 'HTTPS', 'tcp', 'grpc', 'grpcs', 'dns', 'unix', 'unixs', 'etcd', 'ws', 'wss', 'file'].map(
        (scheme) => `${scheme}://etcd-0:2379`,
      ),
    ],
    ['must be a URI of at most 2048 characters', [`spiffe://a/${'x'.repeat(2038)}`]],
    ['must be a URI in ASCII; escape other characters by %', ['spiffe://a/ü', 'spiffe://ü/a']],
  ])('refuses a value that %s', (refused, hosts) => {
    expect(hosts.map(readHost)).toEqual(hosts.map(() => ({ refused })))
  })

  it.each([
    ['A.B.', 'a.b'],
    ['*.A.b.', '*.a.b'],
    ['_a_b', '_a_b'],
    ['a-b.c--d', 'a-b.c--d'],
    ['9a.1b', '9a.1b'],
    ['a.0xg', 'a.0xg'],
    ['a.x0xf', 'a.x0xf'],
    ['Bücher.example', 'xn--bcher-kva.example'],
    ['*.bücher.example', '*.xn--bcher-kva.example'],
    [`${label(63)}.b`, `${label(63)}.b`],
    [nameOf(253), nameOf(253)],
    [`*.${nameOf(251)}`, `*.${nameOf(251)}`],
  ])('reads %.30s as a DNS name', (host, value) => {
    expect(readHost(host)).toEqual({ host: { kind: 'dns', value } })
  })

  it('reads a URI as it is written, and an address with its bytes', () => {
    for (const value of ['spiffe://Cluster/Etcd', 'a1+.-b://c', 'spiffe://a?b', `spiffe://a/${'x'.repeat(2037)}`]) {
      expect(readHost(value)).toEqual({ host: { kind: 'uri', value } })
    }
    for (const [host, value] of [
      ['0:0::1', '::1'],
      ['10.0.0.1', '10.0.0.1'],
    ] as const) {
      expect(readHost(host)).toEqual({ host: { kind: 'ip', value, bytes: parseIp(value) } })
    }
  })

  it('an error names the option and shows the host', () => {
    const { message, details } = thrown(() => classifyHost('a b', 'hosts[3]'), 'ERR_OPTION_INVALID')
    expect(message).toBe('Option "hosts[3]" must not contain white space or control characters; received "a b"')
    expect(details).toMatchObject({ option: 'hosts[3]' })
    expect(() => classifyHost(undefined)).toThrow('Option "hosts" is missing')
  })
})

describe('a name covers a host', () => {
  const text = (kind: 'dns' | 'uri' | 'email', value: string): GeneralName => ({
    kind,
    value,
    bytes: Buffer.from(value),
  })
  const address = (value: string): GeneralName => ({ kind: 'ip', value, bytes: parseIp(value) ?? new Uint8Array() })
  const names = [
    text('uri', 'spiffe://cluster/a'),
    text('email', 'a.b.c'),
    text('dns', 'x.B.c'),
    text('dns', '*.b.c'),
    text('dns', 'a.b.c'),
    text('dns', 'x.b.c'),
    address('::2'),
    address('::1'),
    text('dns', '::3'),
  ]

  it.each<[string, string | null]>([
    ['a.b.c', '*.b.c'],
    ['x.b.c', 'x.B.c'],
    ['*.b.c', '*.b.c'],
    ['y.a.b.c', null],
    ['b.c', null],
    ['::1', '::1'],
    ['::3', null],
    ['spiffe://CLUSTER/a', 'spiffe://cluster/a'],
    ['spiffe://cluster/A', null],
  ])('a name covers a host of its own kind, the first that does: %s by %s', (asked, name) => {
    expect(findCoveringName(names, classifyHost(asked))?.value ?? null).toBe(name)
  })

  it('a name covers a host of its own kind, also if an index for many hosts is asked', () => {
    const parts = fc.array(fc.constantFrom('a', 'B', 'svc', '*', 'x_y', ''), { minLength: 1, maxLength: 4 })
    const name = fc.oneof(
      parts.map((each) => text('dns', each.join('.'))),
      fc.ipV4().map(address),
      fc.constantFrom('spiffe://A/b', 'spiffe://a/b', 'SPIFFE://a/b').map((each) => text('uri', each)),
    )
    const hosts = 'a.svc *.svc x_y.b.svc svc 1.2.3.4 spiffe://a/b a.b.c x.b.c *.b.c ::1 ::3'
      .split(' ')
      .map((each) => classifyHost(each))
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 30 }), (all) => {
        const find = coveringNameFinder([...all, ...names], 10_000)
        for (const each of hosts) expect(find(each)).toBe(findCoveringName([...all, ...names], each))
      }),
      { numRuns: scaled({ short: 100, long: 500 }) },
    )
  })

  it('a name covers a host by the bytes of an address', () => {
    const unread: Host = { kind: 'ip', value: '::1' }
    expect(findCoveringName([{ kind: 'ip', value: '::1', bytes: new Uint8Array() }], unread)).toBeNull()
  })

  it.each([
    [true, ['spiffe://Cluster/a SPIFFE://cluster/a', 'spiffe://cluster spiffe://CLUSTER']],
    [false, ['spiffe://c?a spiffe://c?A', 'spiffe://c#a spiffe://c#A', 'urn:a urn:A', 'x/y://c x/y://C']],
    [false, ['spiffe://c/a spiffe://c/b', 'spiffe://c/a spiffe://d/a', 'spiffe://c/a other://c/a']],
  ])('a name covers URIs (SPIFFE-ID section 2): %s', (covered, pairs) => {
    for (const pair of pairs) {
      const [name = '', value = ''] = pair.split(' ')
      expect(findCoveringName([text('uri', name)], { kind: 'uri', value }) !== null, pair).toBe(covered)
    }
  })

  it.each([
    [true, ['a.b.c a.b.c', 'A.B.c a.b.c', '*.B.C a.b.c', '*.b.c xn--a.b.c', '*.b_.c a.b_.c', '*.b.c *.b.c', '*.c *.c']],
    [false, ['a.b.c. a.b.c', '*.b.c b.c', '*.b.c x.a.b.c', '*.b.c .b.c', '*.b.c *.a.b.c', '*.b.c a.xb.c', 'a.b.c b.c']],
    [false, ['*.c b.c', '* c', 'a*.b.c ax.b.c', 'x*.b.c x*.b.c', '*.*.c a.b.c', '*.-b.c a.-b.c', 'a.b.c xa.b.c', ' ']],
  ])('a name covers DNS names: %s', (covered, pairs) => {
    for (const pair of pairs) {
      const [name = '', host = ''] = pair.split(' ')
      expect(dnsNameCovers(name, host), pair).toBe(covered)
    }
  })
})

it("a certificate's DNS name has labels that are not empty, and a wildcard only as the whole leftmost label", () => {
  const good = ['a', 'A.b', '*.a', '*.a.b', 'a_b', `${label(63)}.a`, nameOf(253), '1.2']
  const bad = ['', '*', 'a.*', '*a.b', '**.a', '*.*.a', 'a.', '.a', '-a', 'a b', `${label(64)}.a`, nameOf(254)]
  expect(good.filter((name) => !isDnsPattern(name))).toEqual([])
  expect(bad.filter((name) => isDnsPattern(name))).toEqual([])
  // Node requires two labels next to the asterisk.
  expect(['*.a.b', '*.a', '*.a..b'].map(isUsableWildcard)).toEqual([true, false, false])
})
