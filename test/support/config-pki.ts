/** Certificates of two CAs for the tests of what is rendered, and members that are started with them. */
import { mkdirSync } from 'node:fs'
import type { MemberConfig } from '../../src/config/model.js'
import type { Credentials } from '../../src/credentials/credentials.js'
import { mintedCredentials, type Pems, writePems } from './etcd.js'
import { dns, ip, mintCa, mintCrl, mintLeaf, type MintLeafOptions } from './mint.js'
import { temporaryFolder } from './openssl.js'
import { heldPorts } from './ports.js'

const LOOPBACK = [ip('127.0.0.1'), dns('localhost')]
const clientCa = mintCa({ subject: 'Client CA' })
const peerCa = mintCa({ subject: 'Peer CA' })
const revokedClient = 4711n
const revokedPeer = 4712n

const issuing =
  (issuer: typeof clientCa) =>
  (options: Partial<MintLeafOptions>): Credentials =>
    mintedCredentials({ leaf: mintLeaf({ subject: 'etcd', names: LOOPBACK, issuer, ...options }), trust: [issuer] })
const ofClients = issuing(clientCa)
const ofPeers = issuing(peerCa)
const alice = { subject: 'alice', names: [dns('alice.test')] }
const peer = { subject: 'member', names: [...LOOPBACK, dns('member.test')] }

export const credentials = {
  server: ofClients({}),
  /** The gateway cannot show this to its own etcd. */
  serverOnly: ofClients({ usages: ['serverAuth'] }),
  alice: ofClients(alice),
  bob: ofClients({ subject: 'bob', names: [dns('bob.test')] }),
  revokedAlice: ofClients({ ...alice, serial: revokedClient }),
  member: ofPeers(peer),
  /** Other members cannot be dialled with this. */
  memberServerOnly: ofPeers({ subject: 'member', usages: ['serverAuth'] }),
  /** Calls from 127.0.0.1, which is not in it. */
  memberElsewhere: ofPeers({ subject: 'member', names: [ip('10.9.9.9')] }),
  otherMember: ofPeers({ subject: 'other' }),
  revokedMember: ofPeers({ ...peer, serial: revokedPeer }),
}
export type Who = keyof typeof credentials

export const crls = {
  client: mintCrl({ issuer: clientCa, revoked: [{ serial: revokedClient }] }).pem,
  peer: mintCrl({ issuer: peerCa, revoked: [{ serial: revokedPeer }] }).pem,
}

/** What the tests of one file put into a folder of their own. Call it at the top level of a test file. */
export function workshop() {
  const { file } = temporaryFolder()
  const { freeUrl } = heldPorts()
  const files = (who: Who): Pems => {
    mkdirSync(file(who), { recursive: true })
    return writePems(file(who), who, credentials[who])
  }
  const side = (who: Who) => {
    const { ca, cert, key } = files(who)
    return { certFile: cert, keyFile: key, trustedCaFile: ca }
  }
  /** What is shown where this etcd dials. */
  const dialling = (who: Who) => {
    const { cert, key } = files(who)
    return { clientCertFile: cert, clientKeyFile: key }
  }
  /** A member alone, with TLS on both sides. */
  const member = async (name = 'etcd-0'): Promise<MemberConfig> => {
    const [clientUrl, peerUrl] = [await freeUrl(), await freeUrl()]
    return {
      name,
      dataDir: file(`data-${new URL(peerUrl).port}`),
      client: { listenUrls: [clientUrl], advertiseUrls: [clientUrl], ...side('server') },
      peer: { listenUrls: [peerUrl], advertiseUrls: [peerUrl], ...side('member') },
      initialCluster: { [name]: [peerUrl] },
    }
  }
  return { file, freeUrl, files, side, dialling, member }
}
