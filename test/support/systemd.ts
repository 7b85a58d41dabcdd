/** How systemd takes a command line of a unit apart (systemd.service(5), "Command lines"; systemd.syntax(5), "Quoting"). */
import { spawnSync } from 'node:child_process'

/** The words of a command line, with specifiers and variables resolved; throws at one that is not escaped. */
export function unquoteUnitLine(line: string): string[] {
  const words: string[] = []
  let rest = line.replaceAll(/\\\n\s*/g, ' ').trim()
  while (rest !== '') {
    const [whole, quoted, bare] = /^(?:"((?:[^"\\]|\\.)*)"|([^\s"'\\]+))(?:\s+|$)/s.exec(rest) ?? []
    if (whole === undefined) throw new Error(`Not one word: ${rest}`)
    words.push(resolve(quoted === undefined ? (bare ?? '') : quoted.replaceAll(/\\(["\\])/g, '$1')))
    rest = rest.slice(whole.length)
  }
  return words
}

function resolve(word: string): string {
  const odd = /%[^%]|\$[^$]|[%$]$/.exec(word.replaceAll(/%%|\$\$/g, ''))
  if (odd !== null) throw new Error(`systemd would resolve ${odd[0]} in ${word}`)
  return word.replaceAll('%%', '%').replaceAll('$$', '$')
}

/** What `systemd-analyze verify` says of a unit; null where there is no systemd. */
export function verifyUnit(path: string): { status: number | null; text: string } | null {
  const { error, status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--recursive-errors=no', path], {
    encoding: 'utf8',
  })
  return error === undefined ? { status, text: stdout + stderr } : null
}
