/** The plan for the roll of a CA. */
import { checkOptions, optionInvalid, valueInvalid } from '../../report/option-error.js'
import { Certificate } from '../../x509/certificate.js'
import { bytesEqual } from '../../x509/der.js'
import { Authority } from '../authority.js'
import { checkLayout, checkNames } from '../files/check-cluster.js'
import type { Layout } from '../files/layouts.js'
import type { CaRollPlan, CaTraffic, PlannedCa } from './plan-types.js'
import { rollFiles } from './roll-files.js'
import { bundleSteps, crossSteps } from './steps.js'
import { readTraffic } from './with-trust-anchors.js'

/** What `planCaRoll` takes. */
export interface CaRollOptions {
  /** The CA in use: what is trusted now. Of an authority below a root, the root is what counts. */
  from: Authority | Certificate
  /** The CA that takes its place. */
  to: Authority | Certificate
  /** Names of all members. */
  members: readonly string[]
  /** Names of the clients whose files are in the same directory. Default: none. */
  clients?: readonly string[] | undefined
  /** How the files are laid out. Default: `'etcd'`. */
  layout?: Layout | undefined
  /**
   * Which trust is rolled, where clients and peers have CAs of their own: one plan for each. Default: `'all'`, one CA for
   * both.
   */
  traffic?: CaTraffic | undefined
  /**
   * What `from.crossSign(to)` gave. With it new certificates are accepted by whoever trusts the old CA only, so one
   * restart of each member is enough. Default: none, and two restarts.
   */
  crossCertificate?: Certificate | undefined
}

const KNOWN = ['from', 'to', 'members', 'clients', 'layout', 'traffic', 'crossCertificate'] as const

/**
 * Plans how a CA is replaced without an outage: which steps in which order, what must be true before each, which files
 * change, and how to see that it is done. Nothing is touched. {@link checkCaRoll} says how far the work has come.
 *
 * etcd reads certificates and keys at each handshake, and its trusted CAs at its start only. So the trust has to be
 * widened, and read, before the first certificate of the new CA is used, and narrowed after the last one of the old.
 *
 * @throws {EtcdMtlsError} `ERR_OPTION_INVALID`
 */
export function planCaRoll(options: CaRollOptions): CaRollPlan {
  checkOptions('options', options, KNOWN)
  const from = rootOf(options.from, 'from')
  const to = rootOf(options.to, 'to')
  const { members, clients = [], layout = 'etcd', crossCertificate } = options
  checkLayout(layout)
  const traffic = readTraffic(options.traffic, 'traffic')
  checkNames(listOf(members, 'members'), 'members')
  checkNames(listOf(clients, 'clients'), 'clients')
  if (members.length === 0) throw optionInvalid('members', 'must name every member')
  if (bytesEqual(from.spki, to.spki)) {
    const instead = 'write it beside the one in use (writeTrust), and restart the members before that one ends'
    throw optionInvalid(
      'to',
      `must hold another key than the CA in use: what that has issued is trusted by a new certificate of the same key, too, so ${instead}`,
    )
  }
  if (layout === 'kubeadm' && traffic !== 'all')
    throw optionInvalid('traffic', "must be 'all' for the layout kubeadm, which has one CA for etcd")
  if (crossCertificate !== undefined) checkCross(crossCertificate, from, to)

  const scope = { layout, traffic, members: [...members], clients: traffic === 'peer' ? [] : [...clients] }
  const files = rollFiles(scope)
  const facts = { from: planned(from), to: planned(to), scope, files }
  return {
    ...facts.scope,
    from: facts.from,
    to: facts.to,
    crossCertificate: crossCertificate?.toPem() ?? null,
    files,
    notes: notesOn(from, to),
    steps: crossCertificate === undefined ? bundleSteps(facts) : crossSteps(facts),
  }
}

function rootOf(value: unknown, option: string): Certificate {
  const certificate = value instanceof Authority ? value.trustAnchors[0] : value
  if (!(certificate instanceof Certificate)) throw valueInvalid(option, value, 'an Authority or a Certificate')
  if (!certificate.isCa) throw optionInvalid(option, 'must be a CA certificate')
  return certificate
}

function listOf(value: unknown, option: string): readonly unknown[] {
  if (!Array.isArray(value)) throw valueInvalid(option, value, 'an array of names')
  return value
}

function checkCross(cross: unknown, from: Certificate, to: Certificate): void {
  const option = 'crossCertificate'
  if (!(cross instanceof Certificate)) throw optionInvalid(option, 'must be a Certificate')
  if (!cross.subject.equals(to.subject) || !bytesEqual(cross.spki, to.spki))
    throw optionInvalid(option, 'must hold the name and the key of the new CA')
  if (!cross.isSignedBy(from)) throw optionInvalid(option, 'must be signed by the CA in use')
}

function planned(certificate: Certificate): PlannedCa {
  return {
    subject: certificate.subject.toString(),
    fingerprint256: certificate.fingerprint256,
    notAfter: certificate.notAfter.toISOString(),
    pem: certificate.toPem(),
  }
}

function notesOn(from: Certificate, to: Certificate): string[] {
  const notes = [`The old CA ends on ${from.notAfter.toISOString()}: the last step has to be done by then.`]
  if (from.subject.equals(to.subject)) {
    notes.push(
      'Both CAs have the same name. That works, but errors and logs do not tell them apart; give the new one a name of its own where you can, such as one with the year.',
    )
  }
  return notes
}
