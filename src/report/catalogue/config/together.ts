/** Findings about options that need or exclude each other, and about a configuration as a whole. */
import { row, rowByKind } from '../../row.js'
import { listed } from '../../words.js'
import { type ConfigPlace, placed } from '../place.js'
import { spelledLike } from './place.js'

/** The options of the certificate that etcd presents as a client, in every form. */
const FOR_DIALLING = /client[-_](?:cert|key)[-_]file/i

export const configTogether = {
  'config/options-conflict': rowByKind<
    ConfigPlace & {
      kind: 'excluded' | 'ways to find members' | 'flag and variable' | 'TLS versions' | 'suites of TLS 1.3'
      other: string
    }
  >({
    refusals: [
      {
        by: 'etcd',
        words: 'AllowedCNs and AllowedHostnames are mutually exclusive (cns=…, hostnames=…)',
        when: ({ option }) => /allowed/i.test(option),
      },
      {
        by: 'etcd',
        words: 'AllowedCN and AllowedHostname are mutually exclusive (cn=…, hostname=…)',
        when: ({ option }) => /allowed/i.test(option),
      },
      {
        by: 'etcd',
        words: 'cannot set --experimental-… and --… at the same time, please use --… only',
        when: ({ kind, option, other }) => kind === 'excluded' && /experimental/i.test(option) && !/gates/i.test(other),
      },
      {
        by: 'etcd',
        words: 'cannot specify both flags: --experimental-…=… and --feature-gates=…=… at the same time',
        when: ({ kind, other }) => kind === 'excluded' && /gates/i.test(other),
      },
      {
        by: 'etcd',
        words: 'multiple discovery or bootstrap flags are set',
        when: ({ kind }) => kind === 'ways to find members',
      },
      {
        by: 'etcd',
        words: 'conflicting environment variable is shadowed by corresponding command-line flag',
        when: ({ kind }) => kind === 'flag and variable',
      },
      {
        by: 'etcd',
        words: 'conflicting environment variable "…" is shadowed by corresponding command-line flag',
        when: ({ kind }) => kind === 'flag and variable',
      },
      {
        by: 'etcd',
        words: 'min version (TLS1.3) is greater than max version (TLS1.2)',
        when: ({ kind }) => kind === 'TLS versions',
      },
      {
        by: 'etcd',
        words: 'cipher suites cannot be configured when only TLS1.3 is enabled',
        when: ({ kind }) => kind === 'suites of TLS 1.3',
      },
    ],
    kinds: {
      excluded: {
        severity: 'error',
        message: (details) => `${placed(details)} and ${details.other} cannot both be set.`,
        remedy: ({ option, other }) => `Keep one of ${option} and ${other}.`,
      },
      'ways to find members': {
        severity: 'error',
        message: (details) =>
          `${placed(details)} is set in addition to ${details.other}. Etcd accepts only one way to find the members.`,
        remedy: ({ option, other }) => `Keep one of ${other} and ${option}.`,
      },
      'flag and variable': {
        severity: 'error',
        message: (details) => `${placed(details)} is also set by ${details.other}. Etcd does not start with both.`,
        remedy: ({ option, other }) => `Keep one of ${option} and ${other}.`,
      },
      'TLS versions': {
        severity: 'error',
        message: (details) => `${placed(details)} is TLS1.3, which is newer than the maximum, TLS1.2.`,
        remedy: ({ option, other }) => `Set ${option} to TLS1.2, or remove ${other}.`,
      },
      'suites of TLS 1.3': {
        severity: 'error',
        message: (details) =>
          `${placed(details)} applies only to TLS 1.2, but ${details.other} is TLS1.3. Etcd refuses the two together.`,
        remedy: ({ option, other }) => `Remove ${option}, or set ${other} to TLS1.2.`,
      },
    },
  }),
  'config/option-needs': rowByKind<
    ConfigPlace & {
      kind: 'option' | 'pair' | 'certificate' | 'metrics certificate' | 'advertised URL' | 'members' | 'access'
      /** The options that are missing, or for `pair` the one that is given. */
      needs: string[]
      /** The URL that requires them, or the default that is used. */
      for: string
    }
  >({
    refusals: [
      {
        by: 'etcd',
        words: 'both --discovery-token and --discovery-endpoints must be set',
        when: ({ kind, needs }) => kind === 'option' && needs.some((each) => each.includes('discovery')),
      },
      {
        by: 'etcd',
        words: 'setting experimental-enable-lease-checkpoint-persist requires experimental-enable-lease-checkpoint',
        when: ({ kind, option }) => kind === 'option' && option.includes('checkpoint'),
      },
      {
        by: 'etcd',
        words: 'enabling feature gate LeaseCheckpointPersist requires enabling feature gate LeaseCheckpoint',
        when: ({ kind, option }) => kind === 'option' && option.includes('gates'),
      },
      {
        by: 'etcd',
        words: 'TLS key/cert (--cert-file, --key-file) must be provided for client url … with HTTPS scheme',
        when: ({ kind }) => kind === 'certificate',
      },
      {
        by: 'etcd',
        words: 'KeyFile and CertFile must both be present[key: …, cert: …]',
        when: ({ kind, option }) => kind === 'pair' && !FOR_DIALLING.test(option),
      },
      {
        by: 'etcd',
        words: 'ClientKeyFile and ClientCertFile must both be present or both absent: key: …, cert: …]',
        when: ({ kind, option }) => kind === 'pair' && FOR_DIALLING.test(option),
      },
      {
        by: 'etcd',
        words: 'client TLS key/cert (--cert-file, --key-file) must be provided for metrics secure url',
        when: ({ kind }) => kind === 'metrics certificate',
      },
      {
        by: 'etcd',
        words: 'cannot listen on TLS for …: KeyFile and CertFile are not presented',
        when: ({ kind }) => kind === 'metrics certificate',
      },
      {
        by: 'etcd',
        words: '--advertise-client-urls is required when --listen-client-urls is set explicitly',
        when: ({ kind }) => kind === 'advertised URL',
      },
      {
        by: 'etcd',
        words: '--initial-cluster has … but missing from --initial-advertise-peer-urls=…',
        when: ({ kind }) => kind === 'members',
      },
    ],
    kinds: {
      option: {
        severity: 'error',
        message: (details) => `${placed(details)} needs ${listed(details.needs, 'another one')}, which is not set.`,
        remedy: ({ option, needs }) => `Set ${listed(needs, 'it')}, or remove ${option}.`,
      },
      pair: {
        severity: 'error',
        message: (details) => `${placed(details)} is not set, but ${listed(details.needs, 'its pair')} is.`,
        remedy: ({ option, needs }) => `Set both ${option} and ${listed(needs, 'its pair')}, or neither.`,
      },
      certificate: {
        severity: 'error',
        message: (details) => `${placed(details)} is not set; ${details.for} requires it.`,
        remedy: ({ option }) => `Set ${option} to the file.`,
      },
      'metrics certificate': {
        severity: 'error',
        message: (details) =>
          `${placed(details)} has ${details.for}, but ${listed(details.needs, 'its certificate')} are not set.`,
        remedy: (details) =>
          `Set ${listed(details.needs, 'its certificate')}, or write ${details.for.replace(/^https:/, 'http:')} if only this machine can reach it.`,
      },
      'advertised URL': {
        severity: 'error',
        message: (details) => `${placed(details)} is set, but ${listed(details.needs, 'another one')} is not.`,
        remedy: ({ needs }) => `Set ${listed(needs, 'it')} to the URL at which clients reach this member.`,
      },
      members: {
        severity: 'error',
        message: (details) =>
          `${placed(details)} is set, but ${listed(details.needs, 'others')} are not. Etcd uses ${details.for} as the list of members.`,
        remedy: ({ needs }) =>
          `Set ${listed(needs, 'both')}: the list has "NAME=URL" of each member, separated by commas.`,
      },
      access: {
        severity: 'error',
        message: (details) => `${placed(details)} is not set.`,
        remedy: ({ option }) => `Set ${option}; a connection to etcd without TLS is not supported.`,
      },
    },
  }),
  'config/election-too-short': row<ConfigPlace & { heartbeat: number; election: number; least: number }>({
    severity: 'error',
    refusals: [
      { by: 'etcd', words: '--election-timeout[…ms] should be at least as 5 times as --heartbeat-interval[…ms]' },
    ],
    message: (details) =>
      `${placed(details)}: the election timeout of ${String(details.election)} ms is less than five heartbeats of ${String(details.heartbeat)} ms.`,
    remedy: ({ option, least }) =>
      `Set ${spelledLike(option, 'election-timeout')} to at least ${String(least)}, or reduce ${spelledLike(option, 'heartbeat-interval')}, on all members.`,
  }),
  'config/option-dangerous': row<ConfigPlace & { why: string; remedy: string }>({
    severity: 'warning',
    message: (details) => `${placed(details)} ${details.why}.`,
    remedy: ({ remedy }) => remedy,
  }),
  'config/suppression-without-effect': row<
    ConfigPlace & { code: string; why: 'unknown code' | 'no reason' | 'nothing to suppress' }
  >({
    severity: 'warning',
    message: (details) =>
      `${placed(details)} names "${details.code}" and has no effect: ${details.why === 'unknown code' ? 'no finding of the lint has that code' : details.why === 'no reason' ? 'it gives no reason' : 'this file has no such finding'}.`,
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
