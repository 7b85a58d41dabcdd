/** Findings about the files that a configuration of etcd names. */
import { row } from '../../row.js'
import { listed, quoted } from '../../words.js'
import { day, optionKinds, optionRow, verb } from './place.js'
import { type ConfigPlace, shellArgument } from '../place.js'

/** Why etcd 3.6 does not read a CRL that older releases read. */
export type CrlFlaw = 'PEM' | 'version 1' | 'two algorithms' | 'critical key identifier'

const FLAWS: Readonly<
  Record<CrlFlaw, { has: string; wants: string; words: string; remedy: (details: { path: string }) => string }>
> = {
  PEM: {
    has: 'is PEM',
    wants: 'DER',
    words: 'x509: malformed crl',
    remedy: ({ path }) => `Convert it: "openssl crl -in ${shellArgument(path)} -outform DER -out crl.der".`,
  },
  'version 1': {
    has: 'is a CRL of version 1',
    wants: 'version 2',
    words: 'x509: unsupported crl version',
    remedy: () => 'Issue it with a number, which makes it version 2 ("crlnumber" in the configuration of openssl ca).',
  },
  'two algorithms': {
    has: 'names one signature algorithm inside and another one outside',
    wants: 'the same twice',
    words: "x509: inner and outer signature algorithm identifiers don't match",
    remedy: () => 'Issue the CRL again, with another program.',
  },
  'critical key identifier': {
    has: 'has a critical authority key identifier',
    wants: 'one that is not critical',
    words: 'x509: authority key identifier incorrectly marked critical',
    remedy: () => 'Issue it with "authorityKeyIdentifier = keyid:always", without "critical".',
  },
}

const UNSEEN = {
  certificate: 'tls: failed to find any PEM data in certificate input',
  key: 'tls: failed to find any PEM data in key input',
  CA: 'x509: certificate signed by unknown authority',
}

export const configFiles = {
  'config/byte-order-mark': optionRow<ConfigPlace & { path: string; of: 'certificate' | 'key' | 'CA' }>({
    refusals: Object.entries(UNSEEN).map(([which, words]) => ({ Go: words, when: ({ of }) => of === which })),
    says: ({ path, of }) => `names ${path}, which begins with a byte order mark: etcd does not see the ${of}.`,
    remedy: ({ path }) => `Remove it: "sed -i '1s/^\\xEF\\xBB\\xBF//' ${shellArgument(path)}".`,
  }),
  'config/crl-form': optionRow<ConfigPlace & { path: string; version: string; isAhead: boolean; is: CrlFlaw }>({
    severity: ({ isAhead }) => (isAhead ? 'info' : 'error'),
    refusals: Object.entries(FLAWS).map(([flaw, { words }]) => ({
      Go: words,
      when: ({ is, isAhead }) => !isAhead && is === flaw,
    })),
    says: ({ path, is, isAhead, version }) =>
      `names ${path}, which ${FLAWS[is].has}; etcd ${isAhead ? '3.6' : version} requires ${FLAWS[is].wants}${isAhead ? '' : ' and refuses every client'}.`,
    remedy: (details) =>
      `${FLAWS[details.is].remedy(details)}${details.isAhead ? ' Do so before the update to 3.6.' : ''}`,
  }),
  'config/crl-unreadable': optionKinds<
    ConfigPlace & {
      kind: 'damaged' | 'something else' | 'several'
      path: string
      /** Why it cannot be used, or how many CRLs there are. */
      reason: string
    }
  >({
    kinds: {
      damaged: {
        says: unusable,
        remedy: ({ option, path }) =>
          `Write the CRL again, for example with "openssl ca -gencrl -out ${shellArgument(path)}", or remove ${option}.`,
      },
      // A file that is not a CRL may be a certificate, which must not be overwritten.
      'something else': {
        says: unusable,
        remedy: ({ option, path }) =>
          `Set ${option} to a CRL, which "openssl ca -gencrl" writes to a new file, or remove ${option}. Do not overwrite ${path}.`,
      },
      several: {
        says: ({ path, reason }) => `names ${path}, which contains ${reason} CRLs. Etcd reads only the first one.`,
        remedy: () => 'Write one CRL with all serial numbers: etcd compares only these, not the issuer.',
      },
    },
  }),
  'config/crl-doubtful': optionKinds<
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
        says: () => 'is in force, although etcd does not document it.',
        remedy: () => 'Keep it, and verify after each update of etcd that a revoked certificate is refused.',
      },
      'other CA': {
        severity: 'warning',
        says: ({ path, issuer, ca }) => `names ${path}, a CRL of "${issuer}", which is not one of the CAs of ${ca}.`,
        remedy: ({ ca }) => `Use the CRL that a CA of ${ca}, or an intermediate below it, issued.`,
      },
      stale: {
        severity: 'warning',
        says: ({ path, nextUpdate }) =>
          `names ${path}, whose next update was due${nextUpdate === null ? '' : ` on ${day(nextUpdate)}`}. Etcd ignores that date.`,
        remedy: ({ path }) =>
          `Write a new CRL to ${path}, for example with "openssl ca -gencrl -out ${shellArgument(path)}", and repeat it by a timer.`,
      },
    },
  }),
  'config/key-not-readable': optionKinds<
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
    kinds: {
      encrypted: {
        refusals: { Go: 'tls: failed to parse private key' },
        says: ({ path }) => `names ${path}, which is encrypted.`,
        remedy: ({ path }) =>
          `Decrypt it: "openssl pkey -in ${shellArgument(path)} -out new.key", and make new.key readable only for the user of etcd.`,
      },
      file: {
        refusals: { Go: 'open …: permission denied' },
        says: ({ path, mode, user }) => `names ${path} (mode ${mode}), which the user ${user} may not read.`,
        remedy: ({ onHost, user, isDynamic }) =>
          isDynamic ? ofDynamicUser(onHost) : `Run "chown ${shellArgument(user)} ${shellArgument(onHost)}".`,
      },
      volume: {
        refusals: { Go: 'open …: permission denied' },
        says: ({ path, mode, user }) =>
          `names ${path}, which the volume gives to root with mode ${mode}: the user ${user} of the container may not read it.`,
        remedy: () =>
          'Set "fsGroup" in the securityContext of the pod, which lets that group read the volume, or a defaultMode of 0444.',
      },
      directory: {
        refusals: { Go: 'open …: permission denied' },
        says: ({ path, user, directory, mode }) =>
          `names ${path}, but the user ${user} may not enter ${directory} (mode ${mode}).`,
        remedy: ({ user, directory, isDynamic }) =>
          isDynamic
            ? ofDynamicUser(directory)
            : `Run "chmod o+x ${shellArgument(directory)}", or move the key to a directory that ${user} may enter.`,
      },
    },
  }),
  'config/peer-address-unprovable': optionRow<ConfigPlace & { names: string[]; addresses: string[] }>({
    severity: 'warning',
    refusals: { Go: 'tls: "…" does not match any of DNSNames […]' },
    says: ({ names, addresses }) =>
      `names a certificate with ${listed(names)}. None of these names covers the address of this member (${listed(addresses)}).`,
    remedy: () => 'Reissue it with the address or the host name of the member in addition.',
  }),
  'config/ca-expired': optionRow<
    ConfigPlace & { subjects: string[]; notAfter: Date; block: 'client' | 'peer'; isEvery: boolean }
  >({
    severity: ({ isEvery }) => (isEvery ? 'error' : 'warning'),
    refusals: { Go: 'x509: certificate has expired or is not yet valid: …' },
    says: ({ isEvery, subjects, notAfter, block }) =>
      isEvery
        ? `contains no valid CA: ${quoted(subjects)} expired, the last on ${day(notAfter)}, so etcd refuses every ${callers(block)}.`
        : `contains the CA ${quoted(subjects)}, which expired on ${day(notAfter)}.`,
    remedy: ({ option, block, isEvery }) =>
      isEvery
        ? `Add a valid CA to the file of ${option}, restart etcd, and reissue the certificates of the ${callers(block)}s by that CA.`
        : 'Reissue its certificates by a valid CA, and remove it from the file.',
  }),
  'config/keys-beyond-2030': row<ConfigPlace & { subjects: string[] }>({
    severity: 'info',
    message: ({ subjects }) =>
      `${listed(subjects)} ${verb(subjects, 'relies', 'rely')} beyond 2030 on RSA keys that are too small by then.`,
    remedy: () => 'Create the next CA with ECDSA P-256 or RSA 3072.',
  }),
  'config/client-and-peer-swapped': optionRow<
    ConfigPlace & { subject: string; peerCa: string; peerCert: string; ca: string }
  >({
    refusals: { Go: 'x509: certificate signed by unknown authority' },
    says: ({ subject, peerCa, peerCert, ca }) =>
      `names "${subject}", which chains to a CA of ${peerCa}, and ${peerCert} chains to a CA of ${ca}. The two sides are swapped.`,
    remedy: ({ option, peerCert, ca, peerCa }) =>
      `Swap the files of ${option} and ${peerCert}, with their keys, or those of ${ca} and ${peerCa}.`,
  }),
  'config/volume-invalid': optionKinds<
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
        Go: 'open …: no such file or directory',
        when: ({ kind }) => /^(?:not mounted|not in the volume|hidden)/.test(kind),
      },
    ],
    kinds: {
      'not defined': {
        says: ({ names, by }) =>
          `mounts ${quoted(names)}, which ${verb(names, 'is', 'are')} not defined: ${by} refuses that.`,
        remedy: ({ names, by, section = 'volumes' }) =>
          `Define ${quoted(names)} under "${section}" of ${by === 'Compose' ? 'the Compose file' : 'the pod'}, or correct the name.`,
      },
      'defined twice': {
        says: ({ names, by }) => `defines ${quoted(names)} twice: ${by} refuses that.`,
        remedy: () => 'Give each volume its own name, and use that name under "volumeMounts".',
      },
      'mounted twice': {
        says: ({ names, by }) => `mounts two volumes at ${listed(names)}: ${by} refuses that.`,
        remedy: () => 'Mount each volume at its own path, or remove one of them.',
      },
      'no such key': {
        says: ({ names, mounts }) =>
          `takes ${quoted(names)} from the ${listed(mounts)}, which does not have ${verb(names, 'that key', 'these keys')}: the container does not start.`,
        remedy: ({ mounts }) => `Correct the key, or add it to the ${listed(mounts)}.`,
      },
      'not in the volume': {
        says: ({ names, mounts }) =>
          `names ${listed(names)}, but the volume that is mounted there has only ${listed(mounts, 'other files')}.`,
        remedy: () => 'Correct the path, or add the file to the Secret or ConfigMap and to the "items" of the volume.',
      },
      hidden: {
        says: ({ names, by }) => `names ${listed(names)}, which ${by} hides from etcd.`,
        remedy: ({ by }) => `Move the file to a directory such as /etc/etcd, or change ${by} in the unit.`,
      },
      'not mounted': { severity: 'warning', says: notMounted, remedy: mountThere },
      'not mounted in the official image': { says: notMounted, remedy: mountThere },
      'not on the host': {
        says: ({ names }) =>
          `names ${listed(names)}, which is not in a directory of the host that the container mounts.`,
        remedy: () =>
          'Read it in the container, or pass the files to fromFiles. If it is a mounted Secret, mount the Secret in your pod as well and use fromKubernetesSecret.',
      },
    },
  }),
  'config/data-not-kept': optionKinds<
    ConfigPlace & {
      kind: 'no volume' | 'emptyDir' | 'tmpfs' | 'read-only' | 'shared'
      /** The data directory. */
      path: string
      /** The volume, the directive that makes it read-only, or the members that have it in common. */
      by: string
    }
  >({
    kinds: {
      'no volume': {
        severity: 'warning',
        says: ({ path }) =>
          `: no volume is mounted at ${path}. The data of etcd is deleted together with the container.`,
        remedy: ({ path }) => `Mount a volume that outlives the container at ${path}.`,
      },
      emptyDir: {
        severity: 'info',
        says: ({ path }) => `: ${path} is on an emptyDir, whose data is deleted together with the pod.`,
        remedy: ({ path }) => `Mount a volume that outlives the pod at ${path}, unless the data may be lost.`,
      },
      tmpfs: {
        severity: 'warning',
        says: ({ path }) => `: ${path} is in memory (tmpfs), so the data is lost when the container stops.`,
        remedy: ({ path }) => `Mount a volume at ${path} that is not in memory, unless the data may be lost.`,
      },
      'read-only': {
        refusals: { etcd: 'cannot access data directory: …' },
        says: ({ path, by }) => `: ${path} is read-only (${by}), so etcd cannot write its data and does not start.`,
        remedy: ({ path, by }) =>
          by.endsWith('=')
            ? `Add "ReadWritePaths=${path}" to the unit, or "StateDirectory=" if it is below /var/lib.`
            : `Make ${path} writable: mount a volume there that is not read-only.`,
      },
      shared: {
        says: ({ path, by }) =>
          `: ${path} is the same directory for ${by}. Only the first member that starts gets its lock.`,
        remedy: () => 'Give each member its own volume; in a StatefulSet, by "volumeClaimTemplates".',
      },
    },
  }),
}

function callers(block: 'client' | 'peer'): string {
  return block === 'client' ? 'client' : 'member'
}

function unusable({ path, reason }: { path: string; reason: string }): string {
  return `names ${path}, which cannot be used: ${reason}`
}

function mountThere({ by }: { by: string }): string {
  if (by === 'Compose') return 'Mount them there: under "volumes", "secrets" or "configs" of the service.'
  return `Mount a volume with the files there${by === 'Kubernetes' ? ', under "volumeMounts" of the container' : ''}.`
}

function notMounted({ names, mounts }: { names: string[]; mounts: string[] }): string {
  const others = mounts.length === 0 ? '' : ` (volumes are mounted at ${listed(mounts)})`
  return `names a file in the container, but no volume is mounted there: ${listed(names)}${others}.`
}

function ofDynamicUser(path: string): string {
  return `Pass it by LoadCredential=, set User= to a user that owns ${path}, or SupplementaryGroups= to a group that may use it.`
}
