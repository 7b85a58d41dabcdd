import { isIPv6 } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatIp, isIpv4Mapped, parseIp } from '../../../src/x509/ip.js'
import { classifyHost, dnsNameCovers } from '../../../src/x509/names.js'

describe('classifyHost', () => {
  it.each([
    ['10.0.0.1', 'ip', '10.0.0.1'],
    ['::1', 'ip', '::1'],
    ['2001:DB8:0:0:0:0:0:1', 'ip', '2001:db8::1'],
    ['::ffff:10.0.0.1', 'ip', '::ffff:10.0.0.1'],
    ['localhost', 'dns', 'localhost'],
    ['Etcd-0.Etcd.', 'dns', 'etcd-0.etcd'],
    ['*.etcd.svc', 'dns', '*.etcd.svc'],
    ['my_etcd', 'dns', 'my_etcd'],
    ['bücher.example', 'dns', 'xn--bcher-kva.example'],
    ['1host.example', 'dns', '1host.example'],
    ['spiffe://cluster.local/ns/etcd', 'uri', 'spiffe://cluster.local/ns/etcd'],
  ])('takes %s for %s', (host, kind, value) => {
    expect(classifyHost(host)).toMatchObject({ kind, value })
  })

  it.each([
    '',
    '10.0.0.300',
    '10.0.0',
    '127.1',
    '010.0.0.1',
    '0x7f.0.0.1',
    '10.0.0.1:2379',
    '10.0.0.0/8',
    'etcd:2379',
    'http://a',
    'https://etcd-0:2379',
    '[::1]',
    '[::1]:2379',
    'fe80::1%eth0',
    'a..b',
    '.a',
    'a b',
    'a\n',
    '-a.b',
    'a-.b',
    '*',
    'a.*.b',
    'f*.b',
    '*.*.b',
    `${'a'.repeat(64)}.b`,
    `${'a.'.repeat(130)}b`,
    'spiffe://',
    'urn:x',
    'a/b',
    'user@host',
    5,
    null,
    undefined,
  ])('refuses %j, naming the option', (host) => {
    expect(() => classifyHost(host, 'hosts[3]')).toThrow(
      expect.objectContaining({
        code: 'ERR_OPTION_INVALID',
        details: expect.objectContaining({ option: 'hosts[3]' }) as object,
      }) as Error,
    )
  })
})

describe('IP addresses', () => {
  it('come back from their bytes, and agree with the address they came from', () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const parsed = parseIp(text)
        if (parsed === null) return text.includes('%') || !isIPv6(text)
        const formatted = formatIp(parsed)
        return isIPv6(formatted) && Buffer.compare(parseIp(formatted) ?? Buffer.alloc(0), parsed) === 0
      }),
    )
    fc.assert(fc.property(fc.ipV4(), (text) => formatIp(parseIp(text) ?? new Uint8Array()) === text))
  })

  it.each([
    ['::', '::'],
    ['1::', '1::'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['1:0:0:2:0:0:3:4', '1::2:0:0:3:4'],
    ['1:2:3:4:5:6:0:0', '1:2:3:4:5:6::'],
    ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ])('are written as RFC 5952 says: %s', (text, canonical) => {
    expect(formatIp(parseIp(text) ?? new Uint8Array())).toBe(canonical)
  })
})

it('an IPv4-mapped address has 16 octets (RFC 4291 section 2.5.5.2)', () => {
  expect(isIpv4Mapped(parseIp('::ffff:0.0.0.0') ?? new Uint8Array())).toBe(true)
  expect(isIpv4Mapped(parseIp('::fffe:0.0.0.0') ?? new Uint8Array())).toBe(false)
  expect(isIpv4Mapped(new Uint8Array(4))).toBe(false)
})

describe('dnsNameCovers', () => {
  it.each([
    ['a.b.c', 'a.b.c', true],
    ['A.B.c', 'a.b.c', true],
    ['a.b.c.', 'a.b.c', false],
    ['*.b.c', 'a.b.c', true],
    ['*.b.c', 'b.c', false],
    ['*.b.c', 'x.a.b.c', false],
    ['*.b.c', '.b.c', false],
    ['*.c', 'b.c', false],
    ['*', 'c', false],
    ['a*.b.c', 'ax.b.c', false],
    ['*.b.c', '*.b.c', true],
    ['*.*.c', 'a.b.c', false],
    ['', '', false],
    ['a b.c', 'a b.c', false],
    ['a.b.c', 'xa.b.c', false],
  ])('%j over %j: %s', (name, host, covered) => {
    expect(dnsNameCovers(name, host)).toBe(covered)
  })
})
