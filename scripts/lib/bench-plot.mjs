/** Draws ratios to the base as SVG: bars, or lines over a logarithmic axis. */
const [WIDTH, HEIGHT] = [720, 340]
const AREA = { left: 60, right: 20, top: 56, bottom: 56 }
const COLOURS = ['#64748b', '#0f766e', '#b45309', '#6d28d9']

/** @returns the text of the file */
export function draw(plot, { base, rows }) {
  const row = (contender) => {
    const found = rows.find(({ name }) => name === contender)
    if (found === undefined) throw new Error(`The plot "${plot.title}" shows no contender "${contender}"`)
    return found
  }
  const shown = plot.bars?.map(({ contender }) => row(contender)) ?? []
  const lines = (plot.lines ?? []).map(({ name, points }) => ({
    name,
    points: points.map(({ x, contender }) => ({ x, ...row(contender) })),
  }))
  const values = [...shown, ...lines.flatMap(({ points }) => points)].map(({ ratio, spread }) =>
    Math.max(ratio, spread[1]),
  )
  const top = niceTop(Math.max(1, ...values))
  const y = (value) => HEIGHT - AREA.bottom - (Math.min(value, top) / top) * (HEIGHT - AREA.top - AREA.bottom)
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(AREA.left, 22, plot.title, 'font-size="15" font-weight="bold"'),
    ...yAxis(top, y, base),
    ...(plot.bars === undefined ? curves(lines, plot.x, y) : bars(plot.bars, shown, y)),
    '</svg>',
  ]
  return `${parts.join('\n')}\n`
}

function yAxis(top, y, base) {
  const steps = [0, 1, 2, 3, 4].map((step) => (top * step) / 4)
  return [
    ...steps.flatMap((value) => [
      `<line x1="${AREA.left}" x2="${WIDTH - AREA.right}" y1="${n(y(value))}" y2="${n(y(value))}" stroke="#e2e8f0"/>`,
      text(AREA.left - 8, y(value) + 4, String(Number(value.toFixed(2))), 'text-anchor="end"'),
    ]),
    `<line x1="${AREA.left}" x2="${WIDTH - AREA.right}" y1="${n(y(1))}" y2="${n(y(1))}" stroke="#0f172a" stroke-dasharray="4 3"/>`,
    text(AREA.left, 42, `× ${base}, less is better`, 'fill="#475569"'),
  ]
}

function bars(named, shown, y) {
  const step = (WIDTH - AREA.left - AREA.right) / named.length
  const width = Math.min(90, step * 0.6)
  return named.flatMap(({ name }, index) => {
    const { ratio, spread } = shown[index]
    const middle = AREA.left + step * (index + 0.5)
    const colour = COLOURS[index === 0 ? 0 : 1]
    return [
      `<rect x="${n(middle - width / 2)}" y="${n(y(ratio))}" width="${n(width)}" height="${n(y(0) - y(ratio))}" fill="${colour}"/>`,
      `<line x1="${n(middle)}" x2="${n(middle)}" y1="${n(y(spread[0]))}" y2="${n(y(spread[1]))}" stroke="#0f172a"/>`,
      text(middle + width / 2 + 4, y(ratio) + 4, ratio.toFixed(2), ''),
      text(middle, HEIGHT - AREA.bottom + 18, name, 'text-anchor="middle"'),
    ]
  })
}

function curves(lines, title, y) {
  const all = lines.flatMap(({ points }) => points.map(({ x }) => x))
  const [low, high] = [Math.log(Math.min(...all)), Math.log(Math.max(...all))]
  const x = (value) => AREA.left + 10 + ((Math.log(value) - low) / (high - low)) * (WIDTH - AREA.left - AREA.right - 20)
  const ticks = [...new Set(all)].map((value) =>
    text(x(value), HEIGHT - AREA.bottom + 18, short(value), 'text-anchor="middle"'),
  )
  const drawn = lines.flatMap(({ name, points }, index) => {
    const colour = COLOURS[index % COLOURS.length]
    const path = points.map((each) => `${n(x(each.x))},${n(y(each.ratio))}`).join(' ')
    return [
      `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      ...points.map((each) => `<circle cx="${n(x(each.x))}" cy="${n(y(each.ratio))}" r="3" fill="${colour}"/>`),
      text(WIDTH - AREA.right, 22 + 14 * index, name, `text-anchor="end" fill="${colour}"`),
    ]
  })
  return [...ticks, text(WIDTH / 2, HEIGHT - 12, title, 'text-anchor="middle" fill="#475569"'), ...drawn]
}

function niceTop(value) {
  return [1.2, 1.6, 2, 3, 4, 6, 8, 12, 16, 20, 40].find((each) => value <= each) ?? Math.ceil(value)
}

function short(value) {
  if (value >= 1e6) return `${Number((value / 1e6).toFixed(1))}M`
  return value >= 10_000 ? `${Math.round(value / 1000)}k` : String(value)
}

function text(x, y, content, attributes) {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<text x="${n(x)}" y="${n(y)}" ${attributes}>${escaped}</text>`
}

function n(value) {
  return String(Number(value.toFixed(1)))
}
