/** Ingress controllers that have no route for the name present a certificate of their own (stand-ins for ingress-nginx and Traefik). */
import { expect, it } from 'vitest'
import { connector } from '../../support/connector.js'
import { mintedCredentials, mintPki } from '../../support/etcd.js'
import { dns, mintCa, mintLeaf } from '../../support/mint.js'
import { defaultCertificatePeer, grpcPeer, serverTls } from '../../support/peers.js'
import { errorCodes, findingOf, refused } from '../../support/refused.js'

const pki = mintPki()
const connect = connector({ credentials: pki.client })

it.each([
  ['Kubernetes Ingress Controller Fake Certificate', 'ingress-nginx', /ssl-passthrough/],
  ['TRAEFIK DEFAULT CERT', 'Traefik', /IngressRouteTCP.*HostSNI/],
])(
  'explains the certificate "%s" by a route that is missing, and not by its chain',
  async (subject, product, remedy) => {
    await using peer = await defaultCertificatePeer(subject)
    const { findings } = (await refused(connect([peer]), 'ERR_HANDSHAKE_FAILED')).details.report
    expect(errorCodes(findings)).toEqual(['endpoint/default-certificate'])
    const found = findingOf(findings, 'endpoint/default-certificate')
    expect(found.message).toContain(`the default certificate of ${product} ("CN=${subject}")`)
    expect(found.message).toContain('no route there')
    expect(found.remedy).toMatch(remedy)
    expect(found.certificate).toMatchObject({ subject: `CN=${subject}` })
    await using named = await defaultCertificatePeer(subject)
    const other = await refused(connect([named], { serverName: 'etcd.example' }), 'ERR_HANDSHAKE_FAILED')
    expect(other.details.report.findings[0].message).toContain('no route there matches the name etcd.example')
  },
)

it('recognizes a Kubernetes API server by its names, unless its CA is trusted', async () => {
  const kubernetes = mintCa({ subject: 'kubernetes' })
  const names = ['kubernetes', 'kubernetes.default.svc', 'localhost'].map((name) => dns(name))
  const leaf = mintLeaf({ issuer: kubernetes, subject: 'kube-apiserver', names, usages: ['serverAuth'] })
  await using peer = await grpcPeer(serverTls(mintedCredentials({ leaf, trust: [pki.root] })))
  const { findings } = (await refused(connect([peer]), 'ERR_HANDSHAKE_FAILED')).details.report
  expect(findings.map(({ code }) => code)).toEqual(['endpoint/api-server'])
  const found = findingOf(findings, 'endpoint/api-server')
  expect(found.message).toMatch(/looks like a Kubernetes API server, not etcd: its certificate "CN=kube-apiserver"/)
  const own = mintLeaf({ issuer: pki.root, subject: 'etcd', names, notAfter: new Date(Date.now() - 60_000) })
  await using expired = await grpcPeer(serverTls(mintedCredentials({ leaf: own, trust: [pki.root] })))
  const other = await refused(connect([expired], { serverName: 'localhost' }), 'ERR_HANDSHAKE_FAILED')
  expect(errorCodes(other.details.report.findings)).toEqual(['validity/expired'])
})

it('does not explain a certificate that the client accepts by its subject', async () => {
  const leaf = mintLeaf({ issuer: pki.root, subject: 'TRAEFIK DEFAULT CERT', names: [dns('localhost')] })
  await using peer = await grpcPeer(mintedCredentials({ leaf, trust: [pki.root] }))
  await using client = await connect([peer], { serverName: 'localhost' })
  expect(client.tls.endpoints).toMatchObject([{ state: 'ready' }])
})
