/** What one handshake without a certificate shows of a real etcd, at its client port and its peer port, and of nginx in front of it. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { observeServer, type ServerObservation } from '../../../src/client/diagnosis/observe-server.js'
import { type EtcdOptions, startEtcd, type TestEtcd } from '../../../src/testing/index.js'
import { Certificate } from '../../../src/x509/certificate.js'
import { mintPki } from '../../support/etcd.js'
import { missingFlags, noCertificateAlert } from '../../support/etcd-version.js'
import { startNginx } from '../../support/proxies.js'
import { PEER_PORT } from '../../support/tls-stage.js'

const pki = mintPki()
const clients = mintPki('Client root')
const clientCa = [Certificate.parse(clients.root.der, 'client CA')]

const SETUPS = {
  tls12: { clientCa, args: ['--tls-max-version=TLS1.2'] },
  tls13: { clientCa, args: ['--tls-min-version=TLS1.3'] },
  /** It trusts the CAs of its system. */
  anyCa: { args: ['--trusted-ca-file='] },
  open: { clientCertAuth: false },
  /** Its file of CAs is set, and --client-cert-auth is not. */
  caOnly: { clientCa, args: ['--client-cert-auth=false'] },
  peer: PEER_PORT,
} satisfies Readonly<Record<string, Partial<EtcdOptions>>>
type SetUp = keyof typeof SETUPS

const etcds = new Map<SetUp, TestEtcd>()
/** Old releases have no option for the version of TLS. */
const NAMES = (Object.keys(SETUPS) as SetUp[]).filter((name) => {
  const { args } = SETUPS[name] as Partial<EtcdOptions>
  return !Array.isArray(args) || missingFlags(args as string[]).length === 0
})

beforeAll(async () => {
  await Promise.all(
    NAMES.map(async (name) => {
      etcds.set(name, await startEtcd({ server: pki.server, via: 'binary', startTimeout: '100s', ...SETUPS[name] }))
    }),
  )
})
afterAll(() => Promise.all([...etcds.values()].map((each) => each.close())))

function brief({ chain, acceptedAuthorities, ...rest }: ServerObservation): unknown {
  const names = chain.map((der) => Certificate.parse(der).subject.commonName)
  return { ...rest, chain: names, acceptedAuthorities: acceptedAuthorities?.map(String) ?? null }
}

function endpointOf(name: SetUp): string {
  return etcds.get(name)?.endpoint ?? ''
}

const OBSERVED: readonly [
  SetUp,
  ServerObservation['protocol'],
  ServerObservation['clientCertificate'],
  string[] | null,
][] = [
  ['tls12', 'TLSv1.2', 'required', ['CN=Client root']],
  ['tls13', 'TLSv1.3', 'required', ['CN=Client root']],
  ['anyCa', 'TLSv1.3', 'required', []],
  ['caOnly', 'TLSv1.3', 'required', ['CN=Client root']],
  ['open', 'TLSv1.3', 'not-requested', null],
  ['peer', 'TLSv1.3', 'required', ['CN=Test root']],
]

it.each(OBSERVED.filter(([name]) => NAMES.includes(name)))(
  'observes the etcd "%s", twice in the same way',
  async (name, protocol, clientCertificate, acceptedAuthorities) => {
    const version = protocol ?? 'TLSv1.3'
    const alert = expect.objectContaining({ kind: 'alert', alert: noCertificateAlert(version) }) as unknown
    const refusal = clientCertificate === 'required' ? alert : null
    // In TLS 1.2 the server refuses before the handshake ends.
    const keyExchange = protocol === 'TLSv1.2' && refusal !== null ? null : 'X25519'
    const expected = { protocol, keyExchange, chain: ['etcd'], clientCertificate, acceptedAuthorities, refusal }
    for (let i = 0; i < 2; i += 1) expect(brief(await observeServer(endpointOf(name)))).toEqual(expected)
  },
)

it('observes that nginx finishes the handshake without a certificate, and refuses the request later', async () => {
  await using nginx = await startNginx(etcds.get('open')?.port ?? 0, pki)
  const expected = { clientCertificate: 'requested', acceptedAuthorities: ['CN=Test root'], refusal: null }
  for (let i = 0; i < 2; i += 1) expect(brief(await observeServer(nginx.endpoints.nginx))).toMatchObject(expected)
})
