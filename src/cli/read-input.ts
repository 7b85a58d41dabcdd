/** Reads standard input whole, within a limit. */
import { UsageError } from './command.js'

/** @throws {UsageError} if nothing can be piped in, or more than the limit is */
export async function readInput(input: NodeJS.ReadStream, limit: number, signal: AbortSignal): Promise<Buffer> {
  if (input.isTTY) throw new UsageError('"-" reads standard input, and nothing is piped into it.')
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of input as AsyncIterable<Buffer | string>) {
    signal.throwIfAborted()
    const bytes = Buffer.from(chunk as Buffer)
    length += bytes.length
    if (length > limit) throw new UsageError(`Standard input has more than ${String(limit)} bytes.`)
    chunks.push(bytes)
  }
  return Buffer.concat(chunks)
}
