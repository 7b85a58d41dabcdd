/** What an attempt of a stream finds out about its server. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import type { AnswerHead } from '../../../../src/client/http2/protocol.js'
import type { Stream } from '../../../../src/client/http2/stream.js'
import { CallAttempt } from '../../../../src/client/streams/stream-attempt.js'
import type { EtcdCall } from '../../../../src/client/transport/call.js'
import { frameMessage } from '../../../../src/client/transport/framing.js'
import type { RequestCarrier } from '../../../../src/client/transport/health-check.js'
import { bytesField } from '../../../../src/client/transport/protobuf.js'

const VERSION = 2

it('CallAttempt asks for the version again after a server has not answered, and once if it has', async () => {
  let requests = 0
  const connection: RequestCarrier = {
    host: 'a',
    request: (_headers, listener) => {
      requests += 1
      if (requests === 1) throw new Error('The member is busy')
      setImmediate(() => {
        listener.onHead({ ':status': 200, 'content-type': 'application/grpc' } as AnswerHead)
        listener.onData(frameMessage(bytesField(VERSION, Buffer.from('3.5.16'))))
      })
      return { close: () => undefined } as unknown as Stream
    },
  }
  const attempt = new CallAttempt({ connection, token: null } as unknown as EtcdCall, {
    method: 'Watch/Watch',
    takeSent: () => undefined,
    isUsed: () => true,
    replace: () => false,
  })
  const known: boolean[] = []
  for (const count of [1, 2, 3]) {
    attempt.checkProgressOrder((exact) => known.push(exact))
    while (known.length < count) await nextTurn()
  }
  expect([known, requests]).toEqual([[false, true, true], 2])
})
