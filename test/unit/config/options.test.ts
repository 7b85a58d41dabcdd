import { describe, expect, it } from 'vitest'
import {
  type ConfigForm,
  etcdOptions,
  formAvailability,
  nameOf,
  passthroughOptions,
  passthroughSpellings,
  rowOfFlag,
  rowOfPath,
  rowOfVariable,
  variableOf,
} from '../../../src/config/tables/options.js'
import { cipherSuites } from '../../../src/x509/cipher-suites.js'
import { readVersion } from '../../../src/config/tables/version.js'

describe('the table', () => {
  it('each flag, variable and key is in the tables of options once', () => {
    const flags = [...etcdOptions, ...passthroughOptions].flatMap(({ flag }) => flag?.name ?? [])
    expect(new Set(flags).size).toBe(flags.length)
    expect(new Set(flags.map(variableOf)).size).toBe(flags.length)
    const paths = [...etcdOptions, ...passthroughOptions].flatMap(({ yaml }) => yaml?.name.join('/') ?? [])
    expect(new Set(paths).size).toBe(paths.length)
    for (const row of etcdOptions) expect(row.flag ?? row.yaml, nameOf(row)).not.toBeNull()
    for (const row of passthroughOptions) {
      expect(row.flag ?? row.yaml, row.name).not.toBeNull()
      expect(passthroughSpellings(row.name, 'flags'), row.name).toEqual(row.flag === null ? [] : [row.flag])
    }
    expect(passthroughSpellings('socket-options', 'yaml')).toHaveLength(2)
  })

  it('finds a row by its flag, variable and key', () => {
    expect(variableOf('peer-cert-allowed-cn')).toBe('ETCD_PEER_CERT_ALLOWED_CN')
    const row = rowOfFlag('peer-cert-allowed-cn')
    expect(row).toMatchObject({ block: 'peer', field: 'allowedCn', kind: 'names' })
    expect(rowOfVariable('ETCD_PEER_CERT_ALLOWED_CN')).toBe(row)
    expect(rowOfPath(['peer-transport-security', 'allowed-cn'])).toBe(row)
    expect(rowOfPath(['peer-transport-security.allowed-cn'])).toBeUndefined()
    expect(rowOfFlag('client-cert-allowed-cn')).toBeUndefined()
    expect(rowOfPath(['client-transport-security', 'crl-file'])).toBeUndefined()
  })

  it('the names of cipher suites are distinct', () => {
    const names = cipherSuites.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    expect(cipherSuites.filter(({ http2 }) => http2 === true)).toHaveLength(2)
  })
})

/** Told by the sources of the very releases: which of them have the option in which form. */
it.each<[option: string, form: ConfigForm, has: string[], lacks: string[]]>([
  ['--tls-min-version', 'flags', ['3.4.25', '3.5.8', '3.6', '3.7.1'], ['3.4.24', '3.5.7']],
  ['--listen-client-http-urls', 'yaml', ['3.4.45', '3.5.8', '3.6.0'], ['3.4.0', '3.5.0']],
  ['--client-cert-file', 'env', ['3.5', '3.6', '3.7'], ['3.4', '3.4.45']],
  ['--self-signed-cert-validity', 'flags', ['3.5.0', '3.6.14'], ['3.4.45']],
  ['--self-signed-cert-validity', 'yaml', ['3.5.1', '3.6.0', '3.7.0'], ['3.5.0', '3.4.45']],
  ['--client-crl-file', 'yaml', [], ['3.4', '3.5', '3.6', '3.7', '3.7.1']],
  ['client-transport-security.allowed-cn', 'yaml', ['3.5.14', '3.5.33', '3.6', '3.7'], ['3.4.45', '3.5.13']],
  ['--peer-cert-allowed-hostname', 'yaml', ['3.5.14', '3.6.0'], ['3.5.13', '3.4.45']],
  ['--peer-skip-client-san-verification', 'yaml', ['3.6.0', '3.7.1'], ['3.5.33', '3.4.45']],
  ['--experimental-peer-skip-client-san-verification', 'flags', ['3.4', '3.5', '3.6'], ['3.7', '3.7.1']],
  ['--experimental-peer-skip-client-san-verification', 'yaml', ['3.6.14'], ['3.5.33', '3.7']],
])('%s as %s is in the releases that have it', (option, form, has, lacks) => {
  const row = etcdOptions.find((each) => nameOf(each) === option)
  const all = [...has, ...lacks].map((version) =>
    row === undefined ? 'no row' : formAvailability(row, form, readVersion(version, 'version')),
  )
  expect(all).toEqual([...has.map(() => 'all'), ...lacks.map(() => 'none')])
})
