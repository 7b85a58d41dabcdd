/** Certificates of two CAs for the tests of what is rendered, and members that are started with them. */
import type { MemberConfig } from '../../src/config/model.js'
import type { Credentials } from '../../src/credentials/credentials.js'
import { type CredentialFiles, writeCredentials } from '../../src/credentials/write.js'
import { mintedCredentials } from './etcd.js'
import { dns, ip, mintCa, mintCrl, mintLeaf, type MintLeafOptions } from './mint.js'
import type { TemporaryFolder } from './openssl.js'
import { heldPorts } from './ports.js'

const LOOPBACK = [ip('127.0.0.1'), dns('localhost')]

const clientCa = mintCa({ subject: 'Client CA' })
const peerCa = mintCa({ subject: 'Peer CA' })
const revokedClient = 4711n
const revokedPeer = 4712n

function issue(ca: typeof clientCa, options: Partial<MintLeafOptions>): Credentials {
  const leaf = mintLeaf({ subject: 'etcd', names: LOOPBACK, issuer: ca, ...options })
  return mintedCredentials({ leaf, trust: [ca] })
}

export const credentials = {
  server: issue(clientCa, {}),
  /** The gateway cannot show this to its own etcd. */
  serverOnly: issue(clientCa, { usages: ['serverAuth'] }),
  alice: issue(clientCa, { subject: 'alice', names: [dns('alice.test')] }),
  bob: issue(clientCa, { subject: 'bob', names: [dns('bob.test')] }),
  revokedAlice: issue(clientCa, { subject: 'alice', names: [dns('alice.test')], serial: revokedClient }),
  member: issue(peerCa, { subject: 'member', names: [...LOOPBACK, dns('member.test')] }),
  /** Other members cannot be dialled with this. */
  memberServerOnly: issue(peerCa, { subject: 'member', usages: ['serverAuth'] }),
  /** Calls from 127.0.0.1, which is not in it. */
  memberElsewhere: issue(peerCa, { subject: 'member', names: [ip('10.9.9.9')] }),
  otherMember: issue(peerCa, { subject: 'other' }),
  revokedMember: issue(peerCa, { subject: 'member', names: [...LOOPBACK, dns('member.test')], serial: revokedPeer }),
}
export type Who = keyof typeof credentials

export const crls = {
  client: mintCrl({ issuer: clientCa, revoked: [{ serial: revokedClient }] }).pem,
  peer: mintCrl({ issuer: peerCa, revoked: [{ serial: revokedPeer }] }).pem,
}

/** What the tests of one file put into a folder of their own. */
export class Workshop {
  readonly #folder: TemporaryFolder
  readonly #written = new Map<Who, Promise<CredentialFiles>>()

  /** A URL with a port that nobody else gets. */
  readonly freeUrl: (scheme?: string) => Promise<string>

  constructor(folder: TemporaryFolder) {
    this.#folder = folder
    this.freeUrl = heldPorts().freeUrl
  }

  async files(who: Who): Promise<CredentialFiles> {
    const writing = this.#written.get(who) ?? writeCredentials(this.#folder.file(who), credentials[who])
    this.#written.set(who, writing)
    return writing
  }

  async side(who: Who): Promise<{ certFile: string; keyFile: string; trustedCaFile: string }> {
    const { ca, cert, key } = await this.files(who)
    return { certFile: cert, keyFile: key, trustedCaFile: ca }
  }

  /** What is shown where this etcd dials. */
  async dialling(who: Who): Promise<{ clientCertFile: string; clientKeyFile: string }> {
    const { cert, key } = await this.files(who)
    return { clientCertFile: cert, clientKeyFile: key }
  }

  /** A member by itself, with TLS on both sides. */
  async member(name = 'etcd-0'): Promise<MemberConfig> {
    const [clientUrl, peerUrl] = [await this.freeUrl(), await this.freeUrl()]
    return {
      name,
      dataDir: this.#folder.file(`data-${new URL(peerUrl).port}`),
      client: { listenUrls: [clientUrl], advertiseUrls: [clientUrl], ...(await this.side('server')) },
      peer: { listenUrls: [peerUrl], advertiseUrls: [peerUrl], ...(await this.side('member')) },
      initialCluster: { [name]: [peerUrl] },
    }
  }
}
