/** The renderer and a release that is not known: `versionToRender` in src/config/render/render.ts. */
import { expect, it, vi } from 'vitest'
import { renderCluster } from '../../../src/config/render/cluster.js'
import { renderEtcdConfig } from '../../../src/config/render/render.js'
import { memberConfig } from '../../support/member-config.js'
import { thrown } from '../../support/refused.js'

/** The warnings of the process while `work` runs. */
function warningsOf(work: () => void): { message: string; code: string }[] {
  const emit = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
  try {
    work()
    const calls = emit.mock.calls as unknown as readonly [message: string, options: { code: string }][]
    return calls.map(([message, { code }]) => ({ message, code }))
  } finally {
    emit.mockRestore()
  }
}

it('renders for the newest known release, and warns', () => {
  let text = ''
  const [warning, ...others] = warningsOf(() => {
    text = renderEtcdConfig(memberConfig({ tlsMinVersion: 'TLS1.3' }), 'flags', { version: '3.8.0' })
  })
  expect(text).toBe(renderEtcdConfig(memberConfig({ tlsMinVersion: 'TLS1.3' }), 'flags', { version: '3.7.1' }))
  expect(warning).toMatchObject({ code: 'ETCD_MTLS_RELEASE_UNKNOWN' })
  expect(warning?.message).toMatch(/^etcd 3\.8\.0 is not known: .* for etcd 3\.7\.1/)
  expect(others).toEqual([])
  expect(warningsOf(() => renderEtcdConfig(memberConfig({ version: '3.8.0' }), 'yaml'))).toHaveLength(1)
  expect(warningsOf(() => renderEtcdConfig(memberConfig(), 'yaml', { version: '3.7.99' }))).toEqual([])
})

it('refuses options that the newest known release does not have', () => {
  const config = memberConfig({ version: '3.8.0', extra: { 'enable-v2': true } })
  warningsOf(() => {
    const { findings } = thrown(() => renderEtcdConfig(config, 'flags'), 'ERR_CONFIG_INVALID').details
    expect(findings.map(({ code }) => code)).toEqual(['config/option-not-in-version'])
  })
})

it('warns once for all members of a cluster', () => {
  const pair = { ca: '/pki/ca.crt', cert: '/pki/a.crt', key: '/pki/a.key' }
  const names = ['a', 'b', 'c']
  const files = { members: Object.fromEntries(names.map((name) => [name, { server: pair, peer: pair }])) }
  const urlsOf = (name: string) => ({ clientUrls: [`https://${name}:2379`], peerUrls: [`https://${name}:2380`] })
  const members = Object.fromEntries(names.map((name) => [name, urlsOf(name)]))
  expect(warningsOf(() => renderCluster(files, { members, version: '3.8.0' }, 'yaml'))).toHaveLength(1)
})

it('refuses a release that is older than the known ones', () => {
  const call = (): string => renderEtcdConfig(memberConfig(), 'flags', { version: '3.3.27' })
  expect(thrown(call, 'ERR_OPTION_INVALID').details.option).toBe('version')
})
