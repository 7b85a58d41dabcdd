/** Hosts as people write them: how each is read, and with which words it is refused; and which names cover it. */
import { describe, expect, it } from 'vitest'
import type { GeneralName } from '../../../src/x509/general-name.js'
import { parseIp } from '../../../src/x509/ip.js'
import {
  classifyHost,
  dnsNameCovers,
  findCoveringName,
  isDnsPattern,
  readHost,
  wildcardIsUsable,
  type Host,
} from '../../../src/x509/names.js'

const label = (length: number): string => 'a'.repeat(length)
/** A name of so many characters, between 192 and 256. */
const nameOf = (length: number): string => [label(63), label(63), label(63), label(length - 192)].join('.')

const WILDCARD = 'must have a wildcard only as the whole leftmost label, as *.etcd.svc'
const NEITHER = 'must be a whole IP address or a DNS name, and is neither'
const LETTERS = 'must consist of letters, digits, hyphens and dots'
const BLANK = 'must not contain white space or control characters'
const NO_URI = 'must be a URI with a scheme and an authority, such as spiffe://cluster/etcd'
const ENDPOINT = 'must be the host alone, not the URL of an endpoint'
const LABEL = 'must not have a label of more than 63 characters'
const LONG = 'must be a DNS name of at most 253 characters'

describe('a host is refused', () => {
  it.each<[unknown, string]>([
    [5, 'must be a string'],
    [null, 'must be a string'],
    ['', 'must not be empty'],
    [' ', BLANK],
    ['a b', BLANK],
    ['a\n', BLANK],
    ['a\u0000', BLANK],
    ['a\u200bb', BLANK],
    ['\u202ea', BLANK],
    ['[::1]', 'must be the bare address, without brackets or port'],
    ['[::1]:2379', 'must be the bare address, without brackets or port'],
    ['fe80::1%eth0', 'must not carry a zone id: certificates know none'],
    ['10.0.0.0/8', 'must be one host: no path and no address range'],
    ['a/b', 'must be one host: no path and no address range'],
    ['etcd:2379', 'must be the host alone, without a port'],
    ['1:2', 'must be the host alone, without a port'],
    ['*', WILDCARD],
    ['*.*.a', WILDCARD],
    ['a.*.b', WILDCARD],
    ['f*.b', WILDCARD],
    ['**.b', WILDCARD],
    ['.', 'must be a DNS name that IDNA can convert'],
    ['a\u0378', 'must be a DNS name that IDNA can convert'],
    ['a..b', 'must not have an empty label'],
    ['.a', 'must not have an empty label'],
    ['a..', 'must not have an empty label'],
    ['*..a', 'must not have an empty label'],
    [`${label(64)}.b`, LABEL],
    [`a.${label(64)}`, LABEL],
    ['-a', LETTERS],
    ['a-', LETTERS],
    ['a.-', LETTERS],
    ['user@host', LETTERS],
    ['a!b', LETTERS],
    ['10.0.0.300', NEITHER],
    ['10.0.0', NEITHER],
    ['127.1', NEITHER],
    ['1', NEITHER],
    ['*.1', NEITHER],
    ['a.0x', NEITHER],
    ['a.0X7F', NEITHER],
    [nameOf(254), LONG],
    [`*.${nameOf(252)}`, LONG],
    ['://a', NO_URI],
    ['spiffe://', NO_URI],
    ['spiffe:///a', NO_URI],
    ['spiffe://?a', NO_URI],
    ['spiffe://#a', NO_URI],
    ['1a://b', NO_URI],
    ['-a://b', NO_URI],
    ['a_b://c', NO_URI],
    ['x/a://b', NO_URI],
    ['https://etcd-0:2379', ENDPOINT],
    ['HTTPS://etcd-0', ENDPOINT],
    [`spiffe://a/${'x'.repeat(2038)}`, 'must be a URI of at most 2048 characters'],
    ['spiffe://a/ü', 'must be a URI in ASCII; escape other characters by %'],
    ['spiffe://ü/a', 'must be a URI in ASCII; escape other characters by %'],
  ])('%j: %s', (host, refused) => {
    expect(readHost(host)).toEqual({ refused })
  })

  it.each(['http', 'https', 'tcp', 'grpc', 'grpcs', 'dns', 'unix', 'unixs', 'etcd', 'ws', 'wss', 'file'])(
    'as the URL of an endpoint: %s://a',
    (scheme) => {
      expect(readHost(`${scheme}://a`)).toEqual({ refused: ENDPOINT })
    },
  )

  it('by an error that names the option and shows the host', () => {
    expect(() => classifyHost('a b', 'hosts[3]')).toThrow(
      expect.objectContaining({
        message: `Option "hosts[3]" ${BLANK} (it is 'a b')`,
        details: expect.objectContaining({ option: 'hosts[3]' }) as unknown,
      }) as Error,
    )
    expect(() => classifyHost(5)).toThrow('Option "hosts" must be a string')
  })
})

describe('a host is read', () => {
  it.each([
    ['a', 'a'],
    ['A.B.', 'a.b'],
    ['*.A.b.', '*.a.b'],
    ['a_b', 'a_b'],
    ['_a', '_a'],
    ['a-b.c--d', 'a-b.c--d'],
    ['9a.b', '9a.b'],
    ['1.a', '1.a'],
    ['a.1b', 'a.1b'],
    ['a.b1', 'a.b1'],
    ['a.0xg', 'a.0xg'],
    ['a.x0xf', 'a.x0xf'],
    ['0x.a', '0x.a'],
    ['Bücher.example', 'xn--bcher-kva.example'],
    ['*.bücher.example', '*.xn--bcher-kva.example'],
    [`${label(63)}.b`, `${label(63)}.b`],
    [nameOf(253), nameOf(253)],
    [`*.${nameOf(251)}`, `*.${nameOf(251)}`],
  ])('%s as the DNS name %s', (host, value) => {
    expect(readHost(host)).toEqual({ host: { kind: 'dns', value } })
  })

  it.each(['spiffe://Cluster/Etcd', 'a://b', 'a1+.-b://c', 'spiffe://a?b', `spiffe://a/${'x'.repeat(2037)}`])(
    '%.30s as a URI, as it is written',
    (value) => {
      expect(readHost(value)).toEqual({ host: { kind: 'uri', value } })
    },
  )

  it('as an address, with its octets', () => {
    expect(readHost('0:0::1')).toEqual({ host: { kind: 'ip', value: '::1', bytes: parseIp('::1') } })
    expect(readHost('10.0.0.1')).toEqual({ host: { kind: 'ip', value: '10.0.0.1', bytes: parseIp('10.0.0.1') } })
  })
})

describe('a name covers a host', () => {
  const text = (kind: 'dns' | 'uri' | 'email', value: string): GeneralName => ({
    kind,
    value,
    bytes: Buffer.from(value),
  })
  const address = (value: string): GeneralName => ({ kind: 'ip', value, bytes: parseIp(value) ?? new Uint8Array() })
  const covering = (names: readonly GeneralName[], host: Host): string | null =>
    findCoveringName(names, host)?.value ?? null

  it('of its own kind, the first that does', () => {
    const names = [text('uri', 'a.b.c'), text('email', 'a.b.c'), text('dns', '*.b.c'), text('dns', 'a.b.c')]
    expect(covering(names, { kind: 'dns', value: 'a.b.c' })).toBe('*.b.c')
    expect(covering(names.slice(0, 2), { kind: 'dns', value: 'a.b.c' })).toBeNull()
  })

  it('by the octets of an address', () => {
    const host = classifyHost('::1')
    expect(covering([address('::2'), address('::1')], host)).toBe('::1')
    expect(covering([text('dns', '::1')], host)).toBeNull()
    expect(covering([{ kind: 'ip', value: '::1', bytes: new Uint8Array() }], { kind: 'ip', value: '::1' })).toBeNull()
  })

  it.each([
    ['spiffe://cluster/a', 'SPIFFE://Cluster/a', true],
    ['spiffe://cluster', 'spiffe://CLUSTER', true],
    ['spiffe://cluster/a', 'spiffe://cluster/A', false],
    ['spiffe://cluster?a', 'spiffe://cluster?A', false],
    ['spiffe://cluster#a', 'spiffe://cluster#A', false],
    ['urn:a', 'urn:A', false],
    ['x/y://c', 'x/y://C', false],
    ['spiffe://cluster/a', 'spiffe://cluster/b', false],
    ['spiffe://cluster/a', 'spiffe://other/a', false],
    ['spiffe://cluster/a', 'other://cluster/a', false],
    ['spiffe://cluster', 'spiffe://other', false],
  ])('of a URI (SPIFFE-ID section 2): %s and %s: %s', (name, value, covered) => {
    expect(covering([text('uri', name)], { kind: 'uri', value }) !== null).toBe(covered)
  })

  it.each([
    ['*.b.c', 'a.b.c', true],
    ['*.B.C', 'a.b.c', true],
    ['*.b.c', 'xn--a.b.c', true],
    ['*.b.c', 'a.xb.c', false],
    ['*.b.c', '*.b.c', true],
    ['*.b.c', '*.a.b.c', false],
    ['*.b_.c', 'a.b_.c', true],
    ['*.-b.c', 'a.-b.c', false],
    ['*.c', 'a.c', false],
    ['*.c', '*.c', true],
    ['x*.b.c', 'x*.b.c', false],
    ['a.b.c', 'b.c', false],
  ])('of DNS: %s and %s: %s', (name, host, covered) => {
    expect(dnsNameCovers(name, host)).toBe(covered)
  })
})

describe('a DNS name of a certificate', () => {
  it.each(['a', 'A.b', '*.a', '*.a.b', 'a_b', `${label(63)}.a`, nameOf(253), '1.2'])('may be %.20s', (name) => {
    expect(isDnsPattern(name)).toBe(true)
  })

  it.each(['', '*', 'a.*', '*a.b', '**.a', '*.*.a', 'a.', '.a', '-a', 'a b', `${label(64)}.a`, nameOf(254)])(
    'is not %.20j',
    (name) => {
      expect(isDnsPattern(name)).toBe(false)
    },
  )

  it('with an asterisk has two labels beside it, or Node does not use it', () => {
    expect(wildcardIsUsable('*.a.b')).toBe(true)
    expect(wildcardIsUsable('*.a')).toBe(false)
    expect(wildcardIsUsable('*.a..b')).toBe(false)
  })
})
