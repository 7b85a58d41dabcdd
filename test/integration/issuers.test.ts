/** Clients whose certificates come from a real cfssl and from a program, while members serve and the issuer is killed. */
import { describe, expect, it, onTestFinished } from 'vitest'
import { setTimeout as sleep } from 'node:timers/promises'
import { cfssl, command, createAuthority, fromIssuer, type Issuer } from '../../src/authority/index.js'
import { createSecureClient, type TlsEvent } from '../../src/client/index.js'
import { startEtcdCluster } from '../../src/testing/index.js'
import { type Child, startChild } from '../support/child.js'
import { drawn, isLong } from '../support/long.js'
import { temporaryFolder } from '../support/openssl.js'
import { heldPorts } from '../support/ports.js'
import { isEtcdMtlsError } from '../../src/report/errors.js'

const { freePort } = heldPorts()
const folder = temporaryFolder()
/** Seconds: how long certificates live, how long the run is, and how often and how long the issuer is away. */
const RUN = isLong
  ? { validity: 60, length: 600, outage: 130, outages: 2 }
  : { validity: 8, length: 24, outage: 10, outages: 1 }

describe('fromIssuer', () => {
  it.each(
    drawn(
      [
        ['cfssl', 'cfssl'],
        ['a program that calls openssl', 'command'],
      ] as const,
      1,
    ),
  )(
    'a client of %s loses no call while its issuer is up, and has a new certificate soon after an outage',
    async (_what, kind) => {
      const authority = await createAuthority({ name: `CA of ${kind}` })
      const hosts = ['127.0.0.1', 'localhost']
      const server = await authority.issue({ role: 'server', name: 'etcd', hosts })
      const peer = await authority.issue({ role: 'peer', name: 'etcd', hosts })
      const member = <Name extends string>(name: Name) => ({ name, server, peer })
      await using cluster = await startEtcdCluster({ members: [member('a'), member('b'), member('c')] })
      const { issuer, stop, start } =
        kind === 'cfssl' ? await realCfssl(authority.export()) : openssl(authority.export())
      const ca = authority.certificate.toPem()
      // In the short form the certificates of cfssl, which live longer, are renewed earlier.
      const isEarly = kind === 'cfssl' && !isLong
      const fraction = isEarly ? 0.03 : undefined
      const credentials = fromIssuer(issuer, { name: 'app', ca, clientCa: ca, timeout: '5s', fraction, jitter: 0 })
      const events: (TlsEvent & { seen: number })[] = []
      await using client = await createSecureClient({
        endpoints: cluster.endpoints,
        credentials,
        onEvent: (event) => events.push({ ...event, seen: performance.now() }),
      })
      let [written, failed, isOver] = [0, 0, false]
      const work = (async () => {
        while (!isOver) {
          await client
            .put(`key ${String(written % 10)}`)
            .value(String(written))
            .exec()
            .then(
              () => (written += 1),
              () => (failed += 1),
            )
          // A hundred a second at most: the pace of the load.
          await sleep(10)
        }
      })()
      const rotations = (): number => events.filter(({ type }) => type === 'rotated').length
      const time = { timeout: RUN.length * 1000 }
      await expect.poll(rotations, time).toBeGreaterThanOrEqual(2)
      for (let outage = 0; outage < RUN.outages; outage++) {
        await stop()
        const until = performance.now() + RUN.outage * 1000
        await expect.poll(() => performance.now() > until, { ...time, interval: 100 }).toBe(true)
        const before = rotations()
        const again = performance.now()
        await start()
        await expect.poll(rotations, time).toBeGreaterThan(before)
        const renewed = events.findLast(({ type }) => type === 'rotated')
        expect((renewed?.seen ?? Infinity) - again, 'milliseconds to a new certificate').toBeLessThan(
          isEarly ? 15_000 : 8000,
        )
      }
      await expect.poll(rotations, time).toBeGreaterThanOrEqual(3)
      isOver = true
      await work
      // Open connections go on when a certificate expires.
      expect(failed).toBe(0)
      expect(await client.getAll().prefix('key ').count()).toBe(10)
      expect(written).toBeGreaterThan(100)
      const told = events.flatMap((event) => (event.type === 'source-failed' ? [event.error] : []))
      expect(told.length).toBeGreaterThan(0)
      expect(told.every((error) => isEtcdMtlsError(error, 'ERR_ISSUER_FAILED'))).toBe(true)
    },
    (RUN.length + 300) * 1000,
  )
})

interface Stoppable {
  readonly issuer: Issuer
  readonly stop: () => Promise<void>
  readonly start: () => Promise<void>
}

/** `cfssl serve` with a key for its profile. */
async function realCfssl({ cert, key }: { cert: string; key: string }): Promise<Stoppable> {
  const authKey = '00112233445566778899aabbccddeeff'
  const profile = {
    usages: ['client auth', 'digital signature'],
    // cfssl counts from the full minute that is nearest, less `backdate`: 30 s more or less are left.
    expiry: `${String(60 + (isLong ? RUN.validity : 90))}s`,
    backdate: '1m',
    auth_key: 'k',
  }
  const config = { signing: { default: profile, profiles: {} }, auth_keys: { k: { type: 'standard', key: authKey } } }
  const files = [
    ['ca', folder.file('cfssl-ca.pem', cert)],
    ['ca-key', folder.file('cfssl-ca-key.pem', key)],
    ['config', folder.file('cfssl.json', JSON.stringify(config))],
  ]
  const port = String(await freePort())
  let child: Child | null = null
  const start = async (): Promise<void> => {
    child = startChild([
      'cfssl',
      'serve',
      ...files.map(([name, file]) => `-${String(name)}=${String(file)}`),
      `-port=${port}`,
    ])
    await child.says('Now listening on')
  }
  const stop = async (): Promise<void> => child?.stop()
  onTestFinished(stop)
  await start()
  return { issuer: cfssl({ url: `http://127.0.0.1:${port}`, authKey }), start, stop }
}

/** A program that signs by `openssl ca`'s little sister, and that a file switches off. */
function openssl({ cert, key }: { cert: string; key: string }): Stoppable {
  const [ca, caKey] = [folder.file('ca.pem', cert), folder.file('ca-key.pem', key)]
  const isDown = folder.file('is-down', '')
  const extensions = folder.file(
    'client.ext',
    'extendedKeyUsage = clientAuth\nkeyUsage = digitalSignature\nbasicConstraints = critical,CA:FALSE\n',
  )
  const end = `$(date -u -d '+${String(RUN.validity)} seconds' +%Y%m%d%H%M%SZ)`
  const script = `[ ! -s ${isDown} ] || { echo the CA is closed >&2; exit 1; }
openssl x509 -req -CA ${ca} -CAkey ${caKey} -CAserial ${folder.file('serial')} -CAcreateserial -extfile ${extensions} -not_after ${end} 2>/dev/null`
  return {
    issuer: command({ file: 'sh', args: ['-c', script], input: 'csr' }),
    stop: () => Promise.resolve(void folder.file('is-down', 'x')),
    start: () => Promise.resolve(void folder.file('is-down', '')),
  }
}
