/** The rules of the lint about what is to be written: one table of rules serves both. */
import type { Finding, FindingCode } from '../../report/finding.js'
import { unplaced } from '../finding.js'
import { LintSide } from '../lint/member.js'
import { RULES } from '../lint/member-rules.js'
import type { MemberConfig } from '../model.js'
import { otherOfFlag } from '../options-other.js'
import type { OtherName, ReadOption } from '../read/read-option.js'
import { Settings } from '../read/settings.js'
import type { ParsedVersion } from '../version.js'
import { textOf } from './extra-kinds.js'

/** What a caller asks for in so many words (`plaintext`, `autoTls`, `clientCertAuth`), or what is refused in stricter terms. */
const SAID_ELSEWHERE: ReadonlySet<FindingCode> = new Set<FindingCode>([
  'config/plaintext-url',
  'config/plaintext-bypass',
  'config/peer-tls-forgotten',
  'config/auto-tls',
  'config/peer-auto-tls',
  'config/auto-tls-replaces',
  'config/client-auth-off',
  'config/certificate-missing',
  'config/metrics-certificate-missing',
  'config/initial-cluster-plaintext',
  'config/url-malformed',
  'config/advertise-plaintext',
  'config/cluster-without-member',
  'config/cluster-urls-differ',
  'config/list-too-long',
])

/** Errors about options of which nothing was found before. */
export function judgeByRules(
  config: MemberConfig,
  options: readonly ReadOption[],
  version: ParsedVersion,
  before: readonly Finding[],
): Finding[] {
  const settings = new Settings(options, null)
  const others = Object.entries(config.extra ?? {}).flatMap(([name, value]): OtherName[] =>
    value === undefined || otherOfFlag(name) === undefined
      ? []
      : [{ name, form: 'flags', place: unplaced(`--${name}`), text: textOf(value) }],
  )
  const member = {
    settings,
    others,
    client: new LintSide('client', settings),
    peer: new LintSide('peer', settings),
    version,
    versionPlace: null,
    isWhole: true,
    probes: [],
  }
  const known = new Set(before.map(optionOf))
  return RULES.flatMap((rule) => rule(member)).filter(
    (each) => each.severity === 'error' && !SAID_ELSEWHERE.has(each.code) && !known.has(optionOf(each)),
  )
}

function optionOf({ details }: Finding): unknown {
  return 'option' in details ? details.option : null
}
