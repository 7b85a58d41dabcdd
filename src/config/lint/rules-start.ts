/** How a member finds the others at its first start, and how long it waits for their leader. */
import { ELECTION, HEARTBEAT, tooShort } from '../heartbeat.js'
import { etcdOptions } from '../options.js'
import { isUnresolved, type OtherName } from '../read/read-option.js'
import { finding } from './finding.js'
import { isTrueText, type LintMember, type Rule } from './member.js'

/** An option that this package passes through. */
const DISCOVERY = 'discovery'
const BY_DNS = etcdOptions.find(({ flag }) => flag?.name === 'discovery-srv')
const UNVERIFIED = etcdOptions.find(({ flag }) => flag?.name === 'discovery-insecure-skip-tls-verify')

/** What is in force: beside a file, its keys alone. */
function otherOf({ settings, others }: LintMember, name: string): OtherName | undefined {
  const isFile = settings.all().some(({ form }) => form === 'yaml')
  return others.findLast(
    (each) => each.name === name && (each.form === 'yaml') === isFile && each.text !== undefined && each.text !== '',
  )
}

/** Etcd counts which of the three are set (server/embed/config.go v3.5.16 Validate). */
const startIsOneWay: Rule = (member) => {
  const cluster = member.settings.server('initialCluster')
  const byDns = member.settings.all().find(({ row }) => row === BY_DNS)
  // What others complete may be empty, and the default is as none in a file.
  const [first, second] = [cluster.option, otherOf(member, DISCOVERY), byDns]
    .filter((each) => each !== null && each !== undefined)
    .filter(({ text = '' }) => text !== '' && !isUnresolved(text) && text !== cluster.row.default)
    .map(({ place }) => place)
  if (first === undefined || second === undefined) return []
  return [finding('config/start-ambiguous', { ...second, other: first.option })]
}

const leaderIsHeard: Rule = (member) => {
  const [heartbeat, election] = [otherOf(member, HEARTBEAT.name), otherOf(member, ELECTION.name)]
  const given = election ?? heartbeat
  const wrong = tooShort(heartbeat?.text, election?.text)
  return given === undefined || wrong === null
    ? []
    : [finding('config/election-too-short', { ...given.place, ...wrong })]
}

/** Who is between decides which members the cluster has. */
const discoveryIsProtected: Rule = (member) => {
  const service = otherOf(member, DISCOVERY)
  const unverified = member.settings.all().find(({ row }) => row === UNVERIFIED)
  return [
    ...(service?.text === undefined || !PLAINTEXT.test(service.text)
      ? []
      : [finding('config/discovery-unprotected', { ...service.place, url: service.text })]),
    ...(unverified === undefined || !isTrueText(unverified.text)
      ? []
      : [finding('config/discovery-unprotected', { ...unverified.place, url: null })]),
  ]
}
/** Without TLS, and not on this machine. */
const PLAINTEXT = /^http:\/\/(?!localhost[:/]|127\.|\[::1\])/i

export const startRules: readonly Rule[] = [startIsOneWay, leaderIsHeard, discoveryIsProtected]
