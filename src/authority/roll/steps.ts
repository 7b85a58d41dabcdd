/** The steps of a roll: by a bundle of both CAs, or by a cross-certificate. */
import type { CaRollFiles, CaRollStep, CaTraffic, PlannedCa } from './plan-types.js'
import type { RollScope } from './roll-files.js'

/** What the steps are told from. */
export interface StepFacts {
  readonly from: PlannedCa
  readonly to: PlannedCa
  readonly scope: RollScope
  readonly files: CaRollFiles
}

/** etcd's options for the file of trust anchors, by whom it is for. */
const TRUST_OPTIONS: Readonly<Record<CaTraffic, string>> = {
  all: '--trusted-ca-file and --peer-trusted-ca-file',
  client: '--trusted-ca-file',
  peer: '--peer-trusted-ca-file',
}

const HEALTHY = 'Every member is healthy: `etcdctl endpoint health --cluster` says so for each.'
const AGREES = 'checkCaRoll names this step as the next, without an error.'

const BOTH = '[...from.trustAnchors, ...to.trustAnchors]'

/** The way that always works: trust both, restart, issue anew, trust the new one, restart. */
export function bundleSteps(facts: StepFacts): CaRollStep[] {
  return [
    {
      id: 'trust-both',
      title: 'Trust both CAs',
      why: 'A certificate of the new CA must be accepted by everybody before the first one is used.',
      before: [HEALTHY, AGREES],
      do: [
        {
          text: `Write the old and the new CA into every file that ${TRUST_OPTIONS[facts.scope.traffic]} and the clients name.`,
          call: writeTrustCall(facts.scope, BOTH),
          files: facts.files.trust,
        },
      ],
      check: ['checkCaRoll finds both CAs in each of these files.'],
    },
    restart('restart-trusting-both', 'both CAs', facts),
    {
      id: 'reissue',
      title: 'Issue every certificate anew, from the new CA',
      why: 'etcd reads certificate and key again at each handshake, so nothing is restarted.',
      before: [
        'Every member and every client trusts both CAs, and has read them: a member that was not restarted refuses the new certificates.',
        AGREES,
      ],
      do: [reissueAction(facts, 'to', BOTH)],
      check: [
        'checkCaRoll finds every certificate, on the disk and at the endpoints, issued by the new CA.',
        'The members still form a cluster, and clients still come in.',
      ],
    },
    dropStep(facts),
    restart('restart-trusting-new', 'the new CA alone', facts),
  ]
}

/**
 * With a cross-certificate the new certificates are accepted by whoever trusts the old CA only. So they come first, and one
 * restart is enough.
 */
export function crossSteps(facts: StepFacts): CaRollStep[] {
  return [
    {
      id: 'reissue',
      title: 'Issue every certificate anew, from the new CA, with the cross-certificate',
      why: 'Who trusts the old CA follows the cross-certificate to it; who trusts the new one needs no more than that.',
      before: [HEALTHY, AGREES],
      do: [reissueAction(facts, 'to.withCrossCertificate(crossCertificate)', 'from.trustAnchors')],
      check: [
        'checkCaRoll finds every certificate issued by the new CA, with the cross-certificate behind it.',
        'The members still form a cluster, and clients still come in.',
      ],
    },
    dropStep(facts),
    restart('restart-trusting-new', 'the new CA alone', facts),
    {
      id: 'retire-cross-certificate',
      title: 'Leave the cross-certificate out',
      why: 'It leads to a CA that nobody trusts any longer, and ends with it.',
      before: ['Every member and every client trusts the new CA, and has read it.', AGREES],
      do: [reissueAction(facts, 'to', 'to.trustAnchors')],
      check: ['checkCaRoll finds no cross-certificate behind a certificate.'],
    },
  ]
}

function dropStep({ scope, files }: StepFacts): CaRollStep {
  return {
    id: 'trust-new',
    title: 'Trust the new CA alone',
    why: 'As long as the old CA is trusted, whoever has its key can issue certificates for this cluster.',
    before: [
      'No certificate of the old CA is in use: not by a member, not by a client, not by a backup job or an API server. Whoever still has one is refused after the restart.',
      AGREES,
    ],
    do: [
      {
        text: 'Write the new CA alone into every file of trust anchors.',
        call: writeTrustCall(scope, 'to.trustAnchors'),
        files: files.trust,
      },
    ],
    check: ['checkCaRoll finds the new CA in each of these files, and the old one in none.'],
  }
}

function restart(id: 'restart-trusting-both' | 'restart-trusting-new', what: string, { scope }: StepFacts): CaRollStep {
  const clients =
    scope.traffic === 'peer'
      ? []
      : [
          {
            text: 'Restart the clients that read the CA at their start only: kube-apiserver, etcdctl in scripts that run on, clientv3. A client of createSecureClient with fromFiles follows by itself.',
            call: null,
            files: [],
          },
        ]
  return {
    id,
    title: `Restart the members one at a time, so that they trust ${what}`,
    why: 'etcd reads its trusted CAs at its start only (etcd issue 11555).',
    before: [
      `${HEALTHY} Look again before each restart: with one member down and another not back yet, a cluster of three has no quorum.`,
      AGREES,
    ],
    do: [
      ...scope.members.map((member) => ({
        text: `Restart ${member}, and wait until it is healthy.`,
        call: null,
        files: [],
      })),
      ...clients,
    ],
    check: [`checkCaRoll finds each endpoint accepting certificates of ${what}.`, HEALTHY],
  }
}

function reissueAction({ files, scope }: StepFacts, authority: string, anchors: string): CaRollStep['do'][number] {
  const { layout, traffic } = scope
  const authorities = {
    all: authority,
    client: `{ client: ${authority}, peer }`,
    peer: `{ client, peer: ${authority} }`,
  }
  const narrowed = traffic === 'all' ? '' : `, { traffic: '${traffic}' }`
  return {
    text: 'Issue the certificates of all members and clients. What they trust stays as it is.',
    call: `writeCluster(directory, withTrustAnchors(await issueCluster(${authorities[traffic]}, plan), ${anchors}${narrowed}), { layout: '${layout}' })`,
    files: files.certificates,
  }
}

function writeTrustCall({ layout, traffic }: RollScope, anchors: string): string {
  const narrowed = traffic === 'all' ? '' : `, traffic: '${traffic}'`
  return `writeTrust(directory, ${anchors}, { layout: '${layout}'${narrowed} })`
}
