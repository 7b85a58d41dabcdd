/** Findings about options that need or exclude each other, and about a configuration as a whole. */
import { row } from '../../row.js'
import { listed } from '../../words.js'
import type { ConfigPlace } from '../place.js'
import { optionKinds, optionRow, spelledLike } from './place.js'

/** The options of the certificate that etcd presents as a client, in every form. */
const FOR_DIALLING = /client[-_](?:cert|key)[-_]file/i

export const configTogether = {
  'config/options-conflict': optionKinds<
    ConfigPlace & {
      kind: 'excluded' | 'ways to find members' | 'flag and variable' | 'TLS versions' | 'suites of TLS 1.3'
      other: string
    }
  >({
    kinds: {
      excluded: {
        refusals: [
          {
            etcd: [
              'AllowedCNs and AllowedHostnames are mutually exclusive (cns=…, hostnames=…)',
              'AllowedCN and AllowedHostname are mutually exclusive (cn=…, hostname=…)',
            ],
            when: ({ option }) => /allowed/i.test(option),
          },
          {
            etcd: 'cannot set --experimental-… and --… at the same time, please use --… only',
            when: ({ option, other }) => /experimental/i.test(option) && !/gates/i.test(other),
          },
          {
            etcd: 'cannot specify both flags: --experimental-…=… and --feature-gates=…=… at the same time',
            when: ({ other }) => /gates/i.test(other),
          },
        ],
        says: ({ other }) => `and ${other} cannot both be set.`,
        remedy: keepOne,
      },
      'ways to find members': {
        refusals: { etcd: 'multiple discovery or bootstrap flags are set' },
        says: ({ other }) => `is set in addition to ${other}. Etcd accepts only one way to find the members.`,
        remedy: keepOne,
      },
      'flag and variable': {
        refusals: {
          etcd: [
            'conflicting environment variable is shadowed by corresponding command-line flag',
            'conflicting environment variable "…" is shadowed by corresponding command-line flag',
          ],
        },
        says: ({ other }) => `is also set by ${other}. Etcd does not start with both.`,
        remedy: keepOne,
      },
      'TLS versions': {
        refusals: { etcd: 'min version (TLS1.3) is greater than max version (TLS1.2)' },
        says: () => 'is TLS1.3, which is newer than the maximum, TLS1.2.',
        remedy: ({ option, other }) => `Set ${option} to TLS1.2, or remove ${other}.`,
      },
      'suites of TLS 1.3': {
        refusals: { etcd: 'cipher suites cannot be configured when only TLS1.3 is enabled' },
        says: ({ other }) => `applies only to TLS 1.2, but ${other} is TLS1.3. Etcd refuses the two together.`,
        remedy: ({ option, other }) => `Remove ${option}, or set ${other} to TLS1.2.`,
      },
    },
  }),
  'config/option-needs': optionKinds<
    ConfigPlace & {
      kind: 'option' | 'pair' | 'certificate' | 'metrics certificate' | 'advertised URL' | 'members' | 'access'
      /** The options that are missing, or for `pair` the one that is given. */
      needs: string[]
      /** The URL that requires them, or the default that is used. */
      for: string
    }
  >({
    kinds: {
      option: {
        refusals: [
          {
            etcd: 'both --discovery-token and --discovery-endpoints must be set',
            when: ({ needs }) => needs.some((each) => each.includes('discovery')),
          },
          {
            etcd: 'setting experimental-enable-lease-checkpoint-persist requires experimental-enable-lease-checkpoint',
            when: ({ option }) => option.includes('checkpoint'),
          },
          {
            etcd: 'enabling feature gate LeaseCheckpointPersist requires enabling feature gate LeaseCheckpoint',
            when: ({ option }) => option.includes('gates'),
          },
        ],
        says: ({ needs }) => `needs ${listed(needs, 'another one')}, which is not set.`,
        remedy: ({ option, needs }) => `Set ${listed(needs, 'it')}, or remove ${option}.`,
      },
      pair: {
        refusals: [
          {
            etcd: 'KeyFile and CertFile must both be present[key: …, cert: …]',
            when: ({ option }) => !FOR_DIALLING.test(option),
          },
          {
            etcd: 'ClientKeyFile and ClientCertFile must both be present or both absent: key: …, cert: …]',
            when: ({ option }) => FOR_DIALLING.test(option),
          },
        ],
        says: ({ needs }) => `is not set, but ${listed(needs, 'its pair')} is.`,
        remedy: ({ option, needs }) => `Set both ${option} and ${listed(needs, 'its pair')}, or neither.`,
      },
      certificate: {
        refusals: {
          etcd: 'TLS key/cert (--cert-file, --key-file) must be provided for client url … with HTTPS scheme',
        },
        says: (details) => `is not set; ${details.for} requires it.`,
        remedy: ({ option }) => `Set ${option} to the file.`,
      },
      'metrics certificate': {
        refusals: {
          etcd: [
            'client TLS key/cert (--cert-file, --key-file) must be provided for metrics secure url',
            'cannot listen on TLS for …: KeyFile and CertFile are not presented',
          ],
        },
        says: (details) => `has ${details.for}, but ${listed(details.needs, 'its certificate')} are not set.`,
        remedy: (details) =>
          `Set ${listed(details.needs, 'its certificate')}, or write ${details.for.replace(/^https:/, 'http:')} if only this machine can reach it.`,
      },
      'advertised URL': {
        refusals: { etcd: '--advertise-client-urls is required when --listen-client-urls is set explicitly' },
        says: ({ needs }) => `is set, but ${listed(needs, 'another one')} is not.`,
        remedy: ({ needs }) => `Set ${listed(needs, 'it')} to the URL at which clients reach this member.`,
      },
      members: {
        refusals: { etcd: '--initial-cluster has … but missing from --initial-advertise-peer-urls=…' },
        says: (details) =>
          `is set, but ${listed(details.needs, 'others')} are not. Etcd uses ${details.for} as the list of members.`,
        remedy: ({ needs }) =>
          `Set ${listed(needs, 'both')}: the list has "NAME=URL" of each member, separated by commas.`,
      },
      access: {
        says: () => 'is not set.',
        remedy: ({ option }) => `Set ${option}; a connection to etcd without TLS is not supported.`,
      },
    },
  }),
  'config/election-too-short': optionRow<ConfigPlace & { heartbeat: number; election: number; least: number }>({
    refusals: { etcd: '--election-timeout[…ms] should be at least as 5 times as --heartbeat-interval[…ms]' },
    says: ({ heartbeat, election }) =>
      `: the election timeout of ${String(election)} ms is less than five heartbeats of ${String(heartbeat)} ms.`,
    remedy: ({ option, least }) =>
      `Set ${spelledLike(option, 'election-timeout')} to at least ${String(least)}, or reduce ${spelledLike(option, 'heartbeat-interval')}, on all members.`,
  }),
  'config/option-dangerous': optionRow<ConfigPlace & { why: string; remedy: string }>({
    severity: 'warning',
    says: ({ why }) => `${why}.`,
    remedy: ({ remedy }) => remedy,
  }),
  'config/suppression-without-effect': optionRow<
    ConfigPlace & { code: string; why: 'unknown code' | 'no reason' | 'nothing to suppress' }
  >({
    severity: 'warning',
    says: ({ code, why }) => `names "${code}" and has no effect: ${WITHOUT_EFFECT[why]}.`,
    remedy: ({ code, why }) =>
      why === 'no reason'
        ? `Write "# etcd-mtls-ignore ${code}: " and the reason.`
        : 'Correct the code, or remove the comment.',
  }),
  'config/advisory': row<ConfigPlace & { id: string; version: string; fixed: string[]; what: string }>({
    severity: 'info',
    message: ({ id, version, what }) => `Etcd ${version} ${what} (${id}).`,
    remedy: ({ fixed }) => `Update etcd to ${listed(fixed, 'a later release', 'or')}.`,
  }),
}

const WITHOUT_EFFECT = {
  'unknown code': 'no finding of the lint has that code',
  'no reason': 'it gives no reason',
  'nothing to suppress': 'this file has no such finding',
}

function keepOne({ option, other }: { option: string; other: string }): string {
  return `Keep one of ${option} and ${other}.`
}
