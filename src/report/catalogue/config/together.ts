/** Findings about options that require or exclude each other, and about whole configurations. */
import { error, warning } from '../../row.js'
import { listed } from '../../words.js'
import type { ConfigPlace } from '../place.js'
import { spelledLike } from './place.js'

/** Options for the certificate that etcd presents as a client, in every form. */
const FOR_DIALLING = /client[-_](?:cert|key)[-_]file/i

export type OptionsConflict = ConfigPlace & { other: string }

/** `needs`: the missing options. */
export type OptionNeeds = ConfigPlace & { needs: string[] }

export const configTogether = {
  'config/options-conflict': {
    excluded: error((d: OptionsConflict) => [
      `${d.option} and ${d.other} cannot both be set.`,
      keepOneRemedy(d),
    ]).refusedAs([
      {
        etcd: [
          'AllowedCNs and AllowedHostnames are mutually exclusive (cns=…, hostnames=…)',
          'AllowedCN and AllowedHostname are mutually exclusive (cn=…, hostname=…)',
        ],
        when: ({ option }) => /allowed/i.test(option),
      },
    ]),
    'ways to find members': error((d: OptionsConflict) => [
      `${d.option} is set in addition to ${d.other}. etcd accepts only one way to find the members.`,
      keepOneRemedy(d),
    ]).refusedAs({ etcd: 'multiple discovery or bootstrap flags are set' }),
    'flag and variable': error((d: OptionsConflict) => [
      `${d.option} is also set by ${d.other}. etcd does not start with both.`,
      keepOneRemedy(d),
    ]).refusedAs({
      etcd: [
        'conflicting environment variable is shadowed by corresponding command-line flag',
        'conflicting environment variable "…" is shadowed by corresponding command-line flag',
      ],
    }),
    'TLS versions': error((d: OptionsConflict) => [
      `${d.option} is TLS1.3, which is newer than the maximum, TLS1.2.`,
      `Set ${d.option} to TLS1.2, or remove ${d.other}.`,
    ]).refusedAs({ etcd: 'min version (TLS1.3) is greater than max version (TLS1.2)' }),
    'suites of TLS 1.3': error((d: OptionsConflict) => [
      `${d.option} applies only to TLS 1.2, but ${d.other} is TLS1.3. etcd refuses the two together.`,
      `Remove ${d.option}, or set ${d.other} to TLS1.2.`,
    ]).refusedAs({ etcd: 'cipher suites cannot be configured when only TLS1.3 is enabled' }),
  },
  'config/option-needs': {
    pair: error((d: ConfigPlace & { other: string }) => [
      `${d.option} is not set, but ${d.other} is.`,
      `Set both ${d.option} and ${d.other}, or neither.`,
    ]).refusedAs([
      {
        etcd: 'KeyFile and CertFile must both be present[key: …, cert: …]',
        when: ({ option }) => !FOR_DIALLING.test(option),
      },
      {
        etcd: 'ClientKeyFile and ClientCertFile must both be present or both absent: key: …, cert: …]',
        when: ({ option }) => FOR_DIALLING.test(option),
      },
    ]),
    certificate: error((d: ConfigPlace & { url: string }) => [
      `${d.option} is not set; ${d.url} requires it.`,
      `Set ${d.option} to the file.`,
    ]).refusedAs({
      etcd: 'TLS key/cert (--cert-file, --key-file) must be provided for client url … with HTTPS scheme',
    }),
    'metrics certificate': error((d: OptionNeeds & { url: string }) => [
      `${d.option} has ${d.url}, but ${listed(d.needs, 'its certificate')} are not set.`,
      `Set ${listed(d.needs, 'its certificate')}, or write ${d.url.replace(/^https:/, 'http:')} if only this machine can reach it.`,
    ]).refusedAs({
      etcd: [
        'client TLS key/cert (--cert-file, --key-file) must be provided for metrics secure url',
        'cannot listen on TLS for …: KeyFile and CertFile are not presented',
      ],
    }),
    'advertised URL': error((d: OptionNeeds) => [
      `${d.option} is set, but ${listed(d.needs, 'another one')} is not.`,
      `Set ${listed(d.needs, 'it')} to the URL at which clients reach this member.`,
    ]).refusedAs({ etcd: '--advertise-client-urls is required when --listen-client-urls is set explicitly' }),
    members: error((d: OptionNeeds & { used: string }) => [
      `${d.option} is set, but ${listed(d.needs, 'others')} are not. etcd uses ${d.used} as the list of members.`,
      `Set ${listed(d.needs, 'both')}: the list has "NAME=URL" of each member, separated by commas.`,
    ]).refusedAs({ etcd: '--initial-cluster has … but missing from --initial-advertise-peer-urls=…' }),
    access: error((d: ConfigPlace) => [
      `${d.option} is not set.`,
      `Set ${d.option}; a connection to etcd without TLS is not supported.`,
    ]),
  },
  'config/election-too-short': error((d: ConfigPlace & { heartbeat: number; election: number; least: number }) => [
    `${d.option}: the election timeout of ${String(d.election)} ms is less than five heartbeats of ${String(d.heartbeat)} ms.`,
    `Set ${spelledLike(d.option, 'election-timeout')} to at least ${String(d.least)}, or reduce ${spelledLike(d.option, 'heartbeat-interval')}, on all members.`,
  ]).refusedAs({ etcd: '--election-timeout[…ms] should be at least as 5 times as --heartbeat-interval[…ms]' }),
  'config/option-dangerous': warning((d: ConfigPlace & { why: string; remedy: string }) => [
    `${d.option} ${d.why}.`,
    d.remedy,
  ]),
  'config/suppression-without-effect': warning(
    (d: ConfigPlace & { code: string; why: 'unknown code' | 'no reason' | 'nothing to suppress' | 'expired' }) => [
      `${d.option} names "${d.code}" and has no effect: ${WITHOUT_EFFECT[d.why]}.`,
      d.why === 'no reason'
        ? `Write "# etcd-mtls-ignore ${d.code}: " and the reason.`
        : d.why === 'expired'
          ? 'Fix the finding and remove the entry, or give a later date.'
          : 'Correct the code, or remove it here.',
    ],
  ),
}

const WITHOUT_EFFECT = {
  'unknown code': 'no finding of the lint has that code',
  'no reason': 'it gives no reason',
  'nothing to suppress': 'there is no such finding',
  expired: 'it has expired',
}

function keepOneRemedy({ option, other }: { option: string; other: string }): string {
  return `Keep one of ${option} and ${other}.`
}
