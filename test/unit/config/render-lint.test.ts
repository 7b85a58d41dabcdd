/** What is written is read back as it was meant, and nothing that is refused elsewhere is found in it. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isEtcdMtlsError } from '../../../src/report/errors.js'
import { lintOne } from '../../support/lint-one.js'
import type { MemberConfig } from '../../../src/config/model.js'
import {
  CONFIG_FORMS,
  type ConfigForm,
  etcdOptions,
  nameOf,
  passthroughOptions,
  type ServerField,
  type SideField,
} from '../../../src/config/tables/options.js'
import type { ConfigInput } from '../../../src/config/read/input.js'
import { valueOf } from '../../../src/config/render/member-options.js'
import { renderEtcdConfig } from '../../../src/config/render/render.js'
import { renderSystemdUnit } from '../../../src/config/render/systemd.js'
import type { EtcdVersion } from '../../../src/config/tables/version.js'
import { scaled } from '../../support/long.js'
import { readMember } from '../../support/read-config.js'

const VERSIONS: readonly EtcdVersion[] = ['3.4', '3.4.25', '3.4.45', '3.5', '3.5.0', '3.5.8', '3.5.14', '3.5.16', '3.5.33', '3.6', '3.6.14', '3.7', '3.7.1'] // prettier-ignore

const ODD = ["it's", 'a "b"', 'a b', 'ünï', '#', '\\', '!x', 'on', '1e3', '~', '; rm', 'a\\', '$HOME', '$$', '${A}', '$(A)', '100%', '%n', '%%', '{{ a }}', '-a', '`a`'] // prettier-ignore
/** Strings that every form can write. */
const text = fc
  .oneof(fc.string({ unit: 'grapheme', minLength: 1 }), fc.constantFrom(...ODD))
  .filter((each) => !/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/u.test(each))
const path = text.map((each) => `/etc/${each.replaceAll('/', '-').trim()}x`)
const name = text.filter((each) => !/[,=]/.test(each) && each.trim() === each)
const port = fc.integer({ min: 1, max: 65_535 })
/** Seldom set, since most combinations of many options are refused. */
const some = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 5, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value })
const switched = some(fc.boolean())

function side(scheme: string, address: string, at: number): fc.Arbitrary<MemberConfig['peer']> {
  const urls = {
    listenUrls: [`${scheme}://0.0.0.0:${String(at)}`],
    advertiseUrls: [`${scheme}://${address}:${String(at)}`],
  }
  const restricted = fc.record({
    trustedCaFile: path,
    clientCertAuth: fc.constantFrom(undefined, true),
    crlFile: some(path),
    allowedCn: some(fc.uniqueArray(name, { minLength: 1, maxLength: 2 })),
    allowedHostname: some(fc.uniqueArray(fc.domain(), { minLength: 1, maxLength: 2 })),
  })
  const open = fc.constant({ clientCertAuth: false })
  const auth = fc.oneof({ weight: 5, arbitrary: restricted }, { weight: 1, arbitrary: open })
  const files = fc.record({ certFile: path, keyFile: path })
  const dialling = some(fc.record({ clientCertFile: path, clientKeyFile: path }))
  return fc.tuple(files, auth, dialling).map(([own, rules, pair]) => ({ ...urls, ...own, ...rules, ...pair }))
}

const VALUES: Readonly<Record<string, fc.Arbitrary<string | number | boolean | readonly string[]>>> = {
  text,
  directory: path,
  boolean: fc.boolean(),
  unsigned: fc.nat(),
  unsigned32: fc.nat(),
  integer: fc.integer(),
  duration: fc.tuple(fc.nat(100), fc.constantFrom('h', 'm', 's', 'ms', 'us', 'µs', 'ns')).map(([n, unit]) => `${String(n)}.5${unit}`),
  texts: fc.uniqueArray(fc.domain(), { minLength: 1, maxLength: 3 }),
  outputs: fc.uniqueArray(path.filter((each) => !each.includes(',')), { minLength: 1, maxLength: 2 }),
} // prettier-ignore
const extra = fc
  .uniqueArray(
    fc.constantFrom(...passthroughOptions.filter(({ kind, isBootstrap }) => kind !== 'nothing' && !isBootstrap)),
    {
      maxLength: 4,
    },
  )
  .chain((rows) => fc.record(Object.fromEntries(rows.map((row) => [row.name, VALUES[row.kind] ?? text]))))

/** Members of which many can be written. Plaintext and `autoTls` are not among them: they are reported, and are meant. */
const member: fc.Arbitrary<MemberConfig> = fc
  .record({ own: name, clientPort: port, peerPort: port })
  .filter(({ clientPort, peerPort }) => new Set([clientPort, peerPort, 1, 2]).size === 4)
  .chain(({ own, clientPort, peerPort }) =>
    fc.record({
      name: fc.constant(own),
      dataDir: path,
      client: fc
        .tuple(side('https', '10.0.0.1', clientPort), some(fc.constant(['https://10.0.0.1:2'])))
        .map(([each, httpUrls]) => ({ ...each, httpUrls })),
      peer: fc
        .tuple(side('https', '10.0.0.1', peerPort), switched)
        .map(([each, skipClientSanVerification]) => ({ ...each, skipClientSanVerification })),
      initialCluster: fc.constant({
        [own]: [`https://10.0.0.1:${String(peerPort)}`],
        [`${own}2`]: [`https://10.0.0.2:${String(peerPort)}`],
      }),
      initialClusterState: some(fc.constantFrom('new', 'existing')),
      initialClusterToken: some(text),
      tlsMinVersion: some(fc.constantFrom('TLS1.2', 'TLS1.3')),
      tlsMaxVersion: some(fc.constantFrom('TLS1.2', 'TLS1.3')),
      cipherSuites: some(
        fc.constant(['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384']),
      ),
      enableGrpcGateway: switched,
      metricsUrls: some(fc.constantFrom(['http://127.0.0.1:1'], ['https://10.0.0.1:1'])),
      extra: some(extra),
    }),
  )

/** The same configuration in everything that can be read. */
function inputsOf(config: MemberConfig, form: ConfigForm, version: EtcdVersion): ConfigInput[] {
  const written = renderEtcdConfig(config, form, { version })
  if (form === 'yaml') return [{ yaml: written }]
  if (form === 'env') return [{ env: written }]
  const args = renderEtcdConfig(config, 'args', { version })
  const proc = Buffer.from(['etcd', ...args, ''].join('\0'))
  return [
    { flags: `etcd ${written}` },
    { flags: args },
    { flags: proc },
    { unit: renderSystemdUnit(config, { version }) },
  ]
}

/** `clientCertAuth: false` asks for it: clients can have passwords. */
const OPEN = [{ code: 'config/client-auth-off', reason: 'The configuration requests it.' }] as const

describe('whatever is accepted has no error, and is read back as it was', () => {
  it.each(CONFIG_FORMS)('an accepted configuration has no error, and is read back as it was, as %s', async (form) => {
    await fc.assert(
      fc.asyncProperty(member, fc.constantFrom(...VERSIONS), async (config, version) => {
        let inputs: ConfigInput[] = []
        try {
          inputs = inputsOf(config, form, version)
        } catch (error) {
          if (!isEtcdMtlsError(error, 'ERR_CONFIG_INVALID')) throw error
          // A refused configuration proves nothing, so another takes its place.
          fc.pre(false)
        }
        for (const input of inputs) {
          const { findings } = await lintOne(input, { readFiles: false, version, ignore: OPEN })
          expect(findings.filter(({ severity }) => severity === 'error').map(({ message }) => message)).toEqual([])
          const { settings, others } = await readMember(input, { readFiles: false, root: null })
          for (const row of etcdOptions) {
            const value = valueOf(config, row)
            if (value === undefined || row.field === null) continue
            const setting =
              row.block === 'server'
                ? settings.server(row.field as ServerField)
                : settings.side(row.block, row.field as SideField)
            const text = typeof value === 'object' ? value.join(',') : String(value)
            expect([nameOf(row), setting.text]).toEqual([nameOf(row), text])
          }
          // A block of a file is an entry without a text, next to the options in it.
          const written = others.filter(({ text }) => text !== undefined)
          if (form !== 'env') expect(written).toHaveLength(Object.keys(config.extra ?? {}).length)
        }
      }),
      { numRuns: scaled({ short: 30, long: 200 }) },
    )
  })
})
