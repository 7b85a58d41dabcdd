/** A server whose clients are signed by another CA than its own certificate. */
import { describe, expect, it } from 'vitest'
import { createSecureClient } from '../../../src/client/index.js'
import type { Credentials } from '../../../src/credentials/index.js'
import { Certificate } from '../../../src/x509/certificate.js'
import { mintedCredentials, mintPki } from '../../support/etcd.js'
import { mintCa, type Minted, mintLeaf } from '../../support/mint.js'
import { alertingPeer, emptyAnswer, grpcPeer, type Peer, serverTls } from '../../support/peers.js'
import { findingOf, refused } from '../../support/refused.js'

const servers = mintPki('Server CA')
const clientCa = mintCa({ subject: 'Client CA' })

function clientOf(issuer: Minted): Credentials {
  const leaf = mintLeaf({ subject: 'app', usages: ['clientAuth'], issuer })
  return mintedCredentials({ leaf, trust: [servers.root] })
}

function startServer(): Promise<Peer> {
  return grpcPeer(serverTls(servers.server, { ca: clientCa.pem }), emptyAnswer)
}

describe('two CAs', () => {
  it('without clientCa the client connects, and reports that it cannot judge its own chain', async () => {
    await using server = await startServer()
    await using client = await createSecureClient({ endpoints: server.endpoint, credentials: clientOf(clientCa) })
    const [found] = client.tls.report.findings
    expect(found).toMatchObject({ code: 'chain/client-ca-not-given', severity: 'info' })
    expect(client.tls.report.path.map(({ subject }) => subject)).toEqual(['CN=app'])
  })

  it('with clientCa the chain is validated, also after a rotation, and servers are verified by ca alone', async () => {
    await using server = await startServer()
    const given = { ...clientOf(clientCa), clientAnchors: [Certificate.parse(clientCa.der, 'client CA')] }
    await using client = await createSecureClient({ endpoints: server.endpoint, credentials: given })
    expect(client.tls.report.path.map(({ subject }) => subject)).toEqual(['CN=app', 'CN=Client CA'])
    const foreign = await client.tls.rotate({
      ...clientOf(mintCa({ subject: 'x' })),
      clientAnchors: given.clientAnchors,
    })
    expect(foreign.findings.map(({ code }) => code)).toEqual(['chain/issuer-not-found'])
    const swapped = { ...given, trustAnchors: given.clientAnchors }
    expect((await client.tls.rotate(swapped)).findings.map(({ code }) => code)).toContain('chain/issuer-not-found')
    expect((await client.tls.rotate(given)).ok).toBe(true)
  })

  it('an intermediate that stands in the CA file alone is named', async () => {
    await using server = await alertingPeer(48)
    const intermediate = mintCa({ subject: 'Intermediate', issuer: servers.root })
    const leaf = mintLeaf({ subject: 'app', usages: ['clientAuth'], issuer: intermediate })
    const credentials = mintedCredentials({ leaf, trust: [intermediate, servers.root] })
    const connecting = createSecureClient({ endpoints: server.endpoint, credentials })
    const { report } = (await refused(connecting, 'ERR_HANDSHAKE_FAILED')).details
    const found = findingOf(report.findings, 'handshake/client-ca-unknown')
    expect(found.details).toMatchObject({ issuer: 'CN=Intermediate', notSent: true })
    expect(found.remedy).toMatch(
      /^Append the certificate of the intermediate "CN=Intermediate" to the certificate file/,
    )
  })

  it.each([
    [48, ['handshake/client-ca-unknown', 'chain/client-ca-not-given']],
    [42, ['handshake/client-ca-unknown', 'handshake/client-certificate-refused']],
  ])('a server that refuses the certificate makes its CA the probable cause: alert %i', async (alert, codes) => {
    await using server = await alertingPeer(alert)
    const credentials = clientOf(clientCa)
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const connecting = createSecureClient({ endpoints: server.endpoint, credentials })
      const { report } = (await refused(connecting, 'ERR_HANDSHAKE_FAILED')).details
      expect(report.findings.map(({ code }) => code)).toEqual(codes)
      expect(report.findings[0].message).toContain('CN=Client CA')
      expect(report.path?.map(({ subject }) => subject)).toEqual(['CN=app'])
    }
  })
})
