/** The table of metrics in docs/operating.md, from the table of src. */
const BEGIN = '<!-- prettier-ignore-start -->\n'
const END = '<!-- prettier-ignore-end -->'

/** The page with the table in its place. */
export function renderMetrics(page, metrics) {
  const [before, rest] = page.split(BEGIN)
  const [, after] = rest?.split(END) ?? []
  if (after === undefined) throw new Error('docs/operating.md has no place for the table of metrics')
  const rows = metrics.map(({ name, type, labels, help }) => {
    return `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ') || '–'} | ${help} |`
  })
  const table = ['| Metric | Type | Labels | What it is |', '| --- | --- | --- | --- |', ...rows].join('\n')
  return `${before}${BEGIN}\n${table}\n\n${END}${after}`
}
