/** The headers of a call of gRPC. */
import type { OutgoingHttpHeaders } from 'node:http2'

/** The headers of a call of gRPC (gRPC over HTTP/2, Request-Headers). */
export function callHeaders(path: string, authority: string, agent = 'etcd-mtls'): OutgoingHttpHeaders {
  return {
    ':method': 'POST',
    ':scheme': 'https',
    ':authority': authority,
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    'user-agent': agent,
  }
}

/** The headers of calls over one connection: the same object for equal ones, so that it is encoded once. */
export class CommonHeaders {
  readonly #authority: string
  readonly #byOthers = new Map<OutgoingHttpHeaders | null, Map<string, OutgoingHttpHeaders>>()

  constructor(authority: string) {
    this.#authority = authority
  }

  /** @param others More headers, an object that is never changed. */
  of(path: string, others: OutgoingHttpHeaders | null): OutgoingHttpHeaders {
    let byPath = this.#byOthers.get(others)
    if (byPath === undefined) {
      byPath = new Map()
      this.#byOthers.set(others, byPath)
    }
    let headers = byPath.get(path)
    if (headers === undefined) {
      headers = { ...callHeaders(path, this.#authority), ...others }
      byPath.set(path, headers)
    }
    return headers
  }
}

/** The value of `grpc-timeout`: at most eight digits and a unit. Rounded up, so that the peer never gives up before us. */
export function timeoutHeader(milliseconds: number): string {
  const most = 99_999_999
  const rounded = Math.max(1, Math.ceil(milliseconds))
  return rounded <= most ? `${String(rounded)}m` : `${String(Math.min(most, Math.ceil(milliseconds / 3_600_000)))}H`
}
