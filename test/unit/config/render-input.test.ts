/** Values that are odd, hostile, missing or far too many. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { MemberConfig } from '../../../src/config/model.js'
import { renderEtcdConfig } from '../../../src/config/render/render.js'
import { readPlainUrl } from '../../../src/config/url.js'
import { parseDocument } from 'yaml'
import { memberConfig, type ConfigChanges } from '../../support/member-config.js'
import { thrown } from '../../support/refused.js'

describe('a URL', () => {
  it.each([
    ['https://10.0.0.1:2379', 'listen'],
    ['https://[2001:db8::1]:1', 'listen'],
    ['http://localhost:65535', 'listen'],
    ['https://etcd-0.example.com:2379', 'advertise'],
    ['https://etcd_0:2379', 'advertise'],
  ] as const)('%s is accepted to %s', (text, use) => {
    expect(readPlainUrl(text, use)).toHaveProperty('url')
  })

  it.each([
    ['', 'has no scheme, such as "https://"'],
    ['https:10.0.0.1:2379', 'has no scheme, such as "https://"'],
    ['HTTPS://10.0.0.1:2379', 'has the scheme "HTTPS" in place of "https"'],
    ['unixs://localhost:2379', 'is a unix socket'],
    ['https://10.0.0.1', 'does not have the form "host:port"'],
    ['https://10.0.0.1:0', 'has an invalid port'],
    ['https://10.0.0.1:02379', 'has an invalid port'],
    ['https://10.0.0.1:65536', 'does not have the form "host:port"'],
    ['https://10.0.0.1:2379/', 'must not have a path, not even "/"'],
    ['https://10.0.0.1:2379?a', 'has something after the port'],
    ['https://root:secret@10.0.0.1:2379', 'contains a user name'],
    ['https://[10.0.0.1]:2379', 'has brackets, but not around an IPv6 address'],
    ['https://[fe80::1%25eth0]:2379', 'has a host that must not carry a zone id: certificates know none'],
    ['https://10.0.0.300:2379', /^has a host that must/],
    ['https://10.0.0.1:2379 ', 'does not have the form "host:port"'],
    ['https://10.0.0.1:2379,https://10.0.0.2:2379', 'must not have a path, not even "/"'],
    ['https://eté.example:2379', 'has a host that is not ASCII, and needs its "xn--" form'],
    ['https://*.example.com:2379', 'has an invalid host'],
    [`https://${'a'.repeat(400)}:2379`, 'is longer than 300 characters'],
    ['https://0.0.0.0:2379', 'has the wildcard address, which others cannot connect to'],
  ])('%j is refused', (text, reason) => {
    expect(readPlainUrl(text, 'advertise')).toEqual({
      refused: typeof reason === 'string' ? reason : (expect.stringMatching(reason) as string),
    })
  })

  it('a URL to listen on has an address, not a name', () => {
    const refused = expect.stringContaining('not a host name') as string
    expect(readPlainUrl('https://etcd-0:2379', 'listen')).toEqual({ refused })
  })
})

describe('strings', () => {
  it.each([
    ['a line break', 'a\nb'],
    ['an escape', 'a\u001b[31m'],
    ['a line separator', 'a\u2028b'],
    ['half a character', 'a\ud800'],
    ['no characters', ''],
  ])('refuses strings with %s, in every form and in every place', (_, text) => {
    const odd: ConfigChanges[] = [
      { dataDir: text },
      { client: { trustedCaFile: text } },
      { initialClusterToken: text },
      { peer: { allowedHostname: ['a', text] } },
      { name: text, initialCluster: { [text]: ['https://10.0.0.1:2380'] } },
    ]
    for (const changes of odd) {
      for (const form of ['yaml', 'flags', 'env'] as const) {
        const { details, message } = thrown(
          () => renderEtcdConfig(memberConfig(changes), form, { version: '3.6' }),
          'ERR_CONFIG_INVALID',
        )
        expect(new Set(details.findings.map(({ code }) => code))).toEqual(new Set(['config/value-invalid']))
        expect(message).not.toMatch(/[\0-\u001f\u0085\u2028]/)
      }
    }
  })

  it.each(['a=b', 'a,b'])('a name of a member that is %j is refused', (name) => {
    const config = memberConfig({ name, initialCluster: { [name]: ['https://10.0.0.1:2380'] } })
    expect(thrown(() => renderEtcdConfig(config, 'args'), 'ERR_CONFIG_INVALID').details.findings).toMatchObject([
      { code: 'config/value-invalid', details: { option: '--initial-cluster', value: name } },
    ])
  })

  it('YAML returns all other strings as they were', () => {
    const texts = ['on', 'null', '~', '1e3', '0x1f', '012', '2001-01-01', '- a', 'a: b', '"', "'", '\\', '#a', '%s', '${HOME}', ' a ', 'ünï', '🔒', '!tag', '&a', '*a', '<<', '__proto__', '\u00a0'] // prettier-ignore
    const path = fc.oneof(fc.constantFrom(...texts), fc.string({ minLength: 1, unit: 'grapheme' }))
    fc.assert(
      fc.property(path, (text) => {
        fc.pre(!/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/u.test(text))
        const rendered = renderEtcdConfig(memberConfig({ client: { certFile: text } }), 'yaml')
        // As etcd reads it, YAML 1.1.
        expect(parseDocument(rendered, { version: '1.1' }).toJS()).toMatchObject({
          'client-transport-security': { 'cert-file': text },
        })
        expect(renderEtcdConfig(memberConfig({ client: { certFile: text } }), 'args')).toContain(`--cert-file=${text}`)
      }),
    )
  })

  it('a member may be called like a property of every object', () => {
    const initialCluster = Object.fromEntries([['__proto__', ['https://10.0.0.1:2380']]])
    const config = { ...memberConfig({ name: '__proto__' }), initialCluster }
    expect(renderEtcdConfig(config, 'args')).toContain('--initial-cluster=__proto__=https://10.0.0.1:2380')
    const other = memberConfig({ name: 'constructor' })
    expect(thrown(() => renderEtcdConfig(other, 'args'), 'ERR_CONFIG_INVALID').details.findings).toMatchObject([
      { code: 'config/member-not-listed' },
    ])
  })
})

describe('lists', () => {
  it('a list of ten thousand names fits in a file, and not in a flag', () => {
    const allowedCn = Array.from({ length: 10_000 }, (_, i) => `client-${String(i)}.example.com`)
    const config = memberConfig({ peer: { allowedCn } })
    expect(renderEtcdConfig(config, 'yaml', { version: '3.6' })).toContain('    - "client-9999.example.com"\n')
    for (const form of ['flags', 'env'] as const) {
      const { findings } = thrown(
        () => renderEtcdConfig(config, form, { version: '3.6' }),
        'ERR_CONFIG_INVALID',
      ).details
      expect(findings).toMatchObject([{ code: 'config/value-invalid', details: { option: '--peer-cert-allowed-cn' } }])
      // The value is cut where it is shown.
      expect(findings[0]?.message.length).toBeLessThan(1500)
    }
  })
})

describe('wrong calls', () => {
  it.each<[string, unknown]>([
    ['config.client', { ...memberConfig(), client: undefined }],
    ['config.name', { ...memberConfig(), name: undefined }],
    ['config.nmae', { ...memberConfig(), nmae: 'a' }],
    ['config.peer.listenUrls', memberConfig({ peer: { listenUrls: 'https://10.0.0.1:2380' as unknown as string[] } })],
    [
      'config.client.skipClientSanVerification',
      memberConfig({ client: { skipClientSanVerification: true } as object }),
    ],
    ['config.client.clientCertAuth', memberConfig({ client: { clientCertAuth: 'true' as unknown as boolean } })],
    ['config.client.plaintext', memberConfig({ client: { plaintext: 'no' as unknown as boolean } })],
    ['config.peer.allowedCn', memberConfig({ peer: { allowedCn: 'a' as unknown as string[] } })],
    ['config.initialCluster', memberConfig({ initialCluster: { 'etcd-0': 'https://a:1' as unknown as string[] } })],
    ['config.initialClusterState', memberConfig({ initialClusterState: 'old' as 'new' })],
    ['config.tlsMinVersion', memberConfig({ tlsMinVersion: 'TLS1.1' as 'TLS1.2' })],
    ['config.selfSignedCertValidity', memberConfig({ selfSignedCertValidity: 0 })],
    ['config.version', memberConfig({ version: '3.3' as '3.7' })],
  ])('refuses %s as a wrong call', (option, config) => {
    expect(thrown(() => renderEtcdConfig(config as MemberConfig, 'flags'), 'ERR_OPTION_INVALID').details.option).toBe(
      option,
    )
  })

  it('refuses another form and unknown options as a wrong call', () => {
    expect(thrown(() => renderEtcdConfig(memberConfig(), 'toml' as 'yaml'), 'ERR_OPTION_INVALID').details.option).toBe(
      'form',
    )
    const options = { verison: '3.5' } as object
    expect(thrown(() => renderEtcdConfig(memberConfig(), 'args', options), 'ERR_OPTION_INVALID').details.option).toBe(
      'verison',
    )
  })
})
