/** Parses and formats IP addresses. It does not use node:net, which would slow down the import of the validator. */

/** The longest form: six groups of hexadecimal digits and an IPv4 address. */
const MAX_LENGTH = 'ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255'.length

/** The 4 or 16 bytes of an address in any form that `net.isIP` accepts, except zone ids; null for other strings. */
export function parseIp(text: string): Uint8Array | null {
  if (text.length > MAX_LENGTH) return null
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text)
}

function parseIpv4(text: string): Uint8Array | null {
  const parts = text.split('.')
  // Leading zeros are refused, because some programs read them as octal.
  const areBytes = parts.length === 4 && parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)
  return areBytes ? Uint8Array.from(parts, Number) : null
}

function parseIpv6(text: string): Uint8Array | null {
  const [start = '', end, ...more] = text.split('::')
  const head = bytesOf(start, end === undefined)
  const tail = bytesOf(end ?? '', true)
  if (head === null || tail === null || more.length > 0) return null
  const left = 16 - head.length - tail.length
  // A double colon stands for at least one group of zeros.
  if (end === undefined ? left !== 0 : left < 2) return null
  return Uint8Array.from([...head, ...Array<number>(left).fill(0), ...tail])
}

/** The bytes of groups of hexadecimal digits. The end of an address may be in IPv4 form. */
function bytesOf(text: string, atEnd: boolean): number[] | null {
  if (text === '') return []
  const groups = text.split(':')
  const bytes: number[] = []
  for (const [i, group] of groups.entries()) {
    const dotted = atEnd && i === groups.length - 1 ? parseIpv4(group) : null
    if (dotted !== null) bytes.push(...dotted)
    else if (/^[\da-f]{1,4}$/i.test(group)) bytes.push(parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff)
    else return null
  }
  return bytes
}

/** The canonical form: dotted decimal, or RFC 5952 (for an IPv4-mapped address its section 5). */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  if (isIpv4Mapped(bytes)) return `::ffff:${bytes.subarray(12).join('.')}`
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[i * 2] ?? 0) << 8) | (bytes[i * 2 + 1] ?? 0))
  const { start, length } = longestZeroRun(groups)
  const text = (part: number[]): string => part.map((group) => group.toString(16)).join(':')
  if (length < 2) return text(groups)
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`
}

/** Whether 16 bytes are the IPv4-mapped form of an IPv4 address, `::ffff:0:0/96` (RFC 4291 section 2.5.5.2). */
export function isIpv4Mapped(bytes: Uint8Array): boolean {
  return bytes.length === 16 && bytes.subarray(0, 12).every((byte, i) => byte === (i < 10 ? 0 : 0xff))
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  let length = 0
  groups.forEach((group, i) => {
    length = group === 0 ? length + 1 : 0
    if (length > best.length) best = { start: i - length + 1, length }
  })
  return best
}
