/** What was revoked stays revoked: renewal, keys that were compromised, and a ledger that was lost. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  type Authority,
  createAuthority,
  createRequest,
  fileLedger,
  issueCluster,
  loadAuthority,
  renewCredentials,
  renewDirectory,
  writeCluster,
} from '../../../src/authority/index.js'
import { memoryLedger } from '../../../src/authority/ledger.js'
import { Certificate } from '../../../src/x509/certificate.js'
import { Crl } from '../../../src/x509/crl/crl.js'
import { crlNumber, deltaCrlIndicator, mintCa, mintCrl, mintLeaf } from '../../support/mint.js'
import { temporaryFolder } from '../../support/openssl.js'
import { refused } from '../../support/refused.js'

const folder = temporaryFolder()

async function again(authority: Authority, ledger = memoryLedger()): Promise<Authority> {
  return loadAuthority({ ...authority.export(), ledger })
}

describe('renewal', () => {
  it.each(['new', 'same'] as const)('does not undo a revocation with key: %s', async (key) => {
    const authority = await createAuthority({ name: 'CA' })
    const credentials = await authority.issue({ role: 'client', name: 'app' })
    await renewCredentials(authority, credentials, { key })
    await authority.revoke(credentials.chain[0], { reason: 'privilegeWithdrawn' })
    const { details, message } = await refused(renewCredentials(authority, credentials, { key }), 'ERR_ISSUE_REFUSED')
    expect(details.findings.map(({ code }) => code)).toEqual(['ledger/revoked'])
    expect(message).toContain('"CN=app"')
  })

  it('renewal by another CA does not undo a revocation, as when a CA is replaced', async () => {
    const ledger = memoryLedger()
    const [from, to] = [await createAuthority({ name: 'CA', ledger }), await createAuthority({ name: 'CA 2', ledger })]
    for (const issuing of [from, await from.createIntermediate({ name: 'CA 1' })]) {
      const credentials = await issuing.issue({ role: 'client', name: 'app' })
      await issuing.revoke(credentials.chain[0])
      const { details } = await refused(renewCredentials(to, credentials, { foreign: true }), 'ERR_ISSUE_REFUSED')
      expect(details.findings.map(({ code }) => code)).toEqual(['ledger/revoked'])
    }
  })

  it('renewal of a directory keeps revoked credentials, with the finding, and renews the rest', async () => {
    const authority = await createAuthority({ name: 'CA', ledger: fileLedger(folder.file('ledger')) })
    const place = folder.file('cluster')
    mkdirSync(place)
    const cluster = await issueCluster(authority, {
      members: [{ name: 'm', hosts: ['10.0.0.1'] }],
      clients: ['good', 'bad'],
    })
    await writeCluster(place, cluster, { layout: 'etcd', caKey: false })
    await authority.revoke(cluster.clients.bad.chain[0])
    const { renewed, kept } = await renewDirectory(authority, place, { layout: 'etcd', force: true })
    expect(renewed.map(({ what }) => what)).toContain(join('clients', 'good', 'tls'))
    expect(kept.map(({ what, why, findings }) => [what, why, findings.map(({ code }) => code)])).toEqual([
      [join('clients', 'bad', 'tls'), 'refused', ['ledger/revoked']],
    ])
  })
})

describe('a compromised key', () => {
  it('refuses to certify a compromised key in issue and in sign, under any name', async () => {
    const authority = await createAuthority({ name: 'CA' })
    const { csr, key } = await createRequest({ name: 'app' })
    const signed = await authority.sign(csr, { role: 'client', name: 'app' })
    await authority.revoke(signed.chain[0].serialNumber, { reason: 'keyCompromise' })
    for (const work of [
      authority.sign(csr, { role: 'client', name: 'other' }),
      authority.issue({ role: 'server', name: 'etcd-0', hosts: ['10.0.0.1'], key }),
    ]) {
      const { details } = await refused(work, 'ERR_ISSUE_REFUSED')
      expect(details.findings.map(({ code }) => code)).toEqual(['ledger/revoked'])
    }
    // The key of a certificate that was revoked for another reason may be used again.
    const other = await createRequest({ name: 'app' })
    const { chain } = await authority.sign(other.csr, { role: 'client', name: 'app' })
    await authority.revoke(chain[0], { reason: 'superseded' })
    await authority.sign(other.csr, { role: 'client', name: 'app' })
  })
})

describe('a ledger that was lost', () => {
  it('does not undo a revocation: the next CRL is refused until the last one is restored', async () => {
    const authority = await createAuthority({ name: 'CA' })
    const [one, two] = [
      await authority.issue({ role: 'client', name: 'one' }),
      await authority.issue({ role: 'client', name: 'two' }),
    ]
    await authority.revoke(one.chain[0], { reason: 'keyCompromise' })
    await authority.revoke(two.chain[0])
    const previous = await authority.issueCrl()
    const forgetful = await again(authority)
    const { message } = await refused(forgetful.issueCrl({ previous }), 'ERR_ISSUE_REFUSED')
    expect(message).toContain('authority.restoreRevocations(previous)')
    expect(await forgetful.restoreRevocations(previous)).toBe(2)
    expect(await forgetful.restoreRevocations(previous)).toBe(0)
    const next = await forgetful.issueCrl({ previous })
    expect(next.number).toBeGreaterThan(previous.number ?? 0n)
    expect(next.find(one.chain[0])?.reason).toBe('keyCompromise')
    expect(next.find(two.chain[0])).not.toBe(null)
  })

  it('finds a certificate of another tool whose serial number starts with a 1 bit', async () => {
    const ca = mintCa({ subject: 'CA' })
    const leaf = Certificate.parse(mintLeaf({ subject: 'app', issuer: ca, serial: 0xf0_00_01 }).der)
    const load = () => loadAuthority({ cert: ca.pem, key: ca.keyPem, ledger: memoryLedger() })
    const authority = await load()
    await authority.revoke(leaf)
    const previous = await authority.issueCrl()
    await authority.issueCrl({ previous })
    expect(await authority.restoreRevocations(previous)).toBe(0)
    const forgetful = await load()
    expect(await forgetful.restoreRevocations(previous)).toBe(1)
    expect((await forgetful.issueCrl({ previous })).find(leaf)).not.toBe(null)
  })

  it('refuses a ledger that lacks a revocation of the previous CRL, with its serial number', async () => {
    const ledger = memoryLedger()
    const authority = await createAuthority({ name: 'CA', ledger })
    const { chain } = await authority.issue({ role: 'client', name: 'one' })
    await authority.revoke(chain[0])
    const previous = await authority.issueCrl()
    const lossy = memoryLedger()
    await lossy.append((await ledger.read()).filter(({ kind }) => kind !== 'revoked'))
    const { message } = await refused((await again(authority, lossy)).issueCrl({ previous }), 'ERR_ISSUE_REFUSED')
    expect(message).toContain(chain[0].serialNumber)
  })

  it('refuses a CRL of another authority', async () => {
    const [authority, other] = [await createAuthority({ name: 'CA' }), await createAuthority({ name: 'CA' })]
    const crl = await other.issueCrl()
    expect((await refused(authority.restoreRevocations(crl), 'ERR_OPTION_INVALID')).details.option).toBe('crl')
    expect((await refused(authority.issueCrl({ previous: crl }), 'ERR_OPTION_INVALID')).details.option).toBe('previous')
  })

  it('refuses a delta CRL, whose entries may be removals', async () => {
    const ca = mintCa({ subject: 'CA' })
    const authority = await loadAuthority({ cert: ca.pem, key: ca.keyPem })
    const crl = Crl.parse(mintCrl({ issuer: ca, extensions: [crlNumber(2), deltaCrlIndicator(1)] }).der)
    const { message } = await refused(authority.restoreRevocations(crl), 'ERR_OPTION_INVALID')
    expect(message).toContain('must be a full CRL')
  })
})
