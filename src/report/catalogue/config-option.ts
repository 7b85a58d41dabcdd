/** Findings about the options of etcd themselves: what a form or a version of etcd cannot say, and values it cannot take. */
import { row } from '../row.js'
import { placed, releases, spelledLike, type ConfigPlace } from './config-place.js'
import { listed } from '../words.js'

/** The ways in which a member is told its options. */
type Form = 'yaml' | 'flags' | 'env'

const FORM_NAMES: Readonly<Record<Form, string>> = {
  yaml: 'a YAML file',
  flags: 'flags',
  env: 'environment variables',
}

/** Whether a version is one release, and no line of them. */
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
      'No etcd of this version can be told the option in this form. Etcd passes over a key of a YAML file or a variable that it does not know, so to write it would protect nothing.',
    source:
      'server/embed/config.go securityConfig and server/etcdmain/config.go of the version; the table in src/config',
    message: (details) =>
      `${placed(details)} cannot be said by ${FORM_NAMES[details.form]} to etcd ${details.version}.`,
    remedy: ({ forms }) =>
      forms.length === 0
        ? 'Leave the option out, or run a version of etcd that has it.'
        : `Use another form: ${listed(forms.map((form) => FORM_NAMES[form]))} can say it.`,
  }),
  'config/option-not-in-version': row<
    ConfigPlace & {
      form: Form
      version: string
      since: string[]
      until: string | null
      forms: Form[]
      /** The name that the version has for it, where it has another one. */
      instead?: string | undefined
    }
  >({
    severity: 'error',
    meaning:
      'The option came with a later release than the one that is written for, or went before it. A release line without a patch stands for all of its releases. An unknown flag ends etcd at its start; an unknown key of a YAML file or an unknown variable is passed over, and what it should protect is open.',
    source: 'the releases of etcd, as the rows of the table in src/config name them',
    refusals: [{ by: 'Go', words: 'flag provided but not defined: …', when: ({ form }) => form === 'flags' }],
    message: (details) => {
      const { version, form, until, since } = details
      if (!isRelease(version)) {
        return `${placed(details)} is not in every etcd ${version} by ${FORM_NAMES[form]}${until === null ? '' : `; it is gone since ${until}`}.`
      }
      const history = isGone(details)
        ? `it is gone since ${until ?? ''}`
        : `it came with ${listed(since, 'a later release')}`
      return `${placed(details)} cannot be said by ${FORM_NAMES[form]} to etcd ${version}: ${history}.`
    },
    remedy: (details) => {
      const { version, since, until, forms, form, instead } = details
      const others = forms.length === 0 ? '' : `use ${listed(forms.map((each) => FORM_NAMES[each]))}, which can say it`
      if (!isRelease(version)) {
        return `Name the release that you run, if it is ${releases(since)}${until === null ? '' : ` and older than ${until}`}${others === '' ? '' : `, or ${others}`}; or update etcd.`
      }
      if (instead !== undefined) return `Write ${instead}.`
      const does = form === 'flags' ? 'etcd does not start with it' : 'etcd passes over it'
      const update = isGone(details) ? '' : `Update etcd to ${releases(since)}, or t`
      return `${update === '' ? 'T' : update}ake it out: ${does}${others === '' ? '' : `. Or ${others}`}.`
    },
  }),
  'config/one-value-only': row<ConfigPlace & { version: string; count: number; since: string[] }>({
    severity: 'error',
    meaning:
      'The option takes a single value in this version and a list in later ones. An older etcd takes "a,b" for one name, which nobody has.',
    source: 'server/embed/config.go v3.5.14 and v3.5.15 securityConfig; server/etcdmain/config.go v3.5.14 and v3.5.15',
    message: (details) =>
      `${placed(details)} has ${String(details.count)} values, and ${isRelease(details.version) ? `etcd ${details.version} takes them for one` : `not every etcd ${details.version} takes more than one`}.`,
    remedy: ({ version, since }) =>
      isRelease(version)
        ? `Keep one value, or update etcd to ${releases(since)}.`
        : `Keep one value, or name the release that you run, if it is ${releases(since)}.`,
  }),
  'config/value-refused': row<ConfigPlace & { value: string; reason: string }>({
    severity: 'error',
    meaning:
      'The value cannot be written for etcd, or cannot mean anything to it: control characters, an empty text, a comma in a list that has commas between its entries, or a text that is longer than an argument of a program can be.',
    source:
      'execve(2): MAX_ARG_STRLEN; systemd.exec(5) EnvironmentFile=; etcd pkg/flags/strings.go, pkg/types/urlsmap.go',
    message: (details) => `${placed(details)} cannot be "${details.value}": it ${details.reason}.`,
    remedy: (details) => `Give ${details.option} another value.`,
  }),
  'config/extra-unknown': row<ConfigPlace & { nearest: string | null }>({
    severity: 'error',
    meaning:
      'A name among the options that are passed through is none that etcd takes and acts on. It ends at such a flag, and passes over such a key or variable.',
    source: 'server/etcdmain/config.go and server/embed/config.go of v3.4.0 to v3.7.1; the table in src/config',
    refusals: [{ by: 'Go', words: 'flag provided but not defined: -…' }],
    message: (details) => `${placed(details)} is no option of etcd that extra can pass through.`,
    remedy: ({ nearest }) =>
      nearest === null
        ? 'Write the name of the flag without its dashes, or take it out.'
        : `Write "${nearest}" if that is meant.`,
  }),
  'config/extra-not-free': row<ConfigPlace & { field: string | null }>({
    severity: 'error',
    meaning:
      'An option that has a field of its own, or that would take the place of one, is among those that are passed through unseen, where nothing checks it.',
    source: 'a rule of this package; of two ways to name the members, server/embed/config.go v3.5.16 Validate',
    message: (details) => `${placed(details)} cannot be passed through by extra.`,
    remedy: ({ field }) => (field === null ? 'Take it out of extra.' : `Say it by ${field}, and take it out of extra.`),
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
      'A list without entries is not the same as no list to the reader, and is the same to etcd: it restricts nothing.',
    source: 'client/pkg/transport/listener.go v3.5.16 ServerConfig; server/embed/config.go v3.5.16 Validate',
    message: (details) => `${placed(details)} is an empty list.`,
    remedy: ({ option }) => `Put an entry into the list of ${option}, or leave it out if nothing is meant.`,
  }),
  'config/url-refused': row<ConfigPlace & { url: string; reason: string }>({
    severity: 'error',
    meaning:
      'The URL is none that etcd takes there. It wants scheme, host and port and nothing else; addresses or localhost to listen on, and something that others can reach to advertise.',
    source: 'client/pkg/types/urls.go v3.5.16 NewURLs; server/embed/config.go v3.5.16 checkBindURLs, checkHostURLs',
    refusals: [
      { by: 'etcd', words: 'URL must not contain a path: …' },
      { by: 'etcd', words: 'URL scheme must be http, https, unix, or unixs: …' },
      { by: 'etcd', words: 'URL address does not have the form "host:port": …' },
      { by: 'etcd', words: 'expected IP in URL for binding (…)' },
    ],
    message: (details) => `${placed(details)} cannot be "${details.url}": it ${details.reason}.`,
    remedy: () => 'Write scheme, host and port alone, as "https://10.0.0.1:2379", "https://[2001:db8::1]:2379".',
  }),
  'config/cluster-without-member': row<ConfigPlace & { name: string }>({
    severity: 'error',
    meaning: 'The list of members does not hold the member itself, so etcd does not start.',
    source: 'server/config/config.go v3.5.16 VerifyBootstrap',
    refusals: [{ by: 'etcd', words: `couldn't find local name "…" in the initial cluster configuration` }],
    message: (details) => `${placed(details)} does not hold the member "${details.name}".`,
    remedy: ({ name }) => `Add "${name}=URL" for each URL that this member advertises to its peers.`,
  }),
  'config/cluster-urls-differ': row<ConfigPlace & { name: string; advertised: string[]; listed: string[] }>({
    severity: 'error',
    meaning:
      'The peer URLs of a member in the list of members are not those that it advertises, so etcd does not start. It compares addresses after it resolved them; the same spelling is always safe.',
    source: 'server/config/config.go v3.5.16 advertiseMatchesCluster',
    refusals: [
      { by: 'etcd', words: '--initial-cluster has … but missing from --initial-advertise-peer-urls=…' },
      { by: 'etcd', words: '--initial-advertise-peer-urls has … but missing from --initial-cluster=…' },
    ],
    message: (details) =>
      `${placed(details)} gives "${details.name}" the URLs ${listed(details.listed)}, and the member advertises ${listed(details.advertised)}.`,
    remedy: () => 'Write the same URLs in both.',
  }),
  'config/start-ambiguous': row<ConfigPlace & { other: string }>({
    severity: 'error',
    meaning:
      'A list of members, a discovery service and DNS are three ways to find the members of a new cluster. Etcd does not start with two of them, in any form.',
    source: 'server/embed/config.go v3.5.16 Validate; etcd 3.5.16, run',
    refusals: [{ by: 'etcd', words: 'multiple discovery or bootstrap flags are set' }],
    message: (details) => `${placed(details)} is set beside ${details.other}: etcd wants one way to find the members.`,
    remedy: ({ option, other }) => `Keep one of ${other} and ${option}.`,
  }),
  'config/election-too-short': row<ConfigPlace & { heartbeat: number; election: number; least: number }>({
    severity: 'error',
    meaning:
      'A leader must be heard of five times within the time after which others take its place. Etcd does not start with less; what is not set is 100 ms and 1000 ms.',
    source: 'server/embed/config.go v3.5.16 Validate; etcd 3.5.16, run',
    refusals: [
      { by: 'etcd', words: '--election-timeout[…ms] should be at least as 5 times as --heartbeat-interval[…ms]' },
    ],
    message: (details) =>
      `${placed(details)}: the election timeout of ${String(details.election)} ms is less than five heartbeats of ${String(details.heartbeat)} ms.`,
    remedy: ({ option, least }) =>
      `Set ${spelledLike(option, 'election-timeout')} to ${String(least)} at least, or ${spelledLike(option, 'heartbeat-interval')} to less, alike on all members.`,
  }),
  'config/path-not-absolute': row<ConfigPlace & { path: string }>({
    severity: 'error',
    meaning:
      'A service manager and a container start etcd in a folder of their own, in which a relative path leads elsewhere.',
    source: 'systemd.exec(5) WorkingDirectory=; Compose specification, volumes',
    message: (details) => `${placed(details)} is the relative path "${details.path}".`,
    remedy: () => 'Give the path from the root, as "/etc/etcd/server.crt".',
  }),
}
