/** Findings about options that need or exclude each other, and about a configuration as a whole. */
import { row } from '../../row.js'
import { listed } from '../../words.js'
import { type ConfigPlace, placed, rowByKind, spelledLike } from './place.js'

/** The options of the certificate that etcd presents as a client, in every form. */
const FOR_DIALLING = /client[-_](?:cert|key)[-_]file/i

export const configTogether = {
  'config/options-conflict': rowByKind<
    ConfigPlace & {
      kind: 'excluded' | 'ways to find members' | 'flag and variable' | 'TLS versions' | 'suites of TLS 1.3'
      other: string
    }
  >({
    meaning:
      'Etcd does not start with the two options together: allowed names and allowed hosts, an experimental option and the option that replaces it in 3.6, two ways to find the members of a new cluster, a flag and a variable of the same option, or cipher suites and versions of TLS that exclude each other.',
    source:
      'client/pkg/transport/listener.go v3.5.16 ServerConfig; server/embed/config.go v3.5.16 Validate, v3.6.14 experimentalFlagMigrationMap, SetFeatureGatesFromExperimentalFlags; pkg/flags/flag.go v3.5.16 verifyEnv; etcd 3.5.16, run',
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
    meaning:
      'An option is set without another one that it needs, and etcd does not start: a certificate without its key, an https URL without a certificate, URLs to listen on without URLs to advertise, peer URLs in a file without a name and a list of members, one half of a discovery service, checkpoints of leases that are kept and not made. For the readers of Kubernetes: endpoints, CA, certificate or key are missing.',
    source:
      'client/pkg/transport/listener.go v3.5.16 baseConfig; server/embed/etcd.go v3.5.16 configureClientListeners, configurePeerListeners, serveMetrics; server/embed/config.go v3.5.16 UpdateDefaultClusterFromName, ErrUnsetAdvertiseClientURLsFlag, v3.6.14 Validate; CIS Kubernetes Benchmark 2.1, 2.4; kube-apiserver options/etcd.go; kubeadm types.go ExternalEtcd; etcd 3.5.16, run',
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
    meaning:
      'The election timeout must be at least five heartbeat intervals. Otherwise etcd does not start. The defaults are 100 ms for the heartbeat interval and 1000 ms for the election timeout.',
    source: 'server/embed/config.go v3.5.16 Validate; etcd 3.5.16, run',
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
    meaning:
      'An option for emergencies or for tests is set: it drops the other members, loses acknowledged writes, allows more data than etcd recommends, never compacts the history, or accepts the certificate of a member from any address.',
    source:
      'server/etcdmain/help.go v3.5.16; server/etcdserver/quota.go v3.5.16 maxQuotaSize ("quota value exceeds maximum"); client/pkg/transport/listener_tls.go v3.5.16, v3.6.14 checkCertSAN; etcd 3.5.16, run',
    message: (details) => `${placed(details)} ${details.why}.`,
    remedy: ({ remedy }) => remedy,
  }),
  'config/suppression-without-effect': row<
    ConfigPlace & { code: string; why: 'unknown code' | 'no reason' | 'nothing to suppress' }
  >({
    severity: 'warning',
    meaning:
      'A comment "# etcd-mtls-ignore CODE: reason" suppresses nothing: its code is unknown, it gives no reason, or no finding of its file has the code.',
    source: 'a rule of this package',
    message: (details) =>
      `${placed(details)} names "${details.code}" and has no effect: ${details.why === 'unknown code' ? 'no finding of the lint has that code' : details.why === 'no reason' ? 'it gives no reason' : 'this file has no such finding'}.`,
    remedy: ({ code, why }) =>
      why === 'no reason'
        ? `Write "# etcd-mtls-ignore ${code}: " and the reason.`
        : 'Correct the code, or remove the comment.',
  }),
  'config/advisory': row<ConfigPlace & { id: string; version: string; fixed: string[]; what: string }>({
    severity: 'info',
    meaning: 'A vulnerability of the release that concerns TLS, authentication or the gateway.',
    source: 'the advisories of etcd on GitHub, and CHANGELOG/CHANGELOG-3.*.md',
    message: ({ id, version, what }) => `Etcd ${version} ${what} (${id}).`,
    remedy: ({ fixed }) => `Update etcd to ${listed(fixed, 'a later release', 'or')}.`,
  }),
}
