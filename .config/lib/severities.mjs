/** Severities of a row of the catalogue, which are a constant or depend on the usage, or on flags, in the details. */
const USAGES = ['client', 'peer', 'server', 'any']

/** The severities for one usage, whatever the flags among the details are. */
function severitiesFor(severity, usage) {
  const details = (flag) => new Proxy({}, { get: (_, name) => (name === 'usage' ? usage : flag) })
  return [...new Set([true, false].map((flag) => severity(details(flag))))]
}

/** @returns {string[]} every severity that findings of the row can have */
export function severitiesOf(severity) {
  if (typeof severity === 'string') return [severity]
  // A row whose text depends on a kind lists those of each kind.
  if (severity.kinds !== undefined) return [...new Set(severity.kinds.flatMap(severitiesOf))]
  return [...new Set(USAGES.flatMap((usage) => severitiesFor(severity, usage)))]
}

/** @returns {string} such as `**error** for client and peer, **warning** for server`, or `**error** or **warning**` */
export function severityText(severity) {
  if (typeof severity === 'string') return `**${severity}**`
  if (severity.kinds !== undefined) {
    const texts = new Set(severity.kinds.map(severityText))
    return texts.size === 1
      ? [...texts][0]
      : severitiesOf(severity)
          .map((each) => `**${each}**`)
          .join(' or ')
  }
  const byUsage = USAGES.map((usage) => ({ usage, each: severity({ usage }) }))
  const found = [...new Set(byUsage.map(({ each }) => each))]
  if (found.length === 1)
    return severitiesOf(severity)
      .map((each) => `**${each}**`)
      .join(' or ')
  const usagesOf = (each) => byUsage.filter((other) => other.each === each).map(({ usage }) => usage)
  return found.map((each) => `**${each}** for ${usagesOf(each).join(' and ')}`).join(', ')
}
