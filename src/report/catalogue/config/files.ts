/** Findings about the files that a configuration of etcd names. */
import { row, rowByKind } from '../../row.js'
import { listed, quoted } from '../../words.js'
import { type ConfigPlace, placed, shellArgument } from '../place.js'
import { day } from './place.js'

/** Why etcd 3.6 does not read a CRL that older releases read. */
export type CrlFlaw = 'PEM' | 'version 1' | 'two algorithms' | 'critical key identifier'

const FLAWS: Readonly<Record<CrlFlaw, { has: string; wants: string; remedy: string }>> = {
  PEM: { has: 'is PEM', wants: 'DER', remedy: 'Convert it to DER.' },
  'version 1': {
    has: 'is a CRL of version 1',
    wants: 'version 2',
    remedy: 'Issue it with a number, which makes it version 2 ("crlnumber" in the configuration of openssl ca).',
  },
  'two algorithms': {
    has: 'names one signature algorithm inside and another one outside',
    wants: 'the same twice',
    remedy: 'Issue the CRL again, with another program.',
  },
  'critical key identifier': {
    has: 'has a critical authority key identifier',
    wants: 'one that is not critical',
    remedy: 'Issue it with "authorityKeyIdentifier = keyid:always", without "critical".',
  },
}

export const configFiles = {
  'config/byte-order-mark': row<ConfigPlace & { path: string; of: 'certificate' | 'key' | 'CA' }>({
    severity: 'error',
    refusals: [
      {
        by: 'Go',
        words: 'tls: failed to find any PEM data in certificate input',
        when: ({ of }) => of === 'certificate',
      },
      { by: 'Go', words: 'tls: failed to find any PEM data in key input', when: ({ of }) => of === 'key' },
      { by: 'Go', words: 'x509: certificate signed by unknown authority', when: ({ of }) => of === 'CA' },
    ],
    message: (details) =>
      `${placed(details)} names ${details.path}, which begins with a byte order mark: etcd does not see the ${details.of}.`,
    remedy: ({ path }) => `Remove it: "sed -i '1s/^\\xEF\\xBB\\xBF//' ${shellArgument(path)}".`,
  }),
  'config/crl-form': row<ConfigPlace & { path: string; version: string; isAhead: boolean; is: CrlFlaw }>({
    severity: ({ isAhead }) => (isAhead ? 'info' : 'error'),
    refusals: [
      { by: 'Go', words: 'x509: malformed crl', when: ({ is, isAhead }) => !isAhead && is === 'PEM' },
      {
        by: 'Go',
        words: 'x509: unsupported crl version',
        when: ({ is, isAhead }) => !isAhead && is === 'version 1',
      },
      {
        by: 'Go',
        words: "x509: inner and outer signature algorithm identifiers don't match",
        when: ({ is, isAhead }) => !isAhead && is === 'two algorithms',
      },
      {
        by: 'Go',
        words: 'x509: authority key identifier incorrectly marked critical',
        when: ({ is, isAhead }) => !isAhead && is === 'critical key identifier',
      },
    ],
    message: (details) =>
      details.isAhead
        ? `${placed(details)} names ${details.path}, which ${FLAWS[details.is].has}; etcd 3.6 requires ${FLAWS[details.is].wants}.`
        : `${placed(details)} names ${details.path}, which ${FLAWS[details.is].has}, and etcd ${details.version} requires ${FLAWS[details.is].wants}: it refuses every client.`,
    remedy: ({ path, is, isAhead }) => {
      const convert = `"openssl crl -in ${shellArgument(path)} -outform DER -out crl.der"`
      if (!isAhead) return is === 'PEM' ? `Convert it: ${convert}.` : FLAWS[is].remedy
      return is === 'PEM'
        ? `Convert it before the update: ${convert}. 3.5 reads it, too.`
        : `Before the update to 3.6: ${FLAWS[is].remedy}`
    },
  }),
  'config/crl-unreadable': rowByKind<
    ConfigPlace & {
      kind: 'damaged' | 'something else' | 'several'
      path: string
      /** Why it cannot be used, or how many CRLs there are. */
      reason: string
    }
  >({
    kinds: {
      damaged: {
        severity: 'error',
        message: unusableCrl,
        remedy: ({ option, path }) =>
          `Write the CRL again, for example with "openssl ca -gencrl -out ${shellArgument(path)}", or remove ${option}.`,
      },
      // A file that is not a CRL may be a certificate, which must not be overwritten.
      'something else': {
        severity: 'error',
        message: unusableCrl,
        remedy: ({ option, path }) =>
          `Set ${option} to a CRL, which "openssl ca -gencrl" writes to a new file, or remove ${option}. Do not overwrite ${path}.`,
      },
      several: {
        severity: 'error',
        message: (details) =>
          `${placed(details)} names ${details.path}, which contains ${details.reason} CRLs. Etcd reads only the first one.`,
        remedy: () => 'Write one CRL with all serial numbers: etcd compares only these, not the issuer.',
      },
    },
  }),
  'config/crl-doubtful': rowByKind<
    ConfigPlace & {
      kind: 'undocumented' | 'other CA' | 'stale'
      path: string
      /** Of another CA: its name, and the option with the CAs. */
      issuer: string
      ca: string
      nextUpdate: Date | null
    }
  >({
    kinds: {
      undocumented: {
        severity: 'info',
        message: (details) => `${placed(details)} is in force, although etcd does not document it.`,
        remedy: () => 'Keep it, and verify after each update of etcd that a revoked certificate is refused.',
      },
      'other CA': {
        severity: 'warning',
        message: (details) =>
          `${placed(details)} names ${details.path}, a CRL of "${details.issuer}", which is not one of the CAs of ${details.ca}.`,
        remedy: ({ ca }) => `Use the CRL that a CA of ${ca}, or an intermediate below it, issued.`,
      },
      stale: {
        severity: 'warning',
        message: (details) =>
          `${placed(details)} names ${details.path}, whose next update was due${details.nextUpdate === null ? '' : ` on ${day(details.nextUpdate)}`}. Etcd ignores that date.`,
        remedy: ({ path }) =>
          `Write a new CRL to ${path}, for example with "openssl ca -gencrl -out ${shellArgument(path)}", and repeat it by a timer.`,
      },
    },
  }),
  'config/key-not-readable': rowByKind<
    ConfigPlace & {
      kind: 'encrypted' | 'file' | 'directory' | 'volume'
      path: string
      onHost: string
      user: string
      mode: string
      /** The directory that the user may not enter. */
      directory: string
      isDynamic: boolean
    }
  >({
    refusals: [
      { by: 'Go', words: 'tls: failed to parse private key', when: ({ kind }) => kind === 'encrypted' },
      { by: 'Go', words: 'open …: permission denied', when: ({ kind }) => kind !== 'encrypted' },
    ],
    kinds: {
      encrypted: {
        severity: 'error',
        message: (details) => `${placed(details)} names ${details.path}, which is encrypted.`,
        remedy: ({ path }) =>
          `Decrypt it: "openssl pkey -in ${shellArgument(path)} -out new.key", and make new.key readable only for the user of etcd.`,
      },
      file: {
        severity: 'error',
        message: (details) =>
          `${placed(details)} names ${details.path} (mode ${details.mode}), which the user ${details.user} may not read.`,
        remedy: ({ onHost, user, isDynamic }) =>
          isDynamic ? ofDynamicUser(onHost) : `Run "chown ${shellArgument(user)} ${shellArgument(onHost)}".`,
      },
      volume: {
        severity: 'error',
        message: (details) =>
          `${placed(details)} names ${details.path}, which the volume gives to root with mode ${details.mode}: the user ${details.user} of the container may not read it.`,
        remedy: () =>
          'Set "fsGroup" in the securityContext of the pod, which lets that group read the volume, or a defaultMode of 0444.',
      },
      directory: {
        severity: 'error',
        message: (details) =>
          `${placed(details)} names ${details.path}, but the user ${details.user} may not enter ${details.directory} (mode ${details.mode}).`,
        remedy: ({ user, directory, isDynamic }) =>
          isDynamic
            ? ofDynamicUser(directory)
            : `Run "chmod o+x ${shellArgument(directory)}", or move the key to a directory that ${user} may enter.`,
      },
    },
  }),
  'config/peer-address-unprovable': row<ConfigPlace & { names: string[]; addresses: string[] }>({
    severity: 'warning',
    refusals: [{ by: 'Go', words: 'tls: "…" does not match any of DNSNames […]' }],
    message: (details) =>
      `${placed(details)} names a certificate with ${listed(details.names)}. None of these names covers the address of this member (${listed(details.addresses)}).`,
    remedy: () => 'Reissue it with the address or the host name of the member in addition.',
  }),
  'config/ca-expired': row<
    ConfigPlace & { subjects: string[]; notAfter: Date; block: 'client' | 'peer'; isEvery: boolean }
  >({
    severity: ({ isEvery }) => (isEvery ? 'error' : 'warning'),
    refusals: [{ by: 'Go', words: 'x509: certificate has expired or is not yet valid: …' }],
    message: (details) =>
      details.isEvery
        ? `${placed(details)} contains no valid CA: ${quoted(details.subjects)} expired, the last on ${day(details.notAfter)}, so etcd refuses every ${details.block === 'client' ? 'client' : 'member'}.`
        : `${placed(details)} contains the CA ${quoted(details.subjects)}, which expired on ${day(details.notAfter)}.`,
    remedy: ({ option, block, isEvery }) =>
      isEvery
        ? `Add a valid CA to the file of ${option}, restart etcd, and reissue the certificates of the ${block === 'client' ? 'clients' : 'members'} by that CA.`
        : 'Reissue its certificates by a valid CA, and remove it from the file.',
  }),
  'config/keys-beyond-2030': row<ConfigPlace & { subjects: string[] }>({
    severity: 'info',
    message: ({ subjects }) =>
      `${listed(subjects)} ${subjects.length === 1 ? 'relies' : 'rely'} beyond 2030 on RSA keys that are too small by then.`,
    remedy: () => 'Create the next CA with ECDSA P-256 or RSA 3072.',
  }),
  'config/client-and-peer-swapped': row<
    ConfigPlace & { subject: string; peerCa: string; peerCert: string; ca: string }
  >({
    severity: 'error',
    refusals: [{ by: 'Go', words: 'x509: certificate signed by unknown authority' }],
    message: (details) =>
      `${placed(details)} names "${details.subject}", which chains to a CA of ${details.peerCa}, and ${details.peerCert} chains to a CA of ${details.ca}. The two sides are swapped.`,
    remedy: ({ option, peerCert, ca, peerCa }) =>
      `Swap the files of ${option} and ${peerCert}, with their keys, or those of ${ca} and ${peerCa}.`,
  }),
  'config/volume-invalid': rowByKind<
    ConfigPlace & {
      kind:
        | 'not defined'
        | 'defined twice'
        | 'mounted twice'
        | 'no such key'
        | 'not in the volume'
        | 'hidden'
        | 'not mounted'
        | 'not mounted in the official image'
        | 'not on the host'
      /** The volumes, their keys, or the files. */
      names: string[]
      /** The directories where volumes are mounted, the files that a volume has, or the source of the keys. */
      mounts: string[]
      /** What refuses it, or the directive that hides the files. */
      by: string
      /** Where it must be defined. Default: volumes. */
      section?: 'volumes' | 'secrets' | 'configs'
    }
  >({
    refusals: [
      {
        by: 'Go',
        words: 'open …: no such file or directory',
        when: ({ kind }) => /^(?:not mounted|not in the volume|hidden)/.test(kind),
      },
    ],
    kinds: {
      'not defined': {
        severity: 'error',
        message: (details) =>
          `${placed(details)} mounts ${quoted(details.names)}, which ${details.names.length === 1 ? 'is' : 'are'} not defined: ${details.by} refuses that.`,
        remedy: ({ names, by, section = 'volumes' }) =>
          `Define ${quoted(names)} under "${section}" of ${by === 'Compose' ? 'the Compose file' : 'the pod'}, or correct the name.`,
      },
      'defined twice': {
        severity: 'error',
        message: (details) => `${placed(details)} defines ${quoted(details.names)} twice: ${details.by} refuses that.`,
        remedy: () => 'Give each volume its own name, and use that name under "volumeMounts".',
      },
      'mounted twice': {
        severity: 'error',
        message: (details) =>
          `${placed(details)} mounts two volumes at ${listed(details.names)}: ${details.by} refuses that.`,
        remedy: () => 'Mount each volume at its own path, or remove one of them.',
      },
      'no such key': {
        severity: 'error',
        message: (details) =>
          `${placed(details)} takes ${quoted(details.names)} from the ${listed(details.mounts)}, which does not have ${details.names.length === 1 ? 'that key' : 'these keys'}: the container does not start.`,
        remedy: ({ mounts }) => `Correct the key, or add it to the ${listed(mounts)}.`,
      },
      'not in the volume': {
        severity: 'error',
        message: (details) =>
          `${placed(details)} names ${listed(details.names)}, but the volume that is mounted there has only ${listed(details.mounts, 'other files')}.`,
        remedy: () => 'Correct the path, or add the file to the Secret or ConfigMap and to the "items" of the volume.',
      },
      hidden: {
        severity: 'error',
        message: (details) => `${placed(details)} names ${listed(details.names)}, which ${details.by} hides from etcd.`,
        remedy: ({ by }) => `Move the file to a directory such as /etc/etcd, or change ${by} in the unit.`,
      },
      'not mounted': { severity: 'warning', message: notMounted, remedy: mountThere },
      'not mounted in the official image': { severity: 'error', message: notMounted, remedy: mountThere },
      'not on the host': {
        severity: 'error',
        message: (details) =>
          `${listed(details.names)} of ${placed(details)} is not in a directory of the host that the container mounts.`,
        remedy: () =>
          'Read it in the container, or pass the files to fromFiles. If it is a mounted Secret, mount the Secret in your pod as well and use fromKubernetesSecret.',
      },
    },
  }),
  'config/data-not-kept': rowByKind<
    ConfigPlace & {
      kind: 'no volume' | 'emptyDir' | 'tmpfs' | 'read-only' | 'shared'
      /** The data directory. */
      path: string
      /** The volume, the directive that makes it read-only, or the members that have it in common. */
      by: string
    }
  >({
    refusals: [{ by: 'etcd', words: 'cannot access data directory: …', when: ({ kind }) => kind === 'read-only' }],
    kinds: {
      'no volume': {
        severity: 'warning',
        message: (details) =>
          `${placed(details)}: no volume is mounted at ${details.path}. The data of etcd is deleted together with the container.`,
        remedy: ({ path }) => `Mount a volume that outlives the container at ${path}.`,
      },
      emptyDir: {
        severity: 'info',
        message: (details) =>
          `${placed(details)}: ${details.path} is on an emptyDir, whose data is deleted together with the pod.`,
        remedy: ({ path }) => `Mount a volume that outlives the pod at ${path}, unless the data may be lost.`,
      },
      tmpfs: {
        severity: 'warning',
        message: (details) =>
          `${placed(details)}: ${details.path} is in memory (tmpfs), so the data is lost when the container stops.`,
        remedy: ({ path }) => `Mount a volume at ${path} that is not in memory, unless the data may be lost.`,
      },
      'read-only': {
        severity: 'error',
        message: (details) =>
          `${placed(details)}: ${details.path} is read-only (${details.by}), so etcd cannot write its data there and does not start.`,
        remedy: ({ path, by }) =>
          by.endsWith('=')
            ? `Add "ReadWritePaths=${path}" to the unit, or "StateDirectory=" if it is below /var/lib.`
            : `Make ${path} writable: mount a volume there that is not read-only.`,
      },
      shared: {
        severity: 'error',
        message: (details) =>
          `${placed(details)}: ${details.path} is the same directory for ${details.by}. Only the first member that starts gets its lock.`,
        remedy: () => 'Give each member its own volume; in a StatefulSet, by "volumeClaimTemplates".',
      },
    },
  }),
}

function unusableCrl(details: ConfigPlace & { path: string; reason: string }): string {
  return `${placed(details)} names ${details.path}, which cannot be used: ${details.reason}`
}

function mountThere({ by }: { by: string }): string {
  if (by === 'Compose') return 'Mount them there: under "volumes", "secrets" or "configs" of the service.'
  return by === 'Kubernetes'
    ? 'Mount a volume with the files there, under "volumeMounts" of the container.'
    : 'Mount a volume with the files there.'
}

function notMounted(details: ConfigPlace & { names: string[]; mounts: string[] }): string {
  const { names, mounts } = details
  return `${placed(details)} names a file in the container, but no volume is mounted there: ${listed(names)}${mounts.length === 0 ? '' : ` (volumes are mounted at ${listed(mounts)})`}.`
}

function ofDynamicUser(path: string): string {
  return `Pass it by LoadCredential=, set User= to a user that owns ${path}, or SupplementaryGroups= to a group that may use it.`
}
