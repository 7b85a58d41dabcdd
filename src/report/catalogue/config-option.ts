/** Findings about single options of etcd: options that a form or a version does not have, and values that etcd does not accept. */
import { row } from '../row.js'
import { placed, releases, spelledLike, type ConfigPlace } from './config-place.js'
import { listed } from '../words.js'

/** The forms in which etcd takes options. */
type Form = 'yaml' | 'flags' | 'env'

const FORM_NAMES: Readonly<Record<Form, string>> = {
  yaml: 'a YAML file',
  flags: 'flags',
  env: 'environment variables',
}

/** Whether a version is one release, not a release line. */
function isRelease(version: string): boolean {
  return version.split('.').length === 3
}

function isGone({ version, until }: { version: string; until: string | null }): boolean {
  return until !== null && version.localeCompare(until, 'en', { numeric: true }) >= 0
}

export const configOption = {
  'config/option-not-in-form': row<ConfigPlace & { form: Form; version: string; forms: Form[] }>({
    severity: 'error',
    meaning:
      'Etcd of this version does not take the option in this form. Etcd ignores an unknown YAML key or variable, so writing it would protect nothing.',
    source:
      'server/embed/config.go securityConfig and server/etcdmain/config.go of the version; the table in src/config',
    message: (details) =>
      `${placed(details)} cannot be set by ${FORM_NAMES[details.form]} for etcd ${details.version}.`,
    remedy: ({ forms }) =>
      forms.length === 0
        ? 'Remove the option, or run a version of etcd that has it.'
        : `Use another form: ${listed(forms.map((form) => FORM_NAMES[form]))} can set it.`,
  }),
  'config/option-not-in-version': row<
    ConfigPlace & {
      form: Form
      version: string
      since: string[]
      until: string | null
      forms: Form[]
      /** The name that this version uses instead. */
      instead?: string | undefined
    }
  >({
    severity: 'error',
    meaning:
      'The target release does not have the option yet, or no longer has it. A release line without a patch number stands for all of its releases. Etcd does not start with an unknown flag; it ignores an unknown YAML key or variable, and the protection is missing.',
    source: 'the releases of etcd, as the rows of the table in src/config name them',
    refusals: [{ by: 'Go', words: 'flag provided but not defined: …', when: ({ form }) => form === 'flags' }],
    message: (details) => {
      const { version, form, until, since } = details
      if (!isRelease(version)) {
        return `${placed(details)} is not in every etcd ${version} by ${FORM_NAMES[form]}${until === null ? '' : `; it was removed in ${until}`}.`
      }
      const history = isGone(details)
        ? `it was removed in ${until ?? ''}`
        : `it was added in ${listed(since, 'a later release')}`
      return `${placed(details)} cannot be set by ${FORM_NAMES[form]} for etcd ${version}: ${history}.`
    },
    remedy: (details) => {
      const { version, since, until, forms, form, instead } = details
      const others = forms.length === 0 ? '' : `use ${listed(forms.map((each) => FORM_NAMES[each]))}, which can set it`
      if (!isRelease(version)) {
        return `Set the version to the release that you run, if it is ${releases(since)}${until === null ? '' : ` and older than ${until}`}${others === '' ? '' : `, or ${others}`}; or update etcd.`
      }
      if (instead !== undefined) return `Write ${instead}.`
      const does = form === 'flags' ? 'etcd does not start with it' : 'etcd ignores it'
      const update = isGone(details) ? '' : `Update etcd to ${releases(since)}, or r`
      return `${update === '' ? 'R' : update}emove it: ${does}${others === '' ? '' : `. Or ${others}`}.`
    },
  }),
  'config/one-value-only': row<ConfigPlace & { version: string; count: number; since: string[] }>({
    severity: 'error',
    meaning:
      'The option takes one value in this version and a list in later ones. An older etcd reads "a,b" as one name, which no certificate has.',
    source: 'server/embed/config.go v3.5.14 and v3.5.15 securityConfig; server/etcdmain/config.go v3.5.14 and v3.5.15',
    message: (details) =>
      `${placed(details)} has ${String(details.count)} values. ${isRelease(details.version) ? `Etcd ${details.version} reads them as one` : `Not every etcd ${details.version} takes more than one`}.`,
    remedy: ({ version, since }) =>
      isRelease(version)
        ? `Keep one value, or update etcd to ${releases(since)}.`
        : `Keep one value, or set the version to the release that you run, if it is ${releases(since)}.`,
  }),
  'config/value-refused': row<ConfigPlace & { value: string; reason: string }>({
    severity: 'error',
    meaning:
      'Etcd cannot receive or use the value: it has control characters, is empty, has a comma in a list that is separated by commas, or is longer than a command-line argument can be.',
    source:
      'execve(2): MAX_ARG_STRLEN; systemd.exec(5) EnvironmentFile=; etcd pkg/flags/strings.go, pkg/types/urlsmap.go',
    message: (details) => `${placed(details)} cannot be "${details.value}": it ${details.reason}.`,
    remedy: (details) => `Set ${details.option} to another value.`,
  }),
  'config/extra-unknown': row<ConfigPlace & { nearest: string | null }>({
    severity: 'error',
    meaning:
      'Etcd does not know an option of `extra`. It does not start with such a flag, and ignores such a key or variable.',
    source: 'server/etcdmain/config.go and server/embed/config.go of v3.4.0 to v3.7.1; the table in src/config',
    refusals: [{ by: 'Go', words: 'flag provided but not defined: -…' }],
    message: (details) => `${placed(details)} is not an option of etcd.`,
    remedy: ({ nearest }) =>
      nearest === null
        ? 'Write the name of the flag without its dashes, or remove it.'
        : `Write "${nearest}" if you mean that.`,
  }),
  'config/extra-not-free': row<ConfigPlace & { field: string | null }>({
    severity: 'error',
    meaning:
      'An option of `extra` has a field of its own, or replaces one. The options of `extra` are passed without a check.',
    source: 'a rule of this package; of two ways to name the members, server/embed/config.go v3.5.16 Validate',
    message: (details) => `${placed(details)} cannot be set by extra.`,
    remedy: ({ field }) =>
      field === null ? 'Remove it from extra.' : `Set ${field} instead, and remove it from extra.`,
  }),
  'config/option-needs': row<ConfigPlace & { needs: string }>({
    severity: 'error',
    meaning:
      'An option is set without another one that it needs: a token or endpoints of a discovery service without the other, or checkpoints of leases that are kept and not made. Etcd does not start.',
    source: 'server/embed/config.go v3.5.16, v3.6.14 Validate; etcd 3.5.16, run',
    refusals: [
      {
        by: 'etcd',
        words: 'both --discovery-token and --discovery-endpoints must be set',
        when: ({ needs }) => needs.includes('discovery'),
      },
      {
        by: 'etcd',
        words: 'setting experimental-enable-lease-checkpoint-persist requires experimental-enable-lease-checkpoint',
        when: ({ option }) => option.includes('checkpoint'),
      },
      {
        by: 'etcd',
        words: 'enabling feature gate LeaseCheckpointPersist requires enabling feature gate LeaseCheckpoint',
        when: ({ option }) => option.includes('gates'),
      },
    ],
    message: (details) => `${placed(details)} needs ${details.needs}, which is not set.`,
    remedy: ({ option, needs }) => `Set ${needs}, or remove ${option}.`,
  }),
  'config/list-empty': row<ConfigPlace>({
    severity: 'error',
    meaning:
      'To etcd, an empty list is the same as no list: it restricts nothing. A reader expects that it allows nothing.',
    source: 'client/pkg/transport/listener.go v3.5.16 ServerConfig; server/embed/config.go v3.5.16 Validate',
    message: (details) => `${placed(details)} is an empty list.`,
    remedy: ({ option }) => `Add an entry to ${option}, or remove the option.`,
  }),
  'config/url-refused': row<ConfigPlace & { url: string; reason: string }>({
    severity: 'error',
    meaning:
      'Etcd does not accept the URL there. It requires a scheme, a host and a port and nothing else: an IP address or localhost to listen on, a name or address that others can reach to advertise.',
    source: 'client/pkg/types/urls.go v3.5.16 NewURLs; server/embed/config.go v3.5.16 checkBindURLs, checkHostURLs',
    refusals: [
      { by: 'etcd', words: 'URL must not contain a path: …' },
      { by: 'etcd', words: 'URL scheme must be http, https, unix, or unixs: …' },
      { by: 'etcd', words: 'URL address does not have the form "host:port": …' },
      { by: 'etcd', words: 'expected IP in URL for binding (…)' },
    ],
    message: (details) => `${placed(details)} cannot be "${details.url}": it ${details.reason}.`,
    remedy: () =>
      'Write only scheme, host and port, for example "https://10.0.0.1:2379" or "https://[2001:db8::1]:2379".',
  }),
  'config/cluster-without-member': row<ConfigPlace & { name: string }>({
    severity: 'error',
    meaning: 'The list of members does not contain the member itself. Etcd does not start.',
    source: 'server/config/config.go v3.5.16 VerifyBootstrap',
    refusals: [{ by: 'etcd', words: `couldn't find local name "…" in the initial cluster configuration` }],
    message: (details) => `${placed(details)} does not contain the member "${details.name}".`,
    remedy: ({ name }) => `Add "${name}=URL" for each URL that this member advertises to its peers.`,
  }),
  'config/cluster-urls-differ': row<ConfigPlace & { name: string; advertised: string[]; listed: string[] }>({
    severity: 'error',
    meaning:
      'The peer URLs of a member in the list of members differ from those that it advertises. Etcd does not start. It compares the resolved addresses; the same spelling is always safe.',
    source: 'server/config/config.go v3.5.16 advertiseMatchesCluster',
    refusals: [
      { by: 'etcd', words: '--initial-cluster has … but missing from --initial-advertise-peer-urls=…' },
      { by: 'etcd', words: '--initial-advertise-peer-urls has … but missing from --initial-cluster=…' },
    ],
    message: (details) =>
      `${placed(details)} has the URLs ${listed(details.listed)} for "${details.name}", but the member advertises ${listed(details.advertised)}.`,
    remedy: () => 'Write the same URLs in both.',
  }),
  'config/start-ambiguous': row<ConfigPlace & { other: string }>({
    severity: 'error',
    meaning:
      'A list of members, a discovery service and DNS are three ways to find the members of a new cluster. Etcd does not start with two of them, in any form.',
    source: 'server/embed/config.go v3.5.16 Validate; etcd 3.5.16, run',
    refusals: [{ by: 'etcd', words: 'multiple discovery or bootstrap flags are set' }],
    message: (details) =>
      `${placed(details)} is set in addition to ${details.other}. Etcd accepts only one way to find the members.`,
    remedy: ({ option, other }) => `Keep one of ${other} and ${option}.`,
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
  'config/path-not-absolute': row<ConfigPlace & { path: string }>({
    severity: 'error',
    meaning:
      'A service manager or a container starts etcd in its own working directory, where a relative path leads elsewhere.',
    source: 'systemd.exec(5) WorkingDirectory=; Compose specification, volumes',
    message: (details) => `${placed(details)} is the relative path "${details.path}".`,
    remedy: () => 'Write an absolute path, for example "/etc/etcd/server.crt".',
  }),
}
